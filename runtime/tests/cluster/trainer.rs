//! What trains is a process of its own: when it is there, what it maps, and how it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Run, children, is_alive, program, signal, small};

/// Two workers, both needed, at about 50 batches a second each with the linear model.
const TWO: [&str; 14] = [
    "--local",
    "2",
    "--throttles",
    "0.02,0.02",
    "--beta",
    "2",
    "--s-min",
    "5",
    "--cycles",
    "4",
    "--cycle-time",
    "8 s",
    "--seed",
    "5",
];

/// The trainer of a worker, once it is there.
fn trainer_of(worker: u64) -> u64 {
    loop {
        if let [(pid, ..)] = children(worker)[..] {
            return pid;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the end of processes, which nothing tells.
fn ends(pids: &[u64]) {
    while pids.iter().any(|pid| is_alive(*pid)) {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_trainer_that_is_killed_is_reported_and_another_one_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = Run::start(&small(60, &folder.path().join("run")), &TWO);
    run.until("cycle", |_| true);
    let worker = run.pid("local-1");
    let first = trainer_of(worker);
    signal("KILL", first);
    let gone = run.until_worker("departed", "local-1");
    assert_eq!(gone["why"], "left", "{gone}");
    run.until_worker("joined", "local-1");
    run.until_worker("benchmarked", "local-1");
    assert_ne!(trainer_of(worker), first);
    let end = run.end();
    end.completed();
    end.holds_its_limits(60);
    let expected = format!("its trainer, process {first}, was killed by signal 9");
    let notes = |event: &Value| {
        event["line"]
            .as_str()
            .is_some_and(|line| line.contains(&expected))
    };
    assert!(
        end.stderr.contains(&expected) || end.all("note").any(notes),
        "{:#?}\n{}",
        end.seen,
        end.stderr
    );
}

#[test]
fn trainers_end_with_a_worker_and_with_an_orchestrator_that_are_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = small(60, &folder.path().join("run"));
    let mut run = Run::start(&args, &TWO);
    run.until("cycle", |_| true);
    let orchestrator = run.own_pid();
    let workers = [run.pid("local-1"), run.pid("local-2")];
    let trainers = workers.map(trainer_of);
    let judges: Vec<u64> = children(orchestrator)
        .into_iter()
        .filter_map(|(pid, ..)| (!workers.contains(&pid)).then_some(pid))
        .collect();
    assert_eq!(judges.len(), 1, "the orchestrator has one that judges");
    signal("KILL", workers[0]);
    ends(&trainers[..1]);
    assert!(is_alive(trainers[1]), "of another worker");
    signal("KILL", orchestrator);
    drop(run.end());
    ends(&trainers);
    ends(&judges);
}

/// A stopped worker's trainer goes on, and what it made counts for nothing.
#[test]
fn a_result_that_was_made_while_the_worker_stood_still_is_of_no_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = [TWO.as_slice(), &["--set", "waits.pause=20 s"]].concat();
    let mut run = Run::start(&small(60, &folder.path().join("run")), &more);
    run.until("cycle", |_| true);
    let worker = run.pid("local-2");
    let trainer = trainer_of(worker);
    signal("STOP", worker);
    let gone = run.until_worker("departed", "local-2");
    assert_eq!(gone["why"], "missed_beats");
    assert!(is_alive(trainer), "it was not stopped");
    signal("CONT", worker);
    run.until_worker("joined", "local-2");
    assert_eq!(trainer_of(worker), trainer, "the same one serves on");
    let end = run.end();
    end.completed();
    end.holds_its_limits(60);
    // Its share of that cycle is lost, and was made anew by nobody.
    let lost = end.all("cycle").filter(|cycle| cycle["lost"] != 0).count();
    assert_eq!(lost, 1, "{:#?}", end.seen);
}

/// Copies a program by a process of its own. Were it written here, a process that another test
/// starts meanwhile could hold the file open for writing, and "Text file busy" be all that runs.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status();
    assert!(status.expect("cp runs").success(), "{}", to.display());
}

/// A folder with copies of programs: the path of `runtime` there.
fn copies(folder: &Path, names: &[&str]) -> PathBuf {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_runtime"));
    for name in names {
        copy(&built.with_file_name(name), &folder.join(name));
    }
    folder.join("runtime")
}

/// Runs a program to its end: exit code, and what it said.
fn run(program: &Path, args: &[String], more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program)
        .args(args)
        .args(more)
        .env_remove("ALLOT_JOIN")
        .env_remove("ALLOT_STATE")
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), text)
}

#[test]
fn without_the_program_that_trains_the_linear_model_still_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = copies(folder.path(), &["runtime"]);
    let more = ["--local", "1", "--cycles", "2"];
    let (code, said) = run(&alone, &small(20, &folder.path().join("linear")), &more);
    assert_eq!(code, Some(0), "{said}");
    let mut args = small(20, &folder.path().join("mlp"));
    args[2] = "mlp".to_owned();
    let (code, said) = run(&alone, &args, &more);
    let missing = folder.path().join("runtime-trainer");
    let expected = format!(
        "error: there is no {}, which trains the model 'mlp': copy it",
        missing.display()
    );
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.starts_with(&expected) && said.lines().count() == 1,
        "{said}"
    );
    assert!(!folder.path().join("mlp").exists(), "nothing was begun");
}

#[test]
fn a_trainer_is_no_program_for_people() {
    for mut program in [
        program(),
        Command::new(env!("CARGO_BIN_EXE_runtime-trainer")),
    ] {
        // An input that is closed at once ends it cleanly; nothing is written but a greeting.
        let is_own = program.get_program() == env!("CARGO_BIN_EXE_runtime");
        let output = program
            .args(is_own.then_some("trainer"))
            .stdin(Stdio::null())
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.stderr.is_empty() && said.len() < 128 && said.contains("\"say\":\"begun\""),
            "{output:?}"
        );
    }
}

#[cfg(feature = "torch")]
mod torch {
    use super::*;

    fn maps_libtorch(pid: u64) -> bool {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("it is there");
        maps.contains("libtorch")
    }

    fn mlp(batches: u64, folder: &Path) -> Vec<String> {
        let mut args = small(batches, folder);
        args[2] = "mlp".to_owned();
        args
    }

    #[test]
    fn libtorch_is_mapped_by_trainers_alone_and_after_admission() {
        let needed = |program: &str| {
            let output = Command::new("readelf").args(["-d", program]).output();
            let text = String::from_utf8(output.expect("readelf runs").stdout).expect("text");
            assert!(text.contains("NEEDED"), "{text}");
            text.contains("libtorch")
        };
        assert!(!needed(env!("CARGO_BIN_EXE_runtime")));
        assert!(needed(env!("CARGO_BIN_EXE_runtime-trainer")));

        let folder = tempfile::tempdir().expect("a folder");
        let more = ["--local", "1", "--cycles", "3", "--cycle-time", "20 s"];
        let mut run = Run::start(&mlp(40, &folder.path().join("run")), &more);
        run.until("started", |_| true);
        let worker = run.pid("local");
        // From its first instructions on, for as long as it is not admitted.
        while !run.has("joined") {
            assert!(!maps_libtorch(worker), "before its admission");
            thread::sleep(Duration::from_millis(1));
        }
        run.until_worker("benchmarked", "local");
        let trainers = children(worker);
        let [(trainer, group, program)] = trainers.as_slice() else {
            panic!("one trainer: {trainers:?}");
        };
        assert_eq!(program, Path::new(env!("CARGO_BIN_EXE_runtime-trainer")));
        assert!(maps_libtorch(*trainer));
        assert_eq!(group, trainer, "Ctrl-C on a terminal does not reach it");
        run.until("cycle", |_| true);
        assert!(!maps_libtorch(worker) && !maps_libtorch(run.own_pid()));
        let orchestrator = run.own_pid();
        let judge = children(orchestrator);
        let judge = judge
            .iter()
            .find(|(pid, ..)| *pid != worker)
            .expect("a judge");
        assert!(maps_libtorch(judge.0));
        let stat = fs::read_to_string(format!("/proc/{}/stat", judge.0)).expect("it is there");
        let nice = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(16));
        assert_eq!(nice, Some("19"), "it takes what time others leave");
        let end = run.end();
        let summary = end.completed();
        assert!(summary["accuracy"].as_f64().is_some(), "{summary}");
        assert_eq!(
            end.all("judged").count(),
            4,
            "the first and each cycle: {:#?}",
            end.seen
        );
    }

    #[test]
    fn a_libtorch_that_is_not_there_is_one_line_with_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let alone = copies(folder.path(), &["runtime", "runtime-trainer"]);
        // It looks for a library of another name, as it would for one in a folder that is gone.
        let path = folder.path().join("runtime-trainer");
        let mut bytes = fs::read(&path).expect("it is there");
        let name = b"libtorch_cpu.so\0";
        let places: Vec<usize> = (0..bytes.len() - name.len())
            .filter(|at| bytes[*at..].starts_with(name))
            .collect();
        assert!(!places.is_empty(), "it needs libtorch");
        places.iter().for_each(|at| bytes[at + 9] = b'x');
        let changed = folder.path().join("changed");
        fs::write(&changed, bytes).expect("written");
        copy(&changed, &path);
        let more = ["--local", "1", "--cycles", "2", "--set", "waits.gather=5 s"];
        let (code, said) = run(&alone, &mlp(20, &folder.path().join("run")), &more);
        assert_eq!(code, Some(5), "{said}");
        let expected = format!("{} cannot be loaded: libtorch is not where", path.display());
        assert!(said.contains(&expected), "{said}");
        assert!(said.contains("run './allot setup'"), "{said}");
    }

    #[test]
    fn a_trainer_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let alone = copies(folder.path(), &["runtime"]);
        let path = folder.path().join("runtime-trainer");
        copy(Path::new("/bin/cat"), &path);
        let more = ["--local", "1", "--cycles", "2", "--set", "waits.gather=5 s"];
        let (code, said) = run(&alone, &mlp(20, &folder.path().join("run")), &more);
        assert_eq!(code, Some(5), "{said}");
        assert!(said.contains("does not answer as a trainer does"), "{said}");
    }
}
