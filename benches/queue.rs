//! The event engine alone: events per second on two small models, and the cost of an event by the
//! number of pending events.
//!
//! `cargo bench -p benches --bench queue`; `--bench engine` compares it with a bare heap.

mod models;
mod ours;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use models::{Bare, barriers, completions};
use ours::Ours;

const EVENTS: u64 = 200_000;

type Model<E> = fn(&mut E, u32, u64) -> u64;

fn models(criterion: &mut Criterion) {
    let all: [(&str, Model<Ours>, Model<Bare>); 2] = [
        ("completions", completions, completions),
        ("barriers", barriers, barriers),
    ];
    for (name, ours, bare) in all {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(EVENTS));
        for workers in [10, 10_000] {
            group.bench_function(BenchmarkId::new("ours, workers", workers), |bencher| {
                bencher.iter(|| ours(&mut Ours::with_room(0), workers, EVENTS));
            });
            group.bench_function(BenchmarkId::new("bare heap, workers", workers), |bencher| {
                bencher.iter(|| bare(&mut Bare::default(), workers, EVENTS));
            });
        }
        group.finish();
    }
}

/// The cost of an event may grow with the logarithm of the number of pending events, not faster.
fn growth(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pending");
    for exponent in [4_u32, 8, 12, 16, 20] {
        let (workers, events) = (1 << exponent, 4 * EVENTS.max(1 << exponent));
        group.throughput(Throughput::Elements(events));
        group.bench_function(BenchmarkId::new("2 to the", exponent), |bencher| {
            bencher.iter(|| completions(&mut Ours::with_room(workers), workers, events));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = models, growth
}
criterion_main!(benches);
