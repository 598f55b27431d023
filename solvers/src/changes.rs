//! The smallest single changes that would give a question a plan: more time, fewer workers to
//! employ, smaller lots, or more workers.
//!
//! [`Problem::repairs`](scheduler::Problem::repairs) has these for one problem. Here they are for a
//! [`PlanRequest`], whose capacities come from a limit and from how many share a link: what a problem
//! calls capacity, a job calls time. Each change was solved: with it there is a plan, and with one
//! step less of it there is none. No smaller change works at all, since none that works is undone by
//! more of it.

use std::fmt;

use scheduler::machine::WorkerId;
use scheduler::{
    Candidate, Cost, Fee, Link, MAX_BATCHES, MAX_WORKERS, Margin, PlanRequest, Span, Speed,
};

use crate::frontier::least_limit;
use crate::{Allocator, Exact};

/// The speed of a new worker is a whole number of these parts of a batch per second.
const SPEED_PARTS: u64 = 1_000;

/// One change, everything else left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Give a cycle more time.
    Limit {
        /// The least that works.
        to: Span,
    },
    /// Demand fewer employed workers.
    Beta {
        /// The largest value that works.
        to: u64,
    },
    /// Allow smaller lots.
    SMin {
        /// The largest value that works.
        to: u64,
    },
    /// Pay more for a cycle.
    Budget {
        /// What the cheapest plan costs.
        to: Cost,
    },
    /// Bring more workers, all alike: with the connection and the fee of the worker of the
    /// largest capacity, but not limited by memory.
    Workers {
        /// How many.
        count: u64,
        /// The least speed of each, to a thousandth of a batch per second.
        speed: Speed,
        /// What each can then take within the limit.
        batches: u64,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { to } => write!(f, "raise the time of a cycle to {to}"),
            Self::Beta { to } => write!(f, "lower beta to {to}"),
            Self::SMin { to } => write!(f, "lower s_min to {to}"),
            Self::Budget { to } => write!(f, "raise the budget of a cycle to {to}"),
            Self::Workers {
                count,
                speed,
                batches,
            } => {
                let word = |count, one, many| if count == 1 { one } else { many };
                let many = word(*count, "worker", "workers");
                let each = word(*batches, "batch", "batches");
                write!(
                    f,
                    "add {count} {many} of {} batches/s, for {batches} {each} in time",
                    speed.per_second_f64()
                )
            }
        }
    }
}

/// The smallest change of each kind that can help; empty when there is a plan.
pub fn changes(request: &PlanRequest, exact: &mut Exact) -> Vec<Change> {
    if employed(request, exact).is_some() {
        return Vec::new();
    }
    let cheapest = request.cheapest(|problem| exact.measure(problem).outcome);
    // If there is a plan, it is too expensive.
    let budget = cheapest.outcome.planned().map(|planned| Change::Budget {
        to: planned.plan.cost,
    });
    let (n, s_min, beta) = request.demand();
    let limit = least_limit(request, exact, request.budget());
    let limit = limit.map(|point| Change::Limit { to: point.limit });
    let mut works = |demand| {
        let changed = request.with_demand(demand);
        changed.is_ok_and(|changed| employed(&changed, exact).is_some())
    };
    let fewer = largest_below(beta, |beta| works((n, s_min, beta)));
    let smaller = largest_below(s_min, |s_min| works((n, s_min, beta)));
    [
        budget,
        limit,
        fewer.map(|to| Change::Beta { to }),
        smaller.map(|to| Change::SMin { to }),
        workers(request, exact),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The question with the change made, to be solved.
pub fn changed(request: &PlanRequest, change: Change) -> PlanRequest {
    let (n, s_min, beta) = request.demand();
    let within_bounds = "a change stays within the bounds of a problem";
    match change {
        Change::Limit { to } => request.within(to),
        Change::Beta { to } => request.with_demand((n, s_min, to)).expect(within_bounds),
        Change::SMin { to } => request.with_demand((n, to, beta)).expect(within_bounds),
        Change::Budget { to } => request.clone().with_budget(Some(to)),
        Change::Workers { count, speed, .. } => {
            with_newcomers(request, count, speed).expect(within_bounds)
        }
    }
}

/// For how many employed workers there is a plan that can be paid for.
fn employed(request: &PlanRequest, exact: &mut Exact) -> Option<u64> {
    let response = request.cheapest(|problem| exact.measure(problem).outcome);
    let cost = response.outcome.planned()?.plan.cost;
    let pays = |budget| cost <= budget;
    request
        .budget()
        .is_none_or(pays)
        .then_some(response.employed)
}

/// The largest value below `fails` that works, as all smaller ones do.
fn largest_below(fails: u64, mut works: impl FnMut(u64) -> bool) -> Option<u64> {
    if fails == 0 || !works(0) {
        return None;
    }
    let (mut works_at, mut fails_at) = (0, fails);
    while fails_at - works_at > 1 {
        let middle = works_at.midpoint(fails_at);
        if works(middle) {
            works_at = middle;
        } else {
            fails_at = middle;
        }
    }
    Some(works_at)
}

/// Where there is no worker at all, a new one is like this: connected without delay, for nothing.
fn anybody(speed: Speed) -> Candidate {
    Candidate {
        worker: WorkerId::new(0),
        fee: Fee::ZERO,
        speed,
        margin: Margin::NONE,
        link: Link::default(),
        most: MAX_BATCHES,
    }
}

fn workers(request: &PlanRequest, exact: &mut Exact) -> Option<Change> {
    let fastest = MAX_BATCHES;
    let mut works = |count, parts| {
        let changed = with_newcomers(request, count, speed(parts)?)?;
        employed(&changed, exact).map(|employed| (changed, employed))
    };
    // The fewest, if they are as fast as possible; more than must be employed do not help.
    let most = request.demand().2.max(1);
    works(most, fastest)?;
    let (mut too_few, mut count) = (0, most);
    while count - too_few > 1 {
        let middle = u64::midpoint(too_few, count);
        if works(middle, fastest).is_some() {
            count = middle;
        } else {
            too_few = middle;
        }
    }
    let slower = largest_below(fastest, |less| works(count, fastest - less).is_some())?;
    let parts = fastest - slower;
    let (changed, employed) = works(count, parts)?;
    let newcomer = changed.problem(employed).workers().last().copied()?;
    Some(Change::Workers {
        count,
        speed: speed(parts)?,
        batches: newcomer.s_max,
    })
}

fn speed(parts: u64) -> Option<Speed> {
    Speed::measured(parts, Span::from_secs(SPEED_PARTS))
}

fn with_newcomers(request: &PlanRequest, count: u64, speed: Speed) -> Option<PlanRequest> {
    let count = usize::try_from(count).ok()?;
    if count > MAX_WORKERS - request.candidates().len() {
        return None;
    }
    let workers = request.problem(request.demand().2.max(1));
    let capacities = workers.workers().iter().zip(request.candidates());
    let largest = capacities.max_by_key(|(worker, _)| worker.s_max);
    let like = largest.map_or_else(|| anybody(speed), |(_, candidate)| *candidate);
    let newcomer = Candidate {
        speed,
        most: MAX_BATCHES,
        ..like
    };
    request.and(&vec![newcomer; count]).ok()
}
