//! Whole runs without faults.

use std::fs;
use std::path::Path;

use results::report::{self, ReportContext};
use results::runs::RecordedFolder;
use scheduler::{Employed, Span};
use serde_json::Value;

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
        "models.parquet",
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
    // The tables are those of the dictionary.
    let differences = results::dictionary::differences(&out).expect("tables");
    assert_eq!(differences, [""; 0]);
    predicts_what_its_folder_says(summary, &out);
    // And how it was made: enough to do it again.
    let made = fs::read_to_string(out.join("run.json")).expect("a record");
    let made: Value = serde_json::from_str(&made).expect("JSON");
    assert_eq!(made["command_line"][1], "cluster");
    assert_eq!(made["version"], env!("CARGO_PKG_VERSION"));
    assert!(made["machine"]["cores"].as_u64() > Some(0), "{made}");
    let workers = made["workers"].as_array().expect("workers");
    assert_eq!(workers.len(), 4);
    assert!(
        workers.iter().all(|worker| worker["device"] == "cpu"),
        "{made}"
    );
    // The folder holds a run now.
    let again = Run::start(&small(200, &out), &["--local", "2"]).end();
    assert_eq!(again.code, Some(2));
    assert!(
        again.stderr.contains("holds a run already"),
        "{}",
        again.stderr
    );
}

/// The log of the scheduler's inputs gives the run again: the same tables, byte for byte.
#[test]
fn the_log_of_a_run_replays_it() {
    use results::event_log::EventReader;
    use results::runs::{RecordedFolder, RunEnd, RunFolder, RunKey, RunRows};
    use scheduler::Instant;
    use scheduler::machine::{Action, Scheduler};

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
    let recorded = RecordedFolder::open(&out).expect("a run");
    let again = folder.path().join("again");
    fs::create_dir(&again).expect("a folder");
    let scenario = fs::read_to_string(out.join("scenario.toml")).expect("a scenario");
    let plan = recorded.plan().clone();
    let tables = RunFolder::create(&again, plan, recorded.job(), &scenario, false);
    let mut tables = tables.expect("tables");
    let key = RunKey {
        replicate: 0,
        allocator: 0,
    };
    let mut rows = RunRows::new(key);
    let log = EventReader::open(&out.join("events/0-exact.jsonl")).expect("a log");
    let mut scheduler = Scheduler::new(log.config().clone());
    let mut actions = Vec::new();
    let (mut ended, mut at) = (None, Instant::START);
    for line in log {
        let (now, event) = line.expect("it is whole");
        let _ = scheduler.step(now, event, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Record(record) => rows.record(now, &record),
                Action::Finish { ending, totals } => ended = Some((ending, totals)),
                _ => {}
            }
        }
        at = now;
    }
    let (ending, totals) = ended.expect("it ends");
    assert_eq!(end.summary()["batches_accepted"], totals.accepted);
    let run = RunEnd {
        ending,
        totals,
        ended: at,
        limit: Span::from_nanos(8_000_000_000),
        truth: None,
    };
    let names = ["local-1", "local-2", "local-3"].map(Into::into);
    for (worker, name) in names.iter().enumerate() {
        tables.name_worker(worker, std::sync::Arc::clone(name));
    }
    tables.push(rows.finish(run, &names)).expect("a run");
    tables
        .finish(serde_json::Map::new)
        .expect("they are written");
    for table in ["plans", "shares", "cycles", "lots", "history", "workers"] {
        let read = |folder: &Path| fs::read(folder.join(format!("{table}.parquet")));
        let (first, second) = (read(&out).expect(table), read(&again).expect(table));
        assert!(first == second, "{table}.parquet differs");
    }
}

/// What the tools of the thesis read: its headers first, and numbers that agree with the events.
#[test]
fn the_tables_of_the_thesis_agree_with_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let args = [
        "--local",
        "2",
        "--beta",
        "2",
        "--s-min",
        "5",
        "--cycles",
        "3",
        "--max-time",
        "12 s",
        "--fee-type",
        "linear",
        "--batch-size",
        "32",
    ];
    let end = Run::start(&small(40, &out), &args).end();
    let summary = end.completed();
    let table = |name: &str| -> Vec<Vec<String>> {
        let text = fs::read_to_string(out.join(name)).expect(name);
        let cells = |line: &str| line.split(',').map(str::to_owned).collect();
        text.lines().map(cells).collect()
    };
    let stats = table("stats.csv");
    let expected = "BATCH_SIZE,NUM_GLOBAL_CYCLES,NUM_BENCHMARK,BETA,S_MIN,MAX_TIME,\
                    max_time_per_cycle,FEE_TYPE,WEIGHT_TYPE,total_batches,send_data_duration,\
                    total_batches_assigned,model_pre_train_loss,model_pre_train_acc,\
                    model_post_train_loss,model_post_train_acc,training_duration,\
                    total_cost_per_cycle,total_cost";
    assert_eq!(stats[0].join(","), expected);
    assert_eq!(
        stats[1][..10].join(","),
        "32,3,40,2,5,12.000000,4.000000,linear,xavier,40"
    );
    let stat = |name: &str| {
        let at = stats[0].iter().position(|header| header == name);
        stats[1][at.expect(name)].parse::<f64>().expect(name)
    };
    assert_eq!(stat("total_batches_assigned"), 40.0);
    let fee: f64 = summary["fee"]
        .as_str()
        .and_then(|fee| fee.parse().ok())
        .expect("a fee");
    assert_eq!(stat("total_cost"), fee);
    assert_eq!(stat("total_cost_per_cycle") * 3.0, fee, "nothing was lost");
    assert!(stat("send_data_duration") > 0.0);
    assert!(stat("model_post_train_loss") < stat("model_pre_train_loss"));

    let workers = table("workers.csv");
    let expected = "ip,benchmark_batches_per_sec,s_max,cost_per_batch,cost_per_cycle,total_cost,\
                    batches_assigned,samples_assigned,name,device,cores";
    assert_eq!(workers[0].join(","), expected);
    assert_eq!(workers.len(), 3);
    for (at, worker) in workers[1..].iter().enumerate() {
        let number = |at: usize| worker[at].parse::<f64>().expect("a number");
        assert_eq!(worker[8], format!("local-{}", at + 1));
        assert_eq!(number(3), (at + 1) as f64, "linear fees");
        assert_eq!(number(4), number(3) * number(6));
        assert_eq!(number(5), number(4) * 3.0);
        assert_eq!(number(7), number(6) * 32.0);
        assert!(number(6) <= number(2) && number(1) > 0.0, "{worker:?}");
    }

    let timing = table("timing.csv");
    assert_eq!(timing[0], ["local-1", "local-2"]);
    assert_eq!(timing.len(), 4);
    for cell in timing[1..].iter().flatten() {
        let seconds: f64 = cell.parse().expect("seconds");
        assert!(seconds > 0.0 && seconds < 4.0, "{cell}");
    }

    let model = table("model.csv");
    assert_eq!(model[0].join(","), "loss,accuracy,cycle,argmax_accuracy");
    let judged: Vec<_> = end.all("judged").collect();
    let cycles: Vec<&str> = model[1..].iter().map(|row| row[2].as_str()).collect();
    assert_eq!(cycles, ["0", "1", "2", "3"]);
    for row in &model[1..] {
        let event = judged
            .iter()
            .rfind(|event| event["cycle"].as_u64() == row[2].parse().ok());
        let Some(event) = event else {
            // Who judges more slowly than others train skips a model, and says so.
            assert_eq!([&*row[0], &*row[1], &*row[3]], ["N/A"; 3], "{row:?}");
            continue;
        };
        for (cell, key) in [(0, "loss"), (1, "true_class_probability"), (3, "accuracy")] {
            let value = event[key].as_f64().expect("a number");
            assert_eq!(row[cell], format!("{value:.6}"), "{key}");
        }
    }
    assert_ne!(model[4][0], "N/A", "the last model is always judged");

    // The report reads the same tables.
    let written =
        report::write(&out, &ReportContext::default(), false).expect("it is a folder of runs");
    let page = fs::read_to_string(written.page).expect("the page");
    for title in [
        "Accuracy over time",
        "Loss over time",
        "Timeline of cycles 1 to 3",
    ] {
        assert!(page.contains(title), "{title}");
    }
    let drawn = fs::read_to_string(out.join("report/loss.csv")).expect("the data");
    let drawn: Vec<&str> = drawn.lines().skip(1).collect();
    assert_eq!(drawn.len(), 4, "{drawn:?}");
    let last: f64 = model[4][0].parse().expect("a number");
    assert_eq!(drawn[3], format!("3,{last}"));
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
fn sigterm_ends_an_orchestrator_as_ctrl_c_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let args = ["--local", "2", "--cycles", "1000", "--cycle-time", "2 s"];
    let mut run = Run::start(&small(40, &out), &args);
    run.until("cycle", |_| true);
    signal("TERM", run.own_pid());
    let end = run.end();
    assert_eq!(end.code, Some(130), "{}", end.stderr);
    assert_eq!(end.summary()["ending"], "stopped");
    assert!(out.join("run.json").exists(), "what was finished is kept");
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
    let works = |lot: &&Value| lot["worker"] == "second" && lot["accepted"] != 0;
    assert!(end.all("lot").any(|lot| works(&lot)), "{:#?}", end.seen);
    // They are daemons: they wait for the next job.
    assert!(first.is_running() && second.is_running());
}

/// One command goes on with a run of other machines: they find the orchestrator where it was, and
/// know it.
#[test]
fn daemons_come_back_to_an_orchestrator_that_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let state = folder.path().join("state").display().to_string();
    let mut run = Run::start(
        &small(60, &out),
        &[
            "--listen",
            "127.0.0.1:0",
            "--no-discovery",
            "--state",
            &state,
            "--expect",
            "2",
            "--cycles",
            "12",
            "--cycle-time",
            "4 s",
        ],
    );
    let listening = run.until("listening", |_| true);
    let token = listening["token"].as_str().expect("a token").to_owned();
    let slow = ["--throttle", "0.02"];
    let _first = Daemon::start(&token, "first", folder.path(), &slow);
    let _second = Daemon::start(&token, "second", folder.path(), &slow);
    run.until("cycle", |cycle| cycle["cycle"] == 3);
    signal("KILL", run.own_pid());
    drop(run.end());
    let resume = ["cluster", "--json", "--resume"].map(str::to_owned);
    let resume: Vec<String> = resume
        .into_iter()
        .chain([out.display().to_string()])
        .collect();
    let end = Run::start(&resume, &[]).end();
    let summary = end.completed();
    end.holds_its_limits(60);
    assert_eq!(end.all("joined").count(), 2, "{:#?}", end.seen);
    assert!(summary["cycles_complete"].as_u64() > Some(8), "{summary}");
    let again = end.all("listening").next().expect("it listens");
    assert_eq!(again["address"], listening["address"]);
}

#[test]
fn bad_input_gets_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let check = |more: &[&str], code: i32, expected: &str| {
        let output = program()
            .env("ALLOT_PYTHON", "/no-such-python")
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
        &["--local", "1", "--allocator", "best"],
        3,
        "no allocator is called \"best\"",
    );
    check(
        &["--local", "1", "--allocator", "highs"],
        3,
        "job.allocator: highs needs",
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
        stderr.contains("it is paid 1 per batch here, and works for 7.5 or more"),
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
    let dump: Value = serde_json::from_str(&dump).expect("it is JSON");
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
    let text = |text: &str| Value::from(text);
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
    let written = report::write(&out, &ReportContext::default(), false).expect("it is a sweep");
    let page = fs::read_to_string(written.page).expect("the page");
    assert!(
        page.contains("Fee of the run over job.s_min, by fees.type"),
        "{page}"
    );
}

/// What `ps` shows of a process.
fn shown(pid: u64) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// Two with one key end neither the job nor each other, a name belongs to a key, and no token is
/// seen by other users.
#[test]
fn twins_and_name_takers_are_turned_away_and_no_token_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state").display().to_string();
    let more = [
        "--listen",
        "127.0.0.1:0",
        "--state",
        &state,
        "--expect",
        "1",
    ];
    let more = [&more[..], &["--cycles", "100000", "--cycle-time", "60 s"]].concat();
    let mut run = Run::start(&small(60, &folder.path().join("run")), &more);
    let listening = run.until("listening", |_| true);
    let token = listening["token"].as_str().expect("a token").to_owned();
    let first = Daemon::start(&token, "pc1", folder.path(), &[]);
    run.until_worker("benchmarked", "pc1");
    let line = shown(first.pid());
    assert!(line.contains("worker") && line.contains("pc1"), "{line}");
    assert!(!line.contains(&token), "{line}");
    let worker = |folder: &Path, name: &str| {
        let mut worker = program();
        worker.args(["worker", "--once", "--join", &token, "--name", name]);
        worker.arg("--state").arg(folder).output().expect("it runs")
    };
    let twin = worker(&folder.path().join("state-pc1"), "pc1");
    let said = String::from_utf8_lossy(&twin.stderr).into_owned();
    assert_eq!(twin.status.code(), Some(2), "{said}");
    assert!(said.contains("another worker runs with the key"), "{said}");
    // A key has the name that it joined with.
    let other = Daemon::start(&token, "pc2", folder.path(), &[]);
    run.until_worker("joined", "pc2");
    drop(other);
    worker(&folder.path().join("state-pc2"), "server");
    run.until("note", |note| {
        let text = note["text"].as_str().unwrap_or_default();
        text.contains("server is turned away: its key joined as \"pc2\"")
    });
    signal("INT", run.own_pid());
    let end = run.end();
    assert_eq!(end.code, Some(130), "{}", end.stderr);
    let joined = end.all("joined").filter(|event| event["worker"] == "pc1");
    assert_eq!(joined.count(), 1, "{:#?}", end.seen);
}

#[test]
fn what_cannot_be_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--local", "2", "--beta", "3"];
    let end = Run::start(&small(40, &folder.path().join("run")), &args).end();
    assert_eq!(end.code, Some(2));
    assert!(end.stderr.contains("job.beta needs 3"), "{}", end.stderr);
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

/// What the summary calls predicted is the sum over the plans of the folder, each by what was known
/// when it was made, to the last nanosecond: what `sim replay` of it says.
fn predicts_what_its_folder_says(summary: &Value, out: &Path) {
    let folder = RecordedFolder::open(out).expect("it was written");
    let job = folder.job();
    let run = folder.runs().expect("tables").next().expect("a run");
    let (mut predicted, mut measured) = (Span::ZERO, Span::ZERO);
    for period in run.expect("it can be read").periods {
        let employed = period.candidates.iter().filter(|c| c.batches > 0);
        let employed = employed.map(|candidate| Employed {
            speed: candidate.speed,
            link: candidate.link,
            batches: candidate.batches,
        });
        let employed: Vec<Employed> = employed.collect();
        assert!(
            employed
                .iter()
                .all(|worker| worker.link.latency > Span::ZERO)
        );
        let prediction = job.cycle_model.predict(&job.config.time_model, &employed);
        predicted = predicted + prediction.cycle * period.cycles;
        measured = measured + period.training;
    }
    let error = 100.0 * (predicted.seconds_f64() / measured.seconds_f64() - 1.0);
    for (key, of_folder) in [
        ("predicted_s", predicted.seconds_f64()),
        ("measured_s", measured.seconds_f64()),
        ("error_percent", error),
    ] {
        let of_summary = summary[key].as_f64().expect("a number");
        // A nanosecond is told apart; the last bit of a float is not.
        assert!((of_summary - of_folder).abs() < 1e-10, "{key}: {summary}");
    }
}
