//! Facts that a driver reports to the scheduler.

use crate::machine::action::Departure;
use crate::machine::ids::{CycleId, PlanId, SessionId, WorkerId};
use crate::money::Fee;
use crate::request::PlanResponse;
use crate::time::Span;
use crate::time_model::Link;

/// Something that happened. Any event may come at any time: what does not fit is ignored, and
/// said so where it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A worker is connected, for the first time or again.
    Joined {
        /// Who.
        worker: WorkerId,
        /// What it brings.
        profile: Profile,
    },
    /// A worker measured one round of its benchmark.
    Benchmarked {
        /// Who.
        worker: WorkerId,
        /// The stay that the order was for.
        session: SessionId,
        /// Batches that were trained, warm-up left out.
        batches: u64,
        /// How long they took.
        took: Span,
    },
    /// The allocator answered.
    Solved {
        /// The question.
        plan: PlanId,
        /// The answer.
        response: Box<PlanResponse>,
    },
    /// A worker holds so many batches of its share.
    Shipped {
        /// Who.
        worker: WorkerId,
        /// The stay that the order was for.
        session: SessionId,
        /// The plan that the share is of.
        plan: PlanId,
        /// Batches that it holds in all.
        batches: u64,
    },
    /// A worker's compute loop is at work.
    Beat {
        /// Who.
        worker: WorkerId,
        /// The stay that the order was for.
        session: SessionId,
        /// The cycle that it works on.
        cycle: CycleId,
        /// Batches done so far.
        done: u64,
    },
    /// A worker's parameters arrived whole and are fit to be averaged.
    Trained {
        /// Who.
        worker: WorkerId,
        /// The stay that the order was for.
        session: SessionId,
        /// The cycle that it worked on.
        cycle: CycleId,
        /// Batches that it says it did.
        done: u64,
        /// How long it says it computed.
        took: Span,
        /// How much of that came after it had done all but the last so many batches, as the
        /// order asks; all of it if it did no more.
        tail: Span,
    },
    /// A worker's parameters were refused by the driver: not finite, of a wrong shape, far off.
    Refused {
        /// Who.
        worker: WorkerId,
        /// The stay that the order was for.
        session: SessionId,
        /// The cycle that it worked on.
        cycle: CycleId,
    },
    /// The accepted parameters were averaged and are the model now.
    Aggregated {
        /// The cycle that they were of.
        cycle: CycleId,
    },
    /// A worker is gone.
    Lost {
        /// Who.
        worker: WorkerId,
        /// The stay that ended.
        session: SessionId,
        /// Why.
        why: Departure,
    },
    /// The time that [`Scheduler::step`](crate::machine::Scheduler::step) asked for has come. Also the first event of a run.
    Wake,
    /// The user wants to stop.
    Stopped,
}

/// What a worker brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What it is paid for a batch.
    pub fee: Fee,
    /// The least that it accepts for a batch.
    pub least_fee: Fee,
    /// Its connection.
    pub link: Link,
    /// The most batches that it can hold.
    pub most: u64,
}
