//! What a job is at any moment: what it does, who takes part, and how much time is left.

use super::action::Action;
use super::alarms::Alarms;
use super::config::{Config, Limit};
use super::cycle::Cycle;
use super::members::{Members, Standing};
use super::question::{Adopted, Solving};
use super::record::{Ignored, Record, Totals};
use crate::ids::{SessionId, WorkerId};
use crate::money::Cost;
use crate::reason::Ending;
use crate::time::{Instant, Span};

/// One training job.
#[derive(Debug)]
pub struct Scheduler {
    pub(super) config: Config,
    pub(super) now: Instant,
    pub(super) phase: Phase,
    pub(super) members: Members,
    /// Benchmarks and beats: at most one is awaited of each worker.
    pub(super) alarms: Alarms,
    /// The question that the allocator works on.
    pub(super) solving: Option<Solving>,
    /// A cheaper plan, found beside a cycle; looked at between cycles.
    pub(super) proposal: Option<Adopted>,
    pub(super) plan: Option<Adopted>,
    /// Workers have become ready since the allocator was last asked.
    pub(super) arrived: bool,
    /// How long the last question took: an estimate of the time until the next plan is in force.
    pub(super) last_solve: Span,
    pub(super) questions: u32,
    /// The running cycle, or the next one.
    pub(super) cycle: Cycle,
    /// What happened since the last cycle.
    pub(super) between: Between,
    pub(super) totals: Totals,
}

/// What the run is doing, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Workers join and are benchmarked.
    Gathering {
        until: Instant,
        /// More workers are waited for. If not, only the benchmarks of those that are here are.
        open: bool,
    },
    /// The allocator works on a plan without which the run cannot go on. The deadline is the
    /// question's.
    Planning,
    /// Data travels.
    Shipping {
        until: Instant,
        since: Instant,
        /// Workers that do not hold all of theirs.
        waiting: u64,
        batches: u64,
    },
    /// A cycle runs.
    Training { until: Instant },
    /// Its results are averaged.
    Aggregating { until: Instant },
    /// Too few workers, or no plan; workers may return.
    Paused { until: Instant, why: Ending },
    /// Over.
    Ended,
}

/// What happened since the last cycle; bounds what may still happen before the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Between {
    pub(super) plans_taken: u32,
    pub(super) pause_until: Option<Instant>,
}

impl Scheduler {
    /// Whether the run is over.
    pub const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Whether a worker is not admitted any more, since too many of its results were refused.
    pub fn is_quarantined(&self, worker: WorkerId) -> bool {
        let member = self.members.get(worker);
        member.is_some_and(|member| matches!(member.standing, Standing::Quarantined))
    }

    /// The job.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What came of the run so far.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The time that the next cycle has; `spent` is gone before it begins.
    pub(super) fn cycle_limit(&self, spent: Span) -> Span {
        match self.config.limit {
            Limit::Cycle(limit) => limit,
            Limit::Job { max_time, .. } => {
                if self.config.waits.grace > Span::ZERO {
                    // Cycles may overrun: those before do not take from those after.
                    return self.usual_limit();
                }
                let left = match self.job_end() {
                    Some(end) => end.since(self.now) - spent,
                    None => max_time,
                };
                left / u64::from(self.cycles_left().max(1))
            }
        }
    }

    /// An equal part of the job's time for each cycle, whatever was spent before: what a price of the
    /// time that a worker is employed goes by, so that no plan changes it.
    pub(super) fn usual_limit(&self) -> Span {
        match self.config.limit {
            Limit::Cycle(limit) => limit,
            Limit::Job { max_time, .. } => {
                max_time / u64::from(self.config.cycles - self.config.first_cycle + 1)
            }
        }
    }

    /// No later than the end of the job's time, where it has begun to run.
    pub(super) fn within_job(&self, at: Instant) -> Instant {
        self.job_end().map_or(at, |end| at.min(end))
    }

    pub(super) fn is_out_of_time(&self) -> bool {
        self.job_end().is_some_and(|end| end <= self.now)
    }

    pub(super) fn cycles_left(&self) -> u32 {
        (self.config.cycles + 1).saturating_sub(self.cycle.id.get())
    }

    /// What may still be spent.
    pub(super) fn money_left(&self) -> Option<Cost> {
        let budget = self.config.budget?;
        Some(budget.checked_sub(self.totals.cost).unwrap_or(Cost::ZERO))
    }

    /// The next cycle may be preceded by as many plans and as long a pause as this one.
    pub(super) fn cycle_begins(&mut self) {
        self.between = Between::default();
    }

    /// When the job's time is over, once that is known.
    fn job_end(&self) -> Option<Instant> {
        match self.config.limit {
            Limit::Cycle(_) => None,
            Limit::Job { .. } if self.config.waits.grace > Span::ZERO => None,
            Limit::Job {
                max_time,
                counts_setup: true,
            } => Some(Instant::START + max_time),
            Limit::Job { max_time, .. } => self.totals.first_cycle_at.map(|at| at + max_time),
        }
    }

    /// Workers without which no cycle runs.
    pub(super) fn needed(&self) -> u64 {
        self.config.beta.max(1)
    }
}

/// A report that does not count.
pub(super) fn ignore(worker: WorkerId, session: SessionId, why: Ignored, out: &mut Vec<Action>) {
    out.push(Action::Record(Record::Ignored {
        worker,
        session,
        why,
    }));
}
