//! Sets of workers in the hard region: which are decided, which are open, and what a set costs.

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
