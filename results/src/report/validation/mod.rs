//! The page of a validation: how far allocators are from the optimum, and how long they take.
//!
//! `figures.rs` draws it, `tables.rs` lays out the summary.

mod counted;
mod figures;
mod tables;

use std::path::Path;

use counted::count;

use super::csv::Csv;
use super::made;
use super::page::{Page, Part, Section};
use super::verdict;
use crate::error::ResultsError;
use crate::files::{SUMMARY_CSV, TIMINGS_SUMMARY, VALIDATION_VERSION};
use crate::run_file::RunFile;
use crate::run_plan::RunPlan;
use crate::tally::ALL_FAMILIES;
use crate::validation::RunRecord;

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

/// The page of a folder.
pub(super) fn page(dir: &Path) -> Result<Page, ResultsError> {
    let file = RunFile::read(dir)?;
    let record: RunRecord = file.record(VALIDATION_VERSION)?;
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
    let from = if plan.source == RunPlan::GENERATED {
        format!("seed {}", plan.seed)
    } else {
        "from a file of instances".to_owned()
    };
    Ok(Page {
        title: "Comparison of allocators".to_owned(),
        lead: format!(
            "{} tests ({}; {from}), each solved by {}.",
            record.finished_tests,
            families.join(", "),
            plan.allocators.join(", ")
        ),
        verdict: verdict::of_validation(&summary, &of_total),
        warnings,
        sections: vec![
            Section {
                id: "figures",
                title: "Figures",
                parts: figures.collect(),
            },
            Section {
                id: "summary",
                title: "Summary",
                parts: tables,
            },
            made::section(dir, &file.value, &FILES)?,
        ],
    })
}

fn rows_of<'a>(csv: &'a Csv, family: &str) -> Vec<&'a Vec<String>> {
    let rows = csv.rows.iter();
    rows.filter(|row| csv.cell(row, "family") == family)
        .collect()
}
