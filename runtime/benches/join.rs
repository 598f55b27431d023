//! The join bar: from the start of a worker's process to its admission, on loopback, 20 workers one
//! after the other, for a model that needs libtorch if this build has it.
//! `cargo bench -p runtime --bench join -- [PROGRAM]`, where PROGRAM is another build of `runtime`
//! to compare with, in turns; ends with 1 if the bar is missed.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

#[path = "../tests/cluster/common.rs"]
#[expect(dead_code, reason = "workers here have no faults")]
mod common;
use common::Run;

const WORKERS: usize = 20;
const BAR_S: f64 = 1.0;

fn main() -> ExitCode {
    let own = PathBuf::from(env!("CARGO_BIN_EXE_runtime"));
    let other = std::env::args()
        .skip(1)
        .find(|given| !given.starts_with('-'));
    let folder = tempfile::tempdir().expect("a folder");
    let model = if cfg!(feature = "torch") {
        "mlp"
    } else {
        "linear"
    };
    // It waits for more workers than there will be, and trains nothing.
    let out = folder.path().join("run").display().to_string();
    let state = folder.path().join("state").display().to_string();
    let args = [
        "cluster",
        "--json",
        "--model",
        model,
        "--data",
        "synthetic:train=3200,test=100",
        "--expect",
        "1000",
        "--set",
        "waits.gather=10 min",
        "--listen",
        "127.0.0.1:0",
        "--no-discovery",
        "--uses",
        "1000",
        "--state",
        &state,
        "--out",
        &out,
    ]
    .map(str::to_owned);
    let mut run = Run::start(&args, &[]);
    let listening = run.until("listening", |_| true);
    let token = listening["token"].as_str().expect("a token").to_owned();
    let programs: Vec<PathBuf> = [Some(own), other.map(PathBuf::from)]
        .into_iter()
        .flatten()
        .collect();
    let mut took = vec![Vec::new(); programs.len()];
    for worker in 0..WORKERS {
        for (which, (program, took)) in programs.iter().zip(&mut took).enumerate() {
            let name = format!("worker-{which}-{worker}");
            took.push(joins(&mut run, program, &name, &token, folder.path()));
        }
    }
    let mut is_met = true;
    for (which, (program, mut took)) in programs.iter().zip(took).enumerate() {
        took.sort_by(f64::total_cmp);
        let median = took[WORKERS / 2];
        println!(
            "{}: {WORKERS} workers admitted {:.0} ms after their start in the median, {:.0} at most (bar {:.0})",
            program.display(),
            median * 1e3,
            took[WORKERS - 1] * 1e3,
            BAR_S * 1e3
        );
        is_met &= which > 0 || median < BAR_S;
    }
    if is_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Seconds from the start of a worker to its admission; it is ended afterwards.
fn joins(run: &mut Run, program: &Path, name: &str, token: &str, folder: &Path) -> f64 {
    let since = Instant::now();
    let mut child = Command::new(program)
        .args(["worker", "--join", token, "--name", name, "--state"])
        .arg(folder.join(name))
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    run.until_worker("joined", name);
    let took = since.elapsed().as_secs_f64();
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
    took
}
