//! Whole runs without faults.

use std::fs;

use crate::common::{Daemon, Run, is_alive, program, signal, small};

#[test]
fn four_workers_learn_within_the_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let mut run = Run::start(
        &small(200, &out),
        &[
            "--local",
            "4",
            "--beta",
            "4",
            "--cycles",
            "6",
            "--max-time",
            "20 s",
            "--fee-type",
            "linear",
        ],
    );
    run.until("cycle", |_| true);
    let pids: Vec<u64> = run.pids.iter().map(|(_, pid)| *pid).collect();
    let end = run.end();
    let summary = end.completed();
    end.holds_its_limits(200);
    assert!(
        summary["accuracy"].as_f64() > Some(0.6),
        "ten classes: chance is 0.1; {summary}"
    );
    assert_eq!(summary["cycles_complete"], 6, "{summary}");
    assert!(
        summary["wall_s"].as_f64() <= summary["limit_s"].as_f64(),
        "{summary}"
    );
    assert_eq!(summary["reproducible"], false);
    // Linear fees: the first worker is the cheapest, and gets all that beta leaves.
    let lots: Vec<_> = end.all("lot").filter(|lot| lot["cycle"] == 1).collect();
    assert_eq!(lots.len(), 4);
    assert!(
        lots[0]["assigned"].as_u64() > lots[3]["assigned"].as_u64(),
        "{lots:?}"
    );
    assert_eq!(pids.len(), 4);
    assert!(!pids.into_iter().any(is_alive), "nobody is left behind");
    for file in [
        "events/0-exact.jsonl",
        "command.json",
        "lots.parquet",
        "model.safetensors",
        "plan.json",
        "run.json",
        "scenario.toml",
        "checkpoint.safetensors",
        "stats.csv",
        "workers.csv",
        "timing.csv",
        "model.csv",
    ] {
        assert!(out.join(file).metadata().expect(file).len() > 0, "{file}");
    }
    let left = fs::read_dir(&out).expect("a folder");
    let names = left.map(|entry| entry.expect("an entry").file_name());
    assert!(
        names
            .into_iter()
            .all(|name| !name.to_string_lossy().ends_with(".partial"))
    );
    // The folder holds a run now.
    let again = Run::start(&small(200, &out), &["--local", "2"]).end();
    assert_eq!(again.code, Some(3));
    assert!(
        again.stderr.contains("holds a run already"),
        "{}",
        again.stderr
    );
}

/// The log of what the scheduler was told gives the run again, row by row.
#[test]
fn the_log_of_a_run_replays_it() {
    use results::event_log::EventReader;
    use scheduler::machine::{Action, Record, Scheduler};

    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let args = [
        "--local",
        "3",
        "--beta",
        "3",
        "--cycles",
        "4",
        "--cycle-time",
        "2 s",
    ];
    let end = Run::start(&small(100, &out), &args).end();
    end.completed();
    let log = EventReader::open(&out.join("events/0-exact.jsonl")).expect("a log");
    let mut scheduler = Scheduler::new(log.config().clone());
    let (mut actions, mut timing) = (Vec::new(), Vec::new());
    let mut totals = None;
    for line in log {
        let (now, event) = line.expect("it is whole");
        let _ = scheduler.step(now, event, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Record(Record::Lot(lot)) => timing.push(format!(
                    "{},local-{},{},{},{},{:.6},{:.6},{:.6},{}",
                    lot.cycle,
                    lot.worker.get() + 1,
                    lot.fate.name(),
                    lot.assigned,
                    lot.accepted,
                    lot.elapsed.seconds_f64(),
                    lot.computed.seconds_f64(),
                    lot.expected.seconds_f64(),
                    lot.cost
                )),
                Action::Finish { totals: sums, .. } => totals = Some(sums),
                _ => {}
            }
        }
    }
    let written = fs::read_to_string(out.join("timing.csv")).expect("a table");
    let written: Vec<&str> = written.lines().skip(1).collect();
    assert_eq!(written, timing);
    let totals = totals.expect("it ends");
    assert_eq!(end.summary()["batches_accepted"], totals.accepted);
}

#[test]
fn ctrl_c_keeps_what_was_finished_and_frees_the_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let args = ["--local", "2", "--cycles", "1000", "--cycle-time", "2 s"];
    let mut run = Run::start(&small(40, &out), &args);
    run.until("cycle", |cycle| cycle["cycle"] == 2);
    let pids: Vec<u64> = run.pids.iter().map(|(_, pid)| *pid).collect();
    signal("INT", run.own_pid());
    let end = run.end();
    assert_eq!(end.code, Some(130), "{}", end.stderr);
    assert_eq!(end.summary()["ending"], "stopped");
    assert!(out.join("model.safetensors").exists());
    assert!(!pids.into_iter().any(is_alive), "nobody is left behind");
}

#[test]
fn daemons_join_by_token_even_in_the_middle_of_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let state = folder.path().join("state").display().to_string();
    let mut run = Run::start(
        &small(60, &out),
        &[
            "--listen",
            "127.0.0.1:0",
            "--state",
            &state,
            "--expect",
            "1",
            "--cycles",
            "60",
            "--cycle-time",
            "4 s",
            "--fee-type",
            "specific",
            "--fees",
            "5,1",
        ],
    );
    let listening = run.until("listening", |_| true);
    let token = listening["token"].as_str().expect("a token").to_owned();
    let slow = ["--throttle", "0.05"];
    let mut first = Daemon::start(&token, "first", folder.path(), &slow);
    run.until("cycle", |_| true);
    let mut second = Daemon::start(&token, "second", folder.path(), &slow);
    run.until_worker("joined", "second");
    let end = run.end();
    end.completed();
    end.holds_its_limits(60);
    // It is cheaper, so that it gets what it can take.
    let works = |lot: &&serde_json::Value| lot["worker"] == "second" && lot["accepted"] != 0;
    assert!(end.all("lot").any(|lot| works(&lot)), "{:#?}", end.seen);
    // They are daemons: they wait for the next job.
    assert!(first.is_running() && second.is_running());
}

#[test]
fn bad_input_gets_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let check = |more: &[&str], code: i32, expected: &str| {
        let output = program()
            .args(small(10, &out))
            .args(more)
            .output()
            .expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{more:?}: {stderr}");
        assert!(stderr.contains(expected), "{more:?}: {stderr}");
    };
    check(&["--local", "0"], 2, "0 is not in 1..=64");
    check(&["no-such.toml"], 3, "cannot read no-such.toml");
    check(
        &["--local", "1", "--beta", "x"],
        3,
        "--beta x: job.beta is \"x\"",
    );
    check(
        &["--local", "1", "--set", "job.batches=11"],
        3,
        "job.batches is 11, and synthetic",
    );
    check(
        &["--local", "1", "--batch-size", "1000"],
        3,
        "expected a smaller one",
    );
    check(
        &["--local", "1", "--set", "job.ship=each-cycle"],
        3,
        "expected once",
    );
    check(
        &["--local", "1", "--allocator", "gurobi"],
        3,
        "no allocator is called \"gurobi\"",
    );
    check(&["--resume", "no-such-folder"], 3, "name the folder");
    assert!(!out.exists(), "nothing was begun");
    let worker = program()
        .args(["worker", "--join", "allot1-nonsense"])
        .output()
        .expect("it runs");
    assert_eq!(worker.status.code(), Some(3));
}

#[test]
fn a_worker_whose_least_fee_is_not_paid_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let state = folder.path().join("state").display().to_string();
    let mut run = Run::start(
        &small(20, &out),
        &[
            "--listen",
            "127.0.0.1:0",
            "--state",
            &state,
            "--expect",
            "1",
            "--cycles",
            "2",
            "--cycle-time",
            "4 s",
            "--fee-type",
            "constant",
        ],
    );
    let listening = run.until("listening", |_| true);
    let token = listening["token"].as_str().expect("a token").to_owned();
    let dear = program()
        .args([
            "worker",
            "--join",
            &token,
            "--name",
            "dear",
            "--least-fee",
            "7.5",
            "--state",
        ])
        .arg(folder.path().join("dear"))
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&dear.stderr);
    assert_eq!(dear.status.code(), Some(5), "{stderr}");
    assert!(
        stderr.contains("it is paid 1 a batch here, and works for 7.5 or more"),
        "{stderr}"
    );
    let _cheap = Daemon::start(&token, "cheap", folder.path(), &["--least-fee", "1"]);
    run.end().completed();
}

/// Every combination by the same workers; one that fails does not stop the others.
#[test]
fn a_sweep_runs_every_combination_with_the_same_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("sweep");
    let mut args = small(40, &out);
    args[0] = "sweep".to_owned();
    let more = [
        "--local",
        "2",
        "--cycles",
        "2",
        "--cycle-time",
        "4 s",
        "--vary",
        "job.s_min=1,41",
        "--vary",
        "fees.type=linear,random",
    ];
    let end = Run::start(&args, &more).end();
    // A lot of 41 is more than there are batches: such a job has no plan.
    assert_eq!(end.code, Some(5), "{:#?}\n{}", end.seen, end.stderr);
    let dump = fs::read_to_string(out.join("dump.json")).expect("a dump");
    let dump: serde_json::Value = serde_json::from_str(&dump).expect("it is JSON");
    let cells = dump.as_array().expect("a list");
    let summary: Vec<_> = cells
        .iter()
        .map(|cell| {
            let values = (&cell["values"]["job.s_min"], &cell["values"]["fees.type"]);
            (
                values,
                cell["result"]["ending"] == "completed",
                cell["result"]["error"].is_string(),
            )
        })
        .collect();
    let text = |text: &str| serde_json::Value::from(text);
    let (one, much, linear, random) = (text("1"), text("41"), text("linear"), text("random"));
    assert_eq!(
        summary,
        [
            ((&one, &linear), true, false),
            ((&one, &random), true, false),
            ((&much, &linear), false, true),
            ((&much, &random), false, true),
        ]
    );
    assert_eq!(
        end.all("started").count(),
        2,
        "the workers were started once"
    );
    assert!(
        out.join("job.s_min=1,fees.type=linear/model.safetensors")
            .exists()
    );
    assert!(end.stderr.contains("no plan"), "{}", end.stderr);
}

#[test]
fn tokens_and_workers_are_commands() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().display().to_string();
    let run = |args: &[&str]| {
        let output = program()
            .args(args)
            .args(["--state", &state])
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("it is text")
    };
    let token = run(&["token", "--uses", "3", "--address", "127.0.0.1:9317"]);
    assert!(runtime::net::Token::parse(token.trim()).is_ok(), "{token}");
    assert_eq!(run(&["workers", "list"]), "", "nobody came yet");
}
