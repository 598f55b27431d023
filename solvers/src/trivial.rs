//! The answers that need no search, the same for every allocator that calls a solver library.

use scheduler::{Certificate, Outcome, Plan, Planned, Problem};

/// The empty plan, or why there is none; `None` when there is something to solve.
pub(crate) fn answer(problem: &Problem) -> Option<Outcome> {
    if problem.is_empty() {
        let empty = Plan::costed(problem, vec![0; problem.workers().len()]);
        return Some(Outcome::Planned(Planned::optimal(
            empty,
            Certificate::ClosedForm,
        )));
    }
    problem.infeasibility().map(Outcome::Infeasible)
}
