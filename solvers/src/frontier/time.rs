//! The walk over time: solve, go to the least limit at which the plan still fits, step one
//! nanosecond below it, repeat.
//!
//! With the capacities for `w` employed workers costs only fall as the limit grows, so one plan
//! answers every limit down to its own least. What `w` answers at all is another matter: only
//! plans that employ at most `w`. The walk therefore visits the limits from above, at the
//! least `w` first; stretches of limits that `w` does not answer are left to `w + 1`.
//!
//! Which those are is known without solving. With `r` the first number of cheapest workers that
//! hold the data and `P_w` the capacity of the `w` cheapest, an optimum employs `max(beta, r)` or,
//! where lots bind, `r − 1` (see the theorems of `exact`). So
//!
//! * `P_w ≥ n`: it employs at most `w`. `w` answers.
//! * `P_w ≤ n − m`: it employs more. `w` does not.
//! * in between, only the plan itself shows it: one step of a capacity after the other is solved.
//!
//! While the same workers can take a lot, `P_w` grows with the limit, and these zones lie in this
//! order. Where a worker drops below a lot, the next stretch begins.

use scheduler::{Cost, Plan, PlanRequest, Problem, Span};

use super::curve::{Curve, Effort, Point, is_proved};
use crate::{Allocator, Exact};

const STEP: Span = Span::from_nanos(1);

/// The problems that are looked at between two reports of progress.
const REPORT_EVERY: u64 = 1 << 10;

/// As [`super::over_time`]; with a cost, only plans that cost at most that.
pub(super) fn walk<'a>(
    request: &'a PlanRequest,
    exact: &'a mut Exact,
    (from, upto): (Span, Span),
    most: Option<Cost>,
    effort: Effort<'a>,
) -> Curve<Point> {
    let mut by_fee: Vec<usize> = (0..request.candidates().len()).collect();
    by_fee.sort_by_key(|&place| request.candidates()[place].fee);
    let mut walk = Walk {
        request,
        exact,
        by_fee,
        from,
        most,
        effort,
        problems: 0,
        points: Vec::new(),
        is_proved: true,
    };
    let all = request.candidates().len() as u64;
    let least = request.demand().2.max(1);
    let is_whole = if request.time_model().depends_on_employed() {
        let mut stretches = vec![Stretch {
            employed: least,
            from,
            upto,
        }];
        loop {
            match stretches.pop() {
                None => break true,
                Some(stretch) if stretch.employed > all => {}
                Some(stretch) => {
                    if walk.stretch(stretch, &mut stretches).is_none() {
                        break false;
                    }
                }
            }
        }
    } else {
        walk.alone(all.max(least), upto).is_some()
    };
    walk.points.sort_by_key(|point| (point.limit, point.cost));
    let mut best: Option<Cost> = None;
    walk.points.retain(|point| {
        let cheaper = best.is_none_or(|best| point.cost < best);
        if cheaper {
            best = Some(point.cost);
        }
        cheaper
    });
    Curve {
        points: walk.points,
        is_proved: walk.is_proved,
        is_whole,
        problems: walk.problems,
    }
}

/// Limits that no fewer workers answer.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    employed: u64,
    from: Span,
    upto: Span,
}

/// What is known of a `w` at a limit before solving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    Answers,
    Perhaps,
    DoesNot,
}

struct Walk<'a> {
    request: &'a PlanRequest,
    exact: &'a mut Exact,
    /// Places of the candidates, the cheapest first.
    by_fee: Vec<usize>,
    from: Span,
    most: Option<Cost>,
    effort: Effort<'a>,
    problems: u64,
    points: Vec<Point>,
    is_proved: bool,
}

/// `None` means that the budget ran out.
type Within = Option<()>;

impl Walk<'_> {
    /// Where nothing depends on how many are employed.
    fn alone(&mut self, employed: u64, upto: Span) -> Within {
        let mut at = upto;
        loop {
            let problem = self.problem(employed, at)?;
            let Some(plan) = self.solve(&problem) else {
                return Some(());
            };
            let least = self.least_limit(employed, &plan).max(self.from).min(at);
            self.point(least, &plan);
            if least <= self.from {
                return Some(());
            }
            at = least - STEP;
        }
    }

    /// Follows what `w` answers within a stretch, and leaves the rest to those after it.
    fn stretch(&mut self, of: Stretch, left: &mut Vec<Stretch>) -> Within {
        let w = of.employed;
        let mut at = of.upto;
        // The top of limits that `w` does not answer, while the walk is in them.
        let mut open: Option<Span> = None;
        // Down to this limit the same workers can take a lot.
        let mut same_from: Option<Span> = None;
        loop {
            let problem = self.problem(w, at)?;
            let same_from = match same_from.filter(|same_from| *same_from <= at) {
                Some(same_from) => same_from,
                None => {
                    let needed = needed(&problem);
                    if needed.is_none_or(|needed| needed > w) {
                        // Nor does it answer any smaller limit; without enough capacity for `w`
                        // there is none for more.
                        match (open, needed) {
                            (Some(upto), Some(_)) => self.leave(w, of.from, upto, left),
                            (Some(upto), None) => self.leave(w, at + STEP, upto, left),
                            (None, Some(needed)) => self.leave(needed - 1, of.from, at, left),
                            (None, None) => {}
                        }
                        return Some(());
                    }
                    *same_from.insert(self.same_from(w, &problem))
                }
            };
            let bottom = match self.zone(w, &problem) {
                Zone::DoesNot => {
                    open.get_or_insert(at);
                    same_from
                }
                zone => {
                    let Some(plan) = self.solve(&problem) else {
                        // Without a plan here, there is none below, nor for more workers.
                        if let Some(upto) = open {
                            self.leave(w, at + STEP, upto, left);
                        }
                        return Some(());
                    };
                    if plan.workers_employed() <= w {
                        if let Some(upto) = open.take() {
                            self.leave(w, at + STEP, upto, left);
                        }
                        let bottom = match zone {
                            Zone::Answers => {
                                let least = self.least_limit(w, &plan).min(at);
                                let bottom = least.max(same_from).max(of.from);
                                self.answers_down_to(w, bottom, at)?
                            }
                            Zone::Perhaps | Zone::DoesNot => {
                                self.unchanged_from(w, &problem).max(of.from)
                            }
                        };
                        self.point(bottom, &plan);
                        bottom
                    } else {
                        open.get_or_insert(at);
                        self.unchanged_from(w, &problem)
                    }
                }
            };
            if bottom <= of.from {
                if let Some(upto) = open {
                    self.leave(w, of.from, upto, left);
                }
                return Some(());
            }
            at = bottom - STEP;
        }
    }

    fn leave(&self, w: u64, from: Span, upto: Span, left: &mut Vec<Stretch>) {
        left.push(Stretch {
            employed: w + 1,
            from,
            upto,
        });
    }

    /// The least limit from `bottom` on at which `w` surely answers, as it does at `top`; the same
    /// workers can take a lot all between.
    fn answers_down_to(&mut self, w: u64, bottom: Span, top: Span) -> Option<Span> {
        let mut answers = |limit| {
            let problem = self.problem(w, limit)?;
            Some(self.zone(w, &problem) == Zone::Answers)
        };
        if bottom == top || answers(bottom)? {
            return Some(bottom);
        }
        let (mut below, mut from) = (bottom, top);
        while from - below > STEP {
            let middle = below + (from - below) / 2;
            if answers(middle)? {
                from = middle;
            } else {
                below = middle;
            }
        }
        Some(from)
    }

    fn zone(&self, w: u64, problem: &Problem) -> Zone {
        let (n, workers) = (problem.n(), problem.workers());
        let mut missing = usize::try_from(w).unwrap_or(usize::MAX);
        let mut held = 0;
        let fee = |&place: &usize| workers[place].fee;
        for alike in self.by_fee.chunk_by(|a, b| fee(a) == fee(b)) {
            let able = alike.iter().map(|&place| &workers[place]);
            let able = able.filter(|worker| problem.is_eligible(worker));
            let mut capacities: Vec<u64> = able.map(|worker| worker.s_max).collect();
            if capacities.len() > missing {
                // Of equal fees the larger come first.
                capacities.sort_unstable_by(|a, b| b.cmp(a));
                capacities.truncate(missing);
            }
            missing -= capacities.len();
            held += capacities.iter().sum::<u64>();
            if missing == 0 {
                break;
            }
        }
        if held >= n {
            Zone::Answers
        } else if held > n.saturating_sub(problem.lot()) {
            Zone::Perhaps
        } else {
            Zone::DoesNot
        }
    }

    /// The least limit from which on the same workers can take a lot.
    fn same_from(&self, w: u64, problem: &Problem) -> Span {
        let lot = problem.lot();
        let able = problem.workers().iter().enumerate();
        let able = able.filter(|(_, worker)| problem.is_eligible(worker));
        let begins = able.filter_map(|(place, _)| self.request.least_limit(place, w, lot));
        begins.max().unwrap_or(Span::ZERO)
    }

    /// The least limit from which on all capacities are these.
    fn unchanged_from(&self, w: u64, problem: &Problem) -> Span {
        let workers = problem.workers().iter().enumerate();
        let begins =
            workers.filter_map(|(place, worker)| self.request.least_limit(place, w, worker.s_max));
        begins.max().unwrap_or(Span::ZERO)
    }

    /// The least limit at which a plan fits.
    fn least_limit(&self, w: u64, plan: &Plan) -> Span {
        let shares = plan.batches.iter().enumerate();
        let fits = shares.filter_map(|(place, &x)| self.request.least_limit(place, w, x));
        fits.max().unwrap_or(Span::ZERO)
    }

    /// The cheapest plan, if there is one that is cheap enough.
    fn solve(&mut self, problem: &Problem) -> Option<Plan> {
        let outcome = self.exact.measure(problem).outcome;
        self.is_proved &= is_proved(&outcome);
        let plan = &outcome.planned()?.plan;
        self.most
            .is_none_or(|most| plan.cost <= most)
            .then(|| plan.clone())
    }

    fn point(&mut self, limit: Span, plan: &Plan) {
        self.points.push(Point {
            limit,
            cost: plan.cost,
            workers_employed: plan.workers_employed(),
        });
    }

    fn problem(&mut self, employed: u64, limit: Span) -> Option<Problem> {
        let each = self.by_fee.len().max(1) as u64;
        if self.problems >= self.effort.budget / each {
            return None;
        }
        self.problems += 1;
        if self.problems.is_multiple_of(REPORT_EVERY) {
            (self.effort.progress)(self.problems);
        }
        Some(self.request.problem_within(employed, limit))
    }
}

/// How many workers hold the data at least; `None` when all together do not.
fn needed(problem: &Problem) -> Option<u64> {
    let mut capacities: Vec<u64> = problem.workers().iter().map(|w| w.s_max).collect();
    capacities.sort_unstable_by(|a, b| b.cmp(a));
    let mut held = 0;
    let enough = capacities.iter().position(|s_max| {
        held += s_max;
        held >= problem.n()
    });
    enough.map(|at| at as u64 + 1)
}
