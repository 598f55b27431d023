//! Whole runs in the virtual world: scheduler steps per second without the allocator's time, and
//! the time and memory of 10,000 workers over 100 cycles.
//!
//! `cargo bench -p benches --bench world`

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::fs;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use scenarios::scenario::{Jitter, Ratio};
use scheduler::machine::{Config, Limit, Record, Replan};
use scheduler::{Fee, Margin, PlanRequest, Span, Speed};
use sim::world::{Observers, PipeModel, RunTotals, Way, WorkerModel, World, run};
use solvers::{Allocator, Exact};

/// Everything takes time; most workers are employed and send heartbeats.
fn world(workers: u32, cycles: u32, replan: Replan) -> World {
    let limit = Limit::Cycle(Span::from_secs(8));
    let mut config = Config::new(u64::from(workers) * 50, cycles, limit);
    config.expect = workers;
    (config.benchmark.batches, config.benchmark.rounds) = (10, 1);
    config.replan = replan;
    config.margins.benchmarked = Margin::lognormal(50_000, 110_000);
    config.margins.learnt = Margin::lognormal(50_000, 50_000);
    let all = Span::from_millis(200);
    config.time_model.shared = all * 2 / u64::from(workers);
    let workers: Vec<_> = (0..u64::from(workers)).map(worker).collect();
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

fn worker(place: u64) -> WorkerModel {
    let speed = Speed::measured(8 + place % 7, Span::from_secs(1)).expect("at least one batch");
    let fee = Fee::from_micros(1 + place % 17).expect("a small fee");
    let mut worker = WorkerModel::new(speed, fee).with_way(Way {
        latency: Span::from_millis(1),
        ..Way::default()
    });
    worker.errors.benchmark.sigma = Ratio::from_micros(100_000);
    worker.errors.jitter = Jitter::Lognormal(Ratio::from_micros(50_000));
    worker
}

/// A run, and its time without the allocator's. Rows are kept, as by a caller that writes tables.
fn timed(world: &World) -> (RunTotals, Duration) {
    let (mut exact, mut allocating, mut rows) = (Exact::default(), Duration::ZERO, Vec::new());
    let clock = Instant::now();
    let mut allocate = |request: &PlanRequest| {
        let clock = Instant::now();
        let response = request.cheapest(|problem| exact.measure(problem).outcome);
        allocating += clock.elapsed();
        response
    };
    let mut sink = |at, record: &Record| rows.push((at, record.clone()));
    let totals = run(world, 1, 0, &mut allocate, Observers::of_rows(&mut sink));
    (totals, clock.elapsed() - allocating)
}

fn steps(criterion: &mut Criterion) {
    for (policy, replan) in [("static", Replan::Static), ("adaptive", Replan::Adaptive)] {
        let mut group = criterion.benchmark_group(format!("steps, {policy}"));
        for (workers, cycles) in [(10, 5_000), (100, 500), (1_000, 50), (10_000, 10)] {
            let world = world(workers, cycles, replan);
            let (totals, _) = timed(&world);
            group.throughput(Throughput::Elements(totals.steps));
            group.bench_function(BenchmarkId::new("workers", workers), |bencher| {
                bencher.iter_custom(|runs| (0..runs).map(|_| timed(&world).1).sum());
            });
        }
        group.finish();
    }
}

/// 10,000 workers over 100 cycles, once: about 10 s and 1 GiB.
fn large(_: &mut Criterion) {
    // `cargo test` runs bench targets too, without `--bench`: then nothing is measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    for (policy, replan) in [("static", Replan::Static), ("adaptive", Replan::Adaptive)] {
        let world = world(10_000, 100, replan);
        let clock = Instant::now();
        let (totals, others) = timed(&world);
        println!(
            "10000 workers, 100 cycles, {policy}: {:.1} s, {:.1} s without the allocator; {} steps, \
             {:.2} million per second; {}, peak memory {}",
            clock.elapsed().as_secs_f64(),
            others.as_secs_f64(),
            totals.steps,
            totals.steps as f64 / others.as_secs_f64() / 1e6,
            totals.end.ending,
            peak(),
        );
    }
}

/// The peak memory of the whole process so far.
fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("not known on this system".to_owned(), |kib| {
        kib.trim().to_owned()
    })
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = large, steps
}
criterion_main!(benches);
