//! `sim report` through the command line: pages against the tables that they were made of.

mod bad;
#[path = "../common/mod.rs"]
mod common;
mod kinds;
mod page;

use std::path::Path;

use common::sim;
use page::Report;

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
