//! `scheduler::PlanRequest::cheapest` with real allocators: the response of a scan over all numbers of
//! employed workers, with fewer problems solved.

use proptest::prelude::*;
use scheduler::machine::WorkerId;
use scheduler::{
    Candidate, Fee, Link, Margin, Outcome, PlanRequest, Planned, Span, Speed, TimeModel,
};
use solvers::{Allocator, Exact, Heuristic, Lp};

fn request(demand: (u64, u64, u64), shared_us: u64, workers: &[(u64, u64)]) -> PlanRequest {
    let time_model = TimeModel {
        shared: Span::from_nanos(1_000 * shared_us),
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

/// The definition, word by word.
fn scan(request: &PlanRequest, beta: u64, allocator: &mut dyn Allocator) -> Option<(u64, Planned)> {
    let mut best: Option<(u64, Planned)> = None;
    for employed in beta.max(1)..=request.candidates().len() as u64 {
        let outcome = allocator.measure(&request.problem(employed)).outcome;
        if let Outcome::Planned(planned) = outcome {
            let cost = planned.plan.cost;
            let is_cheaper = best.as_ref().is_none_or(|(_, b)| cost < b.plan.cost);
            if is_cheaper {
                best = Some((employed, planned));
            }
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_choice_is_that_of_a_full_scan(
        part in 1..100_u64, s_min in 0..30_u64, beta in 0..12_u64, shared_us in 1..20_000_u64,
        workers in prop::collection::vec((1..60_u64, 0..50_u64), 1..24),
    ) {
        let capacity: u64 = workers.iter().map(|(speed, _)| speed).sum();
        let n = (capacity * part / 100).max(1);
        let request = request((n, s_min, beta), shared_us, &workers);
        let allocators: [Box<dyn Allocator>; 3] =
            [Box::<Heuristic>::default(), Box::<Exact>::default(), Box::<Lp>::default()];
        for mut allocator in allocators {
            let response = request.cheapest(|problem| allocator.measure(problem).outcome);
            let name = allocator.name();
            match scan(&request, beta, allocator.as_mut()) {
                Some((employed, planned)) => {
                    prop_assert_eq!(response.employed, employed, "{}", name);
                    prop_assert_eq!(response.outcome, Outcome::Planned(planned), "{}", name);
                }
                None => prop_assert_eq!(response.outcome.planned(), None, "{}", name),
            }
        }
    }
}

/// Where `beta` or lots do not leave a gap, one problem is enough, for an allocator that proves
/// nothing too.
#[test]
fn a_plan_that_costs_the_bound_ends_the_search() {
    let workers: Vec<_> = (0..400).map(|i| (100 + i % 7, 1 + i % 11)).collect();
    let request = request((4_000, 20, 200), 10, &workers);
    let mut heuristic = Heuristic::default();
    let response = request.cheapest(|problem| heuristic.measure(problem).outcome);
    assert_eq!((response.employed, response.solves), (200, 1));
}
