//! `sim compare` through the command line.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, sim};
use results::{Chunk, FamilyPlan, RunPlan, Shard, Took, Validation};
use scheduler::{Certificate, Fee, Outcome, Plan, PlanStatus, Planned, Problem, Worker};
use serde_json::{Value, json};

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

fn made(dir: &Path, name: &str, args: &[&str]) -> PathBuf {
    let out = dir.join(name);
    sim(&[args, &["--out", text(&out)]].concat()).assert_done();
    out
}

fn compare(folders: &[&Path], more: &[&str]) -> Run {
    let folders: Vec<&str> = folders.iter().map(|folder| text(folder)).collect();
    sim(&[&["compare"], &folders[..], more].concat())
}

fn lines(run: &Run) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    run.stdout.lines().map(parse).collect()
}

fn figures(run: &Run) -> Vec<Value> {
    let mut lines = lines(run);
    lines.retain(|line| !line["figure"].is_null());
    lines
}

/// Changes what a folder says of itself.
fn rewrite(folder: &Path, change: impl Fn(&mut Value)) {
    let path = folder.join("run.json");
    let text = fs::read_to_string(&path).expect("it is there");
    let mut record: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut record);
    record["checksum"].take();
    fs::write(path, record.to_string()).expect("room");
}

const CHURN: [&str; 6] = [
    "run",
    "churn",
    "--set",
    "job.beta=2",
    "--set",
    "waits.pause=1 s",
];

/// Two folders say what the arms of one command do, to the last digit.
#[test]
fn folders_of_one_seed_are_compared_as_arms_are() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let base = made(
        dir.path(),
        "base",
        &[&CHURN[..], &["--replicates", "30"]].concat(),
    );
    let changed = ["--replicates", "40", "--set", "job.replan=static"];
    let ours = made(dir.path(), "ours", &[&CHURN[..], &changed].concat());
    let against = [
        "--replicates",
        "30",
        "--against",
        "job.replan=static",
        "--json",
    ];
    let arms = sim(&[&CHURN[..], &against].concat());
    arms.assert_done();
    let run = compare(&[&base, &ours], &["--json"]);
    run.assert_done();
    let (expected, found) = (figures(&arms), figures(&run));
    assert_eq!(
        (expected.len(), found.len()),
        (8, 10),
        "set-up and plans besides"
    );
    for expected in expected {
        let found = found
            .iter()
            .find(|line| line["figure"] == expected["figure"]);
        let found = found.expect("the figure is there");
        assert_eq!(found["runs"], expected["pairs"]);
        assert_eq!(found["method"], "paired");
        for key in ["value", "base", "difference", "effect"] {
            assert_eq!(found[key], expected[key], "{key} of {found}");
            if key != "effect" {
                for end in ["low", "high"] {
                    let key = format!("{key}_{end}");
                    assert_eq!(found[&key], expected[&key], "{key} of {found}");
                }
            }
        }
    }
    // The other way round it is the same, with the other sign.
    let turned = figures(&compare(&[&ours, &base], &["--json"]));
    for (line, turned) in found.iter().zip(&turned) {
        assert_eq!(line["figure"], turned["figure"]);
        assert_eq!(line["runs"], turned["runs"], "{turned}");
        let number = |line: &Value, key: &str| line[key].as_f64().expect("a number");
        for (key, other) in [
            ("difference", "difference"),
            ("difference_low", "difference_high"),
        ] {
            let (a, b) = (number(line, key), number(turned, other));
            assert!((a + b).abs() <= 1e-9 * a.abs(), "{line} {turned}");
        }
    }
    let lines = lines(&run);
    let beside = lines.iter().find(|line| !line["same_question"].is_null());
    let beside = beside.expect("what differs");
    assert_eq!(beside["same_question"], false);
    assert_eq!(
        beside["differs"],
        json!([
            {"what": "job.replan", "against": "adaptive", "this": "static"},
            {"what": "replicates", "against": "30", "this": "40"},
        ])
    );
    // And so in words, within a terminal.
    let run = compare(&[&base, &ours], &[]);
    run.assert_done();
    for part in [
        "ours against base\nnot the same question: job.replan; replicates of one seed are pairs of \
         the same draws,",
        "the 30 that both folders have",
        "exact: figure",
        "fee per batch that counts",
    ] {
        assert!(run.says(part), "{part} in {}", run.stdout);
    }
    assert_narrow(&run);
}

fn assert_narrow(run: &Run) {
    for line in run.stdout.lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
}

#[test]
fn a_folder_differs_in_nothing_from_itself() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runs = made(
        dir.path(),
        "runs",
        &[&CHURN[..], &["--replicates", "5"]].concat(),
    );
    let args = [
        "validate",
        "--family",
        "all",
        "--n-tests",
        "30",
        "--simulate",
    ];
    let tests = made(dir.path(), "tests", &args);
    for folder in [&runs, &tests] {
        let run = compare(&[folder, folder, folder], &["--json"]);
        run.assert_done();
        let (all, figures) = (lines(&run), figures(&run));
        let folders = all.iter().filter(|line| !line["folder"].is_null());
        let name = folder.file_name().expect("it has one").to_string_lossy();
        let names: Vec<&Value> = folders.map(|line| &line["folder"]).collect();
        assert_eq!(
            names,
            [
                &json!(name),
                &json!(format!("{name} (2)")),
                &json!(format!("{name} (3)"))
            ]
        );
        let beside: Vec<_> = all
            .iter()
            .filter(|l| !l["same_question"].is_null())
            .collect();
        assert_eq!(beside.len(), 2);
        for line in beside {
            assert_eq!(
                (&line["same_question"], &line["differs"]),
                (&json!(true), &json!([]))
            );
        }
        assert!(figures.len() > 10);
        for line in figures {
            assert_eq!(line["difference"], 0.0, "{line}");
            assert_eq!(line["value"], line["base"], "{line}");
        }
        for line in all.iter().filter(|line| !line["tests_of"].is_null()) {
            for key in ["cheaper", "more_expensive", "gained", "lost"] {
                assert_eq!(line[key], 0, "{line}");
            }
        }
        for line in all.iter().filter(|line| !line["contradictions"].is_null()) {
            assert_eq!(line["contradictions"], 0, "{line}");
        }
    }
}

#[test]
fn other_seeds_are_unpaired_and_said_to_be() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let base = made(
        dir.path(),
        "base",
        &[&CHURN[..], &["--replicates", "12"]].concat(),
    );
    let other = [
        "--replicates",
        "15",
        "--seed",
        "7",
        "--allocators",
        "heuristic,exact",
    ];
    let ours = made(dir.path(), "ours", &[&CHURN[..], &other].concat());
    let run = compare(&[&base, &ours], &[]);
    run.assert_done();
    assert!(
        run.says("unpaired, since the seeds differ"),
        "{}",
        run.stdout
    );
    assert_narrow(&run);
    let run = compare(&[&base, &ours], &["--json"]);
    // By hand, from the tables' own summary: the means of both and Welch's half.
    let figures = figures(&run);
    assert!(
        figures.iter().all(|line| line["allocator"] == "exact"),
        "only that is in both"
    );
    let setup = figures
        .iter()
        .find(|line| line["figure"] == "setup_s")
        .expect("it is there");
    let summary = |folder: &Path, allocator: usize| -> Value {
        let text = fs::read_to_string(folder.join("summary.json")).expect("it is there");
        let summary: Value = serde_json::from_str(&text).expect("JSON");
        summary["allocators"][allocator].clone()
    };
    let (a, b) = (summary(&base, 0), summary(&ours, 1));
    let number = |value: &Value| value.as_f64().expect("a number");
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
    close(number(&setup["base"]), number(&a["setup_s"]));
    close(number(&setup["value"]), number(&b["setup_s"]));
    close(
        number(&setup["difference"]),
        number(&b["setup_s"]) - number(&a["setup_s"]),
    );
    assert_eq!(
        (&setup["against_runs"], &setup["runs"]),
        (&json!(12), &json!(15))
    );
    assert_eq!(setup["method"], "independent");
    // Student's halves hold the variances of both means.
    let t = |freedom: f64| {
        use statrs::distribution::{ContinuousCDF, StudentsT};
        let student = StudentsT::new(0.0, 1.0, freedom).expect("some");
        let (mut low, mut high) = (0.0, 20.0);
        for _ in 0..80 {
            let middle = f64::midpoint(low, high);
            *(if student.cdf(middle) < 0.975 {
                &mut low
            } else {
                &mut high
            }) = middle;
        }
        low
    };
    let variance = |of: &Value, count: f64| {
        let half = number(&of["setup_s_high"]) - number(&of["setup_s"]);
        (half / t(count - 1.0)).powi(2)
    };
    let (va, vb) = (variance(&a, 12.0), variance(&b, 15.0));
    let freedom = (va + vb).powi(2) / (va * va / 11.0 + vb * vb / 14.0);
    let half = t(freedom) * (va + vb).sqrt();
    let found = number(&setup["difference_high"]) - number(&setup["difference"]);
    assert!((found - half).abs() < 1e-6 * half, "{found} {half}");

    // Tests of two seeds.
    let args = |seed| {
        [
            "validate",
            "--n-tests",
            "40",
            "--allocators",
            "heuristic,exact",
            "--seed",
            seed,
        ]
    };
    let base = made(dir.path(), "tests-1", &args("1"));
    let ours = made(dir.path(), "tests-2", &args("2"));
    let run = compare(&[&base, &ours], &[]);
    run.assert_done();
    assert!(
        run.says("unpaired, since the seeds differ"),
        "{}",
        run.stdout
    );
    assert_narrow(&run);
}

/// A folder of a run as if it had been real.
fn real(dir: &Path, name: &str, seed: &str) -> PathBuf {
    let args = ["--replicates", "1", "--seed", seed];
    let folder = made(dir, name, &[&CHURN[..], &args].concat());
    rewrite(&folder, |record| {
        record["plan"]["mode"] = json!("real");
        record["accuracy"] = json!(0.5);
        record["loss"] = json!(if seed == "1" { 1.25 } else { 1.5 });
    });
    folder
}

#[test]
fn a_real_run_is_measured_by_simulated_ones() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let simulated = made(
        dir.path(),
        "simulated",
        &[&CHURN[..], &["--replicates", "20"]].concat(),
    );
    let (one, two) = (real(dir.path(), "one", "1"), real(dir.path(), "two", "2"));
    let run = compare(&[&simulated, &one], &["--json"]);
    run.assert_done();
    let found = figures(&run);
    let setup = |figures: &[Value]| {
        let found = figures.iter().find(|line| line["figure"] == "setup_s");
        found.expect("it is there").clone()
    };
    let line = setup(&found);
    assert_eq!(line["method"], "predicted");
    assert_eq!(
        (&line["against_runs"], &line["runs"]),
        (&json!(20), &json!(1))
    );
    let number = |line: &Value, key: &str| line[key].as_f64().expect("a number");
    // It is in fact one of the simulated ones.
    assert!(number(&line, "difference_low") <= 0.0 && number(&line, "difference_high") >= 0.0);
    assert!((2.5..=97.5).contains(&number(&line, "simulated_below_percent")));
    let turned = compare(&[&one, &simulated], &["--json"]);
    let turned = setup(&figures(&turned));
    assert!((number(&turned, "difference") + number(&line, "difference")).abs() < 1e-9);
    assert_eq!(
        turned["simulated_below_percent"],
        line["simulated_below_percent"]
    );

    // One against one: no certainty, and that is said.
    let run = compare(&[&one, &two], &["--json"]);
    run.assert_done();
    for line in figures(&run) {
        assert_eq!(line["method"], "single");
        assert!(
            line["difference_low"].is_null() && line["difference_high"].is_null(),
            "{line}"
        );
    }
    let loss = figures(&run);
    let loss = loss
        .iter()
        .find(|line| line["figure"] == "loss")
        .expect("both have one");
    assert_eq!(loss["difference"], 0.25);
    let run = compare(&[&one, &two, &simulated], &[]);
    run.assert_done();
    assert!(
        run.says("one real run of each: nothing says"),
        "{}",
        run.stdout
    );
    assert!(run.says("predict the real one of one"), "{}", run.stdout);
    assert_narrow(&run);
}

#[test]
fn what_was_interrupted_is_compared_as_far_as_it_goes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let whole = made(
        dir.path(),
        "whole",
        &[&CHURN[..], &["--replicates", "6"]].concat(),
    );
    let part = made(
        dir.path(),
        "part",
        &[&CHURN[..], &["--replicates", "6"]].concat(),
    );
    rewrite(&part, |record| {
        record["complete"] = json!(false);
        record["finished_replicates"] = json!(4);
    });
    let run = compare(&[&whole, &part], &[]);
    run.assert_done();
    assert!(run.says("interrupted, 4 are there"), "{}", run.stdout);
    assert!(run.says("the 4 that both folders have"), "{}", run.stdout);
    rewrite(&part, |record| record["finished_replicates"] = json!(0));
    compare(&[&whole, &part], &[]).assert_fails(3, "before its first replicate");

    let args = [
        "validate",
        "--family",
        "all",
        "--n-tests",
        "10",
        "--allocators",
        "exact",
    ];
    let (whole, part) = (made(dir.path(), "t1", &args), made(dir.path(), "t2", &args));
    rewrite(&part, |record| {
        record["complete"] = json!(false);
        record["finished_tests"] = json!(23);
    });
    let run = compare(&[&whole, &part], &["--json"]);
    run.assert_done();
    let lines = lines(&run);
    let tests: Vec<_> = lines
        .iter()
        .filter(|line| !line["tests_of"].is_null())
        .map(|line| {
            (
                line["family"].as_str().expect("a name"),
                line["tests"].as_u64(),
            )
        })
        .collect();
    let expected = [
        ("thesis", 10),
        ("tight-lots", 10),
        ("forced-lot", 3),
        ("all", 23),
    ];
    assert_eq!(tests, expected.map(|(family, tests)| (family, Some(tests))));
}

/// Another version, another machine: the same question, and it is said.
#[test]
fn how_it_was_run_is_no_part_of_the_question() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runs = ["run", "lab-8", "--replicates", "2"];
    let tests = ["validate", "--n-tests", "5", "--allocators", "exact"];
    for (name, args) in [("runs", &runs[..]), ("tests", &tests)] {
        let one = made(dir.path(), &format!("{name}-1"), args);
        let two = made(dir.path(), &format!("{name}-2"), args);
        let told = |what: &str, value: &str| {
            rewrite(&one, |record| record["version"] = json!("0.0.1"));
            rewrite(&two, |record| {
                record["version"] = json!("0.0.1");
                record["machine"]["cores"] = json!(2);
            });
            rewrite(&one, |record| record["machine"]["cores"] = json!(2));
            let pointer = format!("/{}", what.replace(' ', "/"));
            rewrite(&two, |record| {
                *record.pointer_mut(&pointer).expect("it is there") = json!(value);
            });
            let run = compare(&[&one, &two], &["--json"]);
            run.assert_done();
            let lines = lines(&run);
            let beside = lines.iter().find(|line| !line["same_question"].is_null());
            let beside = beside.expect("what differs");
            assert_eq!(beside["same_question"], true, "{beside}");
            assert_eq!(beside["method"], "paired");
            let differs = beside["differs"].as_array().expect("a list");
            assert_eq!(differs.len(), 1, "{beside}");
            assert_eq!(
                (&differs[0]["what"], &differs[0]["this"]),
                (&json!(what), &json!(value))
            );
        };
        told("version", "9.9.9");
        told("machine cores", "64");
    }
}

#[test]
fn what_cannot_be_compared_is_refused_in_one_line() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runs = made(dir.path(), "runs", &["run", "lab-8", "--replicates", "2"]);
    let args = ["validate", "--n-tests", "5", "--allocators", "exact"];
    let tests = made(dir.path(), "tests", &args);
    let ties = made(
        dir.path(),
        "ties",
        &[&args[..], &["--family", "ties"]].concat(),
    );
    compare(&[&runs, &tests], &[]).assert_fails(
        3,
        "tests is of a validation and runs of runs, expected folders of one kind",
    );
    compare(&[&tests, &ties], &[]).assert_fails(3, "have no family of tests in common");
    compare(&[&tests, &dir.path().join("none")], &[]).assert_fails(3, "has no run.json");
    compare(&[&tests, &tests.join("run.json")], &[]).assert_fails(3, "has no run.json");
    let alone = sim(&["compare", text(&runs)]);
    assert_eq!(alone.code, 2, "{}", alone.stderr);

    let broken = made(dir.path(), "broken", &["run", "lab-8", "--replicates", "2"]);
    fs::write(broken.join("scenario.toml"), "[job]\nnonsense = 1\n").expect("room");
    compare(&[&runs, &broken], &[])
        .assert_fails(3, "broken/scenario.toml does not read as results");
    fs::write(broken.join("runs.parquet"), "no table").expect("room");
    compare(&[&runs, &broken], &[]).assert_fails(3, "does not read as results");
    fs::write(broken.join("run.json"), "{\"plan\": 3}").expect("room");
    compare(&[&runs, &broken], &[])
        .assert_fails(3, "expected the folder of a validation or of runs");
    fs::write(broken.join("run.json"), "{").expect("room");
    compare(&[&runs, &broken], &[]).assert_fails(3, "run.json does not read as results");
    fs::remove_file(tests.join("timings.parquet")).expect("it is there");
    compare(&[&tests, &tests], &[]).assert_fails(3, "timings.parquet");
}

/// A validation of one test, with a plan that `exact` calls optimal.
fn claimed(dir: &Path, name: &str, batches: Vec<u64>) -> PathBuf {
    let plan = RunPlan {
        seed: 1,
        source: RunPlan::GENERATED.to_owned(),
        families: vec![FamilyPlan {
            name: "ties".to_owned(),
            n_tests: 1,
        }],
        allocators: vec!["exact".to_owned()],
        simulate: false,
        shard: Shard::WHOLE,
        replay: RunPlan::REPLAY_GENERATED.to_owned(),
    };
    let worker = |fee| Worker {
        s_max: 9,
        fee: Fee::from_micros(fee).expect("small"),
    };
    let workers = vec![worker(1_000_000), worker(3_000_000)];
    let problem = Problem::new(4, 0, 0, workers).expect("within bounds");
    let folder = dir.join(name);
    let mut validation = Validation::with_tables(plan, &folder, false).expect("room");
    let mut chunk = Chunk::new(0, 0, 1, validation.detail());
    let plan = Plan::costed(&problem, batches);
    let outcome = Outcome::Planned(Planned {
        lower_bound: Some(plan.cost),
        plan,
        status: PlanStatus::Optimal,
        certificate: Some(Certificate::Root),
    });
    let took = Took::new(std::time::Duration::from_micros(1), Default::default());
    chunk.push(&problem, [(&outcome, took)]);
    validation.push(&chunk).expect("room");
    validation.finish(|_| serde_json::Map::new()).expect("room");
    folder
}

#[test]
fn proofs_that_contradict_each_other_are_loud() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (right, wrong) = (
        claimed(dir.path(), "right", vec![4, 0]),
        claimed(dir.path(), "wrong", vec![0, 4]),
    );
    compare(&[&right, &right], &[]).assert_done();
    for (folders, json) in [([&right, &wrong], false), ([&wrong, &right], true)] {
        let run = compare(
            &folders.map(PathBuf::as_path),
            if json { &["--json"] } else { &[] },
        );
        let [base, ours] = folders.map(|f| f.file_name().expect("a name").to_string_lossy());
        run.assert_fails(
            4,
            &format!(
                "a check of ours failed: {base} and {ours} contradict each other on 1 tests of \
                 proven cost; please report it"
            ),
        );
        if !json {
            assert!(
                run.stdout.contains(
                    "ties test 0: exact of wrong says 12 is optimal, right has a plan that costs 4\n    \
                     sim generate --family ties --seed 1 --first 0 --n-tests 1 | sim solve \
                     --allocator exact\n"
                ),
                "{}",
                run.stdout
            );
        }
    }
}
