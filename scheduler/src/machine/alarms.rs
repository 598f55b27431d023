//! One alarm for each worker, and which goes off first.
//!
//! A worker's alarm is postponed with every beat it sends and rarely goes off. So an entry of the heap
//! may be early, never late: postponing an alarm costs nothing until the entry comes to the top,
//! where it is corrected. There is never more than one entry for a worker.

use crate::ids::WorkerId;
use crate::time::Instant;

const NOWHERE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(crate) struct Alarms {
    heap: Vec<(Instant, WorkerId)>,
    // By worker: when its alarm goes off, and where its entry is.
    due: Vec<Option<Instant>>,
    place: Vec<u32>,
}

impl Alarms {
    /// Sets, moves or postpones the worker's alarm.
    pub(crate) fn set(&mut self, worker: WorkerId, at: Instant) {
        let i = worker.index();
        if i >= self.due.len() {
            self.due.resize(i + 1, None);
            self.place.resize(i + 1, NOWHERE);
        }
        self.due[i] = Some(at);
        if self.place[i] == NOWHERE {
            self.place[i] = self.heap.len() as u32; // at most MAX_WORKERS
            self.heap.push((at, worker));
            self.rise(self.heap.len() - 1);
        } else {
            let place = self.place[i] as usize;
            if at < self.heap[place].0 {
                self.heap[place].0 = at;
                self.rise(place);
            }
        }
    }

    pub(crate) fn clear(&mut self, worker: WorkerId) {
        if let Some(due) = self.due.get_mut(worker.index()) {
            *due = None;
        }
    }

    /// The alarm that goes off first; on ties the worker of the lowest number.
    pub(crate) fn first(&mut self) -> Option<(Instant, WorkerId)> {
        while let Some(&(at, worker)) = self.heap.first() {
            match self.due[worker.index()] {
                Some(due) if due == at => return Some((at, worker)),
                Some(due) => {
                    self.heap[0].0 = due;
                    self.sink(0);
                }
                None => {
                    self.place[worker.index()] = NOWHERE;
                    let last = self.heap.pop().expect("the heap has a first entry");
                    if !self.heap.is_empty() {
                        self.put(0, last);
                        self.sink(0);
                    }
                }
            }
        }
        None
    }

    fn put(&mut self, place: usize, entry: (Instant, WorkerId)) {
        self.heap[place] = entry;
        self.place[entry.1.index()] = place as u32;
    }

    fn rise(&mut self, mut place: usize) {
        let entry = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / 4;
            if self.heap[parent] <= entry {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, entry);
    }

    fn sink(&mut self, mut place: usize) {
        let entry = self.heap[place];
        loop {
            let children = place * 4 + 1..(place * 4 + 5).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child]) else {
                break;
            };
            if entry <= self.heap[least] {
                break;
            }
            self.put(place, self.heap[least]);
            place = least;
        }
        self.put(place, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_goes_off_like_a_sorted_list(
            orders in prop::collection::vec((0..12_u32, prop::option::of(0..50_u64)), 0..200),
        ) {
            let (mut alarms, mut list) = (Alarms::default(), BTreeMap::new());
            for (worker, at) in orders {
                let worker = WorkerId::new(worker);
                match at {
                    Some(at) => {
                        alarms.set(worker, Instant::from_nanos(at));
                        list.insert(worker, Instant::from_nanos(at));
                    }
                    None => {
                        alarms.clear(worker);
                        list.remove(&worker);
                    }
                }
                let first = list.iter().map(|(&worker, &at)| (at, worker)).min();
                prop_assert_eq!(alarms.first(), first);
                prop_assert!(alarms.heap.len() <= 12);
            }
        }
    }
}
