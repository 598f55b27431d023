//! The problems behind one plan: capacities depend on how many workers share the orchestrator's
//! link, so that there is one problem for each number employed.
//!
//! The answer is defined, not iterated to: for `w = max(beta, 1) .. K` solve with the capacities
//! for `w` workers, accept plans that employ at most `w`, take the cheapest, on ties the smaller
//! `w`. [`PlanRequest::cheapest`] is that definition without the `w` that cannot win.

use crate::ids::WorkerId;
use crate::infeasible::Infeasible;
use crate::margin::Margin;
use crate::money::{Cost, Fee};
use crate::outcome::{Outcome, Planned};
use crate::plan::Violation;
use crate::problem::{Problem, ProblemError, Worker};
use crate::time::Span;
use crate::time_model::{Link, Speed, TimeModel};
use serde::{Deserialize, Serialize};

/// A worker that a plan may employ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who it is.
    pub worker: WorkerId,
    /// What one batch costs on it.
    pub fee: Fee,
    /// Its estimated speed.
    pub speed: Speed,
    /// What is added against error and jitter.
    pub margin: Margin,
    /// Its connection.
    pub link: Link,
    /// The most batches that it can hold.
    pub most: u64,
}

/// One problem for every number of employed workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRequest {
    n: u64,
    s_min: u64,
    beta: u64,
    limit: Span,
    time_model: TimeModel,
    candidates: Vec<Candidate>,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanResponse {
    /// The number of employed workers that the capacities were taken for.
    pub employed: u64,
    /// The allocator's answer to the problem for that number.
    pub outcome: Outcome,
    /// How many problems were solved to find it.
    pub solves: u64,
}

impl PlanRequest {
    /// Hands out `n` batches within `limit`, at least `s_min` each, to at least `beta` workers.
    ///
    /// # Errors
    /// When a number lies out of a problem's bounds.
    pub fn new(
        (n, s_min, beta): (u64, u64, u64),
        limit: Span,
        time_model: TimeModel,
        candidates: Vec<Candidate>,
    ) -> Result<Self, ProblemError> {
        Problem::new(n, s_min, beta, Vec::new())?;
        if candidates.len() > crate::MAX_WORKERS {
            let count = candidates.len();
            return Err(ProblemError::TooManyWorkers { count });
        }
        Ok(Self {
            n,
            s_min,
            beta,
            limit,
            time_model,
            candidates,
        })
    }

    /// The workers, in the order that plans follow.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The time that a cycle has.
    pub const fn limit(&self) -> Span {
        self.limit
    }

    /// The time model.
    pub const fn time_model(&self) -> &TimeModel {
        &self.time_model
    }

    /// `(n, s_min, beta)`.
    pub const fn demand(&self) -> (u64, u64, u64) {
        (self.n, self.s_min, self.beta)
    }

    /// The same question with another demand.
    ///
    /// # Errors
    /// When a number lies out of a problem's bounds.
    pub fn with_demand(&self, demand: (u64, u64, u64)) -> Result<Self, ProblemError> {
        Self::new(demand, self.limit, self.time_model, self.candidates.clone())
    }

    /// The same question within another limit.
    #[must_use]
    pub fn within(&self, limit: Span) -> Self {
        Self {
            limit,
            ..self.clone()
        }
    }

    /// The same question with more workers.
    ///
    /// # Errors
    /// When they are too many.
    pub fn and(&self, more: &[Candidate]) -> Result<Self, ProblemError> {
        let demand = self.demand();
        Self::new(
            demand,
            self.limit,
            self.time_model,
            [&self.candidates, more].concat(),
        )
    }

    /// The problem with the capacities for this number of employed workers.
    pub fn problem(&self, employed: u64) -> Problem {
        self.problem_within(employed, self.limit)
    }

    /// The same within another limit.
    pub fn problem_within(&self, employed: u64, limit: Span) -> Problem {
        let worker = |candidate: &Candidate| Worker {
            s_max: self.capacity(candidate, employed, limit),
            fee: candidate.fee,
        };
        let workers = self.candidates.iter().map(worker).collect();
        Problem::new(self.n, self.s_min, self.beta, workers)
            .expect("the request's bounds were checked, and capacities are at most MAX_BATCHES")
    }

    /// The least limit at which the worker at a place can take this number of batches, with its
    /// capacity for this number of employed workers; `None` if it never can.
    pub fn least_limit(&self, place: usize, employed: u64, batches: u64) -> Option<Span> {
        let Candidate {
            speed,
            margin,
            link,
            most,
            ..
        } = self.candidates.get(place)?;
        if batches > *most {
            return None;
        }
        self.time_model
            .least_limit(*speed, *margin, link, employed, batches)
    }

    /// The cheapest plan over all numbers of employed workers, as defined above.
    ///
    /// `solve` answers one problem. Three facts let it skip numbers without changing the answer:
    /// capacities only shrink as `w` grows, so that one `w` without a plan has none after it; a
    /// plan for `w` can employ at most `w` only if the `w` largest capacities hold the data; and
    /// no plan costs less than its problem's lower bound, nor does any later one.
    pub fn cheapest(&self, mut solve: impl FnMut(&Problem) -> Outcome) -> PlanResponse {
        let least = self.beta.max(1);
        let all = (self.candidates.len() as u64).max(least);
        if !self.time_model.depends_on_employed() {
            // Every w has the same problem: the smallest that accepts the answer is what it employs.
            let outcome = solve(&self.problem(all));
            let employs = |planned: &Planned| planned.plan.workers_employed().max(least);
            return PlanResponse {
                employed: outcome.planned().map_or(all, employs),
                outcome,
                solves: 1,
            };
        }
        let by_fee = self.by_fee();
        let (mut solves, mut employed) = (0, least);
        let mut best: Option<(u64, Planned)> = None;
        let mut refused = (least, None);
        while employed <= all {
            employed = match self.first_that_holds(employed) {
                Ok(found) => found,
                Err((at, infeasible)) => {
                    refused = (at, Some(Outcome::Infeasible(infeasible)));
                    break;
                }
            };
            let problem = self.problem(employed);
            let bound = least_cost(&problem, &by_fee);
            if best.as_ref().is_some_and(|(_, p)| p.plan.cost <= bound) {
                break;
            }
            solves += 1;
            match solve(&problem) {
                Outcome::Planned(planned) => {
                    let bound = planned.lower_bound.map_or(bound, |b| b.max(bound));
                    let cheaper = best
                        .as_ref()
                        .is_none_or(|(_, b)| planned.plan.cost < b.plan.cost);
                    if planned.plan.workers_employed() <= employed && cheaper {
                        best = Some((employed, planned));
                    }
                    if best.as_ref().is_some_and(|(_, p)| p.plan.cost <= bound) {
                        break;
                    }
                }
                outcome @ Outcome::Infeasible(_) => {
                    refused = (employed, Some(outcome));
                    break;
                }
                outcome @ Outcome::Failed(_) => refused = (employed, Some(outcome)),
            }
            employed += 1;
        }
        if let Some((employed, planned)) = best {
            return PlanResponse {
                employed,
                outcome: Outcome::Planned(planned),
                solves,
            };
        }
        let (employed, outcome) = refused;
        // Without candidates, or when every plan employs more than its w: the allocator's answer to
        // the last problem.
        let outcome = outcome.unwrap_or_else(|| {
            solves += 1;
            solve(&self.problem(employed))
        });
        PlanResponse {
            employed,
            outcome,
            solves,
        }
    }

    /// Verifies the plan of a response in integers, and that it employs no more than stated.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, employed: u64, planned: &Planned) -> Result<(), Rejection> {
        planned.plan.verify(&self.problem(employed))?;
        let plan = planned.plan.workers_employed();
        if plan > employed {
            return Err(Rejection::EmploysMore { plan, employed });
        }
        Ok(())
    }

    fn capacity(&self, candidate: &Candidate, employed: u64, limit: Span) -> u64 {
        let Candidate {
            speed,
            margin,
            link,
            most,
            ..
        } = candidate;
        self.time_model
            .fitting(*speed, *margin, link, employed, limit)
            .min(*most)
    }

    fn by_fee(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.candidates.len()).collect();
        order.sort_by_key(|&i| self.candidates[i].fee);
        order
    }

    /// The first number from `employed` on whose largest capacities hold the data. Capacities
    /// for one number bound those for all after it, so that numbers can be skipped.
    fn first_that_holds(&self, mut employed: u64) -> Result<u64, (u64, Infeasible)> {
        loop {
            let problem = self.problem(employed);
            if let Some(infeasible) = problem.infeasibility() {
                return Err((employed, infeasible));
            }
            let mut largest: Vec<_> = problem.workers().iter().map(|w| w.s_max).collect();
            largest.sort_unstable_by(|a, b| b.cmp(a));
            let mut held = 0;
            let enough = largest.iter().position(|s_max| {
                held += s_max;
                held >= self.n
            });
            let needed = enough.map_or(0, |at| at as u64 + 1);
            if needed <= employed {
                return Ok(employed);
            }
            employed = needed;
        }
    }
}

/// A lower bound on the cost of every plan of a problem that has one.
///
/// Of the workers that can take a lot `m`, by fee, the `j` cheapest get at most what they hold, and
/// at most `n − m·(b − j)`, as `b − j` others at least are employed for a lot each. If they get as
/// much as that for every `j`, nothing is more expensive than it must be.
fn least_cost(problem: &Problem, by_fee: &[usize]) -> Cost {
    let (n, lot) = (problem.n(), problem.lot());
    let workers = by_fee.iter().map(|&i| &problem.workers()[i]);
    let eligible = workers.filter(|worker| problem.is_eligible(worker));
    let (mut others, mut held) = (problem.beta().max(1), 0_u64);
    let (mut given, mut cost) = (0, Cost::ZERO);
    for worker in eligible {
        if given == n {
            break;
        }
        others = others.saturating_sub(1);
        held += worker.s_max; // at most 10^6 workers of 10^9
        let most = held.min(n.saturating_sub(lot.saturating_mul(others)));
        cost += worker.fee.times(most - given);
        given = most;
    }
    cost
}

/// Why the core does not take a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It breaks a constraint of the problem.
    #[error(transparent)]
    Violates(#[from] Violation),
    /// Its capacities are those for fewer workers than it employs.
    #[error("the plan employs {plan} workers, its capacities allow {employed}")]
    EmploysMore {
        /// Workers that the plan employs.
        plan: u64,
        /// Workers that its capacities were taken for.
        employed: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::PlanStatus;
    use crate::plan::Plan;
    use proptest::prelude::*;

    fn request(
        demand: (u64, u64, u64),
        shared_ms: u64,
        workers: &[(u64, u64)], // (batches per second, fee)
    ) -> PlanRequest {
        let time_model = TimeModel {
            shared: Span::from_millis(shared_ms),
            ..TimeModel::COMPUTE
        };
        let candidate = |(id, &(speed, fee)): (u32, &(u64, u64))| Candidate {
            worker: WorkerId::new(id),
            fee: Fee::from_micros(fee).expect("small"),
            speed: Speed::measured(speed, Span::from_secs(1)).expect("valid"),
            margin: Margin::NONE,
            link: Link::default(),
            most: u64::MAX,
        };
        let candidates = (0..).zip(workers).map(candidate).collect();
        PlanRequest::new(demand, Span::from_secs(1), time_model, candidates).expect("valid")
    }

    /// The cheapest plan by trying all; on ties the first one.
    fn exhaustive(problem: &Problem) -> Outcome {
        fn search(problem: &Problem, batches: &mut Vec<u64>, best: &mut Option<Plan>) {
            let workers = problem.workers();
            if batches.len() < workers.len() {
                for x in 0..=workers[batches.len()].s_max.min(problem.n()) {
                    batches.push(x);
                    search(problem, batches, best);
                    batches.pop();
                }
                return;
            }
            let plan = Plan::costed(problem, batches.clone());
            let cheaper = best.as_ref().is_none_or(|best| plan.cost < best.cost);
            if plan.verify(problem).is_ok() && cheaper {
                *best = Some(plan);
            }
        }
        let mut best = None;
        search(problem, &mut Vec::new(), &mut best);
        match best {
            Some(plan) => Outcome::Planned(Planned {
                lower_bound: Some(plan.cost),
                plan,
                status: PlanStatus::Optimal,
                certificate: None,
            }),
            None => Outcome::Infeasible(problem.infeasibility().expect("there is no plan")),
        }
    }

    /// The definition, word by word.
    fn by_definition(request: &PlanRequest) -> Option<(u64, Cost)> {
        let all = request.candidates.len() as u64;
        let mut best: Option<(u64, Cost)> = None;
        for employed in request.beta.max(1)..=all {
            let outcome = exhaustive(&request.problem(employed));
            let Some(planned) = outcome.planned() else {
                continue;
            };
            let plan = &planned.plan;
            if plan.workers_employed() <= employed && best.is_none_or(|(_, c)| plan.cost < c) {
                best = Some((employed, plan.cost));
            }
        }
        best
    }

    #[test]
    fn more_workers_leave_less_time() {
        // Alone, either takes 9; together 8 each.
        let two = request((10, 1, 0), 100, &[(10, 1), (10, 2)]);
        assert_eq!(two.problem(1).workers()[0].s_max, 9);
        let response = two.cheapest(exhaustive);
        assert_eq!(response.employed, 2);
        let planned = response.outcome.planned().expect("feasible");
        assert_eq!(planned.plan.batches, [8, 2]);
        assert_eq!(response.solves, 1, "one worker cannot hold the data");
        assert_eq!(two.verify(2, planned), Ok(()));
        let error = two.verify(1, planned).unwrap_err().to_string();
        assert_eq!(error, "the plan employs 2 workers, its capacities allow 1");
    }

    #[test]
    fn reasons_are_those_of_the_last_problem() {
        let check = |request: PlanRequest, reason| {
            assert_eq!(request.cheapest(exhaustive).outcome.reason(), Some(reason));
        };
        check(request((5, 1, 0), 100, &[]), "insufficient_workers");
        check(request((5, 1, 0), 0, &[]), "insufficient_workers");
        check(
            request((5, 1, 3), 100, &[(9, 1); 2]),
            "insufficient_workers",
        );
        check(
            request((20, 1, 0), 100, &[(10, 1); 2]),
            "insufficient_capacity",
        );
        // One takes 9 of 10; two have no time left at all.
        check(
            request((10, 1, 0), 500, &[(10, 1); 3]),
            "insufficient_workers",
        );
    }

    /// A plan of which nothing is proved, or none: what comes first, last or in between of all
    /// plans, as the problem's numbers have it.
    fn unproven(problem: &Problem) -> Outcome {
        fn search(problem: &Problem, batches: &mut Vec<u64>, plans: &mut Vec<Plan>) {
            let workers = problem.workers();
            if batches.len() == workers.len() {
                let plan = Plan::costed(problem, batches.clone());
                plans.extend(plan.verify(problem).is_ok().then_some(plan));
                return;
            }
            for x in 0..=workers[batches.len()].s_max.min(problem.n()) {
                batches.push(x);
                search(problem, batches, plans);
                batches.pop();
            }
        }
        let mut plans = Vec::new();
        search(problem, &mut Vec::new(), &mut plans);
        let Some(last) = plans.len().checked_sub(1) else {
            return Outcome::Infeasible(problem.infeasibility().expect("there is no plan"));
        };
        let capacity: u64 = problem.workers().iter().map(|w| w.s_max).sum();
        Outcome::Planned(Planned {
            plan: plans.swap_remove(capacity as usize * 7 % (last + 1)),
            status: PlanStatus::Feasible,
            lower_bound: None,
            certificate: None,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Of an allocator that proves nothing, whose plans may become cheaper with more workers.
        #[test]
        fn nothing_is_left_out_that_would_be_chosen(
            n in 1..12_u64, s_min in 0..4_u64, beta in 0..4_u64, shared_ms in 1..200_u64,
            workers in prop::collection::vec((1..12_u64, 0..5_u64), 0..5),
        ) {
            let request = request((n, s_min, beta), shared_ms, &workers);
            let mut expected: Option<(u64, Planned)> = None;
            for employed in beta.max(1)..=workers.len() as u64 {
                if let Outcome::Planned(planned) = unproven(&request.problem(employed)) {
                    let cost = planned.plan.cost;
                    let is_cheaper = expected.as_ref().is_none_or(|(_, e)| cost < e.plan.cost);
                    if planned.plan.workers_employed() <= employed && is_cheaper {
                        expected = Some((employed, planned));
                    }
                }
            }
            let response = request.cheapest(unproven);
            if let Some((employed, planned)) = expected {
                prop_assert_eq!(response.employed, employed);
                prop_assert_eq!(response.outcome, Outcome::Planned(planned));
            }
        }

        /// The bound is one, and is reached where lots leave no gap: by the plan that gives the
        /// `b` cheapest a lot each and the rest to the cheapest first.
        #[test]
        fn no_plan_costs_less_than_the_bound(
            n in 0..14_u64, s_min in 0..4_u64, beta in 0..4_u64,
            workers in prop::collection::vec((1..12_u64, 0..5_u64), 0..5),
        ) {
            let request = request((n, s_min, beta), 0, &workers);
            let problem = request.problem(1);
            let bound = least_cost(&problem, &request.by_fee());
            if let Outcome::Planned(planned) = exhaustive(&problem) {
                prop_assert!(bound <= planned.plan.cost, "{bound:?} {planned:?}");
                if problem.lot() == 1 {
                    prop_assert_eq!(bound, planned.plan.cost);
                }
            }
        }

        #[test]
        fn it_is_the_definition(
            n in 1..14_u64, s_min in 0..4_u64, beta in 0..4_u64, shared_ms in 0..300_u64,
            workers in prop::collection::vec((1..12_u64, 0..5_u64), 0..5),
        ) {
            let request = request((n, s_min, beta), shared_ms, &workers);
            let response = request.cheapest(exhaustive);
            let found = response.outcome.planned().map(|planned| planned.plan.cost);
            let expected = by_definition(&request);
            prop_assert_eq!(found, expected.map(|(_, cost)| cost));
            if let (Some((employed, _)), Some(planned)) = (expected, response.outcome.planned()) {
                prop_assert_eq!(response.employed, employed);
                prop_assert_eq!(request.verify(employed, planned), Ok(()));
            }
        }
    }
}
