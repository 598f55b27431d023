//! Allocation by curves against the textbook's dynamic programme, problem by problem, on the published problems and
//! on families of other draws: `cargo bench -p benches --bench curves`.
//!
//! The textbook programme goes through every sum and every number of batches, and keeps who chose what, as the
//! papers' own do; it is written in the same language, without vector instructions of its own. Both sides take
//! turns. A missed bar does not change the exit code: noise must not fail a build.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use scenarios::Family;
use scenarios::published::{EXPERIMENTS, Goal};
use scheduler::{Case, CurveProblem};
use solvers::curves::{Solution, solve};

fn main() {
    // `cargo test` runs bench targets too, without `--bench`: then nothing is measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!(
        "{:<42}{:>10}{:>12}{:>12}{:>10}{:>10}{:>8}",
        "problems", "exact us", "textbook ms", "median x", "least x", "most x", "bar"
    );
    for experiment in EXPERIMENTS.iter().filter(|it| it.goal == Goal::TotalCost) {
        for resources in [10, 100] {
            let sizes = experiment.sizes().filter(|size| size.1 == resources);
            // The textbook takes more than a second for the largest.
            let sizes = sizes.step_by(if resources == 10 { 2 } else { 7 });
            let problems: Vec<CurveProblem> =
                sizes.map(|(t, r)| experiment.problem(t, r)).collect();
            let bar = if experiment.function == "any" {
                "100"
            } else {
                "1000"
            };
            row(&format!("{}, {resources}", experiment.name), &problems, bar);
        }
    }
    for family in [Family::Convex, Family::Concave, Family::Arbitrary] {
        let cases = (0..40).map(|test| family.case(1, test));
        let problems: Vec<CurveProblem> = cases
            .filter_map(|case| match case {
                Case::Curves(problem) => Some(problem),
                Case::Fees(_) => None,
            })
            .collect();
        row(family.name(), &problems, "");
    }
}

fn row(what: &str, problems: &[CurveProblem], bar: &str) {
    let [mut exacts, mut textbooks, mut ratios] = [const { Vec::new() }; 3];
    for problem in problems {
        let start = Instant::now();
        let expected = textbook(black_box(problem));
        let slow = start.elapsed();
        let mut times: Vec<Duration> = (0..5)
            .map(|_| {
                let start = Instant::now();
                let solution = solve(black_box(problem));
                let time = start.elapsed();
                let Solution::Planned { schedule, .. } = solution else {
                    panic!("every one of these problems has a plan");
                };
                assert_eq!(Some(schedule.cost), expected);
                time
            })
            .collect();
        times.sort_unstable();
        exacts.push(times[2].as_secs_f64() * 1e6);
        textbooks.push(slow.as_secs_f64() * 1e3);
        ratios.push(slow.as_secs_f64() / times[2].as_secs_f64());
    }
    for values in [&mut exacts, &mut textbooks, &mut ratios] {
        values.sort_unstable_by(f64::total_cmp);
    }
    let median = |values: &[f64]| values[values.len() / 2];
    println!(
        "{what:<42}{:>10.1}{:>12.2}{:>12.0}{:>10.0}{:>10.0}{bar:>8}",
        median(&exacts),
        median(&textbooks),
        median(&ratios),
        ratios[0],
        ratios[ratios.len() - 1],
    );
}

/// Every sum, every number of batches of every worker; then the way back.
fn textbook(problem: &CurveProblem) -> Option<i128> {
    let n = problem.n() as usize;
    let mut costs: Vec<i64> = vec![i64::MAX; n + 1];
    costs[0] = 0;
    let mut chosen: Vec<Vec<u32>> = Vec::new();
    for worker in problem.workers() {
        let (lower, prices) = worker.curve.as_table().expect("these problems have tables");
        let mut next = vec![i64::MAX; n + 1];
        let mut choice = vec![0; n + 1];
        for sum in 0..=n {
            for (x, &price) in (lower as usize..).zip(prices) {
                if x > sum {
                    break;
                }
                let before = costs[sum - x];
                if before < i64::MAX && before + price < next[sum] {
                    next[sum] = before + price;
                    choice[sum] = x as u32;
                }
            }
        }
        costs = next;
        chosen.push(choice);
    }
    let (mut sum, mut total) = (n, 0);
    for (worker, choice) in problem.workers().iter().zip(&chosen).rev() {
        let x = choice[sum];
        total += i128::from(worker.curve.at(u64::from(x))?);
        sum -= x as usize;
    }
    (i128::from(costs[n]) == total).then_some(total)
}
