//! The exact allocator: proves the cheapest plan, most often in about the time of a sort.
//!
//! With workers sorted by fee (of equal ones the larger first), `P_j` the capacity of the `j` cheapest,
//! `r` the first `j` with `P_j ≥ n`, `q = n − P_{r−1}` and `b = max(beta, 1)`:
//!
//! * **Theorem 1.** If `b ≥ r`, the `b` cheapest are optimal; if `q ≥ m`, the `r` cheapest are:
//!   everyone gets a lot, the rest goes to the cheapest first. Write a plan's cost as
//!   `c_1·n + Σ_j (c_{j+1} − c_j)(n − D(j))` with `D(j)` the batches on the `j` cheapest; any
//!   feasible plan has `D(j) ≤ min(P_j, n − m(b − j)^+)`, and this plan attains it everywhere.
//! * **Lemma 2.** Otherwise (the [`hard`] region) an optimum is either that plan of the `r`
//!   cheapest, if `r·m ≤ n`, or employs exactly `r − 1` workers, and beta no longer matters.
//!
//! The hard region is closed by a Lagrangian bound ([`relaxation`]), then by branch and bound over the
//! few workers that the bound leaves undecided ([`search`]), then by a dynamic programme over
//! them ([`programme`]). Budgets are counts. If all run out, the answer is `bounded` with its
//! lower bound, never called optimal. Everything is in integers.

mod hard;
mod programme;
mod relaxation;
mod search;
mod sets;

use scheduler::{Certificate, Cost, Outcome, Plan, PlanStatus, Planned, Problem};

use crate::Allocator;
use crate::rank::{Keys, Ranked};

/// How much work the allocator may do before it settles for `bounded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Nodes of the branch and bound.
    pub nodes: u64,
    /// States of the dynamic programme, over all of its stages.
    pub states: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            nodes: 100_000,
            states: 50_000_000,
        }
    }
}

/// The exact allocator. See the module's description.
#[derive(Debug, Default)]
pub struct Exact {
    budget: Budget,
    keys: Keys,
    hard: hard::Buffers,
}

impl Exact {
    /// An allocator with another budget than the default one.
    pub fn with_budget(budget: Budget) -> Self {
        Self {
            budget,
            ..Self::default()
        }
    }
}

impl Allocator for Exact {
    fn name(&self) -> &'static str {
        "exact"
    }

    fn propose(&mut self, problem: &Problem) -> Outcome {
        match self.solve(problem) {
            Some(planned) => Outcome::Planned(planned),
            None => Outcome::Infeasible(
                problem
                    .infeasibility()
                    .expect("the exact allocator plans every feasible problem"),
            ),
        }
    }
}

impl Exact {
    /// `None` when there is no plan.
    fn solve(&mut self, problem: &Problem) -> Option<Planned> {
        let (n, lot) = (problem.n(), problem.lot());
        if problem.is_empty() {
            let nobody = Plan::costed(problem, vec![0; problem.workers().len()]);
            return Some(optimal(nobody, Certificate::ClosedForm));
        }
        let least = problem.beta().max(1);
        if n < lot * least {
            return None;
        }
        let ranked = self.keys.by_fee(problem);
        if (ranked.len() as u64) < least || ranked.capacity < n {
            return None;
        }
        let least = least as usize; // at most the number of workers
        // Among equal fees the order matters for those around r alone: there, large ones first.
        let capacity = ranked.capacity;
        let mut cheapest = Cheapest::default();
        cheapest.extend(&ranked, n, usize::MAX);
        let start = self.keys.largest_first(problem, cheapest.count);
        let ranked = self.keys.ranked(problem, capacity);
        if start < cheapest.count {
            cheapest = Cheapest::default();
            cheapest.extend(&ranked, n, start);
        }
        cheapest.extend(&ranked, n, usize::MAX);
        let r = cheapest.count + 1;
        if least >= r {
            let plan = ranked.fill(lot, least, 0..least);
            return Some(optimal(plan, Certificate::ClosedForm));
        }
        if n - cheapest.capacity >= lot {
            let plan = ranked.fill(lot, r, 0..r);
            return Some(optimal(plan, Certificate::ClosedForm));
        }
        // Whether r lots fit or not decides if the cardinality test is still open.
        if lot * r as u64 > n && problem.infeasibility().is_some() {
            return None;
        }
        Some(hard::solve(
            &ranked,
            n,
            lot,
            &cheapest,
            self.budget,
            &mut self.hard,
        ))
    }
}

/// The cheapest workers that together cannot take all the data, though one more could.
#[derive(Debug, Default)]
struct Cheapest {
    /// How many: `r − 1`.
    count: usize,
    /// Their capacities: `P_{r−1} < n`.
    capacity: u64,
    /// What they cost when full.
    cost: u128,
}

impl Cheapest {
    /// Takes workers in order, up to `limit`, while they do not reach `n > 0`. The caller knows
    /// that all workers together do.
    fn extend(&mut self, ranked: &Ranked<'_>, n: u64, limit: usize) {
        while self.count < limit {
            let s_max = ranked.s_max(self.count);
            if self.capacity + s_max >= n {
                return;
            }
            self.capacity += s_max;
            self.cost += u128::from(ranked.fee(self.count)) * u128::from(s_max);
            self.count += 1;
        }
    }
}

fn optimal(plan: Plan, certificate: Certificate) -> Planned {
    let cost = plan.cost;
    proved(plan, cost, certificate)
}

/// A plan with its lower bound: optimal when they meet.
fn proved(plan: Plan, lower_bound: Cost, certificate: Certificate) -> Planned {
    let status = if lower_bound == plan.cost {
        PlanStatus::Optimal
    } else {
        PlanStatus::Bounded
    };
    Planned {
        plan,
        status,
        lower_bound: Some(lower_bound),
        certificate: Some(certificate),
    }
}
