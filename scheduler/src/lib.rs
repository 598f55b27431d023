//! The scheduling core of Allot: what is to be decided, and what a decision is.
//!
//! It holds the allocation problem, the plan that answers it, the reasons why there may be
//! none, money in integer micro-units and time in integer nanoseconds; the time model and the
//! capacities that follow from it; the time of a whole cycle; and [`machine`], the state machine
//! that runs a training job. Both modes, simulated and real, drive it unchanged.
//!
//! **What it deliberately does not know:** how a plan is found (`solvers`), where problems come
//! from (`scenarios`), how anything is stored or printed (`results`), and the world: there is no
//! clock, no I/O, no thread and no random number here. Time is an argument.

mod benchmark;
mod bound;
mod capacities;
mod cheapest;
mod curve;
mod cycle_model;
mod estimate;
mod ids;
mod infeasible;
mod level;
mod limits;
pub mod machine;
mod margin;
mod money;
mod named;
mod outcome;
mod plan;
mod priced;
mod problem;
mod quickest;
mod reason;
mod request;
mod service;
mod terms;
mod time;
mod time_model;

pub use benchmark::{BenchmarkRule, MAX_ROUNDS, Until};
pub use cheapest::Descent;
pub use curve::{
    Case, Curve, CurveError, CurveProblem, CurveViolation, CurveWorker, MAX_CURVE_COST,
    MAX_CURVE_WORKERS, Schedule,
};
pub use cycle_model::{CycleModel, Employed, Prediction};
pub use estimate::Margins;
pub use infeasible::{Infeasible, Repair};
pub use limits::{MAX_BATCHES, MAX_N, MAX_WORKERS};
pub use margin::Margin;
pub use money::{Cost, DecimalError, Fee, MICROS_PER_UNIT, parse_micros};
pub use outcome::{Certificate, Failure, FailureReason, Outcome, PlanStatus, Planned};
pub use plan::{Plan, Violation};
pub use problem::{Problem, ProblemError, Worker};
pub use quickest::Fitted;
pub use request::{Candidate, Objective, PlanRequest, PlanResponse};
pub use service::{LinkService, Slot, Turn};
pub use terms::{Rate, Tariff, Terms, Tier};
pub use time::{Instant, Span};
pub use time_model::{CapacityModel, Link, MAX_PASSES, Speed, TimeModel};
