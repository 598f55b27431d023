//! The answers that need no search, the same for every allocator that calls a solver library.

use scheduler::{Certificate, Cost, Outcome, Plan, PlanStatus, Planned, Problem};

/// The empty plan, or why there is none; `None` when there is something to solve.
pub(crate) fn answer(problem: &Problem) -> Option<Outcome> {
    if problem.is_empty() {
        return Some(Outcome::Planned(Planned {
            plan: Plan::costed(problem, vec![0; problem.workers().len()]),
            status: PlanStatus::Optimal,
            lower_bound: Some(Cost::ZERO),
            certificate: Some(Certificate::ClosedForm),
        }));
    }
    problem.infeasibility().map(Outcome::Infeasible)
}
