//! The quickest plan of at most a given cost, over all numbers of employed workers.
//!
//! The least cost does not rise with the limit, so there is a least limit that has a plan of at most
//! this cost, and a plan for it takes exactly that limit. Two kinds of answers lead there:
//!
//! * A lower bound above the cost refuses a limit for a whole range of numbers of employed workers, without
//!   solving anything, and all shorter limits with it. Its price says how fast the bound falls as the limit grows: one
//!   Newton step leads to the next limit worth looking at. (The bound is nearly convex in the limit, so
//!   that a few steps suffice.)
//! * An allocator's answer for one number decides a limit for that number. A plan leads on to its own time; a
//!   refusal leads on to the next limit at which some worker can take more.
//!
//! Ranges are halved best first, by the limit up to which they are refused, until nothing can be quicker than
//! the best plan. The first number looked at is the one that the bound itself would employ; most other
//! ranges are then refused at once.
//!
//! Steps are guesses in floats; what is refused and what is found is decided in integers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::bound::{Bound, by_fee};
use crate::capacities::Capacities;
use crate::money::Cost;
use crate::outcome::{Outcome, Planned};
use crate::problem::Problem;
use crate::request::PlanRequest;
use crate::time::Span;

const STEP: Span = Span::from_nanos(1);

/// Newton steps for one range before it is halved instead.
const NEWTON_STEPS: u32 = 8;

/// A plan and the least limit at which it fits.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// That limit.
    pub limit: Span,
    /// The number of employed workers that capacities are taken for: as many as it employs, or must.
    pub employed: u64,
    /// The plan, with what is known of its cost.
    pub planned: Planned,
}

impl PlanRequest {
    /// The least limit at which a plan fits.
    pub fn fitted(&self, planned: Planned) -> Fitted {
        let beta = self.demand().2;
        let employed = planned.plan.workers_employed().max(beta).max(1);
        let shares = planned.plan.batches.iter().enumerate();
        let fits = shares.filter_map(|(place, &x)| self.least_limit(place, employed, x));
        Fitted {
            limit: fits.max().unwrap_or(Span::ZERO),
            employed,
            planned,
        }
    }

    /// From a plan to the quickest of at most this cost, if one is given; with the number of problems
    /// that were solved. The plan given must cost no more either.
    ///
    /// With an allocator that proves its optima, no plan of at most this cost fits a shorter limit.
    pub fn quickest(
        &self,
        most: Option<Cost>,
        plan: Fitted,
        solve: impl FnMut(&Problem) -> Outcome,
    ) -> (Fitted, u64) {
        if self.demand().0 == 0 {
            return (plan, 0);
        }
        let mut search = Search::new(self, most, plan, solve);
        search.run();
        (search.best, search.solves)
    }
}

struct Search<'a, F> {
    request: &'a PlanRequest,
    capacities: Capacities<'a>,
    /// Places of the candidates, the cheapest first.
    by_fee: Vec<usize>,
    /// The sum of the rates of this number of the fastest.
    fastest: Vec<f64>,
    bound: Bound,
    most: Option<Cost>,
    solve: F,
    best: Fitted,
    /// Whether a plan quicker than the first was found.
    is_better: bool,
    open: BinaryHeap<Reverse<Range>>,
    solves: u64,
}

/// Numbers of employed workers of which one may have a quicker plan.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    /// None of them has a plan at this limit.
    refused: Span,
    from: u64,
    upto: u64,
    /// Where the first plan is likely.
    likely: Span,
    /// How many workers the bound would employ.
    employs: u64,
}

/// What refused a limit.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    /// By how much the bound is above the cost, or batches above the capacity.
    over: f64,
    /// By how much that falls with each nanosecond more.
    slope: f64,
    /// How much of it may come from capacities that are rounded down.
    rounding: f64,
    /// How many workers the bound would employ.
    employs: u64,
}

impl Refusal {
    /// How much longer the limit must be, at least, and about.
    fn steps(self) -> (Span, Span) {
        let step = |over: f64| Span::from_nanos((over / self.slope).max(0.0) as u64);
        (step(self.over - self.rounding), step(self.over))
    }
}

impl<'a, F: FnMut(&Problem) -> Outcome> Search<'a, F> {
    fn new(request: &'a PlanRequest, most: Option<Cost>, plan: Fitted, solve: F) -> Self {
        let candidates = request.candidates();
        let capacities = Capacities::new(request);
        let by_fee = by_fee(candidates.iter().map(|candidate| candidate.fee));
        let mut fastest: Vec<f64> = (0..candidates.len())
            .map(|place| capacities.rate(place))
            .collect();
        fastest.sort_unstable_by(|a, b| b.total_cmp(a));
        let mut sum = 0.0;
        for rate in &mut fastest {
            sum += *rate;
            *rate = sum;
        }
        Self {
            request,
            capacities,
            by_fee,
            fastest,
            bound: Bound::default(),
            most,
            solve,
            best: plan,
            is_better: false,
            open: BinaryHeap::new(),
            solves: 0,
        }
    }

    fn run(&mut self) {
        let (least, all) = self.request.counts();
        let shared = self.request.time_model().depends_on_employed();
        let from = if shared { least } else { all };
        let Some(root) = self.look_into(Span::ZERO, from, all) else {
            return;
        };
        let first = root.employs.clamp(from, all);
        self.look_at(first, &root);
        self.push(root.refused, from, first - 1);
        self.push(root.refused, first + 1, all);
        while let Some(Reverse(range)) = self.open.pop() {
            if range.refused >= self.last() {
                return;
            }
            if range.from == range.upto {
                self.look_at(range.from, &range);
                continue;
            }
            let middle = range.from.midpoint(range.upto);
            self.push(range.refused, range.from, middle);
            self.push(range.refused, middle + 1, range.upto);
        }
    }

    /// The longest limit at which a plan would be quicker than the best.
    fn last(&self) -> Span {
        self.best.limit - STEP
    }

    fn push(&mut self, refused: Span, from: u64, upto: u64) {
        let range = self.look_into(refused, from, upto);
        self.open.extend(range.map(Reverse));
    }

    /// Looks for the least limit that the bound does not refuse to these numbers of employed workers.
    /// `None` where none of them has a quicker plan than the best.
    fn look_into(&mut self, refused: Span, from: u64, upto: u64) -> Option<Range> {
        let mut open = self.last();
        if from > upto || refused >= open || self.refusal((from, upto), open, true).is_some() {
            return None;
        }
        let mut refused = refused.max(self.lots(from) - STEP);
        let mut why = self.refusal((from, upto), refused, false);
        let fine = self.fine();
        let mut newton = NEWTON_STEPS;
        while open - refused > fine {
            let (least, _) = why.map_or_else(Default::default, Refusal::steps);
            let is_near = why.is_some_and(|why| why.over > 0.0 && why.over <= why.rounding);
            if is_near {
                break;
            }
            let middle = refused + (open - refused) / 2;
            let mut at = refused + least;
            if newton == 0 || least == Span::ZERO || at >= open {
                at = middle;
            } else {
                newton -= 1;
            }
            match self.refusal((from, upto), at, false) {
                Some(refusal) => (refused, why) = (at, Some(refusal)),
                None => open = at,
            }
        }
        let (_, about) = why.map_or_else(Default::default, Refusal::steps);
        Some(Range {
            refused,
            from,
            upto,
            likely: (refused + about).min(open),
            employs: why.map_or(from, |why| why.employs),
        })
    }

    /// Looks for the quickest plan for one number of employed workers.
    fn look_at(&mut self, employed: u64, range: &Range) {
        let mut refused = range.refused;
        // Once there is a good plan, one refusal is all that most numbers take.
        let mut at = if self.is_better {
            self.last()
        } else {
            range.likely
        };
        let mut likely = self.is_better.then_some(range.likely);
        let mut step = self.fine();
        while refused < self.last() {
            at = at.max(refused + STEP).min(self.last());
            let problem = self.capacities.problem(employed, at);
            match self.affordable(&problem) {
                Some(plan) => {
                    let plan = self.request.fitted(plan);
                    if plan.limit >= self.best.limit {
                        return; // an allocator whose plan does not fit
                    }
                    self.best = plan;
                    self.is_better = true;
                }
                None => {
                    refused = at.max(self.capacities.next(employed, at) - STEP);
                    step = step * 2;
                }
            }
            let middle = refused + (self.best.limit - refused) / 2;
            at = likely.take().unwrap_or((refused + step).min(middle));
        }
    }

    fn affordable(&mut self, problem: &Problem) -> Option<Planned> {
        if problem.infeasibility().is_some() {
            return None;
        }
        self.solves += 1;
        match (self.solve)(problem) {
            Outcome::Planned(planned) => {
                let is_affordable = self.most.is_none_or(|most| planned.plan.cost <= most);
                is_affordable.then_some(planned)
            }
            Outcome::Infeasible(_) | Outcome::Failed(_) => None,
        }
    }

    /// Whether, and by what, a limit is refused to all of these numbers of employed workers.
    fn refusal(&mut self, (from, upto): (u64, u64), at: Span, is_last: bool) -> Option<Refusal> {
        let problem = self.capacities.problem(from, at).with_most_employed(upto);
        let employable = (problem.n() / problem.lot()).min(upto);
        if problem.infeasibility().is_some() {
            let count = employable.min(self.fastest.len() as u64);
            let short = problem.n().saturating_sub(problem.employable_capacity());
            return Some(Refusal {
                over: short as f64,
                slope: count
                    .checked_sub(1)
                    .map_or(0.0, |last| self.fastest[last as usize]),
                rounding: count as f64,
                employs: count,
            });
        }
        let most = self.most?;
        // A refusal of the last limit ends it: there the bound need not be the highest.
        let enough = is_last.then_some(most);
        let bound = self.bound.of(&problem, &self.by_fee, enough);
        let over = bound.checked_sub(most).filter(|&over| over > Cost::ZERO)?;
        if is_last {
            return Some(Refusal {
                over: 0.0,
                slope: 0.0,
                rounding: 0.0,
                employs: from,
            });
        }
        let candidates = self.request.candidates();
        let capacities = &self.capacities;
        let fall = self.bound.fall(|place, s_max| {
            if s_max < candidates[place].most {
                capacities.rate(place)
            } else {
                0.0
            }
        });
        Some(Refusal {
            over: over.micros() as f64,
            slope: fall.slope,
            rounding: fall.rounding,
            employs: fall.employs,
        })
    }

    /// The least limit at which as many workers can take a lot as must be employed.
    fn lots(&self, employed: u64) -> Span {
        let (_, s_min, beta) = self.request.demand();
        let places = 0..self.request.candidates().len();
        let lot = |place| self.capacities.least_limit(place, employed, s_min.max(1));
        let mut limits: Vec<Span> = places.filter_map(lot).collect();
        match usize::try_from(beta.max(1) - 1) {
            Ok(last) if last < limits.len() => *limits.select_nth_unstable(last).1,
            Ok(_) | Err(_) => self.last(),
        }
    }

    /// A part of the time that a batch takes on the fastest: limits this near each other are not worth telling
    /// apart without solving.
    fn fine(&self) -> Span {
        let fastest = self.fastest.first().copied().unwrap_or(1.0);
        Span::from_nanos((0.1 / fastest) as u64).max(STEP)
    }
}
