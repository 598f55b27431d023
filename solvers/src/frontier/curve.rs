//! What a curve is made of, and what it may take.

use scheduler::{Cost, Outcome, PlanStatus, Span};

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

/// How much work a curve may take, and where to report its progress.
pub struct Effort<'a> {
    /// Capacities that may be computed: one for each worker of each problem looked at.
    pub budget: u64,
    /// Called now and then with the number of problems looked at.
    pub progress: &'a mut dyn FnMut(u64),
}

/// Whether nothing cheaper, or nothing at all, is proved.
pub(super) fn is_proved(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Planned(planned) => planned.status == PlanStatus::Optimal,
        Outcome::Infeasible(_) => true,
        Outcome::Failed(_) => false,
    }
}
