//! The exact allocator against known answers and an independent oracle.

mod common;

use common::{cost, hard_problems, known_answers, oracle, pairs, small_problems, worker};
use proptest::prelude::*;
use scheduler::{Certificate, Outcome, PlanStatus, Problem};
use solvers::{Allocator, Budget, Exact};

/// A budget of nodes and states; how many states are held is not limited further.
fn budget(nodes: u64, states: u64) -> Budget {
    Budget {
        nodes,
        states,
        ..Budget::default()
    }
}

/// Solves with every machinery in turn: as usual, with the dynamic programme alone, and with
/// nothing but the bound. The first two must be optimal, the last must not lie.
fn check(problem: &Problem) -> Result<(), TestCaseError> {
    let expected = oracle(problem).ok_or_else(|| {
        problem
            .infeasibility()
            .expect("the oracle finds no plan")
            .reason()
    });
    let nodes = |nodes, states| Exact::with_budget(budget(nodes, states));
    for (name, mut exact) in [
        ("default", Exact::default()),
        ("programme", nodes(0, u64::MAX)),
    ] {
        let outcome = exact.measure(problem).outcome;
        prop_assert_eq!(cost(&outcome), expected, "{}: {:?}", name, outcome);
        if let Some(planned) = outcome.planned() {
            prop_assert_eq!(planned.status, PlanStatus::Optimal, "{}", name);
        }
    }
    let outcome = nodes(0, 0).measure(problem).outcome;
    match (outcome.planned(), expected) {
        (Some(planned), Ok(optimum)) => {
            let bound = planned.lower_bound.expect("exact has a bound").micros();
            prop_assert!(bound <= optimum && optimum <= planned.plan.cost.micros());
            let is_optimal = planned.status == PlanStatus::Optimal;
            prop_assert!(!is_optimal || planned.plan.cost.micros() == optimum);
        }
        (None, Err(reason)) => prop_assert_eq!(outcome.reason(), Some(reason)),
        (_, expected) => prop_assert!(false, "{outcome:?}, expected {expected:?}"),
    }
    Ok(())
}

#[test]
fn known_answers_are_found_and_proved() {
    for known in known_answers() {
        let outcome = Exact::default().measure(&known.problem).outcome;
        let optimum = known.optimum.map(|units| units * 1_000_000);
        assert_eq!(cost(&outcome), optimum, "{:?}", known.problem);
        if let Some(planned) = outcome.planned() {
            assert_eq!(planned.status, PlanStatus::Optimal);
            assert_eq!(planned.lower_bound, Some(planned.plan.cost));
        }
    }
}

#[test]
fn nothing_to_do_is_an_empty_plan() {
    for workers in [vec![], vec![worker(1, 5)]] {
        let problem = Problem::new(0, 3, 0, workers).expect("within bounds");
        let outcome = Exact::default().measure(&problem).outcome;
        assert_eq!(cost(&outcome), Ok(0));
        assert_eq!(
            cost(&Exact::default().measure(&problem.with_beta(1)).outcome),
            Err("insufficient_data")
        );
    }
}

#[test]
fn the_largest_numbers_fit() {
    // A million workers of the largest capacity at the largest fees, all of them needed in the
    // sums: whatever the answer, nothing may overflow, and the bound must hold.
    let workers = (0..1_000_000_u64)
        .map(|i| worker(999_999_000_000 + i, 1_000_000_000 - i % 7))
        .collect();
    let problem = Problem::new(2_000_000_000, 1_000_000_000 - 9, 0, workers).expect("in bounds");
    let outcome = Exact::default().measure(&problem).outcome;
    let planned = outcome.planned().expect("two full workers take all");
    assert_eq!(planned.status, PlanStatus::Optimal);
}

#[test]
fn a_hard_corner_of_large_numbers_keeps_its_bound() {
    // r lots do not fit, fees and capacities are huge and far apart.
    let workers: Vec<_> = (0..40_u64)
        .map(|i| worker(i * i * 500_000_000, 600_000_000 + i * 1_234_567))
        .collect();
    let problem = Problem::new(1_900_000_000, 600_000_000, 0, workers).expect("in bounds");
    let outcome = Exact::default().measure(&problem).outcome;
    let planned = outcome.planned().expect("the three largest reach n");
    // Exactly three are employed: every triple can be tried.
    let w = problem.workers();
    let mut best = u128::MAX;
    for a in 0..40 {
        for b in a + 1..40 {
            for c in b + 1..40 {
                let capacity = w[a].s_max + w[b].s_max + w[c].s_max;
                let Some(mut surplus) = capacity.checked_sub(problem.n()) else {
                    continue;
                };
                let mut cost = 0;
                for i in [c, b, a] {
                    let less = surplus.min(w[i].s_max - problem.lot());
                    surplus -= less;
                    cost += w[i].fee.times(w[i].s_max - less).micros();
                }
                best = best.min(cost);
            }
        }
    }
    assert_eq!(planned.plan.cost.micros(), best);
    assert_eq!(planned.status, PlanStatus::Optimal);
}

#[test]
fn budgets_end_in_bounded_and_say_so() {
    // A small PARTITION: the bound at the root leaves a gap.
    let numbers = [7_u64, 11, 13, 17, 19, 23, 29, 31, 37, 41];
    let sum: u64 = numbers.iter().sum();
    let m = 1 + 41 * sum;
    let workers = numbers.iter().map(|&a| worker(a * 10_000, m + a)).collect();
    let problem = Problem::new(5 * m + sum / 2, m, 0, workers).expect("small");
    let solve = |nodes, states| match Exact::with_budget(budget(nodes, states))
        .measure(&problem)
        .outcome
    {
        Outcome::Planned(planned) => planned,
        other => panic!("expected a plan: {other:?}"),
    };
    let (searched, programmed, stopped) = (solve(u64::MAX, 0), solve(0, u64::MAX), solve(0, 0));
    assert_eq!(searched.certificate, Some(Certificate::Search));
    assert_eq!(programmed.certificate, Some(Certificate::DynamicProgramme));
    assert_eq!(searched.plan.cost, programmed.plan.cost);
    assert_eq!(stopped.status, PlanStatus::Bounded);
    assert!(stopped.lower_bound < Some(searched.plan.cost));
    assert!(searched.plan.cost <= stopped.plan.cost);
}

/// Around 128 undecided workers, the most that the dynamic programme's sets could name, and more
/// than the search has a table for.
#[test]
fn wide_cores_are_solved_or_bounded() {
    for count in [100, 126, 127, 128, 129, 130, 200] {
        let (problem, optimum) = pairs(count);
        for (nodes, certificate) in [
            (u64::MAX, Certificate::Search),
            (0, Certificate::DynamicProgramme),
        ] {
            let outcome = Exact::with_budget(budget(nodes, u64::MAX))
                .measure(&problem)
                .outcome;
            let planned = outcome.planned().expect("a pair reaches n");
            let cost = planned.plan.cost.micros();
            if nodes == 0 && count > 127 {
                assert_eq!(planned.status, PlanStatus::Bounded, "{count}");
                assert!(
                    planned
                        .lower_bound
                        .is_some_and(|bound| bound.micros() <= optimum)
                );
                assert!(cost >= optimum);
            } else {
                assert_eq!(planned.status, PlanStatus::Optimal, "{count}");
                assert_eq!(planned.certificate, Some(certificate), "{count}");
                assert_eq!(cost, optimum, "{count}");
            }
        }
    }
}

/// What is held at one time is bounded too, and running out of it is no proof.
#[test]
fn too_many_states_at_once_end_in_bounded() {
    let (problem, optimum) = pairs(100);
    let solve = |held_states| {
        let budget = Budget {
            nodes: 0,
            states: u64::MAX,
            held_states,
        };
        let outcome = Exact::with_budget(budget).measure(&problem).outcome;
        let planned = outcome.planned().expect("a pair reaches n");
        assert!(
            planned
                .lower_bound
                .is_some_and(|bound| bound.micros() <= optimum)
        );
        planned.status
    };
    assert_eq!(solve(1_000_000), PlanStatus::Optimal);
    assert_eq!(solve(20), PlanStatus::Bounded);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn small_problems_are_solved_to_optimality(problem in small_problems()) {
        check(&problem)?;
    }

    #[test]
    fn hard_problems_are_solved_to_optimality(problem in hard_problems()) {
        check(&problem)?;
    }
}
