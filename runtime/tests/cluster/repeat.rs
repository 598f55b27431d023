//! The same plan gives the same model, to the last bit, broken off or not.

use std::fs;
use std::path::Path;

use crate::common::{End, Run, signal, small, small_of};

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

fn model(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("model.safetensors")).expect("a model")
}

fn is_reproducible(end: &End) {
    let summary = end.completed();
    assert_eq!(summary["reproducible"], true, "{summary}");
}

#[test]
fn a_plan_run_twice_or_resumed_gives_the_same_linear_model() {
    check("linear");
}

#[cfg(feature = "torch")]
#[test]
fn a_plan_run_twice_or_resumed_gives_the_same_network() {
    check("mlp");
}

fn check(kind: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let small = |folder: &Path| small_of(kind, 80, folder);
    let path = |name: &str| folder.path().join(name);
    Run::start(&small(&path("first")), &THREE).end().completed();
    let plan = path("first").join("plan.json").display().to_string();
    let with_plan = |name: &str| {
        let mut args = THREE.to_vec();
        args.extend(["--plan", &plan]);
        Run::start(&small(&path(name)), &args)
    };
    is_reproducible(&with_plan("second").end());
    is_reproducible(&with_plan("third").end());
    assert_eq!(model(&path("second")), model(&path("third")));
    // Other weights to begin with give another model.
    let mut other = THREE.to_vec();
    other[13] = "12";
    other.extend(["--plan", &plan]);
    is_reproducible(&Run::start(&small(&path("other")), &other).end());
    assert_ne!(model(&path("second")), model(&path("other")));

    let mut run = with_plan("killed");
    run.until("cycle", |cycle| cycle["cycle"] == 3);
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
    let resumed = Run::start(&resume, &[]).end();
    is_reproducible(&resumed);
    let first = resumed.all("cycle").next().expect("it goes on")["cycle"].as_u64();
    assert!(first > Some(1), "{first:?}: it does not begin anew");
    assert_eq!(model(&path("second")), model(&path("killed")));
    // There is nothing more to go on with.
    let again = Run::start(&resume, &[]).end();
    assert_eq!(again.code, Some(3));
    assert!(
        again.stderr.contains("all 5 cycles of this run are done"),
        "{}",
        again.stderr
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
