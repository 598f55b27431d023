//! What another limit, another `beta` or other lots would cost: exact trade-off curves.
//!
//! The curves follow the answer of a [`PlanRequest`] point by point: every point is what
//! [`PlanRequest::cheapest`] says there, and one step before it costs more. Nothing is sampled. See
//! [`time`] for the walk over time.
//!
//! Budgets are counts of computed capacities. When one runs out, the curve says that it is not whole.

mod curve;
mod steps;
mod time;

pub use curve::{Curve, Effort, Point, Step};

use scheduler::{Cost, PlanRequest, Problem, Span};

use crate::{Allocator, Exact};

/// The capacities that are computed for one curve by default: a minute or so.
pub const DEFAULT_BUDGET: u64 = 2_000_000_000;

/// Of all limits from `from` to `upto`, those at which plans become cheaper than at any smaller
/// one of them.
pub fn over_time(
    request: &PlanRequest,
    exact: &mut Exact,
    (from, upto): (Span, Span),
    effort: Effort<'_>,
) -> Curve<Point> {
    time::walk(request, exact, (from, upto), effort)
}

/// The least limit at which there is a plan, of at most this cost if one is given. `None` when no
/// limit is long enough.
///
/// A nanosecond less is too little: more time never hurts.
pub fn least_limit(request: &PlanRequest, exact: &mut Exact, most: Option<Cost>) -> Option<Point> {
    let mut solve = |problem: &Problem| exact.measure(problem).outcome;
    let longest = request.within(LONGEST);
    let (_, planned) = longest.affordable(most, &mut solve).0?;
    let fitted = longest.fitted(planned);
    let limit = request.quickest(most, fitted, &mut solve).0.limit;
    let response = request.within(limit).cheapest(&mut solve);
    let plan = &response.outcome.planned()?.plan;
    Some(Point {
        limit,
        cost: plan.cost,
        workers_employed: plan.workers_employed(),
    })
}

/// The least cost for every least number of employed workers that has a plan.
pub fn over_beta(request: &PlanRequest, exact: &mut Exact, effort: Effort<'_>) -> Curve<Step> {
    steps::over_beta(request, exact, effort)
}

/// The least cost for every least number of batches of an employed worker that has a plan.
pub fn over_s_min(request: &PlanRequest, exact: &mut Exact, effort: Effort<'_>) -> Curve<Step> {
    steps::over_s_min(request, exact, effort)
}

/// The longest limit that there is.
const LONGEST: Span = Span::from_nanos(u64::MAX);
