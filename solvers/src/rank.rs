//! Eligible workers, cheapest first: what the heuristic and the exact allocator start from.

use scheduler::{Fee, MAX_BATCHES, MAX_WORKERS, Problem, Worker};

/// A key holds a fee above and a worker's index below, so that sorting integers sorts workers.
const INDEX_BITS: u32 = 20;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

const _: () = assert!(MAX_WORKERS <= 1 << INDEX_BITS);
const _: () = assert!(Fee::MAX.micros() < 1 << (u64::BITS - INDEX_BITS));

const _: () = assert!(MAX_BATCHES <= u32::MAX as u64);

/// As many workers are in the fastest memory at once.
const FEW: usize = 1 << 10;

/// Buffers that are kept between problems.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Sort keys of the eligible workers.
    keys: Vec<u64>,
    /// The capacities of many workers, in little memory: they are looked up in the order of fees. Those of few
    /// are near anyway, and this is empty.
    capacities: Vec<u32>,
}

impl Keys {
    /// The eligible workers by (fee, index): the stable order of the thesis program.
    pub(crate) fn by_fee<'a>(&'a mut self, problem: &'a Problem) -> Ranked<'a> {
        let capacity = self.collect(problem);
        self.keys.sort_unstable();
        self.ranked(problem, capacity)
    }

    /// Of the workers with the same fee as the one at `position`, puts the largest first. Returns the
    /// position of the first of them.
    pub(crate) fn largest_first(&mut self, problem: &Problem, position: usize) -> usize {
        let keys = &mut self.keys;
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
        let (n, lot) = (problem.n(), problem.lot());
        let (keys, capacities) = (&mut self.keys, &mut self.capacities);
        keys.resize(problem.workers().len(), 0);
        capacities.clear();
        if problem.workers().len() > FEW {
            let within = |worker: &Worker| worker.s_max.min(n) as u32;
            capacities.extend(problem.workers().iter().map(within));
        }
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
            keys: &self.keys,
            workers: problem.workers(),
            capacities: &self.capacities,
            n: problem.n(),
            lot: problem.lot(),
            capacity,
        }
    }
}

/// Eligible workers by position: 0 is the cheapest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranked<'a> {
    keys: &'a [u64],
    workers: &'a [Worker],
    /// Of all workers, or of none.
    capacities: &'a [u32],
    n: u64,
    lot: u64,
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
        let index = self.index(position);
        match self.capacities.get(index) {
            Some(&capacity) => capacity.into(),
            None => self.workers[index].s_max.min(self.n),
        }
    }

    /// What workers get, by index, when those with a lower fee than this are full and others have nothing.
    /// In the order of indices, which is the order in memory.
    pub(crate) fn full_below(&self, fee: u64) -> Vec<u64> {
        let batches = self.workers.iter().map(|worker| {
            let is_full = (worker.fee.micros() < fee) & (worker.s_max >= self.lot);
            if is_full { worker.s_max.min(self.n) } else { 0 }
        });
        batches.collect()
    }
}

const fn index_of(key: u64) -> usize {
    (key & INDEX_MASK) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_the_same_for_few_workers_and_for_many() {
        for count in [3, FEW, FEW + 1, 3 * FEW] {
            let worker = |at: usize| Worker {
                s_max: at as u64 * 7919 % 50,
                fee: Fee::from_micros(at as u64 * 104_729 % 31).expect("small"),
            };
            let problem = Problem::new(40, 5, 0, (0..count).map(worker).collect()).expect("small");
            let mut keys = Keys::default();
            let ranked = keys.by_fee(&problem);
            let workers = problem.workers();
            for position in 0..ranked.len() {
                let expected = workers[ranked.index(position)].s_max.min(40);
                assert_eq!(ranked.s_max(position), expected);
            }
            let full = ranked.full_below(20);
            for (worker, x) in workers.iter().zip(full) {
                let is_full = worker.fee.micros() < 20 && worker.s_max >= 5;
                assert_eq!(x, if is_full { worker.s_max.min(40) } else { 0 });
            }
        }
    }
}
