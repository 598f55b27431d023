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
    assert_eq!(
        report.figures(),
        [
            "key-1-fee",
            "key-1-wall_s",
            "key-1-missed",
            "key-2-fee",
            "key-2-wall_s",
            "key-2-missed"
        ]
    );
    for (figure, key, column) in [
        ("key-1-fee", "job.beta", "fee"),
        ("key-2-wall_s", "job.ship", "wall_s"),
    ] {
        let drawn = report.csv(figure);
        assert_eq!(drawn.rows.len(), 12);
        for row in &drawn.rows {
            let same = |line: &&Value| {
                let (of, value) = (drawn.cell(row, "of"), drawn.cell(row, "value"));
                let other = if key == "job.beta" {
                    "job.ship"
                } else {
                    "job.beta"
                };
                let name = format!(
                    "{}, {other} = {}",
                    line["allocator"].as_str().expect("a name"),
                    line[other].as_str().expect("a value")
                );
                line[key] == value && of == name
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
            "job.batches=86,87,88,89,90,91,92",
            "--replicates",
            "2",
            "--cycles",
            "2",
        ],
    );
    assert!(report.caption("key-1-wall_s").contains("7 lines"));
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
            "the middle of seven"
        );
        assert_eq!(drawn.number(row, "wall_s_low"), values[0]);
        assert_eq!(drawn.number(row, "wall_s_high"), values[6]);
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
