//! The columns of a run folder's tables.

use polars_core::prelude::*;
use scheduler::machine::{AssignmentRow, CycleRow, Ending, PlanRow, Record, ShareRow};
use scheduler::{Certificate, Cost, Instant};

use super::rows::{PlanRecord, WorkerRow};
use super::{RunEnd, RunKey, SummaryLine, Truth, Value};
use crate::frames::{decimals, flags, floats, frame, numbers, optional_numbers, texts};

/// A table in memory; the name keeps polars out of other modules.
pub(super) type Frame = DataFrame;

/// Makes a row group of rows and the runs that they are of.
pub(super) type Layout<T> = fn(&[String], &[(RunKey, T)]) -> Frame;

pub(super) fn runs(allocators: &[String], rows: &[(RunKey, RunEnd)]) -> Frame {
    let of = || rows.iter().map(|(_, end)| end);
    let count = |name, get: fn(&RunEnd) -> u64| numbers(name, of().map(get).collect());
    let known = |name, get: fn(&Truth) -> u64| {
        optional_numbers(name, of().map(|end| end.truth.as_ref().map(get)))
    };
    let message = |end: &RunEnd| end.ending.to_string();
    let messages: Vec<String> = of().map(message).collect();
    let mut columns = keys(allocators, rows);
    columns.extend([
        texts("ending", of().map(|end| Some(end.ending.reason()))),
        texts("message", messages.iter().map(|text| Some(text.as_str()))),
        flags("missed", of().map(|end| Some(end.is_missed()))),
        count("wall_ns", |end| end.wall().nanos()),
        count("limit_ns", |end| end.limit.nanos()),
        count("setup_ns", |end| end.setup().nanos()),
        count("ended_ns", |end| end.ended.nanos()),
        count("cycles_complete", |end| end.totals.complete.into()),
        count("cycles_truncated", |end| end.totals.truncated.into()),
        count("cycles_failed", |end| end.totals.failed.into()),
        count("batches_accepted", |end| end.totals.accepted),
        count("batches_lost", |end| end.totals.lost),
        count("batches_moved", |end| end.totals.moved),
        count("plans", |end| end.totals.plans.into()),
        decimals("cost_micro", of().map(|end| Some(end.totals.cost.micros()))),
        known("feasible", |truth| truth.feasible),
        known("feasible_complete", |truth| truth.feasible_complete),
        known("untouched", |truth| truth.untouched),
        known("untouched_complete", |truth| truth.untouched_complete),
        known("orders", |truth| truth.orders),
        known("overruns", |truth| truth.overruns),
    ]);
    frame(columns)
}

pub(super) fn workers(allocators: &[String], rows: &[(RunKey, WorkerRow)]) -> Frame {
    let of = || rows.iter().map(|(_, row)| row);
    let count = |name, get: fn(&WorkerRow) -> u64| numbers(name, of().map(get).collect());
    let maybe = |name, get: fn(&WorkerRow) -> Option<u64>| optional_numbers(name, of().map(get));
    let mut columns = keys(allocators, rows);
    columns.extend([
        count("worker", |row| row.worker),
        texts("name", of().map(|row| Some(row.name.as_ref()))),
        maybe("fee_micro", |row| Some(row.totals.fee?.micros())),
        maybe("joined_ns", |row| Some(row.totals.joined?.nanos())),
        maybe("speed_batches", |row| Some(row.totals.benchmark?.batches())),
        maybe("speed_ns", |row| Some(row.totals.benchmark?.took().nanos())),
        count("stays", |row| row.totals.sessions),
        count("departures", |row| row.totals.departures),
        texts(
            "last_departure",
            of().map(|row| Some(row.totals.last_departure?.name())),
        ),
        count("cycles", |row| row.totals.cycles),
        count("cycles_complete", |row| row.totals.complete),
        count("batches_assigned", |row| row.totals.assigned),
        count("batches_accepted", |row| row.totals.accepted),
        decimals("cost_micro", of().map(|row| Some(row.totals.cost.micros()))),
        count("expected_ns", |row| row.totals.expected.nanos()),
        count("elapsed_ns", |row| row.totals.elapsed.nanos()),
        count("computed_ns", |row| row.totals.computed.nanos()),
    ]);
    frame(columns)
}

pub(super) fn plans(allocators: &[String], rows: &[(RunKey, PlanRecord)]) -> Frame {
    let of = || rows.iter().map(|(_, row)| row);
    let count = |name, get: fn(&PlanRecord) -> u64| numbers(name, of().map(get).collect());
    let made = || of().map(|row| row.made.as_ref().ok());
    let planned =
        |name, get: fn(&PlanRow) -> u64| optional_numbers(name, made().map(|plan| plan.map(get)));
    let money = |name, get: fn(&PlanRow) -> Option<Cost>| {
        decimals(name, made().map(|plan| Some(get(plan?)?.micros())))
    };
    let message = |why: &Ending| why.to_string();
    let messages: Vec<Option<String>> = of()
        .map(|row| row.made.as_ref().err().map(message))
        .collect();
    let mut columns = keys(allocators, rows);
    columns.extend([
        count("at_ns", |row| row.at.nanos()),
        count("plan", |row| row.plan.get().into()),
        texts("trigger", of().map(|row| Some(row.trigger.name()))),
        count("solve_ns", |row| row.solve.nanos()),
        texts("status", made().map(|plan| Some(plan?.status.name()))),
        texts(
            "reason",
            of().map(|row| row.made.as_ref().err().map(Ending::reason)),
        ),
        texts("message", messages.iter().map(Option::as_deref)),
        planned("first_cycle", |plan| plan.cycle.get().into()),
        planned("limit_ns", |plan| plan.limit.nanos()),
        planned("candidates", |plan| plan.candidates),
        planned("workers_employed", |plan| plan.workers_employed),
        planned("capacities_for", |plan| plan.capacities_for),
        money("cost_micro", |plan| Some(plan.cost)),
        money("lower_bound_micro", |plan| plan.lower_bound),
        texts(
            "certificate",
            made().map(|plan| plan?.certificate.map(Certificate::name)),
        ),
        planned("moved", |plan| plan.moved),
    ]);
    frame(columns)
}

pub(super) fn shares(allocators: &[String], rows: &[(RunKey, ShareRow)]) -> Frame {
    let count =
        |name, get: fn(&ShareRow) -> u64| numbers(name, rows.iter().map(|(_, r)| get(r)).collect());
    let mut columns = keys(allocators, rows);
    columns.extend([
        count("plan", |row| row.plan.get().into()),
        count("worker", |row| row.worker.get().into()),
        count("fee_micro", |row| row.fee.micros()),
        count("speed_batches", |row| row.speed.batches()),
        count("speed_ns", |row| row.speed.took().nanos()),
        count("s_max", |row| row.s_max),
        count("batches", |row| row.batches),
    ]);
    frame(columns)
}

pub(super) fn cycles(allocators: &[String], rows: &[(RunKey, CycleRow)]) -> Frame {
    let of = || rows.iter().map(|(_, row)| row);
    let count = |name, get: fn(&CycleRow) -> u64| numbers(name, of().map(get).collect());
    let mut columns = keys(allocators, rows);
    columns.extend([
        count("cycle", |row| row.cycle.get().into()),
        count("plan", |row| row.plan.get().into()),
        texts("result", of().map(|row| Some(row.result.name()))),
        count("started_ns", |row| row.started.nanos()),
        count("limit_ns", |row| row.limit.nanos()),
        count("results_at_ns", |row| row.results_at.nanos()),
        count("ended_ns", |row| row.ended.nanos()),
        count("workers", |row| row.workers),
        count("batches_accepted", |row| row.accepted),
        count("batches_lost", |row| row.lost),
        decimals("cost_micro", of().map(|row| Some(row.cost.micros()))),
    ]);
    frame(columns)
}

pub(super) fn lots(allocators: &[String], rows: &[(RunKey, AssignmentRow)]) -> Frame {
    let of = || rows.iter().map(|(_, row)| row);
    let count = |name, get: fn(&AssignmentRow) -> u64| numbers(name, of().map(get).collect());
    let mut columns = keys(allocators, rows);
    columns.extend([
        count("cycle", |row| row.cycle.get().into()),
        count("plan", |row| row.plan.get().into()),
        count("worker", |row| row.worker.get().into()),
        count("session", |row| row.session.get().into()),
        texts("fate", of().map(|row| Some(row.fate.name()))),
        count("assigned", |row| row.assigned),
        count("claimed", |row| row.claimed),
        count("accepted", |row| row.accepted),
        count("fee_micro", |row| row.fee.micros()),
        decimals("cost_micro", of().map(|row| Some(row.cost.micros()))),
        count("expected_ns", |row| row.expected.nanos()),
        count("elapsed_ns", |row| row.elapsed.nanos()),
        count("computed_ns", |row| row.computed.nanos()),
    ]);
    frame(columns)
}

/// What one row of the history can say; each kind fills its own columns.
#[derive(Default)]
struct Told {
    what: &'static str,
    worker: Option<u64>,
    session: Option<u64>,
    why: Option<&'static str>,
    message: Option<String>,
    fee: Option<u64>,
    speed: Option<(u64, u64)>,
    rounds: Option<u64>,
    noisy: Option<bool>,
    plan: Option<u64>,
    batches: Option<u64>,
    since: Option<Instant>,
    until: Option<Instant>,
}

fn told(record: &Record) -> Told {
    let of = |what, worker: scheduler::machine::WorkerId| Told {
        what,
        worker: Some(worker.get().into()),
        ..Told::default()
    };
    match *record {
        Record::Joined {
            worker,
            session,
            fee,
            returned,
        } => Told {
            session: Some(session.get().into()),
            fee: Some(fee.micros()),
            ..of(if returned { "returned" } else { "joined" }, worker)
        },
        Record::Benchmarked {
            worker,
            session,
            speed,
            rounds,
            noisy,
        } => Told {
            session: Some(session.get().into()),
            speed: Some((speed.batches(), speed.took().nanos())),
            rounds: Some(rounds.into()),
            noisy: Some(noisy),
            ..of("benchmarked", worker)
        },
        Record::Departed {
            worker,
            session,
            why,
        } => Told {
            session: session.map(|session| session.get().into()),
            why: Some(why.name()),
            message: Some(why.to_string()),
            ..of("departed", worker)
        },
        Record::Shipped {
            plan,
            since,
            batches,
        } => Told {
            what: "shipped",
            plan: Some(plan.get().into()),
            batches: Some(batches),
            since: Some(since),
            ..Told::default()
        },
        Record::Paused { why, until } => Told {
            what: "paused",
            why: Some(why.reason()),
            message: Some(why.to_string()),
            until: Some(until),
            ..Told::default()
        },
        Record::Ignored {
            worker,
            session,
            why,
        } => Told {
            session: Some(session.get().into()),
            why: Some(why.name()),
            ..of("ignored", worker)
        },
        Record::Planned(_)
        | Record::NotPlanned { .. }
        | Record::Share(_)
        | Record::Assignment(_)
        | Record::Cycle(_) => unreachable!("these have tables of their own"),
    }
}

pub(super) fn history(allocators: &[String], rows: &[(RunKey, (Instant, Record))]) -> Frame {
    let all: Vec<Told> = rows.iter().map(|(_, (_, record))| told(record)).collect();
    let maybe = |name, get: fn(&Told) -> Option<u64>| optional_numbers(name, all.iter().map(get));
    let at = rows.iter().map(|(_, (at, _))| at.nanos()).collect();
    let mut columns = keys(allocators, rows);
    columns.extend([
        numbers("at_ns", at),
        texts("what", all.iter().map(|told| Some(told.what))),
        maybe("worker", |told| told.worker),
        maybe("session", |told| told.session),
        texts("why", all.iter().map(|told| told.why)),
        texts("message", all.iter().map(|told| told.message.as_deref())),
        maybe("fee_micro", |told| told.fee),
        maybe("speed_batches", |told| Some(told.speed?.0)),
        maybe("speed_ns", |told| Some(told.speed?.1)),
        maybe("rounds", |told| told.rounds),
        flags("noisy", all.iter().map(|told| told.noisy)),
        maybe("plan", |told| told.plan),
        maybe("batches", |told| told.batches),
        maybe("since_ns", |told| Some(told.since?.nanos())),
        maybe("until_ns", |told| Some(told.until?.nanos())),
    ]);
    frame(columns)
}

/// Of the summary, whose lines name their columns; there is one line at least.
pub(super) fn summary(lines: &[SummaryLine]) -> Frame {
    fn text(value: &Value) -> Option<&str> {
        match value {
            Value::Text(text) => Some(text),
            Value::Count(_) | Value::Float(_) => None,
        }
    }
    let column = |(at, (name, first)): (usize, &(&'static str, Value))| {
        let values = || lines.iter().map(|line| &line.columns()[at].1);
        let count = |value: &Value| match value {
            Value::Count(count) => Some(*count),
            Value::Text(_) | Value::Float(_) => None,
        };
        let float = |value: &Value| match value {
            Value::Float(value) => *value,
            Value::Text(_) | Value::Count(_) => None,
        };
        match first {
            Value::Text(_) => texts(name, values().map(text)),
            Value::Count(_) => optional_numbers(name, values().map(count)),
            Value::Float(_) => floats(name, values().map(float)),
        }
    };
    let first = lines.first().map_or(&[][..], SummaryLine::columns);
    frame(first.iter().enumerate().map(column).collect())
}

fn keys<T>(allocators: &[String], rows: &[(RunKey, T)]) -> Vec<Column> {
    let replicates = rows.iter().map(|(key, _)| key.replicate).collect();
    let names = rows
        .iter()
        .map(|(key, _)| allocators[key.allocator].as_str());
    vec![
        numbers("replicate", replicates),
        texts("allocator", names.map(Some)),
    ]
}
