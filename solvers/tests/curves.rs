//! Allocation by curves: known answers, and a plain dynamic programme over every count and sum.

use scheduler::{Curve, CurveProblem, CurveWorker, Schedule};
use solvers::curves::{Solution, infeasibility, least_makespan, solve};

fn table(first: u64, costs: &[i64]) -> Curve {
    Curve::table(first, costs.to_vec()).expect("a table")
}

fn points(points: &[(u64, i64)]) -> Curve {
    Curve::points(points.to_vec()).expect("points")
}

fn optional(curve: Curve) -> CurveWorker {
    CurveWorker {
        curve,
        may_idle: true,
    }
}

fn forced(curve: Curve) -> CurveWorker {
    CurveWorker {
        curve,
        may_idle: false,
    }
}

fn problem(n: u64, least: u64, most: u64, workers: Vec<CurveWorker>) -> CurveProblem {
    CurveProblem::new(n, least, most, workers).expect("valid")
}

/// The optimum that is proved, or `None` where it is proved that there is none.
fn optimum(problem: &CurveProblem) -> Option<i128> {
    match solve(problem) {
        Solution::Planned {
            schedule,
            lower_bound,
            ..
        } => {
            assert_eq!(schedule.verify(problem), Ok(()));
            assert_eq!(lower_bound, schedule.cost, "it is not proved");
            Some(schedule.cost)
        }
        Solution::Infeasible => None,
        Solution::Unknown => panic!("nothing is known of {problem:?}"),
    }
}

/// Every count and every sum, worker by worker.
fn plain(problem: &CurveProblem) -> Option<i128> {
    let (n, k) = (problem.n() as usize, problem.workers().len());
    let mut costs = vec![vec![None::<i128>; n + 1]; k + 1];
    costs[0][0] = Some(0);
    for worker in problem.workers() {
        let mut next = if worker.may_idle {
            costs.clone()
        } else {
            vec![vec![None; n + 1]; k + 1]
        };
        for count in 0..k {
            for (sum, cost) in costs[count].iter().enumerate() {
                let Some(cost) = *cost else {
                    continue;
                };
                for x in worker.curve.lower()..=worker.curve.upper() {
                    let Some(cell) = next[count + 1].get_mut(sum + x as usize) else {
                        break;
                    };
                    let cost = cost + i128::from(worker.curve.at(x).expect("within limits"));
                    if cell.is_none_or(|known| cost < known) {
                        *cell = Some(cost);
                    }
                }
            }
        }
        costs = next;
    }
    let counts = problem.least() as usize..=(problem.most() as usize).min(k);
    counts.filter_map(|count| costs[count][n]).min()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    fn between(&mut self, least: i64, most: i64) -> i64 {
        least + (self.next() % (most - least + 1) as u64) as i64
    }

    fn flip(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }

    /// Slopes of one kind, straight on for a while.
    fn slopes(&mut self, count: usize) -> Vec<i64> {
        let kind = self.between(0, 5);
        let run = self.between(1, 4);
        let mut slopes: Vec<i64> = (0..count).map(|_| self.between(0, 9)).collect();
        match kind {
            0 => slopes.sort_unstable(),
            1 => {
                slopes.sort_unstable();
                slopes.reverse();
            }
            2 => slopes.fill(4),
            3 => slopes.iter_mut().for_each(|slope| *slope -= 4),
            4 => (0..count).for_each(|at| {
                slopes[at] = if (at as i64).rem_euclid(run) == 0 {
                    7
                } else {
                    0
                };
            }),
            _ => {}
        }
        slopes
    }

    fn curve(&mut self, most: i64) -> Curve {
        let lower = if self.flip() { self.between(0, 6) } else { 1 };
        let begin = self.between(-5, 30);
        let tall = if self.between(0, 9) == 0 { 1 << 50 } else { 1 };
        if self.flip() {
            let count = self.between(0, most);
            let mut costs = vec![begin * tall];
            for slope in self.slopes(count as usize) {
                costs.push(
                    costs[costs.len() - 1] + slope * tall + i64::from(tall > 1 && self.flip()),
                );
            }
            return table(lower as u64, &costs);
        }
        let count = self.between(1, 5);
        let mut at = (lower as u64, begin * tall);
        let mut corners = vec![at];
        for slope in self.slopes(count as usize) {
            let width = self.between(1, (most / 2).max(1));
            at = (at.0 + width as u64, at.1 + slope * tall * width);
            corners.push(at);
        }
        points(&corners)
    }

    fn problem(&mut self, most_workers: i64, most_batches: i64) -> CurveProblem {
        let k = self.between(1, most_workers);
        let (n, may_idle) = (self.between(0, most_batches), self.between(0, 2));
        let most = self.between(1, most_batches.min(25));
        let workers: Vec<CurveWorker> = (0..k)
            .map(|_| CurveWorker {
                curve: self.curve(most),
                may_idle: may_idle == 0 || may_idle == 1 && self.flip(),
            })
            .collect();
        let forced = workers.iter().filter(|worker| !worker.may_idle).count() as i64;
        let (mut least, mut most) = (0, k);
        if self.flip() {
            most = self.between(forced, k);
            least = self.between(0, most);
        }
        problem(n as u64, least as u64, most as u64, workers)
    }
}

#[test]
fn known_answers() {
    let parity: Vec<i64> = (0..8).map(|x| 10 * (x % 2)).collect();
    let parity = || forced(table(0, &parity));
    assert_eq!(
        optimum(&problem(7, 0, 3, vec![parity(), parity(), parity()])),
        Some(10)
    );

    let six: Vec<i64> = (1..7).map(|x| 10 + x).collect();
    let floor = vec![optional(table(1, &six)); 4];
    assert_eq!(optimum(&problem(6, 3, 4, floor)), Some(36));

    let same_slope =
        |a: i64, upper: u64| optional(points(&[(1, a + 3), (upper, a + 3 * upper as i64)]));
    let three = [
        same_slope(5, 600_000),
        same_slope(7, 600_000),
        same_slope(100_000, 1_000_000),
    ];
    for ((least, most), cost) in [
        ((0, 3), 3_000_012),
        ((0, 1), 3_100_000),
        ((3, 3), 3_100_012),
    ] {
        assert_eq!(
            optimum(&problem(1_000_000, least, most, three.to_vec())),
            Some(cost)
        );
    }

    let pair = [optional(table(2, &[5, 9])), optional(table(2, &[4, 8]))];
    assert_eq!(optimum(&problem(3, 0, 2, pair.to_vec())), Some(8));
    let none = problem(1, 0, 2, pair.to_vec());
    assert_eq!(optimum(&none), None);
    assert_eq!(infeasibility(&none).reason(), "limits_gap");

    let at_none = vec![
        optional(table(0, &[-5, 9, 9, 9, 9])),
        optional(table(0, &[3, 1, 9, 9, 9])),
        optional(table(4, &[2])),
    ];
    assert_eq!(optimum(&problem(4, 2, 3, at_none)), Some(-3));

    let concave = vec![forced(table(0, &[0, 10, 14, 16, 17])); 2];
    assert_eq!(optimum(&problem(6, 0, 2, concave)), Some(31));

    let b = 1_i64 << 53;
    let large = vec![
        forced(table(0, &[b + 3, b + 1, b + 4, b + 1, b + 5, b + 9])),
        forced(table(0, &[b + 1, b + 1, b + 2, b + 5, b + 3, b + 6])),
    ];
    assert_eq!(
        optimum(&problem(5, 0, 2, large)),
        Some(18_014_398_509_481_987)
    );

    let lower = [
        table(5, &[50, 51, 52, 53, 54]),
        table(5, &[7, 8, 9, 10, 40]),
    ];
    let idle = lower.clone().map(optional).to_vec();
    assert_eq!(optimum(&problem(9, 0, 2, idle)), Some(40));
    let both = problem(9, 0, 2, lower.map(forced).to_vec());
    assert_eq!(optimum(&both), None);
    assert_eq!(infeasibility(&both).reason(), "insufficient_data");

    let lots: Vec<i64> = (0..11).map(|x: i64| (x + 3) / 4 * 7).collect();
    assert_eq!(
        optimum(&problem(13, 0, 3, vec![forced(table(0, &lots)); 3])),
        Some(28)
    );
    let rounded = vec![forced(table(1, &[0, 1, 1, 2, 2, 2, 3, 3])); 3];
    assert_eq!(optimum(&problem(11, 0, 3, rounded)), Some(4));
}

#[test]
fn nothing_to_do_is_done() {
    assert_eq!(optimum(&problem(0, 0, 0, vec![])), Some(0));
    assert_eq!(optimum(&problem(1, 0, 0, vec![])), None);
    assert_eq!(
        optimum(&problem(0, 0, 1, vec![optional(table(1, &[5]))])),
        Some(0)
    );
    assert_eq!(
        optimum(&problem(0, 1, 1, vec![optional(table(1, &[5]))])),
        None
    );
    assert_eq!(
        optimum(&problem(0, 2, 2, vec![optional(table(0, &[5]))])),
        None
    );
    assert_eq!(
        optimum(&problem(0, 1, 1, vec![optional(table(0, &[5]))])),
        Some(5)
    );
}

/// Tables and lines between points, of every shape, with and without idle workers and bounds on their
/// number: the same optimum as the plain programme's, to the micro-unit.
#[test]
fn small_problems_agree_with_the_plain_programme() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut feasible = 0;
    for case in 0..30_000 {
        let problem = random.problem(6, 60);
        let expected = plain(&problem);
        assert_eq!(optimum(&problem), expected, "case {case}: {problem:?}");
        feasible += u32::from(expected.is_some());
    }
    assert!((10_000..29_000).contains(&feasible), "{feasible}");
}

/// A piece of a million batches has as many options as one of ten: what is proved for many is proved
/// for a scaled-down copy too.
#[test]
fn long_pieces_are_not_expanded() {
    let mut random = Random(11);
    for _ in 0..20 {
        let workers: Vec<CurveWorker> = (0..100)
            .map(|_| {
                let first = random.between(1, 5_000) as u64;
                let (mut at, mut slope) = ((first, random.between(0, 3_000_000)), 400);
                let mut corners = vec![at];
                for _ in 0..4 {
                    slope = (slope + random.between(-90, 60)).max(1);
                    let width = random.between(2_000, 9_000);
                    at = (at.0 + width as u64, at.1 + slope * width);
                    corners.push(at);
                }
                forced(points(&corners))
            })
            .collect();
        let problem = problem(1_000_000, 0, 100, workers);
        assert!(optimum(&problem).is_some());
    }
}

/// The problem whose plans are those within a makespan, if everybody can keep it.
fn within(problem: &CurveProblem, makespan: i64) -> Option<CurveProblem> {
    let workers = problem.workers().iter().map(|worker| {
        let curve = &worker.curve;
        let keeps = |x: &u64| curve.at(*x).is_some_and(|cost| cost <= makespan);
        let most = (curve.lower()..=curve.upper()).rev().find(keeps)?;
        curve.within(curve.lower(), most).map(forced)
    });
    let workers: Option<Vec<CurveWorker>> = workers.collect();
    CurveProblem::new(problem.n(), problem.least(), problem.most(), workers?).ok()
}

/// Against every way to share: the least largest cost, and the cheapest of the plans that keep it.
#[test]
fn the_least_makespan_is_that_of_all_shares() {
    let mut random = Random(5);
    for _ in 0..2_000 {
        let k = random.between(1, 3);
        let workers: Vec<CurveWorker> = (0..k)
            .map(|_| {
                let mut costs = vec![random.between(0, 9)];
                for _ in 0..random.between(0, 7) {
                    costs.push(costs[costs.len() - 1] + random.between(0, 5));
                }
                forced(table(random.between(0, 3) as u64, &costs))
            })
            .collect();
        let problem = problem(random.between(0, 14) as u64, 0, k as u64, workers);
        let mut best = None;
        let mut shares = vec![(0, 0, 0)];
        for worker in problem.workers() {
            let options = worker.curve.lower()..=worker.curve.upper();
            let add = |&(sum, time, cost): &(u64, i64, i128)| {
                options.clone().filter_map(move |x| {
                    let price = worker.curve.at(x)?;
                    Some((sum + x, time.max(price), cost + i128::from(price)))
                })
            };
            shares = shares.iter().flat_map(add).collect();
        }
        for &(sum, time, cost) in &shares {
            if sum == problem.n() && best.is_none_or(|best| (time, cost) < best) {
                best = Some((time, cost));
            }
        }
        let found = least_makespan(&problem).map(|time| {
            let cheapest = optimum(&within(&problem, time).expect("there is a plan"));
            if let Some(less) = within(&problem, time - 1) {
                assert_eq!(optimum(&less), None, "{problem:?}");
            }
            (time, cheapest)
        });
        assert_eq!(
            found,
            best.map(|(time, cost)| (time, Some(cost))),
            "{problem:?}"
        );
    }
}

#[test]
fn a_schedule_that_breaks_a_rule_is_refused() {
    let problem = problem(
        5,
        1,
        2,
        vec![forced(table(2, &[5, 9])), optional(table(2, &[4, 8]))],
    );
    let check = |batches: [Option<u64>; 2], cost: i128, expected: &str| {
        let batches = batches.to_vec();
        let message = match (Schedule { batches, cost }).verify(&problem) {
            Ok(()) => String::new(),
            Err(violation) => violation.to_string(),
        };
        assert!(
            message.contains(expected) && message.is_empty() == expected.is_empty(),
            "{message}"
        );
    };
    check([Some(3), Some(2)], 13, "");
    check([Some(3), Some(2)], 12, "its batches cost 13");
    check([None, Some(3)], 8, "worker 0 is idle");
    check([Some(3), None], 9, "assigns 3 batches, expected 5");
    check([Some(1), Some(3)], 9, "worker 0 gets 1 batches");
    check([Some(3), Some(4)], 9, "worker 1 gets 4 batches");
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    let error = |result: Result<Curve, scheduler::CurveError>| result.unwrap_err().to_string();
    assert!(error(Curve::points(vec![])).contains("no point"));
    assert!(error(Curve::table(1, vec![])).contains("no point"));
    let order = error(Curve::points(vec![(2, 0), (2, 1)]));
    assert!(order.contains("the point at 2 batches"), "{order}");
    let slope = error(Curve::points(vec![(0, 0), (3, 10)]));
    assert!(
        slope.contains("from 0 to 3 batches the cost changes by 10"),
        "{slope}"
    );
    assert!(error(Curve::table(0, vec![i64::MAX])).contains("too large"));
    assert!(error(Curve::table(1_000_000_000, vec![0, 0])).contains("1000000001 batches"));
    let forced = vec![forced(table(1, &[1])); 2];
    let error = CurveProblem::new(5, 0, 1, forced).unwrap_err().to_string();
    assert!(error.contains("2 workers must be employed"), "{error}");
}
