//! The continuous relaxation, solved by an LP library, then rounded.
//!
//! The relaxation lets the employed share `z_i` of a worker be any number from 0 to 1. See
//! [`relaxation`] for the model, the solver and the bound, which is exact although the solver
//! works in floating point, and [`round`] for how its solution becomes a plan.
//!
//! The plan is `optimal` when it costs as much as the bound, else `feasible`: the relaxation
//! cannot say more. Whenever there is a plan, there is one to fall back on, so that this
//! allocator fails only if its solver does.

mod relaxation;
mod round;

use std::time::Duration;

use scheduler::{Certificate, Failure, FailureReason, Outcome, PlanStatus, Planned, Problem};

use crate::{Allocator, trivial};
use relaxation::Relaxation;

/// The most workers that the LP solver is given: this many take it about half a second, and its
/// time grows with their square.
pub const MAX_LP_WORKERS: usize = 5_000;

/// The allocator `lp`.
#[derive(Clone, Debug, Default)]
pub struct Lp {
    library_cpu: Duration,
}

impl Lp {
    /// An allocator that has spent nothing yet.
    pub const fn new() -> Self {
        Self {
            library_cpu: Duration::ZERO,
        }
    }
}

impl Allocator for Lp {
    fn name(&self) -> &'static str {
        "lp"
    }

    fn propose(&mut self, problem: &Problem) -> Outcome {
        let workers = problem.workers().len();
        if workers > MAX_LP_WORKERS {
            return failed(
                FailureReason::TooLarge,
                format!("there are {workers} workers, expected at most {MAX_LP_WORKERS} for lp"),
            );
        }
        if let Some(outcome) = trivial::answer(problem) {
            return outcome;
        }
        let relaxation = Relaxation::new(problem);
        let solution = match relaxation.solve(&mut self.library_cpu) {
            Ok(solution) => solution,
            Err(message) => return failed(FailureReason::SolverError, message),
        };
        let mut lower_bound = relaxation.bound(&solution);
        if problem.most_employed() < workers as u64 {
            lower_bound = lower_bound.max(problem.lower_bound());
        }
        let Some(plan) = round::cheapest(problem, &relaxation, &solution) else {
            return failed(
                FailureReason::NoPlanFound,
                "the relaxation's solution cannot be rounded to a plan".to_owned(),
            );
        };
        let status = if plan.cost == lower_bound {
            PlanStatus::Optimal
        } else {
            PlanStatus::Feasible
        };
        Outcome::Planned(Planned {
            plan,
            status,
            lower_bound: Some(lower_bound),
            certificate: Some(Certificate::Relaxation),
        })
    }

    fn library_cpu(&self) -> Duration {
        self.library_cpu
    }
}

fn failed(reason: FailureReason, message: String) -> Outcome {
    Outcome::Failed(Failure { reason, message })
}
