//! The objectives against every plan there is.

use proptest::prelude::*;
use scheduler::machine::WorkerId;
use scheduler::{
    Candidate, Cost, Fee, Link, Margin, Objective, PlanRequest, PlanStatus, Span, Speed, TimeModel,
};
use solvers::changes::{Change, changed, changes};
use solvers::{Exact, Heuristic, answer};

/// A worker: milliseconds a batch, fee.
type Numbers = (u64, u64);

fn request(demand: (u64, u64, u64), shared_ms: u64, workers: &[Numbers]) -> PlanRequest {
    let time_model = TimeModel {
        shared: Span::from_millis(shared_ms),
        ..TimeModel::COMPUTE
    };
    let candidate = |(id, &(each, fee)): (u32, &Numbers)| Candidate {
        worker: WorkerId::new(id),
        fee: Fee::from_micros(fee).expect("small"),
        speed: Speed::measured(1, Span::from_millis(each)).expect("valid"),
        margin: Margin::NONE,
        link: Link::default(),
        most: u64::MAX,
    };
    let candidates = (0..).zip(workers).map(candidate).collect();
    PlanRequest::new(demand, Span::from_secs(1), time_model, candidates).expect("valid")
}

/// When a plan is done, with its own number of workers at the link.
fn time(request: &PlanRequest, batches: &[u64]) -> Span {
    let employed = batches.iter().filter(|&&x| x > 0).count() as u64;
    let shares = batches.iter().enumerate();
    let times = shares.filter_map(|(place, &x)| request.least_limit(place, employed, x));
    times.max().unwrap_or_default()
}

/// Cost, time and shares of every plan.
fn all(request: &PlanRequest) -> Vec<(u128, Span, Vec<u64>)> {
    fn extend(
        request: &PlanRequest,
        batches: &mut Vec<u64>,
        left: u64,
        all: &mut Vec<(u128, Span, Vec<u64>)>,
    ) {
        let (_, s_min, beta) = request.demand();
        let candidates = request.candidates();
        if batches.len() == candidates.len() {
            let employed = batches.iter().filter(|&&x| x > 0).count() as u64;
            let taken = time(request, batches);
            if left == 0 && employed >= beta && taken <= request.limit() {
                let fees = candidates.iter().zip(batches.iter());
                let cost = fees.map(|(c, &x)| c.fee.times(x).micros()).sum();
                all.push((cost, taken, batches.clone()));
            }
            return;
        }
        for x in (0..=left).filter(|&x| x == 0 || x >= s_min) {
            batches.push(x);
            extend(request, batches, left - x, all);
            batches.pop();
        }
    }
    let mut plans = Vec::new();
    extend(request, &mut Vec::new(), request.demand().0, &mut plans);
    plans
}

/// Whether no workers of one fee are done later than in another plan that gives them as much together, and
/// employs as many of them where that matters.
fn is_level(request: &PlanRequest, batches: &[u64], other: &[u64]) -> bool {
    let employed = batches.iter().filter(|&&x| x > 0).count() as u64;
    let of_fee = |fee: u64, batches: &[u64]| {
        let places = (0..batches.len())
            .filter(|&place| request.candidates()[place].fee.micros() == fee && batches[place] > 0);
        let places: Vec<usize> = places.collect();
        let total: u64 = places.iter().map(|&place| batches[place]).sum();
        let times = places
            .iter()
            .filter_map(|&place| request.least_limit(place, employed, batches[place]));
        (places.len(), total, times.max())
    };
    (0..3).all(|fee| {
        let (count, total, last) = of_fee(fee, batches);
        let (others, as_much, done) = of_fee(fee, other);
        let matters = request.time_model().depends_on_employed();
        let is_other_question = total != as_much
            || if matters {
                count != others
            } else {
                count > others
            };
        is_other_question || last <= done
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn each_objective_is_the_best_of_all_plans(
        n in 1..10_u64, s_min in 0..4_u64, beta in 0..4_u64,
        shared_ms in prop_oneof![Just(0), 1..200_u64],
        workers in prop::collection::vec((20..400_u64, 0..3_u64), 1..5),
    ) {
        let request = request((n, s_min, beta), shared_ms, &workers);
        let plans = all(&request);
        for &objective in Objective::ALL {
            let asked = request.clone().with_objective(objective);
            let response = answer(&asked, &mut Exact::default());
            let Some(planned) = response.outcome.planned() else {
                prop_assert!(plans.is_empty() && response.outcome.status() == "infeasible");
                continue;
            };
            prop_assert_eq!(asked.verify(response.employed, planned), Ok(()));
            prop_assert_eq!(planned.status, PlanStatus::Optimal);
            let cost = planned.plan.cost.micros();
            let taken = time(&request, &planned.plan.batches);
            let pairs = plans.iter().map(|(cost, taken, _)| (*cost, *taken));
            match objective {
                Objective::Cheapest => prop_assert_eq!(Some(cost), pairs.map(|(c, _)| c).min()),
                Objective::CheapestThenQuickest => prop_assert_eq!(Some((cost, taken)), pairs.min()),
                Objective::Quickest => {
                    let best = pairs.map(|(cost, taken)| (taken, cost)).min();
                    prop_assert_eq!(Some((taken, cost)), best);
                }
            }
            if objective != Objective::Cheapest {
                for (_, _, other) in &plans {
                    prop_assert!(is_level(&request, &planned.plan.batches, other), "{other:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The optimum at the least limit costs at most the budget, and a nanosecond less costs more.
    #[test]
    fn a_budget_buys_the_least_time(
        n in 1..10_u64, s_min in 0..4_u64, beta in 0..4_u64, budget in 0..25_u64,
        shared_ms in prop_oneof![Just(0), 1..200_u64],
        workers in prop::collection::vec((20..400_u64, 0..3_u64), 1..5),
    ) {
        let budget = Cost::from_micros(budget.into());
        let request = request((n, s_min, beta), shared_ms, &workers)
            .with_objective(Objective::Quickest)
            .with_budget(Some(budget));
        let exact = &mut Exact::default();
        let plans = all(&request).into_iter().map(|(cost, taken, _)| (taken, cost));
        let response = answer(&request, exact);
        let Some(planned) = response.outcome.planned() else {
            prop_assert!(plans.clone().all(|(_, cost)| cost > budget.micros()));
            let least = plans.map(|(_, cost)| cost).min().map(Cost::from_micros);
            let reason = response.outcome.reason();
            prop_assert_eq!(reason == Some("insufficient_budget"), least.is_some());
            // Each of the changes does.
            for change in changes(&request, exact) {
                let changed = answer(&changed(&request, change), exact);
                prop_assert!(changed.outcome.planned().is_some(), "{change}");
            }
            if let Some(least) = least {
                prop_assert_eq!(changes(&request, exact)[0], Change::Budget { to: least });
            }
            return Ok(());
        };
        let best = plans.filter(|(_, cost)| *cost <= budget.micros()).min();
        let taken = time(&request, &planned.plan.batches);
        prop_assert_eq!(best, Some((taken, planned.plan.cost.micros())));
        prop_assert_eq!(request.verify(response.employed, planned), Ok(()));
        let less = request.within(taken - Span::from_nanos(1));
        prop_assert!(answer(&less, exact).outcome.planned().is_none());
    }
}

#[test]
fn equal_workers_at_one_fee_share_equally() {
    let four =
        request((100, 10, 1), 0, &[(10, 1); 4]).with_objective(Objective::CheapestThenQuickest);
    let response = answer(&four, &mut Exact::default());
    let planned = response.outcome.planned().expect("feasible");
    assert_eq!(planned.plan.batches, [25; 4]);
    // Another allocator looks at the fee alone.
    let response = answer(&four, &mut Heuristic::default());
    let planned = response.outcome.planned().expect("feasible");
    assert_eq!(planned.plan.batches, [100, 0, 0, 0]);
    // Where nobody costs the same, one decision shows that nothing is quicker.
    let unlike: Vec<_> = (1..=6).map(|fee| (40, fee)).collect();
    let unlike = request((100, 10, 1), 0, &unlike);
    let response = answer(
        &unlike.with_objective(Objective::CheapestThenQuickest),
        &mut Exact::default(),
    );
    assert!(response.solves <= 2, "{}", response.solves);
}

/// The quickest of the cheapest plans of 25 workers behind a link takes few problems more than the cheapest
/// plan does.
#[test]
fn the_quickest_takes_few_problems_more() {
    let mut solves: Vec<u64> = (0..120_u64)
        .map(|test| {
            let draw = |of: u64, upto: u64| {
                let mixed = (test * 97 + of + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) % upto
            };
            let workers: Vec<_> = (0..25)
                .map(|of| (1 + draw(3 * of, 40), 1 + draw(3 * of + 1, 8)))
                .collect();
            let demand = (100 + draw(90, 300), 1 + draw(91, 6), 1 + draw(92, 6));
            let request = request(demand, test % 4 * 8, &workers)
                .within(Span::from_secs(4))
                .with_objective(Objective::CheapestThenQuickest);
            let response = answer(&request, &mut Exact::default());
            assert!(response.outcome.planned().is_some());
            response.solves
        })
        .collect();
    solves.sort_unstable();
    assert!(solves[60] <= 40, "{solves:?}");
}
