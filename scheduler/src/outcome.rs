//! What an allocator answers.

use crate::infeasible::Infeasible;
use crate::money::Cost;
use crate::named::named;
use crate::plan::Plan;
use serde::{Deserialize, Serialize};

/// An allocator's answer to one problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// A plan that satisfies every constraint.
    Planned(Planned),
    /// There is no such plan, and why.
    Infeasible(Infeasible),
    /// The allocator found no plan, though one may exist.
    Failed(Failure),
}

impl Outcome {
    /// The plan with what is known of it, if there is one.
    pub const fn planned(&self) -> Option<&Planned> {
        match self {
            Self::Planned(planned) => Some(planned),
            Self::Infeasible(_) | Self::Failed(_) => None,
        }
    }

    /// `optimal`, `bounded`, `feasible`, `infeasible` or `failed`.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Planned(planned) => planned.status.name(),
            Self::Infeasible(_) => "infeasible",
            Self::Failed(_) => "failed",
        }
    }

    /// The machine-readable reason why there is no plan.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Planned(_) => None,
            Self::Infeasible(infeasible) => Some(infeasible.reason()),
            Self::Failed(failure) => Some(failure.reason.name()),
        }
    }
}

/// A plan and what its allocator knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What is proved of it.
    pub status: PlanStatus,
    /// No plan costs less than this, where the allocator has such a bound.
    pub lower_bound: Option<Cost>,
    /// What the bound rests on.
    pub certificate: Option<Certificate>,
}

impl Planned {
    /// A plan of whose cost nothing is known.
    pub const fn feasible(plan: Plan) -> Self {
        Self {
            plan,
            status: PlanStatus::Feasible,
            lower_bound: None,
            certificate: None,
        }
    }

    /// A plan that is proved to be the cheapest.
    pub const fn optimal(plan: Plan, certificate: Certificate) -> Self {
        let cost = plan.cost;
        Self::bounded(plan, cost, certificate)
    }

    /// A plan with its lower bound: optimal when they meet.
    pub const fn bounded(plan: Plan, lower_bound: Cost, certificate: Certificate) -> Self {
        Self {
            status: if lower_bound.micros() == plan.cost.micros() {
                PlanStatus::Optimal
            } else {
                PlanStatus::Bounded
            },
            plan,
            lower_bound: Some(lower_bound),
            certificate: Some(certificate),
        }
    }
}

named! {
    /// What is proved of a plan.
    pub enum PlanStatus {
        /// No plan is cheaper.
        Optimal = "optimal",
        /// The budget ran out: the lower bound says how far from optimal it can be at most.
        Bounded = "bounded",
        /// It satisfies every constraint; nothing is proved of its cost.
        Feasible = "feasible",
    }
}

named! {
    /// What a lower bound rests on.
    pub enum Certificate {
        /// Theorem 1 or Lemma 2: the answer is a formula.
        ClosedForm = "closed_form",
        /// The Lagrangian bound met the plan at the root.
        Root = "root",
        /// Branch and bound closed the gap; where costs are given by points, all plans within it were looked at.
        Search = "search",
        /// A dynamic programme over the undecided workers closed it.
        DynamicProgramme = "dynamic_programme",
        /// A mixed-integer solver claims it.
        Solver = "solver",
        /// The continuous relaxation.
        Relaxation = "relaxation",
    }
}

/// An allocator gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The kind of failure.
    pub reason: FailureReason,
    /// What happened, in words.
    pub message: String,
}

named! {
    /// The kinds of failure.
    pub enum FailureReason {
        /// The problem has more workers than this allocator takes.
        TooLarge = "too_large",
        /// The budget ran out before there was any plan.
        NoPlanFound = "no_plan_found",
        /// The plan did not verify in integers.
        Unverified = "unverified",
        /// The solver itself reported an error.
        SolverError = "solver_error",
        /// The allocator does not take problems of this kind.
        Unsupported = "unsupported",
    }
}
