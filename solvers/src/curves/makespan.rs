//! The least makespan: costs read as times.
//!
//! With a limit `T` worker `i` can take up to `c_i(T)` batches, the most whose cost is at most `T`; with curves
//! that do not fall, any number from its lower limit to that. So there are shares within `T` if and only if
//! every lower limit costs at most `T` and `Σ c_i(T) ≥ n`, which does not change back as `T` rises. Two limits, at
//! which the sums lie below and above `n`, are brought together until few batches lie between; the one that
//! is missing then, in the order of their costs, has the least `T` for its cost.

use scheduler::{CurveProblem, CurveWorker};

/// The least largest cost of any worker. `None` if there is no plan.
///
/// Only for problems in which nobody may be idle.
///
/// # Panics
/// When somebody may be idle, or a curve falls.
pub fn least_makespan(problem: &CurveProblem) -> Option<i64> {
    let workers = problem.workers();
    for worker in workers {
        assert!(!worker.may_idle, "an idle worker has no part in a makespan");
        assert!(
            !worker.curve.falls(),
            "a time must not fall with the batches"
        );
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
    let sum = |batches: &[u64]| batches.iter().sum::<u64>();
    let few_left = 4 * workers.len() as u64;
    for step in 0.. {
        let (below, above) = (sum(&few), sum(&many));
        if least >= enough || below >= n || above - below <= few_left {
            break;
        }
        let t = between(step, (least, enough), (n - below, above - below));
        let ranges = few.iter().zip(&many);
        let capacities = workers.iter().zip(ranges);
        let capacities: Vec<u64> = capacities
            .map(|(worker, (&few, &many))| capacity(worker, t, few, many))
            .collect();
        if sum(&capacities) >= n {
            (enough, many) = (t, capacities);
        } else {
            (least, few) = (t + 1, capacities);
        }
    }
    let Some(last) = n.saturating_sub(sum(&few)).checked_sub(1) else {
        return Some(least);
    };
    if least >= enough {
        return Some(least);
    }
    let left = workers.iter().zip(few.iter().zip(&many));
    let costs = left.flat_map(|(worker, (&few, &many))| {
        (few + 1..=many).filter_map(|batches| worker.curve.at(batches))
    });
    let mut costs: Vec<i64> = costs.collect();
    let (_, cost, _) = costs.select_nth_unstable(last as usize);
    Some(least.max(*cost))
}

/// The most batches that cost at most `t`, which are `fits` or more, and at most `most`.
fn capacity(worker: &CurveWorker, t: i64, mut fits: u64, mut most: u64) -> u64 {
    let cost = |batches: u64| worker.curve.at(batches).unwrap_or(i64::MAX);
    if fits == most || cost(most) <= t {
        return most;
    }
    let (mut low, mut high) = (cost(fits), cost(most));
    for step in 0.. {
        // `fits` costs at most t, `most` more.
        if most - fits < 2 {
            break;
        }
        let part = ((t - low).unsigned_abs(), (high - low).unsigned_abs());
        let x = between(step, (fits as i64 + 1, most as i64), part) as u64;
        let found = cost(x);
        if found <= t {
            (fits, low) = (x, found);
        } else {
            (most, high) = (x, found);
        }
    }
    fits
}

/// A place from `first` to before `end`: where a straight line would be, but every third time the middle, so that
/// it ends soon whatever the shape.
fn between(step: u64, (first, end): (i64, i64), (part, whole): (u64, u64)) -> i64 {
    let width = (end - first) as u64;
    let ahead = if step % 3 == 2 {
        width / 2
    } else {
        (u128::from(width) * u128::from(part) / u128::from(whole.max(1))) as u64
    };
    first + ahead.min(width - 1) as i64
}
