//! What is said of all runs of an allocator together.

use scheduler::machine::Ending;
use serde::{Serialize, Serializer};

use super::{RunEnd, RunsPlan};
use crate::interval::{Estimate, Moments, share};

/// A line for each allocator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunsSummary {
    /// Which runs.
    pub plan: RunsPlan,
    /// In the order of the plan.
    pub allocators: Vec<SummaryLine>,
}

/// What is said of one allocator: names and values, in the order of `summary.csv`. Means and
/// percentages come with their 95 % confidence interval, `_low` and `_high`, over the runs.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryLine(Vec<(&'static str, Value)>);

/// A value of a summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A name.
    Text(String),
    /// A count.
    Count(u64),
    /// A mean or a percentage; missing when there is too little to say it from.
    Float(Option<f64>),
}

impl SummaryLine {
    /// The names and values.
    pub fn columns(&self) -> &[(&'static str, Value)] {
        &self.0
    }
}

impl Serialize for SummaryLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// What adds up over the runs of one allocator.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    runs: u64,
    completed: u64,
    missed: u64,
    fee: Moments,
    wall: Moments,
    limit: Moments,
    setup: Moments,
    complete: Moments,
    truncated: Moments,
    failed: Moments,
    lost: Moments,
    moved: Moments,
    plans: Moments,
    feasible: [u64; 2],
    untouched: [u64; 2],
}

impl Tally {
    pub(super) fn add(&mut self, end: &RunEnd) {
        let totals = &end.totals;
        self.runs += 1;
        self.completed += u64::from(end.ending == Ending::Completed);
        self.missed += u64::from(end.is_missed());
        self.fee.add(totals.cost.units_f64());
        self.wall.add(end.wall().seconds_f64());
        self.limit.add(end.limit.seconds_f64());
        self.setup.add(end.setup().seconds_f64());
        self.complete.add(totals.complete.into());
        self.truncated.add(totals.truncated.into());
        self.failed.add(totals.failed.into());
        let ordered = (totals.accepted + totals.lost).max(1);
        self.lost.add(100.0 * totals.lost as f64 / ordered as f64);
        self.moved.add(totals.moved as f64);
        self.plans.add(totals.plans.into());
        if let Some(truth) = &end.truth {
            self.feasible[0] += truth.feasible_complete;
            self.feasible[1] += truth.feasible;
            self.untouched[0] += truth.untouched_complete;
            self.untouched[1] += truth.untouched;
        }
    }

    pub(super) fn line(&self, allocator: &str) -> SummaryLine {
        let mut columns = vec![
            ("allocator", Value::Text(allocator.to_owned())),
            ("runs", Value::Count(self.runs)),
            ("completed", Value::Count(self.completed)),
            ("missed", Value::Count(self.missed)),
        ];
        let mut add = |names: [&'static str; 3], estimate: Option<Estimate>, scale: f64| {
            let of = |get: fn(&Estimate) -> Option<f64>| {
                Value::Float(estimate.as_ref().and_then(get).map(|value| scale * value))
            };
            columns.push((names[0], of(|estimate| Some(estimate.value))));
            columns.push((names[1], of(|estimate| estimate.low)));
            columns.push((names[2], of(|estimate| estimate.high)));
        };
        macro_rules! estimates {
            ($($name:literal $estimate:expr, $scale:expr;)+) => {
                $(add([$name, concat!($name, "_low"), concat!($name, "_high")], $estimate, $scale);)+
            };
        }
        estimates! {
            "missed_percent" share(self.missed, self.runs), 100.0;
            "fee" self.fee.mean(), 1.0;
            "wall_s" self.wall.mean(), 1.0;
            "limit_s" self.limit.mean(), 1.0;
            "setup_s" self.setup.mean(), 1.0;
            "cycles_complete" self.complete.mean(), 1.0;
            "cycles_truncated" self.truncated.mean(), 1.0;
            "cycles_failed" self.failed.mean(), 1.0;
            "batches_lost_percent" self.lost.mean(), 1.0;
            "batches_moved" self.moved.mean(), 1.0;
            "plans" self.plans.mean(), 1.0;
            "feasible_complete_percent" share(self.feasible[0], self.feasible[1]), 100.0;
            "untouched_complete_percent" share(self.untouched[0], self.untouched[1]), 100.0;
        }
        SummaryLine(columns)
    }
}
