//! What is said of many runs together: means and shares with their 95 % confidence intervals.

use results::paired::Part;
use results::{Estimate, Moments};

use super::simulate::Run;

pub(crate) fn fee(run: &Run) -> f64 {
    run.totals.scheduled.cost.units_f64()
}

pub(crate) fn wall(run: &Run) -> f64 {
    run.totals.wall.seconds_f64()
}

pub(crate) fn lost_percent(run: &Run) -> f64 {
    let (accepted, lost) = (
        run.totals.scheduled.accepted as f64,
        run.totals.scheduled.lost as f64,
    );
    100.0 * lost / (accepted + lost).max(1.0)
}

pub(crate) fn mean(runs: &[Run], of: impl Fn(&Run) -> f64) -> Option<Estimate> {
    let mut moments = Moments::default();
    runs.iter().for_each(|run| moments.add(of(run)));
    moments.mean()
}

/// So many of so many, as a run says it of itself.
pub(super) fn share_of(count: u64, of: u64) -> Part {
    Part {
        value: count as f64,
        of: of as f64,
    }
}

pub(crate) fn per_run(runs: &[Run], of: impl Fn(&Run) -> f64) -> String {
    mean(runs, of).map_or_else(dash, |mean| format!("{:.2}", mean.value))
}

pub(crate) fn shown(estimate: Option<Estimate>, places: usize) -> String {
    match estimate {
        Some(Estimate {
            value,
            high: Some(high),
            ..
        }) => format!("{value:.places$} ± {:.places$}", high - value),
        Some(Estimate { value, .. }) => format!("{value:.places$}"),
        None => dash(),
    }
}

/// A share in percent with its interval, which need not be symmetric.
pub(crate) fn interval(estimate: Option<Estimate>) -> String {
    match estimate {
        Some(Estimate {
            value,
            low: Some(low),
            high: Some(high),
        }) => format!(
            "{:.1} [{:.1}, {:.1}]",
            100.0 * value,
            100.0 * low,
            100.0 * high
        ),
        Some(Estimate { value, .. }) => format!("{:.1}", 100.0 * value),
        None => dash(),
    }
}

pub(crate) fn dash() -> String {
    "-".to_owned()
}
