//! The seeded families of allocation problems.

use std::fmt;
use std::str::FromStr;

use scheduler::{Case, Fee, Problem, Worker};

use crate::curves;
use crate::draw::Draws;

/// Micro-units in a cent: the fees of the thesis have two decimals.
const CENT: u64 = 10_000;

/// Twenty units in micro-units: the fees of the thesis lie between 0 and 20.
const TWENTY: u64 = 20_000_000;

/// A distribution of allocation problems. See `sim generate --help` and the README for what each
/// is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// The thesis' own distribution: 50 to 100 workers of capacity 0 to 200.
    Thesis,
    /// Capacities barely above the lot: the number of employable workers binds.
    TightLots,
    /// Always in the hard region: the last of the cheapest would get less than a lot.
    ForcedLot,
    /// Fees that grow with capacity.
    Correlated,
    /// Three distinct fees.
    Ties,
    /// Reductions from equal-cardinality PARTITION: adversarial for any exact method.
    Partition,
    /// Lots of 0 and 1, tiny problems, often infeasible.
    ZeroLot,
    /// Everything at random, often infeasible.
    Mixed,
    /// The thesis' distribution with 10^3, 10^4, 10^5 and 10^6 workers in turn.
    Large,
    /// Curves whose marginal costs rise; everybody takes part.
    Convex,
    /// Curves whose marginal costs fall; everybody takes part.
    Concave,
    /// A few straight pieces with jumps between them; workers may be idle.
    Tiered,
    /// A table of unrelated costs for each worker; everybody takes part.
    Arbitrary,
}

impl Family {
    /// The families that `all` stands for: every one with fees but [`Family::Large`].
    pub const ALL: [Self; 8] = [
        Self::Thesis,
        Self::TightLots,
        Self::ForcedLot,
        Self::Correlated,
        Self::Ties,
        Self::Partition,
        Self::ZeroLot,
        Self::Mixed,
    ];

    /// The families with curves.
    pub const CURVES: [Self; 4] = [Self::Convex, Self::Concave, Self::Tiered, Self::Arbitrary];

    /// Every family by name.
    pub const NAMED: [Self; 13] = [
        Self::Thesis,
        Self::TightLots,
        Self::ForcedLot,
        Self::Correlated,
        Self::Ties,
        Self::Partition,
        Self::ZeroLot,
        Self::Mixed,
        Self::Large,
        Self::Convex,
        Self::Concave,
        Self::Tiered,
        Self::Arbitrary,
    ];

    /// The name on the command line and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Thesis => "thesis",
            Self::TightLots => "tight-lots",
            Self::ForcedLot => "forced-lot",
            Self::Correlated => "correlated",
            Self::Ties => "ties",
            Self::Partition => "partition",
            Self::ZeroLot => "zero-lot",
            Self::Mixed => "mixed",
            Self::Large => "large",
            Self::Convex => "convex",
            Self::Concave => "concave",
            Self::Tiered => "tiered",
            Self::Arbitrary => "arbitrary",
        }
    }

    /// The family's own part of every stream's key: never to be changed or reused.
    const fn stream(self) -> u64 {
        match self {
            Self::Thesis => 1,
            Self::TightLots => 2,
            Self::ForcedLot => 3,
            Self::Correlated => 4,
            Self::Ties => 5,
            Self::Partition => 6,
            Self::ZeroLot => 7,
            Self::Mixed => 8,
            Self::Large => 9,
            Self::Convex => 10,
            Self::Concave => 11,
            Self::Tiered => 12,
            Self::Arbitrary => 13,
        }
    }

    /// Test number `test` (0-based) under a seed, independent of all other tests.
    pub fn case(self, seed: u64, test: u64) -> Case {
        let mut draws = Draws::of_test(seed, self.stream(), test);
        match self {
            Self::Convex => Case::Curves(curves::convex(&mut draws)),
            Self::Concave => Case::Curves(curves::concave(&mut draws)),
            Self::Tiered => Case::Curves(curves::tiered(&mut draws)),
            Self::Arbitrary => Case::Curves(curves::arbitrary(&mut draws)),
            _ => Case::Fees(self.problem(seed, test)),
        }
    }

    /// The same of a family with fees.
    ///
    /// # Panics
    /// When the family has curves: only [`case`](Self::case) has those.
    pub fn problem(self, seed: u64, test: u64) -> Problem {
        let draws = &mut Draws::of_test(seed, self.stream(), test);
        match self {
            Self::Thesis => {
                let k = draws.between(50, 100);
                thesis(draws, k)
            }
            Self::TightLots => tight_lots(draws),
            Self::ForcedLot => {
                let k = draws.between(6, 80);
                forced_lot(draws, k)
            }
            Self::Correlated => correlated(draws),
            Self::Ties => ties(draws),
            Self::Partition => partition(draws),
            Self::ZeroLot => zero_lot(draws),
            Self::Mixed => mixed(draws),
            Self::Large => thesis(draws, 10_u64.pow(3 + (test % 4) as u32)),
            Self::Convex | Self::Concave | Self::Tiered | Self::Arbitrary => {
                panic!("{self} has curves, and no fees")
            }
        }
    }

    /// A test with a given number of workers, for the families that can have any: what they
    /// draw, drawn for `k`. `None` for the others.
    pub fn problem_of_size(self, seed: u64, test: u64, k: u64) -> Option<Problem> {
        let draws = &mut Draws::of_test(seed, self.stream(), test);
        match self {
            Self::Thesis | Self::Large => Some(thesis(draws, k)),
            Self::ForcedLot => Some(forced_lot(draws, k)),
            Self::TightLots
            | Self::Correlated
            | Self::Ties
            | Self::Partition
            | Self::ZeroLot
            | Self::Mixed
            | Self::Convex
            | Self::Concave
            | Self::Tiered
            | Self::Arbitrary => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, UnknownFamily> {
        let mut families = Self::NAMED.into_iter();
        families
            .find(|family| family.name() == name)
            .ok_or_else(|| UnknownFamily(name.to_owned()))
    }
}

/// No family has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no family is called {0:?}, expected one of {names}", names = names())]
pub struct UnknownFamily(pub String);

fn names() -> String {
    Family::NAMED.map(Family::name).join(", ")
}

fn thesis(draws: &mut Draws, k: u64) -> Problem {
    let workers = workers(draws, k, |draws| (draws.between(0, 200), cents(draws)));
    let capacity = capacity(&workers);
    let n = draws.between((capacity / 10).max(1), capacity);
    let s_min = draws.rounded((n / 8).min(100));
    let beta = draws.between(0, k / 8);
    problem(n, s_min, beta, workers)
}

fn tight_lots(draws: &mut Draws) -> Problem {
    let (k, m) = (draws.between(5, 90), draws.between(5, 60));
    let workers = workers(draws, k, |draws| {
        (draws.between(m, m * 13 / 10 + 1), draws.between(0, TWENTY))
    });
    let n = draws.between(m, capacity(&workers));
    let beta = draws.between(0, (k / 4).min(n / m));
    problem(n, m, beta, workers)
}

fn forced_lot(draws: &mut Draws, k: u64) -> Problem {
    let m = draws.between(10, 50);
    let workers = workers(draws, k, |draws| {
        (draws.between(m, 6 * m), draws.between(0, TWENTY))
    });
    let r = draws.between(2, k);
    let mut order: Vec<&Worker> = workers.iter().collect();
    order.sort_by_key(|worker| (worker.fee, u64::MAX - worker.s_max));
    let cheapest: u64 = order.iter().take(r as usize - 1).map(|w| w.s_max).sum();
    let n = cheapest + draws.between(1, m - 1);
    let beta = draws.between(0, r - 1);
    problem(n, m, beta, workers)
}

fn correlated(draws: &mut Draws) -> Problem {
    let (k, m) = (draws.between(5, 60), draws.between(3, 40));
    let workers = workers(draws, k, |draws| {
        let s_max = draws.between(m / 2, 5 * m);
        // A tenth of a unit for each batch of capacity, give or take 0.3.
        let fee = (100_000 * s_max + draws.between(0, 600_000)).saturating_sub(300_000);
        (s_max, fee)
    });
    let n = draws.between(m, capacity(&workers));
    let beta = draws.between(0, k / 5);
    problem(n, m, beta, workers)
}

fn ties(draws: &mut Draws) -> Problem {
    let (k, m) = (draws.between(5, 90), draws.between(2, 30));
    let mut fees = [0; 3];
    for i in 0..fees.len() {
        fees[i] = cents(draws);
        while fees[..i].contains(&fees[i]) {
            fees[i] = cents(draws);
        }
    }
    let workers = workers(draws, k, |draws| {
        (draws.between(0, 4 * m), fees[draws.between(0, 2) as usize])
    });
    let n = draws.between(1, capacity(&workers));
    let beta = draws.between(0, k / 5);
    problem(n, m, beta, workers)
}

fn partition(draws: &mut Draws) -> Problem {
    let t = draws.between(3, 30);
    let numbers: Vec<u64> = (0..2 * t).map(|_| draws.between(1, 1_000)).collect();
    let sum: u64 = numbers.iter().sum();
    let m = 1 + numbers.iter().max().expect("six numbers or more") * sum;
    let worker = |&a: &u64| worker(m + a, a * CENT);
    let workers = numbers.iter().map(worker).collect();
    let beta = draws.between(0, t);
    problem(t * m + sum / 2, m, beta, workers)
}

fn zero_lot(draws: &mut Draws) -> Problem {
    let k = draws.between(1, 40);
    let workers = workers(draws, k, |draws| (draws.between(0, 60), cents(draws)));
    let s_min = draws.between(0, 1);
    let n = draws.between(1, capacity(&workers) + 3);
    let beta = draws.between(0, k);
    problem(n, s_min, beta, workers)
}

fn mixed(draws: &mut Draws) -> Problem {
    let k = draws.between(1, 100);
    let workers = workers(draws, k, |draws| (draws.between(0, 200), cents(draws)));
    let n = draws.between(1, capacity(&workers) + 20);
    let s_min = draws.between(0, 120);
    let beta = draws.between(0, k / 3);
    problem(n, s_min, beta, workers)
}

/// `round(20u, 2)` in micro-units.
fn cents(draws: &mut Draws) -> u64 {
    draws.rounded(2_000) * CENT
}

fn workers(
    draws: &mut Draws,
    k: u64,
    mut draw: impl FnMut(&mut Draws) -> (u64, u64),
) -> Vec<Worker> {
    (0..k)
        .map(|_| {
            let (s_max, fee) = draw(draws);
            worker(s_max, fee)
        })
        .collect()
}

fn worker(s_max: u64, micros: u64) -> Worker {
    let fee = Fee::from_micros(micros).expect("families draw fees far below the bound");
    Worker { s_max, fee }
}

fn capacity(workers: &[Worker]) -> u64 {
    workers.iter().map(|worker| worker.s_max).sum()
}

fn problem(n: u64, s_min: u64, beta: u64, workers: Vec<Worker>) -> Problem {
    Problem::new(n, s_min, beta, workers).expect("families stay within the bounds of a problem")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(family: Family, tests: u64) -> impl Iterator<Item = Problem> {
        (0..tests).map(move |test| family.problem(7, test))
    }

    #[test]
    fn names_read_back() {
        for family in Family::NAMED {
            assert_eq!(family.name().parse(), Ok(family));
        }
        let error = "thesys".parse::<Family>().unwrap_err().to_string();
        assert!(error.contains("thesys") && error.contains("thesis, tight-lots"));
    }

    /// A change of these numbers breaks every recorded seed.
    #[test]
    fn tests_never_change() {
        let digest = |family: Family| {
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            let mut add = |value: u64| hash = (hash ^ value).wrapping_mul(0x0100_0000_01b3);
            for test in [0, 1, 99_999] {
                let problem = family.problem(1, test);
                add(problem.n());
                add(problem.s_min());
                add(problem.beta());
                for worker in problem.workers() {
                    add(worker.s_max);
                    add(worker.fee.micros());
                }
            }
            hash
        };
        let digests = Family::ALL.map(|family| format!("{family} {:016x}", digest(family)));
        assert_eq!(digests, DIGESTS);
    }

    const DIGESTS: [&str; 8] = [
        "thesis ad4c58fd144c5eec",
        "tight-lots 725c2799af57c41c",
        "forced-lot f4063515ddd0e673",
        "correlated 44590db9324dcddb",
        "ties ab4d2f140883f80a",
        "partition c29c5df11347c759",
        "zero-lot f5943606c0e9b26a",
        "mixed c4d772007d998c0f",
    ];

    #[test]
    fn tests_with_curves_never_change() {
        let digest = |family: Family| {
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            for test in [0, 1, 99_999] {
                let mut text = Vec::new();
                crate::write_instance(&mut text, "0", &family.case(1, test)).expect("memory");
                for byte in text {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                }
            }
            hash
        };
        let digests = Family::CURVES.map(|family| format!("{family} {:016x}", digest(family)));
        assert_eq!(digests, CURVES);
    }

    const CURVES: [&str; 4] = [
        "convex 5beb7bed7073c6b6",
        "concave af0f8bea499f3e88",
        "tiered ce38f7c9bd1c263f",
        "arbitrary 216ed6a3747f90cc",
    ];

    #[test]
    fn thesis_has_the_shape_of_the_seed() {
        let (mut feasible, mut fees) = (0, 0.0);
        for problem in sample(Family::Thesis, 4_000) {
            let k = problem.workers().len() as u64;
            let total = capacity(problem.workers());
            assert!((50..=100).contains(&k));
            assert!((total / 10..=total).contains(&problem.n()));
            assert!(problem.s_min() <= 100.min(problem.n() / 8));
            assert!(problem.beta() <= k / 8);
            for worker in problem.workers() {
                assert!(worker.s_max <= 200 && worker.fee.micros() % CENT == 0);
                fees += worker.fee.micros() as f64 / 1e6 / k as f64;
            }
            feasible += u32::from(problem.infeasibility().is_none());
        }
        // The thesis program's own generator gave 90.4 % of 10,000; three standard errors are 1.4 points.
        let share = f64::from(feasible) / 4_000.0;
        assert!((0.89..0.92).contains(&share), "{share}");
        assert!((fees / 4_000.0 - 10.0).abs() < 0.1);
    }

    #[test]
    fn forced_lots_lie_in_the_hard_region() {
        for problem in sample(Family::ForcedLot, 500) {
            let mut order: Vec<_> = problem.workers().iter().collect();
            order.sort_by_key(|w| (w.fee, u64::MAX - w.s_max));
            let (mut sum, mut r) = (0, 0);
            while sum + order[r].s_max < problem.n() {
                sum += order[r].s_max;
                r += 1;
            }
            assert!((1..problem.lot()).contains(&(problem.n() - sum)));
            assert!(problem.beta() <= r as u64);
        }
    }

    #[test]
    fn ties_have_three_fees_and_partition_its_lots() {
        for problem in sample(Family::Ties, 200) {
            let mut fees: Vec<_> = problem.workers().iter().map(|w| w.fee).collect();
            fees.sort_unstable();
            fees.dedup();
            assert!(fees.len() <= 3);
        }
        for problem in sample(Family::Partition, 200) {
            let t = problem.workers().len() as u64 / 2;
            let m = problem.s_min();
            let sum: u64 = problem.workers().iter().map(|w| w.s_max - m).sum();
            assert_eq!(problem.n(), t * m + sum / 2);
        }
    }

    #[test]
    fn large_takes_the_sizes_in_turn() {
        let sizes: Vec<_> = sample(Family::Large, 3)
            .map(|p| p.workers().len())
            .collect();
        assert_eq!(sizes, [1_000, 10_000, 100_000]);
    }
}
