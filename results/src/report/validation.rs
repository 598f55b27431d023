//! The page of a validation: how far allocators are from the optimum, and how long they take.

use std::path::Path;

use super::axis::{Axis, Scale};
use super::bins::{Bins, Steps};
use super::csv::Csv;
use super::figure::{Figure, Picture};
use super::made;
use super::number::{shown, time};
use super::page::{Page, Part, Section};
use super::palette::Ink;
use super::plot::{Against, Mark, Plot, Point, Series, Shape};
use super::rows::{Rows, percent};
use super::table::{Cell, Column, Table};
use crate::error::ResultsError;
use crate::read::{Groups, Table as Group, timing_rows};
use crate::tally::ALL_FAMILIES;
use crate::validation::{OUTCOMES, RUN_FILE, RunRecord, SUMMARY_CSV, TIMINGS, TIMINGS_SUMMARY};

const FILES: [(&str, &str); 9] = [
    ("summary.csv", "the comparison"),
    ("summary.json", "the same as JSON"),
    ("timings_summary.csv", "times"),
    (
        "discrepancies.csv",
        "each answer that is not the optimum, with the command that replays it",
    ),
    ("tests.parquet", "each problem"),
    ("outcomes.parquet", "each answer"),
    ("stats.parquet", "39 statistics of each plan"),
    ("timings.parquet", "the time of each solve"),
    ("run.json", "how it was made"),
];

/// A cycle's limit in simulated cycles.
const LIMIT_NS: f64 = 1e9;

/// What the large tables hold, counted.
struct Counted {
    /// Excess above zero, in percent, by allocator.
    excess: Vec<Bins>,
    /// Plans with a known excess.
    compared: Vec<u64>,
    makespan: Vec<Bins>,
    times: Vec<Bins>,
}

/// The page of a folder.
pub(super) fn page(dir: &Path) -> Result<Page, ResultsError> {
    let path = dir.join(RUN_FILE);
    let record_json = made::json(&path)?;
    let record: RunRecord = serde_json::from_value(record_json.clone())
        .map_err(|error| ResultsError::damaged(&path, error))?;
    let plan = &record.plan;
    let summary = Csv::read(&dir.join(SUMMARY_CSV))?;
    let timings = Csv::read(&dir.join(TIMINGS_SUMMARY))?;
    let counted = count(dir, &plan.allocators, plan.simulate)?;

    let families: Vec<&str> = plan
        .families
        .iter()
        .map(|family| family.name.as_str())
        .collect();
    let total = if families.len() > 1 {
        ALL_FAMILIES
    } else {
        families.first().copied().unwrap_or("")
    };
    let of_total: Vec<&Vec<String>> = rows_of(&summary, total);
    let times_of_total: Vec<&Vec<String>> = rows_of(&timings, total);

    let mut figures = vec![answers(&summary, &of_total)];
    figures.extend(excess(&plan.allocators, &counted, &summary, &of_total));
    figures.extend(by_family(&summary, &families, "mean_excess_percent"));
    figures.push(latency(
        &plan.allocators,
        &counted.times,
        &timings,
        &times_of_total,
    ));
    if plan.simulate {
        figures.extend(makespan(
            &plan.allocators,
            &counted.makespan,
            &summary,
            &of_total,
        ));
        figures.extend(by_family(&summary, &families, "missed_percent"));
    }
    let figures = figures
        .into_iter()
        .map(|figure| Part::Figure(Box::new(figure)));

    let mut tables = vec![
        Part::Table("Answers and excess over the optimum", comparison(&summary)),
        Part::Table(
            "Time of a solve, its verification included",
            times(&timings),
        ),
    ];
    if plan.simulate {
        tables.push(Part::Table(
            "Simulated cycles, one for each plan",
            cycles(&summary),
        ));
    }
    tables.push(Part::Table("What must not happen", checks(&summary, total)));

    let mut warnings = Vec::new();
    if !record.complete {
        let (finished, planned) = (record.finished_tests, plan.total_tests());
        warnings.push(format!(
            "Not complete: {finished} of {planned} tests are there."
        ));
    }
    if plan.shard.of() > 1 {
        let (index, of) = (plan.shard.index(), plan.shard.of());
        warnings.push(format!(
            "Shard {index} of {of}: sim merge puts them together."
        ));
    }
    let from = if plan.source == crate::RunPlan::GENERATED {
        format!("seed {}", plan.seed)
    } else {
        "from a file of instances".to_owned()
    };
    Ok(Page {
        title: "Comparison of allocators".to_owned(),
        lead: vec![format!(
            "{} tests ({}; {from}), each solved by {}.",
            record.finished_tests,
            families.join(", "),
            plan.allocators.join(", ")
        )],
        warnings,
        sections: vec![
            Section {
                id: "summary",
                title: "Summary",
                parts: tables,
            },
            Section {
                id: "figures",
                title: "Figures",
                parts: figures.collect(),
            },
            made::section(dir, &record_json, &FILES)?,
        ],
    })
}

/// Walks through the large tables, a row group at a time.
fn count(dir: &Path, allocators: &[String], is_simulated: bool) -> Result<Counted, ResultsError> {
    let bins = |steps| vec![Bins::new(steps); allocators.len()];
    let mut counted = Counted {
        excess: bins(Steps::Coarse),
        compared: vec![0; allocators.len()],
        makespan: bins(Steps::Even(100)),
        times: bins(Steps::Even(20)),
    };
    let mut groups = Groups::open(&dir.join(OUTCOMES))?;
    while let Some(frame) = groups.next_group()? {
        let table = Group {
            path: &groups.path,
            frame: &frame,
        };
        table.keys(allocators)?;
        let excess = table.floats("excess")?;
        for (row, excess) in excess.iter().enumerate() {
            let at = row % allocators.len();
            if let Some(excess) = excess {
                counted.compared[at] += 1;
                if excess > 0.0 {
                    counted.excess[at].add(100.0 * excess);
                }
            }
        }
        if is_simulated {
            let makespan = table.optional_numbers("makespan_ns")?;
            for (row, nanos) in makespan.iter().enumerate() {
                if let Some(nanos) = nanos.filter(|nanos| *nanos > 0) {
                    counted.makespan[row % allocators.len()].add(nanos as f64);
                }
            }
        }
    }
    let mut groups = Groups::open(&dir.join(TIMINGS))?;
    while let Some(frame) = groups.next_group()? {
        let table = Group {
            path: &groups.path,
            frame: &frame,
        };
        table.keys(allocators)?;
        for (row, took) in timing_rows(&table)?.into_iter().enumerate() {
            counted.times[row % allocators.len()].add(took.wall_ns.max(1) as f64);
        }
    }
    Ok(counted)
}

fn rows_of<'a>(csv: &'a Csv, family: &str) -> Vec<&'a Vec<String>> {
    let rows = csv.rows.iter();
    rows.filter(|row| csv.cell(row, "family") == family)
        .collect()
}

const ANSWERS: [(&str, &str); 5] = [
    ("optimal", "the optimum"),
    ("suboptimal", "dearer than the optimum"),
    ("unproven", "no optimum known"),
    ("infeasible", "no plan exists"),
    ("failed", "no plan found"),
];

fn answers(summary: &Csv, rows: &[&Vec<String>]) -> Figure {
    let mut columns = vec![
        Column::new("allocator", "allocator"),
        Column::new("tests", "tests"),
    ];
    for (name, title) in ANSWERS {
        columns.push(Column::new(name, title));
        columns.push(Column::new(&format!("{name}_percent"), "%"));
    }
    let mut data = Table::new(columns);
    let (mut shares, mut words) = (Vec::new(), Vec::new());
    for row in rows {
        let allocator = summary.cell(row, "allocator");
        let tests = summary.number(row, "tests").unwrap_or(0.0);
        let counts = ANSWERS.map(|(name, _)| summary.number(row, name).unwrap_or(0.0));
        let of_all = counts.map(|count| 100.0 * count / tests.max(1.0));
        let mut cells = vec![
            Cell::text(allocator),
            Cell::read(summary.cell(row, "tests")),
        ];
        for ((name, _), share) in ANSWERS.iter().zip(of_all) {
            cells.push(Cell::read(summary.cell(row, name)));
            cells.push(Cell::number(share));
        }
        data.push(cells);
        words.push(format!(
            "{allocator}: {} optimal, {} dearer",
            shown(counts[0]),
            shown(counts[1])
        ));
        shares.push((allocator.to_owned(), of_all.to_vec()));
    }
    let inks = [
        Ink::Area(0),
        Ink::Hatch(1),
        Ink::Hatch(4),
        Ink::Veil(5),
        Ink::Hatch(3),
    ];
    let kinds = ANSWERS.iter().zip(inks);
    let kinds = kinds
        .map(|((_, title), ink)| ((*title).to_owned(), ink))
        .collect();
    Figure {
        name: "answers".to_owned(),
        title: "What the allocators answer".to_owned(),
        says: format!("Shares of all tests by answer. {}.", words.join("; ")),
        picture: Picture::Rows(Rows::shares(percent("tests, %"), kinds, shares)),
        data,
    }
}

fn excess(
    allocators: &[String],
    counted: &Counted,
    summary: &Csv,
    rows: &[&Vec<String>],
) -> Option<Figure> {
    let mut data = Table::new(vec![
        Column::new("allocator", "allocator"),
        Column::new("from_percent", "excess from, %"),
        Column::new("to_percent", "to below, %"),
        Column::new("plans", "plans"),
        Column::new("of_compared_percent", "of the plans compared, %"),
    ]);
    let mut series = Vec::new();
    let mut words = Vec::new();
    for (at, allocator) in allocators.iter().enumerate() {
        let bins = counted.excess[at].bins();
        if bins.is_empty() {
            continue;
        }
        let mut points = Vec::new();
        for bin in bins {
            let share = 100.0 * bin.count as f64 / counted.compared[at] as f64;
            data.push(vec![
                Cell::text(allocator),
                Cell::number(bin.from),
                Cell::number(bin.to),
                Cell::count(bin.count),
                Cell::number(share),
            ]);
            points.push(Point {
                to: bin.to,
                ..Point::at(bin.from, share)
            });
        }
        series.push(Series {
            name: allocator.clone(),
            shape: Shape::Columns,
            points,
        });
        let row = rows
            .iter()
            .find(|row| summary.cell(row, "allocator") == allocator);
        if let Some(row) = row {
            let of = |name: &str| summary.number(row, name).unwrap_or(f64::NAN);
            words.push(format!(
                "{allocator}: {} % of the plans compared cost more, in the mean of these by {} %, at worst by {} %",
                shown(of("suboptimal_percent")),
                shown(of("mean_excess_suboptimal_percent")),
                shown(of("worst_excess_percent"))
            ));
        }
    }
    if series.is_empty() {
        return None;
    }
    Some(Figure {
        name: "excess".to_owned(),
        title: "Cost above the optimum".to_owned(),
        says: format!(
            "How many plans cost how much more than the proven optimum; those that cost it are left out. {}.",
            words.join("; ")
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new("excess over the optimum, %", Scale::Tenfold),
            y: Axis::new("of the plans compared, %", Scale::FromZero),
            series,
            marks: Vec::new(),
        }),
        data,
    })
}

/// An estimate of each family and allocator, if there are several families.
fn by_family(summary: &Csv, families: &[&str], name: &str) -> Option<Figure> {
    if families.len() < 2 {
        return None;
    }
    let (file, title, axis) = if name == "missed_percent" {
        (
            "missed-by-family",
            "Missed cycles by family",
            "missed, % of simulated cycles",
        )
    } else {
        (
            "excess-by-family",
            "Mean cost above the optimum by family",
            "mean excess, %",
        )
    };
    let mut data = Table::new(vec![
        Column::new("family", "family"),
        Column::new("allocator", "allocator"),
        Column::estimate(name, axis),
    ]);
    let mut series: Vec<Series> = Vec::new();
    let mut most: Option<(f64, &str, &str)> = None;
    for row in &summary.rows {
        let (family, allocator) = (summary.cell(row, "family"), summary.cell(row, "allocator"));
        let Some(at) = families.iter().position(|known| *known == family) else {
            continue;
        };
        let Some(value) = summary.number(row, name) else {
            continue;
        };
        let ends = [format!("{name}_low"), format!("{name}_high")];
        let [low, high] = ends.each_ref().map(|end| summary.number(row, end));
        data.push(vec![
            Cell::text(family),
            Cell::text(allocator),
            Cell::read_estimate(
                summary.cell(row, name),
                summary.cell(row, &ends[0]),
                summary.cell(row, &ends[1]),
            ),
        ]);
        if most.is_none_or(|(most, ..)| value > most) {
            most = Some((value, family, allocator));
        }
        let point = Point {
            ends: low.zip(high),
            ..Point::at(at as f64, value)
        };
        match series.iter_mut().find(|series| series.name == allocator) {
            Some(series) => series.points.push(point),
            None => series.push(Series {
                name: allocator.to_owned(),
                shape: Shape::Points,
                points: vec![point],
            }),
        }
    }
    let (value, family, allocator) = most?;
    Some(Figure {
        name: file.to_owned(),
        title: title.to_owned(),
        says: format!(
            "By family and allocator, with 95 % confidence intervals. The most has {allocator} on {family}: {} %.",
            shown(value)
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new(
                "family of tests",
                Scale::Names(families.iter().map(|name| (*name).to_owned()).collect()),
            ),
            y: Axis::new(axis, Scale::FromZero),
            series,
            marks: Vec::new(),
        }),
        data,
    })
}

/// How many are at most so large: a line of shares over the upper ends of bins.
fn shares_below(bins: &Bins, allocator: &str, data: &mut Table) -> Series {
    let total = bins.total() as f64;
    let (mut below, mut points) = (0, Vec::new());
    for bin in bins.bins() {
        if points.is_empty() {
            points.push(Point::at(bin.from, 0.0));
        }
        below += bin.count;
        let share = 100.0 * below as f64 / total;
        points.push(Point::at(bin.to, share));
        data.push(vec![
            Cell::text(allocator),
            Cell::number(bin.from),
            Cell::number(bin.to),
            Cell::count(bin.count),
            Cell::number(share),
        ]);
    }
    Series {
        name: allocator.to_owned(),
        shape: Shape::Line,
        points,
    }
}

fn latency(allocators: &[String], times: &[Bins], timings: &Csv, rows: &[&Vec<String>]) -> Figure {
    let mut data = Table::new(vec![
        Column::new("allocator", "allocator"),
        Column::new("from_ns", "from, ns"),
        Column::new("to_ns", "to below, ns"),
        Column::new("tests", "tests"),
        Column::new("up_to_here_percent", "up to here, %"),
    ]);
    let series = allocators.iter().zip(times);
    let series = series
        .map(|(name, bins)| shares_below(bins, name, &mut data))
        .collect();
    let words: Vec<String> = rows
        .iter()
        .map(|row| {
            let of = |name: &str| time(timings.number(row, name).unwrap_or(f64::NAN));
            let allocator = timings.cell(row, "allocator");
            format!("{allocator} {} and {}", of("p50_ns"), of("p99_ns"))
        })
        .collect();
    Figure {
        name: "latency".to_owned(),
        title: "Time of a solve".to_owned(),
        says: format!(
            "Share of the solves that took at most so long, counted in bins of a twentieth of a factor of ten. \
             Median and 99th percentile: {}.",
            words.join("; ")
        ),
        picture: Picture::Plot(Plot {
            x: Axis::nanos("time of a solve, verification included"),
            y: Axis::new("solves, %", Scale::Within(0.0, 100.0)),
            series,
            marks: Vec::new(),
        }),
        data,
    }
}

fn makespan(
    allocators: &[String],
    makespan: &[Bins],
    summary: &Csv,
    rows: &[&Vec<String>],
) -> Option<Figure> {
    let mut data = Table::new(vec![
        Column::new("allocator", "allocator"),
        Column::new("from_ns", "from, ns"),
        Column::new("to_ns", "to below, ns"),
        Column::new("cycles", "cycles"),
        Column::new("up_to_here_percent", "up to here, %"),
    ]);
    let series = allocators
        .iter()
        .zip(makespan)
        .filter(|(_, bins)| bins.total() > 0);
    let series: Vec<Series> = series
        .map(|(name, bins)| shares_below(bins, name, &mut data))
        .collect();
    if series.is_empty() {
        return None;
    }
    let word = |row: &&Vec<String>| {
        let of = |name: &str| shown(summary.number(row, name).unwrap_or(f64::NAN));
        let allocator = summary.cell(row, "allocator");
        let (mean, missed) = (of("mean_makespan_ms"), of("missed_percent"));
        format!("{allocator} {mean} ms in the mean, {missed} % missed")
    };
    let words: Vec<String> = rows.iter().map(word).collect();
    Some(Figure {
        name: "makespan".to_owned(),
        title: "Simulated cycles: when the last worker was through".to_owned(),
        says: format!(
            "Share of the simulated cycles whose last worker had finished all of its batches by then, \
             counted in bins of a hundredth of a factor of ten. {}.",
            words.join("; ")
        ),
        picture: Picture::Plot(Plot {
            x: Axis::nanos("time from the beginning of the cycle"),
            y: Axis::new("cycles, %", Scale::Within(0.0, 100.0)),
            series,
            marks: vec![Mark {
                name: "limit of a cycle".to_owned(),
                at: Against::X(LIMIT_NS),
            }],
        }),
        data,
    })
}

/// A column of the summary tables: its name there, its title, and whether it is an estimate.
type Of = (&'static str, &'static str, bool);

fn picked(csv: &Csv, columns: &[Of], cell: fn(&str) -> Cell) -> Table {
    let heading = |(name, title, is_estimate): &Of| {
        if *is_estimate {
            Column::estimate(name, title)
        } else {
            Column::new(name, title)
        }
    };
    let mut table = Table::new(columns.iter().map(heading).collect());
    for row in &csv.rows {
        let of = |(name, _, is_estimate): &Of| {
            let value = csv.cell(row, name);
            if *is_estimate {
                let low = csv.cell(row, &format!("{name}_low"));
                let high = csv.cell(row, &format!("{name}_high"));
                Cell::read_estimate(value, low, high)
            } else if name.ends_with("_ns") {
                cell(value)
            } else {
                Cell::read(value)
            }
        };
        table.push(columns.iter().map(of).collect());
    }
    table
}

fn comparison(summary: &Csv) -> Table {
    let columns: [Of; 13] = [
        ("family", "family", false),
        ("allocator", "allocator", false),
        ("tests", "tests", false),
        ("planned", "plans", false),
        ("optimal", "optimal", false),
        ("suboptimal", "dearer", false),
        ("unproven", "no optimum known", false),
        ("infeasible", "infeasible", false),
        ("failed", "failed", false),
        ("suboptimal_percent", "dearer, % of compared", true),
        (
            "mean_excess_suboptimal_percent",
            "by, mean of these, %",
            true,
        ),
        ("mean_excess_percent", "mean of all, %", true),
        ("worst_excess_percent", "worst, %", false),
    ];
    picked(summary, &columns, Cell::read)
}

fn times(timings: &Csv) -> Table {
    let columns: [Of; 7] = [
        ("family", "family", false),
        ("allocator", "allocator", false),
        ("p50_ns", "median", false),
        ("p99_ns", "99th percentile", false),
        ("max_ns", "longest", false),
        ("mean_ns", "mean", false),
        ("total_ns", "all together", false),
    ];
    picked(timings, &columns, Cell::nanos)
}

fn cycles(summary: &Csv) -> Table {
    let columns: [Of; 9] = [
        ("family", "family", false),
        ("allocator", "allocator", false),
        ("simulated", "cycles", false),
        ("missed_percent", "missed, %", true),
        ("mean_late_workers", "late workers", true),
        ("mean_makespan_ms", "makespan, ms", true),
        (
            "missed_points_above_exact",
            "missed above exact, % points",
            true,
        ),
        ("late_workers_above_exact", "late workers above exact", true),
        ("makespan_ms_above_exact", "makespan above exact, ms", true),
    ];
    picked(summary, &columns, Cell::read)
}

/// Rows of all families together, and those with something to say.
fn checks(summary: &Csv, total: &str) -> Table {
    let columns: [Of; 6] = [
        ("family", "family", false),
        ("allocator", "allocator", false),
        ("feasibility_mismatches", "wrong about feasibility", false),
        ("cost_mismatches", "called optimal, but beaten", false),
        ("bound_mismatches", "lower bound above a plan", false),
        ("unverified", "plan does not verify", false),
    ];
    let is_said = |row: &&Vec<String>| {
        let mut counts = columns[2..]
            .iter()
            .map(|(name, ..)| summary.cell(row, name));
        summary.cell(row, "family") == total || counts.any(|count| count != "0")
    };
    let said = Csv {
        heading: summary.heading.clone(),
        rows: summary.rows.iter().filter(is_said).cloned().collect(),
    };
    picked(&said, &columns, Cell::read)
}
