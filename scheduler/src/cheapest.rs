//! The cheapest plan over all numbers of employed workers, without solving for every number.
//!
//! Best first over ranges of numbers. A plan for any number of a range `from ..= upto` is a plan of
//! the problem with the capacities for `from` and at most `upto` employed, so that a lower bound of
//! that problem bounds the whole range. The range with the least bound is halved until it is one
//! number, which is solved; what remains above the cheapest plan is never looked into.
//!
//! Where the cheapest `w` workers hold the data with the capacities for `w`, an optimum needs no more than
//! `w` (see `exact`), so the limit on their number costs nothing there. With more workers
//! capacities only shrink: nothing above such a `w` costs less. The first such number is solved first.
//! Where workers have terms, none of this holds, and the bounds alone lead.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::bound::{Bound, by_fee};
use crate::capacities::Capacities;
use crate::infeasible::Infeasible;
use crate::money::Cost;
use crate::outcome::{Outcome, Planned};
use crate::plan::Plan;
use crate::request::{PlanRequest, PlanResponse};
use crate::time::Span;

impl PlanRequest {
    /// The cheapest plan over all numbers of employed workers; on ties that of the smallest.
    ///
    /// `solve` answers one problem. With an allocator that proves nothing, the answer is the
    /// cheapest of its plans.
    pub fn cheapest(&self, mut solve: impl FnMut(&crate::Problem) -> Outcome) -> PlanResponse {
        let (least, all) = self.counts();
        if !self.time_model().depends_on_employed() || self.demand().0 == 0 {
            return self.answer(solve(&self.problem(all)), 1);
        }
        let mut search = Search::new(self);
        search.run((least, all), &mut solve);
        let (employed, outcome) = match (search.best, search.failed) {
            (Some((employed, planned)), _) => (employed, Outcome::Planned(planned)),
            (None, Some(failed)) => failed,
            (None, None) => {
                let (employed, infeasible) = self.nearest((least, all));
                (employed, Outcome::Infeasible(infeasible))
            }
        };
        PlanResponse {
            employed,
            outcome,
            solves: search.solves,
        }
    }

    /// A plan of at most this cost, if one is given, for some number of employed workers, with that
    /// number; and how many problems were solved. The plan need not be the cheapest.
    ///
    /// With an allocator that proves its optima, `None` means that there is no such plan.
    pub fn affordable(
        &self,
        most: Option<Cost>,
        mut solve: impl FnMut(&crate::Problem) -> Outcome,
    ) -> (Option<(u64, Planned)>, u64) {
        let (least, all) = self.counts();
        let shared = self.time_model().depends_on_employed();
        let mut search = Search::new(self);
        search.wanted = Wanted::AtMost(most.unwrap_or(Cost::from_micros(u128::MAX)));
        search.run((if shared { least } else { all }, all), &mut solve);
        (search.best, search.solves)
    }

    /// The cheapest plans at shorter and shorter limits.
    pub fn descent(&self) -> Descent<'_> {
        Descent {
            search: Search::new(self),
        }
    }

    /// The answer where every number has the same problem: of those that accept the plan, the smallest.
    fn answer(&self, outcome: Outcome, solves: u64) -> PlanResponse {
        let (least, all) = self.counts();
        let employs = |planned: &Planned| planned.plan.workers_employed().max(least);
        PlanResponse {
            employed: outcome.planned().map_or(all, employs),
            outcome,
            solves,
        }
    }

    /// Why there is no plan for the number whose employable workers hold the most; there is none
    /// for any.
    fn nearest(&self, (least, all): (u64, u64)) -> (u64, Infeasible) {
        let held = |from, upto| {
            let problem = self.problem(from).with_most_employed(upto);
            problem.employable_capacity()
        };
        let mut ranges = BinaryHeap::from([(held(least, all), Reverse(least), all)]);
        while let Some((_, Reverse(from), upto)) = ranges.pop() {
            if from == upto {
                let problem = self.problem(from);
                let gap = Infeasible::LimitsGap { n: problem.n() }; // with lots of their own
                return (from, problem.infeasibility().unwrap_or(gap));
            }
            let middle = from.midpoint(upto);
            ranges.push((held(from, middle), Reverse(from), middle));
            ranges.push((held(middle + 1, upto), Reverse(middle + 1), upto));
        }
        unreachable!("a range ends in single numbers")
    }
}

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Cheapest,
    /// Any plan of at most this cost.
    AtMost(Cost),
}

/// The cheapest plans of a request at one limit after the other, each shorter than the one before.
///
/// Costs rise as the limit shrinks, and what has no plan has none at a shorter limit. So the bounds of
/// one limit hold for all that follow, and most ranges are never looked into again.
pub struct Descent<'a> {
    search: Search<'a>,
}

impl Descent<'_> {
    /// The answer at a limit that is no longer than any before; as that of [`PlanRequest::cheapest`].
    pub fn cheapest(
        &mut self,
        limit: Span,
        mut solve: impl FnMut(&crate::Problem) -> Outcome,
    ) -> PlanResponse {
        let search = &mut self.search;
        let (request, counts) = (search.request, search.request.counts());
        search.limit = limit;
        if !request.time_model().depends_on_employed() || request.demand().0 == 0 {
            return request.answer(solve(&search.problem(counts.1)), 1);
        }
        let solves = search.solves;
        search.descend(counts, &mut solve);
        let found = search.best.clone();
        let (employed, outcome) = match (found, search.failed.take()) {
            (Some((employed, planned)), _) => (employed, Outcome::Planned(planned)),
            (None, Some(failed)) => failed,
            (None, None) => {
                let (employed, infeasible) = request.within(limit).nearest(counts);
                (employed, Outcome::Infeasible(infeasible))
            }
        };
        PlanResponse {
            employed,
            outcome,
            solves: search.solves - solves,
        }
    }

    /// The least limit at which a plan fits, with the capacities for this number of employed workers.
    pub fn least_limit(&self, employed: u64, plan: &Plan) -> Span {
        let shares = plan.batches.iter().enumerate().filter(|(_, x)| **x > 0);
        let capacities = &self.search.capacities;
        let fits = shares.filter_map(|(place, &x)| capacities.least_limit(place, employed, x));
        fits.max().unwrap_or(Span::ZERO)
    }
}

struct Search<'a> {
    request: &'a PlanRequest,
    capacities: Capacities<'a>,
    limit: Span,
    wanted: Wanted,
    /// Places of the candidates, the cheapest first.
    by_fee: Vec<usize>,
    bound: Bound,
    /// Ranges by their bounds, with the limit that these were found at.
    open: BinaryHeap<Reverse<(Cost, u64, u64, Span)>>,
    /// Ranges of which nothing would be chosen at this limit.
    beaten: Vec<(Cost, u64, u64, Span)>,
    best: Option<(u64, Planned)>,
    failed: Option<(u64, Outcome)>,
    /// No plan for a larger number costs less.
    above: Option<(u64, Cost)>,
    solves: u64,
}

impl<'a> Search<'a> {
    fn new(request: &'a PlanRequest) -> Self {
        Self {
            request,
            capacities: Capacities::new(request),
            limit: request.limit(),
            wanted: Wanted::Cheapest,
            by_fee: by_fee(request.candidates().iter().map(|candidate| candidate.fee)),
            bound: Bound::default(),
            open: BinaryHeap::new(),
            beaten: Vec::new(),
            best: None,
            failed: None,
            above: None,
            solves: 0,
        }
    }

    fn run(
        &mut self,
        (least, all): (u64, u64),
        solve: &mut impl FnMut(&crate::Problem) -> Outcome,
    ) {
        let first = match self.wanted {
            Wanted::Cheapest if self.request.terms().is_none() => self.unlimited((least, all)),
            Wanted::Cheapest | Wanted::AtMost(_) => None, // bounds may show that there is none
        };
        match first {
            Some((employed, problem)) => {
                if let Some(least) = self.solve_problem(employed, &problem, solve) {
                    self.above = Some((employed, least));
                }
                let least = self.capacities.fewest(least, self.limit);
                // The bound of all of them at once is seldom high enough to be worth its time.
                let middle = least.midpoint(employed - 1);
                self.push(Cost::ZERO, least, middle);
                self.push(Cost::ZERO, middle + 1, employed - 1);
                self.push(Cost::ZERO, employed + 1, all);
            }
            None => self.push(Cost::ZERO, least, all),
        }
        self.look(solve);
    }

    /// The same at a shorter limit than before.
    fn descend(
        &mut self,
        (least, all): (u64, u64),
        solve: &mut impl FnMut(&crate::Problem) -> Outcome,
    ) {
        let Some((last, _)) = self.best.take() else {
            // What was looked into had no plan, and has none now.
            if self.solves == 0 {
                self.run((least, all), solve);
            }
            return;
        };
        let others = self.beaten.drain(..);
        let others = others.filter(|&(_, from, upto, _)| (from, upto) != (last, last));
        self.open.extend(others.map(Reverse));
        self.solve(last, solve);
        self.look(solve);
    }

    /// Looks into the open ranges, until nothing in them would be chosen.
    fn look(&mut self, solve: &mut impl FnMut(&crate::Problem) -> Outcome) {
        while let Some(Reverse(range)) = self.open.pop() {
            let (bound, from, upto, limit) = range;
            let is_found = self.wanted != Wanted::Cheapest && self.best.is_some();
            if is_found || self.is_beaten(bound, from) {
                self.open.push(Reverse(range));
                return;
            }
            let raised = self.raised(bound, from);
            if raised > bound {
                self.open.push(Reverse((raised, from, upto, limit)));
            } else if limit != self.limit && from < upto {
                self.push(bound, from, upto); // it may be higher by now
            } else if from == upto {
                self.solve(from, solve);
            } else {
                let middle = from.midpoint(upto);
                self.push(bound, from, middle);
                self.push(bound, middle + 1, upto);
            }
        }
    }

    /// Opens a range of whose plans none costs less than `bound`, unless it is empty, has no plan, or
    /// none that would be chosen.
    fn push(&mut self, bound: Cost, from: u64, upto: u64) {
        let bound = self.raised(bound, from);
        if from > upto {
            return;
        }
        if self.is_beaten(bound, from) {
            self.beaten.push((bound, from, upto, self.limit));
            return;
        }
        let problem = self.problem(from).with_most_employed(upto);
        if problem.infeasibility().is_some() {
            return;
        }
        let enough = match self.wanted {
            Wanted::Cheapest => self.best.as_ref().map(|(_, planned)| planned.plan.cost),
            Wanted::AtMost(most) => Some(most),
        };
        let bound = bound.max(self.bound.of(&problem, &self.by_fee, enough));
        self.open.push(Reverse((bound, from, upto, self.limit)));
    }

    /// Whether nothing that costs this or more, for this number or a larger one, would be chosen.
    fn is_beaten(&self, bound: Cost, from: u64) -> bool {
        if let Wanted::AtMost(most) = self.wanted
            && bound > most
        {
            return true;
        }
        let best = self.best.as_ref();
        best.is_some_and(|(employed, planned)| (planned.plan.cost, *employed) < (bound, from))
    }

    fn problem(&self, employed: u64) -> crate::Problem {
        self.capacities.problem(employed, self.limit)
    }

    fn raised(&self, bound: Cost, from: u64) -> Cost {
        match self.above {
            Some((employed, least)) if from > employed => bound.max(least),
            Some(_) | None => bound,
        }
    }

    fn solve(&mut self, employed: u64, solve: &mut impl FnMut(&crate::Problem) -> Outcome) {
        let problem = self.problem(employed);
        let least = self.solve_problem(employed, &problem, solve);
        if let Some(least) = least
            && self.above.is_none_or(|(_, above)| above < least)
            && self.request.terms().is_none()
            && self.hold(employed).is_some_and(|r| r <= employed)
        {
            self.above = Some((employed, least));
        }
    }

    /// Solves the problem of this number; what a plan costs at least, if it has one and that was proved.
    fn solve_problem(
        &mut self,
        employed: u64,
        problem: &crate::Problem,
        solve: &mut impl FnMut(&crate::Problem) -> Outcome,
    ) -> Option<Cost> {
        self.solves += 1;
        match solve(problem) {
            Outcome::Planned(planned) => {
                let proved = planned.lower_bound;
                let least = proved.unwrap_or(Cost::ZERO);
                self.beaten.push((least, employed, employed, self.limit));
                if !self.is_beaten(planned.plan.cost, employed) {
                    self.best = Some((employed, planned));
                }
                proved
            }
            outcome @ (Outcome::Infeasible(_) | Outcome::Failed(_)) => {
                self.failed.get_or_insert((employed, outcome));
                None
            }
        }
    }

    /// How many of the cheapest hold the data, with the capacities for this number.
    fn hold(&self, employed: u64) -> Option<u64> {
        let (capacities, by_fee) = (&self.capacities, &self.by_fee);
        capacities.cheapest_that_hold(by_fee, employed, self.limit)
    }

    /// A number of workers of whom the cheapest hold the data, with its problem: the smallest, where lots
    /// exclude nobody. `None` if there is none.
    fn unlimited(&self, (least, all): (u64, u64)) -> Option<(u64, crate::Problem)> {
        let mut employed = least;
        while employed <= all {
            let needed = self.hold(employed)?;
            if needed <= employed {
                let problem = self.problem(employed);
                let feasible = problem.infeasibility().is_none();
                return feasible.then_some((employed, problem));
            }
            employed = needed;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WorkerId;
    use crate::margin::Margin;
    use crate::money::Fee;
    use crate::outcome::PlanStatus;
    use crate::problem::Problem;
    use crate::request::Candidate;
    use crate::terms::{Terms, Tier};
    use crate::time_model::{Link, Speed, TimeModel};
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
            None => Outcome::Infeasible(problem.infeasibility().unwrap_or_else(|| {
                assert!(problem.terms().is_some(), "there is no plan");
                Infeasible::LimitsGap { n: problem.n() }
            })),
        }
    }

    /// Charges, second fees from some batch on, lots of their own.
    fn with_terms(request: PlanRequest, terms: &[(u64, u64, u64, u64)]) -> PlanRequest {
        let fee = |micros| Fee::from_micros(micros).expect("small");
        let workers = 0..request.candidates().len();
        let terms = workers.map(|worker| {
            let (charge, after, second, least) = terms[worker % terms.len()];
            Terms {
                charge: Cost::from_micros(charge.into()),
                tiers: vec![Tier {
                    after,
                    fee: fee(second),
                }],
                least,
            }
        });
        let terms = terms.collect();
        request.with_terms(terms)
    }

    /// The definition, word by word.
    fn by_definition(request: &PlanRequest) -> Option<(u64, Cost)> {
        let all = request.candidates().len() as u64;
        let mut best: Option<(u64, Cost)> = None;
        for employed in request.demand().2.max(1)..=all {
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
        assert_eq!(error, "the plan employs 2 workers, expected at most 1");
    }

    /// A cheap slow worker takes nothing away from a fast one.
    #[test]
    fn one_may_be_better_than_two() {
        let request = request((10, 1, 1), 50, &[(12, 2), (1, 1)]);
        // Alone, the first takes 11; together with the second 10 and 0.
        let response = request.cheapest(exhaustive);
        assert_eq!(response.employed, 1);
        let planned = response.outcome.planned().expect("feasible");
        assert_eq!(planned.plan.batches, [10, 0]);
    }

    #[test]
    fn a_reason_is_that_of_the_number_that_holds_most() {
        let check = |request: PlanRequest, employed, expected: &str| {
            let response = request.cheapest(exhaustive);
            assert_eq!(response.outcome.reason(), Some(expected));
            assert_eq!((response.employed, response.solves), (employed, 0));
        };
        check(request((5, 1, 0), 100, &[]), 1, "insufficient_workers");
        let three_of_two = request((5, 1, 3), 100, &[(9, 1); 2]);
        check(three_of_two, 3, "insufficient_workers");
        let short = request((20, 1, 0), 100, &[(10, 1); 2]);
        check(short, 2, "insufficient_capacity");
        // One takes 5 of 10; two have no time left at all.
        check(request((10, 1, 0), 500, &[(10, 1); 3]), 1, "count_limit");
        assert_eq!(
            request((5, 1, 0), 0, &[])
                .cheapest(exhaustive)
                .outcome
                .reason(),
            Some("insufficient_workers")
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

        /// The bound is one, and is reached where lots leave no gap and nothing limits the count.
        #[test]
        fn no_plan_costs_less_than_the_bound(
            n in 0..14_u64, s_min in 0..4_u64, beta in 0..4_u64,
            most in prop_oneof![Just(u64::MAX), 1..5_u64],
            workers in prop::collection::vec((1..12_u64, 0..5_u64), 0..5),
        ) {
            let request = request((n, s_min, beta), 0, &workers);
            let problem = request.problem(1).with_most_employed(most);
            let bound = problem.lower_bound();
            if let Outcome::Planned(planned) = exhaustive(&problem) {
                prop_assert!(bound <= planned.plan.cost, "{bound:?} {planned:?}");
                if problem.lot() == 1 && most == u64::MAX {
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
                // Where no link is shared, one plan is asked for, and w is what it employs.
                let alone = planned.plan.workers_employed().max(beta);
                let employed = if shared_ms == 0 { alone } else { employed };
                prop_assert_eq!(response.employed, employed);
                prop_assert_eq!(request.verify(employed, planned), Ok(()));
            }
        }

        /// The same where workers have terms; and no bound lies above what a plan costs.
        #[test]
        fn it_is_the_definition_with_terms(
            n in 1..12_u64, s_min in 0..4_u64, beta in 0..4_u64, shared_ms in 0..300_u64,
            workers in prop::collection::vec((1..12_u64, 0..5_u64), 0..4),
            terms in prop::collection::vec((0..30_u64, 1..9_u64, 0..6_u64, 0..6_u64), 1..4),
        ) {
            let request = with_terms(request((n, s_min, beta), shared_ms, &workers), &terms);
            let response = request.cheapest(exhaustive);
            let found = response.outcome.planned().map(|planned| planned.plan.cost);
            let expected = by_definition(&request);
            prop_assert_eq!(found, expected.map(|(_, cost)| cost));
            if let Some(planned) = response.outcome.planned() {
                prop_assert_eq!(request.verify(response.employed, planned), Ok(()));
                let bound = request.problem(response.employed).lower_bound();
                prop_assert!(bound <= planned.plan.cost);
            }
            // A charge less, or a worker without terms more, never costs more.
            let more = request.candidates().first().copied();
            let more = request.and(&more.into_iter().collect::<Vec<_>>()).expect("few");
            let more = more.cheapest(exhaustive).outcome;
            let less = more.planned().map(|planned| planned.plan.cost);
            prop_assert!(found.is_none_or(|found| less.is_some_and(|less| less <= found)));
        }

        /// Whatever helps cannot make the answer more expensive, nor take it away.
        #[test]
        fn nothing_that_helps_hurts(
            n in 1..12_u64, s_min in 0..4_u64, beta in 0..4_u64, shared_ms in 0..300_u64,
            workers in prop::collection::vec((1..12_u64, 1..5_u64), 1..5),
            more in (1..12_u64, 0..5_u64), at: prop::sample::Index, longer_ms in 1..400_u64,
        ) {
            let cost = |request: &PlanRequest| {
                let planned = request.cheapest(exhaustive).outcome;
                planned.planned().map_or(Cost::from_micros(u128::MAX), |p| p.plan.cost)
            };
            let demand = (n, s_min, beta);
            let before = request(demand, shared_ms, &workers);
            let without = cost(&before);
            let one_more = [&workers[..], &[more]].concat();
            prop_assert!(cost(&request(demand, shared_ms, &one_more)) <= without);
            let longer = before.limit() + Span::from_millis(longer_ms);
            prop_assert!(cost(&before.within(longer)) <= without);
            let at = at.index(workers.len());
            let mut faster = workers.clone();
            faster[at].0 += 1;
            prop_assert!(cost(&request(demand, shared_ms, &faster)) <= without);
            let mut cheaper = workers.clone();
            cheaper[at].1 -= 1;
            prop_assert!(cost(&request(demand, shared_ms, &cheaper)) <= without);
        }
    }
}
