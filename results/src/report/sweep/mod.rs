//! The page of a sweep: what came of each value of each varied key.
//!
//! One key has a figure of lines (`lines.rs`), two and three have small plots beside each other
//! (`multiples.rs`).

mod lines;
mod multiples;

use std::path::Path;

use serde_json::{Map, Value};

use lines::Outcome;

use super::csv::Csv;
use super::made;
use super::page::{Page, Part, Section};
use super::table::{Cell, Column, Table};
use crate::error::ResultsError;
use crate::files::{DUMP_FILE, SWEEP_FILE, SWEEP_VERSION};
use crate::run_file::RunFile;

/// Rows of the table on the page.
const MOST_ROWS: usize = 200;

const SIMULATED: [Outcome; 3] = [
    ("fee", "Fee of a run", "fee of a run"),
    ("wall_s", "Wall time of a run", "wall time of a run, s"),
    ("missed_percent", "Runs that missed", "missed, % of runs"),
];

const REAL: [Outcome; 4] = [
    ("fee", "Fee of the run", "fee of the run"),
    ("wall_s", "Wall time of the run", "wall time of the run, s"),
    ("accuracy", "Accuracy at the end", "accuracy"),
    ("loss", "Loss at the end", "loss"),
];

/// What columns are called on the page; others keep their names.
const TITLES: [(&str, &str); 6] = [
    ("wall_s", "wall time, s"),
    ("limit_s", "limit, s"),
    ("predicted_s", "predicted, s"),
    ("missed_percent", "missed, % of runs"),
    ("lost_percent", "batches lost, %"),
    ("replicates", "runs"),
];

/// The page of a simulated sweep.
pub(super) fn page(dir: &Path) -> Result<Page, ResultsError> {
    let file = RunFile::read(dir)?;
    file.expect_version(SWEEP_VERSION)?;
    let (record, damaged) = (&file.value, |message: &str| file.damaged(message));
    let keys = record.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or_else(|| damaged("expected the varied keys"))?;
    let keys: Option<Vec<String>> = keys
        .iter()
        .map(|key| key.as_str().map(str::to_owned))
        .collect();
    let keys = keys.ok_or_else(|| damaged("expected the varied keys to be names"))?;
    let csv = Csv::read(&dir.join(SWEEP_FILE))?;
    if let Some(key) = keys.iter().find(|key| csv.column(key).is_none()) {
        return Err(damaged(&format!("the table has no column {key}")));
    }
    let is_complete = record.get("complete").and_then(Value::as_bool) == Some(true);
    let scenario = record
        .get("scenario")
        .and_then(Value::as_str)
        .unwrap_or("a scenario");
    let mut warnings = Vec::new();
    if !is_complete {
        warnings.push(
            "Not complete: some combinations were not worked out, see their rows.".to_owned(),
        );
    }
    let files = [("sweep.csv", "every row"), ("run.json", "how it was made")];
    let (rows, varied) = (csv.rows.len(), keys.join(", "));
    Ok(Page {
        title: format!("Sweep: {scenario}"),
        lead: format!("{rows} rows: every combination of the values of {varied}, simulated."),
        verdict: verdict(&csv, &keys),
        warnings,
        sections: sections(&csv, &keys, &SIMULATED, made::section(dir, record, &files)?),
    })
}

/// The page of a sweep of real runs.
pub(super) fn real_page(dir: &Path) -> Result<Page, ResultsError> {
    let path = dir.join(DUMP_FILE);
    let dump = made::json(&path)?;
    let (csv, keys) = flattened(&dump).ok_or_else(|| {
        ResultsError::damaged(
            &path,
            "expected a list of values and results, as a sweep writes it",
        )
    })?;
    let (rows, varied) = (csv.rows.len(), keys.join(", "));
    let record = Value::Object(Map::from_iter([("runs".to_owned(), Value::from(rows))]));
    let files = [("dump.json", "every result")];
    Ok(Page {
        title: "Sweep of real runs".to_owned(),
        lead: format!("{rows} runs on real machines, one for each combination of {varied}."),
        verdict: verdict(&csv, &keys),
        warnings: Vec::new(),
        sections: sections(&csv, &keys, &REAL, made::section(dir, &record, &files)?),
    })
}

/// The results of real runs as rows: the varied keys, then what came of them.
fn flattened(dump: &Value) -> Option<(Csv, Vec<String>)> {
    const RESULTS: [&str; 11] = [
        "ending",
        "fee",
        "wall_s",
        "limit_s",
        "predicted_s",
        "accuracy",
        "loss",
        "cycles_complete",
        "cycles_truncated",
        "cycles_failed",
        "error",
    ];
    let lines = dump.as_array()?;
    let mut keys: Vec<String> = Vec::new();
    for line in lines {
        for key in line.get("values")?.as_object()?.keys() {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        line.get("result")?.as_object()?;
    }
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let row = |line: &Value| {
        let values = keys.iter().map(|key| text(line["values"].get(key)));
        let results = RESULTS.iter().map(|key| text(line["result"].get(key)));
        values.chain(results).collect()
    };
    let heading = keys
        .iter()
        .cloned()
        .chain(RESULTS.map(str::to_owned))
        .collect();
    let csv = Csv {
        heading,
        rows: lines.iter().map(row).collect(),
    };
    Some((csv, keys))
}

fn verdict(csv: &Csv, keys: &[String]) -> Option<String> {
    super::verdict::of_sweep(csv, |row| {
        let values = keys
            .iter()
            .map(|key| format!("{key} = {}", csv.cell(row, key)));
        let allocator = Some(csv.cell(row, "allocator").to_owned());
        let allocator = allocator.filter(|name| !name.is_empty());
        values.chain(allocator).collect::<Vec<_>>().join(", ")
    })
}

fn sections(csv: &Csv, keys: &[String], outcomes: &[Outcome], made: Section) -> Vec<Section> {
    vec![
        Section {
            id: "figures",
            title: "Figures",
            parts: parts(csv, keys, outcomes),
        },
        Section {
            id: "tables",
            title: "Table",
            parts: tables(csv, keys),
        },
        made,
    ]
}

fn parts(csv: &Csv, keys: &[String], outcomes: &[Outcome]) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(layout) = multiples::Layout::of(csv, keys) {
        let figures = outcomes
            .iter()
            .filter_map(|outcome| layout.figure(csv, keys, outcome));
        parts.extend(figures.map(|figure| Part::Figure(Box::new(figure))));
        return parts;
    }
    for (place, key) in keys.iter().enumerate() {
        for outcome in outcomes {
            let figure = lines::over(csv, keys, (place, key), outcome);
            parts.extend(figure.map(|figure| Part::Figure(Box::new(figure))));
        }
    }
    if parts.is_empty() {
        parts.push(Part::Words("No row has a result to draw.".to_owned()));
    }
    parts
}

/// All rows, as far as they can be read on a page.
fn tables(csv: &Csv, keys: &[String]) -> Vec<Part> {
    let is_end = |name: &str| name.ends_with("_low") || name.ends_with("_high");
    let shown: Vec<&String> = csv.heading.iter().filter(|name| !is_end(name)).collect();
    let column = |name: &&String| {
        let title = if keys.contains(name) {
            (*name).clone()
        } else {
            let title = TITLES.iter().find(|(known, _)| known == name);
            title.map_or_else(|| name.replace('_', " "), |(_, title)| (*title).to_owned())
        };
        if csv.column(&format!("{name}_low")).is_some() {
            Column::estimate(name, &title)
        } else {
            Column::new(name, &title)
        }
    };
    let mut table = Table::new(shown.iter().map(column).collect());
    for row in csv.rows.iter().take(MOST_ROWS) {
        let cell = |name: &&String| {
            let end = |end: &str| csv.cell(row, &format!("{name}_{end}"));
            match Cell::read_estimate(csv.cell(row, name), end("low"), end("high")) {
                // What is no estimate has no ends.
                Cell::Estimate(_, None) => Cell::read(csv.cell(row, name)),
                cell => cell,
            }
        };
        table.push(shown.iter().map(cell).collect());
    }
    let mut parts = Vec::new();
    if csv.rows.len() > MOST_ROWS {
        let rows = csv.rows.len();
        parts.push(Part::Words(format!(
            "The first {MOST_ROWS} of {rows} rows:"
        )));
    }
    parts.push(Part::Table("Rows", table));
    parts
}
