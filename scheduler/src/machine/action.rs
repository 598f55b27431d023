//! What the scheduler orders its driver to do.

use std::sync::Arc;

use crate::ids::{CycleId, PlanId, SessionId, WorkerId};
use crate::machine::record::{Record, Totals};
use crate::reason::{Departure, Ending};
use crate::request::PlanRequest;
use crate::time::{Instant, Span};

/// Something that the driver must do now, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A worker is admitted, in this session.
    Admit {
        /// The worker.
        worker: WorkerId,
        /// Its session.
        session: SessionId,
    },
    /// Have a worker measure one round: warm up, train this number of batches, report the time.
    Benchmark {
        /// The worker.
        worker: WorkerId,
        /// Its session.
        session: SessionId,
        /// Batches to measure.
        batches: u64,
    },
    /// Ask the allocator: [`PlanRequest::cheapest`]. A newer question replaces an older one.
    Solve {
        /// The question's number.
        plan: PlanId,
        /// The question.
        request: Arc<PlanRequest>,
    },
    /// Make a worker hold this number of batches. It keeps the first of those that it holds, and
    /// gets the missing ones from those that no worker holds.
    Ship {
        /// The worker.
        worker: WorkerId,
        /// Its session.
        session: SessionId,
        /// The plan that the share is of.
        plan: PlanId,
        /// Batches that it must hold in all.
        batches: u64,
        /// Those that it does not hold yet.
        new: u64,
    },
    /// Send a worker the parameters and have it train its share.
    Train(TrainOrder),
    /// Average a worker's parameters in with this weight: its batches that count.
    Accept {
        /// The worker.
        worker: WorkerId,
        /// The cycle.
        cycle: CycleId,
        /// The weight.
        batches: u64,
    },
    /// A worker's result comes too late for this cycle: stop waiting for it.
    Abort {
        /// The worker.
        worker: WorkerId,
        /// Its session.
        session: SessionId,
        /// The cycle.
        cycle: CycleId,
    },
    /// All results are in: finish the average, make it the model, report
    /// [`Event::Aggregated`](crate::machine::Event::Aggregated).
    Aggregate {
        /// The cycle.
        cycle: CycleId,
        /// How many results it has.
        results: u64,
        /// Their weights together.
        batches: u64,
    },
    /// The aggregation took too long: the model stays what it was before this cycle.
    Discard {
        /// The cycle.
        cycle: CycleId,
    },
    /// Refuse a worker, or remove it. It may join again unless it is quarantined.
    Exclude {
        /// The worker.
        worker: WorkerId,
        /// Why.
        why: Departure,
    },
    /// Write a row of a table.
    Record(Record),
    /// The run is over. Nothing follows.
    Finish {
        /// How it ended.
        ending: Ending,
        /// The totals of the run.
        totals: Totals,
    },
}

/// What one worker must do in one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainOrder {
    /// The worker.
    pub worker: WorkerId,
    /// Its session.
    pub session: SessionId,
    /// The cycle.
    pub cycle: CycleId,
    /// The batches of its share.
    pub batches: u64,
    /// The worker sends a beat after this time
    pub beat: Span,
    /// or after this number of batches, whichever comes first.
    pub beat_batches: u64,
    /// The worker times the last batches that it trains, this many, and reports the time with its
    /// result: a speed that changed within the cycle is known before the next one.
    pub tail_batches: u64,
    /// Its place in the order in which the orchestrator's link serves the workers of this cycle, from 1.
    pub place: u64,
    /// Whether its parameters are sent alone: those of the next place wait until they are through.
    pub alone: bool,
    /// When the worker stops computing, finished or not, to send what it has.
    pub stop_by: Instant,
    /// When its result is due. On a link that is served [in order](crate::LinkService::Ordered) its time slot
    /// lies between the two; results that are early share the link, and all are there when the last slot ends.
    pub results_by: Instant,
}
