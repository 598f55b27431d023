//! What came of a simulated run.

use scheduler::machine::{Config, CycleId, Ending, Limit, Totals};
use scheduler::{Instant, PlanRequest, Span};

/// What was so in a cycle, whatever the scheduler thought: for judging it.
#[derive(Clone, Debug)]
pub struct CycleTruth {
    /// The cycle, which is over; its row was given just before.
    pub cycle: CycleId,
    /// The question with the true speeds of the workers that were there all through it, jitter
    /// and margins left out. If the exact allocator has a plan, the cycle was *feasible*.
    pub request: PlanRequest,
    /// Faults that began or ended within the cycle, of workers that were there.
    pub faults: u64,
    /// Those among them that struck a worker at its share.
    pub faults_at_work: u64,
}

/// What came of one run, in simulation.md's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunTotals {
    /// How it ended.
    pub ending: Ending,
    /// What the scheduler counted: cycles complete, truncated and failed, batches accepted, lost
    /// and moved to other workers by new plans, plans, and the fee.
    pub scheduled: Totals,
    /// From the first parameter byte of the first cycle to the last aggregation.
    pub wall: Span,
    /// What that was to take at most: the job's limit, or that of all its cycles together.
    pub limit: Span,
    /// What came before: joining, benchmarks, planning, shipping.
    pub setup: Span,
    /// When the run was over.
    pub ended: Instant,
    /// Shares that were ordered from workers.
    pub orders: u64,
    /// Of these, how many were not computed whole by the time at which their workers were to stop
    /// for the limit's sake. Those whose workers were lost before are not among them.
    pub overruns: u64,
    /// Steps that the scheduler took.
    pub steps: u64,
    /// Happenings that the engine took out of its queue.
    pub happenings: u64,
}

impl RunTotals {
    /// Whether the run took longer than its limit.
    pub fn is_over_limit(&self) -> bool {
        self.wall > self.limit
    }

    /// Whether the job missed: it took too long, ended before its last cycle, or has a cycle of
    /// which not every batch was trained in time.
    pub fn is_missed(&self) -> bool {
        let whole = self.scheduled.truncated == 0 && self.scheduled.failed == 0;
        self.is_over_limit() || self.ending != Ending::Completed || !whole
    }

    pub(super) fn limit_of(config: &Config) -> Span {
        match config.limit {
            Limit::Job { max_time, .. } => max_time,
            Limit::Cycle(span) => span * u64::from(config.cycles - config.first_cycle + 1),
        }
    }
}
