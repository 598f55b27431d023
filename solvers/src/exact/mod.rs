//! The exact allocator: proves the cheapest plan, most often in about the time of a sort.
//!
//! With workers sorted by fee (of equal ones the larger first), `P_j` the capacity of the `j` cheapest,
//! `r` the first `j` with `P_j ≥ n`, `q = n − P_{r−1}` and `b = max(beta, 1)`:
//!
//! * **Theorem 1.** If `b ≥ r`, the `b` cheapest are optimal; if `q ≥ m`, the `r` cheapest are:
//!   each gets a lot, the rest goes to the cheapest first. Write a plan's cost as
//!   `c_1·n + Σ_j (c_{j+1} − c_j)(n − D(j))` with `D(j)` the batches on the `j` cheapest; any
//!   feasible plan has `D(j) ≤ min(P_j, n − m(b − j)^+)`, and this plan attains it everywhere.
//! * **Lemma 2.** Otherwise (`b < r` and `q < m`: the [`hard`] region) an optimum is either that plan
//!   of the `r` cheapest, if `r·m ≤ n`, or employs exactly `r − 1` workers, and beta no longer
//!   matters.
//!
//!   *Proof.* Let an optimal plan employ the set `S` of `j` workers, let `C` be the `r − 1` cheapest,
//!   and `U = C∖S`.
//!
//!   If `j ≤ r − 2`, then `S∖C` has `|U| − (r − 1 − j) ≤ |U| − 1` members. `S∩C` holds at most
//!   `P_{r−1} − Σ_U s` batches, so `S∖C` holds at least `n − P_{r−1} + Σ_U s ≥ q + |U|·m`. Its members
//!   can therefore give up at least `q + |U|·m − (|U| − 1)·m > m` batches and keep `m` each. Move `m`
//!   of them to any worker of `U`: none of `C` is more expensive than one outside, so the plan costs
//!   no more, and it employs one worker more. Repeat until `r − 1` are employed.
//!
//!   If `j ≥ r`, then `n ≥ j·m ≥ r·m`, and at least `r − i` workers beyond the `i` cheapest hold a lot
//!   each: `D(i) ≤ min(P_i, n − m(r − i)^+)`. The plan of the `r` cheapest attains this for every
//!   `i`, so none costs less, and it employs `r > b`. ∎
//!
//! At most `w` may be employed:
//!
//! * **`r ≤ w`.** All of the above stands: the plans employ `b`, `r` or `r − 1 ≤ w` workers, and without
//!   the limit they are optimal.
//! * **`r > w`.** Some optimum employs exactly `w`.
//!
//!   *Proof.* Let `A` be the `w` cheapest, `P_w < n`, and let a plan employ the set `S` of `t < w`
//!   workers, `D = S∖A` of them none of `A`. `D` holds at least `n − s(S∩A) > s(A∖S) ≥ m·|A∖S| =
//!   m·(w − t + |D|)` batches, so more than `(w − t)·m` above its own lots. Give `m` of them to each of
//!   `w − t` workers of `A∖S`, whose fees are no higher. ∎
//!
//! So there is one number `R` to employ in the hard region, `min(w, r − 1)`.
//!
//! Where workers have charges, tiers or lots of their own, their costs are [`curves`].
//!
//! Everything is in integers. Budgets are counts; if all run out, the answer is `bounded` with its
//! lower bound, never called optimal.
//!
//! # The hard region
//!
//! 1. At the root ([`hard`]) the bound at the multiplier `λ = c_(R+1)` needs no selection: the
//!    relaxation's best set is the `R` cheapest. Where `R = r − 1`, with the plan of the `r` cheapest as
//!    the incumbent, all workers but a few neighbours of `r` in fee order are decided by looking at
//!    those neighbours alone.
//! 2. The Lagrangian [`relaxation`] moves the multiplier to its best value over the rest.
//! 3. Branch and bound ([`search`]), depth first over the workers that are still open. Each choice
//!    against the relaxation costs its exact penalty.
//! 4. A dynamic programme ([`programme`]) over the same workers, if the search runs out of nodes. The
//!    same bound prunes its states.
//!
//! What goes beyond the textbook method:
//!
//! * Deciding one worker uses the best gain of the *other side*: leaving out a member costs at least
//!   `g_i − g_(R+1)`, not `g_i − μ`, because another worker must take its place.
//! * A line of the dual function has the batches that the relaxation gives out (`m` for workers more
//!   expensive than `λ`), so the intersection of two lines is the true Kelley step.
//! * Only the workers with the fee of worker `r` are ordered by capacity. The theorems need no more,
//!   and sorting becomes one sort of 64-bit integers (fee above, index below).
//! * Multipliers are fixed-point integers with as many bits after the point as 128-bit sums allow. Any
//!   multiplier gives a valid bound: rounding makes it weaker, never wrong.

mod budget;
mod hard;
mod programme;
mod relaxation;
mod search;
mod sets;

use scheduler::{Certificate, CurveProblem, Outcome, Plan, Planned, Problem};

pub use budget::Budget;

use crate::rank::Keys;
use crate::{Allocator, curves};
use sets::{Cheapest, Frame};

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

    fn proves(&self) -> bool {
        true
    }

    fn takes_terms(&self) -> bool {
        true
    }

    fn propose_curves(&mut self, problem: &CurveProblem) -> Outcome {
        curves::propose(problem)
    }

    fn propose(&mut self, problem: &Problem) -> Outcome {
        if problem.terms().is_some() {
            return curves::propose_terms(problem);
        }
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
            let empty = Plan::costed(problem, vec![0; problem.workers().len()]);
            return Some(Planned::optimal(empty, Certificate::ClosedForm));
        }
        let least = problem.beta().max(1);
        if n < lot * least {
            return None;
        }
        let ranked = self.keys.by_fee(problem);
        let most = problem.most_employed();
        if (ranked.len() as u64) < least || ranked.capacity < n || most < least {
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
        if r as u64 > most {
            // Exactly `most` workers are employed. Their lots fit: the
            // `most` cheapest cannot even hold the data.
            if problem.infeasibility().is_some() {
                return None;
            }
            let mut cheapest = Cheapest::default();
            cheapest.extend(&ranked, n, most as usize);
            let frame = Frame { ranked, n, lot };
            return Some(hard::exactly(frame, &cheapest, self.budget, &mut self.hard));
        }
        let frame = Frame { ranked, n, lot };
        if least >= r {
            let plan = frame.plan(&cheapest, (least, least), |_| true);
            return Some(Planned::optimal(plan, Certificate::ClosedForm));
        }
        if n - cheapest.capacity >= lot {
            let plan = frame.plan(&cheapest, (r, r), |_| true);
            return Some(Planned::optimal(plan, Certificate::ClosedForm));
        }
        // Whether r lots fit or not decides if the cardinality test is still open.
        if lot * r as u64 > n && problem.infeasibility().is_some() {
            return None;
        }
        Some(hard::solve(frame, &cheapest, self.budget, &mut self.hard))
    }
}
