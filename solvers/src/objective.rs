//! The answer to a request by its objective: the cheapest plan, the quickest of the cheapest, or the
//! cheapest of the quickest.

use scheduler::machine::WorkerId;
use scheduler::{
    Candidate, Infeasible, Link, Margin, Objective, Outcome, PlanRequest, PlanResponse, Planned,
    Problem, Span, Speed, TimeModel,
};

use crate::Allocator;

/// The time in which a worker of a problem takes its capacity; the longer it is, the finer the parts.
const WHOLE: Span = Span::from_nanos(1 << 50);

/// The allocator's answer to a request.
///
/// Only an allocator that proves what it says can tell what another limit would cost. Any other
/// answers with the cheapest plan that it finds, whatever the objective is.
pub fn answer(request: &PlanRequest, allocator: &mut dyn Allocator) -> PlanResponse {
    let proves = allocator.proves();
    let mut solve = |problem: &Problem| allocator.measure(problem).outcome;
    let first = request.cheapest(&mut solve);
    let Some(planned) = first.outcome.planned() else {
        return first;
    };
    if let Some(budget) = request
        .budget()
        .filter(|&budget| planned.plan.cost > budget)
    {
        let least = planned.plan.cost;
        return PlanResponse {
            outcome: Outcome::Infeasible(Infeasible::InsufficientBudget { least, budget }),
            ..first
        };
    }
    let (is_fee_first, most) = match request.objective() {
        _ if !proves => return first,
        Objective::Cheapest => return first,
        Objective::CheapestThenQuickest => (true, Some(planned.plan.cost)),
        Objective::Quickest => (false, request.budget()),
    };
    let mut solves = first.solves;
    let (quickest, solved) = request.quickest(most, request.fitted(planned.clone()), &mut solve);
    solves += solved;
    let chosen = match is_fee_first {
        true => {
            // What is proved of the least cost was proved of the first plan.
            let proof = planned.lower_bound.zip(planned.certificate);
            request.fitted(match proof {
                Some((bound, certificate)) => {
                    Planned::bounded(quickest.planned.plan, bound, certificate)
                }
                None => quickest.planned,
            })
        }
        false => {
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

/// The allocator's answer to a problem by an objective.
///
/// A problem has no clock. The time of a worker is the part of its capacity that it uses, so the quickest plan is the
/// one with the least `max x_i / s_max_i`.
pub fn answer_problem(
    problem: &Problem,
    objective: Objective,
    allocator: &mut dyn Allocator,
) -> Outcome {
    if objective == Objective::Cheapest || problem.infeasibility().is_some() {
        return allocator.measure(problem).outcome;
    }
    let workers = (0..).zip(problem.workers());
    let candidates = workers.map(|(id, worker)| Candidate {
        worker: WorkerId::new(id),
        fee: worker.fee,
        // Whatever the speed, one that can take nothing takes nothing.
        speed: Speed::measured(worker.s_max.max(1), WHOLE).expect("capacities are bounded"),
        margin: Margin::NONE,
        link: Link::default(),
        most: worker.s_max,
    });
    let demand = (problem.n(), problem.s_min(), problem.beta());
    let request = PlanRequest::new(demand, WHOLE, TimeModel::COMPUTE, candidates.collect())
        .expect("a problem's bounds are a request's")
        .with_most_employed(problem.most_employed())
        .with_objective(objective);
    answer(&request, allocator).outcome
}
