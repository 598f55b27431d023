//! Orders that the scheduler gives its driver, and why runs end and workers go.

use std::sync::Arc;

use crate::infeasible::Infeasible;
use crate::machine::ids::{CycleId, PlanId, SessionId, WorkerId};
use crate::machine::record::{Record, Totals};
use crate::outcome::FailureReason;
use crate::request::{PlanRequest, Rejection};
use crate::time::{Instant, Span};

/// Something that the driver must do now, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A worker is admitted: from now on it goes by this session.
    Admit {
        /// Who.
        worker: WorkerId,
        /// Its stay.
        session: SessionId,
    },
    /// Have a worker measure one round: warm up, train so many batches, report the time.
    Benchmark {
        /// Who.
        worker: WorkerId,
        /// Its stay.
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
    /// Bring a worker's share up to so many batches. It keeps the first of those that it holds,
    /// and gets as many as it lacks from those that nobody holds.
    Ship {
        /// Who.
        worker: WorkerId,
        /// Its stay.
        session: SessionId,
        /// The plan that the share is of.
        plan: PlanId,
        /// Batches that it shall hold in all.
        batches: u64,
        /// Those that it lacks.
        new: u64,
    },
    /// Send a worker the parameters and have it train its share.
    Train(TrainOrder),
    /// Average a worker's parameters in with this weight: its batches that count.
    Accept {
        /// Who.
        worker: WorkerId,
        /// The cycle.
        cycle: CycleId,
        /// The weight.
        batches: u64,
    },
    /// A worker's result comes too late for this cycle: stop waiting for it.
    Abort {
        /// Who.
        worker: WorkerId,
        /// Its stay.
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
    /// Turn a worker away, or out. It may join again unless it is quarantined.
    Exclude {
        /// Who.
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
        /// What came of it.
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
    /// When the worker stops computing, finished or not, to send what it has.
    pub stop_by: Instant,
    /// When its parameters must have arrived.
    pub results_by: Instant,
}

/// Why a worker is not, or no longer, a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Departure {
    /// Its connection ended.
    #[error("its connection ended")]
    Disconnected,
    /// It left of its own accord.
    #[error("it left")]
    Left,
    /// It broke the protocol.
    #[error("it broke the protocol")]
    Misbehaved,
    /// It joined again before its loss was noticed.
    #[error("it joined again")]
    Replaced,
    /// Its benchmark took too long, or said nothing.
    #[error("its benchmark was not answered in time")]
    BenchmarkLate,
    /// Its data took too long.
    #[error("its data could not be shipped in time")]
    ShipLate,
    /// Three beats in a row are missing.
    #[error("it missed 3 beats")]
    MissedBeats,
    /// Its results came too late three times in a row.
    #[error("its results were late 3 times in a row")]
    AlwaysLate,
    /// Its results were refused three times: it is not admitted again.
    #[error("its results were refused 3 times")]
    Quarantined,
    /// It is paid less than the least that it accepts.
    #[error("its fee is below the least that it accepts")]
    FeeTooLow,
    /// There are as many workers as the job admits.
    #[error("the job admits no more workers")]
    Full,
}

impl Departure {
    /// The machine-readable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Left => "left",
            Self::Misbehaved => "misbehaved",
            Self::Replaced => "replaced",
            Self::BenchmarkLate => "benchmark_late",
            Self::ShipLate => "ship_late",
            Self::MissedBeats => "missed_beats",
            Self::AlwaysLate => "always_late",
            Self::Quarantined => "quarantined",
            Self::FeeTooLow => "fee_too_low",
            Self::Full => "full",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// Every cycle was run.
    #[error("every cycle was run")]
    Completed,
    /// The user stopped it.
    #[error("stopped by the user")]
    Stopped,
    /// Too few workers joined and were benchmarked in time.
    #[error("{ready} workers joined and were benchmarked in time, {needed} needed")]
    TooFewWorkers {
        /// Workers that are ready.
        ready: u64,
        /// `max(1, beta)`.
        needed: u64,
    },
    /// Too few workers were left, and none returned in time.
    #[error("{ready} workers are left, {needed} needed")]
    BelowBeta {
        /// Workers that are ready, of those planned under `static`.
        ready: u64,
        /// `max(1, beta)`.
        needed: u64,
    },
    /// There is no plan.
    #[error("no plan: {0}")]
    Infeasible(Infeasible),
    /// The allocator found no plan.
    #[error("the allocator failed: {}", .0.name())]
    SolverFailed(FailureReason),
    /// The allocator did not answer in time.
    #[error("the allocator did not answer in time")]
    SolverLate,
    /// The allocator's plan is none.
    #[error("the allocator's plan was refused: {0}")]
    PlanRejected(Rejection),
    /// No time is left for the cycles that remain.
    #[error("no time is left, {remaining} cycles remain")]
    OutOfTime {
        /// Cycles that were not run.
        remaining: u32,
    },
}

impl Ending {
    /// The machine-readable name; an infeasible problem gives its own.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Stopped => "stopped",
            Self::TooFewWorkers { .. } => "too_few_workers",
            Self::BelowBeta { .. } => "below_beta",
            Self::Infeasible(infeasible) => infeasible.reason(),
            Self::SolverFailed(reason) => reason.name(),
            Self::SolverLate => "solver_late",
            Self::PlanRejected(_) => "plan_rejected",
            Self::OutOfTime { .. } => "out_of_time",
        }
    }
}
