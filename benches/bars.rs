//! The speed bars, as ratios of medians of interleaved runs.
//!
//! Each row names what is compared, the measured ratio, and the bar. A missed bar does not change
//! the exit code: noise must not fail a build.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use scenarios::Family;
use scheduler::Problem;
use solvers::{Allocator, Cbc, CbcOptions, Exact, Heuristic};

const SEED: u64 = 1;

fn main() {
    // `cargo test` runs bench targets too, without `--bench`: then nothing is measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!(
        "{:<62}{:>10}  {:>10}",
        "ratio of interleaved runs", "measured", "bar"
    );
    thesis();
    tails();
    million();
    cbc();
}

fn row(what: &str, measured: f64, bar: &str) {
    println!("{what:<62}{measured:>10.3}  {bar:>10}");
}

/// Exact, heuristic and a sort, problem by problem on the distribution of the thesis.
fn thesis() {
    let problems: Vec<Problem> = (0..20_000)
        .map(|i| Family::Thesis.problem(SEED, i))
        .collect();
    let (mut heuristic, mut exact) = (Heuristic::default(), Exact::default());
    let mut pairs: Vec<(u64, u64)> = Vec::new();
    let [mut sorts, mut heuristics, mut exacts] = [const { Vec::new() }; 3];
    for _ in ["warm up", "measure"] {
        sorts.clear();
        heuristics.clear();
        exacts.clear();
        for problem in &problems {
            pairs.clear();
            pairs.extend(problem.workers().iter().map(|w| (w.fee.micros(), w.s_max)));
            sorts.push(time(|| black_box(&mut pairs).sort_unstable()));
            heuristics.push(time(|| heuristic.measure(black_box(problem))));
            exacts.push(time(|| exact.measure(black_box(problem))));
        }
    }
    let sum = |times: &[Duration]| times.iter().sum::<Duration>();
    let mean = ratio(sum(&exacts), sum(&heuristics));
    let median_exact = median(&mut exacts);
    let median_heuristic = median(&mut heuristics);
    row(
        "thesis: exact / heuristic, medians",
        ratio(median_exact, median_heuristic),
        "1.5",
    );
    row("thesis: exact / heuristic, means", mean, "1.5");
    row(
        "thesis: heuristic / sort of its pairs",
        ratio(median_heuristic, median(&mut sorts)),
        "3",
    );
}

/// The 99th percentile of exact, in milliseconds, where k is at most 100.
fn tails() {
    let mut exact = Exact::default();
    for family in Family::ALL {
        if family == Family::Partition {
            continue;
        }
        let mut times: Vec<Duration> = (0..20_000)
            .map(|test| family.problem(SEED, test))
            .map(|problem| time(|| exact.measure(black_box(&problem))))
            .collect();
        times.sort_unstable();
        let p99 = times[times.len() * 99 / 100].as_secs_f64() * 1e3;
        row(&format!("{family}: p99 of exact in ms"), p99, "1 ms");
    }
}

/// A million workers against a sort of a million pairs.
fn million() {
    let k = 1_000_000;
    for (family, what) in [(Family::Thesis, "easy"), (Family::ForcedLot, "forced lot")] {
        let problem = family.problem_of_size(SEED, 0, k).expect("of any size");
        let mut exact = Exact::default();
        let [mut sorts, mut exacts] = [const { Vec::new() }; 2];
        for _ in 0..15 {
            let workers = problem.workers().iter();
            let mut pairs: Vec<_> = workers.map(|w| (w.fee.micros(), w.s_max)).collect();
            sorts.push(time(|| black_box(&mut pairs).sort_unstable()));
            exacts.push(time(|| exact.measure(black_box(&problem))));
        }
        let measured = ratio(median(&mut exacts), median(&mut sorts));
        row(
            &format!("k = 10^6, {what}: exact / sort of its pairs"),
            measured,
            "2",
        );
    }
}

/// CBC with our options, CBC with its default options, and exact, in turns over the same problems.
/// Shorter turns would distort the result: a solve of CBC's clears the caches, and exact takes a
/// third longer on the first problems after it.
fn cbc() {
    const RUNS: usize = 4;
    let problems: Vec<Problem> = (0..600)
        .map(|test| Family::Thesis.problem(SEED, test))
        .filter(|problem| problem.infeasibility().is_none())
        .collect();
    let mut tuned = Cbc::new();
    let mut default = Cbc::new().with_options(CbcOptions::Default);
    let mut exact = Exact::default();
    let [mut tuned_times, mut default_times, mut exact_times] = [const { Vec::new() }; 3];
    for _ in 0..RUNS {
        take_turn(&mut tuned, &problems, &mut tuned_times);
        take_turn(&mut default, &problems, &mut default_times);
        take_turn(&mut exact, &problems, &mut exact_times);
    }
    let sum = |times: &[Duration]| times.iter().sum::<Duration>();
    let totals = ratio(sum(&tuned_times), sum(&default_times));
    let tuned = median(&mut tuned_times);
    let medians = ratio(tuned, median(&mut default_times));
    row(
        "thesis: cbc / cbc with default options, medians",
        medians,
        "0.5",
    );
    row(
        "thesis: cbc / cbc with default options, totals",
        totals,
        "0.5",
    );
    let advantage = ratio(tuned, median(&mut exact_times));
    row("thesis: cbc / exact, medians", advantage, "> 1000");
}

fn take_turn(allocator: &mut impl Allocator, problems: &[Problem], times: &mut Vec<Duration>) {
    for problem in problems {
        times.push(time(|| allocator.measure(black_box(problem))));
    }
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
