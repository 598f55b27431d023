//! The bars of benchmarks: six throttled workers of this machine measure themselves, then train for some 20
//! seconds, which is the long measurement that they are compared with.
//! `cargo bench -p runtime --bench benchmark -- [RUNS]`; ends with 1 if a bar is missed.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::path::Path;
use std::process::ExitCode;

use results::runs::RecordedFolder;

#[path = "../tests/cluster/common.rs"]
#[expect(dead_code, reason = "workers here have no faults")]
mod common;
use common::Run;

const THROTTLES: &str = "0.25,0.2,0.15,0.1,0.05,0.05";
/// From the admission of the first to the last result.
const BAR_S: f64 = 5.0;
const BAR_PERCENT: f64 = 3.0;
/// Nineteen of twenty.
const BAR_SHARE: f64 = 0.95;

fn main() -> ExitCode {
    let mut given = std::env::args()
        .skip(1)
        .filter(|given| !given.starts_with('-'));
    let runs: u32 = given
        .next()
        .map_or(4, |runs| runs.parse().expect("a number of runs"));
    let (mut errors, mut longest) = (Vec::new(), 0.0_f64);
    for number in 1..=runs {
        let folder = tempfile::tempdir().expect("a folder");
        let (took, own) = run(&folder.path().join("run"));
        let said: Vec<String> = own.iter().map(|error| format!("{error:+.1}")).collect();
        println!("run {number}: {took:.1} s, errors {} %", said.join(" "));
        longest = longest.max(took);
        errors.extend(own);
    }
    let good = errors
        .iter()
        .filter(|error| error.abs() <= BAR_PERCENT)
        .count();
    let share = good as f64 / errors.len() as f64;
    println!(
        "benchmarked within {longest:.1} s (bar {BAR_S:.0}); {good} of {} speeds within {BAR_PERCENT:.0} % of \
         those in a cycle (bar {:.0} %)",
        errors.len(),
        100.0 * BAR_SHARE
    );
    if longest <= BAR_S && share >= BAR_SHARE {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// How long benchmarks took, and by how many percent each read too fast.
fn run(out: &Path) -> (f64, Vec<f64>) {
    let model = if cfg!(feature = "torch") {
        "mlp"
    } else {
        "linear"
    };
    let out_text = out.display().to_string();
    let args = [
        "cluster",
        "--json",
        "--model",
        model,
        "--data",
        "synthetic:train=41600,test=100",
        "--local",
        "6",
        "--throttles",
        THROTTLES,
        "--objective",
        "quickest",
        "--set",
        "job.tau=10",
        "--cycles",
        "1",
        "--cycle-time",
        "2 min",
        "--beta",
        "6",
        "--out",
        &out_text,
    ]
    .map(str::to_owned);
    let end = Run::start(&args, &[]).end();
    end.completed();
    let at = |what: &str| {
        let all: Vec<f64> = end
            .all(what)
            .filter_map(|event| event["at_s"].as_f64())
            .collect();
        all
    };
    let first = at("joined").into_iter().fold(f64::INFINITY, f64::min);
    let last = at("benchmarked").into_iter().fold(0.0, f64::max);
    let folder = RecordedFolder::open(out).expect("a run");
    let run = folder
        .runs()
        .expect("tables")
        .next()
        .expect("a run")
        .expect("it is whole");
    let passes = f64::from(folder.job().config.time_model.passes);
    let workers = run.periods[0]
        .candidates
        .iter()
        .filter(|worker| worker.batches > 0);
    let errors = workers.map(|worker| {
        let took = worker.computes[0].seconds_f64();
        let speed = worker.batches as f64 * passes / took;
        100.0 * (worker.speed.per_second_f64() / speed - 1.0)
    });
    (last - first, errors.collect())
}
