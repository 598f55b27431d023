//! What the tests of `cbc` and `lp` share: problems with known answers, an oracle, random numbers.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses its own part of what they share, one of them all of it"
)]

use scheduler::{Fee, Problem, Worker};

/// A problem from `(fee in micro-units, s_max)`.
pub(crate) fn problem(workers: &[(u64, u64)], n: u64, s_min: u64, beta: u64) -> Problem {
    let worker = |&(micros, s_max): &(u64, u64)| Worker {
        s_max,
        fee: Fee::from_micros(micros).expect("below the largest fee"),
    };
    Problem::new(n, s_min, beta, workers.iter().map(worker).collect()).expect("within bounds")
}

/// A problem from `(fee in units, s_max)`.
pub(crate) fn units(workers: &[(u64, u64)], n: u64, s_min: u64, beta: u64) -> Problem {
    let workers: Vec<_> = workers
        .iter()
        .map(|&(fee, s)| (fee * 1_000_000, s))
        .collect();
    problem(&workers, n, s_min, beta)
}

/// The tricky instances with their optima in units, or the reason why there is no plan.
pub(crate) fn tricky() -> Vec<(Problem, Result<u128, &'static str>)> {
    let lots: Vec<_> = [3, 5, 8, 11, 13, 20].map(|a| (a, 1000 + a)).to_vec();
    vec![
        (units(&[(100, 10), (101, 5), (102, 6)], 16, 5, 0), Ok(1612)),
        (units(&[(1, 5), (2, 8), (3, 8), (10, 11)], 14, 5, 0), Ok(34)),
        (units(&[(3, 3), (9, 2), (10, 3)], 6, 2, 2), Ok(39)),
        (units(&[(1, 5), (1, 6), (2, 10)], 14, 5, 0), Ok(22)),
        (units(&[(0, 5), (0, 6), (3, 10)], 14, 5, 0), Ok(24)),
        (units(&[(3, 7), (0, 7), (1, 5), (1, 7)], 14, 4, 2), Ok(7)),
        (
            units(&[(10, 30), (11, 5), (12, 5), (13, 11), (40, 9)], 41, 5, 0),
            Ok(433),
        ),
        (units(&lots, 3026, 1000, 0), Ok(26_258)),
        (units(&lots, 3022, 1000, 3), Ok(22_194)),
        (units(&[(1, 2), (2, 1), (3, 1)], 3, 0, 3), Ok(6)),
        (units(&[(3, 4), (1, 4), (0, 5)], 6, 0, 3), Ok(4)),
        (units(&[(1, 10), (5, 10)], 5, 0, 2), Ok(9)),
        (units(&[(1, 20), (2, 3), (4, 9), (7, 9)], 20, 3, 3), Ok(32)),
        (units(&[(1, 10), (2, 10), (9, 10)], 14, 4, 3), Ok(50)),
        (units(&[(1, 10), (9, 10)], 14, 4, 0), Ok(46)),
        (units(&[(1, 10), (2, 7), (3, 4), (3, 4)], 24, 4, 0), Ok(46)),
        (
            units(&[(1, 6), (2, 6), (3, 6)], 7, 4, 0),
            Err("cardinality_gap"),
        ),
        (units(&[(1, 5); 3], 11, 4, 0), Err("cardinality_gap")),
        (units(&[(1, 9); 3], 8, 3, 3), Err("insufficient_data")),
        (units(&[(1, 9); 3], 0, 3, 0), Ok(0)),
    ]
}

/// The least cost in micro-units, by trying every set of workers.
pub(crate) fn brute_force(problem: &Problem) -> Option<u128> {
    if problem.is_empty() {
        return Some(0);
    }
    let mut order: Vec<usize> = (0..problem.workers().len()).collect();
    order.sort_by_key(|&i| problem.workers()[i].fee);
    (1_u32..1 << order.len())
        .filter_map(|set| {
            let chosen = || {
                let workers = order.iter().map(|&i| &problem.workers()[i]);
                workers
                    .zip(0..)
                    .filter(|(_, i)| set >> i & 1 == 1)
                    .map(|(w, _)| w)
            };
            let count = u64::from(set.count_ones());
            if count < problem.beta() || chosen().any(|w| !problem.is_eligible(w)) {
                return None;
            }
            let mut left = problem.n().checked_sub(count * problem.lot())?;
            let mut cost = 0;
            for worker in chosen() {
                let above = left.min(worker.s_max - problem.lot());
                left -= above;
                cost += worker.fee.times(problem.lot() + above).micros();
            }
            (left == 0).then_some(cost)
        })
        .min()
}

/// SplitMix64: the same numbers everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `low ..= high`.
    pub(crate) fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// A small problem; `fees` draws a fee in micro-units.
    pub(crate) fn small(&mut self, k: u64, s: u64, fees: &dyn Fn(&mut Self) -> u64) -> Problem {
        let k = self.within(1, k);
        let workers: Vec<_> = (0..k).map(|_| (fees(self), self.within(0, s))).collect();
        let total: u64 = workers.iter().map(|w| w.1).sum();
        let (n, s_min) = (self.within(0, total + 1), self.within(0, s / 2 + 1));
        problem(&workers, n, s_min, self.within(0, k / 2))
    }

    /// A problem in the hard region: the last worker that is needed would get less than a lot.
    pub(crate) fn forced(
        &mut self,
        k: u64,
        lot: u64,
        width: u64,
        fees: &dyn Fn(&mut Self) -> u64,
    ) -> Problem {
        let k = self.within(3, k);
        let mut workers: Vec<_> = (0..k)
            .map(|_| (fees(self), self.within(lot, lot + width)))
            .collect();
        workers.sort_unstable();
        let r = self.within(2, k) as usize;
        let before: u64 = workers[..r - 1].iter().map(|w| w.1).sum();
        let n = (before + self.within(1, lot - 1)).min(1_000_000_000);
        problem(&workers, n, lot, self.within(0, 2))
    }
}

/// Kinds of fees, with a name for messages.
pub(crate) fn fee_kinds() -> Vec<(&'static str, Box<dyn Fn(&mut Random) -> u64>)> {
    vec![
        ("cents", Box::new(|r| r.within(0, 2_000) * 10_000)),
        ("micro-units", Box::new(|r| r.within(0, 20_000_000))),
        ("few and free", Box::new(|r| r.within(0, 2) * 1_000_000)),
        (
            "close at 1e5",
            Box::new(|r| 100_000_000_000 + r.within(0, 3)),
        ),
        (
            "up to the largest",
            Box::new(|r| r.within(0, 1_000_000_000_000)),
        ),
    ]
}
