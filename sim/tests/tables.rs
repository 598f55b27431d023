//! The folder of `sim run --out`: written, replayed, interrupted, and refused.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{run, sim};
use results::event_log::EventReader;
use results::runs::RecordedFolder;
use scheduler::machine::{Action, Fate, Record, Scheduler};
use scheduler::{Cost, Span};
use serde_json::Value;

/// Every file of a folder but `run.json`, those of folders in it too.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().expect("it has one").to_string_lossy();
        if path.is_dir() {
            let inside = files(&path).into_iter();
            found.extend(inside.map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else if name != "run.json" {
            found.insert(name.into_owned(), fs::read(&path).expect("it can be read"));
        }
    }
    found
}

fn json(path: &Path) -> Value {
    let text = fs::read(path).expect("the file is there");
    serde_json::from_slice(&text).expect("it is JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// What `--against` prints is kept, beside the tables of the scenario as it is.
#[test]
fn a_comparison_is_kept() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("runs");
    let args = [
        "run",
        "churn",
        "--replicates",
        "6",
        "--against",
        "job.replan=static",
    ];
    sim(&[&args[..], &["--out", text(&out)]].concat()).assert_done();
    assert_eq!(
        RecordedFolder::open(&out)
            .expect("runs")
            .runs()
            .expect("tables")
            .count(),
        6
    );
    let printed = sim(&[&args[..], &["--json"]].concat());
    let printed = printed
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let printed: Vec<Value> = printed
        .filter(|line: &Value| line["figure"].is_string())
        .collect();
    let table = fs::read_to_string(out.join("paired.csv")).expect("the table");
    let mut rows = table
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>());
    let heading = rows.next().expect("a heading");
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), printed.len());
    for (row, line) in rows.iter().zip(&printed) {
        for (name, cell) in heading.iter().zip(row) {
            match &line[*name] {
                Value::String(text) => assert_eq!(cell, text),
                Value::Null => assert_eq!(*cell, "", "{name}"),
                number => assert_eq!(cell.parse().ok(), number.as_f64(), "{name} of {line}"),
            }
        }
    }
}

#[test]
fn tables_are_the_same_bytes_on_any_number_of_threads() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let with = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let args = [
            "run",
            "churn",
            "--replicates",
            "9",
            "--allocators",
            "exact,heuristic",
            "--events",
            "--out",
            text(&out),
        ];
        let run = sim(&[&args[..], more].concat());
        run.assert_done();
        assert!(run.stdout.contains(&format!("tables: {}", out.display())));
        files(&out)
    };
    let one = with("one", &["--threads", "1"]);
    let differences = results::dictionary::differences(&dir.path().join("one"));
    assert_eq!(differences.expect("tables"), [""; 0]);
    for name in [
        "runs.parquet",
        "lots.parquet",
        "events/8-heuristic.jsonl",
        "scenario.toml",
        "paired.csv",
    ] {
        assert!(one.contains_key(name), "{:?}", one.keys());
    }
    assert_eq!(one.len(), 12 + 18);
    assert!(one == with("two", &["--threads", "2"]), "2 threads differ");
    assert!(one == with("four", &["--threads", "4"]), "4 threads differ");
    assert!(
        one != with("seed", &["--seed", "2"]),
        "the seed is not heeded"
    );
    // The scenario that is kept is the one that was run.
    let kept = dir.path().join("one/scenario.toml");
    let again = dir.path().join("again");
    sim(&[
        "run",
        text(&kept),
        "--replicates",
        "9",
        "--allocators",
        "exact,heuristic",
        "--events",
        "--out",
        text(&again),
    ])
    .assert_done();
    let again = files(&again);
    for (name, bytes) in &one {
        if !name.starts_with("summary") {
            assert!(again[name] == *bytes, "{name} differs"); // a summary names the scenario
        }
    }
}

/// The log of the events that a scheduler received replays the run, and what that says adds up to what the
/// tables say.
#[test]
fn a_log_of_events_replays_what_the_tables_say() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("out");
    let lines = sim(&[
        "run",
        "churn",
        "--replicates",
        "3",
        "--allocators",
        "exact,heuristic",
        "--json",
        "--events",
        "--out",
        text(&out),
    ]);
    lines.assert_done();
    let folder = RecordedFolder::open(&out).expect("a folder of runs");
    let runs: Result<Vec<_>, _> = folder.runs().expect("tables").collect();
    let runs = runs.expect("whole tables");
    assert_eq!(runs.len(), 6);
    let mut lots_seen = 0;
    for recorded in &runs {
        let file = format!("events/{}-{}.jsonl", recorded.replicate, recorded.allocator);
        let mut reader = EventReader::open(&out.join(file)).expect("a log");
        assert_eq!(reader.config(), &folder.job().config);
        let mut scheduler = Scheduler::new(reader.config().clone());
        let (mut actions, mut rows) = (Vec::new(), Vec::new());
        let mut finish = None;
        for event in reader.by_ref() {
            let (now, event) = event.expect("a good line");
            let _ = scheduler.step(now, event, &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::Record(record) => rows.push(record),
                    Action::Finish { ending, totals } => finish = Some((ending, totals)),
                    _ => {}
                }
            }
        }
        assert!(!reader.torn());
        let (ending, totals) = finish.expect("the run ended");
        let line = lines
            .stdout
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .find(|line| {
                line["replicate"] == recorded.replicate
                    && line["allocator"] == recorded.allocator.as_str()
            })
            .expect("every run has a line");
        assert_eq!(line["ending"], ending.reason());
        assert_eq!(line["cycles_complete"], totals.complete);
        assert_eq!(line["fee"], totals.cost.units_f64());

        // What was planned and measured, told by the rows of the replay.
        for period in &recorded.periods {
            let of_plan = |plan: scheduler::machine::PlanId| u64::from(plan.get()) == period.plan;
            let shares: Vec<_> = rows
                .iter()
                .filter_map(|row| match row {
                    Record::Share(row) if of_plan(row.plan) => Some(row),
                    _ => None,
                })
                .collect();
            assert_eq!(shares.len(), period.candidates.len());
            let given = shares.iter().map(|share| share.batches).sum::<u64>();
            assert_eq!(given, folder.job().config.batches);
            let (mut cycles, mut training) = (0, Span::ZERO);
            let mut computes = vec![Vec::new(); shares.len()];
            let mut lots = Vec::new();
            for row in &rows {
                match row {
                    Record::Assignment(lot) => lots.push(*lot),
                    Record::Cycle(cycle) => {
                        let lots = std::mem::take(&mut lots);
                        let gone = |fate| matches!(fate, Fate::Absent | Fate::Lost);
                        if !of_plan(cycle.plan) || lots.iter().any(|lot| gone(lot.fate)) {
                            continue;
                        }
                        lots_seen += lots.len();
                        cycles += 1;
                        training = training + cycle.ended.since(cycle.started);
                        for lot in lots.iter().filter(|lot| lot.claimed >= lot.assigned) {
                            let at = shares.iter().position(|share| share.worker == lot.worker);
                            computes[at.expect("it has a share")].push(lot.computed);
                        }
                    }
                    _ => {}
                }
            }
            assert_eq!((period.cycles, period.training), (cycles, training));
            for ((share, candidate), computes) in
                shares.iter().zip(&period.candidates).zip(computes)
            {
                assert_eq!(u64::from(share.worker.get()), candidate.worker);
                assert_eq!((share.fee, share.speed), (candidate.fee, candidate.speed));
                assert_eq!(
                    (share.s_max, share.batches),
                    (candidate.s_max, candidate.batches)
                );
                assert_eq!(candidate.computes, computes);
            }
        }
        let cost: Cost = rows
            .iter()
            .map(|row| match row {
                Record::Assignment(lot) => lot.cost,
                _ => Cost::ZERO,
            })
            .sum();
        assert_eq!(cost, totals.cost);
    }
    assert!(lots_seen > 100, "{lots_seen} lots are no test");
}

const QUIET: &str = "[job]\nbatches = 398\ncycles = 12\nmax_time = '20 s'\ns_min = 20\n\
     risk = 0.5\nreplan = 'static'\n[link]\nbandwidth = '100 Mbit/s'\n[model]\naggregation = '100 ms'\n\
     [fees]\ntype = 'linear'\n\
     [[workers]]\nname = 'quick'\nspeed = '200 batches/s'\n\
     [[workers]]\nname = 'middling'\nspeed = '100 batches/s'\n\
     [[workers]]\nname = 'slow'\nspeed = '40 batches/s'\n";

/// Without errors of benchmarks and without jitter, nothing is left to be wrong about.
#[test]
fn a_prediction_of_a_quiet_run_is_what_it_measured() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (scenario, out) = (dir.path().join("quiet.toml"), dir.path().join("out"));
    fs::write(&scenario, QUIET).expect("room");
    let args = [
        "run",
        text(&scenario),
        "--replicates",
        "2",
        "--out",
        text(&out),
    ];
    let ran = sim(&[&args[..], &["--json"]].concat());
    ran.assert_done();
    let ran: Value =
        serde_json::from_str(ran.stdout.lines().next().expect("a line")).expect("JSON");
    let replay = sim(&["replay", text(&out), "--json"]);
    replay.assert_done();
    assert_eq!(replay.stderr, "");
    let lines: Vec<Value> = replay
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let error = line["error_percent"].as_f64().expect("a number");
        assert!(error.abs() < 0.01, "{line}");
        assert_eq!(line["cycles"], 12);
        assert_eq!(line["measured_s"], ran["wall_s"]);
        let fee = line["fee_per_cycle"].as_f64().expect("a number");
        assert_eq!(Some(12.0 * fee), ran["fee"].as_f64());
        let workers = line["workers"].as_array().expect("a list");
        assert_eq!(workers.len(), 3);
        for worker in workers {
            let error = worker["error_percent"].as_f64().expect("a number");
            assert!(error.abs() < 1e-6, "{worker}");
        }
    }
    // The same problem under the allocator that it was run with is the same plan.
    let same = sim(&["replay", text(&out), "--allocator", "exact", "--json"]);
    same.assert_done();
    for (line, same) in lines.iter().zip(same.stdout.lines()) {
        let same: Value = serde_json::from_str(same).expect("JSON");
        assert_eq!(line["fee_per_cycle"], same["fee_per_cycle"]);
        assert_eq!(line["predicted_s"], same["predicted_s"]);
    }
    let table = sim(&["replay", text(&out), "--workers"]);
    table.assert_done();
    for expected in [
        "0-exact",
        "middling",
        "the job's own link and model",
        "predicted, all runs",
    ] {
        assert!(table.stdout.contains(expected), "{}", table.stdout);
    }
    // By another network's cycle model it is far off.
    let kept = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scenarios/calibration/lab-100mbit.json"
    );
    let other = sim(&["replay", text(&out), "--json", "--calibration", kept]);
    other.assert_done();
    let other: Value =
        serde_json::from_str(other.stdout.lines().next().expect("a line")).expect("JSON");
    assert!(
        other["error_percent"].as_f64().expect("a number").abs() > 1.0,
        "{other}"
    );
}

#[test]
fn cycles_in_which_a_worker_was_missing_are_left_out() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (scenario, out) = (dir.path().join("gone.toml"), dir.path().join("out"));
    let trouble = "[faults]\ntrace = [{ at = '20 s', worker = 'middling', what = 'dropout' }]\n";
    fs::write(&scenario, format!("{QUIET}{trouble}")).expect("room");
    sim(&["run", text(&scenario), "--out", text(&out)]).assert_done();
    let replay = sim(&["replay", text(&out), "--json"]);
    replay.assert_done();
    assert!(
        replay
            .stderr
            .contains("of 12 cycles are left out, as they failed or a worker was missing")
    );
    let line: Value = serde_json::from_str(&replay.stdout).expect("one line of JSON");
    let cycles = line["cycles"].as_u64().expect("a count");
    assert!((1..12).contains(&cycles), "{line}");
    assert!(
        line["error_percent"].as_f64().expect("a number").abs() < 0.01,
        "{line}"
    );
}

#[test]
fn what_is_no_folder_of_runs_is_explained() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| dir.path().join(name);
    let (good, empty) = (path("good"), path("empty"));
    sim(&["run", "churn", "--replicates", "2", "--out", text(&good)]).assert_done();
    sim(&["replay", text(&good)]).assert_done();
    fs::create_dir(&empty).expect("room");
    let refused = |dir: &Path, expected: &str| {
        let run = sim(&["replay", text(dir)]);
        run.assert_fails(3, expected);
        assert!(run.stdout.is_empty(), "{}", run.stdout);
    };
    refused(
        &empty,
        "has no run.json: its run did not end, or it is no folder of results",
    );
    refused(&path("nowhere"), "cannot read");

    let spoilt = |name: &str, spoil: &dyn Fn(&Path), expected: &str| {
        let copy = path(name);
        fs::create_dir(&copy).expect("room");
        for entry in fs::read_dir(&good).expect("it is there") {
            let from = entry.expect("it can be listed").path();
            fs::copy(&from, copy.join(from.file_name().expect("a name"))).expect("room");
        }
        spoil(&copy);
        refused(&copy, expected);
    };
    let replace = |file: &'static str, from: &'static str, to: &'static str| {
        move |dir: &Path| {
            let text = fs::read_to_string(dir.join(file)).expect("it is text");
            assert!(text.contains(from), "{from} is not in {text}");
            // As somebody would who means it.
            let text = text
                .replacen(from, to, 1)
                .replace("\"checksum\":", "\"before\":");
            fs::write(dir.join(file), text).expect("room");
        }
    };
    let remove = |file: &'static str| {
        move |dir: &Path| fs::remove_file(dir.join(file)).expect("it is there")
    };
    let halve = |file: &'static str| {
        move |dir: &Path| {
            let bytes = fs::read(dir.join(file)).expect("it is there");
            fs::write(dir.join(file), &bytes[..bytes.len() / 2]).expect("room");
        }
    };
    spoilt("half", &remove("run.json"), "has no run.json");
    spoilt(
        "later",
        &replace("run.json", "\"format_version\": 3", "\"format_version\": 4"),
        "its format_version is 4, expected 3: read it with the sim that wrote it",
    );
    spoilt(
        "other",
        &replace("run.json", "allot-runs", "x"),
        "expected the folder of a run",
    );
    spoilt(
        "no-json",
        &replace("run.json", "{", "["),
        "run.json does not read as results",
    );
    spoilt("no-job", &remove("job.json"), "job.json");
    spoilt(
        "bad-job",
        &replace("job.json", "\"batches\"", "\"b\""),
        "job.json does not read",
    );
    spoilt("no-lots", &remove("lots.parquet"), "lots.parquet");
    spoilt(
        "cut",
        &halve("lots.parquet"),
        "lots.parquet does not read as results",
    );
    spoilt(
        "cut-shares",
        &halve("shares.parquet"),
        "shares.parquet does not read as results",
    );
    let swap = |dir: &Path| {
        fs::copy(dir.join("cycles.parquet"), dir.join("lots.parquet"))
            .map(drop)
            .expect("room");
    };
    spoilt("swapped", &swap, "lots.parquet does not read as results");
    spoilt(
        "more",
        &|dir| {
            replace(
                "run.json",
                "\"finished_replicates\": 2",
                "\"finished_replicates\": 3",
            )(dir);
            replace("run.json", "\"replicates\": 2", "\"replicates\": 3")(dir);
        },
        "expected a row for replicate 2",
    );
    // The folder of a validation is another thing.
    let validation = path("validation");
    sim(&[
        "validate",
        "--n-tests",
        "3",
        "--allocators",
        "exact",
        "--out",
        text(&validation),
    ])
    .assert_done();
    refused(&validation, "expected the folder of a run");
}

#[test]
fn nothing_is_written_over_and_nothing_half_written() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("out");
    let args = ["run", "dab", "--replicates", "2", "--out", text(&out)];
    let with = |more: &[&str]| sim(&[&args[..], more].concat());
    with(&["--events"]).assert_done();
    let before = files(&out);
    with(&["--seed", "9"]).assert_fails(2, "already holds results (run.json)");
    assert!(before == files(&out));
    // What was there before is gone, the logs of more events too.
    with(&["--seed", "9", "--overwrite"]).assert_done();
    let after = files(&out);
    assert!(
        !after.keys().any(|name| name.starts_with("events/")),
        "{:?}",
        after.keys()
    );
    // Events of a run that did not end are results as well.
    fs::remove_dir_all(&out).expect("it is there");
    fs::create_dir_all(out.join("events")).expect("room");
    fs::write(out.join("events/0-exact.jsonl"), "").expect("room");
    with(&[]).assert_fails(2, "already holds results (events)");

    sim(&["run", "dab", "--overwrite"]).assert_fails(2, "--out");
    sim(&["run", "dab", "--events"]).assert_fails(2, "--out");
    let fresh = dir.path().join("fresh");
    let twice = [
        "run",
        "dab",
        "--allocators",
        "exact,exact",
        "--out",
        text(&fresh),
    ];
    sim(&twice).assert_fails(2, "--allocators names exact twice");
    assert!(!fresh.exists());
    let file = dir.path().join("file");
    fs::write(&file, "").expect("room");
    sim(&["run", "dab", "--out", text(&file)]).assert_fails(2, "cannot create");
    let below = file.join("below");
    sim(&["run", "dab", "--out", text(&below)]).assert_fails(2, "cannot create");
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_the_work() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let locked = dir.path().join("locked");
    fs::create_dir(&locked).expect("room");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).expect("it is ours");
    if fs::write(locked.join("probe"), "").is_ok() {
        return; // who may do everything is refused nothing
    }
    let run = sim(&["run", "dab", "--out", text(&locked)]);
    run.assert_fails(2, "choose a folder that you may write to");
}

/// A disk that is full leaves nothing that looks whole.
#[test]
fn a_full_disk_is_said_and_leaves_no_table() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("out");
    // No file may be longer than 64 blocks of 512 bytes.
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; sim run lab-8 --replicates 200 --allocators heuristic --out {}",
        out.display()
    );
    let run = common::shell(&script);
    run.assert_fails(5, "cannot write");
    let left = files(&out);
    assert!(left.is_empty(), "{:?}", left.keys());
    assert!(!out.join("run.json").exists());
}

#[test]
fn ctrl_c_keeps_the_finished_replicates() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("out");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["run", "lab-8", "--replicates", "1000000", "--threads", "2"])
        .args(["--allocators", "heuristic", "--out", text(&out)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = [0];
    let stderr = child.stderr.as_mut().expect("it was asked for");
    stderr.read_exact(&mut first).expect("it says something");
    std::thread::sleep(Duration::from_millis(700));
    let asked = Instant::now();
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()));
    let result = run(child.wait_with_output().expect("it ends"));
    assert!(
        asked.elapsed() < Duration::from_secs(20),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(result.code, 130, "{}", result.stderr);
    let record = json(&out.join("run.json"));
    assert_eq!(record["complete"], false);
    let finished = record["finished_replicates"].as_u64().expect("a count");
    assert!(finished > 0);
    let said = format!("interrupted: {finished} of 1000000 replicates are finished and kept");
    assert!(result.stderr.contains(&said), "{}", result.stderr);
    assert!(
        result.stdout.contains(&format!("{finished} replicates")),
        "{}",
        result.stdout
    );
    let replay = sim(&["replay", text(&out), "--json"]);
    replay.assert_done();
    assert!(
        replay.stderr.contains(" was interrupted: "),
        "{}",
        replay.stderr
    );
    // They are the first ones, as if no more had been asked for.
    let whole = dir.path().join("whole");
    sim(&[
        "run",
        "lab-8",
        "--replicates",
        &finished.to_string(),
        "--allocators",
        "heuristic",
        "--out",
        text(&whole),
    ])
    .assert_done();
    let (kept, whole) = (files(&out), files(&whole));
    for (name, bytes) in &whole {
        if !name.starts_with("summary") {
            assert!(kept[name] == *bytes, "{name} differs"); // a summary has the number asked for
        }
    }
    assert_eq!(kept.len(), whole.len());
}

/// A folder's name need not be text.
#[test]
fn a_folder_whose_name_is_no_text_is_written() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join(std::ffi::OsStr::from_bytes(b"a\xff"));
    let mut program = common::program();
    program.args(["run", "lab-8", "--replicates", "1", "--out"]);
    let run = run(program.arg(&out).output().expect("the program starts"));
    run.assert_done();
    let record = json(&out.join("run.json"));
    let command_line = record["command_line"].as_array().expect("a list");
    assert!(
        command_line.iter().any(|part| {
            let part = part.as_str().expect("text");
            part.ends_with("a\u{fffd}")
        }),
        "{record}"
    );
}
