//! How fast whole runs go.
//!
//! `cargo test -p sim --release --test world pace -- --ignored --nocapture --test-threads 1`

use std::time::{Duration, Instant as Clock};

use scheduler::machine::{Ending, Record, Replan};
use scheduler::{Family, Margin, Span};
use sim::world::{Jitter, PipeModel, RunTotals, Way, World, run};

use crate::greedy::{Row, greedy, job, worker};

/// Everything takes time; most are employed, and beat.
fn world(workers: u32, cycles: u32, replan: Replan) -> World {
    let mut config = job(u64::from(workers) * 50, cycles, 8, workers);
    config.replan = replan;
    config.margins.benchmarked = Margin::lognormal(50_000, 110_000);
    config.margins.learnt = Margin::lognormal(50_000, 50_000);
    let all = Span::from_millis(200);
    config.law.shared = all * 2 / u64::from(workers);
    let workers: Vec<_> = (0..workers)
        .map(|i| {
            let mut worker = worker(8 + u64::from(i % 7), u64::from(1 + i % 17));
            worker = worker.with_way(Way {
                latency: Span::from_millis(1),
                ..Way::default()
            });
            (worker.benchmark.error, worker.jitter) = (0.1, Jitter::Lognormal(0.05));
            worker
        })
        .collect();
    let pipe = PipeModel {
        parameters: all / workers.len() as u64,
        ..PipeModel::INSTANT
    };
    World {
        down: pipe,
        up: pipe,
        ..World::new(config, workers)
    }
}

/// The totals, the seconds without those of the allocator, and these with the number of answers.
fn timed(world: &World) -> (RunTotals, f64, (f64, u64)) {
    let (mut allocating, mut answers) = (Duration::ZERO, 0);
    let clock = Clock::now();
    let mut allocate = |family: &Family| {
        let clock = Clock::now();
        let choice = greedy(family);
        allocating += clock.elapsed();
        answers += choice.solves;
        choice
    };
    // Rows are kept, as a caller that writes tables would.
    let mut rows: Vec<Row> = Vec::new();
    let mut sink = |at, record: &Record| rows.push((at, *record));
    let totals = run(world, 1, 0, &mut allocate, &mut sink);
    let others = clock.elapsed() - allocating;
    (
        totals,
        others.as_secs_f64(),
        (allocating.as_secs_f64(), answers),
    )
}

#[test]
#[ignore = "a measurement, worth something in release only"]
fn steps_a_second() {
    for replan in [Replan::Static, Replan::Adaptive] {
        for (workers, cycles) in [(10, 50_000), (100, 5_000), (1_000, 500), (10_000, 100)] {
            let (totals, seconds, (allocating, solves)) = timed(&world(workers, cycles, replan));
            println!(
                "{replan:?}, {workers} workers, {cycles} cycles: {seconds:.2} s, {} steps, {:.2} \
                 million a second, {:.2} million happenings a second; {allocating:.2} s for \
                 {solves} problems and {} plans; {}, {} orders",
                totals.steps,
                totals.steps as f64 / seconds / 1e6,
                totals.happenings as f64 / seconds / 1e6,
                totals.scheduled.plans,
                totals.ending,
                totals.orders,
            );
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!(
        "peak memory: {}",
        peak.unwrap_or("not known on this system")
    );
}

#[test]
fn it_ends() {
    let (totals, ..) = timed(&world(50, 20, Replan::Adaptive));
    assert_eq!(totals.ending, Ending::Completed);
    assert!(totals.steps > 50 * 20);
}
