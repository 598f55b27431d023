//! The curves over `beta` and over `s_min`.
//!
//! A plan that employs `e` workers answers every `beta` up to `e`, and one whose smallest share is
//! `x` answers every `s_min` up to `x`: demanding more never makes a plan cheaper, so that the same
//! plan is still the cheapest. The next problem is that of `e + 1` or `x + 1`. Over `beta`, without a
//! shared link, this solves one problem for the flat part, and then the closed form of the `beta`
//! cheapest for each number.

use scheduler::{Plan, PlanRequest};

use super::curve::{Curve, Effort, Step, is_proved};
use crate::{Allocator, Exact};

/// A demand: `(n, s_min, beta)`.
type Demand = (u64, u64, u64);

pub(super) fn over_beta(
    request: &PlanRequest,
    exact: &mut Exact,
    effort: Effort<'_>,
) -> Curve<Step> {
    let (n, s_min, _) = request.demand();
    let most = (request.candidates().len() as u64).min(n / s_min.max(1));
    let demand = |beta| (n, s_min, beta);
    steps(request, exact, most, demand, Plan::workers_employed, effort)
}

pub(super) fn over_s_min(
    request: &PlanRequest,
    exact: &mut Exact,
    effort: Effort<'_>,
) -> Curve<Step> {
    let (n, _, beta) = request.demand();
    // Capacities are the largest where the fewest are employed.
    let workers = request.problem(beta.max(1));
    let largest = workers.workers().iter().map(|worker| worker.s_max).max();
    let most = largest.unwrap_or(0).min(n / beta.max(1));
    let smallest_share = |plan: &Plan| {
        let shares = plan.batches.iter().filter(|&&x| x > 0);
        shares.min().copied().unwrap_or(u64::MAX)
    };
    steps(
        request,
        exact,
        most,
        |s_min| (n, s_min, beta),
        smallest_share,
        effort,
    )
}

/// The answers to all values from 0 to `most`; `holds_upto` says up to which value a plan stays
/// one.
fn steps(
    request: &PlanRequest,
    exact: &mut Exact,
    most: u64,
    demand: impl Fn(u64) -> Demand,
    holds_upto: impl Fn(&Plan) -> u64,
    effort: Effort<'_>,
) -> Curve<Step> {
    let mut curve = Curve {
        points: Vec::<Step>::new(),
        is_proved: true,
        is_whole: true,
        problems: 0,
    };
    let budget = effort.budget / request.candidates().len().max(1) as u64;
    let mut value = 0;
    while value <= most {
        if curve.problems >= budget {
            curve.is_whole = false;
            break;
        }
        let Ok(asked) = request.with_demand(demand(value)) else {
            break; // beyond the bounds of a problem
        };
        let response = asked.cheapest(|problem| exact.measure(problem).outcome);
        curve.problems += response.solves.max(1);
        (effort.progress)(curve.problems);
        curve.is_proved &= is_proved(&response.outcome);
        let Some(planned) = response.outcome.planned() else {
            value += 1;
            continue;
        };
        let upto = holds_upto(&planned.plan).clamp(value, most);
        match curve.points.last_mut() {
            Some(last) if last.cost == planned.plan.cost && last.upto + 1 == value => {
                last.upto = upto;
            }
            Some(_) | None => curve.points.push(Step {
                from: value,
                upto,
                cost: planned.plan.cost,
                workers_employed: planned.plan.workers_employed(),
            }),
        }
        value = upto + 1;
    }
    curve
}
