//! The mixed-integer program, solved by CBC.
//!
//! [`Cbc`] solves in this process. The stock libcbc is not thread-safe, so a global lock in its
//! binding lets one solve run at a time; [`CbcProcess`] has a process of its own, in which
//! [`serve()`] answers, and so uses every core.
//!
//! It is called by way of coin_cbc, the binding that good_lp is built on, and not good_lp itself:
//! that turns a run which stopped at its node limit into an error, losing the plan, calls every
//! finished run optimal, and spends as long on stating a model as a twentieth of the solve.
//!
//! [`Outside`] gives the same model to HiGHS or Gurobi.
//!
//! What CBC answers is taken with care, for its arithmetic is in floating point and its
//! constraints hold up to tolerances:
//!
//! - The objective is stated in integers, the unit being the greatest common divisor of the
//!   fees less the smallest of them, so that two plans of different cost are a whole unit apart
//!   and CBC's tolerances lie far below that.
//! - Only the set of employed workers is read from CBC. The cheapest plan for a set of workers
//!   is known exactly: everyone gets a lot, the rest goes to the cheapest first.
//! - That plan's exact cost must be the cost that CBC claims, to a quarter of a unit. Where it
//!   is not, the answer is `bounded`, with CBC's bound less a margin.
//! - Where numbers are so large that floating point cannot tell units apart, or that CBC's
//!   tolerances can take a fraction of a worker for a whole one, its claims and even its bounds
//!   can be false. There the bound is one that needs no solver, and the answer is `optimal` only
//!   if the plan costs as much.

#[cfg(feature = "cbc")]
mod library;
mod model;
#[cfg(feature = "cbc")]
mod options;
mod outside;
#[cfg(feature = "cbc")]
mod process;
#[cfg(feature = "cbc")]
mod serve;
#[cfg(feature = "cbc")]
mod wire;

#[cfg(feature = "cbc")]
pub use library::Cbc;
#[cfg(feature = "cbc")]
pub use options::CbcOptions;
pub use outside::{Outside, Solver};
#[cfg(feature = "cbc")]
pub use process::CbcProcess;
#[cfg(feature = "cbc")]
pub use serve::{serve, serve_stdio};

use scheduler::{Certificate, Failure, FailureReason, Outcome, PlanStatus, Planned, Problem};

use model::Model;

/// The most workers that CBC is given: above, a solve takes too long to be of use.
pub const MAX_CBC_WORKERS: usize = 2_000;

/// The node limit unless another is asked for.
pub const DEFAULT_NODE_LIMIT: u32 = 10_000;

/// The plan of a solution, and what is known of it: what a solver claims, where that can be trusted.
fn concluded(
    problem: &Problem,
    model: &Model,
    solution: &[f64],
    proven: bool,
    claimed: f64,
) -> Outcome {
    let incumbent = match model.incumbent(problem, solution) {
        Ok(incumbent) => incumbent,
        Err(message) => return failed(FailureReason::Unverified, message),
    };
    let cost = incumbent.plan.cost;
    let is_true = incumbent.as_claimed && model.is_exact();
    let floor = model.floor();
    let (status, lower_bound) = if proven && (is_true || cost == floor) {
        (PlanStatus::Optimal, cost)
    } else {
        let bound = Some(model.safe_bound(claimed)).filter(|&bound| {
            // A bound above a plan's cost is none.
            model.is_exact() && bound <= cost
        });
        (PlanStatus::Bounded, bound.unwrap_or(floor).max(floor))
    };
    Outcome::Planned(Planned {
        plan: incumbent.plan,
        status,
        lower_bound: Some(lower_bound),
        certificate: Some(Certificate::Solver),
    })
}

fn failed(reason: FailureReason, message: String) -> Outcome {
    Outcome::Failed(Failure { reason, message })
}
