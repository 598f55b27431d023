//! A dynamic programme over the core, for when branch and bound runs out of nodes.
//!
//! In fee order a cheapest plan for a set is: full workers, one partial worker, then workers with
//! a lot each. So it is enough to know, for the full workers among those seen so far, how many of
//! the core they are and their capacity, and the least cost of that: the rest follows, since
//! after the partial worker the next cheapest are best. States whose Lagrangian bound reaches the
//! incumbent are dropped. Pseudo-polynomial: `O(core · min(2^core, n))` states a count.

use super::budget::Budget;
use super::relaxation::gain_of;
use super::sets::{Core, Frame, Incumbent};

/// The most workers of the core: each is a bit of [`State::taken`], and a set of all of them must not
/// shift beyond it.
const MAX_OPEN: usize = u128::BITS as usize - 1;

/// Full workers so far.
#[derive(Clone, Copy, Debug)]
struct State {
    capacity: u64,
    cost: u128,
    /// Which workers of the core, by their rank in fee order.
    taken: u128,
}

/// A worker of the plan: decided, or of the core with its rank there.
#[derive(Clone, Copy, Debug)]
struct Item {
    fee: u64,
    s_max: u64,
    gain: i128,
    rank: Option<usize>,
}

/// Searches for sets cheaper than the incumbent; `member` holds the decided set. Returns whether
/// the incumbent is proved optimal; if not, the core was too large or the budget ran out.
pub(super) fn run(
    frame: &Frame<'_>,
    core: &Core,
    member: &[bool],
    incumbent: &mut Incumbent,
    budget: Budget,
) -> bool {
    if core.open.len() > MAX_OPEN {
        return false;
    }
    let mut order: Vec<usize> = core.open.iter().map(|o| o.candidate.position).collect();
    order.sort_unstable();
    let mut programme = Programme::new(frame, core, member, &order, incumbent.cost);
    let proved = programme.advance(budget);
    if let Some(taken) = programme.best_taken {
        incumbent.cost = programme.best_cost;
        incumbent.member = member.to_vec();
        for (rank, &position) in order.iter().enumerate() {
            incumbent.member[position] = taken >> rank & 1 == 1;
        }
        incumbent.employed = incumbent.member.iter().filter(|&&is_in| is_in).count();
    }
    proved
}

struct Programme<'a> {
    n: u64,
    lot: u64,
    core: &'a Core,
    items: Vec<Item>,
    /// Fees of the core in fee order, summed from the front.
    core_fees: Vec<u128>,
    best_cost: u128,
    best_taken: Option<u128>,
}

/// What lies behind the present item.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    /// Decided workers ahead, their capacity, fees and gains.
    decided: u64,
    capacity: u64,
    fees: u128,
    gain: i128,
    /// Workers of the core that were passed.
    passed: usize,
}

impl<'a> Programme<'a> {
    fn new(
        frame: &Frame<'_>,
        core: &'a Core,
        member: &[bool],
        order: &[usize],
        cost: u128,
    ) -> Self {
        let mut items = Vec::new();
        let mut core_fees = vec![0];
        for (position, &decided) in member.iter().enumerate() {
            let rank = order.binary_search(&position).ok();
            if !decided && rank.is_none() {
                continue;
            }
            let candidate = frame.candidate(position);
            items.push(Item {
                fee: candidate.fee,
                s_max: candidate.s_max,
                gain: gain_of(&candidate, core.lambda, frame.lot, core.fraction_bits),
                rank,
            });
            if let Some(rank) = rank {
                core_fees.push(core_fees[rank] + u128::from(candidate.fee));
            }
        }
        Self {
            n: frame.n,
            lot: frame.lot,
            core,
            items,
            core_fees,
            best_cost: cost,
            best_taken: None,
        }
    }

    /// Passes over all items; false when more states were made, or held, than the budget allows.
    fn advance(&mut self, budget: Budget) -> bool {
        let missing = self.core.decided.missing;
        let size = self.core.open.len();
        let best_ahead = BestAhead::new(&self.items, size, missing);
        let mut ahead = Ahead::default();
        for item in self.items.iter().filter(|item| item.rank.is_none()) {
            ahead.decided += 1;
            ahead.capacity += item.s_max;
            ahead.fees += u128::from(item.fee);
            ahead.gain += item.gain;
        }
        // By the number of full workers of the core; each layer by capacity, ascending. Full
        // decided workers are in every state and kept apart.
        let mut layers: Vec<Vec<State>> = vec![Vec::new(); missing + 1];
        layers[0].push(State {
            capacity: 0,
            cost: 0,
            taken: 0,
        });
        let (mut common_capacity, mut common_cost) = (0_u64, 0_u128);
        let mut merged = Vec::new();
        let mut used = 0_u64;
        // The room of all layers and of `merged`, which change places.
        let mut held = layers[0].capacity();
        for index in 0..self.items.len() {
            let item = self.items[index];
            let full_cost = u128::from(item.fee) * u128::from(item.s_max);
            match item.rank {
                None => {
                    ahead.decided -= 1;
                    ahead.capacity -= item.s_max;
                    ahead.fees -= u128::from(item.fee);
                    ahead.gain -= item.gain;
                }
                Some(_) => ahead.passed += 1,
            }
            let core_ahead = size - ahead.passed;
            for (count, layer) in layers.iter().enumerate() {
                let with_item = count + usize::from(item.rank.is_some());
                if with_item <= missing && missing - with_item <= core_ahead {
                    let more = missing - with_item;
                    let common = (common_capacity, common_cost);
                    used += self.close(item, layer, common, &ahead, more);
                }
            }
            if item.rank.is_none() {
                common_capacity += item.s_max;
                common_cost += full_cost;
                used += 1;
            } else {
                let limit = self.core.limit(self.best_cost);
                for count in (0..=missing).rev() {
                    let (before, from) = layers.split_at_mut(count);
                    let shifted = before.last().map_or(&[][..], |layer| layer);
                    let bit = 1 << (ahead.passed - 1);
                    held -= merged.capacity();
                    let room = merged.capacity().max(from[0].len() + shifted.len());
                    if used > budget.states || (held + room) as u64 > budget.held_states {
                        return false;
                    }
                    merge(&from[0], shifted, item.s_max, full_cost, bit, &mut merged);
                    held += merged.capacity();
                    used += merged.len() as u64;
                    if missing - count <= core_ahead {
                        let more = missing - count;
                        let gain = ahead.gain + best_ahead.gain(ahead.passed, more);
                        let reach = ahead.capacity + best_ahead.capacity(ahead.passed, more);
                        let lots = self.lot * (ahead.decided + more as u64);
                        merged.retain(|state| {
                            let capacity = state.capacity + common_capacity;
                            let cost = (state.cost + common_cost) as i128;
                            let left = i128::from(self.n) - i128::from(capacity);
                            capacity + lots <= self.n
                                && capacity + reach >= self.n
                                && (cost << self.core.fraction_bits) + self.core.lambda * left
                                    - gain
                                    < limit
                        });
                    } else {
                        merged.clear();
                    }
                    std::mem::swap(&mut layers[count], &mut merged);
                }
            }
            if used > budget.states {
                return false;
            }
        }
        true
    }

    /// Completes each state of a layer with the item as the partial worker and lots for the
    /// decided ones ahead and the `more` next of the core. Returns how many states it looked at.
    fn close(
        &mut self,
        item: Item,
        layer: &[State],
        (common_capacity, common_cost): (u64, u128),
        ahead: &Ahead,
        more: usize,
    ) -> u64 {
        let lots = self.lot * (ahead.decided + more as u64);
        let Some(left) = self.n.checked_sub(lots + common_capacity) else {
            return 0;
        };
        // The item takes left − capacity, between a lot and its capacity.
        let from = layer.partition_point(|state| state.capacity + item.s_max < left);
        let to = layer.partition_point(|state| state.capacity + self.lot <= left);
        let fees = ahead.fees + self.core_fees[ahead.passed + more] - self.core_fees[ahead.passed];
        let fixed = common_cost + u128::from(self.lot) * fees;
        for state in &layer[from..to.max(from)] {
            let x = left - state.capacity;
            let cost = state.cost + fixed + u128::from(item.fee) * u128::from(x);
            if cost < self.best_cost {
                let next = ((1_u128 << more) - 1) << ahead.passed;
                let own = item.rank.map_or(0, |rank| 1 << rank);
                self.best_cost = cost;
                self.best_taken = Some(state.taken | own | next);
            }
        }
        to.saturating_sub(from) as u64
    }
}

/// Two layers as one, by capacity: the states as they are, and those of the layer below with the
/// item taken. Of equal capacities the cheaper state stays.
fn merge(
    kept: &[State],
    below: &[State],
    s_max: u64,
    cost: u128,
    bit: u128,
    merged: &mut Vec<State>,
) {
    merged.clear();
    merged.reserve_exact(kept.len() + below.len());
    let mut shifted = below
        .iter()
        .map(|state| State {
            capacity: state.capacity + s_max,
            cost: state.cost + cost,
            taken: state.taken | bit,
        })
        .peekable();
    let mut push = |state: State| match merged.last_mut() {
        Some(last) if last.capacity == state.capacity => {
            if state.cost < last.cost {
                *last = state;
            }
        }
        _ => merged.push(state),
    };
    for &state in kept {
        while let Some(other) = shifted.next_if(|other| other.capacity < state.capacity) {
            push(other);
        }
        push(state);
    }
    shifted.for_each(push);
}

/// The largest total gain and capacity of a number of workers of the core, from some rank on.
struct BestAhead {
    width: usize,
    gains: Vec<i128>,
    capacities: Vec<u64>,
}

impl BestAhead {
    fn new(items: &[Item], size: usize, missing: usize) -> Self {
        let width = missing + 1;
        let mut gains = vec![0; (size + 1) * width];
        let mut capacities = vec![0; (size + 1) * width];
        let (mut best_gains, mut best_capacities) = (Vec::new(), Vec::new());
        for item in items.iter().rev() {
            let Some(rank) = item.rank else { continue };
            let place = best_gains.partition_point(|&other| other > item.gain);
            best_gains.insert(place, item.gain);
            let place = best_capacities.partition_point(|&other| other > item.s_max);
            best_capacities.insert(place, item.s_max);
            for count in 1..width.min(best_gains.len() + 1) {
                let cell = rank * width + count;
                gains[cell] = gains[cell - 1] + best_gains[count - 1];
                capacities[cell] = capacities[cell - 1] + best_capacities[count - 1];
            }
        }
        Self {
            width,
            gains,
            capacities,
        }
    }

    fn gain(&self, passed: usize, count: usize) -> i128 {
        self.gains[passed * self.width + count]
    }

    fn capacity(&self, passed: usize, count: usize) -> u64 {
        self.capacities[passed * self.width + count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::sets::{Decided, Open};
    use crate::rank::Keys;
    use scheduler::{Fee, Problem, Worker};

    /// One of `open` workers must take everything, and only the most expensive can.
    fn one_of(open: usize) -> (bool, Option<usize>) {
        let worker = |i: usize| Worker {
            s_max: if i + 1 == open { 150 } else { 100 },
            fee: Fee::from_micros(1 + i as u64).expect("small"),
        };
        let problem = Problem::new(150, 100, 0, (0..open).map(worker).collect()).expect("small");
        let mut keys = Keys::default();
        let frame = Frame {
            ranked: keys.by_fee(&problem),
            n: 150,
            lot: 100,
        };
        let candidates = (0..open).map(|position| frame.candidate(position));
        let core = Core {
            open: candidates
                .map(|candidate| Open {
                    candidate,
                    taken: false,
                    penalty: 0,
                })
                .collect(),
            decided: Decided {
                missing: 1,
                capacity: 0,
                cost: 0,
            },
            scaled_bound: 0,
            lambda: 0,
            fraction_bits: 0,
        };
        let mut incumbent = Incumbent {
            cost: 1_000_000,
            employed: 0,
            member: Vec::new(),
        };
        let member = vec![false; open];
        let proved = run(&frame, &core, &member, &mut incumbent, Budget::default());
        (proved, incumbent.member.iter().position(|&is_in| is_in))
    }

    #[test]
    fn as_many_workers_as_fit_a_set_and_no_more() {
        assert_eq!(one_of(2), (true, Some(1)));
        assert_eq!(one_of(MAX_OPEN), (true, Some(MAX_OPEN - 1)));
        assert_eq!(one_of(MAX_OPEN + 1), (false, None));
        assert_eq!(one_of(300), (false, None));
    }
}
