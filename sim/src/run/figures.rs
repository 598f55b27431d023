//! What is said of many runs together: means and shares with their 95 % confidence intervals.

use results::text::{interval, number};
use results::{Estimate, Moments, share};

use super::simulate::Run;

pub(crate) fn fee(run: &Run) -> f64 {
    run.totals.scheduled.cost.units_f64()
}

pub(crate) fn wall(run: &Run) -> f64 {
    run.totals.wall.seconds_f64()
}

pub(crate) fn limit(run: &Run) -> f64 {
    run.totals.limit.seconds_f64()
}

pub(crate) fn lost_percent(run: &Run) -> f64 {
    let totals = &run.totals.scheduled;
    let (accepted, lost) = (totals.accepted as f64, totals.lost as f64);
    100.0 * lost / (accepted + lost).max(1.0)
}

pub(crate) fn mean(runs: &[Run], of: impl Fn(&Run) -> f64) -> Option<Estimate> {
    let mut moments = Moments::default();
    runs.iter().for_each(|run| moments.add(of(run)));
    moments.mean()
}

/// The share of runs that missed their limit, lost batches or ended early.
pub(crate) fn missed(runs: &[Run]) -> Option<Estimate> {
    let missed = runs.iter().filter(|run| run.totals.is_missed()).count();
    share(missed as u64, runs.len() as u64)
}

/// The mean per run, as text.
pub(crate) fn per_run(runs: &[Run], of: impl Fn(&Run) -> f64) -> String {
    number(mean(runs, of).map(|mean| mean.value), 2)
}

/// A share in percent with its interval, as text.
pub(crate) fn percent(share: Option<Estimate>) -> String {
    interval(share.map(|share| share.times(100.0)), 1)
}
