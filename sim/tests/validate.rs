//! `sim validate` and `sim merge` through the command line.

mod common;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{run, shell, sim};
use serde_json::Value;
use tempfile::TempDir;

/// The files that must not depend on threads and shards.
const REPRODUCIBLE: [&str; 6] = [
    "tests.parquet",
    "outcomes.parquet",
    "stats.parquet",
    "summary.csv",
    "summary.json",
    "discrepancies.csv",
];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("the file is there");
    serde_json::from_str(&text).expect("the file is JSON")
}

fn assert_same(a: &Path, b: &Path) {
    for name in REPRODUCIBLE {
        let read = |dir: &Path| fs::read(dir.join(name)).expect("the table is there");
        assert!(read(a) == read(b), "{name} differs between {a:?} and {b:?}");
    }
}

#[test]
fn all_allocators_agree_with_exact_on_every_family() {
    let dir = folder();
    let out = dir.path().join("all");
    let result = sim(&[
        "validate",
        "--family",
        "all",
        "--n-tests",
        "40",
        "--seed",
        "5",
        "--out",
        text(&out),
    ]);
    result.assert_done();
    let summary = json(&out.join("summary.json"));
    let rows = summary["rows"].as_array().expect("rows");
    let total = |allocator: &str| {
        let row = |row: &&Value| row["family"] == "all" && row["allocator"] == allocator;
        rows.iter().find(row).expect("a total row")
    };
    assert_eq!(total("exact")["tests"], 320);
    for count in [
        "suboptimal",
        "failed",
        "bounded",
        "feasibility_mismatches",
        "cost_mismatches",
    ] {
        assert_eq!(total("exact")[count], 0, "{count}");
    }
    for count in ["feasibility_mismatches", "cost_mismatches"] {
        assert_eq!(total("cbc")[count], 0, "{count}");
        assert_eq!(total("lp")[count], 0, "{count}");
    }
    assert!(total("heuristic")["suboptimal"].as_u64() > Some(0));
    let run = json(&out.join("run.json"));
    assert_eq!(run["complete"], true);
    for key in [
        "command_line",
        "version",
        "machine",
        "wall_s",
        "cpu_s",
        "peak_memory_bytes",
    ] {
        assert!(!run[key].is_null(), "{key} is missing from run.json");
    }
    assert!(run["cpu_in_solver_libraries_s"].as_f64() > Some(0.0));
}

#[test]
fn tables_do_not_depend_on_threads_or_shards() {
    let dir = folder();
    let validate = |name: &str, more: &[&str]| -> PathBuf {
        let out = dir.path().join(name);
        let mut args = vec![
            "validate",
            "--family",
            "all",
            "--n-tests",
            "60",
            "--seed",
            "3",
        ];
        args.extend(["--allocators", "heuristic,exact,lp", "--out", text(&out)]);
        args.extend(more);
        sim(&args).assert_done();
        out
    };
    let one = validate("one", &["--threads", "1"]);
    let two = validate("two", &["--threads", "2"]);
    assert_same(&one, &two);
    let shards: Vec<PathBuf> = (1..=3)
        .map(|i| validate(&format!("shard{i}"), &["--shard", &format!("{i}/3")]))
        .collect();
    let merged = dir.path().join("merged");
    // In any order.
    let order = [&shards[2], &shards[0], &shards[1]].map(|shard| text(shard));
    let mut args = vec!["merge"];
    args.extend(order);
    args.extend(["--out", text(&merged)]);
    let result = sim(&args);
    result.assert_done();
    assert_same(&one, &merged);

    let missing = dir.path().join("missing");
    let result = sim(&["merge", order[0], order[1], "--out", text(&missing)]);
    assert_eq!(result.code, 3, "{}", result.stderr);
    assert!(!missing.join("run.json").exists());
}

#[test]
fn a_discrepancy_is_replayed_by_its_own_line() {
    let dir = folder();
    let out = dir.path().join("out");
    let args = [
        "validate",
        "--family",
        "forced-lot",
        "--n-tests",
        "150",
        "--allocators",
        "heuristic,exact",
        "--out",
        text(&out),
    ];
    sim(&args).assert_done();
    let csv = fs::read_to_string(out.join("discrepancies.csv")).expect("the file is there");
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let at = |name: &str| header.iter().position(|h| *h == name).expect("a column");
    let row: Vec<&str> = lines
        .next()
        .expect("the heuristic is beaten somewhere")
        .split(',')
        .collect();
    let result = shell(row[at("replay")].trim_matches('"'));
    result.assert_done();
    let plan: Value = serde_json::from_str(&result.stdout).expect("a plan");
    assert_eq!(row[at("cost")], plan["cost"].to_string(), "{csv}");
}

#[test]
fn instances_can_come_from_a_file() {
    let dir = folder();
    let file = dir.path().join("mine.jsonl");
    let generated = sim(&["generate", "--family", "ties", "--n-tests", "30"]);
    let with_bad_line = generated.stdout.replacen('\n', "\n{\"n\":1.5}\n", 1);
    fs::write(&file, with_bad_line).expect("a writable folder");
    let result = sim(&[
        "validate",
        "--instances",
        text(&file),
        "--allocators",
        "heuristic,exact",
    ]);
    result.assert_fails(3, "line 2: ");
    assert!(result.stdout.contains("30 tests"), "{}", result.stdout);
    sim(&["validate", "--instances", "-"]).assert_fails(2, "--instances needs a file");
    sim(&["validate", "--instances", "none.jsonl"]).assert_fails(3, "cannot read none.jsonl");
}

#[test]
fn a_reader_that_leaves_does_not_hide_bad_input() {
    let dir = folder();
    let file = dir.path().join("mine.jsonl");
    let good = sim(&["generate", "--family", "ties"]).stdout;
    fs::write(&file, format!("{good}nonsense\n")).expect("a writable folder");
    // Nobody reads: the pipe is closed before the table comes.
    let script = format!(
        "{{ sleep 0.2; sim validate --instances {} --allocators exact; echo code $? >&2; }} | true",
        text(&file)
    );
    let result = shell(&script);
    assert!(result.stderr.contains("code 3"), "{}", result.stderr);
}

#[test]
fn plans_can_be_logged_before_the_table() {
    let args = [
        "validate",
        "--family",
        "mixed",
        "--n-tests",
        "30",
        "--allocators",
        "exact",
        "--log",
    ];
    let lines = |log: &str| {
        let result = sim(&[&args[..], &[log]].concat());
        result.assert_done();
        let plans = result.stdout.lines().filter(|line| line.starts_with('{'));
        let statuses = plans.map(|line| {
            let plan: Value = serde_json::from_str(line).expect("a plan");
            plan["status"].as_str().expect("a status").to_owned()
        });
        statuses.collect::<Vec<_>>()
    };
    assert_eq!(lines("summary").len(), 0);
    let all = lines("all");
    assert_eq!(all.len(), 30);
    let infeasible: Vec<_> = all.into_iter().filter(|s| s == "infeasible").collect();
    assert!(!infeasible.is_empty());
    assert_eq!(lines("infeasible"), infeasible);
}

#[test]
fn arguments_that_cannot_be_met_are_refused_before_the_start() {
    let dir = folder();
    let out = dir.path().join("out");
    sim(&["validate", "--shard", "3/2"]).assert_fails(2, "shard");
    sim(&["validate", "--shard", "0/2"]).assert_fails(2, "shard");
    sim(&["validate", "--threads", "0"]).assert_fails(2, "--threads");
    sim(&["validate", "--family", "nope"]).assert_fails(2, "nope");
    sim(&["validate", "--allocators", "exact,exact"]).assert_fails(2, "exact twice");
    sim(&["validate", "--allocators", "exact,simplex"]).assert_fails(2, "simplex");
    let small = [
        "validate",
        "--n-tests",
        "3",
        "--allocators",
        "exact",
        "--out",
    ];
    let to = |dir: &str| sim(&[&small[..], &[dir]].concat());
    let file = dir.path().join("file");
    fs::write(&file, "").expect("a writable folder");
    assert_eq!(to(text(&file.join("below"))).code, 2);
    to("/proc/no").assert_fails(2, "/proc/no");
    to(text(&out)).assert_done();
    to(text(&out)).assert_fails(2, "already holds results");
    sim(&[&small[..], &[text(&out), "--overwrite"]].concat()).assert_done();
}

#[test]
fn a_disk_that_fills_leaves_nothing_that_looks_whole() {
    let dir = folder();
    // A file system of its own, too small for the tables.
    let script = format!(
        "mount -t tmpfs -o size=256k none {dir} && \
         sim validate --n-tests 4000 --allocators heuristic,exact --out {dir}/out; \
         echo code $?; ls {dir}/out",
        dir = text(dir.path())
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "true"])
        .output();
    if !output.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: this system allows no mount namespaces");
        return;
    }
    let result = shell(&format!(
        "unshare --user --map-root-user --mount sh -c '{script}'"
    ));
    assert!(
        result.stdout.contains("code 5"),
        "{}{}",
        result.stdout,
        result.stderr
    );
    let error = result
        .stderr
        .lines()
        .find(|line| line.starts_with("error: "))
        .expect("an error");
    assert!(error.contains("o space left"), "{error}");
    assert!(!result.stdout.contains("run.json"), "{}", result.stdout);
    assert!(
        !result.stdout.lines().any(|line| line.ends_with(".parquet")),
        "{}",
        result.stdout
    );
}

#[test]
fn ctrl_c_keeps_what_is_finished() {
    let dir = folder();
    let out = dir.path().join("out");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args([
            "validate",
            "--n-tests",
            "3000000",
            "--allocators",
            "heuristic,exact",
            "--out",
            text(&out),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // It has begun once it has introduced itself.
    let mut byte = [0];
    let stderr = child.stderr.as_mut().expect("it was asked for");
    stderr.read_exact(&mut byte).expect("it says something");
    std::thread::sleep(Duration::from_millis(700));
    let asked = Instant::now();
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()));
    let result = run(child.wait_with_output().expect("it ends"));
    assert!(
        asked.elapsed() < Duration::from_secs(20),
        "it took {:?} to stop",
        asked.elapsed()
    );
    assert_eq!(result.code, 130, "{}", result.stderr);
    assert!(
        result.stderr.contains("are finished and kept"),
        "{}",
        result.stderr
    );
    let record = json(&out.join("run.json"));
    assert_eq!(record["complete"], false);
    let finished = record["finished_tests"].as_u64().expect("a count");
    assert!(finished > 0);
    let summary = json(&out.join("summary.json"));
    assert_eq!(summary["tests"], finished);
    // An unfinished part cannot be merged.
    let merged = dir.path().join("merged");
    assert_eq!(sim(&["merge", text(&out), "--out", text(&merged)]).code, 3);
}

/// A script that does work and then becomes the program leaves its children's time behind.
#[test]
fn cpu_time_is_that_of_the_run_alone() {
    let dir = folder();
    let out = dir.path().join("out");
    let script = format!(
        "sim validate --n-tests 300000 --allocators exact --threads 1 >&2; \
         exec sim validate --n-tests 1 --allocators exact --out {}",
        text(&out)
    );
    shell(&script).assert_done();
    let run = json(&out.join("run.json"));
    let (cpu, wall) = (run["cpu_s"].as_f64(), run["wall_s"].as_f64());
    assert!(
        cpu.zip(wall)
            .is_some_and(|(cpu, wall)| cpu <= 0.1 + 3.0 * wall),
        "{run}"
    );
}

/// Families with curves, all allocators in one table: the papers' own are optimal on their shapes.
#[test]
fn families_with_curves_are_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let run = sim(&[
        "validate",
        "--family",
        "curves",
        "--n-tests",
        "40",
        "--allocators",
        "exact,equal,proportional,marin,marco,mardec,olar",
        "--out",
        out.to_str().expect("UTF-8"),
    ]);
    run.assert_done();
    let summary = fs::read_to_string(out.join("summary.csv")).expect("a table");
    let mut lines = summary.lines();
    let heading: Vec<&str> = lines.next().expect("a heading").split(',').collect();
    let column = |name: &str| heading.iter().position(|it| *it == name).expect("a column");
    let (family, allocator, optimal) = (column("family"), column("allocator"), column("optimal"));
    let optimal = |wanted: (&str, &str)| {
        let rows = summary
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>());
        let mut rows = rows.filter(|row| (row[family], row[allocator]) == wanted);
        rows.next().expect("a row")[optimal].to_owned()
    };
    for family in ["convex", "concave", "arbitrary"] {
        assert_eq!(optimal((family, "exact")), "40");
    }
    assert_eq!(optimal(("convex", "marin")), "40");
    assert_eq!(optimal(("concave", "mardec")), "40");
    assert_ne!(optimal(("arbitrary", "marin")), "40");
}
