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
    while least < enough {
        let t = least + (enough - least) / 2;
        let capacity: u64 = workers.iter().map(|worker| capacity(worker, t)).sum();
        if capacity >= n {
            enough = t;
        } else {
            least = t + 1;
        }
    }
    let within = workers.iter().filter_map(|worker| {
        let curve = worker.curve.within(0, capacity(worker, least))?;
        Some(CurveWorker {
            curve,
            may_idle: false,
        })
    });
    let within = CurveProblem::new(n, problem.least(), problem.most(), within.collect()).ok()?;
    Some((least, within))
}

/// The most batches that cost at most `t`, where the lower limit does.
fn capacity(worker: &CurveWorker, t: i64) -> u64 {
    let (mut fits, mut most) = (worker.curve.lower(), worker.curve.upper());
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
