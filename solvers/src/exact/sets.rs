//! Sets of workers in the hard region: which are decided, which are open, and what a set costs.

use scheduler::{Cost, Plan};

use crate::rank::Ranked;

/// The numbers of the problem that do not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) ranked: Ranked<'a>,
    pub(super) n: u64,
    pub(super) lot: u64,
}

impl Frame<'_> {
    pub(super) fn candidate(&self, position: usize) -> Candidate {
        Candidate {
            position,
            fee: self.ranked.fee(position),
            s_max: self.ranked.s_max(position),
        }
    }

    /// The plan of a set of `count` workers, whose positions are all before `end`: each gets one lot, and
    /// the rest of the data goes to the cheapest first. The caller knows that n lies between their lots and
    /// their capacities.
    ///
    /// Most of the cheapest are full: they need not be looked up one by one.
    pub(super) fn plan(
        &self,
        cheapest: &Cheapest,
        (count, end): (usize, usize),
        is_in: impl Fn(usize) -> bool,
    ) -> Plan {
        let ranked = &self.ranked;
        let to_share = self.n - self.lot * count as u64;
        let without_gap = (0..cheapest.count.min(end)).position(|at| !is_in(at));
        let without_gap = without_gap.unwrap_or(cheapest.count.min(end));
        let Cheapest {
            count: mut full,
            mut capacity,
            mut cost,
        } = *cheapest;
        // Down to where all are in the set and full, and nobody after has the same fee.
        while full > 0
            && (full > without_gap
                || capacity - self.lot * full as u64 > to_share
                || ranked.fee(full - 1) == ranked.fee(full))
        {
            full -= 1;
            let s_max = ranked.s_max(full);
            capacity -= s_max;
            cost -= u128::from(ranked.fee(full)) * u128::from(s_max);
        }
        let mut batches = ranked.full_below(ranked.fee(full));
        let mut rest = to_share - (capacity - self.lot * full as u64);
        for position in (full..end).filter(|&position| is_in(position)) {
            let extra = rest.min(ranked.s_max(position) - self.lot);
            rest -= extra;
            batches[ranked.index(position)] = self.lot + extra;
            cost += u128::from(ranked.fee(position)) * u128::from(self.lot + extra);
        }
        let cost = Cost::from_micros(cost);
        Plan { batches, cost }
    }

    /// What a set costs that is full but for the surplus of its capacity over n, which its
    /// most expensive members do not get, down to a lot each. `member` is the set, by position.
    pub(super) fn trimmed_cost(&self, member: &[bool], capacity: u64, full_cost: u128) -> u128 {
        let mut surplus = capacity - self.n;
        let mut cost = full_cost;
        let mut position = member.len();
        while surplus > 0 {
            position -= 1;
            if member[position] {
                let less = surplus.min(self.ranked.s_max(position) - self.lot);
                cost -= u128::from(less) * u128::from(self.ranked.fee(position));
                surplus -= less;
            }
        }
        cost
    }
}

/// A worker that may or may not be employed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Its place in fee order.
    pub(super) position: usize,
    /// Its fee in micro-units.
    pub(super) fee: u64,
    /// Its capacity, at most n.
    pub(super) s_max: u64,
}

/// The workers that are decided: all of them cheaper than any multiplier in use, and full in the
/// relaxation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    /// How many more are to be chosen.
    pub(super) missing: usize,
    /// The capacities of the workers that are in.
    pub(super) capacity: u64,
    /// What they cost when full.
    pub(super) cost: u128,
}

/// The best plan so far, as a set of positions.
#[derive(Clone, Debug)]
pub(super) struct Incumbent {
    pub(super) cost: u128,
    pub(super) employed: usize,
    /// By position; true means employed.
    pub(super) member: Vec<bool>,
}

/// What the search and the dynamic programme work on.
#[derive(Debug)]
pub(super) struct Core {
    /// The workers left undecided, widest gain from the middle first.
    pub(super) open: Vec<Open>,
    pub(super) decided: Decided,
    /// The bound, with its multiplier, scaled.
    pub(super) scaled_bound: i128,
    pub(super) lambda: i128,
    pub(super) fraction_bits: u32,
}

/// A worker of the core.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) candidate: Candidate,
    /// Whether the relaxation employs it.
    pub(super) taken: bool,
    /// What deciding otherwise adds to the bound.
    pub(super) penalty: i128,
}

impl Core {
    /// The least scaled bound at which nothing cheaper than `cost` can follow.
    pub(super) fn limit(&self, cost: u128) -> i128 {
        // Costs are integers: a bound above cost − 1 is a bound of cost.
        ((cost as i128 - 1) << self.fraction_bits) + 1
    }
}

/// The cheapest workers that together cannot take all the data, though one more could.
#[derive(Debug, Default)]
pub(super) struct Cheapest {
    /// How many: `r − 1`.
    pub(super) count: usize,
    /// Their capacities: `P_{r−1} < n`.
    pub(super) capacity: u64,
    /// What they cost when full.
    pub(super) cost: u128,
}

impl Cheapest {
    /// Takes workers in order, up to `limit`, while they do not reach `n > 0`. The caller knows
    /// that all workers together do.
    pub(super) fn extend(&mut self, ranked: &Ranked<'_>, n: u64, limit: usize) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scheduler::{Fee, Problem, Worker};

    use super::*;
    use crate::rank::Keys;

    proptest! {
        /// A lot each, then the rest one by one in the order of fees.
        #[test]
        fn a_plan_fills_the_cheapest_first(
            workers in prop::collection::vec((0..5_u64, 0..20_u64), 1..12),
            chosen in any::<u16>(),
            n in 1..150_u64,
            lot in 1..4_u64,
        ) {
            let workers = workers.iter().map(|&(fee, s_max)| Worker {
                s_max,
                fee: Fee::from_micros(fee).expect("small"),
            });
            let problem = Problem::new(n, lot, 0, workers.collect()).expect("small");
            let mut keys = Keys::default();
            let capacity = keys.by_fee(&problem).capacity;
            if capacity < n {
                return Ok(());
            }
            let mut cheapest = Cheapest::default();
            cheapest.extend(&keys.ranked(&problem, capacity), n, usize::MAX);
            let start = keys.largest_first(&problem, cheapest.count);
            let ranked = keys.ranked(&problem, capacity);
            let mut cheapest = Cheapest::default();
            cheapest.extend(&ranked, n, start);
            cheapest.extend(&ranked, n, usize::MAX);
            let frame = Frame { ranked, n, lot };
            let is_in = |position: usize| chosen >> position & 1 == 1;
            let set: Vec<usize> = (0..ranked.len()).filter(|&at| is_in(at)).collect();
            let count = set.len() as u64;
            let holds: u64 = set.iter().map(|&at| ranked.s_max(at)).sum();
            if set.is_empty() || n < lot * count || holds < n {
                return Ok(());
            }
            let mut batches = vec![0; problem.workers().len()];
            let mut rest = n - lot * count;
            for &position in &set {
                let extra = rest.min(ranked.s_max(position) - lot);
                rest -= extra;
                batches[ranked.index(position)] = lot + extra;
            }
            let plan = frame.plan(&cheapest, (set.len(), ranked.len()), is_in);
            prop_assert_eq!(plan, Plan::costed(&problem, batches));
        }
    }
}
