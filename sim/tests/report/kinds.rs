//! Each kind of folder: what the page says is what the tables say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use results::read::Outcomes;
use serde_json::{Value, json};

use super::common::sim;
use super::page::{Csv, Report, near};
use super::{report, reported};

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

#[test]
fn a_validation() {
    let dir = tempfile::tempdir().expect("a folder");
    let report = reported(
        dir.path(),
        &[
            "validate",
            "--n-tests",
            "400",
            "--seed",
            "5",
            "--allocators",
            "heuristic,exact,lp",
            "--family",
            "tight-lots",
        ],
    );
    let summary = Csv::read(&dir.path().join("summary.csv"));
    let [dearer, by, mean] = [
        "suboptimal_percent",
        "mean_excess_suboptimal_percent",
        "mean_excess_percent",
    ]
    .map(ends);
    let mut columns = vec![
        "tests",
        "planned",
        "optimal",
        "suboptimal",
        "unproven",
        "infeasible",
        "failed",
    ];
    columns.extend(with_ends("suboptimal_percent", &dearer));
    columns.extend(with_ends("mean_excess_suboptimal_percent", &by));
    columns.extend(with_ends("mean_excess_percent", &mean));
    columns.push("worst_excess_percent");
    assert_rows(
        &report,
        "Answers and excess over the optimum",
        &summary,
        &columns,
    );
    let timings = Csv::read(&dir.path().join("timings_summary.csv"));
    let columns = ["p50_ns", "p99_ns", "max_ns", "mean_ns", "total_ns"];
    assert_rows(
        &report,
        "Time of a solve, its verification included",
        &timings,
        &columns,
    );

    // Every answer, counted anew from the table of all.
    let mut excess: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in Outcomes::open(&dir.path().join("outcomes.parquet")).expect("the table") {
        let row = row.expect("a row");
        let values = excess.entry(row.allocator.to_string()).or_default();
        values.extend(row.excess.map(|excess| 100.0 * excess));
    }
    let drawn = report.csv("excess");
    for (allocator, values) in &excess {
        let (mut found, rows) = (0, drawn.of("allocator", allocator));
        for row in &rows {
            let (from, to) = (
                drawn.number(row, "from_percent"),
                drawn.number(row, "to_percent"),
            );
            let within = values
                .iter()
                .filter(|value| (from..to).contains(*value))
                .count();
            assert_eq!(
                drawn.number(row, "plans"),
                within as f64,
                "{allocator} {from}"
            );
            let share = 100.0 * within as f64 / values.len() as f64;
            assert!((drawn.number(row, "of_compared_percent") - share).abs() < 1e-9);
            found += within;
        }
        let above = values.iter().filter(|value| **value > 0.0).count();
        assert_eq!(
            found, above,
            "{allocator}: every plan above the optimum is in a bin"
        );
        let row = &summary.of("allocator", allocator)[0];
        assert_eq!(summary.number(row, "suboptimal"), above as f64);
    }
    assert!(drawn.rows.len() > 4, "the heuristic is often wrong here");
    assert!(drawn.of("allocator", "exact").is_empty());
    let latency = report.csv("latency");
    for allocator in ["heuristic", "exact", "lp"] {
        let rows = latency.of("allocator", allocator);
        let tests: f64 = rows.iter().map(|row| latency.number(row, "tests")).sum();
        assert_eq!(tests, 400.0);
        let last = rows.last().expect("there are some");
        assert_eq!(latency.number(last, "up_to_here_percent"), 100.0);
        // The median of the summary lies in the bin in which half of the tests are passed.
        let half = rows
            .iter()
            .find(|row| latency.number(row, "up_to_here_percent") >= 50.0);
        let half = half.expect("half of them");
        let row = &timings.of("allocator", allocator)[0];
        let median = timings.number(row, "p50_ns");
        let (from, to) = (
            latency.number(half, "from_ns"),
            latency.number(half, "to_ns"),
        );
        assert!(
            (0.99 * from..=1.01 * to).contains(&median),
            "{median} in {from} to {to}"
        );
    }
    let answers = report.csv("answers");
    for row in &answers.rows {
        let of = &summary.of("allocator", answers.cell(row, "allocator"))[0];
        for name in ["tests", "optimal", "suboptimal", "infeasible", "failed"] {
            assert_eq!(answers.cell(row, name), summary.cell(of, name));
        }
        let shares = ["optimal", "suboptimal", "unproven", "infeasible", "failed"];
        let sum: f64 = shares
            .iter()
            .map(|n| answers.number(row, &format!("{n}_percent")))
            .sum();
        assert!((sum - 100.0).abs() < 1e-9);
    }
}

#[test]
fn simulated_cycles_of_several_families_from_shards() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = |name: &str| dir.path().join(name).display().to_string();
    for shard in ["1/2", "2/2"] {
        let out = folder(&shard.replace('/', "of"));
        sim(&[
            "validate",
            "--family",
            "all",
            "--n-tests",
            "30",
            "--allocators",
            "heuristic,exact",
            "--simulate",
            "--shard",
            shard,
            "--out",
            &out,
        ])
        .assert_done();
    }
    let part = report(&dir.path().join("1of2"));
    assert!(part.html.contains("Shard 1 of 2"));
    sim(&[
        "merge",
        &folder("1of2"),
        &folder("2of2"),
        "--out",
        &folder("all"),
    ])
    .assert_done();
    let report = report(&dir.path().join("all"));
    let summary = Csv::read(&dir.path().join("all/summary.csv"));
    let names = [
        "missed_percent",
        "mean_late_workers",
        "mean_makespan_ms",
        "missed_points_above_exact",
        "late_workers_above_exact",
        "makespan_ms_above_exact",
    ];
    let all = names.map(|name| (name, ends(name)));
    let mut columns = vec!["simulated"];
    columns.extend(all.iter().flat_map(|(name, ends)| with_ends(name, ends)));
    assert_rows(
        &report,
        "Simulated cycles, one for each plan",
        &summary,
        &columns,
    );
    for (figure, name) in [
        ("excess-by-family", "mean_excess_percent"),
        ("missed-by-family", "missed_percent"),
    ] {
        let drawn = report.csv(figure);
        assert!(!drawn.rows.is_empty());
        for row in &drawn.rows {
            let same = |of: &&Vec<String>| {
                let key = ["family", "allocator"];
                key.iter()
                    .all(|name| summary.cell(of, name) == drawn.cell(row, name))
            };
            let of = summary.rows.iter().find(same).expect("the summary has it");
            for name in with_ends(name, &ends(name)) {
                assert_eq!(drawn.cell(row, name), summary.cell(of, name));
            }
        }
    }
    let makespan = report.csv("makespan");
    let exact = makespan.of("allocator", "exact");
    let cycles: f64 = exact.iter().map(|row| makespan.number(row, "cycles")).sum();
    let total = summary.of("family", "all");
    let total = total
        .iter()
        .find(|row| summary.cell(row, "allocator") == "exact");
    assert_eq!(
        cycles,
        summary.number(total.expect("all families"), "simulated")
    );
}

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
    // A time-line's parts lie within their cycle.
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
            "job.tau=1,2",
            "--vary",
            "job.batches=90,91,92,93,94,95,96",
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
        let rows = csv.of("job.tau", drawn.cell(row, "value"));
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
    record["plan"]["mode"] = "real".into();
    for (key, value) in [
        ("predicted_s", json!(12.5)),
        ("wall_s", json!(10.0)),
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
    assert_eq!(fact("predicted before, s").numbers, [12.5]);
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

/// What is drawn is binned: ten times as many tests do not make a larger page.
#[test]
fn the_page_does_not_grow_with_the_tests() {
    let dir = tempfile::tempdir().expect("a folder");
    let size = |tests: &str| {
        let out = dir.path().join(tests);
        let args = [
            "validate",
            "--n-tests",
            tests,
            "--allocators",
            "heuristic,exact",
            "--seed",
            "2",
        ];
        reported(&out, &args).html.len()
    };
    let (few, many) = (size("1000"), size("20000"));
    assert!(many < 120_000 && many < few * 3 / 2, "{few} and {many}");
}
