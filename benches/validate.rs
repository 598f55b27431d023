//! Throughput of a whole comparison, on one and on two threads.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use scenarios::Family;
use sim::validate::Job;
use solvers::AllocatorName;

const TESTS: u64 = 5_000;

fn throughput(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("validate");
    group.throughput(Throughput::Elements(TESTS));
    let names = ["heuristic", "exact"].map(|name| name.parse::<AllocatorName>());
    let allocators: Vec<AllocatorName> = names.into_iter().flatten().collect();
    for threads in [1, 2] {
        let id = BenchmarkId::new("heuristic,exact", format!("{threads} threads"));
        let job = Job::seeded(vec![Family::Thesis], TESTS, 1, allocators.clone(), threads);
        group.bench_function(id, |bencher| bencher.iter(|| job.run()));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    targets = throughput
}
criterion_main!(benches);
