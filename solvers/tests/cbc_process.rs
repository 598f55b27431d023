//! CBC in a process of its own: the same answers, and what happens when the process dies.

mod cbc_support;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use cbc_support::{Random, fee_kinds, tricky, units};
use scheduler::{FailureReason, Outcome, Problem};
use solvers::{Allocator, Cbc, CbcProcess, Measured};

/// The example that serves; `cargo test` builds it with the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let built = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("a build folder");
    let program = built.join("examples").join("cbc_serve");
    assert!(
        program.exists(),
        "{} is missing, build it with: cargo build -p solvers --examples",
        program.display()
    );
    program
}

const NO_ARGS: [&str; 0] = [];

fn allocator() -> CbcProcess {
    CbcProcess::new(program(), NO_ARGS)
}

fn problems(count: usize) -> Vec<Problem> {
    let mut random = Random(9);
    let (_, fees) = &fee_kinds()[0];
    let mut problems: Vec<Problem> = tricky().into_iter().map(|(problem, _)| problem).collect();
    while problems.len() < count {
        problems.push(random.small(10, 20, fees));
        problems.push(random.forced(60, 40, 100, fees));
    }
    problems
}

fn message(measured: &Measured) -> &str {
    match &measured.outcome {
        Outcome::Failed(failure) => {
            assert_eq!(failure.reason, FailureReason::SolverError);
            &failure.message
        }
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn kill(pid: u32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

#[test]
fn answers_are_those_of_the_library() {
    let mut process = allocator();
    assert_eq!((process.name(), process.pid()), ("cbc", None));
    for problem in problems(100) {
        let measured = process.measure(&problem);
        assert_eq!(measured.outcome, Cbc::new().measure(&problem).outcome);
    }
    assert!(!process.library_cpu().is_zero());
    assert!(process.pid().is_some());
}

#[test]
fn many_at_once_are_answered_as_one_by_one() {
    let problems = problems(300);
    let (mut together, mut alone) = (allocator(), allocator());
    let answers = together.measure_all(&problems);
    assert_eq!(answers.len(), problems.len());
    for (problem, measured) in problems.iter().zip(&answers) {
        assert_eq!(measured.outcome, alone.measure(problem).outcome);
    }
    let counted = answers.iter().map(|measured| measured.library_cpu).sum();
    assert_eq!(together.library_cpu(), counted);
    assert!(together.measure_all(&[]).is_empty());
}

#[test]
fn options_travel() {
    let problem = problems(60).pop().expect("not empty");
    let mut limited = allocator().with_node_limit(0);
    let expected = Cbc::new().with_node_limit(0).measure(&problem).outcome;
    assert_eq!(limited.measure(&problem).outcome, expected);
}

#[test]
fn a_dead_child_costs_one_answer() {
    let problems = problems(30);
    let mut process = allocator();
    let expected = process.measure(&problems[0]).outcome;
    let pid = process.pid().expect("a child");
    kill(pid);
    let failed = process.measure(&problems[0]);
    let message = message(&failed);
    assert!(
        message.starts_with("the cbc process died on this problem: ")
            && message.ends_with("(signal: 9 (SIGKILL))"),
        "{message}"
    );
    assert_eq!(process.measure(&problems[0]).outcome, expected);
    assert_ne!(process.pid(), Some(pid));
}

/// Together no answer need be lost: what did not come is asked for again.
#[test]
fn a_dead_child_costs_nothing_when_many_are_asked() {
    let problems = problems(60);
    let mut process = allocator();
    let expected = process.measure_all(&problems);
    kill(process.pid().expect("a child"));
    let answers = process.measure_all(&problems);
    for (answer, expected) in answers.iter().zip(&expected) {
        assert_eq!(answer.outcome, expected.outcome);
    }
}

#[test]
fn nothing_is_left_behind() {
    let mut process = allocator();
    process.measure(&problems(20)[0]);
    let folder = PathBuf::from(format!("/proc/{}", process.pid().expect("a child")));
    assert!(folder.exists());
    drop(process);
    assert!(!folder.exists());
}

/// So an interrupt from the terminal does not reach it.
#[test]
fn the_child_has_a_process_group_of_its_own() {
    let mut process = allocator();
    process.measure(&problems(20)[0]);
    let pid = process.pid().expect("a child");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let group = stat
        .rsplit(')')
        .next()
        .and_then(|s| s.split_whitespace().nth(2));
    assert_eq!(group, Some(pid.to_string().as_str()));
}

#[test]
fn a_program_that_cannot_serve_is_given_up() {
    let problem = units(&[(1, 10), (9, 10)], 14, 4, 0);
    let mut process = CbcProcess::new("/nonexistent/cbc", NO_ARGS);
    let failed = process.measure(&problem);
    assert!(message(&failed).starts_with("the cbc process /nonexistent/cbc cannot be started: "));

    let mut process = CbcProcess::new("false", NO_ARGS);
    for _ in 0..5 {
        let failed = process.measure(&problem);
        assert!(message(&failed).starts_with("the cbc process died on this problem: "));
    }
    let failed = process.measure(&problem);
    assert_eq!(
        message(&failed),
        "the cbc process died 5 times in a row, no other is started"
    );
    let all = process.measure_all(&[problem.clone(), problem.clone()]);
    assert!(all.iter().all(|measured| !message(measured).is_empty()));

    // What needs no solver is still answered.
    let infeasible = units(&[(1, 6)], 7, 4, 0);
    assert_eq!(process.measure(&infeasible).outcome.status(), "infeasible");
}

#[test]
fn a_child_that_talks_nonsense_is_ended() {
    let problem = units(&[(1, 10), (9, 10)], 14, 4, 0);
    let mut process = CbcProcess::new("sh", ["-c", "echo hello world; exec sleep 1000"]);
    let failed = process.measure(&problem);
    let message = message(&failed);
    assert!(message.contains("expected at most 1048576"), "{message}");
    assert_eq!(process.pid(), None);
}

#[test]
fn a_child_ends_with_its_input_and_prints_nothing() {
    let child = Command::new(program())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    assert!(child.status.success());
    assert!(child.stdout.is_empty() && child.stderr.is_empty());
}

#[test]
fn nonsense_ends_the_child() {
    let mut output = Vec::new();
    for input in [
        &b"\x01"[..],
        b"hello world",
        &[0xff; 100],
        &[1, 0, 0, 0, 0xff],
    ] {
        let error = solvers::cbc::serve(input, &mut output);
        assert!(error.is_err(), "{input:?}");
    }
    assert!(output.is_empty());
    assert!(solvers::cbc::serve(&b""[..], &mut output).is_ok());
}
