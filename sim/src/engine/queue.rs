//! The event queue: a heap with four children per node, keyed by time, then by order of arrival.

use scheduler::Instant;

/// Children of a node. Four make the heap half as deep as two, and lie side by side in memory.
const CHILDREN: usize = 4;

/// Happenings in the order of their times; those of one time in the order in which they were
/// put in.
///
/// Taking the first one out leaves its place open, and what is put in next takes that place: a
/// happening that causes one other costs one walk through the heap, not two. Each costs at most
/// the logarithm of the number that waits. Memory is allocated only when more wait than before.
///
/// Payloads are copied about within the heap, so they should be small.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    heap: Vec<Entry<E>>,
    /// The first entry was taken out, and its place is open.
    open: bool,
    sequence: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry<E> {
    at: Instant,
    sequence: u64,
    payload: E,
}

impl<E: Copy> Queue<E> {
    /// A queue with room for this number of happenings.
    pub fn with_capacity(room: usize) -> Self {
        Self {
            heap: Vec::with_capacity(room),
            open: false,
            sequence: 0,
        }
    }

    /// How many happenings wait.
    pub const fn len(&self) -> usize {
        self.heap.len() - self.open as usize
    }

    /// Whether no happening waits.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Schedules something for a time, after everything that is scheduled for that time already.
    pub fn push(&mut self, at: Instant, payload: E) {
        let entry = Entry {
            at,
            sequence: self.sequence,
            payload,
        };
        self.sequence += 1; // 584 years at one per nanosecond
        if self.open {
            self.open = false;
            self.sink(entry);
        } else {
            self.heap.push(entry);
            self.rise(entry, self.heap.len() - 1);
        }
    }

    /// When the next happening comes.
    pub fn next_at(&mut self) -> Option<Instant> {
        self.close();
        self.heap.first().map(|entry| entry.at)
    }

    /// Takes the next happening.
    pub fn pop(&mut self) -> Option<(Instant, E)> {
        self.close();
        let &Entry { at, payload, .. } = self.heap.first()?;
        self.open = true;
        Some((at, payload))
    }

    /// Fills the open place with the last entry.
    fn close(&mut self) {
        if self.open {
            self.open = false;
            if let Some(last) = self.heap.pop()
                && !self.heap.is_empty()
            {
                self.sink(last);
            }
        }
    }

    /// Finds the place of an entry, from the first one on: the least children move up until none
    /// is left, then the entry rises to its place. It is mostly far down, so that asking on every
    /// level whether it has come to it would cost more.
    fn sink(&mut self, entry: Entry<E>) {
        let heap = self.heap.as_mut_slice();
        let mut hole = 0;
        loop {
            let first = hole * CHILDREN + 1;
            let Some(rest) = heap.get(first..) else {
                break;
            };
            let least = match rest.first_chunk() {
                Some(all) => first + least_of_four(all),
                None => {
                    let some = rest.iter().enumerate();
                    match some.min_by_key(|(_, entry)| entry.key()) {
                        Some((at, _)) => first + at,
                        None => break,
                    }
                }
            };
            heap[hole] = heap[least];
            hole = least;
        }
        self.rise(entry, hole);
    }

    /// Finds the place of an entry from an open one on upwards.
    fn rise(&mut self, entry: Entry<E>, mut hole: usize) {
        let heap = self.heap.as_mut_slice();
        let key = entry.key();
        while hole > 0 {
            let parent = (hole - 1) / CHILDREN;
            if heap[parent].key() < key {
                break;
            }
            heap[hole] = heap[parent];
            hole = parent;
        }
        heap[hole] = entry;
    }
}

impl<E> Entry<E> {
    /// No two are equal.
    const fn key(&self) -> u128 {
        (self.at.nanos() as u128) << 64 | self.sequence as u128
    }
}

/// Which of four is the least: a knock-out without branches, which no processor could predict.
fn least_of_four<E>(four: &[Entry<E>; CHILDREN]) -> usize {
    let keys = [0, 1, 2, 3].map(|i: usize| four[i].key());
    let left = usize::from(keys[1] < keys[0]);
    let right = 2 + usize::from(keys[3] < keys[2]);
    let (a, b) = (keys[0].min(keys[1]), keys[2].min(keys[3]));
    let is_right = usize::from(b < a);
    left + (right - left) * is_right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Generation;
    use proptest::prelude::*;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// What to do with the queue.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Something of this owner happens then.
        Push(u64, usize),
        Pop,
        /// All of this owner is cancelled.
        CallOff(usize),
        Look,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..20_u64, 0..3_usize).prop_map(|(time, owner)| Step::Push(time, owner)),
            3 => Just(Step::Pop),
            1 => (0..3_usize).prop_map(Step::CallOff),
            1 => Just(Step::Look),
        ]
    }

    #[test]
    fn equal_times_keep_their_order() {
        let mut queue = Queue::with_capacity(0);
        for payload in 0..1_000_u32 {
            queue.push(at(u64::from(payload % 3)), payload);
        }
        let mut last = (at(0), 0);
        for count in (0..1_000).rev() {
            let (time, payload) = queue.pop().expect("as many as were put in");
            assert!(
                (time, payload) >= last,
                "{payload} at {time:?} after {last:?}"
            );
            last = (time, payload);
            assert_eq!(queue.len(), count);
        }
        assert_eq!(queue.pop(), None);
        assert!(queue.is_empty());
    }

    #[test]
    fn nothing_is_allocated_in_a_steady_state() {
        let mut queue = Queue::with_capacity(100);
        for payload in 0..100_u32 {
            queue.push(at(u64::from(payload)), payload);
        }
        let room = queue.heap.capacity();
        for _ in 0..10_000 {
            let (time, payload) = queue.pop().expect("a hundred wait");
            queue.push(
                at(time.nanos() + 1 + u64::from(payload) * 7_919 % 101),
                payload,
            );
        }
        assert_eq!((queue.len(), queue.heap.capacity()), (100, room));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Against a list that is searched for its least time, first come first.
        #[test]
        fn it_is_a_sorted_list(steps in prop::collection::vec(step(), 0..200)) {
            let mut queue = Queue::with_capacity(0);
            let mut generations = [Generation::default(); 3];
            let mut list: Vec<(u64, u64, usize)> = Vec::new();
            let mut count = 0_u64;
            for step in steps {
                match step {
                    Step::Push(time, owner) => {
                        queue.push(at(time), (count, owner, generations[owner].stamp()));
                        list.push((time, count, owner));
                        count += 1;
                    }
                    Step::Pop => {
                        let live = std::iter::from_fn(|| queue.pop())
                            .find(|(_, (_, owner, stamp))| generations[*owner].is_current(*stamp))
                            .map(|(time, (id, owner, _))| (time.nanos(), id, owner));
                        let first = list.iter().min().copied();
                        prop_assert_eq!(live, first);
                        list.retain(|entry| Some(*entry) != first);
                    }
                    Step::CallOff(owner) => {
                        generations[owner].renew();
                        list.retain(|entry| entry.2 != owner);
                    }
                    Step::Look => {
                        let next = queue.next_at().map(Instant::nanos);
                        let first = list.iter().min().map(|entry| entry.0);
                        // What was called off is still in the queue, and may come before.
                        prop_assert!(next.is_some() || first.is_none());
                        prop_assert!(first.is_none_or(|first| next.is_some_and(|n| n <= first)));
                        prop_assert!(queue.len() >= list.len());
                    }
                }
            }
        }
    }
}
