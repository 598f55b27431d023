//! Why a problem has no plan, and the smallest single changes that would give it one.

use std::fmt;

use crate::limits::{MAX_BATCHES, MAX_N};
use crate::money::Cost;
use crate::problem::Problem;
use serde::{Deserialize, Serialize};

/// The first test that a problem without a plan fails, in the order of the variants; that the data
/// needs more workers than may be employed is tested last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Infeasible {
    /// Fewer batches than the workers that must be employed need.
    #[error("insufficient data: {n} batches, {needed} needed")]
    InsufficientData {
        /// Batches there are.
        n: u64,
        /// `max(1, s_min) · max(1, beta)`.
        needed: u64,
    },
    /// Fewer workers that can take a lot than must be employed.
    #[error("insufficient workers: {eligible} can take a lot, {needed} needed")]
    InsufficientWorkers {
        /// Workers with `s_max ≥ max(1, s_min)`.
        eligible: u64,
        /// `max(1, beta)`.
        needed: u64,
    },
    /// Fewer workers may be employed than must be, or than it takes to hold the data.
    #[error("count limit: at most {most} may be employed, {needed} needed")]
    CountLimit {
        /// The most workers that may be employed.
        most: u64,
        /// `max(1, beta)`, or how many of the largest hold the data.
        needed: u64,
    },
    /// The eligible workers together cannot take the data.
    #[error("insufficient capacity: the eligible workers can take {capacity} of {n} batches")]
    InsufficientCapacity {
        /// Their capacities together.
        capacity: u64,
        /// Batches there are.
        n: u64,
    },
    /// Lots limit how many can be employed at once, and that many cannot take the data.
    #[error(
        "cardinality gap: at most {employable} workers can be employed at once, \
         and they can take {capacity} of {n} batches"
    )]
    CardinalityGap {
        /// `min(eligible, ⌊n / max(1, s_min)⌋)`.
        employable: u64,
        /// The largest capacities of that number together.
        capacity: u64,
        /// Batches there are.
        n: u64,
    },
    /// The cheapest plan costs more than may be spent.
    #[error(
        "insufficient budget: the cheapest plan costs {least} per cycle, {budget} may be spent on each"
    )]
    InsufficientBudget {
        /// What the cheapest plan costs.
        least: Cost,
        /// What it may cost.
        budget: Cost,
    },
    /// Only where workers have curves or lots of their own: no choice within their limits adds up to `n`
    /// batches.
    #[error("limits gap: no shares within the limits of the workers add up to {n} batches")]
    LimitsGap {
        /// Batches there are.
        n: u64,
    },
}

impl Infeasible {
    /// Whether more capacity of the workers, as faster ones have, may give the problem a plan.
    pub(crate) const fn is_of_capacities(&self) -> bool {
        match self {
            Self::InsufficientWorkers { .. }
            | Self::CountLimit { .. }
            | Self::InsufficientCapacity { .. }
            | Self::CardinalityGap { .. }
            | Self::LimitsGap { .. } => true,
            Self::InsufficientData { .. } | Self::InsufficientBudget { .. } => false,
        }
    }

    /// The machine-readable name.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::InsufficientData { .. } => "insufficient_data",
            Self::InsufficientWorkers { .. } => "insufficient_workers",
            Self::CountLimit { .. } => "count_limit",
            Self::InsufficientCapacity { .. } => "insufficient_capacity",
            Self::CardinalityGap { .. } => "cardinality_gap",
            Self::InsufficientBudget { .. } => "insufficient_budget",
            Self::LimitsGap { .. } => "limits_gap",
        }
    }
}

/// One change to a problem, everything else left as it is, that gives it a plan. Of its kind it
/// is the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Demand fewer employed workers.
    LowerBeta {
        /// The largest value that works.
        to: u64,
    },
    /// Let more workers be employed.
    RaiseCount {
        /// The smallest value that works.
        to: u64,
    },
    /// Allow smaller lots.
    LowerSMin {
        /// The largest value that works.
        to: u64,
    },
    /// Train on more data.
    RaiseN {
        /// The smallest value that works.
        to: u64,
    },
    /// Train on less data.
    LowerN {
        /// The largest value that works.
        to: u64,
    },
    /// Let the worker with the largest capacity take more.
    RaiseCapacity {
        /// The additional batches.
        by: u64,
    },
    /// Bring more workers, all alike.
    AddWorkers {
        /// How many.
        count: u64,
        /// The least capacity of each.
        s_max: u64,
    },
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LowerBeta { to } => write!(f, "lower beta to {to}"),
            Self::RaiseCount { to } => write!(f, "let {to} workers be employed"),
            Self::LowerSMin { to } => write!(f, "lower s_min to {to}"),
            Self::RaiseN { to } => write!(f, "raise n to {to}"),
            Self::LowerN { to } => write!(f, "lower n to {to}"),
            Self::RaiseCapacity { by } => {
                write!(f, "raise the capacity of the largest worker by {by}")
            }
            Self::AddWorkers { count: 1, s_max } => write!(f, "add 1 worker of capacity {s_max}"),
            Self::AddWorkers { count, s_max } => {
                write!(f, "add {count} workers of capacity {s_max}")
            }
        }
    }
}

impl Problem {
    /// The reason why there is no plan, or `None` when there is one. In `O(k)` time.
    ///
    /// Where workers have lots of their own, `None` does not say that there is a plan: that is as hard
    /// as to find which numbers add up to a sum. A reason is one all the same.
    pub fn infeasibility(&self) -> Option<Infeasible> {
        if self.is_empty() {
            return None;
        }
        let (n, lot, needed) = (self.n(), self.lot(), self.beta().max(1));
        let needed_batches = lot * needed; // at most 10^18
        if n < needed_batches {
            let needed = needed_batches;
            return Some(Infeasible::InsufficientData { n, needed });
        }
        let mut capacities = self.eligible_capacities();
        let eligible = capacities.len() as u64;
        if eligible < needed {
            return Some(Infeasible::InsufficientWorkers { eligible, needed });
        }
        let most = self.most_employed();
        if most < needed {
            return Some(Infeasible::CountLimit { most, needed });
        }
        let capacity = capacities.iter().sum();
        if capacity < n {
            return Some(Infeasible::InsufficientCapacity { capacity, n });
        }
        let employable = eligible.min(n / lot);
        let capacity = sum_of_largest(&mut capacities, employable);
        if capacity < n {
            return Some(Infeasible::CardinalityGap {
                employable,
                capacity,
                n,
            });
        }
        if most < employable && sum_of_largest(&mut capacities, most) < n {
            let needed = enough_largest(&mut capacities, n);
            return Some(Infeasible::CountLimit { most, needed });
        }
        let needed = self.smallest_lots(needed)?;
        (n < needed).then_some(Infeasible::InsufficientData { n, needed })
    }

    /// What the smallest lots of this number of workers come to, where workers have lots of their own.
    fn smallest_lots(&self, count: u64) -> Option<u64> {
        self.terms().filter(|_| self.has_own_lots())?;
        let workers = self.workers().iter().enumerate();
        let able = workers.map(|(at, worker)| (self.lot_of(at), worker.s_max));
        let mut lots: Vec<u64> = able
            .filter(|(lot, s_max)| lot <= s_max)
            .map(|it| it.0)
            .collect();
        lots.sort_unstable();
        Some((0..count).zip(lots).map(|(_, lot)| lot).sum())
    }

    fn has_own_lots(&self) -> bool {
        let terms = self.terms().unwrap_or_default();
        terms.iter().any(|terms| terms.least > self.lot())
    }

    /// What the largest workers that can be employed at once hold together.
    pub(crate) fn employable_capacity(&self) -> u64 {
        let mut capacities = self.eligible_capacities();
        let employable = (self.n() / self.lot()).min(self.most_employed());
        sum_of_largest(&mut capacities, employable)
    }

    /// The smallest single changes, one of each kind that can help; empty when there is a plan.
    ///
    /// A change of n, s_min or beta leaves everything else alone. Changes that would leave the
    /// bounds of a problem are not offered, nor any where workers have lots of their own.
    pub fn repairs(&self) -> Vec<Repair> {
        if self.infeasibility().is_none() || self.has_own_lots() {
            return Vec::new();
        }
        let changes = [
            self.repair_beta(),
            self.repair_count(),
            self.repair_s_min(),
            self.repair_n(),
            self.repair_capacity(),
            self.repair_workers(),
        ];
        changes.into_iter().flatten().collect()
    }

    fn eligible_capacities(&self) -> Vec<u64> {
        let workers = self.workers().iter().enumerate();
        let eligible = workers.filter(|(at, worker)| worker.s_max >= self.lot_of(*at));
        let mut capacities = Vec::with_capacity(self.workers().len());
        capacities.extend(eligible.map(|(_, worker)| worker.s_max));
        capacities
    }

    /// Fewer employed workers never hurt, and only the first two tests look at beta.
    fn repair_beta(&self) -> Option<Repair> {
        let eligible = self.eligible_capacities().len() as u64;
        let to = (eligible.min(self.n() / self.lot())).min(self.most_employed());
        let lowered = self.clone().with_beta(to);
        (to < self.beta() && lowered.infeasibility().is_none()).then_some(Repair::LowerBeta { to })
    }

    /// Without the limit there is a plan that employs as many as are needed.
    fn repair_count(&self) -> Option<Repair> {
        let unlimited = self.clone().with_most_employed(u64::MAX);
        if unlimited.infeasibility().is_some() {
            return None;
        }
        let enough = enough_largest(&mut self.eligible_capacities(), self.n());
        let to = enough.max(self.beta()).max(1);
        (to > self.most_employed()).then_some(Repair::RaiseCount { to })
    }

    /// Smaller lots never hurt, so the largest that works is found by bisection.
    fn repair_s_min(&self) -> Option<Repair> {
        let works = |s_min| self.clone().with_s_min(s_min).infeasibility().is_none();
        if self.s_min() <= 1 || !works(1) {
            return None; // lots of 0 and 1 are the same
        }
        let (mut works_at, mut fails_at) = (1, self.s_min());
        while fails_at - works_at > 1 {
            let middle = works_at + (fails_at - works_at) / 2;
            if works(middle) {
                works_at = middle;
            } else {
                fails_at = middle;
            }
        }
        Some(Repair::LowerSMin { to: works_at })
    }

    /// With `j` workers employed the numbers of batches that work are those from `j·m` to the
    /// sum of the `j` largest capacities: the nearest end of such a range is the answer.
    fn repair_n(&self) -> Option<Repair> {
        let (n, lot) = (self.n(), self.lot());
        let mut capacities = self.eligible_capacities();
        capacities.sort_unstable_by(|a, b| b.cmp(a));
        let (mut below, mut above) = (None, None);
        let mut largest = 0;
        for (j, s_max) in (1_u64..).zip(capacities) {
            largest += s_max;
            if j < self.beta() {
                continue;
            }
            if j > self.most_employed() {
                break;
            }
            if largest < n {
                below = below.max(Some(largest));
            }
            if j * lot > n {
                above = Some(j * lot);
                break;
            }
        }
        if self.beta() == 0 && below.is_none() && n > 0 {
            below = Some(0);
        }
        match (below, above) {
            (Some(to), up) if up.is_none_or(|up| n - to <= up - n) => Some(Repair::LowerN { to }),
            (_, Some(to)) if to <= MAX_N => Some(Repair::RaiseN { to }),
            (Some(to), _) => Some(Repair::LowerN { to }),
            (None, _) => None,
        }
    }

    /// With enough data and workers, all that is missing is capacity among the largest.
    fn repair_capacity(&self) -> Option<Repair> {
        let (short, mut capacities) = self.shortfall()?;
        let largest = capacities.iter_mut().max()?;
        (*largest + short <= MAX_BATCHES).then_some(Repair::RaiseCapacity { by: short })
    }

    fn repair_workers(&self) -> Option<Repair> {
        let (n, lot, needed) = (self.n(), self.lot(), self.beta().max(1));
        if n < lot * needed || self.most_employed() < needed {
            return None; // more workers do not help
        }
        let mut capacities = self.eligible_capacities();
        let eligible = capacities.len() as u64;
        let (count, s_max) = if eligible < needed {
            // All that must be employed are: the new ones share what is left over.
            let count = needed - eligible;
            let left = n.saturating_sub(capacities.iter().sum());
            (count, left.div_ceil(count).max(lot))
        } else {
            // One more: the number of others that can still be employed beside it.
            let others = eligible.min(n / lot - 1).min(self.most_employed() - 1);
            let left = n.saturating_sub(sum_of_largest(&mut capacities, others));
            (1, left.max(lot))
        };
        (s_max <= MAX_BATCHES).then_some(Repair::AddWorkers { count, s_max })
    }

    /// By how much the largest employable workers together fall short, and the capacities.
    fn shortfall(&self) -> Option<(u64, Vec<u64>)> {
        let (n, lot, needed) = (self.n(), self.lot(), self.beta().max(1));
        let mut capacities = self.eligible_capacities();
        let eligible = capacities.len() as u64;
        let most = self.most_employed();
        if n < lot * needed || eligible < needed || most < needed {
            return None;
        }
        let largest = sum_of_largest(&mut capacities, eligible.min(n / lot).min(most));
        Some((n.checked_sub(largest)?, capacities))
    }
}

/// The sum of the `count` largest values; reorders them.
fn sum_of_largest(values: &mut [u64], count: u64) -> u64 {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count == 0 {
        return 0;
    }
    if count < values.len() {
        values.select_nth_unstable_by(count - 1, |a, b| b.cmp(a));
    }
    values.iter().take(count).sum()
}

/// How many of the largest values add up to `n`; all where they do not. Reorders them.
pub(crate) fn enough_largest(values: &mut [u64], n: u64) -> u64 {
    values.sort_unstable_by(|a, b| b.cmp(a));
    let mut sum = 0;
    let short = values.iter().take_while(|&&value| {
        let short = sum < n;
        sum += value;
        short
    });
    short.count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fee, Worker};
    use proptest::prelude::*;

    fn problem(n: u64, s_min: u64, beta: u64, capacities: &[u64]) -> Problem {
        let worker = |&s_max| Worker {
            s_max,
            fee: Fee::ZERO,
        };
        let workers = capacities.iter().map(worker).collect();
        Problem::new(n, s_min, beta, workers).expect("within bounds")
    }

    /// The definition itself: some set of at least beta workers whose lots and capacities
    /// enclose n.
    fn feasible_by_enumeration(problem: &Problem) -> bool {
        let workers = problem.workers();
        (0_u32..1 << workers.len()).any(|set| {
            let chosen = || (0..workers.len()).filter(|i| set >> i & 1 == 1);
            let count = u64::from(set.count_ones());
            let capacity: u64 = chosen().map(|i| workers[i].s_max).sum();
            (problem.beta()..=problem.most_employed()).contains(&count)
                && chosen().all(|i| problem.is_eligible(&workers[i]))
                && (count * problem.lot()..=capacity).contains(&problem.n())
        })
    }

    #[test]
    fn known_answers() {
        let check = |problem: Problem, expected: &str| {
            let infeasible = problem.infeasibility().expect("no plan");
            assert_eq!(infeasible.to_string(), expected);
        };
        check(
            problem(7, 4, 0, &[6, 6, 6]),
            "cardinality gap: at most 1 workers can be employed at once, \
             and they can take 6 of 7 batches",
        );
        check(
            problem(11, 4, 0, &[5, 5, 5]),
            "cardinality gap: at most 2 workers can be employed at once, \
             and they can take 10 of 11 batches",
        );
        check(
            problem(8, 3, 3, &[9, 9, 9]),
            "insufficient data: 8 batches, 9 needed",
        );
        check(
            problem(0, 0, 1, &[9]),
            "insufficient data: 0 batches, 1 needed",
        );
        check(
            problem(8, 3, 0, &[2, 2]),
            "insufficient workers: 0 can take a lot, 1 needed",
        );
        check(
            problem(8, 3, 0, &[4, 3]),
            "insufficient capacity: the eligible workers can take 7 of 8 batches",
        );
        assert_eq!(problem(0, 7, 0, &[]).infeasibility(), None);
    }

    /// Limits on how many may be employed, or none.
    fn counts() -> impl Strategy<Value = u64> {
        prop_oneof![Just(u64::MAX), 0_u64..7]
    }

    #[test]
    fn a_limit_on_the_count_comes_before_capacity_and_after_lots() {
        let check = |n, s_min, beta, most, capacities: &[u64], expected: &str| {
            let problem = problem(n, s_min, beta, capacities).with_most_employed(most);
            assert_eq!(
                problem.infeasibility().expect("no plan").to_string(),
                expected
            );
        };
        check(
            99,
            2,
            3,
            2,
            &[4, 4, 9, 9],
            "count limit: at most 2 may be employed, 3 needed",
        );
        check(
            12,
            1,
            0,
            2,
            &[5, 5, 5],
            "count limit: at most 2 may be employed, 3 needed",
        );
        check(
            11,
            4,
            0,
            2,
            &[5, 5, 5],
            "cardinality gap: at most 2 workers can be employed at once, \
             and they can take 10 of 11 batches",
        );
        let repairs = problem(12, 1, 0, &[5, 5, 5])
            .with_most_employed(2)
            .repairs();
        assert_eq!(repairs[0].to_string(), "let 3 workers be employed");
    }

    #[test]
    fn repairs_are_offered_in_words() {
        let words: Vec<_> = problem(11, 4, 0, &[5, 5, 5])
            .repairs()
            .iter()
            .map(Repair::to_string)
            .collect();
        assert_eq!(
            words,
            [
                "lower s_min to 3",
                "lower n to 10",
                "raise the capacity of the largest worker by 1",
                "add 1 worker of capacity 6",
            ]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_tests_decide_feasibility(
            n in 0_u64..40, s_min in 0_u64..12, beta in 0_u64..6, most in counts(),
            capacities in prop::collection::vec(0_u64..14, 0..7),
        ) {
            let problem = problem(n, s_min, beta, &capacities).with_most_employed(most);
            let expected = feasible_by_enumeration(&problem);
            prop_assert_eq!(problem.infeasibility().is_none(), expected);
        }

        /// Each repair works, and one step less of the same kind does not.
        #[test]
        fn repairs_work_and_are_smallest(
            n in 0_u64..40, s_min in 0_u64..12, beta in 0_u64..6, most in counts(),
            capacities in prop::collection::vec(0_u64..14, 0..7),
        ) {
            let problem = |n, s_min, beta, capacities: &[u64]| {
                problem(n, s_min, beta, capacities).with_most_employed(most)
            };
            let original = problem(n, s_min, beta, &capacities);
            let raised = |by| {
                let mut capacities = capacities.clone();
                *capacities.iter_mut().max().expect("a worker") += by;
                problem(n, s_min, beta, &capacities)
            };
            let extended = |count: u64, s_max| {
                let added = std::iter::repeat_n(s_max, count as usize);
                problem(n, s_min, beta, &capacities.iter().copied().chain(added).collect::<Vec<_>>())
            };
            let works = |p: &Problem| p.infeasibility().is_none();
            for repair in original.repairs() {
                let (repaired, smaller) = match repair {
                    Repair::LowerBeta { to } =>
                        (original.clone().with_beta(to), vec![original.clone().with_beta(to + 1)]),
                    Repair::RaiseCount { to } => (
                        original.clone().with_most_employed(to),
                        vec![original.clone().with_most_employed(to - 1)],
                    ),
                    Repair::LowerSMin { to } =>
                        (original.clone().with_s_min(to), vec![original.clone().with_s_min(to + 1)]),
                    Repair::LowerN { to } | Repair::RaiseN { to } => {
                        let distance = n.abs_diff(to);
                        let nearer = (n.saturating_sub(distance - 1)..n + distance).map(|n|
                            original.clone().with_n(n));
                        (original.clone().with_n(to), nearer.collect())
                    }
                    Repair::RaiseCapacity { by } => (raised(by), vec![raised(by - 1)]),
                    Repair::AddWorkers { count, s_max } => {
                        let mut smaller = vec![extended(count - 1, 1_000)];
                        if s_max > 0 { smaller.push(extended(count, s_max - 1)); }
                        (extended(count, s_max), smaller)
                    }
                };
                prop_assert!(works(&repaired), "{repair} does not work");
                for problem in smaller {
                    prop_assert!(!works(&problem), "{repair} is not the smallest");
                }
            }
        }
    }
}
