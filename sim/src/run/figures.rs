//! What is said of many runs together: means and shares with their 95 % confidence intervals.

use results::runs::RunEnd;
use results::text::{interval, number};
use results::{Estimate, Moments, share};

pub(crate) fn fee(run: &RunEnd) -> f64 {
    run.totals.cost.units_f64()
}

pub(crate) fn wall(run: &RunEnd) -> f64 {
    run.wall().seconds_f64()
}

pub(crate) fn limit(run: &RunEnd) -> f64 {
    run.limit.seconds_f64()
}

pub(crate) fn lost_percent(run: &RunEnd) -> f64 {
    let totals = &run.totals;
    let (accepted, lost) = (totals.accepted as f64, totals.lost as f64);
    100.0 * lost / (accepted + lost).max(1.0)
}

pub(crate) fn mean(runs: &[RunEnd], of: impl Fn(&RunEnd) -> f64) -> Option<Estimate> {
    let mut moments = Moments::default();
    runs.iter().for_each(|run| moments.add(of(run)));
    moments.mean()
}

/// The share of runs that missed their limit, lost batches or ended early.
pub(crate) fn missed(runs: &[RunEnd]) -> Option<Estimate> {
    let missed = runs.iter().filter(|run| run.is_missed()).count();
    share(missed as u64, runs.len() as u64)
}

/// The mean per run, as text.
pub(crate) fn per_run(runs: &[RunEnd], of: impl Fn(&RunEnd) -> f64) -> String {
    number(mean(runs, of).map(|mean| mean.value), 2)
}

/// A share in percent with its interval, as text.
pub(crate) fn percent(share: Option<Estimate>) -> String {
    interval(share.map(|share| share.times(100.0)), 1)
}
