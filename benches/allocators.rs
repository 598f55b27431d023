//! Latency of every allocator, over the families and over the number of workers.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use scenarios::Family;
use scheduler::Problem;
use solvers::{AllocatorName, Host, MAX_LP_WORKERS};

const SEED: u64 = 1;

/// The number of problems that take turns, so that the branch predictor does not learn one.
const POOL: u64 = 64;

/// Those that prove something, and the heuristic beside them; without solvers of the user's own.
fn ours() -> impl Iterator<Item = AllocatorName> {
    let names = ["heuristic", "exact", "cbc", "lp"];
    let all = AllocatorName::all().into_iter();
    all.filter(move |name| names.contains(&name.name()))
}

fn families(criterion: &mut Criterion) {
    for family in Family::ALL {
        let problems: Vec<Problem> = (0..POOL).map(|test| family.problem(SEED, test)).collect();
        for name in ours() {
            // CBC takes seconds on these, up to its node limit.
            if family == Family::Partition && name.name() == "cbc" {
                continue;
            }
            latency(criterion, name, family.name(), &problems);
        }
    }
}

fn sizes(criterion: &mut Criterion) {
    for exponent in 1..=6 {
        let k = 10_u64.pow(exponent);
        let pool = (POOL / k).max(1);
        let problem = |test| Family::Thesis.problem_of_size(SEED, test, k);
        let problems: Vec<Problem> = (0..pool).filter_map(problem).collect();
        for name in ours() {
            let most = match name.name() {
                "cbc" => solvers::cbc::MAX_CBC_WORKERS,
                "lp" => MAX_LP_WORKERS,
                _ => usize::MAX,
            };
            if k as usize <= most {
                latency(criterion, name, &format!("k={k}"), &problems);
            }
        }
    }
}

fn latency(criterion: &mut Criterion, name: AllocatorName, what: &str, problems: &[Problem]) {
    let mut allocator = name.create(&Host::default());
    let mut next = 0;
    criterion.bench_function(&format!("{}/{what}", name.name()), |bencher| {
        bencher.iter(|| {
            next = (next + 1) % problems.len();
            allocator.measure(black_box(&problems[next]))
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = families, sizes
}
criterion_main!(benches);
