//! Why workers leave and why runs end.

use crate::infeasible::Infeasible;
use crate::money::Cost;
use crate::named::named;
use crate::outcome::FailureReason;
use crate::plan::Violation;

named! {
    /// Why a worker is not, or no longer, a member.
    #[derive(thiserror::Error)]
    pub enum Departure {
        /// Its connection ended.
        #[error("its connection ended")]
        Disconnected = "disconnected",
        /// It left of its own accord.
        #[error("it left")]
        Left = "left",
        /// It broke the protocol.
        #[error("it broke the protocol")]
        Misbehaved = "misbehaved",
        /// It joined again before its loss was noticed.
        #[error("it joined again")]
        Replaced = "replaced",
        /// Its benchmark took too long, or was not answered.
        #[error("its benchmark was not answered in time")]
        BenchmarkLate = "benchmark_late",
        /// Its data took too long.
        #[error("its data could not be shipped in time")]
        ShipLate = "ship_late",
        /// Three beats in a row are missing.
        #[error("it missed 3 beats")]
        MissedBeats = "missed_beats",
        /// Its results came too late three times in a row.
        #[error("its results were late 3 times in a row")]
        AlwaysLate = "always_late",
        /// Its results were refused three times: it is not admitted again.
        #[error("its results were refused 3 times")]
        Quarantined = "quarantined",
        /// Its fee is less than the least that it accepts.
        #[error("its fee is below the least that it accepts")]
        FeeTooLow = "fee_too_low",
        /// The job admits no more workers.
        #[error("the job admits no more workers")]
        Full = "full",
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
    /// The allocator's plan breaks a constraint.
    #[error("the allocator's plan was refused: {0}")]
    PlanRejected(Violation),
    /// No cycle that remains can be paid for.
    #[error(
        "{left} of the budget is left, the next cycle may cost {cost}; {remaining} cycles remain"
    )]
    OutOfBudget {
        /// What may still be spent.
        left: Cost,
        /// What the next cycle may cost.
        cost: Cost,
        /// Cycles that were not run.
        remaining: u32,
    },
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
            Self::OutOfBudget { .. } => "out_of_budget",
            Self::OutOfTime { .. } => "out_of_time",
        }
    }
}
