//! Facts that a driver reports to the scheduler.

use crate::ids::{CycleId, PlanId, SessionId, WorkerId};
use crate::money::Fee;
use crate::reason::Departure;
use crate::request::PlanResponse;
use crate::terms::Tariff;
use crate::time::Span;
use crate::time_model::Link;
use serde::{Deserialize, Serialize};

/// Something that happened. Any event may come at any time: what does not fit is ignored, and
/// recorded where it matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A worker is connected, for the first time or again.
    Joined {
        /// The worker.
        worker: WorkerId,
        /// What it brings.
        profile: Profile,
    },
    /// A worker measured one round of its benchmark.
    Benchmarked {
        /// The worker.
        worker: WorkerId,
        /// The session that the order was for.
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
    /// A worker holds a part of its share, or all of it.
    Shipped {
        /// The worker.
        worker: WorkerId,
        /// The session that the order was for.
        session: SessionId,
        /// The plan that the share is of.
        plan: PlanId,
        /// Batches that it holds in all.
        batches: u64,
    },
    /// A worker's compute loop is running.
    Beat {
        /// The worker.
        worker: WorkerId,
        /// The session that the order was for.
        session: SessionId,
        /// The cycle that it works on.
        cycle: CycleId,
        /// Batches done so far.
        done: u64,
    },
    /// A worker's parameters arrived whole and are fit to be averaged.
    Trained {
        /// The worker.
        worker: WorkerId,
        /// The session that the order was for.
        session: SessionId,
        /// The cycle that it worked on.
        cycle: CycleId,
        /// Batches that it claims to have trained.
        done: u64,
        /// How long it computed, by its own report.
        took: Span,
        /// The part of that time that the last batches took, as many of them as the order says;
        /// all of it if it did no more.
        tail: Span,
    },
    /// The driver refused a worker's parameters: not finite, of a wrong shape, too far off. The session
    /// may have ended since.
    Refused {
        /// The worker.
        worker: WorkerId,
        /// The session that the order was for.
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
        /// The worker.
        worker: WorkerId,
        /// The session that ended.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its fee per batch.
    pub fee: Fee,
    /// The least fee per batch that it accepts.
    pub least_fee: Fee,
    /// Its connection.
    pub link: Link,
    /// The most batches that it can hold, or takes in a cycle.
    pub most: u64,
    /// What else was agreed, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff: Option<Box<Tariff>>,
}
