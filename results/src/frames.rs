//! The columns of every table: buffers of one row group, turned into polars frames.
//!
//! A frame is always built afresh from the same values in the same way, and a row group never
//! depends on how its tests arrived. That is why the bytes of a table do not depend on chunks,
//! threads or shards.

use polars_core::prelude::*;
use scheduler::{Certificate, Cost};

use crate::assess::Assessed;
use crate::chunk::ProblemColumns;
use crate::cycles::{AgainstExact, Cycles};
use crate::row::Took;
use crate::statistics::{self, COUNT};
use crate::tally::{Discrepancy, SummaryRow, TimingRow};

/// A table in memory; the name keeps polars out of other modules.
pub(crate) type Frame = DataFrame;

/// The digits of a decimal column: as many as 128 bits hold.
pub(crate) const DECIMAL_DIGITS: usize = 38;

/// The two keys that the rows of a row group share or count up: its family, and its first test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group<'a> {
    pub(crate) family: &'a str,
    pub(crate) first_test: u64,
}

pub(crate) fn tests(group: Group<'_>, problems: &mut ProblemColumns) -> DataFrame {
    let count = problems.n.len();
    let (mut s_max, mut fee_micro) = (
        ListPrimitiveChunkedBuilder::<UInt32Type>::new(
            "s_max".into(),
            count,
            problems.s_max.len(),
            DataType::UInt32,
        ),
        ListPrimitiveChunkedBuilder::<UInt64Type>::new(
            "fee_micro".into(),
            count,
            problems.fee_micro.len(),
            DataType::UInt64,
        ),
    );
    let mut start = 0;
    for index in 0..count {
        let end = start + problems.workers_of(index);
        s_max.append_slice(&problems.s_max[start..end]);
        fee_micro.append_slice(&problems.fee_micro[start..end]);
        start = end;
    }
    let take = |name, values: &mut Vec<u64>| numbers(name, std::mem::take(values));
    let columns = vec![
        take("n", &mut problems.n),
        take("beta", &mut problems.beta),
        take("s_min", &mut problems.s_min),
        take("k", &mut problems.k),
        take("eligible", &mut problems.eligible),
        take("capacity", &mut problems.capacity),
        s_max.finish().into_column(),
        fee_micro.finish().into_column(),
    ];
    problems.s_max.clear();
    problems.fee_micro.clear();
    let mut all = keys(group, count, 1);
    all.extend(columns);
    frame(all)
}

pub(crate) fn outcomes(
    group: Group<'_>,
    allocators: &[String],
    is_simulated: bool,
    rows: &[Assessed],
) -> DataFrame {
    let mut columns = keys_with_allocators(group, allocators, rows.len());
    let cost = |cost: Option<Cost>| cost.map(Cost::micros);
    columns.extend([
        texts("status", rows.iter().map(|r| Some(r.row.status.name()))),
        texts("reason", rows.iter().map(|r| r.row.reason)),
        texts(
            "certificate",
            rows.iter()
                .map(|r| r.row.certificate.map(Certificate::name)),
        ),
        decimals("cost_micro", rows.iter().map(|r| cost(r.row.cost))),
        decimals(
            "lower_bound_micro",
            rows.iter().map(|r| cost(r.row.lower_bound)),
        ),
        optional_numbers(
            "workers_employed",
            rows.iter().map(|r| r.row.workers_employed),
        ),
        floats(
            "excess",
            rows.iter().map(|r| r.excess.and_then(|e| e.relative)),
        ),
        decimals(
            "excess_micro",
            rows.iter().map(|r| r.excess.map(|e| e.cost.micros())),
        ),
    ]);
    if is_simulated {
        let simulated = || rows.iter().map(|r| r.row.simulated);
        columns.extend([
            optional_numbers("makespan_ns", simulated().map(|s| Some(s?.makespan_ns))),
            booleans("missed", simulated().map(|s| Some(s?.missed))),
            optional_numbers("late_workers", simulated().map(|s| Some(s?.late_workers))),
        ]);
    }
    frame(columns)
}

/// The statistics of one row group, by column; what is missing is NaN.
#[derive(Default)]
pub(crate) struct StatisticsColumns {
    columns: Vec<Vec<f64>>,
}

impl StatisticsColumns {
    pub(crate) fn extend(&mut self, rows: &[[f64; COUNT]]) {
        self.columns.resize(COUNT, Vec::new());
        for (index, column) in self.columns.iter_mut().enumerate() {
            column.extend(rows.iter().map(|row| row[index]));
        }
    }
}

pub(crate) fn statistics(
    group: Group<'_>,
    allocators: &[String],
    values: &mut StatisticsColumns,
) -> DataFrame {
    values.extend(&[]);
    let count = values.columns[0].len();
    let mut columns = keys_with_allocators(group, allocators, count);
    for (index, values) in values.columns.iter_mut().enumerate() {
        let name = statistics::NAMES[index];
        let present = |value: f64| (!value.is_nan()).then_some(value);
        let column = if statistics::is_integer(index) {
            let integer = |value: &f64| present(*value).map(|value| value as u64);
            optional_numbers(name, values.iter().map(integer))
        } else {
            floats(name, values.iter().map(|value| present(*value)))
        };
        values.clear();
        columns.push(column);
    }
    frame(columns)
}

pub(crate) fn timings(group: Group<'_>, allocators: &[String], took: &[Took]) -> DataFrame {
    let mut columns = keys_with_allocators(group, allocators, took.len());
    columns.extend([
        numbers("nanoseconds", took.iter().map(|t| t.wall_ns).collect()),
        numbers(
            "library_cpu_nanoseconds",
            took.iter().map(|t| t.library_cpu_ns).collect(),
        ),
    ]);
    frame(columns)
}

pub(crate) fn discrepancies(rows: &[Discrepancy]) -> DataFrame {
    let money = |name, get: fn(&Discrepancy) -> Option<Cost>| {
        let shown: Vec<_> = rows
            .iter()
            .map(get)
            .map(|c| c.map(|c| c.to_string()))
            .collect();
        Column::new(name, shown)
    };
    frame(vec![
        texts("family", rows.iter().map(|d| Some(d.family.as_str()))),
        numbers("test", rows.iter().map(|d| d.test).collect()),
        texts("allocator", rows.iter().map(|d| Some(d.allocator.as_str()))),
        texts("kind", rows.iter().map(|d| Some(d.kind.name()))),
        texts("status", rows.iter().map(|d| Some(d.status.name()))),
        texts("reason", rows.iter().map(|d| d.reason)),
        money("cost".into(), |d| d.cost),
        money("optimum".into(), |d| d.optimum),
        money("cheapest".into(), |d| d.cheapest),
        floats("excess", rows.iter().map(|d| d.excess)),
        texts("replay", rows.iter().map(|d| Some(d.replay.as_str()))),
    ])
}

pub(crate) fn summary(rows: &[SummaryRow]) -> DataFrame {
    let count = |name: &'static str, get: fn(&SummaryRow) -> u64| {
        numbers(name, rows.iter().map(get).collect())
    };
    let float = |name: &'static str, get: fn(&SummaryRow) -> Option<f64>| {
        floats(name, rows.iter().map(get))
    };
    let mut columns = vec![
        texts("family", rows.iter().map(|r| Some(r.family.as_str()))),
        texts("allocator", rows.iter().map(|r| Some(r.allocator.as_str()))),
        count("tests", |r| r.counts.tests),
        count("planned", |r| r.counts.planned),
        count("claimed_optimal", |r| r.counts.claimed_optimal),
        count("optimal", |r| r.counts.optimal),
        count("suboptimal", |r| r.counts.suboptimal),
        count("unproven", |r| r.counts.unproven),
        count("infeasible", |r| r.counts.infeasible),
        count("failed", |r| r.counts.failed),
        count("unverified", |r| r.counts.unverified),
        count("bounded", |r| r.counts.bounded),
        count("feasibility_mismatches", |r| {
            r.counts.feasibility_mismatches
        }),
        count("cost_mismatches", |r| r.counts.cost_mismatches),
        count("bound_mismatches", |r| r.counts.bound_mismatches),
        count("beaten", |r| r.counts.beaten),
        count("excess_undefined", |r| r.counts.excess_undefined),
        float("mean_excess_percent", |r| {
            Some(r.mean_excess_percent?.value)
        }),
        float("mean_excess_percent_low", |r| r.mean_excess_percent?.low),
        float("mean_excess_percent_high", |r| r.mean_excess_percent?.high),
        float("mean_excess_suboptimal_percent", |r| {
            Some(r.mean_excess_suboptimal_percent?.value)
        }),
        float("mean_excess_suboptimal_percent_low", |r| {
            r.mean_excess_suboptimal_percent?.low
        }),
        float("mean_excess_suboptimal_percent_high", |r| {
            r.mean_excess_suboptimal_percent?.high
        }),
        float("worst_excess_percent", |r| r.worst_excess_percent),
        float("suboptimal_percent", |r| Some(r.suboptimal_percent?.value)),
        float("suboptimal_percent_low", |r| r.suboptimal_percent?.low),
        float("suboptimal_percent_high", |r| r.suboptimal_percent?.high),
    ];
    if rows.iter().any(|row| row.cycles.is_some()) {
        columns.extend(cycles(rows));
    }
    frame(columns)
}

/// What became of the plans in simulated cycles.
fn cycles(rows: &[SummaryRow]) -> Vec<Column> {
    let count = |name, get: fn(&Cycles) -> u64| {
        optional_numbers(name, rows.iter().map(|r| Some(get(r.cycles.as_ref()?))))
    };
    let float = |name, get: fn(&Cycles) -> Option<f64>| {
        floats(name, rows.iter().map(|r| get(r.cycles.as_ref()?)))
    };
    let pairs = |name, get: fn(&AgainstExact) -> u64| {
        let against = rows.iter().map(|r| r.cycles.as_ref()?.against_exact);
        optional_numbers(name, against.map(|a| Some(get(&a?))))
    };
    let more = |name, get: fn(&AgainstExact) -> Option<f64>| {
        let against = rows.iter().map(|r| r.cycles.as_ref()?.against_exact);
        floats(name, against.map(|a| get(&a?)))
    };
    vec![
        count("simulated", |c| c.simulated),
        float("missed_percent", |c| Some(c.missed_percent?.value)),
        float("missed_percent_low", |c| c.missed_percent?.low),
        float("missed_percent_high", |c| c.missed_percent?.high),
        float("mean_late_workers", |c| Some(c.mean_late_workers?.value)),
        float("mean_late_workers_low", |c| c.mean_late_workers?.low),
        float("mean_late_workers_high", |c| c.mean_late_workers?.high),
        float("mean_makespan_ms", |c| Some(c.mean_makespan_ms?.value)),
        float("mean_makespan_ms_low", |c| c.mean_makespan_ms?.low),
        float("mean_makespan_ms_high", |c| c.mean_makespan_ms?.high),
        pairs("pairs_with_exact", |a| a.pairs),
        pairs("missed_alone", |a| a.missed_alone),
        pairs("exact_missed_alone", |a| a.exact_missed_alone),
        more("missed_points_above_exact", |a| {
            Some(a.missed_points?.value)
        }),
        more("missed_points_above_exact_low", |a| a.missed_points?.low),
        more("missed_points_above_exact_high", |a| a.missed_points?.high),
        more("late_workers_above_exact", |a| Some(a.late_workers?.value)),
        more("late_workers_above_exact_low", |a| a.late_workers?.low),
        more("late_workers_above_exact_high", |a| a.late_workers?.high),
        more("makespan_ms_above_exact", |a| Some(a.makespan_ms?.value)),
        more("makespan_ms_above_exact_low", |a| a.makespan_ms?.low),
        more("makespan_ms_above_exact_high", |a| a.makespan_ms?.high),
    ]
}

pub(crate) fn timings_summary(rows: &[TimingRow]) -> DataFrame {
    let count = |name: &'static str, get: fn(&TimingRow) -> u64| {
        numbers(name, rows.iter().map(get).collect())
    };
    frame(vec![
        texts("family", rows.iter().map(|r| Some(r.family.as_str()))),
        texts("allocator", rows.iter().map(|r| Some(r.allocator.as_str()))),
        count("tests", |r| r.tests),
        count("p50_ns", |r| r.p50_ns),
        count("p99_ns", |r| r.p99_ns),
        count("max_ns", |r| r.max_ns),
        floats("mean_ns", rows.iter().map(|r| Some(r.mean_ns))),
        count("total_ns", |r| r.total_ns),
        count("library_cpu_ns", |r| r.library_cpu_ns),
    ])
}

/// `test` and `family`, each test `per_test` times.
fn keys(group: Group<'_>, rows: usize, per_test: usize) -> Vec<Column> {
    let test = |row: usize| group.first_test + (row / per_test) as u64;
    vec![
        numbers("test", (0..rows).map(test).collect()),
        texts("family", (0..rows).map(|_| Some(group.family))),
    ]
}

fn keys_with_allocators(group: Group<'_>, allocators: &[String], rows: usize) -> Vec<Column> {
    let mut columns = keys(group, rows, allocators.len().max(1));
    let cycle = allocators.iter().map(|a| Some(a.as_str())).cycle();
    columns.push(texts("allocator", cycle.take(rows)));
    columns
}

pub(crate) fn numbers(name: &'static str, values: Vec<u64>) -> Column {
    UInt64Chunked::from_vec(name.into(), values).into_column()
}

pub(crate) fn optional_numbers(
    name: &'static str,
    values: impl Iterator<Item = Option<u64>>,
) -> Column {
    UInt64Chunked::from_iter_options(name.into(), values).into_column()
}

pub(crate) fn floats(name: &'static str, values: impl Iterator<Item = Option<f64>>) -> Column {
    Float64Chunked::from_iter_options(name.into(), values).into_column()
}

fn booleans(name: &'static str, values: impl Iterator<Item = Option<bool>>) -> Column {
    BooleanChunked::from_iter_options(name.into(), values).into_column()
}

pub(crate) fn texts<'a>(
    name: &'static str,
    values: impl Iterator<Item = Option<&'a str>>,
) -> Column {
    StringChunked::from_iter_options(name.into(), values).into_column()
}

pub(crate) fn flags(name: &'static str, values: impl Iterator<Item = Option<bool>>) -> Column {
    BooleanChunked::from_iter_options(name.into(), values).into_column()
}

pub(crate) fn decimals(name: &'static str, micros: impl Iterator<Item = Option<u128>>) -> Column {
    let signed = |value: u128| i128::try_from(value).expect("a cost is at most 10^27 micro-units");
    let values = micros.map(|micros| micros.map(signed));
    Int128Chunked::from_iter_options(name.into(), values)
        .into_decimal_unchecked(DECIMAL_DIGITS, 0)
        .into_column()
}

pub(crate) fn frame(columns: Vec<Column>) -> DataFrame {
    DataFrame::new_infer_height(columns).expect("columns have distinct names and equal lengths")
}
