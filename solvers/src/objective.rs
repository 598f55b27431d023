//! The answer to a request by its objective: the cheapest plan, the quickest of the cheapest, or the
//! cheapest of the quickest.
//!
//! The least cost does not rise with the limit. So the quickest of the cheapest plans is the plan at
//! the least limit that still costs the same, and it takes exactly that limit. It is found by
//! bisection over decisions: is there any plan of at most this cost? A yes leads on to the plan's own
//! time; most answers cannot be any quicker, which one decision shows.

use scheduler::{Cost, Objective, Outcome, PlanRequest, PlanResponse, Planned, Problem, Span};

use crate::Allocator;

const STEP: Span = Span::from_nanos(1);

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
    let found = Found::new(request, first.employed, planned.clone());
    let (found, solves) = quickest(request, most, found, &mut solve);
    let mut response = match most {
        Some(_) => {
            // What is proved of the least cost was proved of the first plan.
            let proof = planned.lower_bound.zip(planned.certificate);
            let quickest = match proof {
                Some((bound, certificate)) => {
                    Planned::bounded(found.planned.plan, bound, certificate)
                }
                None => found.planned,
            };
            PlanResponse {
                employed: found.employed,
                outcome: Outcome::Planned(quickest),
                solves: 0,
            }
        }
        None => request.within(found.limit).cheapest(&mut solve),
    };
    response.solves += first.solves + solves;
    response
}

/// A plan and the least limit at which it fits.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) limit: Span,
    employed: u64,
    planned: Planned,
}

impl Found {
    /// A plan within the capacities for a number of employed workers.
    pub(crate) fn new(request: &PlanRequest, employed: u64, planned: Planned) -> Self {
        // With the capacities for as many as it employs it fits too, and no later.
        let needed = planned
            .plan
            .workers_employed()
            .max(request.demand().2)
            .max(1);
        let employed = needed.min(employed);
        let shares = planned.plan.batches.iter().enumerate();
        let fits = shares.filter_map(|(place, &x)| request.least_limit(place, employed, x));
        Self {
            limit: fits.max().unwrap_or(Span::ZERO),
            employed,
            planned,
        }
    }
}

/// From a plan of at most this cost, if one is given, to the least limit that has one, and such a
/// plan; with the number of problems that were solved.
pub(crate) fn quickest(
    request: &PlanRequest,
    most: Option<Cost>,
    mut found: Found,
    solve: &mut impl FnMut(&Problem) -> Outcome,
) -> (Found, u64) {
    let mut solves = 0;
    let mut quicker = |limit: Span| {
        let request = request.within(limit);
        let (plan, solved) = request.affordable(most, &mut *solve);
        solves += solved;
        plan.map(|(employed, planned)| Found::new(&request, employed, planned))
    };
    let mut fails = Span::ZERO;
    let mut at = found.limit - STEP;
    while found.limit - fails > STEP {
        match quicker(at) {
            Some(plan) => found = plan,
            None => fails = at,
        }
        at = fails + (found.limit - fails) / 2;
    }
    (found, solves)
}
