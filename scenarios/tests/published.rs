//! The problems of the papers are drawn as there: a seed's first numbers, and the shapes.

use scenarios::published::{EXPERIMENTS, Goal};

#[test]
fn there_are_as_many_as_in_the_papers() {
    let count = |goal| {
        let experiments = EXPERIMENTS.iter().filter(|it| it.goal == goal);
        experiments.map(|it| it.sizes().count()).sum::<usize>()
    };
    assert_eq!((count(Goal::TotalCost), count(Goal::Makespan)), (210, 184));
}

/// `numpy.random.seed(100); numpy.random.uniform(1, 10, 2)` is 5.8906…, 3.5053….
#[test]
fn numbers_are_those_of_numpy() {
    let problem = EXPERIMENTS[0].problem(1_000, 10);
    let curve = &problem.workers()[0].curve;
    let (five, six) = (curve.at(5).expect("within"), curve.at(6).expect("within"));
    let (a, b) = (5.890_644_476_118_689, 3.505_324_465_844_165_3);
    assert_eq!(five, ((a + 5.0 * b) * 1e6_f64).round() as i64);
    assert_eq!(six, ((a + 6.0 * b) * 1e6_f64).round() as i64);
}

#[test]
fn limits_are_those_of_the_papers() {
    let problem = EXPERIMENTS[0].problem(1_000, 10);
    let limits = |at: usize| {
        let curve = &problem.workers()[at].curve;
        (curve.lower(), curve.upper())
    };
    assert_eq!((limits(0), limits(9)), ((5, 1_000), (5, 200)));
    let shares = EXPERIMENTS[6].problem(1_000, 10);
    let mut limits: Vec<(u64, u64)> = shares
        .workers()
        .iter()
        .map(|worker| (worker.curve.lower(), worker.curve.upper()))
        .collect();
    limits.sort_unstable();
    limits.dedup();
    assert_eq!(limits, [(4, 50), (4, 200), (25, 200)]);
}
