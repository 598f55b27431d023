//! Exact allocation where a worker's cost is any function of its batches ([`CurveProblem`]).
//!
//! **The bound.** Price a batch at `λ`: every worker takes what is best for it, `g_i(λ)`, the least of
//! `f_i(x) − λx` over its limits, and of the optional workers the best are employed, as many as the
//! bounds on their number allow. `L(λ) = λn + Σ g_i` over the employed is at most the cost of every plan.
//! Any choice of `x` with a right count is a line `cost + λ(n − Σx)` that lies nowhere below `L`, so `L` is
//! concave, and where the lines of two choices meet, one with `Σx < n` and one with `Σx > n`, is the next
//! place to look: `L` lies there on both lines, and `λ = p/q` is best, or a new choice replaces one of the
//! two. What is best for a worker does not fall as `λ` rises, so each step narrows where the next must
//! look. If a best choice has `Σx = n`, it is a plan of cost `L(λ)`: optimal.
//!
//! **Reduced costs.** Times `q`, in integers: `r_i(x) = q·f_i(x) − p·x − μ·[employed] − m_i ≥ 0`, with the
//! least `m_i`, and a price `μ` of being employed that lies between the last worker taken and the first
//! refused if a bound on their number binds, else 0. Sums telescope: every plan of cost `F` with `c` employed
//! has `q·F = B + Σ r_i + |μ|·|c − bound|`, where `B = q·L(λ)`. As `F` is an integer, a plan known of cost `F` is
//! optimal when `q·(F − 1) < B`.
//!
//! **Passes.** Otherwise all plans with `Σ r_i + |μ|·|c − bound| ≤ T` are enumerated, worker by worker, states
//! with the same `Σx` and count merged. A state is dropped only if its `r`, plus a convex lower bound on what it
//! takes to move the other workers to the missing batches, is above `T`. If any plan is found, the cheapest is
//! optimal, since every other plan has more than `T`. If none is, every plan has at least `E`, the least of what
//! was dropped or left out, and the next `T` is at least that. `T` ends at what a better plan than the one known
//! may have; if nothing was dropped or left out, there is no plan.
//!
//! **One worker between ends.** Between two *ends* next to each other a curve is concave. Take an optimal plan with
//! two workers strictly between ends: as a function of the batches shifted from one to the other the cost is concave
//! until one of them reaches an end, so one direction does not raise it. Hence some optimal plan has all
//! workers at ends except one, which takes what is left. So a straight piece of a million batches has two
//! options. Divide and conquer leaves out each worker in turn, at the price of a factor `log k`.
//!
//! **Where that ends.** A pass that tries too many options first looks for a better plan by keeping few states,
//! then runs to a bound that the plain dynamic programme sets: if that is quicker, it is used; where it is too
//! large, the answer is what is known, with `B + E` as its bound.
//!
//! All numbers are integers: costs of at most 10^18 micro-units, `q` at most the batches of all workers together,
//! 2·10^13, and 10^4 workers, so that every product and sum stays below 2^127.

mod dense;
mod dual;
mod makespan;
mod passes;
mod work;

use scheduler::{
    Certificate, Cost, CurveError, CurveProblem, Failure, FailureReason, Infeasible, Outcome, Plan,
    Planned, Problem, Schedule,
};

pub use makespan::least_makespan;

use dual::{Ascent, Choice, Dual, ascend, walk};
use passes::{Core, Found};
use work::Prepared;

/// How much is tried before something else is.
#[derive(Clone, Copy, Debug)]
struct Budget {
    /// The options that a pass tries before it looks for a better plan first.
    quick: u64,
    /// The options that all passes may try.
    most: u64,
    /// Whether the dynamic programme may take over where it is small enough.
    dense: bool,
}

const BUDGET: Budget = Budget {
    quick: 20_000,
    most: 50_000_000,
    dense: true,
};

/// An answer to a problem with curves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Solution {
    /// A plan. It is optimal if its cost is the bound.
    Planned {
        /// The plan.
        schedule: Schedule,
        /// No plan costs less, in micro-units.
        lower_bound: i128,
        /// What the bound rests on.
        certificate: Certificate,
    },
    /// There is no plan.
    Infeasible,
    /// The budget ended before there was a plan.
    Unknown,
}

/// The cheapest plan, with its proof.
pub fn solve(problem: &CurveProblem) -> Solution {
    solve_within(problem, BUDGET)
}

/// The same as an allocator answers. For costs that are not below zero.
pub(crate) fn propose(problem: &CurveProblem) -> Outcome {
    let failed = |reason, message: &str| {
        Outcome::Failed(Failure {
            reason,
            message: message.to_owned(),
        })
    };
    match solve(problem) {
        Solution::Infeasible => Outcome::Infeasible(infeasibility(problem)),
        Solution::Unknown => failed(
            FailureReason::NoPlanFound,
            "the budget ended before a plan was found",
        ),
        Solution::Planned {
            schedule,
            lower_bound,
            certificate,
        } => match (u128::try_from(schedule.cost), u128::try_from(lower_bound)) {
            (Ok(cost), bound) => {
                let batches = schedule.batches.iter().map(|x| x.unwrap_or(0)).collect();
                let plan = Plan {
                    batches,
                    cost: Cost::from_micros(cost),
                };
                let bound = Cost::from_micros(bound.unwrap_or(0));
                Outcome::Planned(Planned::bounded(plan, bound, certificate))
            }
            (Err(_), _) => failed(FailureReason::Unsupported, "the optimum lies below zero"),
        },
    }
}

/// The same for a problem in which workers have terms: each worker's cost is a curve.
pub(crate) fn propose_terms(problem: &Problem) -> Outcome {
    if let Some(infeasible) = problem.infeasibility() {
        return Outcome::Infeasible(infeasible);
    }
    let mut batches = vec![0; problem.workers().len()];
    if problem.is_empty() {
        let empty = Plan::costed(problem, batches);
        return Outcome::Planned(Planned::optimal(empty, Certificate::ClosedForm));
    }
    let (curves, places) = match problem.curves() {
        Ok(curves) => curves,
        Err(error) => {
            let reason = match error {
                CurveError::Workers { .. } => FailureReason::TooLarge,
                _ => FailureReason::Unsupported,
            };
            let message = error.to_string();
            return Outcome::Failed(Failure { reason, message });
        }
    };
    match propose(&curves) {
        Outcome::Planned(planned) => {
            for (place, x) in places.into_iter().zip(&planned.plan.batches) {
                batches[place] = *x;
            }
            let plan = Plan {
                batches,
                ..planned.plan
            };
            Outcome::Planned(Planned { plan, ..planned })
        }
        // What can be seen of the lots and capacities alone was looked at.
        Outcome::Infeasible(_) => Outcome::Infeasible(Infeasible::LimitsGap { n: problem.n() }),
        failed @ Outcome::Failed(_) => failed,
    }
}

fn solve_within(problem: &CurveProblem, budget: Budget) -> Solution {
    let Some(prepared) = Prepared::new(problem) else {
        return Solution::Infeasible;
    };
    let answer = |choice: &Choice, lower_bound: Option<i128>, certificate| {
        let mut batches = vec![None; problem.workers().len()];
        for (work, x) in prepared.works.iter().zip(&choice.x) {
            batches[work.id] = x.map(|x| x as u64);
        }
        Solution::Planned {
            schedule: Schedule {
                batches,
                cost: choice.cost,
            },
            lower_bound: lower_bound.unwrap_or(choice.cost),
            certificate,
        }
    };
    let dual = match ascend(&prepared) {
        Ascent::Infeasible => return Solution::Infeasible,
        Ascent::Optimal(choice) => return answer(&choice, None, Certificate::Root),
        Ascent::Best(dual) => *dual,
    };
    let mut incumbent = walk(&prepared, &dual);
    let mut passes = Passes {
        prepared: &prepared,
        dual: &dual,
        budget,
        proved: 0,
        tried: 0,
    };
    if passes.is_optimal(incumbent.as_ref()) {
        return match incumbent {
            Some(choice) => answer(&choice, None, Certificate::Root),
            None => Solution::Infeasible,
        };
    }
    match passes.run(&mut incumbent) {
        End::Closed => match incumbent {
            Some(choice) => answer(&choice, None, Certificate::Search),
            None => Solution::Infeasible,
        },
        End::Spent if budget.dense && dense::steps(&prepared).is_some() => {
            match dense::solve(&prepared, &dual.choice) {
                Some(choice) => answer(&choice, None, Certificate::DynamicProgramme),
                None => Solution::Infeasible,
            }
        }
        End::Spent => match incumbent {
            Some(choice) => {
                let bound = passes.lower_bound().min(choice.cost);
                answer(&choice, Some(bound), Certificate::Search)
            }
            None => Solution::Unknown,
        },
    }
}

/// Why there is no plan: the first reason that holds, as for problems with fees.
pub fn infeasibility(problem: &CurveProblem) -> Infeasible {
    let n = problem.n();
    let workers = problem.workers();
    let needed = problem.least();
    let eligible = workers.len() as u64;
    if eligible < needed {
        return Infeasible::InsufficientWorkers { eligible, needed };
    }
    // The least and the most that the right number of workers can take.
    let of = |most: bool| {
        let (mut sum, mut optional, mut forced) = (0, Vec::new(), 0);
        for worker in workers {
            let end = if most {
                worker.curve.upper()
            } else {
                worker.curve.lower()
            };
            if worker.may_idle {
                optional.push(end);
            } else {
                forced += 1;
                sum += end;
            }
        }
        optional.sort_unstable();
        if most {
            optional.reverse();
        }
        let count = if most { problem.most() } else { needed };
        let more = usize::try_from(count.saturating_sub(forced)).unwrap_or(usize::MAX);
        sum + optional.iter().take(more).sum::<u64>()
    };
    let (needed, capacity) = (of(false), of(true));
    if n < needed {
        return Infeasible::InsufficientData { n, needed };
    }
    if capacity < n {
        return Infeasible::InsufficientCapacity { capacity, n };
    }
    Infeasible::LimitsGap { n }
}

/// How the passes ended.
enum End {
    /// The incumbent is optimal, or there is no plan.
    Closed,
    /// The budget is spent.
    Spent,
}

struct Passes<'a> {
    prepared: &'a Prepared<'a>,
    dual: &'a Dual,
    budget: Budget,
    /// Every plan but the incumbent lies at least this much above the bound.
    proved: i128,
    tried: u64,
}

impl Passes<'_> {
    /// Whether no plan can cost a micro-unit less.
    fn is_optimal(&self, incumbent: Option<&Choice>) -> bool {
        incumbent.is_some_and(|choice| self.reach(choice) < 0)
    }

    /// How far above the bound a better plan lies at most; negative if there is none.
    fn reach(&self, incumbent: &Choice) -> i128 {
        self.dual.q * (incumbent.cost - 1) - self.dual.bound
    }

    /// The cost below which there is no plan, rounded up.
    fn lower_bound(&self) -> i128 {
        let above = self.dual.bound.saturating_add(self.proved);
        -(-above).div_euclid(self.dual.q)
    }

    fn run(&mut self, incumbent: &mut Option<Choice>) -> End {
        let Budget { quick, most, dense } = self.budget;
        // Where the dynamic programme is quicker than what may be tried, it is not waited for.
        let budget = match dense::steps(self.prepared) {
            Some(steps) if dense => (steps / 128).max(10 * quick).min(most),
            _ => most,
        };
        let mut most = incumbent
            .as_ref()
            .map_or(i128::MAX, |choice| self.reach(choice));
        let mut t = match incumbent {
            Some(_) => (most / 128).max(1),
            None => self.dual.q.max(1),
        };
        loop {
            let core = Core::new(self.prepared, self.dual, t);
            let mut found = core.pass(t, quick.min(budget.saturating_sub(self.tried)), false);
            self.tried += found.tried;
            if found.is_cut && self.tried < budget {
                let wide = most.min(t.saturating_mul(8));
                let beam = Core::new(self.prepared, self.dual, wide).pass(wide, budget, true);
                if let Some(choice) = beam.best
                    && incumbent
                        .as_ref()
                        .is_none_or(|known| choice.cost < known.cost)
                {
                    most = self.reach(&choice);
                    *incumbent = Some(choice);
                    if most < 0 {
                        return End::Closed;
                    }
                    t = t.min(most);
                }
                found = core.pass(t, budget - self.tried, false);
                self.tried += found.tried;
            }
            let Found {
                best,
                beyond,
                tried,
                is_cut,
            } = found;
            if is_cut {
                if let Some(choice) = best {
                    keep(incumbent, choice);
                }
                return End::Spent;
            }
            if let Some(choice) = best {
                *incumbent = Some(choice);
                return End::Closed;
            }
            self.proved = beyond.max(t.saturating_add(1));
            if t >= most || beyond > most || beyond == i128::MAX {
                return End::Closed;
            }
            let grown = match tried {
                0..200 => t.saturating_mul(2),
                200..20_000 => t.saturating_add(t / 10 * 3),
                _ => t.saturating_add(t / 5),
            };
            t = most.min(beyond.max(grown));
        }
    }
}

fn keep(incumbent: &mut Option<Choice>, choice: Choice) {
    if incumbent
        .as_ref()
        .is_none_or(|known| choice.cost < known.cost)
    {
        *incumbent = Some(choice);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scheduler::{Curve, CurveWorker};

    use super::*;

    /// Tables of a few values, straight on for a while, of workers that may be idle or not.
    fn problems() -> impl Strategy<Value = CurveProblem> {
        let worker = (
            0..3_u64,
            prop::collection::vec(0..9_i64, 1..12),
            any::<bool>(),
        );
        let workers = prop::collection::vec(worker, 1..7);
        (workers, 0..40_u64, 0..3_u64).prop_map(|(workers, n, least)| {
            let workers = workers
                .into_iter()
                .map(|(first, costs, may_idle)| CurveWorker {
                    curve: Curve::table(first + 1, costs).expect("small"),
                    may_idle,
                });
            CurveProblem::new(n, least, 7, workers.collect()).expect("small")
        })
    }

    fn cost(solution: &Solution) -> Option<(i128, i128)> {
        match solution {
            Solution::Planned {
                schedule,
                lower_bound,
                ..
            } => Some((schedule.cost, *lower_bound)),
            Solution::Infeasible | Solution::Unknown => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        /// The passes and the dynamic programme find the same optimum.
        #[test]
        fn the_dynamic_programme_agrees(problem in problems()) {
            let solved = solve(&problem);
            if let Some(prepared) = Prepared::new(&problem)
                && let Ascent::Best(dual) = ascend(&prepared)
            {
                let dense = dense::solve(&prepared, &dual.choice);
                prop_assert_eq!(dense.map(|choice| choice.cost), cost(&solved).map(|it| it.0));
            }
        }

        /// Whatever the budget, what is called optimal is, and a bound is one.
        #[test]
        fn a_budget_that_ends_proves_nothing_wrong(
            problem in problems(), quick in 0..9_u64, most in 0..60_u64, dense in any::<bool>(),
        ) {
            let optimum = cost(&solve(&problem)).map(|it| it.0);
            let cut = solve_within(&problem, Budget { quick, most, dense });
            match (&cut, optimum) {
                (Solution::Planned { schedule, lower_bound, .. }, Some(optimum)) => {
                    prop_assert_eq!(schedule.verify(&problem), Ok(()));
                    prop_assert!(*lower_bound <= optimum && optimum <= schedule.cost);
                    prop_assert!(!dense || *lower_bound == schedule.cost);
                }
                (Solution::Planned { .. }, None) => prop_assert!(false, "there is no plan"),
                (Solution::Infeasible, optimum) => prop_assert_eq!(optimum, None),
                (Solution::Unknown, _) => prop_assert!(!dense),
            }
        }
    }
}
