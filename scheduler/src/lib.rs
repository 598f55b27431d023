//! The scheduling core of Allot: what is to be decided, and what a decision is.
//!
//! It holds the allocation problem, the plan that answers it, the reasons why there may be
//! none, money in integer micro-units and time in integer nanoseconds. Both modes, simulated
//! and real, stand on these types.
//!
//! **What it deliberately does not know:** how a plan is found (`solvers`), where problems come
//! from (`scenarios`), how anything is stored or printed (`results`), and the world: there is no
//! clock, no I/O, no thread and no random number here. Time is an argument.

mod infeasible;
mod money;
mod outcome;
mod plan;
mod problem;
mod time;

pub use infeasible::{Infeasible, Repair};
pub use money::{Cost, DecimalError, Fee, MICROS_PER_UNIT, parse_micros};
pub use outcome::{Certificate, Failure, FailureReason, Outcome, PlanStatus, Planned};
pub use plan::{Plan, Violation};
pub use problem::{MAX_BATCHES, MAX_N, MAX_WORKERS, Problem, ProblemError, Worker};
pub use time::{Instant, Span};
