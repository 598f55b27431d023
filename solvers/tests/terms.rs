//! Charges, tiers, lots of their own: `exact` against brute force, with and without a shared link, and
//! known answers of which each defeats a rule that seems right.

mod common;

use common::{cost, worker};
use proptest::prelude::*;
use scheduler::machine::WorkerId;
use scheduler::{
    Candidate, Cost, Fee, Link, Margin, Objective, Outcome, PlanRequest, PlanStatus, Problem, Span,
    Speed, Terms, Tier, TimeModel,
};
use solvers::frontier::least_limit;
use solvers::{Allocator, AllocatorName, Exact, Host};

const UNIT: u64 = 1_000_000;

/// The cheapest by number of employed workers and batches, every share of every worker tried.
fn oracle(problem: &Problem) -> Option<u128> {
    let (n, k) = (problem.n() as usize, problem.workers().len());
    let mut best = vec![vec![None; n + 1]; k + 1];
    best[0][0] = Some(0_u128);
    for (at, worker) in problem.workers().iter().enumerate() {
        let terms = problem
            .terms()
            .map_or(Terms::PLAIN, |terms| terms[at].clone());
        for employed in (0..k).rev() {
            let (fewer, more) = best.split_at_mut(employed + 1);
            for (total, cost) in fewer[employed].iter().enumerate() {
                let Some(cost) = cost else { continue };
                let least = problem.lot().max(terms.least);
                for x in least..=worker.s_max.min((n - total) as u64) {
                    // Batch by batch: the fee of the last tier that begins before it.
                    let of = |batch: u64| {
                        let tiers = terms.tiers.iter().rev();
                        let tier = tiers.into_iter().find(|tier| tier.after < batch);
                        tier.map_or(worker.fee, |tier| tier.fee).micros()
                    };
                    let batches: u64 = (1..=x).map(of).sum();
                    let cost = cost + u128::from(batches) + terms.charge.micros();
                    let cell = &mut more[0][total + x as usize];
                    *cell = Some(cell.map_or(cost, |old: u128| old.min(cost)));
                }
            }
        }
    }
    let counts = (0..=k as u64).zip(best);
    let allowed =
        counts.filter(|(count, _)| (problem.beta()..=problem.most_employed()).contains(count));
    allowed.filter_map(|(_, row)| row[n]).min()
}

fn terms() -> impl Strategy<Value = Terms> {
    let fee = || (0..20_u64).prop_map(|micros| Fee::from_micros(micros).expect("small"));
    let tiers = prop::collection::btree_map(1..12_u64, fee(), 0..3);
    let charge = prop_oneof![2 => Just(0_u64), 3 => 0..60_u64, 1 => 0..3_u64];
    let least = prop_oneof![3 => Just(0_u64), 1 => 0..12_u64];
    (charge, tiers, least, any::<bool>()).prop_map(|(charge, tiers, least, tiered)| Terms {
        charge: Cost::from_micros(charge.into()),
        tiers: tiers
            .into_iter()
            .filter(|_| tiered)
            .map(|(after, fee)| Tier { after, fee })
            .collect(),
        least,
    })
}

/// Demand, the link, and workers with speed, fee and terms.
fn requests() -> impl Strategy<Value = PlanRequest> {
    let worker = (1..14_u64, 0..20_u64, terms());
    let workers = prop::collection::vec(worker, 1..9);
    let shared = prop_oneof![Just(0_u64), 1..120_u64];
    (1..30_u64, 0..5_u64, 0..4_u64, shared, workers).prop_map(
        |(n, s_min, beta, shared, workers)| {
            let time_model = TimeModel {
                shared: Span::from_millis(shared),
                ..TimeModel::COMPUTE
            };
            let (candidates, terms) = (0..)
                .zip(workers)
                .map(|(id, (speed, fee, terms))| {
                    let candidate = Candidate {
                        worker: WorkerId::new(id),
                        fee: Fee::from_micros(fee).expect("small"),
                        speed: Speed::measured(speed, Span::from_secs(1)).expect("valid"),
                        margin: Margin::NONE,
                        link: Link::default(),
                        most: u64::MAX,
                    };
                    (candidate, terms)
                })
                .unzip();
            let limit = Span::from_secs(1);
            PlanRequest::new((n, s_min, beta), limit, time_model, candidates)
                .expect("valid")
                .with_terms(terms)
        },
    )
}

fn cheapest(request: &PlanRequest) -> Outcome {
    let mut exact = Exact::default();
    request
        .cheapest(|problem| exact.measure(problem).outcome)
        .outcome
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_500, ..ProptestConfig::default() })]

    /// Over all numbers of employed workers, each with capacities of its own.
    #[test]
    fn no_plan_is_cheaper(request in requests()) {
        let numbers = request.demand().2.max(1)..=request.candidates().len() as u64;
        let expected = numbers.filter_map(|employed| oracle(&request.problem(employed))).min();
        let outcome = cheapest(&request);
        prop_assert_eq!(cost(&outcome).ok(), expected);
        if let Some(planned) = outcome.planned() {
            prop_assert_eq!(planned.status, PlanStatus::Optimal);
        }
    }

    /// For any number that may be employed, with its reason where there is no plan.
    #[test]
    fn a_limit_on_the_count_is_kept(request in requests(), most in 0..6_u64) {
        let problem = request.problem(1).with_most_employed(most);
        let outcome = Exact::default().measure(&problem).outcome;
        prop_assert_eq!(cost(&outcome).ok(), oracle(&problem));
        prop_assert!(!matches!(outcome, Outcome::Failed(_)), "{:?}", outcome);
        if problem.infeasibility().is_some() {
            prop_assert_eq!(oracle(&problem), None);
        }
    }

    /// What helps never hurts, and the quickest of the cheapest costs no more.
    #[test]
    fn more_time_and_smaller_charges_never_cost_more(request in requests(), longer in 1..900_u64) {
        let or_none = |outcome: Outcome| cost(&outcome).unwrap_or(u128::MAX);
        let before = or_none(cheapest(&request));
        let more = request.within(request.limit() + Span::from_millis(longer));
        prop_assert!(or_none(cheapest(&more)) <= before);
        let Some(terms) = request.terms() else { return Ok(()) };
        let free = terms.iter().map(|terms| Terms { charge: Cost::ZERO, ..terms.clone() });
        let free = request.clone().with_terms(free.collect());
        prop_assert!(or_none(cheapest(&free)) <= before);
        let quickest = request.clone().with_objective(Objective::CheapestThenQuickest);
        let response = solvers::answer(&quickest, &mut Exact::default());
        prop_assert_eq!(or_none(response.outcome), before);
        if before < u128::MAX {
            let most = Some(Cost::from_micros(before));
            let least = least_limit(&request, &mut Exact::default(), most).expect("there is a plan");
            prop_assert!(or_none(cheapest(&request.within(least.limit))) <= before);
            let less = request.within(least.limit - Span::from_nanos(1));
            prop_assert!(or_none(cheapest(&less)) > before);
        }
    }
}

#[test]
fn known_answers() {
    // (charge, fee, s_max); n, s_min, beta; at most; the optimum; its plan, where there is one alone.
    type Known<'a> = (&'a [(u64, u64, u64)], (u64, u64, u64), u64, u128, &'a [u64]);
    let five = [(9, 0, 4), (8, 2, 8), (3, 2, 2), (3, 2, 2)];
    let known: [Known<'_>; 9] = [
        (&five, (8, 2, 1), 4, 23, &[4, 0, 2, 2]),
        (&five, (8, 2, 1), 2, 24, &[0, 8, 0, 0]),
        (
            &[(2, 4, 2), (3, 3, 3), (1, 0, 1)],
            (3, 1, 1),
            3,
            10,
            &[0, 2, 1],
        ),
        (
            &[(0, 2, 1), (2, 4, 1), (7, 1, 3)],
            (2, 1, 1),
            3,
            8,
            &[1, 1, 0],
        ),
        (
            &[(4, 0, 1), (4, 3, 4), (4, 0, 2)],
            (3, 1, 1),
            3,
            8,
            &[1, 0, 2],
        ),
        (
            &[(4, 2, 2), (1, 0, 1), (1, 5, 4)],
            (4, 1, 2),
            2,
            17,
            &[0, 1, 3],
        ),
        (
            &[(4, 0, 4), (3, 1, 2), (6, 0, 3)],
            (4, 2, 2),
            3,
            9,
            &[2, 2, 0],
        ),
        (
            &[(1, 0, 2), (1, 1, 2), (4, 3, 3)],
            (5, 2, 1),
            3,
            14,
            &[2, 0, 3],
        ),
        (&[(10, 0, 5), (0, 1, 5)], (8, 1, 2), 2, 13, &[5, 3]),
    ];
    for (workers, (n, s_min, beta), most, optimum, plan) in known {
        let fees = workers
            .iter()
            .map(|&(_, fee, s_max)| worker(fee * UNIT, s_max));
        let charges = workers.iter().map(|&(charge, ..)| Terms {
            charge: Cost::from_micros(u128::from(charge * UNIT)),
            ..Terms::PLAIN
        });
        let problem = Problem::new(n, s_min, beta, fees.collect()).expect("small");
        let problem = problem
            .with_most_employed(most)
            .with_terms(charges.collect());
        let outcome = Exact::default().measure(&problem).outcome;
        assert_eq!(
            cost(&outcome),
            Ok(optimum * u128::from(UNIT)),
            "{workers:?}"
        );
        let planned = outcome.planned().expect("a plan");
        assert_eq!(planned.status, PlanStatus::Optimal);
        assert_eq!(planned.plan.batches, plan, "{workers:?}");
        let charged: u64 = workers
            .iter()
            .zip(plan)
            .filter(|(_, x)| **x > 0)
            .map(|it| it.0.0)
            .sum();
        assert_eq!(
            problem.charges(plan),
            Cost::from_micros(u128::from(charged * UNIT))
        );
    }
}

/// Lots and capacities enclose the data, and still no numbers add up to it.
#[test]
fn lots_of_their_own_may_leave_a_gap() {
    let least = |least| Terms {
        least,
        ..Terms::PLAIN
    };
    let workers = vec![worker(UNIT, 3), worker(UNIT, 5)];
    let problem = Problem::new(7, 1, 1, workers)
        .expect("small")
        .with_most_employed(2);
    let problem = problem.with_terms([least(3), least(5)].into());
    let outcome = Exact::default().measure(&problem).outcome;
    assert_eq!(outcome.reason(), Some("limits_gap"));
    let outcome = Exact::default().measure(&problem.with_n(8)).outcome;
    assert_eq!(cost(&outcome), Ok(8_000_000));
}

/// "The first 100 batches 1.00, then 0.80", and overtime that costs more.
#[test]
fn tiers_make_one_cheaper_and_another_more_expensive() {
    let tier = |after, micros| Terms {
        tiers: vec![Tier {
            after,
            fee: Fee::from_micros(micros).expect("small"),
        }],
        ..Terms::PLAIN
    };
    let workers = vec![worker(UNIT, 1_000_000), worker(900_000, 1_000_000)];
    let problem = Problem::new(1_000, 0, 0, workers).expect("small");
    let problem = problem.with_terms([tier(100, 800_000), tier(50, 2 * UNIT)].into());
    let outcome = Exact::default().measure(&problem).outcome;
    // All to the first: 100 + 720; with 50 from the second, 45 + 100 + 680.
    assert_eq!(cost(&outcome), Ok(820_000_000));
    let outcome = Exact::default().measure(&problem.with_n(60)).outcome;
    assert_eq!(cost(&outcome), Ok(55_000_000)); // 50 at 0.90, 10 at 1.00
}

/// What cannot be said to an allocator is not left out silently.
#[test]
fn allocators_of_fees_alone_refuse() {
    let charge = Terms {
        charge: Cost::from_micros(1),
        ..Terms::PLAIN
    };
    let problem = Problem::new(3, 0, 0, vec![worker(1, 9)]).expect("small");
    let problem = problem.with_terms([charge].into());
    for name in AllocatorName::all() {
        let mut allocator = name.create(&Host::default());
        let takes = allocator.takes_terms();
        match allocator.measure(&problem).outcome {
            Outcome::Planned(planned) => assert!(takes && planned.plan.cost.micros() == 4),
            Outcome::Failed(failure) => {
                let message = format!(
                    "{} takes a fee per batch and nothing else; exact takes all",
                    name.name()
                );
                assert!(!takes && failure.message == message, "{}", failure.message);
            }
            infeasible @ Outcome::Infeasible(_) => panic!("{infeasible:?}"),
        }
    }
}
