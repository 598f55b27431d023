//! The answer to a request by its objective: the cheapest plan, the quickest of the cheapest, or the
//! cheapest of the quickest.

use scheduler::{Objective, Outcome, PlanRequest, PlanResponse, Planned, Problem};

use crate::Allocator;

/// The allocator's answer to a request.
///
/// Only an allocator that proves what it says can tell what another limit would cost. Any other
/// answers with the cheapest plan that it finds, whatever the objective is.
pub fn answer(request: &PlanRequest, allocator: &mut dyn Allocator) -> PlanResponse {
    let proves = allocator.proves();
    let mut solve = |problem: &Problem| allocator.measure(problem).outcome;
    let first = request.cheapest(&mut solve);
    let Some(planned) = first.outcome.planned().filter(|_| proves) else {
        return first;
    };
    let most = match request.objective() {
        Objective::Cheapest => return first,
        Objective::CheapestThenQuickest => Some(planned.plan.cost),
        Objective::Quickest => None,
    };
    let mut solves = first.solves;
    let (quickest, solved) = request.quickest(most, request.fitted(planned.clone()), &mut solve);
    solves += solved;
    let chosen = match most {
        Some(_) => {
            // What is proved of the least cost was proved of the first plan.
            let proof = planned.lower_bound.zip(planned.certificate);
            request.fitted(match proof {
                Some((bound, certificate)) => {
                    Planned::bounded(quickest.planned.plan, bound, certificate)
                }
                None => quickest.planned,
            })
        }
        None => {
            let cheapest = request.within(quickest.limit).cheapest(&mut solve);
            solves += cheapest.solves;
            match cheapest.outcome {
                Outcome::Planned(planned) => request.fitted(planned),
                Outcome::Infeasible(_) | Outcome::Failed(_) => quickest,
            }
        }
    };
    let chosen = request.levelled(chosen);
    PlanResponse {
        employed: chosen.employed,
        outcome: Outcome::Planned(chosen.planned),
        solves,
    }
}
