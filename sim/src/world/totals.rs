//! What came of a simulated run.

use results::runs::RunEnd;
use scheduler::PlanRequest;
use scheduler::machine::CycleId;

/// The true state of the world in a cycle, to judge the plan by.
#[derive(Clone, Debug)]
pub struct CycleTruth {
    /// The cycle, which is over; its row was given just before.
    pub cycle: CycleId,
    /// The plan request with the true speeds of the workers that were there all through it, jitter
    /// and margins left out. If the exact allocator has a plan, the cycle was *feasible*.
    pub request: PlanRequest,
    /// Faults that began or ended within the cycle, of workers that were there.
    pub faults: u64,
    /// Those among them that struck a worker while it trained.
    pub faults_at_work: u64,
}

/// What came of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunTotals {
    /// How it ended, its time and its limit.
    pub end: RunEnd,
    /// Shares that were ordered from workers.
    pub orders: u64,
    /// Of these, the number that were not computed whole by the time at which their workers were to
    /// stop for the limit's sake. Those whose workers were lost before are not among them.
    pub overruns: u64,
    /// Steps that the scheduler took.
    pub steps: u64,
    /// Happenings that the engine took out of its queue.
    pub happenings: u64,
}
