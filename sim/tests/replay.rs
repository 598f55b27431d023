//! `sim replay` through the command line, and the bars it must hold on the recorded runs.

#![expect(clippy::print_stderr, reason = "it says what is not tested")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Run, sim, sim_with_input};
use results::event_log::EventReader;
use results::runs::{RecordedFolder, RunSummary};
use scheduler::Span;
use scheduler::machine::{Action, Scheduler};
use serde_json::{Value, json};

/// Two workers: 2 s from the second download on, and 4 s from the first one on.
fn runs() -> Value {
    json!([{
        "run": 7, "global_cycles": 10, "max_time_s": 42.5, "n_batches": 30, "beta": 2, "s_min": 5,
        "batch_size": 32, "fee_type": "specific", "training_s": 50.0, "send_data_s": 3.0,
        "model": [{"cycle": 0, "loss": 2.3}],
        "workers": [
            {"host": "a", "benchmark_batches_per_s": 10.0, "s_max": 42, "fee": 1.5, "batches": 20,
             "cycle_seconds": [2.5, 1.5]},
            {"host": "b", "benchmark_batches_per_s": 12.0, "s_max": 51, "fee": 9, "batches": 0,
             "cycle_seconds": []},
            {"host": "c", "benchmark_batches_per_s": 5.0, "s_max": 21, "fee": 0.000001,
             "batches": 10, "cycle_seconds": [4.0]}
        ]
    }])
}

fn replay(runs: &Value, args: &[&str]) -> Run {
    let args = [&["replay", "-"], args].concat();
    sim_with_input(&args, runs.to_string().as_bytes())
}

fn lines(run: &Run) -> Vec<Value> {
    run.assert_done();
    let parse = |line| serde_json::from_str(line).expect("a line of JSON");
    run.stdout.lines().map(parse).collect()
}

/// The first line of a replay that is done.
fn line(runs: &Value, args: &[&str]) -> Value {
    lines(&replay(runs, args)).remove(0)
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn near(value: &Value, expected: f64) {
    assert!(
        (number(value) - expected).abs() < 1e-6,
        "{value}, expected {expected}"
    );
}

/// 100 ms down, 200 ms up, 500 ms besides.
fn calibration(folder: &Path) -> String {
    let path = folder.join("calibration.json");
    let fields = json!({"evaluation_ns": 500_000_000, "down_ns": 100_000_000, "up_ns": 200_000_000,
        "parameter_bytes": 1, "fitted_on": [], "left_out": [], "mean_error_percent": 0,
        "command": "by hand"});
    std::fs::write(&path, fields.to_string()).expect("the folder is there");
    path.display().to_string()
}

#[test]
fn a_line_says_what_was_measured_and_what_is_predicted() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = line(
        &runs(),
        &["--json", "--calibration", &calibration(folder.path())],
    );
    assert_eq!(line["run"], 7);
    near(&line["measured_s"], 50.0);
    // Ready at 0.2 + 2 and 0.1 + 2 s: taken in until 2.3 and 2.5 s.
    near(&line["predicted_s"], 10.0 * (2.5 + 0.5));
    near(&line["error_percent"], -40.0);
    near(&line["limit_s"], 42.5);
    near(&line["benchmark_ratio"], 0.5);
    assert_eq!(line["outlier"], false);
    assert_eq!(line["fee_per_cycle"].to_string(), "30.00001");
    let [first, second] = line["workers"].as_array().expect("a list").as_slice() else {
        panic!("expected the two that are employed: {line}");
    };
    assert_eq!(
        (&first["name"], &second["name"]),
        (&json!("a"), &json!("c"))
    );
    near(&first["predicted_cycle_s"], 2.0);
    near(&first["recorded_cycle_s"], 2.0);
    near(&second["error_percent"], -50.0);
}

/// Nothing that was measured in a run may tell what is predicted of it.
#[test]
fn a_prediction_does_not_see_what_was_measured() {
    let whole = line(&runs(), &["--json"]);
    let mut bare = runs();
    let run = bare[0].as_object_mut().expect("an object");
    for key in [
        "training_s",
        "send_data_s",
        "model",
        "max_time_s",
        "run",
        "fee_type",
    ] {
        run.remove(key);
    }
    for worker in run["workers"].as_array_mut().expect("a list") {
        let worker = worker.as_object_mut().expect("an object");
        worker.remove("cycle_seconds");
        worker.remove("host");
    }
    let bare = line(&bare, &["--json"]);
    assert_eq!(bare["predicted_s"], whole["predicted_s"]);
    assert_eq!(
        (&bare["measured_s"], &bare["error_percent"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(bare["run"], 0);
    let mut other = runs();
    other[0]["training_s"] = json!(1.0);
    other[0]["workers"][0]["cycle_seconds"] = json!([9.0]);
    assert_eq!(
        line(&other, &["--json"])["predicted_s"],
        whole["predicted_s"]
    );
}

#[test]
fn more_work_and_slower_workers_never_take_less() {
    let predicted = |change: &dyn Fn(&mut Value)| {
        let mut runs = runs();
        change(&mut runs[0]);
        number(&line(&runs, &["--json"])["predicted_s"])
    };
    let base = predicted(&|_| {});
    assert!(predicted(&|run| run["workers"][0]["batches"] = json!(21)) > base);
    assert!(predicted(&|run| run["workers"][1]["batches"] = json!(1)) > base);
    assert!(predicted(&|run| run["workers"][0]["benchmark_batches_per_s"] = json!(9.0)) > base);
    let twice = predicted(&|run| run["global_cycles"] = json!(20));
    assert!((twice - 2.0 * base).abs() < 1e-6);
    for ignored in [
        ("max_time_s", json!(9)),
        ("batch_size", json!(64)),
        ("unknown", json!({})),
    ] {
        let same = predicted(&|run| run[ignored.0] = ignored.1.clone());
        assert!((same - base).abs() < 1e-9, "{ignored:?}");
    }
}

#[test]
fn another_allocator_is_another_run() {
    let args = ["--json", "--allocator", "exact"];
    let other = line(&runs(), &args);
    // c is the cheapest, and a takes the rest: 9 and 21.
    assert_eq!(
        (&other["status"], &other["batches"]),
        (&json!("optimal"), &json!([9, 0, 21]))
    );
    assert_eq!(other["fee_per_cycle"].to_string(), "13.500021");
    assert_eq!(other["error_percent"], Value::Null);
    assert_eq!(other["recorded"]["fee_per_cycle"].to_string(), "30.00001");
    let recorded = line(&runs(), &["--json"]);
    assert_eq!(other["recorded"]["predicted_s"], recorded["predicted_s"]);
    assert!(number(&other["predicted_s"]) > number(&recorded["predicted_s"]));

    let mut impossible = runs();
    impossible[0]["n_batches"] = json!(1_000);
    let none = line(&impossible, &args);
    assert_eq!(
        (&none["status"], &none["predicted_s"]),
        (&json!("infeasible"), &Value::Null)
    );
    let table = replay(&impossible, &["--allocator", "exact", "--workers"]);
    table.assert_done();
    assert!(table.stdout.contains("infeasible: "), "{}", table.stdout);
}

#[test]
fn the_table_names_outliers_and_workers() {
    let mut runs = runs();
    runs[0]["workers"][2]["benchmark_batches_per_s"] = json!(1.0);
    let run = replay(&runs, &["--workers"]);
    run.assert_done();
    for expected in [
        "run 7 (0.100)",
        "  outlier",
        "predicted, all runs",
        "recorded s",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    assert!(
        !run.stdout.contains("predicted, runs that pass"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .lines()
            .all(|line| line.len() == line.trim_end().len())
    );
}

#[test]
fn bad_input_is_one_line_and_exit_3() {
    let check = |change: &dyn Fn(&mut Value), expected: &str| {
        for args in [&["--json"][..], &["--allocator", "exact"], &["--loo"]] {
            let mut runs = runs();
            change(&mut runs[0]);
            let run = replay(&runs, args);
            run.assert_fails(3, expected);
            assert_eq!(run.stdout, "");
            assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        }
    };
    check(
        &|run| run["workers"] = json!([]),
        "run 7: workers is empty, expected at least one",
    );
    check(
        &|run| run["workers"] = json!(3),
        "run 7: workers is 3, expected an array",
    );
    check(
        &|run| run["global_cycles"] = json!(0),
        "run 7: global_cycles is 0, expected a whole",
    );
    check(
        &|run| run["global_cycles"] = Value::Null,
        "global_cycles is null, expected",
    );
    check(
        &|run| run["workers"][0]["benchmark_batches_per_s"] = json!(-1),
        "run 7, worker a: benchmark_batches_per_s is -1, expected a number",
    );
    check(
        &|run| run["workers"][2]["batches"] = json!("ten"),
        "worker c: batches is \"ten\"",
    );
    check(
        &|run| run["workers"][2] = json!([]),
        "worker 2: found [], expected an object",
    );
    check(
        &|run| *run = json!("run"),
        "run 0: found \"run\", expected an object",
    );
    for key in ["n_batches", "beta", "s_min", "global_cycles", "workers"] {
        let remove = |run: &mut Value| {
            run.as_object_mut().expect("an object").remove(key);
        };
        check(&remove, &format!("run 7: {key} is missing"));
    }
    for key in ["benchmark_batches_per_s", "s_max", "fee", "batches"] {
        let remove = |run: &mut Value| {
            run["workers"][0]
                .as_object_mut()
                .expect("an object")
                .remove(key);
        };
        check(&remove, &format!("run 7, worker a: {key} is missing"));
    }
}

#[test]
fn what_is_no_file_of_runs_is_said() {
    for text in ["", "{}", "[", "[]", "nonsense", "\u{0}"] {
        let run = sim_with_input(&["replay", "-"], text.as_bytes());
        run.assert_fails(3, "expected a JSON array of recorded runs");
    }
    sim(&["replay", "/nowhere.json"]).assert_fails(3, "cannot read /nowhere.json");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    sim(&["replay", &path]).assert_fails(
        3,
        "has no run.json: its run did not end, or it is no folder of results",
    );
    let few = replay(&runs(), &["--loo"]);
    few.assert_fails(
        3,
        "0 runs have training_s and pass the outlier rule, expected at least 3",
    );
    let file = folder.path().join("runs.json");
    std::fs::write(&file, runs().to_string()).expect("the folder is there");
    let file = file.display().to_string();
    sim(&["replay", &file, "--fit", &file]).assert_fails(2, "would write over the recorded runs");
    replay(&runs(), &["--calibration", "/nowhere.json"]).assert_fails(3, "/nowhere.json");
    replay(&runs(), &["--allocator", "best"]).assert_fails(2, "expected one of heuristic");
}

#[test]
fn a_bad_run_does_not_hide_the_others() {
    let (mut three, good) = (runs(), runs()[0].clone());
    let list = three.as_array_mut().expect("an array");
    list.extend([json!({"run": 8}), good]);
    let run = replay(&three, &["--json"]);
    run.assert_fails(3, "run 8: workers is missing");
    assert_eq!(run.stdout.lines().count(), 2);
}

/// The recorded runs, which lie beside the project and not in it.
fn recorded() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the project");
    let path = root.join("../shared/data/thesis_runs.json");
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} is not there, and CI must not pass without it",
        path.display()
    );
    eprintln!("not tested: {} is not there", path.display());
    None
}

#[test]
fn the_heuristic_gives_every_recorded_allocation() {
    let Some(path) = recorded() else { return };
    let path = path.display().to_string();
    let lines = lines(&sim(&[
        "replay",
        &path,
        "--json",
        "--allocator",
        "heuristic",
    ]));
    assert_eq!(lines.len(), 40);
    for line in lines {
        assert_eq!(
            line["batches"], line["recorded"]["batches"],
            "run {}",
            line["run"]
        );
        assert_eq!(line["predicted_s"], line["recorded"]["predicted_s"]);
        assert_eq!(line["error_percent"], line["recorded"]["error_percent"]);
    }
}

#[test]
fn predictions_hold_the_bar_on_the_recorded_runs() {
    let Some(path) = recorded() else { return };
    let lines = lines(&sim(&[
        "replay",
        &path.display().to_string(),
        "--json",
        "--loo",
    ]));
    let outliers: Vec<&Value> = lines.iter().filter(|l| l["outlier"] == true).collect();
    assert_eq!(
        outliers.iter().map(|line| &line["run"]).collect::<Vec<_>>(),
        [33]
    );
    let passing = lines.iter().filter(|line| line["outlier"] == false);
    for key in ["loo_error_percent", "error_percent"] {
        let mut errors: Vec<f64> = passing
            .clone()
            .map(|line| number(&line[key]).abs())
            .collect();
        errors.sort_unstable_by(f64::total_cmp);
        assert_eq!(errors.len(), 39);
        let mean = errors.iter().sum::<f64>() / 39.0;
        assert!(mean <= 5.0, "{key}: mean {mean}");
        let p90 = errors[35]; // the nearest rank: 36th of 39, above any interpolation
        assert!(p90 <= 10.0, "{key}: 90th percentile {p90}");
    }
}

#[test]
fn the_calibration_that_is_kept_is_the_fit_on_the_recorded_runs() {
    let Some(path) = recorded() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let fitted = folder.path().join("fit.json");
    let (path, out) = (path.display().to_string(), fitted.display().to_string());
    sim(&["replay", &path, "--fit", &out]).assert_done();
    let read = |text: String| -> Value { serde_json::from_str(&text).expect("JSON") };
    let kept = include_str!("../../scenarios/calibration/lab-100mbit.json");
    let (kept, fitted) = (
        read(kept.to_owned()),
        read(std::fs::read_to_string(&fitted).expect("it was written")),
    );
    for key in ["evaluation_ns", "down_ns", "up_ns"] {
        let off = number(&kept[key]) - number(&fitted[key]);
        assert!(off.abs() < 1e5, "{key} is {off} ns off"); // logarithms differ between machines
    }
    for key in ["fitted_on", "left_out", "parameter_bytes"] {
        assert_eq!(kept[key], fitted[key], "{key}");
    }
    let again = lines(&sim(&["replay", &path, "--json", "--calibration", &out]));
    assert_eq!(again.len(), 40);
}

/// The sums that a run keeps while it goes on, and `sim replay` of what it wrote, agree to the last
/// nanosecond: over several plans, with workers that are lost and come back.
#[test]
fn what_a_run_predicts_of_itself_is_what_replay_says() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("run");
    let args = ["run", "churn", "--replicates", "4", "--events", "--out"];
    sim(&[&args[..], &[out.to_str().expect("text")]].concat()).assert_done();
    let folder = RecordedFolder::open(&out).expect("it was written");
    let replayed = sim(&["replay", out.to_str().expect("text"), "--json"]);
    replayed.assert_done();
    let (mut of_runs, mut plans) = (BTreeMap::new(), 0);
    for line in replayed.stdout.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let run = line["run"].as_str().expect("a name");
        let run = run.split("-plan").next().expect("a name").to_owned();
        let sums: &mut [f64; 3] = of_runs.entry(run).or_default();
        for (sum, key) in sums.iter_mut().zip(["predicted_s", "measured_s", "cycles"]) {
            *sum += line[key].as_f64().expect("a number");
        }
        plans += 1;
    }
    assert!(plans > of_runs.len(), "some run has several plans");
    let mut left_out = 0;
    for (run, [predicted, measured, cycles]) in of_runs {
        let log = out.join("events").join(format!("{run}.jsonl"));
        let reader = EventReader::open(&log).expect("it was written");
        let mut scheduler = Scheduler::new(reader.config().clone());
        let mut summary = RunSummary::with_prediction(folder.job());
        let mut actions = Vec::new();
        for line in reader {
            let (now, event) = line.expect("a line");
            let _ = scheduler.step(now, event, &mut actions);
            for action in actions.drain(..) {
                if let Action::Record(record) = action {
                    summary.record(now, &record);
                }
            }
        }
        let forecast = summary.forecast().expect("some cycles are counted");
        let near = |ours: Span, theirs: f64| (ours.seconds_f64() - theirs).abs() < 1e-9;
        assert!(near(forecast.cycles_took.predicted, predicted), "{run}");
        assert!(near(forecast.cycles_took.measured, measured), "{run}");
        assert_eq!(forecast.cycles as f64, cycles, "{run}");
        left_out += forecast.left_out;
    }
    assert!(left_out > 0, "in some cycle a worker was missing");
}
