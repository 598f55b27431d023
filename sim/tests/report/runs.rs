//! Runs, simulated and real: what the page says is what the tables and other commands say.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::common::sim;
use super::page::{Csv, Report, near};
use super::{ends, float, lines, report, reported, with_ends};

/// Two allocators, some replicates, and a job that loses batches and ends early at times.
fn churn(dir: &Path) -> Report {
    let args = [
        "run",
        "churn",
        "--replicates",
        "12",
        "--allocators",
        "exact,heuristic",
        "--cycles",
        "30",
    ];
    reported(dir, &args)
}

#[test]
fn simulated_runs() {
    let dir = tempfile::tempdir().expect("a folder");
    let report = churn(dir.path());
    let summary = Csv::read(&dir.path().join("summary.csv"));
    let table = report.table("Summary of all runs");
    assert_eq!(table.heading[1..], ["exact", "heuristic"]);
    let names: Vec<&String> = summary
        .heading
        .iter()
        .filter(|name| !name.ends_with("_low") && !name.ends_with("_high"))
        .filter(|name| *name != "allocator")
        .collect();
    assert_eq!(table.rows.len(), names.len());
    for (row, name) in table.rows.iter().zip(names) {
        for (cell, of) in row[1..].iter().zip(&summary.rows) {
            let ends = ends(name);
            let is_estimate = summary.heading.contains(&ends[0]);
            let columns = if is_estimate {
                with_ends(name, &ends).to_vec()
            } else {
                vec![name.as_str()]
            };
            let expected: Vec<f64> = columns
                .iter()
                .map(|name| summary.number(of, name))
                .collect();
            assert_eq!(cell.numbers, expected, "{name}");
        }
    }
    // Fees add up to those of the summary, to the last digit.
    let fee = report.csv("fee");
    for row in &summary.rows {
        let rows = fee.of("allocator", summary.cell(row, "allocator"));
        assert_eq!(rows.len(), 30);
        let last = rows.last().expect("the last cycle");
        for name in with_ends("fee", &ends("fee")) {
            assert_eq!(fee.number(last, name), summary.number(row, name), "{name}");
        }
        let all: Vec<f64> = rows.iter().map(|row| fee.number(row, "fee")).collect();
        assert!(all.is_sorted());
    }
    // The runs are those that the command prints.
    let args = [
        "run",
        "churn",
        "--replicates",
        "12",
        "--allocators",
        "exact,heuristic",
        "--cycles",
        "30",
        "--json",
    ];
    let printed = lines(&sim(&args).stdout);
    let printed: Vec<&Value> = printed
        .iter()
        .filter(|line| line.get("figure").is_none())
        .collect();
    let runs = report.table("Runs");
    let scatter = report.csv("runs");
    assert_eq!(
        (runs.rows.len(), printed.len(), scatter.rows.len()),
        (24, 24, 24)
    );
    for row in &runs.rows {
        let same = |line: &&&Value| {
            line["allocator"] == row[1].text.as_str()
                && line["replicate"] == json!(row[0].numbers[0] as u64)
        };
        let line = printed.iter().find(same).expect("it is printed");
        assert!((row[4].numbers[0] - float(&line["fee"])).abs() < 1e-6);
        assert!((row[5].numbers[0] - float(&line["wall_s"])).abs() < 1e-9);
        let has = |of: &Vec<String>| {
            scatter.number(of, "wall_s") == row[5].numbers[0]
                && scatter.number(of, "fee") == row[4].numbers[0]
        };
        assert!(scatter.rows.iter().any(has));
    }
    let cycles = report.csv("cycles");
    for (row, of) in cycles.rows.iter().zip(&summary.rows) {
        assert_eq!(cycles.number(row, "planned"), 30.0);
        for name in ["cycles_complete", "cycles_truncated", "cycles_failed"] {
            assert_eq!(cycles.cell(row, name), summary.cell(of, name));
            let share = 100.0 * summary.number(of, name) / 30.0;
            assert!((cycles.number(row, &format!("{name}_percent")) - share).abs() < 1e-9);
        }
    }
    // A timeline's parts lie within their cycle.
    let timeline = report.csv("timeline");
    for row in &timeline.rows {
        let of = |name: &str| timeline.number(row, name);
        if timeline.cell(row, "fate") == "complete" {
            assert!(of("computed_s") > 0.0 && of("computed_s") <= of("elapsed_s"));
            assert!(of("ordered_s") + of("elapsed_s") <= of("ended_s") + 1e-9);
            assert_eq!(
                timeline.cell(row, "assigned"),
                timeline.cell(row, "accepted")
            );
        }
    }
    let times = report.csv("cycle-times");
    let longest = times
        .rows
        .iter()
        .map(|row| times.number(row, "took_s"))
        .fold(0.0, f64::max);
    let words = report.caption("cycle-times");
    let said = words.split("the longest ").nth(1).expect("it says so");
    let said: f64 = said
        .split(' ')
        .next()
        .expect("a number")
        .parse()
        .expect("a number");
    assert!(near(said, longest));
}

#[test]
fn predictions_are_those_of_replay_and_the_frontier_that_of_plan() {
    let dir = tempfile::tempdir().expect("a folder");
    let args = [
        "run",
        "mixed-lab",
        "--replicates",
        "3",
        "--seed",
        "9",
        "--set",
        "job.cycles=6",
    ];
    let report = reported(dir.path(), &args);
    let folder = dir.path().to_str().expect("UTF-8");
    let replayed = lines(&sim(&["replay", folder, "--json"]).stdout);
    let runs = report.csv("predicted-runs");
    assert_eq!(runs.rows.len(), replayed.len());
    let table = report.table("Predicted and measured");
    for ((row, cells), line) in runs.rows.iter().zip(&table.rows).zip(&replayed) {
        let of = ["predicted_s", "measured_s"].map(|name| float(&line[name]));
        assert_eq!(
            ["predicted_s", "measured_s"].map(|name| runs.number(row, name)),
            of
        );
        let shown: Vec<f64> = cells[1..]
            .iter()
            .flat_map(|cell| cell.numbers.clone())
            .collect();
        assert_eq!(shown[..2], of);
        assert!((shown[2] - float(&line["error_percent"])).abs() < 1e-9);
        assert_eq!(cells[0].text, line["run"].as_str().expect("an id"));
    }
    let workers = report.csv("predicted-workers");
    let all: Vec<&Value> = replayed
        .iter()
        .flat_map(|line| line["workers"].as_array().expect("workers"))
        .filter(|worker| !worker["recorded_cycle_s"].is_null())
        .collect();
    assert_eq!(workers.rows.len(), all.len());
    for (row, worker) in workers.rows.iter().zip(all) {
        assert_eq!(
            workers.number(row, "predicted_s"),
            float(&worker["predicted_cycle_s"])
        );
        assert_eq!(
            workers.number(row, "measured_s"),
            float(&worker["recorded_cycle_s"])
        );
    }
    let plan = [
        "plan",
        "mixed-lab",
        "--seed",
        "9",
        "--set",
        "job.cycles=6",
        "--frontier",
        "time",
        "--json",
    ];
    let curve = lines(&sim(&plan).stdout);
    let drawn = report.csv("frontier");
    assert!(
        (100..=403).contains(&drawn.rows.len()),
        "{} of {}",
        drawn.rows.len(),
        curve.len()
    );
    let mut rest = curve.iter();
    for row in &drawn.rows {
        let limit = drawn.number(row, "limit_s");
        let found = rest.find(|point| float(&point["limit_ns"]) / 1e9 == limit);
        let point = found.expect("every step is one of the exact curve, in order");
        assert_eq!(drawn.number(row, "fee"), float(&point["cost"]));
    }
    assert!(
        report
            .caption("frontier")
            .contains(&format!("of {} steps", curve.len()))
    );
}

/// A real run's folder has the tables of a simulated one, its own summary and `model.csv`.
#[test]
fn a_real_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let args = [
        "run",
        "lab-8",
        "--replicates",
        "1",
        "--cycles",
        "5",
        "--events",
    ];
    reported(dir.path(), &args);
    let path = dir.path().join("run.json");
    let text = fs::read_to_string(&path).expect("it is there");
    let mut record: Value = serde_json::from_str(&text).expect("JSON");
    record["checksum"].take(); // what it says is changed
    record["plan"]["mode"] = "real".into();
    for (key, value) in [
        ("predicted_s", json!(12.5)),
        ("measured_s", json!(10.0)),
        ("accuracy", json!(0.9321)),
        (
            "differs_because",
            json!("the plan follows <measured> speeds"),
        ),
    ] {
        record[key] = value;
    }
    fs::write(&path, record.to_string()).expect("room");
    let model =
        "loss,accuracy,cycle,argmax_accuracy\n2.3,0.1,0,0.11\nN/A,N/A,1,N/A\n0.25,0.83,2,0.9321\n";
    fs::write(dir.path().join("model.csv"), model).expect("room");
    let report = report(dir.path());
    assert!(report.html.contains("Real run: lab-8"));
    let facts = report.table("The run");
    let fact = |name: &str| {
        let row = facts.rows.iter().find(|row| row[0].text == name);
        &row.unwrap_or_else(|| panic!("{name} is not told"))[1]
    };
    assert_eq!(fact("accuracy").numbers, [0.9321]);
    assert_eq!(fact("cycles as predicted, s").numbers, [12.5]);
    assert!(report.html.contains("follows &lt;measured&gt; speeds"));
    let row = &report.table("Predicted and measured").rows[0];
    assert_eq!(row[3].numbers, [25.0], "12.5 of 10 s is a quarter too much");
    let accuracy = report.csv("accuracy");
    assert_eq!(
        accuracy.rows,
        [["0", "0.11", "0.1"], ["1", "", ""], ["2", "0.9321", "0.83"]]
    );
    assert_eq!(
        report.csv("loss").rows,
        [["0", "2.3"], ["1", ""], ["2", "0.25"]]
    );
    assert!(
        report
            .caption("accuracy")
            .contains("from 0.11 to 0.9321 after cycle 2")
    );
    // Its frontier comes from the log of events, and is that of the simulated question.
    let frontier = report.csv("frontier");
    let plan = [
        "plan",
        "lab-8",
        "--cycles",
        "5",
        "--frontier",
        "time",
        "--json",
    ];
    let curve = lines(&sim(&plan).stdout);
    assert_eq!(
        frontier.number(&frontier.rows[0], "limit_s"),
        float(&curve[0]["limit_ns"]) / 1e9
    );
    // Without the log the rest of the page stands.
    fs::remove_dir_all(dir.path().join("events")).expect("it is there");
    let without = super::report(dir.path());
    assert!(without.html.contains("the folder has no log of events"));
    assert!(!without.figures().contains(&"frontier".to_owned()));
    assert!(
        !dir.path().join("report/frontier.svg").exists(),
        "what is no longer there goes"
    );
}
