//! The least makespan: costs read as times.
//!
//! With a limit `T` worker `i` can take up to `c_i(T)` batches, the most whose cost is at most `T`; with curves
//! that do not fall, any number from its lower limit to that. So there are shares within `T` if and only if
//! every lower limit costs at most `T` and `Σ c_i(T) ≥ n`, which does not change back as `T` rises: bisection finds
//! the least `T`, and the sum at `T − 1` proves it.

use scheduler::{CurveProblem, CurveWorker};

/// The least largest cost of any worker, and the problem whose limits keep it: its cheapest plan is the
/// cheapest of the quickest. `None` if there is no plan.
///
/// Only for problems in which nobody may be idle.
///
/// # Panics
/// When somebody may be idle, or a curve falls.
pub fn least_makespan(problem: &CurveProblem) -> Option<(i64, CurveProblem)> {
    let workers = problem.workers();
    for worker in workers {
        assert!(!worker.may_idle, "an idle worker has no part in a makespan");
        let falls = match worker.curve.as_table() {
            Some((_, costs)) => costs.windows(2).any(|pair| pair[1] < pair[0]),
            None => {
                let points = worker.curve.to_points();
                points.windows(2).any(|pair| pair[1].1 < pair[0].1)
            }
        };
        assert!(!falls, "a time must not fall with the batches");
    }
    let n = problem.n();
    let lower: u64 = workers.iter().map(|worker| worker.curve.lower()).sum();
    let upper: u64 = workers.iter().map(|worker| worker.curve.upper()).sum();
    if !(lower..=upper).contains(&n) {
        return None;
    }
    let ends = |end: fn(&CurveWorker) -> u64| {
        let costs = workers
            .iter()
            .filter_map(|worker| worker.curve.at(end(worker)));
        costs.max().unwrap_or(0)
    };
    // The least T at which every lower limit fits, and one at which everything does.
    let (mut least, mut enough) = (
        ends(|worker| worker.curve.lower()),
        ends(|worker| worker.curve.upper()),
    );
    // What they can take at the one and at the other, between which lies what they can take in between.
    let mut few: Vec<u64> = workers.iter().map(|worker| worker.curve.lower()).collect();
    let mut many: Vec<u64> = workers.iter().map(|worker| worker.curve.upper()).collect();
    while least < enough {
        let t = least + (enough - least) / 2;
        let between = few.iter().zip(&many);
        let capacities = workers.iter().zip(between);
        let capacities: Vec<u64> = capacities
            .map(|(worker, (&few, &many))| capacity(worker, t, few, many))
            .collect();
        if capacities.iter().sum::<u64>() >= n {
            (enough, many) = (t, capacities);
        } else {
            (least, few) = (t + 1, capacities);
        }
    }
    let within = workers.iter().zip(many).filter_map(|(worker, most)| {
        let curve = worker.curve.within(0, most)?;
        Some(CurveWorker {
            curve,
            may_idle: false,
        })
    });
    let within = CurveProblem::new(n, problem.least(), problem.most(), within.collect()).ok()?;
    Some((least, within))
}

/// The most batches that cost at most `t`, which are `fits` or more, and at most `most`.
fn capacity(worker: &CurveWorker, t: i64, mut fits: u64, mut most: u64) -> u64 {
    while fits < most {
        let x = fits + (most - fits).div_ceil(2);
        if worker.curve.at(x).is_some_and(|cost| cost <= t) {
            fits = x;
        } else {
            most = x - 1;
        }
    }
    fits
}
