//! Which batches each worker holds.
//!
//! The scheduler counts batches; their indices are kept here, by the one rule that makes counts
//! enough: a worker keeps the first of the batches that it holds, the others go to a pool, and
//! workers that lack some take from the pool. The pool gives its lowest first, so that the same
//! orders hand out the same batches; but what a worker took along that may come back with it, it
//! gives last.
//!
//! **What it does not know:** what a batch is, and how it travels.

use std::collections::{BTreeMap, BTreeSet};

use scheduler::machine::WorkerId;

/// The batches of a job, and the workers that hold them.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pool: BTreeSet<u64>,
    /// In the order in which they are trained.
    held: BTreeMap<WorkerId, Vec<u64>>,
    /// What each worker has, whether it is here or not, and whether it is still to hold it or not.
    has: BTreeMap<WorkerId, Has>,
    /// What a worker held before the run was resumed: it gets those again if it can.
    wanted: BTreeMap<WorkerId, Vec<u64>>,
}

/// An order to ship: its session and its plan.
pub(crate) type ShipOrder = (u32, u32);

/// What a worker has by the last order that it was sent.
#[derive(Clone, Debug)]
struct Has {
    order: ShipOrder,
    batches: Vec<u64>,
    /// The number that have arrived there.
    arrived: u64,
}

impl Placement {
    /// No worker holds any of the batches `0 .. batches`.
    pub(crate) fn new(batches: u64) -> Self {
        Self {
            pool: (0..batches).collect(),
            held: BTreeMap::new(),
            has: BTreeMap::new(),
            wanted: BTreeMap::new(),
        }
    }

    /// Gives a worker these batches first, which it held before.
    pub(crate) fn prefer(&mut self, worker: WorkerId, batches: Vec<u64>) {
        self.wanted.insert(worker, batches);
    }

    /// Under a new plan, a worker keeps at most this number.
    pub(crate) fn keep(&mut self, worker: WorkerId, at_most: u64) {
        if let Some(held) = self.held.get_mut(&worker) {
            let rest = held.split_off(held.len().min(at_most as usize));
            self.pool.extend(rest);
        }
    }

    /// A worker is gone: no worker that is here holds its batches.
    pub(crate) fn release(&mut self, worker: WorkerId) {
        self.pool
            .extend(self.held.remove(&worker).unwrap_or_default());
    }

    /// A worker comes, and says how many batches of which order it still has.
    pub(crate) fn returns(&mut self, worker: WorkerId, holds: Option<(ShipOrder, u64)>) {
        if let Some(has) = self.has.get_mut(&worker) {
            let same = holds.filter(|(order, _)| *order == has.order);
            has.arrived = same.map_or(0, |(_, batches)| batches);
        }
    }

    /// This number of the batches of its last order have arrived at a worker.
    pub(crate) fn arrived(&mut self, worker: WorkerId, batches: u64) {
        if let Some(has) = self.has.get_mut(&worker) {
            has.arrived = has.arrived.max(batches);
        }
    }

    /// No worker holds anything any more, and nothing is of use again.
    pub(crate) fn take_back(&mut self) {
        self.pool
            .extend(std::mem::take(&mut self.held).into_values().flatten());
        self.has.clear();
    }

    /// Has a worker, by this order, keep its first `keep` and take `new` more. Returns how many it keeps,
    /// with those that it still has from before and that nobody else has got, and what it is sent.
    ///
    /// # Panics
    /// When there are too few: the scheduler handed out more batches than there are.
    pub(crate) fn ship(
        &mut self,
        worker: WorkerId,
        order: ShipOrder,
        keep: u64,
        new: u64,
    ) -> (u64, Vec<u64>) {
        self.keep(worker, keep);
        let mut held = self.held.remove(&worker).unwrap_or_default();
        let all = held.len() + new as usize;
        if let Some(has) = self.has.remove(&worker) {
            let arrived = has.batches.len().min(has.arrived as usize).min(all);
            let more = has.batches.get(held.len()..arrived).unwrap_or_default();
            held.extend(more.iter().take_while(|batch| self.pool.remove(*batch)));
        }
        let kept = held.len();
        let wanted = self.wanted.get(&worker).into_iter().flatten();
        let mut taken: Vec<u64> = wanted.skip(kept).take(all - kept).copied().collect();
        if taken.iter().any(|batch| !self.pool.contains(batch)) {
            taken.clear(); // another worker has some of them: then any will do
        }
        for batch in &taken {
            self.pool.remove(batch);
        }
        let missing = all - kept - taken.len();
        taken.extend(self.draw(missing));
        held.extend(&taken);
        let has = Has {
            order,
            batches: held.clone(),
            arrived: kept as u64,
        };
        self.has.insert(worker, has);
        self.held.insert(worker, held);
        (kept as u64, taken)
    }

    /// What a worker holds, in the order in which it is trained.
    pub(crate) fn of(&self, worker: WorkerId) -> &[u64] {
        self.held.get(&worker).map_or(&[], Vec::as_slice)
    }

    /// Takes this number of batches out of the pool: first those that nobody may bring back.
    fn draw(&mut self, count: usize) -> Vec<u64> {
        let (has, held) = (&self.has, &self.held);
        let left = has.iter().filter(|(worker, _)| !held.contains_key(worker));
        let left: Vec<&[u64]> = left.map(|(_, has)| has.batches.as_slice()).collect();
        let away: BTreeSet<u64> = left.iter().copied().flatten().copied().collect();
        let free = self.pool.iter().filter(|batch| !away.contains(*batch));
        let mut drawn: Vec<u64> = free.take(count).copied().collect();
        for batch in &drawn {
            self.pool.remove(batch);
        }
        // Of the others the last ones: the first are of use without those behind them.
        let others = left.into_iter().flat_map(|left| left.iter().rev());
        let missing = count - drawn.len();
        drawn.extend(
            others
                .filter(|batch| self.pool.remove(*batch))
                .take(missing),
        );
        assert_eq!(
            drawn.len(),
            count,
            "a plan hands out no more batches than there are"
        );
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: u32) -> WorkerId {
        WorkerId::new(number)
    }

    #[test]
    fn the_first_are_kept_and_the_rest_changes_hands() {
        let mut placement = Placement::new(10);
        let sent = |shipped: (u64, Vec<u64>)| shipped.1;
        assert_eq!(
            placement.ship(id(0), (1, 1), 0, 6),
            (0, vec![0, 1, 2, 3, 4, 5])
        );
        assert_eq!(placement.ship(id(1), (2, 1), 0, 4), (0, vec![6, 7, 8, 9]));
        placement.keep(id(0), 3);
        assert_eq!(placement.ship(id(1), (2, 2), 4, 3), (4, vec![3, 4, 5]));
        assert_eq!(placement.of(id(1)), [6, 7, 8, 9, 3, 4, 5]);
        placement.release(id(1));
        assert_eq!(placement.of(id(1)), [0_u64; 0]);
        placement.keep(id(0), 1);
        let drawn = sent(placement.ship(id(2), (3, 3), 0, 4));
        assert_eq!(drawn, [1, 2, 5, 4], "first what nobody may bring back");
        placement.take_back();
        assert_eq!(sent(placement.ship(id(2), (3, 4), 0, 4)), [0, 1, 2, 3]);
    }

    #[test]
    fn who_comes_back_is_not_sent_what_it_still_has() {
        let begun = || {
            let mut placement = Placement::new(10);
            placement.ship(id(0), (1, 1), 0, 6);
            placement.arrived(id(0), 6);
            placement.ship(id(1), (2, 1), 0, 4);
            placement.release(id(0));
            placement
        };
        // Nobody else got any of it.
        let mut placement = begun();
        placement.returns(id(0), Some(((1, 1), 6)));
        assert_eq!(placement.ship(id(0), (3, 1), 0, 6), (6, vec![]));
        assert_eq!(placement.of(id(0)), [0, 1, 2, 3, 4, 5]);
        // A part of it had arrived, and others got the end of it.
        let mut placement = begun();
        assert_eq!(placement.ship(id(1), (2, 2), 4, 2), (4, vec![5, 4]));
        placement.returns(id(0), Some(((1, 1), 5)));
        placement.keep(id(1), 4);
        placement.ship(id(2), (4, 4), 0, 1);
        assert_eq!(placement.ship(id(0), (3, 2), 0, 5), (5, vec![]));
        // By another order, nothing, or more than there is of it: only what can be is believed.
        for (holds, expected) in [
            (Some(((1, 2), 6)), 0),
            (None, 0),
            (Some(((1, 1), u64::MAX)), 6),
        ] {
            let mut placement = begun();
            placement.returns(id(0), holds);
            assert_eq!(placement.ship(id(0), (3, 2), 0, 6).0, expected);
        }
        // A share that shrank and grows again.
        let mut placement = begun();
        placement.arrived(id(1), 4);
        placement.keep(id(1), 1);
        assert_eq!(placement.ship(id(1), (2, 2), 1, 4), (4, vec![5]));
    }

    #[test]
    fn a_resumed_run_hands_out_what_was_held() {
        let mut placement = Placement::new(6);
        placement.prefer(id(0), vec![4, 1, 5]);
        assert_eq!(placement.ship(id(0), (1, 1), 0, 2).1, [4, 1]);
        assert_eq!(placement.ship(id(0), (1, 2), 2, 1).1, [5]);
        // Somebody else was quicker: any others then.
        placement.prefer(id(1), vec![0, 1]);
        assert_eq!(placement.ship(id(1), (2, 1), 0, 2).1, [0, 2]);
    }

    proptest! {
        /// Random plans, losses and returns: every batch has one holder or none, counts agree, and what
        /// a worker is to keep is what it has, as the worker says itself.
        #[test]
        fn every_batch_is_in_one_place(
            n in 1..60_u64,
            deeds in prop::collection::vec((0..5_u32, 0..60_u64, 0..60_u64, any::<bool>()), 0..40),
        ) {
            let mut placement = Placement::new(n);
            let mut has: BTreeMap<u32, (ShipOrder, Vec<u64>)> = BTreeMap::new();
            for (number, (worker, share, arrives, lost)) in (0..).zip(deeds) {
                if lost {
                    placement.release(id(worker));
                    let holds = has.get(&worker).map(|(order, has)| (*order, has.len() as u64));
                    placement.returns(id(worker), holds);
                } else {
                    let others: u64 = (0..5).filter(|w| *w != worker)
                        .map(|w| placement.of(id(w)).len() as u64).sum();
                    let share = share.min(n - others);
                    let before = placement.of(id(worker)).to_vec();
                    let keep = share.min(before.len() as u64);
                    placement.keep(id(worker), share);
                    let order = (worker, number);
                    let (kept, new) = placement.ship(id(worker), order, keep, share - keep);
                    prop_assert!(kept >= keep && kept + new.len() as u64 == share);
                    let (_, mut own) = has.remove(&worker).unwrap_or_default();
                    own.truncate(kept as usize);
                    own.extend(new.iter().take(arrives as usize));
                    let all = placement.of(id(worker));
                    prop_assert_eq!(&own, &all[..own.len()], "it has what it is thought to have");
                    // It may be told to keep only what has arrived.
                    let arrived = own.len() as u64;
                    placement.keep(id(worker), arrived);
                    placement.arrived(id(worker), arrived);
                    has.insert(worker, (order, own));
                }
                let mut all: Vec<u64> = placement.pool.iter().copied().collect();
                all.extend(placement.held.values().flatten());
                all.sort_unstable();
                prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
            }
        }
    }
}
