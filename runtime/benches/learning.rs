//! The learning bar: mnist with four local workers, 80 cycles of 1,875 batches of 32, under each
//! type of fees and with both losses. `./allot data mnist` fetches the data.
//! `cargo bench -p runtime --bench learning`; ends with 1 if the bar is missed.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prints what it finds"
)]

use std::process::ExitCode;

#[path = "../tests/cluster/common.rs"]
#[expect(dead_code, reason = "jobs here have no faults")]
mod common;
use common::Run;

/// Fees, loss, and the least argmax accuracy.
const RUNS: [(&str, &str, f64); 4] = [
    ("constant", "cross-entropy", 0.97),
    ("random", "cross-entropy", 0.97),
    ("linear", "cross-entropy", 0.97),
    ("constant", "thesis-softmax", 0.965),
];

fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder");
    let mut missed = 0;
    for (at, (fees, loss, bar)) in RUNS.into_iter().enumerate() {
        let out = folder.path().join(at.to_string()).display().to_string();
        let args = [
            "cluster",
            "--json",
            "--model",
            "mlp",
            "--data",
            "mnist",
            "--local",
            "4",
            "--beta",
            "4",
            "--cycles",
            "80",
            "--batch-size",
            "32",
            "--max-time",
            "20 min",
            "--seed",
            "1",
            "--fee-type",
            fees,
            "--loss",
            loss,
            "--out",
            &out,
        ]
        .map(str::to_owned);
        let end = Run::start(&args, &[]).end();
        let Some(summary) = end.all("ended").last() else {
            eprintln!("{fees} fees, {loss}: no summary: {}", end.stderr);
            return ExitCode::FAILURE;
        };
        let number = |key: &str| summary[key].as_f64().unwrap_or(f64::NAN);
        println!(
            "{fees} fees, {loss}: accuracy {:.4} (bar {bar}), true-class probability {:.4}, loss {:.4}; {} cycles in {:.1} s, {}",
            number("accuracy"),
            number("true_class_probability"),
            number("loss"),
            summary["cycles_complete"],
            number("wall_s"),
            summary["ending"]
        );
        let is_met = summary["ending"] == "completed"
            && summary["batches_lost"] == 0
            && number("accuracy") >= bar;
        missed += u32::from(!is_met);
    }
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
