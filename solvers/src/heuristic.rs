//! The allocator of the thesis: the same answers, in polynomial time.
//!
//! It takes the eligible workers in fee order, restricts them to the lexicographically first set
//! of `⌊n / s_min⌋` whose capacity reaches n where lots do not allow for more, fills them in
//! order, and lets cheaper workers hand over what the last ones lack to reach a lot. It is not
//! optimal.
//!
//! It knows no limit on how many may be employed: where its plan employs more, it fails.
//!
//! Two things differ from the thesis program. It enumerated the sets, in exponential time; the same set
//! is found in one sweep here. And with `s_min = 0` it could take a donor's last batch, and
//! return a plan with fewer than beta employed workers; here a donor keeps one.

use scheduler::{Failure, FailureReason, Outcome, Plan, Planned, Problem};

use crate::Allocator;
use crate::rank::{Keys, Ranked};

/// The algorithm of the thesis. See the module's description.
#[derive(Debug, Default)]
pub struct Heuristic {
    keys: Keys,
    batches: Vec<u64>,
}

impl Allocator for Heuristic {
    fn name(&self) -> &'static str {
        "heuristic"
    }

    fn propose(&mut self, problem: &Problem) -> Outcome {
        let most = problem.most_employed();
        let is_allowed =
            |plan: &Plan| problem.workers().len() as u64 <= most || plan.workers_employed() <= most;
        match self.allocate(problem) {
            Some(plan) if is_allowed(&plan) => Outcome::Planned(Planned::feasible(plan)),
            plan => match (problem.infeasibility(), plan) {
                (Some(infeasible), _) => Outcome::Infeasible(infeasible),
                (None, Some(plan)) => Outcome::Failed(Failure {
                    reason: FailureReason::NoPlanFound,
                    message: format!(
                        "the heuristic's plan employs {} workers, at most {most} may be; it does \
                         not look for one with fewer",
                        plan.workers_employed()
                    ),
                }),
                (None, None) => unreachable!("the heuristic plans every feasible problem"),
            },
        }
    }
}

impl Heuristic {
    fn allocate(&mut self, problem: &Problem) -> Option<Plan> {
        let (n, lot) = (problem.n(), problem.lot());
        if problem.is_empty() {
            return Some(Plan::costed(problem, vec![0; problem.workers().len()]));
        }
        let least = problem.beta().max(1);
        if n < lot * least {
            return None;
        }
        let ranked = self.keys.by_fee(problem);
        if (ranked.len() as u64) < least || ranked.capacity < n {
            return None;
        }
        let employable = usize::try_from(n / lot).unwrap_or(usize::MAX);
        if employable < ranked.len() {
            let chosen = first_subset(&ranked, employable, n)?;
            Some(hand_out(problem, &ranked, &chosen, &mut self.batches))
        } else {
            let all = Identity(ranked.len());
            Some(hand_out(problem, &ranked, &all, &mut self.batches))
        }
    }
}

/// The positions of the workers that may be employed, in fee order.
trait Positions {
    fn len(&self) -> usize;
    fn at(&self, rank: usize) -> usize;
}

struct Identity(usize);

impl Positions for Identity {
    fn len(&self) -> usize {
        self.0
    }
    fn at(&self, rank: usize) -> usize {
        rank
    }
}

impl Positions for Vec<usize> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }
    fn at(&self, rank: usize) -> usize {
        self[rank]
    }
}

/// Fills the workers in fee order, then completes the ones left below a lot.
fn hand_out(
    problem: &Problem,
    ranked: &Ranked<'_>,
    chosen: &impl Positions,
    by_rank: &mut Vec<u64>,
) -> Plan {
    let lot = problem.lot();
    by_rank.clear();
    let mut rest = problem.n();
    while rest > 0 {
        let x = ranked.s_max(chosen.at(by_rank.len())).min(rest);
        by_rank.push(x);
        rest -= x;
    }
    // All but the last are full, and a full worker has at least a lot.
    let assigned = by_rank.len();
    let mut complete = assigned - usize::from(by_rank[assigned - 1] < lot);
    let target = assigned.max(usize::try_from(problem.beta()).unwrap_or(usize::MAX));
    debug_assert!(
        target <= chosen.len(),
        "beta was checked against the data and the workers"
    );
    by_rank.resize(target, 0);
    let mut donor = complete;
    while complete < target {
        let mut lacking = lot - by_rank[complete];
        // Donors above this one were brought down to a lot already.
        while lacking > 0 {
            let surplus = by_rank[donor].saturating_sub(lot).min(lacking);
            by_rank[donor] -= surplus;
            lacking -= surplus;
            if lacking > 0 {
                donor = donor
                    .checked_sub(1)
                    .expect("n is at least a lot for every worker to be completed");
            }
        }
        by_rank[complete] = lot;
        complete += 1;
    }
    let mut batches = vec![0; problem.workers().len()];
    let mut cost = 0_u128;
    for (rank, &x) in by_rank.iter().enumerate() {
        let position = chosen.at(rank);
        batches[ranked.index(position)] = x;
        cost += u128::from(ranked.fee(position)) * u128::from(x);
    }
    Plan {
        batches,
        cost: scheduler::Cost::from_micros(cost),
    }
}

/// The lexicographically first set of `size` positions whose capacity reaches `n`, if any does.
///
/// The sweep keeps the best completion of what it has taken: at first the `size` largest
/// workers. A position among them is taken as it is; any other is taken if the set still reaches
/// n when it replaces the smallest of those that lie ahead. `O(k log k)`.
fn first_subset(ranked: &Ranked<'_>, size: usize, n: u64) -> Option<Vec<usize>> {
    let cheapest: u64 = (0..size).map(|position| ranked.s_max(position)).sum();
    if cheapest >= n {
        return Some((0..size).collect());
    }
    let mut by_capacity: Vec<usize> = (0..ranked.len()).collect();
    by_capacity.sort_unstable_by_key(|&position| (u64::MAX - ranked.s_max(position), position));
    by_capacity.truncate(size);
    let mut member = vec![false; ranked.len()];
    let mut capacity = 0;
    for &position in &by_capacity {
        member[position] = true;
        capacity += ranked.s_max(position);
    }
    if capacity < n {
        return None;
    }
    let mut chosen = Vec::with_capacity(size);
    for position in 0..ranked.len() {
        if chosen.len() == size {
            break;
        }
        if !member[position] {
            // Members behind the sweep are taken for good and can no longer be replaced.
            while by_capacity.last().is_some_and(|&last| last < position) {
                by_capacity.pop();
            }
            let Some(&smallest) = by_capacity.last() else {
                break;
            };
            let replaced = capacity - ranked.s_max(smallest) + ranked.s_max(position);
            if replaced < n {
                continue;
            }
            capacity = replaced;
            member[smallest] = false;
            by_capacity.pop();
        }
        chosen.push(position);
    }
    Some(chosen)
}
