//! Workers and orchestrators that die or stall.

use crate::common::{Run, children, is_alive, signal, small};

/// Three slow workers of which two are enough: about 50 batches a second each.
const THREE: [&str; 14] = [
    "--local",
    "3",
    "--throttles",
    "0.02,0.02,0.02",
    "--beta",
    "2",
    "--s-min",
    "5",
    "--cycles",
    "6",
    "--cycle-time",
    "8 s",
    "--seed",
    "5",
];

/// The same with other values.
fn three_with<'a>(changes: &[(&'a str, &'a str)], more: &[&'a str]) -> Vec<&'a str> {
    let mut args = THREE.to_vec();
    for (key, value) in changes {
        let at = args.iter().position(|arg| arg == key).expect("it is there");
        args[at + 1] = value;
    }
    args.extend(more);
    args
}

/// A worker that is employed.
fn employed(run: &mut Run) -> String {
    let share = run.until("share", |share| share["batches"] != 0);
    share["worker"].as_str().expect("a name").to_owned()
}

#[test]
fn a_worker_killed_in_its_benchmark_is_done_without() {
    let folder = tempfile::tempdir().expect("a folder");
    // Long enough for processes to start on a busy machine.
    let args = three_with(&[], &["--set", "waits.gather=8 s"]);
    let mut run = Run::start(&small(60, &folder.path().join("run")), &args);
    run.until_worker("joined", "local-2");
    signal("KILL", run.pid("local-2"));
    let end = run.end();
    end.completed();
    end.holds_its_limits(60);
    let benchmarked = end
        .all("benchmarked")
        .any(|event| event["worker"] == "local-2");
    assert!(!benchmarked, "{:#?}", end.seen);
}

#[test]
fn a_worker_killed_while_data_is_shipped_is_done_without() {
    let folder = tempfile::tempdir().expect("a folder");
    // 47 MB take long enough to be killed in.
    let args = three_with(
        &[("--throttles", "1,0.9,0.8"), ("--cycle-time", "30 s")],
        &[],
    );
    let mut run = Run::start(&small(1_800, &folder.path().join("run")), &args);
    let worker = employed(&mut run);
    signal("KILL", run.pid(&worker));
    let end = run.end();
    end.completed();
    end.holds_its_limits(1_800);
    let gone = |event: &serde_json::Value| event["worker"] == worker.as_str();
    assert!(end.all("departed").any(gone), "{:#?}", end.seen);
}

#[test]
fn a_worker_killed_in_training_costs_one_cycle() {
    let folder = tempfile::tempdir().expect("a folder");
    // With all three needed, its loss ends the run, with the reason, after a pause.
    let args = three_with(&[("--beta", "3")], &["--set", "waits.pause=300 ms"]);
    let mut run = Run::start(&small(90, &folder.path().join("run")), &args);
    run.until("cycle", |_| true);
    signal("KILL", run.pid("local-3"));
    let end = run.end();
    assert_eq!(end.code, Some(5), "{}", end.stderr);
    assert_eq!(end.summary()["ending"], "below_beta");
    assert!(
        end.stderr.contains("2 workers are left, 3 needed"),
        "{}",
        end.stderr
    );
    // With two needed, the others go on.
    let mut run = Run::start(&small(90, &folder.path().join("again")), &THREE);
    let worker = employed(&mut run);
    run.until("cycle", |_| true);
    signal("KILL", run.pid(&worker));
    let end = run.end();
    end.completed();
    end.holds_its_limits(90);
    let lost = end.all("cycle").filter(|cycle| cycle["lost"] != 0).count();
    assert!(lost <= 1, "its share is planned anew: {:#?}", end.seen);
}

#[test]
fn a_worker_that_stalls_is_excluded_and_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = three_with(&[("--cycles", "12")], &[]);
    let mut run = Run::start(&small(90, &folder.path().join("run")), &args);
    let worker = employed(&mut run);
    run.until("cycle", |_| true);
    signal("STOP", run.pid(&worker));
    let gone = run.until_worker("departed", &worker);
    assert_eq!(gone["why"], "missed_beats");
    signal("CONT", run.pid(&worker));
    run.until_worker("joined", &worker);
    let end = run.end();
    end.completed();
    end.holds_its_limits(90);
}

#[test]
fn a_short_stall_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = Run::start(&small(90, &folder.path().join("run")), &THREE);
    run.until("cycle", |_| true);
    let pid = run.pid("local-1");
    signal("STOP", pid);
    std::thread::sleep(std::time::Duration::from_millis(400));
    signal("CONT", pid);
    let end = run.end();
    end.completed();
    assert_eq!(end.all("departed").count(), 0, "{:#?}", end.seen);
    assert_eq!(end.all("joined").count(), 3);
}

/// The cheapest worker slows down: what it had done by the limit counts, and from the next plan on
/// it gets what it can still do. The first plan would have lost most of its share ever after.
#[test]
fn a_worker_ten_times_slower_from_cycle_3_loses_most_of_its_share() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = three_with(
        &[
            ("--throttles", "0.01:0.001@3,0.02,0.02"),
            ("--cycles", "8"),
            ("--cycle-time", "4 s"),
        ],
        &["--fee-type", "linear"],
    );
    let end = Run::start(&small(70, &folder.path().join("run")), &args).end();
    end.completed();
    end.holds_its_limits(70);
    assert_eq!(end.all("departed").count(), 0, "{:#?}", end.seen);
    // What it was given in a cycle, and how much of it counted: nothing if it was idle.
    let lot = |cycle: u64| {
        let mut lots = end.all("lot");
        let lot = lots.find(|lot| lot["cycle"] == cycle && lot["worker"] == "local-1");
        let count = |key: &str| lot.map_or(0, |lot| lot[key].as_u64().expect("a count"));
        (count("assigned"), count("accepted"))
    };
    // A busy machine may have cost it some of its share before: what counts is the share that it
    // was given when nobody knew yet.
    let (before, done) = lot(3);
    assert!(before >= 10, "{before}: enough to lose most of it");
    assert!(done > 0 && done < before, "{done}: unfinished work counts");
    let mut lost = 0;
    for cycle in 5..=8 {
        let (assigned, done) = lot(cycle);
        assert!(
            assigned <= before / 2,
            "{assigned} of {before}: {:#?}",
            end.seen
        );
        lost += assigned - done;
    }
    // The first plan would have lost nine tenths of its share in each of the four.
    assert!(
        lost <= 2 * before,
        "{lost}, shares of {before}: {:#?}",
        end.seen
    );
}

/// A worker that a service manager ends says so: nobody waits for its silence.
#[test]
fn a_worker_that_is_asked_to_end_is_missed_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = Run::start(&small(90, &folder.path().join("run")), &THREE);
    let worker = employed(&mut run);
    let before = run.until("cycle", |_| true);
    let pid = run.pid(&worker);
    signal("TERM", pid);
    let gone = run.until_worker("departed", &worker);
    assert_eq!(gone["why"], "disconnected");
    let waited = gone["at_s"].as_f64().expect("a moment") - before["at_s"].as_f64().expect("one");
    assert!(waited < 5.0, "{waited} s: a silence takes 10");
    let end = run.end();
    end.completed();
    assert!(end.stderr.contains("it was asked to end"), "{}", end.stderr);
    assert!(!is_alive(pid));
}

#[test]
fn workers_end_with_an_orchestrator_that_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = Run::start(&small(90, &folder.path().join("run")), &THREE);
    run.until("cycle", |_| true);
    let pids: Vec<u64> = run.pids.iter().map(|(_, pid)| *pid).collect();
    signal("KILL", run.own_pid());
    let end = run.end();
    assert_eq!(end.code, None, "it was killed");
    // They see the end of their input; nothing tells us when they have.
    while pids.iter().any(|pid| is_alive(*pid)) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A worker whose connection lives and whose trainer does not answer holds nobody up in silence.
#[test]
fn a_trainer_that_is_stopped_is_told_of_while_data_travels_and_then_done_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let four = [
        ("--local", "4"),
        ("--throttles", "0.02,0.02,0.02,0.02"),
        ("--cycles", "3"),
    ];
    // The first two are employed, since fees rise; after the loss of one the third is shipped to.
    let args = three_with(&four, &["--fee-type", "linear"]);
    let mut run = Run::start(&small(60, &folder.path().join("run")), &args);
    run.until("cycle", |_| true);
    let trainers = children(run.pid("local-3"));
    let [(trainer, _, _)] = trainers[..] else {
        panic!("a worker has one trainer: {trainers:?}");
    };
    signal("STOP", trainer);
    signal("KILL", run.pid("local-1"));
    let gone = run.until_worker("departed", "local-3");
    assert_eq!(gone["why"], "ship_late");
    let end = run.end();
    end.completed();
    end.holds_its_limits(60);
    let told = " s: no data has arrived there, which has 0 of ";
    assert!(end.told(told), "{}\n{:#?}", end.stderr, end.seen);
    assert!(!is_alive(trainer), "it is not left behind");
}

#[test]
fn a_trainer_that_is_stopped_is_told_of_in_its_benchmark() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = ["--benchmark-batches", "400", "--set", "waits.gather=4 s"];
    let args = three_with(&[("--cycles", "1")], &[]);
    let mut small = small(60, &folder.path().join("run"));
    // Long enough to be stopped in.
    let at = small.iter().position(|arg| arg == "--benchmark-batches");
    small.drain(at.expect("it is there")..=at.expect("it is there") + 1);
    let mut run = Run::start(&small, &[&args[..], &more[..]].concat());
    run.until_worker("joined", "local-2");
    let trainer = loop {
        if let Some((trainer, _, _)) = children(run.pid("local-2")).first() {
            break *trainer;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    signal("STOP", trainer);
    // It is said after some 5 s: a busy machine looks at its clock late.
    run.until("note", |note| {
        let text = note["text"].as_str().unwrap_or_default();
        text.starts_with("waiting for local-2 for ")
            && text.ends_with(" s: its benchmark has not ended")
    });
    signal("CONT", trainer);
    run.end().completed();
}
