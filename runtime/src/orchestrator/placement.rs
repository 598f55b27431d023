//! Which batches each worker holds.
//!
//! The scheduler counts batches; their indices are kept here, by the one rule that makes counts
//! enough: a worker keeps the first of the batches that it holds, the others go to a pool, and
//! workers that lack some take from the pool. The pool gives its lowest first, so that the same
//! orders hand out the same batches.
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
    /// What a worker held before the run was resumed: it gets those again if it can.
    wanted: BTreeMap<WorkerId, Vec<u64>>,
}

impl Placement {
    /// No worker holds any of the batches `0 .. batches`.
    pub(crate) fn new(batches: u64) -> Self {
        Self {
            pool: (0..batches).collect(),
            held: BTreeMap::new(),
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

    /// A worker is gone: no worker holds its batches.
    pub(crate) fn release(&mut self, worker: WorkerId) {
        self.pool
            .extend(self.held.remove(&worker).unwrap_or_default());
    }

    /// No worker holds anything any more.
    pub(crate) fn take_back(&mut self) {
        self.pool
            .extend(std::mem::take(&mut self.held).into_values().flatten());
    }

    /// Has a worker keep its first `keep` and take `new` ones; returns these.
    ///
    /// # Panics
    /// When there are too few: the scheduler handed out more batches than there are.
    pub(crate) fn ship(&mut self, worker: WorkerId, keep: u64, new: u64) -> Vec<u64> {
        self.keep(worker, keep);
        let wanted = self.wanted.get(&worker).into_iter().flatten();
        let mut taken: Vec<u64> = wanted
            .skip(keep as usize)
            .take(new as usize)
            .copied()
            .collect();
        if taken.iter().any(|batch| !self.pool.contains(batch)) {
            taken.clear(); // another worker has some of them: then any will do
        }
        for batch in &taken {
            self.pool.remove(batch);
        }
        while (taken.len() as u64) < new {
            let batch = self.pool.pop_first();
            taken.push(batch.expect("a plan hands out no more batches than there are"));
        }
        self.held.entry(worker).or_default().extend(&taken);
        taken
    }

    /// What a worker holds, in the order in which it is trained.
    pub(crate) fn of(&self, worker: WorkerId) -> &[u64] {
        self.held.get(&worker).map_or(&[], Vec::as_slice)
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
        assert_eq!(placement.ship(id(0), 0, 6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(placement.ship(id(1), 0, 4), [6, 7, 8, 9]);
        placement.keep(id(0), 3);
        assert_eq!(placement.ship(id(1), 4, 3), [3, 4, 5]);
        assert_eq!(placement.of(id(1)), [6, 7, 8, 9, 3, 4, 5]);
        placement.release(id(1));
        assert_eq!(placement.ship(id(2), 0, 2), [3, 4]);
        assert_eq!(placement.of(id(1)), [0_u64; 0]);
        placement.take_back();
        assert_eq!(placement.ship(id(2), 0, 4), [0, 1, 2, 3]);
    }

    #[test]
    fn a_resumed_run_hands_out_what_was_held() {
        let mut placement = Placement::new(6);
        placement.prefer(id(0), vec![4, 1, 5]);
        assert_eq!(placement.ship(id(0), 0, 2), [4, 1]);
        assert_eq!(placement.ship(id(0), 2, 1), [5]);
        // Somebody else was quicker: any others then.
        placement.prefer(id(1), vec![0, 1]);
        assert_eq!(placement.ship(id(1), 0, 2), [0, 2]);
    }

    proptest! {
        /// Random plans and losses: every batch has one holder or none, and counts agree.
        #[test]
        fn every_batch_is_in_one_place(
            n in 1..60_u64, seed in prop::collection::vec((0..5_u32, 0..60_u64, any::<bool>()), 0..40),
        ) {
            let mut placement = Placement::new(n);
            for (worker, share, lost) in seed {
                if lost {
                    placement.release(id(worker));
                } else {
                    let others: u64 = (0..5).filter(|w| *w != worker)
                        .map(|w| placement.of(id(w)).len() as u64).sum();
                    let share = share.min(n - others);
                    let before = placement.of(id(worker)).to_vec();
                    let keep = share.min(before.len() as u64);
                    placement.keep(id(worker), share);
                    placement.ship(id(worker), keep, share - keep);
                    prop_assert_eq!(&placement.of(id(worker))[..keep as usize], &before[..keep as usize]);
                    prop_assert_eq!(placement.of(id(worker)).len() as u64, share);
                }
                let mut all: Vec<u64> = placement.pool.iter().copied().collect();
                all.extend(placement.held.values().flatten());
                all.sort_unstable();
                prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
            }
        }
    }
}
