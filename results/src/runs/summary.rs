//! What is said of all runs of an allocator together.

use scheduler::machine::Ending;
use serde::{Serialize, Serializer};

use super::account::RunEnd;
use super::plan::RunsPlan;
use crate::interval::{Estimate, Moments, share};
use crate::schema::columns;

/// A line for each allocator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunsSummary {
    /// Which runs.
    pub plan: RunsPlan,
    /// In the order of the plan.
    pub allocators: Vec<SummaryLine>,
}

columns! {
    /// What is said of one allocator. Means and percentages come with their 95 % confidence
    /// interval over the runs.
    #[derive(Clone, Debug, PartialEq)]
    pub struct SummaryLine {
        /// The allocator.
        allocator: String = "allocator",
        /// Runs.
        runs: u64 = "runs",
        /// Runs that reached their last cycle.
        completed: u64 = "completed",
        /// Runs that missed: too long, ended early, or with a cycle that lost batches.
        missed: u64 = "missed",
        /// Runs that missed, in percent of all.
        missed_percent: Option<Estimate> = "missed_percent",
        /// The fee of a run that reached its last cycle: what others would still have paid is unknown.
        fee: Option<Estimate> = "fee",
        /// From the first parameter byte of the first cycle to the last aggregation, of the same runs.
        wall_s: Option<Estimate> = "wall_s",
        /// The time that all cycles together had.
        limit_s: Option<Estimate> = "limit_s",
        /// What came before: joining, benchmarks, planning, shipping.
        setup_s: Option<Estimate> = "setup_s",
        /// Cycles of a run in which every batch was trained in time.
        cycles_complete: Option<Estimate> = "cycles_complete",
        /// Cycles of a run in which some batches were.
        cycles_truncated: Option<Estimate> = "cycles_truncated",
        /// Cycles of a run that left the model as it was.
        cycles_failed: Option<Estimate> = "cycles_failed",
        /// Batches of a run that do not count, in percent of those ordered.
        batches_lost_percent: Option<Estimate> = "batches_lost_percent",
        /// Batches of a run that new plans moved to other workers.
        batches_moved: Option<Estimate> = "batches_moved",
        /// Plans of a run.
        plans: Option<Estimate> = "plans",
        /// Complete cycles, in percent of those for which there was a plan with the workers' true
        /// speeds; empty for real runs.
        feasible_complete_percent: Option<Estimate> = "feasible_complete_percent",
        /// The same of the feasible cycles within which no fault began or ended.
        untouched_complete_percent: Option<Estimate> = "untouched_complete_percent",
    }
}

/// As an object with a key for each column.
impl Serialize for SummaryLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(crate::schema::cells(self))
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
        self.missed += u64::from(end.is_missed());
        if end.ending == Ending::Completed {
            self.completed += 1;
            self.fee.add(totals.cost.units_f64());
            self.wall.add(end.wall().seconds_f64());
        }
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
        let percent = |hits: u64, of: u64| share(hits, of).map(|share| share.times(100.0));
        SummaryLine {
            allocator: allocator.to_owned(),
            runs: self.runs,
            completed: self.completed,
            missed: self.missed,
            missed_percent: percent(self.missed, self.runs),
            fee: self.fee.mean(),
            wall_s: self.wall.mean(),
            limit_s: self.limit.mean(),
            setup_s: self.setup.mean(),
            cycles_complete: self.complete.mean(),
            cycles_truncated: self.truncated.mean(),
            cycles_failed: self.failed.mean(),
            batches_lost_percent: self.lost.mean(),
            batches_moved: self.moved.mean(),
            plans: self.plans.mean(),
            feasible_complete_percent: percent(self.feasible[0], self.feasible[1]),
            untouched_complete_percent: percent(self.untouched[0], self.untouched[1]),
        }
    }
}
