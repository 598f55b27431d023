//! Figures of many runs together: means and shares with their 95 % confidence intervals.

use results::runs::RunEnd;
use results::text::{interval, number, plus_minus};
use results::{Estimate, Moments, share};
use scheduler::machine::Ending;
use serde_json::{Value, json};

/// A column of tables that have a row for many runs: in text, in JSON lines and in CSV.
pub(crate) struct Column {
    key: &'static str,
    pub(crate) heading: &'static str,
    places: usize,
    kind: Kind,
    of: fn(&RunEnd) -> f64,
}

enum Kind {
    /// The mean with its interval, of the runs that reached their last cycle: what the others would
    /// still have paid, and how long they would have taken, is unknown.
    Whole,
    /// The mean alone, of all runs.
    PlainMean,
    /// The number of runs of which it is not 0.
    Count,
    /// The share of runs of which it is not 0, with its interval, in percent.
    Share,
}

impl Column {
    const fn new(
        key: &'static str,
        heading: &'static str,
        (kind, places): (Kind, usize),
        of: fn(&RunEnd) -> f64,
    ) -> Self {
        Self {
            key,
            heading,
            places,
            kind,
            of,
        }
    }

    /// The figure of these runs.
    pub(crate) fn of(&self, runs: &[RunEnd]) -> Option<Estimate> {
        match self.kind {
            Kind::Whole => mean_of_whole(runs, self.of),
            Kind::PlainMean => mean(runs, self.of),
            Kind::Count => Some(Estimate {
                value: hits(runs, self.of) as f64,
                low: None,
                high: None,
            }),
            Kind::Share => share_of(runs, self.of),
        }
    }

    /// As text.
    pub(crate) fn text(&self, estimate: Option<Estimate>) -> String {
        match self.kind {
            Kind::Whole => plus_minus(estimate, self.places),
            Kind::PlainMean | Kind::Count => number(estimate.map(|mean| mean.value), self.places),
            Kind::Share => percent(estimate),
        }
    }

    /// The names of its values for scripts.
    pub(crate) fn keys(&self) -> Vec<String> {
        let key = self.key;
        match self.kind {
            Kind::PlainMean | Kind::Count => vec![key.to_owned()],
            Kind::Whole | Kind::Share => {
                vec![key.to_owned(), format!("{key}_low"), format!("{key}_high")]
            }
        }
    }

    /// Its values for scripts, null where nothing is known.
    pub(crate) fn values(&self, estimate: Option<Estimate>) -> Vec<Value> {
        let unit = match self.kind {
            Kind::Share => 100.0,
            Kind::Whole | Kind::PlainMean | Kind::Count => 1.0,
        };
        let value = json!(estimate.map(|e| unit * e.value));
        match self.kind {
            Kind::PlainMean => vec![value],
            Kind::Count => vec![json!(estimate.map(|e| e.value as u64))],
            Kind::Whole | Kind::Share => vec![
                value,
                json!(estimate.and_then(|e| e.low).map(|low| unit * low)),
                json!(estimate.and_then(|e| e.high).map(|high| unit * high)),
            ],
        }
    }
}

/// The columns of `sim sweep`; `sim run` has the first ones.
pub(crate) const COLUMNS: [Column; 10] = [
    Column::new("fee", "fee", (Kind::Whole, 2), fee),
    Column::new("wall_s", "wall s", (Kind::Whole, 2), wall),
    Column::new("limit_s", "limit s", (Kind::PlainMean, 1), |run| {
        run.limit.seconds_f64()
    }),
    Column::new("missed_percent", "missed %", (Kind::Share, 1), is_missed),
    Column::new("cycles_complete", "complete", (Kind::PlainMean, 2), |run| {
        run.totals.complete.into()
    }),
    Column::new(
        "cycles_truncated",
        "truncated",
        (Kind::PlainMean, 2),
        |run| run.totals.truncated.into(),
    ),
    Column::new("cycles_failed", "failed", (Kind::PlainMean, 2), |run| {
        run.totals.failed.into()
    }),
    Column::new("lost_percent", "lost %", (Kind::PlainMean, 3), lost_percent),
    Column::new("plans", "plans", (Kind::PlainMean, 2), |run| {
        run.totals.plans.into()
    }),
    Column::new("ended_early", "ended early", (Kind::Count, 0), |run| {
        f64::from(u8::from(!is_whole(run)))
    }),
];

/// Whether a run reached its last cycle.
fn is_whole(run: &RunEnd) -> bool {
    run.ending == Ending::Completed
}

pub(crate) fn fee(run: &RunEnd) -> f64 {
    run.totals.cost.units_f64()
}

pub(crate) fn wall(run: &RunEnd) -> f64 {
    run.wall().seconds_f64()
}

pub(crate) fn lost_percent(run: &RunEnd) -> f64 {
    let (accepted, lost) = (run.totals.accepted as f64, run.totals.lost as f64);
    100.0 * lost / (accepted + lost).max(1.0)
}

fn is_missed(run: &RunEnd) -> f64 {
    f64::from(u8::from(run.is_missed()))
}

pub(crate) fn mean(runs: &[RunEnd], of: impl Fn(&RunEnd) -> f64) -> Option<Estimate> {
    let mut moments = Moments::default();
    runs.iter().for_each(|run| moments.add(of(run)));
    moments.mean()
}

/// The mean of the runs that reached their last cycle.
pub(crate) fn mean_of_whole(runs: &[RunEnd], of: impl Fn(&RunEnd) -> f64) -> Option<Estimate> {
    let mut moments = Moments::default();
    let whole = runs.iter().filter(|run| is_whole(run));
    whole.for_each(|run| moments.add(of(run)));
    moments.mean()
}

/// The share of runs that missed their limit, lost batches or ended early.
pub(crate) fn missed(runs: &[RunEnd]) -> Option<Estimate> {
    share_of(runs, is_missed)
}

fn share_of(runs: &[RunEnd], of: fn(&RunEnd) -> f64) -> Option<Estimate> {
    share(hits(runs, of), runs.len() as u64)
}

fn hits(runs: &[RunEnd], of: fn(&RunEnd) -> f64) -> u64 {
    runs.iter().filter(|run| of(run) != 0.0).count() as u64
}

/// The mean per run, as text.
pub(crate) fn per_run(runs: &[RunEnd], of: impl Fn(&RunEnd) -> f64) -> String {
    number(mean(runs, of).map(|mean| mean.value), 2)
}

/// A share in percent with its interval, as text.
pub(crate) fn percent(share: Option<Estimate>) -> String {
    interval(share.map(|share| share.times(100.0)), 1)
}
