//! The time bar: 100 short jobs on loopback, each through the program with workers of its own.
//!
//! Of their cycles 99 in 100 end within their limit and 50 ms, none later than that and the
//! longest that the orchestrator was held up in its job, and every job within its time.
//! `cargo bench -p runtime --bench limits [JOBS]`; ends with 1 if the bar is missed.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prints what it finds"
)]

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

#[path = "../tests/cluster/common.rs"]
#[expect(dead_code, reason = "jobs here have no faults")]
mod common;
use common::{Run, small};

/// Beyond the limit, for the average to be there.
const GRACE_S: f64 = 0.05;
/// The number of cycles in 100 that end within it.
const BAR: f64 = 99.0;
/// A job's own time is held to the nanosecond, and told as a float.
const ROUNDING_S: f64 = 1e-6;

fn main() -> ExitCode {
    let given = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    let jobs: usize = given.unwrap_or(100);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut cycles, mut late, mut too_late, mut over, mut unfinished) = (0_u32, 0_u32, 0, 0, 0);
    let (mut worst_s, mut stall_s, mut failed, mut accepted, mut lost) = (f64::MIN, 0.0, 0, 0, 0);
    for job in 0..jobs {
        if std::io::stderr().is_terminal() {
            eprint!("\rjob {} of {jobs}", job + 1);
            let _ = std::io::stderr().flush();
        }
        let workers = (2 + job % 3).to_string();
        let seed = job.to_string();
        let out = folder.path().join(&seed);
        // Slow workers and linear fees: the cheapest get all that they can do in time, so that each
        // cycle of theirs is planned up to its limit.
        let is_mlp = job % 5 == 4 && cfg!(feature = "torch");
        let throttles = if is_mlp {
            "0.6,0.5,0.4,0.3"
        } else {
            "0.05,0.04,0.03,0.02"
        };
        let mut args = small(240, &out);
        if is_mlp {
            let model = args.iter().position(|arg| arg == "linear");
            args[model.expect("it is given")] = "mlp".to_owned();
        }
        let more = [
            "--local",
            &workers,
            "--throttles",
            throttles,
            "--fee-type",
            "linear",
            "--cycles",
            "5",
            "--max-time",
            "2 s",
            "--seed",
            &seed,
        ];
        let end = Run::start(&args, &more).end();
        let Some(summary) = end.all("ended").last() else {
            eprintln!(
                "job {job} has no summary, code {:?}: {}",
                end.code, end.stderr
            );
            return ExitCode::FAILURE;
        };
        let number = |value: &serde_json::Value, key: &str| {
            value[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{key}: {value}"))
        };
        let stall = number(summary, "longest_stall_s");
        stall_s = f64::max(stall_s, stall);
        for cycle in end.all("cycle") {
            let beyond = number(cycle, "took_s") - number(cycle, "limit_s");
            cycles += 1;
            worst_s = f64::max(worst_s, beyond);
            late += u32::from(beyond > GRACE_S);
            if beyond > GRACE_S + stall {
                too_late += 1;
                println!("job {job}: beyond by {beyond:.4} s, stalled {stall:.4} s: {cycle}");
            }
        }
        if number(summary, "wall_s") > number(summary, "limit_s") + ROUNDING_S {
            over += 1;
            println!("job {job} took too long: {summary}");
        }
        if summary["ending"] != "completed" {
            unfinished += 1;
            println!("job {job} ended early: {}", end.stderr.trim());
        }
        failed += summary["cycles_failed"].as_u64().expect("a count");
        accepted += summary["batches_accepted"].as_u64().expect("a count");
        lost += summary["batches_lost"].as_u64().expect("a count");
    }
    let within = 100.0 * f64::from(cycles - late) / f64::from(cycles.max(1));
    println!(
        "{jobs} jobs, {cycles} cycles: {within:.2} % within limit + 50 ms (bar {BAR}); the latest {:+.1} ms from its limit; {too_late} beyond that and a stall (bar 0)",
        worst_s * 1e3
    );
    println!(
        "{over} jobs beyond their time (bar 0), {unfinished} ended early; longest stall {:.1} ms; {failed} cycles failed; {accepted} batches accepted, {lost} lost",
        stall_s * 1e3
    );
    // Jobs without a plan show nothing: a few, on a machine that is busy with other things, pass.
    let is_shown = cycles as usize * 10 >= jobs * 5 * 9;
    if is_shown && within >= BAR && too_late == 0 && over == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
