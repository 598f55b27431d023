//! Trade-off curves against fresh solves at every limit and value at which anything can change.

use proptest::prelude::*;
use scheduler::machine::WorkerId;
use scheduler::{Candidate, Cost, Fee, Link, Margin, PlanRequest, Span, Speed, TimeModel};
use solvers::frontier::{Curve, DEFAULT_BUDGET, Effort, least_limit, over_beta, over_s_min};
use solvers::frontier::{Point, Step, over_time};
use solvers::{Allocator, Exact};

const LONGEST: Span = Span::from_nanos(u64::MAX);
const STEP: Span = Span::from_nanos(1);

/// A worker: milliseconds a batch, fee, milliseconds of its own transfer, most batches.
type Numbers = (u64, u64, u64, u64);

fn request(demand: (u64, u64, u64), shared_ms: u64, workers: &[Numbers]) -> PlanRequest {
    let time_model = TimeModel {
        shared: Span::from_millis(shared_ms),
        ..TimeModel::COMPUTE
    };
    let candidates = (0..)
        .zip(workers)
        .map(|(id, numbers)| candidate(id, *numbers));
    let candidates = candidates.collect();
    PlanRequest::new(demand, Span::from_secs(1), time_model, candidates).expect("valid")
}

fn candidate(id: u32, (each, fee, transfer, most): Numbers) -> Candidate {
    Candidate {
        worker: WorkerId::new(id),
        fee: Fee::from_micros(fee).expect("small"),
        speed: Speed::measured(1, Span::from_millis(each)).expect("valid"),
        margin: Margin::NONE,
        link: Link {
            transfer: Span::from_millis(transfer),
            ..Link::default()
        },
        most,
    }
}

fn requests() -> impl Strategy<Value = PlanRequest> {
    let worker = (1..60_u64, 0..6_u64, 0..200_u64, 1..40_u64);
    let demand = (1..24_u64, 0..6_u64, 0..4_u64);
    let shared = prop_oneof![Just(0), 1..100_u64];
    (demand, shared, prop::collection::vec(worker, 0..6))
        .prop_map(|(demand, shared, workers)| request(demand, shared, &workers))
}

/// What the scheduler would say.
fn fresh(request: &PlanRequest) -> Option<Cost> {
    let mut exact = Exact::default();
    let response = request.cheapest(|problem| exact.measure(problem).outcome);
    Some(response.outcome.planned()?.plan.cost)
}

/// Every limit at which some capacity begins, under any number of employed workers.
fn events(request: &PlanRequest) -> Vec<Span> {
    let (n, _, beta) = request.demand();
    let all = request.candidates().len();
    let mut limits = Vec::new();
    for employed in beta.max(1)..=(all as u64).max(beta) {
        for place in 0..all {
            limits.extend((1..=n).filter_map(|x| request.least_limit(place, employed, x)));
        }
    }
    limits.sort_unstable();
    limits.dedup();
    limits
}

/// Those at which the answer is cheaper than at any before.
fn by_definition(request: &PlanRequest) -> Vec<(Span, Cost)> {
    let mut best: Vec<(Span, Cost)> = Vec::new();
    for limit in events(request) {
        if let Some(cost) = fresh(&request.within(limit))
            && best.last().is_none_or(|(_, least)| cost < *least)
        {
            best.push((limit, cost));
        }
    }
    best
}

fn effort() -> (u64, impl FnMut(u64)) {
    (DEFAULT_BUDGET, |_| {})
}

fn curve_over_time(request: &PlanRequest, range: (Span, Span)) -> Curve<Point> {
    let (budget, mut progress) = effort();
    let effort = Effort {
        budget,
        progress: &mut progress,
    };
    over_time(request, &mut Exact::default(), range, effort)
}

fn pairs(curve: &Curve<Point>) -> Vec<(Span, Cost)> {
    let points = curve.points.iter();
    points.map(|point| (point.limit, point.cost)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn over_time_it_is_every_fresh_solve(request in requests()) {
        let curve = curve_over_time(&request, (Span::ZERO, LONGEST));
        prop_assert!(curve.is_whole && curve.is_proved);
        prop_assert_eq!(pairs(&curve), by_definition(&request));
        for point in &curve.points {
            prop_assert_eq!(fresh(&request.within(point.limit)), Some(point.cost));
            let before = fresh(&request.within(point.limit - STEP));
            prop_assert!(before.is_none_or(|before| before > point.cost));
        }
    }

    #[test]
    fn a_part_of_it_is_that_part(request in requests(), ends: [prop::sample::Index; 2]) {
        let events = events(&request);
        if events.is_empty() {
            return Ok(());
        }
        let [from, upto] = ends.map(|end| events[end.index(events.len())]);
        let (from, upto) = (from.min(upto), from.max(upto));
        let mut best = None;
        let mut expected = Vec::new();
        for limit in events.into_iter().filter(|limit| (from..=upto).contains(limit)) {
            let cost = fresh(&request.within(limit));
            if let Some(cost) = cost && best.is_none_or(|best| cost < best) {
                best = Some(cost);
                expected.push((limit, cost));
            }
        }
        prop_assert_eq!(pairs(&curve_over_time(&request, (from, upto))), expected);
    }

    #[test]
    fn the_least_limit_of_a_cost_is_on_the_curve(request in requests(), cost in 0..200_u128) {
        let expected = by_definition(&request);
        let exact = &mut Exact::default();
        let any = least_limit(&request, exact, None);
        prop_assert_eq!(any.map(|point| (point.limit, point.cost)), expected.first().copied());
        let most = Cost::from_micros(cost);
        let limit = least_limit(&request, exact, Some(most)).map(|point| point.limit);
        let first = expected.iter().find(|(_, cost)| *cost <= most);
        prop_assert_eq!(limit, first.map(|(limit, _)| *limit));
    }

    /// Whatever helps cannot make the least limit longer, nor take it away: not a worker more, not a
    /// faster or cheaper worker, not more money.
    #[test]
    fn the_least_limit_never_rises_with_what_helps(
        request in requests(), cost in prop::option::of(0..200_u128),
        more in (1..60_u64, 0..6_u64, 0..200_u64, 1..40_u64), at: prop::sample::Index,
    ) {
        let exact = &mut Exact::default();
        let mut limit = |request: &PlanRequest, more: u128| {
            let most = cost.map(|cost| Cost::from_micros(cost + more));
            least_limit(request, exact, most).map_or(LONGEST, |point| point.limit)
        };
        let before = limit(&request, 0);
        let another = candidate(99, more);
        prop_assert!(limit(&request.and(&[another]).expect("few"), 0) <= before);
        prop_assert!(limit(&request, 1) <= before);
        if request.candidates().is_empty() {
            return Ok(());
        }
        let place = at.index(request.candidates().len());
        let with = |change: &dyn Fn(&mut Candidate)| {
            let mut candidates = request.candidates().to_vec();
            change(&mut candidates[place]);
            let time_model = *request.time_model();
            PlanRequest::new(request.demand(), request.limit(), time_model, candidates).expect("valid")
        };
        let faster = with(&|it| it.speed = Speed::measured(2, it.speed.took()).expect("valid"));
        prop_assert!(limit(&faster, 0) <= before);
        let cheaper = with(&|it| it.fee = Fee::from_micros(it.fee.micros() / 2).expect("small"));
        prop_assert!(limit(&cheaper, 0) <= before);
        let nearer = with(&|it| it.link.transfer = it.link.transfer / 2);
        prop_assert!(limit(&nearer, 0) <= before);
    }

    #[test]
    fn over_demands_it_is_every_fresh_solve(request in requests()) {
        let (n, s_min, beta) = request.demand();
        let check = |curve: Curve<Step>, demand: &dyn Fn(u64) -> (u64, u64, u64)| {
            prop_assert!(curve.is_whole && curve.is_proved);
            for value in 0..=n + 1 {
                let asked = request.with_demand(demand(value)).expect("valid");
                let mut steps = curve.points.iter();
                let step = steps.find(|step| (step.from..=step.upto).contains(&value));
                prop_assert_eq!(step.map(|step| step.cost), fresh(&asked), "{}", value);
            }
            for pair in curve.points.windows(2) {
                prop_assert!(pair[0].upto < pair[1].from);
                prop_assert!(pair[0].cost != pair[1].cost || pair[0].upto + 1 < pair[1].from);
            }
            Ok(())
        };
        let exact = &mut Exact::default();
        let (budget, mut progress) = effort();
        let curve = over_beta(&request, exact, Effort { budget, progress: &mut progress });
        check(curve, &|value| (n, s_min, value))?;
        let (budget, mut progress) = effort();
        let curve = over_s_min(&request, exact, Effort { budget, progress: &mut progress });
        check(curve, &|value| (n, value, beta))?;
    }
}

/// One worker alone takes 10 ms a batch at a fee of 3, another 40 ms at a fee of 1: each batch
/// more on the cheap one takes 40 ms more.
#[test]
fn two_workers_by_hand() {
    let request = request((4, 1, 0), 0, &[(10, 3, 0, 99), (40, 1, 0, 99)]);
    let points = pairs(&curve_over_time(&request, (Span::ZERO, LONGEST)));
    let expected = [(40, 3 * 3 + 1), (80, 2 * 3 + 2), (120, 3 + 3), (160, 4)];
    let expected: Vec<_> = expected
        .map(|(ms, cost)| (Span::from_millis(ms), Cost::from_micros(cost)))
        .into();
    // At 40 ms all four fit the fast one too, at a fee of 12.
    assert_eq!(points, expected);
}

#[test]
fn a_budget_that_runs_out_is_told() {
    let request = request(
        (20, 2, 0),
        30,
        &[(10, 3, 0, 99), (40, 1, 0, 99), (15, 2, 0, 99)],
    );
    for budget in [0, 1, 5, 15] {
        let effort = Effort {
            budget,
            progress: &mut |_| {},
        };
        let curve = over_time(
            &request,
            &mut Exact::default(),
            (Span::ZERO, LONGEST),
            effort,
        );
        assert!(!curve.is_whole && 3 * curve.problems <= budget);
    }
}
