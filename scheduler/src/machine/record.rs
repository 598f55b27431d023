//! Rows for the tables: all that a report needs. No decision reads them.

use crate::cycle_model::Employed;
use crate::ids::{CycleId, PlanId, SessionId, WorkerId};
use crate::money::{Cost, Fee};
use crate::named::named;
use crate::outcome::{Certificate, PlanStatus};
use crate::reason::{Departure, Ending};
use crate::terms::Tier;
use crate::time::{Instant, Span};
use crate::time_model::{Link, Speed};

/// One row. Where no time is given, it is that of the step that gave the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A worker was admitted.
    Joined {
        /// The worker.
        worker: WorkerId,
        /// Its session.
        session: SessionId,
        /// Its fee per batch.
        fee: Fee,
        /// Whether it was here before.
        returned: bool,
    },
    /// A worker's speed is measured.
    Benchmarked {
        /// The worker.
        worker: WorkerId,
        /// Its session.
        session: SessionId,
        /// The measured speed.
        speed: Speed,
        /// Rounds that it took.
        rounds: u32,
        /// The rounds did not agree.
        noisy: bool,
    },
    /// A worker is gone, or was not admitted.
    Departed {
        /// The worker.
        worker: WorkerId,
        /// Its session, if it was admitted.
        session: Option<SessionId>,
        /// Why.
        why: Departure,
    },
    /// A plan is taken. A row for each candidate follows.
    Planned(PlanRow),
    /// What one candidate gets in the plan that was just taken.
    Share(ShareRow),
    /// No plan was made.
    NotPlanned {
        /// The question.
        plan: PlanId,
        /// Why it was asked.
        trigger: Trigger,
        /// Why there is no plan.
        why: Ending,
        /// How long the question took.
        solve: Span,
    },
    /// Data was shipped.
    Shipped {
        /// For which plan.
        plan: PlanId,
        /// When it began.
        since: Instant,
        /// Batches that were to be shipped.
        batches: u64,
    },
    /// The run waits for workers.
    Paused {
        /// The reason for which it would end.
        why: Ending,
        /// Until when.
        until: Instant,
    },
    /// One worker's share in one cycle.
    Assignment(AssignmentRow),
    /// One cycle.
    Cycle(CycleRow),
    /// A worker's report does not count.
    Ignored {
        /// The worker.
        worker: WorkerId,
        /// The session that it came with.
        session: SessionId,
        /// Why it does not count.
        why: Ignored,
    },
}

named! {
    /// Why a plan was asked for.
    pub enum Trigger {
        /// There was none.
        First = "first",
        /// A planned worker is gone.
        Lost = "lost",
        /// A planned worker can no longer take its share in time.
        Slower = "slower",
        /// A worker that is not in the plan has come.
        Arrived = "arrived",
        /// A worker can take an eighth more than when the plan was made.
        Faster = "faster",
    }
}

/// One plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanRow {
    /// Its number.
    pub plan: PlanId,
    /// Why it was asked for.
    pub trigger: Trigger,
    /// The first cycle that it is for.
    pub cycle: CycleId,
    /// How long the question took.
    pub solve: Span,
    /// The time that a cycle has.
    pub limit: Span,
    /// Workers that could have been employed.
    pub candidates: u64,
    /// Workers that are.
    pub workers_employed: u64,
    /// The number of employed workers that the capacities are for.
    pub capacities_for: u64,
    /// What a cycle costs when all of it is done.
    pub cost: Cost,
    /// What is proved.
    pub status: PlanStatus,
    /// No plan costs less, where known.
    pub lower_bound: Option<Cost>,
    /// What the bound rests on.
    pub certificate: Option<Certificate>,
    /// Batches that move to another worker, if it replaces a plan.
    pub moved: u64,
}

/// One candidate of a plan: what was known of it, and what it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareRow {
    /// The plan.
    pub plan: PlanId,
    /// The worker.
    pub worker: WorkerId,
    /// Its fee per batch.
    pub fee: Fee,
    /// Its estimated speed.
    pub speed: Speed,
    /// The most batches that it could have.
    pub s_max: u64,
    /// Its batches; 0 if it is not employed.
    pub batches: u64,
    /// What it is owed for a cycle that employs it, however little it does.
    pub charge: Cost,
    /// Other fees beyond its first batches, in the order of its batches.
    pub tiers: Vec<Tier>,
    /// The least number of batches that it takes if it is employed, if it asks for one of its own.
    pub least: u64,
    /// What its batches cost in a cycle, with the charge.
    pub cost: Cost,
    /// The parameters down and up over its own connection.
    pub transfer: Span,
    /// The latency of its connection, down and up together.
    pub latency: Span,
    /// One batch of data over its own connection.
    pub ship: Span,
}

impl ShareRow {
    /// The worker as the plan employs it, if it does.
    pub fn employed(&self) -> Option<Employed> {
        (self.batches > 0).then_some(Employed {
            speed: self.speed,
            link: self.link(),
            batches: self.batches,
        })
    }

    /// Its own connection.
    pub const fn link(&self) -> Link {
        Link {
            transfer: self.transfer,
            latency: self.latency,
            ship: self.ship,
        }
    }
}

/// One worker's share in one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignmentRow {
    /// The cycle.
    pub cycle: CycleId,
    /// The plan.
    pub plan: PlanId,
    /// The worker.
    pub worker: WorkerId,
    /// Its session; the last one when it is absent.
    pub session: SessionId,
    /// What became of it.
    pub fate: Fate,
    /// Its share.
    pub assigned: u64,
    /// Batches that it claims to have trained.
    pub claimed: u64,
    /// Batches that count. The rest of the share is lost: all of it when the share was not finished
    /// and unfinished shares are discarded, and when the cycle failed.
    pub accepted: u64,
    /// Its fee per batch; that of the first, where others cost more or less.
    pub fee: Fee,
    /// What of its pay it is owed because it was given an order, whatever became of that.
    pub charge: Cost,
    /// What it is paid: the charge, and for its share, or for the batches that were accepted from it,
    /// which stay owed when the cycle failed afterwards.
    pub cost: Cost,
    /// How long the time model expected the share to take, without margin.
    pub expected: Span,
    /// From the order to the result.
    pub elapsed: Span,
    /// How long it computed, by its own report.
    pub computed: Span,
}

named! {
    /// What became of a share in a cycle.
    pub enum Fate {
        /// All of it was trained by the limit.
        Complete = "complete",
        /// The worker returned what it had.
        Truncated = "truncated",
        /// The result did not arrive in time.
        Late = "late",
        /// The worker was lost within the cycle.
        Lost = "lost",
        /// The result was refused.
        Refused = "refused",
        /// The worker was not there: nothing was ordered.
        Absent = "absent",
    }
}

/// One cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleRow {
    /// Its number.
    pub cycle: CycleId,
    /// The plan.
    pub plan: PlanId,
    /// Its result.
    pub result: CycleResult,
    /// When it began.
    pub started: Instant,
    /// The time that it had.
    pub limit: Span,
    /// When the last result was in.
    pub results_at: Instant,
    /// When it ended.
    pub ended: Instant,
    /// Workers that got an order.
    pub workers: u64,
    /// Batches that count: those in the average that became the model. None if the cycle failed.
    pub accepted: u64,
    /// All others of the cycle's batches: not trained, or trained in vain.
    pub lost: u64,
    /// What it cost, also if it failed.
    pub cost: Cost,
}

named! {
    /// The result of a cycle.
    pub enum CycleResult {
        /// Every batch was trained in time.
        Complete = "complete",
        /// Some were.
        Truncated = "truncated",
        /// None was, or they could not be averaged: the model stayed as it was.
        Failed = "failed",
    }
}

named! {
    /// Why a worker's report does not count.
    pub enum Ignored {
        /// It is not a member.
        NotAMember = "not_a_member",
        /// It answers an order of an earlier session.
        StaleSession = "stale_session",
        /// It is of another cycle or plan, or came after its end.
        OutOfTime = "out_of_time",
        /// Nothing of the kind was ordered, or it was reported before.
        NotAsked = "not_asked",
    }
}

/// The totals of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Cycles in which every batch was trained in time.
    pub complete: u32,
    /// Cycles in which some were.
    pub truncated: u32,
    /// Cycles that left the model as it was.
    pub failed: u32,
    /// Batches that count.
    pub accepted: u64,
    /// Batches that do not.
    pub lost: u64,
    /// Batches that moved to another worker.
    pub moved: u64,
    /// Plans that were taken.
    pub plans: u32,
    /// What it cost.
    pub cost: Cost,
    /// The part of that which was charged for employing workers.
    pub charges: Cost,
    /// When the first cycle began.
    pub first_cycle_at: Option<Instant>,
    /// When the last cycle ended.
    pub last_cycle_ended: Option<Instant>,
}
