//! A plan, and the check that it is one.

use crate::money::Cost;
use crate::problem::{Problem, Worker};
use serde::{Deserialize, Serialize};

/// How many batches each worker gets, in the problem's order, and what they cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Batches of each worker; 0 means not employed.
    pub batches: Vec<u64>,
    /// `Σ fee_i · batches_i`, and what the workers' terms add.
    pub cost: Cost,
}

impl Plan {
    /// The plan with these batches, costed by the problem's fees and terms.
    ///
    /// # Panics
    /// When there are more batches than workers.
    pub fn costed(problem: &Problem, batches: Vec<u64>) -> Self {
        assert!(
            batches.len() <= problem.workers().len(),
            "a plan must not name more workers than the problem has"
        );
        let each = batches.iter().enumerate();
        let cost = each.map(|(worker, &x)| problem.cost_of(worker, x)).sum();
        Self { batches, cost }
    }

    /// How many workers are employed.
    pub fn workers_employed(&self) -> u64 {
        self.batches.iter().filter(|&&x| x > 0).count() as u64
    }

    /// Checks every constraint of the problem, and the cost, in integers.
    ///
    /// # Errors
    /// The first constraint that does not hold.
    pub fn verify(&self, problem: &Problem) -> Result<(), Violation> {
        let workers = problem.workers();
        if self.batches.len() != workers.len() {
            return Err(Violation::Length {
                plan: self.batches.len(),
                workers: workers.len(),
            });
        }
        if problem.terms().is_some() {
            return self.verify_terms(problem);
        }
        let lot = problem.lot();
        // Every solve ends here, so one pass without branches: which workers are employed is as good
        // as random. Sums of absurd values may wrap; they are used only if every worker is within its
        // bounds, and then the batches fit: 10^6 workers of 10^9.
        let (mut total, mut employed, mut cost, mut fees) = (0_u64, 0_u64, 0_u64, 0_u64);
        let mut within = true;
        for (&x, w) in self.batches.iter().zip(workers) {
            let is_employed = x != 0;
            within &= !is_employed | ((x >= lot) & (x <= w.s_max));
            total = total.wrapping_add(x);
            employed += u64::from(is_employed);
            cost = cost.wrapping_add(w.fee.micros().wrapping_mul(x));
            fees |= w.fee.micros(); // no fee is above this
        }
        if !within && let Some(violation) = self.first_outside(problem) {
            return Err(violation);
        }
        check_counts(problem, total, employed)?;
        let fits = u128::from(fees) * u128::from(total) <= u128::from(u64::MAX);
        let actual = if fits {
            Cost::from_micros(cost.into())
        } else {
            let pairs = workers.iter().zip(&self.batches);
            pairs.map(|(w, &x)| w.fee.times(x)).sum()
        };
        self.check_cost(actual)
    }

    /// The same where workers have terms.
    fn verify_terms(&self, problem: &Problem) -> Result<(), Violation> {
        if let Some(violation) = self.first_outside(problem) {
            return Err(violation);
        }
        // All are within their bounds, so that the sum fits.
        check_counts(problem, self.batches.iter().sum(), self.workers_employed())?;
        self.check_cost(Self::costed(problem, self.batches.clone()).cost)
    }

    fn check_cost(&self, actual: Cost) -> Result<(), Violation> {
        let stated = self.cost;
        if actual == stated {
            Ok(())
        } else {
            Err(Violation::Cost { stated, actual })
        }
    }

    /// The first worker whose batches are not within its lot and capacity.
    fn first_outside(&self, problem: &Problem) -> Option<Violation> {
        let workers = self.batches.iter().zip(problem.workers()).enumerate();
        for (worker, (&x, &Worker { s_max, .. })) in workers {
            let lot = problem.lot_of(worker);
            if x != 0 && x < lot {
                return Some(Violation::BelowLot { worker, x, lot });
            }
            if x > s_max {
                return Some(Violation::AboveCapacity { worker, x, s_max });
            }
        }
        None
    }
}

fn check_counts(problem: &Problem, total: u64, employed: u64) -> Result<(), Violation> {
    let (n, beta, most) = (problem.n(), problem.beta(), problem.most_employed());
    if total != n {
        return Err(Violation::Total { total, n });
    }
    if employed < beta {
        return Err(Violation::TooFewWorkers { employed, beta });
    }
    if employed > most {
        return Err(Violation::TooManyWorkers { employed, most });
    }
    Ok(())
}

/// The constraint that a plan breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The plan is for another number of workers.
    #[error("the plan names {plan} workers, the problem has {workers}")]
    Length {
        /// Workers in the plan.
        plan: usize,
        /// Workers in the problem.
        workers: usize,
    },
    /// An employed worker gets less than a lot.
    #[error("worker {worker} gets {x} batches, less than the lot of {lot}")]
    BelowLot {
        /// The worker's 0-based index.
        worker: usize,
        /// Its batches.
        x: u64,
        /// The lot, `max(1, s_min)`.
        lot: u64,
    },
    /// A worker gets more than it can train in time.
    #[error("worker {worker} gets {x} batches, more than its s_max of {s_max}")]
    AboveCapacity {
        /// The worker's 0-based index.
        worker: usize,
        /// Its batches.
        x: u64,
        /// Its capacity.
        s_max: u64,
    },
    /// Too few batches are assigned, or too many.
    #[error("the plan assigns {total} batches, expected {n}")]
    Total {
        /// Batches assigned.
        total: u64,
        /// Batches there are.
        n: u64,
    },
    /// Too few workers are employed.
    #[error("the plan employs {employed} workers, expected at least {beta}")]
    TooFewWorkers {
        /// Workers employed.
        employed: u64,
        /// The least that must be.
        beta: u64,
    },
    /// Too many workers are employed.
    #[error("the plan employs {employed} workers, expected at most {most}")]
    TooManyWorkers {
        /// Workers employed.
        employed: u64,
        /// The most that may be.
        most: u64,
    },
    /// The cost is not that of the batches.
    #[error("the plan states a cost of {stated}, its batches cost {actual}")]
    Cost {
        /// What the plan says.
        stated: Cost,
        /// What its batches cost.
        actual: Cost,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fee, Worker};

    fn problem() -> Problem {
        let worker = |s_max, units: u64| Worker {
            s_max,
            fee: Fee::from_micros(units * 1_000_000).expect("small"),
        };
        Problem::new(10, 3, 2, vec![worker(6, 1), worker(5, 2), worker(2, 0)]).expect("valid")
    }

    #[test]
    fn a_valid_plan_verifies() {
        let plan = Plan::costed(&problem(), vec![6, 4, 0]);
        assert_eq!(plan.verify(&problem()), Ok(()));
        assert_eq!(plan.cost, Cost::from_micros(14_000_000));
        assert_eq!(plan.workers_employed(), 2);
    }

    #[test]
    fn every_constraint_is_checked() {
        let check = |batches: &[u64]| {
            Plan::costed(&problem(), batches.to_vec())
                .verify(&problem())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            check(&[6, 4]),
            "the plan names 2 workers, the problem has 3"
        );
        assert_eq!(
            check(&[6, 2, 2]),
            "worker 1 gets 2 batches, less than the lot of 3"
        );
        assert_eq!(
            check(&[7, 3, 0]),
            "worker 0 gets 7 batches, more than its s_max of 6"
        );
        assert_eq!(
            check(&[6, 5, 0]),
            "the plan assigns 11 batches, expected 10"
        );
        let alone = Plan::costed(&problem().with_n(6), vec![6, 0, 0]);
        assert_eq!(
            alone.verify(&problem().with_n(6)).unwrap_err().to_string(),
            "the plan employs 1 workers, expected at least 2"
        );
        let both = Plan::costed(&problem(), vec![6, 4, 0]);
        let limited = problem().with_most_employed(1);
        assert_eq!(
            both.verify(&limited).unwrap_err().to_string(),
            "the plan employs 2 workers, expected at most 1"
        );
        assert_eq!(both.verify(&problem().with_most_employed(2)), Ok(()));
        let mut wrong = Plan::costed(&problem(), vec![6, 4, 0]);
        wrong.cost += Cost::from_micros(1);
        assert_eq!(
            wrong.verify(&problem()).unwrap_err().to_string(),
            "the plan states a cost of 14.000001, its batches cost 14"
        );
    }

    /// A cost beyond 64 bits is checked on a slower path, with the same answer.
    #[test]
    fn large_costs_are_checked_exactly() {
        let worker = Worker {
            s_max: 1_000_000_000,
            fee: Fee::MAX,
        };
        let problem = Problem::new(2_000_000_000, 0, 0, vec![worker; 2]).expect("valid");
        let plan = Plan::costed(&problem, vec![1_000_000_000; 2]);
        assert_eq!(plan.cost.micros(), 2_000_000_000 * 1_000_000_000_000);
        assert_eq!(plan.verify(&problem), Ok(()));
        // What the cost is after wrapping around 64 bits does not pass.
        let wrapped = Plan {
            cost: Cost::from_micros(plan.cost.micros() % (1 << 64)),
            ..plan
        };
        assert!(wrapped.verify(&problem).is_err());
    }
}
