//! `sim report` through the command line: pages against the tables that they were made of.

mod bad;
#[path = "../common/mod.rs"]
mod common;
mod page;
mod runs;
mod sweeps;
mod validations;

use std::path::Path;

use common::sim;
use page::{Csv, Report};
use serde_json::Value;

/// Makes results by a command, and their report.
fn reported(dir: &Path, command: &[&str]) -> Report {
    let out = dir.to_str().expect("the path is UTF-8");
    let made = sim(&[command, &["--out", out]].concat());
    made.assert_done();
    report(dir)
}

fn report(dir: &Path) -> Report {
    let run = sim(&["report", dir.to_str().expect("the path is UTF-8")]);
    run.assert_done();
    assert!(run.stdout.starts_with("report: "), "{}", run.stdout);
    let report = Report::read(dir);
    report.assert_sound();
    report
}

fn lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    text.lines().map(parse).collect()
}

fn float(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// Each row of a page's table holds the numbers that the file's row has in these columns.
fn assert_rows(report: &Report, caption: &str, csv: &Csv, columns: &[&str]) {
    let table = report.table(caption);
    assert_eq!(table.rows.len(), csv.rows.len(), "{caption}");
    for (row, of) in table.rows.iter().zip(&csv.rows) {
        let shown: Vec<f64> = row.iter().flat_map(|cell| cell.numbers.clone()).collect();
        let cells = columns.iter().map(|name| csv.cell(of, name));
        let expected: Vec<f64> = cells.filter_map(|cell| cell.parse().ok()).collect();
        assert_eq!(shown, expected, "{caption}: {of:?}");
    }
}

fn with_ends<'a>(name: &'a str, ends: &'a [String; 2]) -> [&'a str; 3] {
    [name, &ends[0], &ends[1]]
}

fn ends(name: &str) -> [String; 2] {
    ["low", "high"].map(|end| format!("{name}_{end}"))
}
