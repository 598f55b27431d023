//! A limit on how many may be employed: every allocator against an independent oracle, and known
//! answers of which each defeats a rule that seems right.

mod common;

use common::{cost, hard_problems, limited, oracle, problem, small_problems, worker};
use proptest::prelude::*;
use scheduler::{Outcome, PlanStatus, Problem};
use solvers::{Allocator, Budget, Cbc, Exact, Heuristic, Lp};

/// By `exact` with every machinery in turn: as usual, with the dynamic programme alone, and with
/// nothing but the bound. The first two must be optimal, the last must not lie.
fn check(problem: &Problem) -> Result<(), TestCaseError> {
    let reason = || problem.infeasibility().expect("no plan").reason();
    let expected = oracle(problem).ok_or_else(reason);
    for (nodes, states) in [(u64::MAX, 0), (0, u64::MAX), (0, 0)] {
        let budget = Budget {
            nodes,
            states,
            ..Budget::default()
        };
        let outcome = Exact::with_budget(budget).measure(problem).outcome;
        let found = cost(&outcome);
        let Some(planned) = outcome.planned() else {
            prop_assert_eq!(found, expected);
            continue;
        };
        let optimum = expected.expect("a plan was found");
        let bound = planned.lower_bound.expect("exact has a bound").micros();
        prop_assert!(bound <= optimum && Ok(optimum) <= found);
        let is_optimal = planned.status == PlanStatus::Optimal;
        prop_assert!(is_optimal || nodes + states == 0);
        prop_assert!(!is_optimal || found == Ok(optimum));
    }
    Ok(())
}

/// What proves less must not claim more, and says so where it has no plan.
fn check_others(problem: &Problem) -> Result<(), TestCaseError> {
    let expected = oracle(problem);
    let allocators: [Box<dyn Allocator>; 3] = [
        Box::<Heuristic>::default(),
        Box::<Lp>::default(),
        Box::<Cbc>::default(),
    ];
    for mut allocator in allocators {
        let name = allocator.name();
        match allocator.measure(problem).outcome {
            Outcome::Planned(planned) => {
                let found = planned.plan.cost.micros();
                let bound = planned.lower_bound.map_or(0, |bound| bound.micros());
                let optimum = expected.expect("a plan was found");
                prop_assert!(bound <= optimum && optimum <= found, "{}", name);
                prop_assert!(name != "cbc" || found == optimum, "{}", name);
            }
            Outcome::Infeasible(_) => prop_assert_eq!(expected, None, "{}", name),
            Outcome::Failed(failure) => {
                prop_assert!(expected.is_some() && name == "heuristic", "{failure:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn known_answers() {
    let none: Result<u128, &str> = Err("count_limit");
    // (fee, s_max); n, s_min, beta; at most; the optimum.
    let known = [
        (&[(3, 4), (0, 1), (1, 2)][..], (2, 1, 1), 1, Ok(2)),
        (&[(2, 2), (4, 7), (0, 2), (0, 1)], (6, 1, 1), 2, Ok(16)),
        (&[(0, 3), (1, 4)], (4, 2, 1), 1, Ok(4)),
        (&[(1, 3), (3, 2), (4, 3)], (6, 2, 2), 3, Ok(15)),
        (&[(0, 4), (1, 4), (2, 9), (9, 9)], (14, 2, 1), 2, Ok(63)),
        (&[(0, 4), (1, 4), (2, 9), (9, 9)], (14, 2, 3), 2, none),
    ];
    for (workers, (n, s_min, beta), most, expected) in known {
        let problem = problem(n, s_min, beta, workers).with_most_employed(most);
        let outcome = Exact::default().measure(&problem).outcome;
        let expected = expected.map(|units: u128| units * 1_000_000);
        assert_eq!(cost(&outcome), expected, "{problem:?}");
        assert!(
            outcome
                .planned()
                .is_none_or(|p| p.status == PlanStatus::Optimal)
        );
    }
}

#[test]
fn the_heuristic_says_that_it_looks_for_no_other_plan() {
    let problem = problem(4, 1, 0, &[(0, 3), (1, 4)]).with_most_employed(1);
    let Outcome::Failed(failure) = Heuristic::default().measure(&problem).outcome else {
        panic!("its plan employs both");
    };
    assert_eq!(
        failure.message,
        "the heuristic's plan employs 2 workers, at most 1 may be; it does not look for one with fewer"
    );
}

/// The largest numbers: nothing may overflow, and every pair can be tried.
#[test]
fn two_of_many_large_ones() {
    let workers: Vec<_> = (0..60_u64)
        .map(|i| worker(i * i * 277_777_777, 10_000_000 * (i + 1) + i * i))
        .collect();
    let problem = Problem::new(900_000_000, 7, 0, workers).expect("in bounds");
    let problem = problem.with_most_employed(2);
    let w = problem.workers();
    let mut best = u128::MAX;
    for (i, cheap) in w.iter().enumerate() {
        for dear in &w[i + 1..] {
            if cheap.s_max + dear.s_max >= problem.n() {
                let first = cheap.s_max.min(problem.n() - problem.lot());
                let rest = problem.n() - first;
                best = best.min((cheap.fee.times(first)).micros() + dear.fee.times(rest).micros());
            }
        }
    }
    let outcome = Exact::default().measure(&problem).outcome;
    let planned = outcome.planned().expect("two hold the data");
    assert_eq!(planned.plan.cost.micros(), best);
    assert_eq!(planned.status, PlanStatus::Optimal);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn small_problems_are_proved(problem in limited(small_problems())) {
        check(&problem)?;
    }

    #[test]
    fn hard_problems_are_proved(problem in limited(hard_problems())) {
        check(&problem)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]

    #[test]
    fn no_allocator_claims_what_is_not(problem in limited(small_problems())) {
        check_others(&problem)?;
    }
}
