//! The walk over time: solve, go to the least limit at which the plan still fits, step one
//! nanosecond below it, repeat.
//!
//! Costs only fall as the limit grows, so one plan answers every limit down to its own least, and
//! the walk passes every limit at which the cost changes.

use scheduler::{PlanRequest, Span};

use super::curve::{Curve, Effort, Point, is_proved};
use crate::{Allocator, Exact};

const STEP: Span = Span::from_nanos(1);

/// The points between two reports of progress.
const REPORT_EVERY: usize = 1 << 8;

/// As [`super::over_time`].
pub(super) fn walk(
    request: &PlanRequest,
    exact: &mut Exact,
    (from, upto): (Span, Span),
    effort: Effort<'_>,
) -> Curve<Point> {
    let mut curve = Curve {
        points: Vec::<Point>::new(),
        is_proved: true,
        is_whole: true,
        problems: 0,
    };
    let budget = effort.budget / request.candidates().len().max(1) as u64;
    let mut descent = request.descent();
    let mut at = upto;
    loop {
        if curve.problems >= budget {
            curve.is_whole = false;
            break;
        }
        let response = descent.cheapest(at, |problem| exact.measure(problem).outcome);
        curve.problems += response.solves.max(1);
        curve.is_proved &= is_proved(&response.outcome);
        let Some(planned) = response.outcome.planned() else {
            break;
        };
        let least = descent.least_limit(response.employed, &planned.plan);
        let limit = least.max(from).min(at);
        // Of limits at which plans cost the same, the smallest is the point.
        let cost = planned.plan.cost;
        curve.points.pop_if(|last| last.cost == cost);
        curve.points.push(Point {
            limit,
            cost,
            workers_employed: planned.plan.workers_employed(),
        });
        if curve.points.len().is_multiple_of(REPORT_EVERY) {
            (effort.progress)(curve.problems);
        }
        if limit <= from {
            break;
        }
        at = limit - STEP;
    }
    curve.points.reverse();
    curve
}
