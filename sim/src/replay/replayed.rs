//! A recorded run, what is predicted of it, and how another allocator would have it.

use scenarios::calibration::error_percent;
use scenarios::recorded::RecordedRun;
use scheduler::{Cost, CycleModel, Outcome, Plan, Span};
use solvers::Allocator;

/// A recorded run and what is predicted of it.
pub(super) struct Replay<'a> {
    pub(super) run: &'a RecordedRun,
    /// Its time as it was allocated.
    pub(super) predicted: Span,
    /// The same, by a cycle model that was fitted without it.
    pub(super) left_out: Option<Span>,
    /// The run as another allocator would have it.
    pub(super) other: Option<Other>,
}

/// A run under another allocation.
pub(super) struct Other {
    pub(super) allocator: &'static str,
    pub(super) outcome: Outcome,
    /// Its time, if there is a plan.
    pub(super) predicted: Option<Span>,
}

impl Other {
    pub(super) fn allocate(
        run: &RecordedRun,
        allocator: &mut dyn Allocator,
        cycle_model: &CycleModel,
    ) -> Self {
        let outcome = allocator.measure(&run.job.problem).outcome;
        let plan = outcome.planned().map(|planned| &planned.plan);
        Self {
            allocator: allocator.name(),
            predicted: plan.map(|plan| run.job.predict(&plan.batches, cycle_model)),
            outcome,
        }
    }

    pub(super) fn plan(&self) -> Option<&Plan> {
        self.outcome.planned().map(|planned| &planned.plan)
    }
}

impl Replay<'_> {
    /// By how much the prediction of the recorded allocation is off, in percent.
    pub(super) fn error_percent(&self) -> Option<f64> {
        let measured = self.run.measured.training?;
        Some(error_percent(self.predicted, measured))
    }

    /// The recorded allocation, costed by the recorded fees.
    pub(super) fn recorded_plan(&self) -> Plan {
        Plan::costed(&self.run.job.problem, self.run.job.batches.clone())
    }

    /// Computing times of a worker in a cycle: predicted for these batches, and the mean of those
    /// recorded, if it was recorded with as many.
    pub(super) fn compute(&self, worker: usize, batches: u64) -> (Span, Option<Span>) {
        let job = &self.run.job;
        let predicted = job.computing(worker, batches);
        let recorded = &self.run.measured.computes[worker];
        let is_same = job.batches[worker] == batches && !recorded.is_empty();
        let total = || {
            recorded
                .iter()
                .fold(Span::ZERO, |total, &span| total + span)
        };
        (predicted, is_same.then(|| total() / recorded.len() as u64))
    }
}

/// The fee of all cycles.
pub(super) fn over_cycles(cost: Cost, cycles: u64) -> Cost {
    Cost::from_micros(cost.micros().saturating_mul(cycles.into()))
}
