//! The allocator `cbc` against known answers and exhaustive search.

#![expect(clippy::print_stderr, reason = "it prints what it finds")]

mod cbc_support;

use cbc_support::{Random, brute_force, fee_kinds, problem, tricky, units};
use scheduler::{Certificate, Cost, FailureReason, Outcome, PlanStatus, Problem};
use solvers::cbc::MAX_CBC_WORKERS;
use solvers::{Allocator, Cbc, CbcOptions, Exact};

/// How the answers to many problems turned out.
#[derive(Debug, Default)]
struct Tally {
    optimal: u32,
    bounded: u32,
    failed: u32,
}

/// Checks an answer against the least cost: a claim of optimality must be true, and a bound must
/// be one.
fn check(problem: &Problem, optimum: Option<u128>, cbc: &mut Cbc, tally: &mut Tally) {
    match cbc.measure(problem).outcome {
        Outcome::Planned(planned) => {
            let optimum = optimum.unwrap_or_else(|| panic!("no plan expected: {problem:?}"));
            let cost = planned.plan.cost.micros();
            let bound = planned.lower_bound.expect("cbc has a bound").micros();
            assert!(cost >= optimum, "cheaper than the optimum: {problem:?}");
            assert!(
                bound <= optimum,
                "bound {bound} above {optimum}: {problem:?}"
            );
            if planned.status == PlanStatus::Optimal {
                assert_eq!(cost, optimum, "not optimal: {problem:?}");
                tally.optimal += 1;
            } else {
                assert_eq!(planned.status, PlanStatus::Bounded);
                tally.bounded += 1;
            }
        }
        Outcome::Infeasible(_) => assert_eq!(optimum, None, "a plan exists: {problem:?}"),
        Outcome::Failed(failure) => {
            assert_ne!(optimum, None, "infeasible expected: {problem:?}");
            if failure.reason != FailureReason::NoPlanFound {
                eprintln!("{failure:?}: {problem:?}");
            }
            tally.failed += 1;
        }
    }
}

fn exact(problem: &Problem) -> Option<u128> {
    let outcome = Exact::default().measure(problem).outcome;
    let planned = outcome.planned()?;
    assert_eq!(planned.status, PlanStatus::Optimal);
    Some(planned.plan.cost.micros())
}

#[test]
fn known_answers() {
    for options in [CbcOptions::Tuned, CbcOptions::Default] {
        let mut cbc = Cbc::new().with_options(options);
        for (problem, expected) in tricky() {
            let outcome = cbc.measure(&problem).outcome;
            match expected {
                Ok(optimum) => {
                    let planned = outcome.planned().expect("a plan");
                    let optimum = Cost::from_micros(optimum * 1_000_000);
                    assert_eq!(planned.plan.cost, optimum, "{problem:?}");
                    assert_eq!(planned.status, PlanStatus::Optimal);
                    assert_eq!(planned.lower_bound, Some(optimum));
                }
                Err(reason) => assert_eq!(outcome.reason(), Some(reason)),
            }
        }
        assert!(!cbc.library_cpu().is_zero());
    }
}

#[test]
fn small_problems_of_every_kind() {
    for (name, fees) in fee_kinds() {
        let (mut random, mut tally) = (Random(1), Tally::default());
        for _ in 0..700 {
            let problem = random.small(8, 12, &fees);
            check(&problem, brute_force(&problem), &mut Cbc::new(), &mut tally);
            let problem = random.forced(9, 20, 15, &fees);
            check(&problem, brute_force(&problem), &mut Cbc::new(), &mut tally);
        }
        eprintln!("{name}: {tally:?}");
        assert_eq!(tally.failed, 0, "{name}: {tally:?}");
        assert!(
            tally.bounded == 0 || name == "up to the largest",
            "{name}: {tally:?}"
        );
    }
}

#[test]
fn larger_problems_of_every_kind() {
    for (name, fees) in fee_kinds() {
        let (mut random, mut tally) = (Random(2), Tally::default());
        for _ in 0..150 {
            let problem = random.forced(60, 40, 100, &fees);
            check(&problem, exact(&problem), &mut Cbc::new(), &mut tally);
        }
        eprintln!("{name}: {tally:?}");
        assert_eq!(tally.failed, 0, "{name}: {tally:?}");
    }
}

/// Where the numbers are so large that CBC's tolerances admit plans that are none, or that
/// floating point cannot tell costs apart, nothing false may be claimed.
#[test]
fn capacities_up_to_the_largest() {
    for (name, fees) in fee_kinds() {
        for (lot, width) in [
            (1_000, 1_000_000),
            (100_000, 10_000_000),
            (10_000_000, 100_000_000),
            (2, 300_000_000),
        ] {
            let (mut random, mut tally) = (Random(3), Tally::default());
            for _ in 0..100 {
                let problem = random.forced(9, lot, width, &fees);
                check(&problem, brute_force(&problem), &mut Cbc::new(), &mut tally);
            }
            eprintln!("{name}, {lot} + {width}: {tally:?}");
        }
    }
}

#[test]
fn node_limits_leave_true_bounds() {
    let mut tally = Tally::default();
    for limit in [0, 1, 2, 5, 20, 100] {
        let mut random = Random(4);
        for _ in 0..40 {
            let t = random.within(4, 9);
            let a: Vec<u64> = (0..2 * t).map(|_| random.within(1, 1000)).collect();
            let (sum, largest) = (a.iter().sum::<u64>(), a.iter().max().copied());
            let lot = 1 + largest.expect("not empty") * sum;
            let workers: Vec<_> = a.iter().map(|&a| (a * 10_000, lot + a)).collect();
            let problem = problem(&workers, t * lot + sum / 2, lot, random.within(0, t));
            let mut cbc = Cbc::new().with_node_limit(limit);
            check(&problem, exact(&problem), &mut cbc, &mut tally);
        }
    }
    eprintln!("{tally:?}");
    assert!(
        tally.bounded > 0 && tally.failed > 0 && tally.optimal > 0,
        "{tally:?}"
    );
}

#[test]
fn bounds_of_a_stopped_search_are_close() {
    let (mut random, mut stopped) = (Random(5), 0);
    let (_, fees) = &fee_kinds()[1];
    for _ in 0..60 {
        let problem = random.forced(60, 40, 12, fees);
        let outcome = Cbc::new().with_node_limit(3).measure(&problem).outcome;
        let Outcome::Planned(planned) = outcome else {
            continue;
        };
        assert_eq!(planned.certificate, Some(Certificate::Solver));
        if planned.status == PlanStatus::Bounded {
            let bound = planned.lower_bound.expect("a bound").micros();
            let optimum = exact(&problem).expect("feasible");
            assert!(
                bound <= optimum && bound * 2 >= optimum,
                "{bound} {optimum}"
            );
            stopped += 1;
        }
    }
    assert!(stopped > 0);
}

#[test]
fn too_many_workers_are_refused_before_anything_else() {
    let workers = vec![(1_000_000, 10); MAX_CBC_WORKERS + 1];
    for n in [0, 5, 1_000_000] {
        let outcome = Cbc::new().measure(&problem(&workers, n, 0, 0)).outcome;
        assert_eq!(outcome.reason(), Some("too_large"));
    }
    let largest = problem(&workers[1..], 15_005, 7, 3);
    let outcome = Cbc::new().measure(&largest).outcome;
    assert_eq!(outcome.status(), "optimal");
}

#[test]
fn fees_that_are_all_alike_leave_nothing_to_minimise() {
    let alike = units(&[(7, 9); 6], 31, 5, 2);
    let outcome = Cbc::new().measure(&alike).outcome;
    let planned = outcome.planned().expect("a plan");
    assert_eq!(planned.status, PlanStatus::Optimal);
    assert_eq!(planned.plan.cost, Cost::from_micros(31 * 7_000_000));
}
