//! The page of a validation: how far allocators are from the optimum, and how long they take.
//!
//! `figures.rs` draws it, `tables.rs` lays out the summary.

mod figures;
mod tables;

use std::path::Path;

use super::bins::{Bins, Steps};
use super::csv::Csv;
use super::made;
use super::page::{Page, Part, Section};
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

    let mut figures = vec![figures::answers(&summary, &of_total)];
    figures.extend(figures::excess(
        &plan.allocators,
        &counted,
        &summary,
        &of_total,
    ));
    figures.extend(figures::by_family(
        &summary,
        &families,
        &plan.allocators,
        "mean_excess_percent",
    ));
    figures.push(figures::latency(
        &plan.allocators,
        &counted.times,
        &timings,
        &times_of_total,
    ));
    if plan.simulate {
        figures.extend(figures::makespan(
            &plan.allocators,
            &counted.makespan,
            &summary,
            &of_total,
        ));
        figures.extend(figures::by_family(
            &summary,
            &families,
            &plan.allocators,
            "missed_percent",
        ));
    }
    let figures = figures
        .into_iter()
        .map(|figure| Part::Figure(Box::new(figure)));

    let mut tables = vec![
        Part::Table(
            "Answers and excess over the optimum",
            tables::comparison(&summary),
        ),
        Part::Table(
            "Time of a solve, its verification included",
            tables::times(&timings),
        ),
    ];
    if plan.simulate {
        tables.push(Part::Table(
            "Simulated cycles, one for each plan",
            tables::cycles(&summary),
        ));
    }
    tables.push(Part::Table(
        "What must not happen",
        tables::checks(&summary, total),
    ));

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
