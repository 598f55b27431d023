//! Allocators behind one trait.
//!
//! `heuristic` is the algorithm of the thesis, `exact` proves the optimum, `cbc` solves the
//! mixed-integer program and `lp` rounds its relaxation; [`papers`] has the rules that papers
//! compare with. Whatever one of them returns was
//! verified in integers first: see [`Allocator::measure`].
//!
//! **What it deliberately does not know:** where problems come from, how answers are stored or
//! printed, and any budget in wall time: budgets are counts, so that answers do not depend on
//! the machine.

pub mod cbc;
pub mod changes;
mod clock;
pub mod curves;
mod exact;
pub mod frontier;
mod heuristic;
mod lp;
mod objective;
pub mod papers;
mod rank;
mod registry;
mod trivial;

#[cfg(feature = "cbc")]
pub use cbc::{Cbc, CbcOptions, CbcProcess};
pub use exact::{Budget, Exact};
pub use heuristic::Heuristic;
pub use lp::{Lp, MAX_LP_WORKERS};
pub use objective::{answer, answer_problem};
pub use registry::{AllocatorName, Entry, Host, REGISTRY, UnknownAllocator};

use std::time::{Duration, Instant};

use scheduler::{
    Case, Cost, CurveProblem, Failure, FailureReason, Outcome, Plan, PlanStatus, Problem,
};
use serde::{Deserialize, Serialize};

/// Something that answers allocation problems. It may keep buffers between calls.
pub trait Allocator: Send {
    /// The name on the command line and in tables.
    fn name(&self) -> &'static str;

    /// Answers one problem. Callers use [`Allocator::measure`], which verifies the answer.
    fn propose(&mut self, problem: &Problem) -> Outcome;

    /// Whether it can answer at all.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    fn ready(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Answers one problem with curves. Callers use [`Allocator::measure_curves`], which verifies the answer.
    fn propose_curves(&mut self, _: &CurveProblem) -> Outcome {
        Outcome::Failed(Failure {
            reason: FailureReason::Unsupported,
            message: format!(
                "{} takes a fee per batch, not costs by points; exact takes both",
                self.name()
            ),
        })
    }

    /// The CPU time that all calls so far spent inside an external solver library.
    fn library_cpu(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether it proves that its plans are the cheapest, so that it can be asked what another limit
    /// would cost.
    fn proves(&self) -> bool {
        false
    }

    /// Whether it takes problems in which workers have [`Terms`](scheduler::Terms), not fees alone.
    fn takes_terms(&self) -> bool {
        false
    }

    /// Answers one problem, verifies the answer in integers, and says how long both took.
    fn measure(&mut self, problem: &Problem) -> Measured {
        let (start, library_start) = (Instant::now(), self.library_cpu());
        let outcome = if problem.terms().is_some() && !self.takes_terms() {
            without_terms(self.name())
        } else {
            verified(problem, self.propose(problem))
        };
        Measured {
            outcome,
            wall: start.elapsed(),
            library_cpu: self.library_cpu().saturating_sub(library_start),
        }
    }

    /// Answers a problem with curves, as [`Allocator::measure`] does.
    fn measure_curves(&mut self, problem: &CurveProblem) -> Measured {
        let (start, library_start) = (Instant::now(), self.library_cpu());
        let outcome = verified_curves(problem, self.propose_curves(problem));
        Measured {
            outcome,
            wall: start.elapsed(),
            library_cpu: self.library_cpu().saturating_sub(library_start),
        }
    }

    /// Answers a problem of either kind.
    fn measure_case(&mut self, case: &Case) -> Measured {
        match case {
            Case::Fees(problem) => self.measure(problem),
            Case::Curves(problem) => self.measure_curves(problem),
        }
    }

    /// Answers many problems, in order, as [`Allocator::measure`] does one. An allocator that
    /// lives elsewhere may answer them together.
    fn measure_all(&mut self, problems: &[Problem]) -> Vec<Measured> {
        problems
            .iter()
            .map(|problem| self.measure(problem))
            .collect()
    }
}

/// A verified answer and what it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The answer.
    pub outcome: Outcome,
    /// Wall time, verification included.
    pub wall: Duration,
    /// CPU time inside an external solver library, as far as it is known.
    pub library_cpu: Duration,
}

/// Whether an allocator takes a job in which a worker is paid by more than fees; `beyond` names what.
///
/// # Errors
/// What it does not take, and what to do.
pub fn check_terms(allocator: &dyn Allocator, beyond: Option<String>) -> Result<(), String> {
    match beyond {
        Some(what) if !allocator.takes_terms() => {
            let name = allocator.name();
            Err(format!(
                "{name} takes a fee per batch and nothing else, not {what}: use --allocator exact"
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// The answer of an allocator that takes fees alone to a problem in which workers have terms.
pub(crate) fn without_terms(name: &str) -> Outcome {
    Outcome::Failed(Failure {
        reason: FailureReason::Unsupported,
        message: format!("{name} takes a fee per batch and nothing else; exact takes all"),
    })
}

/// Lets only verified plans through: a plan that breaks a constraint becomes a failure with
/// reason `unverified`, and so does a lower bound above the cost.
pub fn verified(problem: &Problem, outcome: Outcome) -> Outcome {
    checked(outcome, |plan| {
        plan.verify(problem)
            .map_err(|violation| violation.to_string())
    })
}

/// The same for a problem with curves.
fn verified_curves(problem: &CurveProblem, outcome: Outcome) -> Outcome {
    checked(outcome, |plan| {
        let Some(schedule) = problem.schedule(&plan.batches) else {
            return Err("the plan is not within the limits of its workers".to_owned());
        };
        if u128::try_from(schedule.cost) != Ok(plan.cost.micros()) {
            let stated = plan.cost;
            return Err(format!(
                "the plan states a cost of {stated}, its batches cost {} micro-units",
                schedule.cost
            ));
        }
        schedule
            .verify(problem)
            .map_err(|violation| violation.to_string())
    })
}

fn checked(outcome: Outcome, verify: impl FnOnce(&Plan) -> Result<(), String>) -> Outcome {
    let Outcome::Planned(planned) = &outcome else {
        return outcome;
    };
    let above = |bound: Cost| bound > planned.plan.cost;
    let message = match verify(&planned.plan) {
        Err(violation) => violation,
        Ok(()) if planned.lower_bound.is_some_and(above) => {
            "the lower bound lies above the cost".to_owned()
        }
        Ok(())
            if planned.status == PlanStatus::Optimal
                && planned.lower_bound != Some(planned.plan.cost) =>
        {
            "the plan is called optimal, but its lower bound is not its cost".to_owned()
        }
        Ok(()) => return outcome,
    };
    Outcome::Failed(Failure {
        reason: FailureReason::Unverified,
        message,
    })
}
