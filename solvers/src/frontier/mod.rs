//! What another limit, another `beta` or other lots would cost: exact trade-off curves.
//!
//! A [`PlanRequest`] is answered by the least number `w` of employed workers whose problem's plan
//! employs no more than `w` (costs grow with `w`, so that the first is the cheapest). These
//! curves follow that answer point by point: every point is what [`PlanRequest::cheapest`] says there,
//! and one step before it costs more. Nothing is sampled. See [`time`] for the walk over time.
//!
//! Budgets are counts of capacities worked out. When one runs out, the curve says that it is not
//! whole.

mod steps;
mod time;

use scheduler::{Cost, Outcome, PlanRequest, PlanStatus, Span};

use crate::{Allocator, Exact};

/// So many capacities are worked out for one curve, if the caller does not say: a minute or so.
pub const DEFAULT_BUDGET: u64 = 2_000_000_000;

/// So many for a single limit.
const LIMIT_BUDGET: u64 = 100_000_000;

/// A limit from which on plans become cheaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The least limit at which there is such a plan.
    pub limit: Span,
    /// What it costs.
    pub cost: Cost,
    /// How many workers it employs.
    pub workers_employed: u64,
}

/// A run of values of a demand that all cost the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The first value.
    pub from: u64,
    /// The last one.
    pub upto: u64,
    /// What the cheapest plan costs.
    pub cost: Cost,
    /// How many workers it employs at the first value.
    pub workers_employed: u64,
}

/// A trade-off curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve<P> {
    /// Its points, the smallest limit or value first.
    pub points: Vec<P>,
    /// Whether each cost is proved to be the least.
    pub is_proved: bool,
    /// Whether all points are there; otherwise the budget ran out.
    pub is_whole: bool,
    /// How many problems were looked at.
    pub problems: u64,
}

/// What a curve may take, and whom to tell how it goes.
pub struct Effort<'a> {
    /// Capacities that may be worked out: one for each worker of each problem looked at.
    pub budget: u64,
    /// Is told, now and then, how many problems were looked at.
    pub progress: &'a mut dyn FnMut(u64),
}

/// Of all limits from `from` to `upto`, those at which plans become cheaper than at any smaller
/// one of them.
pub fn over_time<'a>(
    request: &'a PlanRequest,
    exact: &'a mut Exact,
    (from, upto): (Span, Span),
    effort: Effort<'a>,
) -> Curve<Point> {
    time::walk(request, exact, (from, upto), None, effort)
}

/// The least limit at which there is a plan, of at most this cost if one is given. `None` when no
/// limit is long enough.
///
/// A nanosecond less is always too little. That no limit far below works either is looked at where
/// a shared link leaves it open, within a budget.
pub fn least_limit(request: &PlanRequest, exact: &mut Exact, most: Option<Cost>) -> Option<Point> {
    let mut at = |limit| {
        let response = request.within(limit).cheapest(|p| exact.measure(p).outcome);
        let plan = &response.outcome.planned()?.plan;
        most.is_none_or(|most| plan.cost <= most).then(|| Point {
            limit,
            cost: plan.cost,
            workers_employed: plan.workers_employed(),
        })
    };
    let mut found = at(LONGEST)?;
    let mut fails = Span::ZERO;
    if let Some(point) = at(fails) {
        return Some(point);
    }
    while found.limit - fails > Span::from_nanos(1) {
        let middle = fails + (found.limit - fails) / 2;
        match at(middle) {
            Some(point) => found = point,
            None => fails = middle,
        }
    }
    if !request.time_model().depends_on_employed() {
        return Some(found); // more time never hurts
    }
    // With a shared link an answer may be lost by more time: the walk sees what bisection leaps.
    let effort = Effort {
        budget: LIMIT_BUDGET,
        progress: &mut |_| {},
    };
    let below = time::walk(request, exact, (Span::ZERO, fails), most, effort);
    Some(below.points.first().copied().unwrap_or(found))
}

/// What demanding at least so many employed workers costs, for every number that has a plan.
pub fn over_beta(request: &PlanRequest, exact: &mut Exact, effort: Effort<'_>) -> Curve<Step> {
    steps::over_beta(request, exact, effort)
}

/// What lots of at least so many batches cost, for every number that has a plan.
pub fn over_s_min(request: &PlanRequest, exact: &mut Exact, effort: Effort<'_>) -> Curve<Step> {
    steps::over_s_min(request, exact, effort)
}

/// The longest limit that there is.
const LONGEST: Span = Span::from_nanos(u64::MAX);

fn is_proved(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Planned(planned) => planned.status == PlanStatus::Optimal,
        Outcome::Infeasible(_) => true,
        Outcome::Failed(_) => false,
    }
}
