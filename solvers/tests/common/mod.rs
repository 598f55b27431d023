//! What several tests share: problems in short, an oracle, and the known answers.
#![allow(dead_code, reason = "every test binary uses another part of it")]

use proptest::prelude::*;
use scheduler::{Fee, Outcome, Problem, Worker};

/// A problem from (fee in units, s_max) pairs.
pub(crate) fn problem(n: u64, s_min: u64, beta: u64, workers: &[(u64, u64)]) -> Problem {
    let workers = workers
        .iter()
        .map(|&(units, s_max)| worker(units * 1_000_000, s_max));
    Problem::new(n, s_min, beta, workers.collect()).expect("within bounds")
}

pub(crate) fn worker(micros: u64, s_max: u64) -> Worker {
    let fee = Fee::from_micros(micros).expect("within bounds");
    Worker { s_max, fee }
}

/// The optimum in micro-units by a dynamic programme over workers, batches and the number of
/// employed ones: nothing of the allocators' reasoning is in it. `O(k² · n · s_max)`.
pub(crate) fn oracle(problem: &Problem) -> Option<u128> {
    let (n, k) = (problem.n() as usize, problem.workers().len());
    let mut best = vec![vec![None; n + 1]; k + 1];
    best[0][0] = Some(0_u128);
    for worker in problem.workers() {
        for employed in (0..k).rev() {
            let (fewer, more) = best.split_at_mut(employed + 1);
            for (total, cost) in fewer[employed].iter().enumerate() {
                let Some(cost) = cost else { continue };
                for x in problem.lot()..=worker.s_max.min((n - total) as u64) {
                    let cell = &mut more[0][total + x as usize];
                    let cost = cost + u128::from(x) * u128::from(worker.fee.micros());
                    *cell = Some(cell.map_or(cost, |old: u128| old.min(cost)));
                }
            }
        }
    }
    let counts = (0..=k as u64).zip(best);
    let allowed = counts
        .filter(|(employed, _)| (problem.beta()..=problem.most_employed()).contains(employed));
    allowed.filter_map(|(_, row)| row[n]).min()
}

/// The same problems with a limit on how many may be employed, now and then none.
pub(crate) fn limited(problems: impl Strategy<Value = Problem>) -> impl Strategy<Value = Problem> {
    (problems, prop_oneof![9 => 0..8_u64, 1 => Just(u64::MAX)])
        .prop_map(|(problem, most)| problem.with_most_employed(most))
}

/// Small problems of all sorts; fees from few values, so that ties are frequent, or from many.
pub(crate) fn small_problems() -> impl Strategy<Value = Problem> {
    let fees = prop_oneof![
        (0_u64..4).prop_map(|fee| fee * 1_000_000),
        0_u64..30,
        (0_u64..2_000).prop_map(|cents| cents * 10_000),
    ];
    (1_usize..10, 0_u64..8, 0_u64..6).prop_flat_map(move |(k, s_min, beta)| {
        let capacity = prop_oneof![0..3 * s_min + 3, s_min..s_min + s_min / 3 + 2];
        prop::collection::vec((fees.clone(), capacity), k).prop_flat_map(move |workers| {
            let total: u64 = workers.iter().map(|w| w.1).sum();
            (0..=total + 1).prop_map({
                let workers = workers.clone();
                move |n| {
                    let workers = workers.iter().map(|&(fee, s_max)| worker(fee, s_max));
                    Problem::new(n, s_min, beta, workers.collect()).expect("small")
                }
            })
        })
    })
}

/// Problems whose last cheapest worker would get less than a lot, where lots just fit.
pub(crate) fn hard_problems() -> impl Strategy<Value = Problem> {
    (2_usize..12, 2_u64..9).prop_flat_map(|(k, m)| {
        let workers = prop::collection::vec((0_u64..40, m..3 * m), k);
        let beta = 0..k as u64 + 1;
        (workers, 1..k, 1..m, beta).prop_map(move |(workers, r, q, beta)| {
            let mut order = workers.clone();
            order.sort_by_key(|&(fee, s_max)| (fee, u64::MAX - s_max));
            let n = order[..r].iter().map(|w| w.1).sum::<u64>() + q;
            let workers = workers.iter().map(|&(fee, s_max)| worker(fee, s_max));
            Problem::new(n, m, beta, workers.collect()).expect("small")
        })
    })
}

/// Two of `count` workers must take everything, and no pair has exactly the capacity: the bound
/// leaves nearly all of them undecided. With its optimum, from trying every pair.
pub(crate) fn pairs(count: u64) -> (Problem, u128) {
    let m = 1 + 4 * count * count;
    let workers: Vec<_> = (1..=count).map(|i| worker(20_000 * i, m + 2 * i)).collect();
    let n = 2 * m + count + 1 - count % 2;
    let mut best = u128::MAX;
    for (i, cheap) in workers.iter().enumerate() {
        for dear in &workers[i + 1..] {
            if let Some(surplus) = (cheap.s_max + dear.s_max).checked_sub(n) {
                let batches = dear.s_max - surplus.min(dear.s_max - m);
                let cost = cheap.fee.times(n - batches).micros() + dear.fee.times(batches).micros();
                best = best.min(cost);
            }
        }
    }
    (Problem::new(n, m, 0, workers).expect("within bounds"), best)
}

/// The plan's cost in micro-units, or the reason why there is none.
pub(crate) fn cost(outcome: &Outcome) -> Result<u128, &'static str> {
    match outcome.planned() {
        Some(planned) => Ok(planned.plan.cost.micros()),
        None => Err(outcome.reason().expect("no plan has a reason")),
    }
}

/// Workers as (fee, s_max) with n, s_min and beta; what the thesis program answers (where that is a
/// valid plan), and the optimum, in units.
pub(crate) struct Known {
    pub(crate) problem: Problem,
    pub(crate) thesis: Option<u128>,
    pub(crate) optimum: Result<u128, &'static str>,
}

pub(crate) fn known_answers() -> Vec<Known> {
    let known = |workers: &[(u64, u64)], (n, s_min, beta), thesis, optimum| Known {
        problem: problem(n, s_min, beta, workers),
        thesis,
        optimum,
    };
    let lots = [3, 5, 8, 11, 13, 20].map(|a| (a, 1_000 + a));
    let gap = Err("cardinality_gap");
    vec![
        known(
            &[(100, 10), (101, 5), (102, 6)],
            (16, 5, 0),
            Some(1615),
            Ok(1612),
        ),
        known(
            &[(1, 5), (2, 8), (3, 8), (10, 11)],
            (14, 5, 0),
            Some(95),
            Ok(34),
        ),
        known(&[(3, 3), (9, 2), (10, 3)], (6, 2, 2), Some(44), Ok(39)),
        known(&[(1, 5), (1, 6), (2, 10)], (14, 5, 0), Some(23), Ok(22)),
        known(&[(0, 5), (0, 6), (3, 10)], (14, 5, 0), Some(27), Ok(24)),
        known(
            &[(3, 7), (0, 7), (1, 5), (1, 7)],
            (14, 4, 2),
            Some(8),
            Ok(7),
        ),
        known(
            &[(10, 30), (11, 5), (12, 5), (13, 11), (40, 9)],
            (41, 5, 0),
            Some(440),
            Ok(433),
        ),
        known(&lots, (3026, 1000, 0), Some(28394), Ok(26258)),
        known(&lots, (3022, 1000, 3), Some(28314), Ok(22194)),
        known(&[(1, 2), (2, 1), (3, 1)], (3, 0, 3), None, Ok(6)),
        known(&[(3, 4), (1, 4), (0, 5)], (6, 0, 3), None, Ok(4)),
        known(&[(1, 10), (5, 10)], (5, 0, 2), Some(9), Ok(9)),
        known(
            &[(1, 20), (2, 3), (4, 9), (7, 9)],
            (20, 3, 3),
            Some(32),
            Ok(32),
        ),
        known(&[(1, 10), (2, 10), (9, 10)], (14, 4, 3), Some(50), Ok(50)),
        known(&[(1, 10), (9, 10)], (14, 4, 0), Some(46), Ok(46)),
        known(
            &[(1, 10), (2, 7), (3, 4), (3, 4)],
            (24, 4, 0),
            Some(46),
            Ok(46),
        ),
        known(&[(1, 6), (2, 6), (3, 6)], (7, 4, 0), None, gap),
        known(&[(1, 5), (1, 5), (1, 5)], (11, 4, 0), None, gap),
        known(
            &[(1, 9), (1, 9), (1, 9)],
            (8, 3, 3),
            None,
            Err("insufficient_data"),
        ),
    ]
}
