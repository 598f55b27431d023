//! Eligible workers, cheapest first: what the heuristic and the exact allocator start from.

use scheduler::{Fee, MAX_BATCHES, MAX_WORKERS, Plan, Problem, Worker};

/// A key holds a fee above and a worker's index below, so that sorting integers sorts workers.
const INDEX_BITS: u32 = 20;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

const _: () = assert!(MAX_WORKERS <= 1 << INDEX_BITS);
const _: () = assert!(Fee::MAX.micros() < 1 << (u64::BITS - INDEX_BITS));

/// A buffer of sort keys that is kept between problems.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<u64>);

impl Keys {
    /// The eligible workers by (fee, index): the stable order of the thesis program.
    pub(crate) fn by_fee<'a>(&'a mut self, problem: &'a Problem) -> Ranked<'a> {
        let capacity = self.collect(problem);
        self.0.sort_unstable();
        self.ranked(problem, capacity)
    }

    /// Of the workers with the same fee as the one at `position`, puts the largest first. Returns the
    /// position of the first of them.
    pub(crate) fn largest_first(&mut self, problem: &Problem, position: usize) -> usize {
        let keys = &mut self.0;
        let fee = keys[position] >> INDEX_BITS;
        let start = keys[..position].partition_point(|key| key >> INDEX_BITS < fee);
        let length = keys[position..].partition_point(|key| key >> INDEX_BITS == fee);
        let run = &mut keys[start..position + length];
        if run.len() > 1 {
            // Their fee is known, so its place in the key can hold the missing capacity.
            for key in run.iter_mut() {
                let s_max = problem.workers()[index_of(*key)].s_max;
                *key = (MAX_BATCHES - s_max) << INDEX_BITS | (*key & INDEX_MASK);
            }
            run.sort_unstable();
            for key in run.iter_mut() {
                *key = fee << INDEX_BITS | (*key & INDEX_MASK);
            }
        }
        start
    }

    /// Fills in the keys of the eligible workers, unsorted; returns their total capacity.
    fn collect(&mut self, problem: &Problem) -> u64 {
        let lot = problem.lot();
        let keys = &mut self.0;
        keys.resize(problem.workers().len(), 0);
        // Written without a branch: half of the workers may be too small, unpredictably.
        let (mut count, mut capacity) = (0, 0);
        for (index, worker) in problem.workers().iter().enumerate() {
            let eligible = worker.s_max >= lot;
            keys[count] = worker.fee.micros() << INDEX_BITS | index as u64;
            count += usize::from(eligible);
            capacity += if eligible { worker.s_max } else { 0 };
        }
        keys.truncate(count);
        capacity
    }

    /// The workers as they are ordered now.
    pub(crate) fn ranked<'a>(&'a self, problem: &'a Problem, capacity: u64) -> Ranked<'a> {
        Ranked {
            keys: &self.0,
            workers: problem.workers(),
            n: problem.n(),
            capacity,
        }
    }
}

/// Eligible workers by position: 0 is the cheapest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranked<'a> {
    keys: &'a [u64],
    workers: &'a [Worker],
    n: u64,
    /// The capacities of all of them together.
    pub(crate) capacity: u64,
}

impl Ranked<'_> {
    /// How many workers are eligible.
    pub(crate) const fn len(&self) -> usize {
        self.keys.len()
    }

    /// The worker's index in the problem.
    pub(crate) fn index(&self, position: usize) -> usize {
        index_of(self.keys[position])
    }

    /// Its fee in micro-units.
    pub(crate) fn fee(&self, position: usize) -> u64 {
        self.keys[position] >> INDEX_BITS
    }

    /// Its capacity; more than all the data is as good as all the data.
    pub(crate) fn s_max(&self, position: usize) -> u64 {
        self.workers[self.index(position)].s_max.min(self.n)
    }

    /// The plan that gives every worker at the `positions` (ascending) one lot, and the rest of
    /// the data to the cheapest first. The caller knows that n lies between their lots and their capacities.
    pub(crate) fn fill(
        &self,
        lot: u64,
        count: usize,
        positions: impl Iterator<Item = usize>,
    ) -> Plan {
        let mut batches = vec![0; self.workers.len()];
        let mut rest = self.n - lot * count as u64;
        let mut cost = 0_u128;
        for position in positions {
            let extra = rest.min(self.s_max(position) - lot);
            rest -= extra;
            batches[self.index(position)] = lot + extra;
            cost += u128::from(self.fee(position)) * u128::from(lot + extra);
        }
        let cost = scheduler::Cost::from_micros(cost);
        Plan { batches, cost }
    }
}

const fn index_of(key: u64) -> usize {
    (key & INDEX_MASK) as usize
}
