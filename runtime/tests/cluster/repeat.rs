//! The same plan gives the same model, to the last bit, broken off or not.

use std::fs;
use std::path::Path;

use crate::common::{End, Run, program, signal, small, small_of};

const THREE: [&str; 14] = [
    "--local",
    "3",
    "--throttles",
    "0.2,0.1,0.1",
    "--beta",
    "3",
    "--s-min",
    "10",
    "--cycles",
    "5",
    "--cycle-time",
    "20 s",
    "--seed",
    "11",
];

/// 80 batches at 0.5, and three charges of 0.25 and of 36 an hour for 20 s: 41.35 in a cycle.
const PAID: &str = "[[workers]]\nname = 'local'\ncount = 3\nspeed = '1 batches/s'\nfee = 0.5\n\
                    hire = 0.25\nper_hour_employed = 36\n";

fn model(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("model.safetensors")).expect("a model")
}

fn is_reproducible(end: &End) {
    let summary = end.completed();
    assert_eq!(summary["reproducible"], true, "{summary}");
}

#[test]
fn a_plan_run_twice_or_resumed_gives_the_same_linear_model() {
    // With all that a run remembers from cycle to cycle.
    let trained = "--optimizer sgd --learning-rate 0.05 --momentum 0.5 --schedule cosine \
                   --outer nesterov --wire bf16";
    check("linear", "0.02,0.01,0.01", trained);
}

#[cfg(feature = "torch")]
#[test]
fn a_plan_run_twice_or_resumed_gives_the_same_network() {
    check("mlp", "0.2,0.1,0.1", "");
}

/// Throttles are such that a cycle takes long enough to be killed in.
fn check(kind: &str, throttles: &str, trained: &str) {
    let three = {
        let mut args = THREE.to_vec();
        args[3] = throttles;
        args.extend(trained.split_whitespace());
        args
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("paid.toml"), PAID).expect("a scenario");
    let small = |folder: &Path| {
        let mut args = small_of(kind, 80, folder);
        args.push(path("paid.toml").display().to_string());
        args
    };
    Run::start(&small(&path("first")), &three).end().completed();
    let plan = path("first").join("plan.json").display().to_string();
    let with_plan = |name: &str| {
        let mut args = three.clone();
        args.extend(["--plan", &plan]);
        Run::start(&small(&path(name)), &args)
    };
    is_reproducible(&with_plan("second").end());
    is_reproducible(&with_plan("third").end());
    assert_eq!(model(&path("second")), model(&path("third")));
    // Other weights to begin with give another model.
    let mut other = three.clone();
    other[13] = "12";
    other.extend(["--plan", &plan]);
    is_reproducible(&Run::start(&small(&path("other")), &other).end());
    assert_ne!(model(&path("second")), model(&path("other")));

    let mut run = with_plan("killed");
    run.until("cycle", |cycle| cycle["cycle"] == 2);
    signal("KILL", run.own_pid());
    drop(run.end());
    assert!(!path("killed").join("run.json").exists(), "it has no end");
    let killed = path("killed").display().to_string();
    let resume = [
        "cluster".to_owned(),
        "--resume".to_owned(),
        killed,
        "--json".to_owned(),
    ];
    // Once more, in the part that went on, and in order: the cycle that this breaks off is done anew.
    let mut run = Run::start(&resume, &[]);
    run.until("cycle", |cycle| cycle["cycle"] == 4);
    signal("INT", run.own_pid());
    let broken = run.end();
    assert_eq!(broken.code, Some(130));
    let [bill] = &recorded(&path("killed")).bills().expect("they add up")[..] else {
        panic!("one run");
    };
    assert_eq!(broken.summary()["fee"], bill.cost.to_string());
    let resumed = Run::start(&resume, &[]).end();
    is_reproducible(&resumed);
    let first = resumed.all("cycle").next().expect("it goes on")["cycle"].as_u64();
    assert!(first > Some(4), "{first:?}: it does not begin anew");
    assert_eq!(model(&path("second")), model(&path("killed")));
    is_whole(&path("killed"), &resumed, &path("second"));
    // What was billed before stays billed: one cycle is added.
    let cycle = fee(&path("second").join("run.json")) / 5;
    assert_eq!(
        fee(&path("killed").join("run.json")),
        micros(&broken.summary()["fee"]) + cycle
    );
    // There is nothing more to go on with. Keys that a killed program left behind are removed all the same.
    let left = path("temporary").join(format!("allot-{}-0", u32::MAX)); // more than any process has
    fs::create_dir_all(&left).expect("a folder");
    let mut again = program();
    let again = again.args(&resume).env("TMPDIR", path("temporary"));
    let again = again.output().expect("it runs");
    let errors = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(0), "{errors}");
    assert!(errors.contains("is finished"), "{errors}");
    assert!(!left.exists() || !Path::new("/proc/self").exists());
    // As a kill between the last checkpoint and the first file of the end leaves it.
    let killed = path("killed");
    for entry in fs::read_dir(&killed).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stays = ["command.json", "checkpoint.safetensors", "judgements.bin"];
        if path.is_file() && !stays.iter().any(|name| path.ends_with(name)) {
            fs::remove_file(path).expect("removed");
        }
    }
    let log = killed.join("events/0-exact.jsonl");
    let partial = killed.join("events/0-exact.jsonl.partial");
    fs::rename(&log, &partial).expect("renamed");
    let finished = Run::start(&resume, &[]).end();
    finished.completed();
    assert_eq!(model(&path("second")), model(&killed));
    is_whole(&killed, &finished, &path("second"));
    assert!(log.exists() && !partial.exists(), "the log has its name");
    let fee = |end: &End| end.summary()["fee"].clone();
    assert_eq!(fee(&finished), fee(&resumed));
}

/// What a run cost.
fn fee(run: &Path) -> u128 {
    let text = fs::read_to_string(run).expect("a run");
    let run: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    micros(&run["fee"])
}

fn micros(fee: &serde_json::Value) -> u128 {
    let cost: scheduler::Cost = fee.as_str().expect("text").parse().expect("a cost");
    cost.micros()
}

/// A run that was killed before its first checkpoint has nothing to go on with: it begins.
#[test]
fn a_run_that_did_not_begin_is_begun_by_resuming_it_and_only_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let mut run = Run::start(&small(80, &out), &THREE);
    run.until("joined", |_| true);
    let resume = ["cluster", "--json", "--resume"].map(str::to_owned);
    let resume = [&resume[..], &[out.display().to_string()]].concat();
    // It is under way.
    let second = Run::start(&resume, &[]).end();
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    assert!(
        second.stderr.contains("in use by a run"),
        "{}",
        second.stderr
    );
    signal("KILL", run.own_pid());
    drop(run.end());
    let begun = Run::start(&resume, &[]).end();
    begun.completed();
    assert_eq!(begun.summary()["cycles_complete"], 5);
    // What it did is not done again where that is lost from which it would go on.
    let (checkpoint, away) = (out.join("checkpoint.safetensors"), out.join("away"));
    let run = fs::read(out.join("run.json")).expect("it has ended");
    fs::rename(&checkpoint, &away).expect("renamed");
    let lost = Run::start(&resume, &[]).end();
    assert_eq!(lost.code, Some(3), "{}", lost.stderr);
    let expected = "checkpoint.safetensors is missing, and run.json has 5 of its cycles complete";
    assert!(lost.stderr.contains(expected), "{}", lost.stderr);
    assert_eq!(run, fs::read(out.join("run.json")).expect("as it was"));
    fs::rename(&away, &checkpoint).expect("renamed");
    // What it is of is checked before anything goes on.
    fs::remove_file(out.join("run.json")).expect("removed");
    let refuses = |file: &str, from: &str, to: &str, expected: &str| {
        let path = out.join(file);
        let whole = fs::read(&path).expect("it is there");
        let at = whole
            .windows(from.len())
            .position(|part| part == from.as_bytes());
        let at = at.unwrap_or_else(|| panic!("{file} has no {from}"));
        let mut changed = whole.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        fs::write(&path, changed).expect("written");
        let end = Run::start(&resume, &[]).end();
        assert_eq!(end.code, Some(3), "{}", end.stderr);
        assert!(end.stderr.contains(expected), "{}", end.stderr);
        fs::write(&path, whole).expect("written");
    };
    refuses(
        "checkpoint.safetensors",
        "elapsed_ns",
        "elapsed_nz",
        "checksum",
    );
    refuses(
        "command.json",
        "train=2560",
        "train=2559",
        "is not the data",
    );
    // Without an end and without a checkpoint it begins again, and says so.
    fs::remove_file(&checkpoint).expect("removed");
    let again = Run::start(&resume, &[]).end();
    again.completed();
    let expected = "checkpoint.safetensors is not there: the run begins with cycle 1 again";
    assert!(again.stderr.contains(expected), "{}", again.stderr);
    let owed = again.summary()["cycles_failed"].as_u64();
    assert!(owed >= Some(5), "{owed:?}: they are owed");
}

/// Where the data lies makes no difference to what is learnt from it.
#[test]
fn data_that_travels_in_every_cycle_gives_the_same_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let first = Run::start(&small(80, &path("first")), &THREE).end();
    first.completed();
    let plan = path("first").join("plan.json").display().to_string();
    let mut args = THREE.to_vec();
    args.extend(["--plan", &plan]);
    is_reproducible(&Run::start(&small(80, &path("once")), &args).end());
    args.extend(["--set", "job.ship=each-cycle"]);
    let each = Run::start(&small(80, &path("each")), &args).end();
    is_reproducible(&each);
    each.holds_its_limits(80);
    assert_eq!(each.all("shipped").count(), 0, "nothing beforehand");
    assert_eq!(model(&path("once")), model(&path("each")));
    // Other shares than before: each cycle begins with nothing at the workers.
    let fleeting = [
        "--local",
        "3",
        "--throttles",
        "0.02:0.002@3,0.02,0.02",
        "--beta",
        "2",
        "--s-min",
        "5",
        "--fee-type",
        "linear",
        "--cycles",
        "6",
        "--cycle-time",
        "2 s",
        "--set",
        "job.ship=each-cycle",
    ];
    // Paid by the hour: whatever was measured, the tables say the same.
    let timed = PAID.replace("fee = 0.5", "per_hour = 3.6");
    fs::write(path("timed.toml"), timed).expect("a scenario");
    let mut timed = small(80, &path("fleeting"));
    timed.push(path("timed.toml").display().to_string());
    let end = Run::start(&timed, &fleeting).end();
    end.completed();
    let bills = recorded(&path("fleeting")).bills().expect("they add up");
    assert_eq!(end.summary()["fee"], bills[0].cost.to_string());
    end.holds_its_limits(80);
    assert!(
        end.summary()["batches_accepted"].as_u64() > Some(300),
        "{:#?}",
        end.seen
    );
}

fn recorded(path: &Path) -> results::runs::RecordedFolder {
    results::runs::RecordedFolder::open(path).expect("a run")
}

/// The tables and sums of a run that was broken off are those of all its cycles.
fn is_whole(killed: &Path, end: &End, straight: &Path) {
    let summary = end.summary();
    assert_eq!(summary["cycles_complete"], 5, "{summary}");
    assert_eq!(summary["batches_accepted"], 400, "{summary}");
    let json = |folder: &Path| -> serde_json::Value {
        let text = fs::read_to_string(folder.join("run.json")).expect("a run");
        serde_json::from_str(&text).expect("JSON")
    };
    // Two cycles were broken off, and perhaps one whose checkpoint was not written yet: they are owed too.
    let failed = summary["cycles_failed"].as_u64().expect("a count");
    assert!((2..=3).contains(&failed), "{summary}");
    let [whole, paid] = [&json(straight)["fee"], &summary["fee"]].map(micros);
    assert_eq!(paid, whole / 5 * u128::from(5 + failed), "{summary}");
    assert_eq!(whole, 206_750_000);
    let [bill] = &recorded(killed).bills().expect("they add up")[..] else {
        panic!("one run");
    };
    assert_eq!(summary["fee"], bill.cost.to_string());
    assert_eq!(summary["charges"], bill.charges.to_string());
    assert_eq!(
        micros(&summary["charges"]),
        1_350_000 * u128::from(5 + failed)
    );
    assert_eq!(summary["limit_s"], json(straight)["limit_s"]);
    let wall = summary["wall_s"].as_f64().expect("seconds");
    let table = |name: &str| fs::read_to_string(killed.join(name)).expect("a table");
    let model = table("model.csv");
    let cycles: Vec<&str> = model
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(2))
        .collect();
    assert_eq!(cycles, ["0", "1", "2", "3", "4", "5"]);
    let timing = table("timing.csv");
    assert_eq!(timing.lines().count(), 6, "{timing}");
    assert!(!timing.contains("N/A"), "{timing}");
    let folder = recorded(killed);
    let run = folder.runs().expect("tables").next().expect("a run");
    let periods = run.expect("it is whole").periods;
    let cycles: u64 = periods.iter().map(|period| period.cycles).sum();
    assert_eq!(cycles, 5, "{periods:?}");
    let training: f64 = periods
        .iter()
        .map(|period| period.training.seconds_f64())
        .sum();
    // Between two cycles, too, some time passes; the parts' joining and measuring is no part of it.
    assert!(
        training <= wall + 1e-6 && wall < training + 1.0,
        "{training} {wall}"
    );
}

#[test]
fn a_plan_that_cannot_be_run_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("plan.json");
    let line = |batches: &str, names: &str, employed: u64| {
        format!(
            "{{\"id\":0,\"allocator\":\"exact\",\"status\":\"optimal\",\"batches\":{batches},\
             \"cost\":40,\"lower_bound\":40,\"workers_employed\":{employed},\
             \"certificate\":\"search\",\"reason\":null,\"message\":null,\"names\":{names}}}\n"
        )
    };
    let check = |text: &str, local: &str, cycle: &str, code: i32, expected: &str| {
        fs::write(&plan, text).expect("written");
        let out = tempfile::tempdir().expect("a folder");
        let args = [
            "--local",
            local,
            "--throttles",
            "0.05,0.05",
            "--cycle-time",
            cycle,
            "--cycles",
            "2",
            "--set",
            "waits.gather=3 s",
            "--set",
            "waits.pause=300 ms",
            "--plan",
            plan.to_str().expect("text"),
        ];
        let end = Run::start(&small(40, &out.path().join("run")), &args).end();
        assert_eq!(end.code, Some(code), "{:#?}\n{}", end.seen, end.stderr);
        assert!(end.stderr.contains(expected), "{}", end.stderr);
        if code == 5 {
            let why = &end.summary()["differs_because"];
            assert_eq!(why, "no plan was made", "there is none to be run again");
        }
    };
    check(
        &line("[30,11]", "[\"a\",\"b\"]", 2),
        "2",
        "9 s",
        3,
        "the plan hands out 41 batches, the job has 40",
    );
    check(
        &line("[30,10]", "[\"a\",\"b\"]", 2),
        "1",
        "9 s",
        5,
        "the plan employs b, not here",
    );
    // 30 batches at a twentieth of full speed do not fit a few milliseconds.
    check(
        &line("[30,10]", "[\"a\",\"b\"]", 2),
        "2",
        "30 ms",
        5,
        "batches, the plan gives it",
    );
}

/// Workers are gathered and measured, the plan is printed with its price, and the folder is a scenario.
#[test]
fn a_plan_alone_measures_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let args = [
        "--local",
        "2",
        "--plan-only",
        "--cycles",
        "3",
        "--max-time",
        "60 s",
    ];
    let end = Run::start(&small(40, &out), &args).end();
    assert_eq!(end.code, Some(0), "{:#?}\n{}", end.seen, end.stderr);
    assert_eq!(end.all("planned").count(), 1);
    assert_eq!(end.all("cycle").count(), 0);
    let text = fs::read_to_string(out.join("scenario.toml")).expect("a scenario");
    let scenario = scenarios::Scenario::parse("run", &text, &scenarios::Overrides::NONE);
    let scenario = scenario.expect("valid");
    let fleet = scenario.fleet(1, 0);
    assert_eq!(fleet.len(), 2);
    for spec in &fleet {
        let read = |event: &&serde_json::Value| event["worker"] == *spec.name;
        let read = end.all("benchmarked").find(read).expect("it was measured");
        let ratio =
            spec.speed().per_second_f64() / read["batches_per_s"].as_f64().expect("a speed");
        assert!((ratio - 1.0).abs() < 1e-4, "{ratio}");
    }
    assert!(out.join("plan.json").exists());
}
