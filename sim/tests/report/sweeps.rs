//! Sweeps, simulated and real: every figure is of the rows.

use std::fs;

use serde_json::{Value, json};

use super::common::sim;
use super::page::Csv;
use super::{ends, float, lines, report, reported, with_ends};

#[test]
fn a_sweep() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("sweep");
    let sweep = [
        "sweep",
        "lab-8",
        "--vary",
        "job.beta=0,4,8",
        "--vary",
        "job.ship=once,each-cycle",
        "--replicates",
        "3",
        "--allocators",
        "exact,heuristic",
        "--cycles",
        "4",
    ];
    let report = reported(&out, &sweep);
    assert!(
        report.html.contains("job.beta=0,4,8"),
        "it says how it was made"
    );
    let csv = Csv::read(&out.join("sweep.csv"));
    let printed = lines(&sim(&[&sweep[..], &["--json"]].concat()).stdout);
    assert_eq!((csv.rows.len(), printed.len()), (12, 12));
    let table = report.table("Rows");
    assert_eq!(table.rows.len(), 12);
    for (row, of) in table.rows.iter().zip(&csv.rows) {
        let shown: Vec<f64> = row.iter().flat_map(|cell| cell.numbers.clone()).collect();
        let expected: Vec<f64> = of.iter().filter_map(|cell| cell.parse().ok()).collect();
        assert_eq!(shown, expected);
    }
    // Small plots for each value of job.ship, over job.beta, with a line for each allocator.
    assert_eq!(
        report.figures(),
        ["sweep-fee", "sweep-wall_s", "sweep-missed_percent"]
    );
    for column in ["fee", "wall_s"] {
        let figure = format!("sweep-{column}");
        let drawn = report.csv(&figure);
        assert_eq!(drawn.rows.len(), 12);
        for row in &drawn.rows {
            let same = |line: &&Value| {
                line["job.ship"] == drawn.cell(row, "job.ship")
                    && line["job.beta"] == drawn.cell(row, "value")
                    && line["allocator"] == drawn.cell(row, "line")
            };
            let line = printed.iter().find(same).expect("it is printed");
            for name in with_ends(column, &ends(column)) {
                let (found, said) = (drawn.number(row, name), float(&line[name]));
                assert!(
                    (found - said).abs() <= 1e-12 * said.abs(),
                    "{figure} {name}"
                );
            }
        }
    }
}

/// A third key has a line for each of its values.
#[test]
fn a_sweep_of_three_keys() {
    let dir = tempfile::tempdir().expect("a folder");
    let sweep = [
        "sweep",
        "dab",
        "--vary",
        "job.s_min=1,2",
        "--vary",
        "job.batches=86,88,92",
        "--vary",
        "job.cycle_time=50s,60s",
        "--replicates",
        "2",
        "--cycles",
        "2",
    ];
    let report = reported(dir.path(), &sweep);
    let csv = Csv::read(&dir.path().join("sweep.csv"));
    let drawn = report.csv("sweep-wall_s");
    let walls = csv
        .rows
        .iter()
        .filter(|row| !csv.cell(row, "wall_s").is_empty());
    assert_eq!(drawn.rows.len(), walls.count());
    for row in &drawn.rows {
        let of = |sweep: &&Vec<String>| {
            csv.cell(sweep, "job.batches") == drawn.cell(row, "value")
                && csv.cell(sweep, "job.s_min") == drawn.cell(row, "job.s_min")
                && drawn.cell(row, "line")
                    == format!("job.cycle_time = {}", csv.cell(sweep, "job.cycle_time"))
        };
        let sweep = csv.rows.iter().find(of).expect("a row of the sweep");
        assert_eq!(drawn.number(row, "wall_s"), csv.number(sweep, "wall_s"));
    }
}

/// With more combinations than lines can be told apart, the middle and the range are drawn.
#[test]
fn a_wide_sweep_is_summed_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let report = reported(
        dir.path(),
        &[
            "sweep",
            "dab",
            "--vary",
            "job.s_min=1,2",
            "--vary",
            "job.batches=86,92",
            "--vary",
            "job.beta=0,1",
            "--vary",
            "job.cycle_time=50s,60s",
            "--replicates",
            "2",
            "--cycles",
            "2",
        ],
    );
    assert!(report.caption("key-1-wall_s").contains("8 lines"));
    let csv = Csv::read(&dir.path().join("sweep.csv"));
    let drawn = report.csv("key-1-wall_s");
    assert_eq!(drawn.rows.len(), 2);
    for row in &drawn.rows {
        let rows = csv.of("job.s_min", drawn.cell(row, "value"));
        let mut values: Vec<f64> = rows.iter().map(|row| csv.number(row, "wall_s")).collect();
        values.sort_by(f64::total_cmp);
        assert_eq!(
            drawn.number(row, "wall_s"),
            values[3],
            "the middle of eight"
        );
        assert_eq!(drawn.number(row, "wall_s_low"), values[0]);
        assert_eq!(drawn.number(row, "wall_s_high"), values[7]);
    }
}

#[test]
fn a_sweep_of_real_runs() {
    let dir = tempfile::tempdir().expect("a folder");
    let dump = json!([
        {"values": {"job.s_min": "1", "fees.type": "constant"},
         "result": {"ending": "completed", "fee": "300", "wall_s": 4.5, "accuracy": 0.502, "loss": 1.85}},
        {"values": {"job.s_min": "10", "fees.type": "constant"},
         "result": {"ending": "completed", "fee": "310.5", "wall_s": 4.25, "accuracy": 0.61, "loss": 1.25}},
        {"values": {"job.s_min": "1000", "fees.type": "constant"}, "result": {"error": "a <bad> value"}},
    ]);
    fs::write(dir.path().join("dump.json"), dump.to_string()).expect("room");
    let report = report(dir.path());
    let fee = report.csv("key-2-fee");
    assert_eq!(fee.rows[1][..3], ["fees.type = constant", "10", "310.5"]);
    assert_eq!(report.csv("key-2-accuracy").rows.len(), 2);
    assert!(report.html.contains("a &lt;bad&gt; value"));
    assert_eq!(report.table("Rows").rows.len(), 3);
}
