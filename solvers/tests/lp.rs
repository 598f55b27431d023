//! The allocator `lp` against known answers, exhaustive search, and the relaxation's closed form.

mod cbc_support;

use cbc_support::{Random, brute_force, fee_kinds, problem, tricky};
use scheduler::{Certificate, Outcome, PlanStatus, Problem};
use solvers::{Allocator, Exact, Lp, MAX_LP_WORKERS};

/// The relaxation's optimum, `Σ (c_{j+1} − c_j)(n − D(j)) + c_1 n` over the workers in the order
/// of fees, where `D(j) = min(P_j, n − m (beta − j)⁺)` and `P_j` is the capacity of the first `j`.
fn closed_form(problem: &Problem) -> u128 {
    let (n, m) = (u128::from(problem.n()), u128::from(problem.lot()));
    let eligible = problem.workers().iter().filter(|w| problem.is_eligible(w));
    let mut workers: Vec<_> = eligible
        .map(|w| (u128::from(w.fee.micros()), u128::from(w.s_max)))
        .collect();
    workers.sort_unstable();
    let (mut cost, mut capacity) = (workers[0].0 * n, 0);
    for (j, pair) in (1..).zip(workers.windows(2)) {
        capacity += pair[0].1;
        let others = u128::from(problem.beta().saturating_sub(j));
        cost += (pair[1].0 - pair[0].0) * (n - capacity.min(n - m * others));
    }
    cost
}

/// Checks one answer; says whether it was optimal, if there is a plan.
fn check(problem: &Problem, optimum: Option<u128>) -> Option<bool> {
    match Lp::new().measure(problem).outcome {
        Outcome::Planned(planned) => {
            let optimum = optimum.unwrap_or_else(|| panic!("no plan expected: {problem:?}"));
            let cost = planned.plan.cost.micros();
            let bound = planned.lower_bound.expect("lp has a bound").micros();
            assert!(bound <= optimum && optimum <= cost, "{problem:?}");
            let is_optimal = planned.status == PlanStatus::Optimal;
            assert_eq!(is_optimal, cost == bound);
            if !problem.is_empty() {
                assert_eq!(bound, closed_form(problem), "{problem:?}");
                assert_eq!(planned.certificate, Some(Certificate::Relaxation));
            }
            Some(is_optimal)
        }
        Outcome::Infeasible(_) => {
            assert_eq!(optimum, None, "a plan exists: {problem:?}");
            None
        }
        Outcome::Failed(failure) => panic!("{failure:?}: {problem:?}"),
    }
}

#[test]
fn known_answers() {
    for (problem, expected) in tricky() {
        match expected {
            Ok(optimum) => {
                check(&problem, Some(optimum * 1_000_000));
            }
            Err(reason) => {
                let outcome = Lp::new().measure(&problem).outcome;
                assert_eq!(outcome.reason(), Some(reason));
            }
        }
    }
}

#[test]
fn small_problems_of_every_kind() {
    for (name, fees) in fee_kinds() {
        let (mut random, mut optimal, mut feasible) = (Random(11), 0, 0);
        for _ in 0..1_000 {
            for problem in [random.small(8, 12, &fees), random.forced(9, 20, 15, &fees)] {
                match check(&problem, brute_force(&problem)) {
                    Some(true) => optimal += 1,
                    Some(false) => feasible += 1,
                    None => {}
                }
            }
        }
        eprintln!("{name}: {optimal} optimal, {feasible} feasible");
        assert!(
            optimal > 100 && feasible > 100,
            "{name}: {optimal} {feasible}"
        );
    }
}

#[test]
fn capacities_up_to_the_largest() {
    for (_, fees) in fee_kinds() {
        for (lot, width) in [
            (1_000, 1_000_000),
            (10_000_000, 100_000_000),
            (2, 300_000_000),
        ] {
            let mut random = Random(12);
            for _ in 0..60 {
                let problem = random.forced(9, lot, width, &fees);
                check(&problem, brute_force(&problem));
            }
        }
    }
}

#[test]
fn larger_problems_of_every_kind() {
    for (_, fees) in fee_kinds() {
        let mut random = Random(13);
        for beta in 0..60 {
            let problem = random.forced(80, 40, 100, &fees).with_beta(beta % 30);
            let outcome = Exact::default().measure(&problem).outcome;
            check(&problem, outcome.planned().map(|p| p.plan.cost.micros()));
        }
    }
}

#[test]
fn the_number_of_workers_is_limited() {
    let workers: Vec<_> = (0..=MAX_LP_WORKERS as u64)
        .map(|i| (i, 10 + i % 90))
        .collect();
    let outcome = Lp::new().measure(&problem(&workers, 9_999, 7, 3)).outcome;
    assert_eq!(outcome.reason(), Some("too_large"));
}
