//! The orchestrator's link, one way: many transfers through one pipe.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use scheduler::{Instant, LinkService, Span};

/// How a pipe serves those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// All at once, each at an equal part of the rate, as TCP connections share a link.
    Fair,
    /// One after the other, in the order in which they came, as one thread serves them.
    Fifo,
}

impl Service {
    /// How the pipes to the workers and from them are served.
    pub const fn of_link(service: LinkService) -> [Self; 2] {
        match service {
            LinkService::Ordered => [Self::Fifo, Self::Fair],
            LinkService::Shared => [Self::Fair, Self::Fair],
            LinkService::LastFirst => [Self::Fifo, Self::Fifo],
        }
    }
}

/// Binary digits of a nanosecond that the fair pipe's own time is kept in.
const FRACTION: u32 = 32;

/// The transfers under way. A transfer's work is the time that it takes alone.
#[derive(Debug)]
pub(crate) struct Pipe<T> {
    service: Service,
    /// Fair: work done for each transfer since the pipe was last empty, in 2^-32 ns.
    served: u128,
    /// Fair: `served` is of this time. Fifo: the first transfer began then.
    since: Instant,
    sequence: u64,
    /// Fair: when `served` reaches the first, its transfer is complete.
    sharing: BinaryHeap<Reverse<(u128, u64, T)>>,
    waiting: VecDeque<(Span, T)>,
}

impl<T: Copy + Ord> Pipe<T> {
    pub(crate) fn new(service: Service) -> Self {
        Self {
            service,
            served: 0,
            since: Instant::START,
            sequence: 0,
            sharing: BinaryHeap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Begins a transfer. Take out what is [`due`](Self::due) before.
    pub(crate) fn begin(&mut self, now: Instant, work: Span, transfer: T) {
        match self.service {
            Service::Fair => {
                self.serve(now);
                let until = self.served + (u128::from(work.nanos()) << FRACTION);
                self.sharing.push(Reverse((until, self.sequence, transfer)));
                self.sequence += 1;
            }
            Service::Fifo => {
                if self.waiting.is_empty() {
                    self.since = now;
                }
                self.waiting.push_back((work, transfer));
            }
        }
    }

    /// When the next transfer is complete, if no other begins before.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self.service {
            Service::Fair => {
                let Reverse((until, ..)) = self.sharing.peek()?;
                // Rounded up, so that by then `serve` has reached it.
                let left = (until.saturating_sub(self.served)) * self.sharing.len() as u128;
                let nanos = left.div_ceil(1 << FRACTION);
                let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
                Some(self.since + Span::from_nanos(nanos))
            }
            Service::Fifo => Some(self.since + self.waiting.front()?.0),
        }
    }

    /// Takes out the first transfer that is complete by now.
    pub(crate) fn through(&mut self, now: Instant) -> Option<T> {
        match self.service {
            Service::Fair => {
                self.serve(now);
                let &Reverse((until, _, transfer)) = self.sharing.peek()?;
                if until > self.served {
                    return None;
                }
                self.sharing.pop();
                Some(transfer)
            }
            Service::Fifo => {
                let &(work, transfer) = self.waiting.front()?;
                let end = self.since + work;
                if end > now {
                    return None;
                }
                self.waiting.pop_front();
                self.since = end;
                Some(transfer)
            }
        }
    }

    /// Breaks off the transfers of all but those that `awaited` names: these have the pipe for
    /// themselves. Takes time in the number of those under way, and is for what is rare.
    pub(crate) fn keep(&mut self, now: Instant, awaited: impl Fn(T) -> bool) {
        match self.service {
            Service::Fair => {
                self.serve(now);
                let kept = |Reverse((.., transfer)): &Reverse<(u128, u64, T)>| awaited(*transfer);
                self.sharing.retain(kept);
            }
            Service::Fifo => {
                if self.waiting.front().is_some_and(|first| !awaited(first.1)) {
                    self.since = now;
                }
                self.waiting.retain(|(_, transfer)| awaited(*transfer));
            }
        }
    }

    fn serve(&mut self, now: Instant) {
        let passed = now.since(self.since).nanos();
        if passed > 0 {
            match self.sharing.len() as u128 {
                0 => self.served = 0,
                sharing => self.served += (u128::from(passed) << FRACTION) / sharing,
            }
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// Runs a pipe with transfers that begin at given times, and gives the time at which each is complete.
    fn ends(service: Service, transfers: &[(u64, u64)]) -> Vec<u64> {
        let mut pipe = Pipe::new(service);
        let mut ends = vec![0; transfers.len()];
        let mut begin = transfers.iter().enumerate().peekable();
        loop {
            let due = pipe.due();
            match (begin.peek(), due) {
                (Some((_, (start, _))), due) if due.is_none_or(|due| due.nanos() > *start) => {
                    let (worker, &(start, work)) = begin.next().expect("it was peeked at");
                    pipe.begin(at(start), Span::from_nanos(work), worker);
                }
                (_, Some(due)) => {
                    while let Some(worker) = pipe.through(due) {
                        ends[worker] = due.nanos();
                    }
                }
                (Some(_) | None, None) => return ends,
            }
        }
    }

    #[test]
    fn equal_transfers_end_together_or_one_after_the_other() {
        for w in [1_u64, 2, 3, 7, 10_000] {
            let equal = vec![(5, 1_000_003); w as usize];
            assert_eq!(
                ends(Service::Fair, &equal),
                vec![5 + w * 1_000_003; w as usize]
            );
            let one_by_one: Vec<u64> = (1..=w).map(|i| 5 + i * 1_000_003).collect();
            assert_eq!(ends(Service::Fifo, &equal), one_by_one);
        }
    }

    #[test]
    fn a_late_comer_shares_from_then_on() {
        // Alone for 100, then both at half: the first has 100 left and ends at 300; the second,
        // of which 100 is done by then, has 200 left for itself.
        assert_eq!(ends(Service::Fair, &[(0, 200), (100, 300)]), [300, 500]);
        assert_eq!(ends(Service::Fifo, &[(0, 200), (100, 300)]), [200, 500]);
        // A pipe that was empty meanwhile starts again.
        assert_eq!(ends(Service::Fair, &[(0, 10), (50, 10)]), [10, 60]);
        assert_eq!(ends(Service::Fifo, &[(0, 10), (50, 10)]), [10, 60]);
    }

    #[test]
    fn no_work_is_lost_or_gained() {
        // The pipe is never idle: the last one ends when all the work is done.
        let transfers: Vec<_> = (0..500).map(|i| (i * 7, 1_000 + i * i % 977)).collect();
        let work: u64 = transfers.iter().map(|t| t.1).sum();
        for service in [Service::Fair, Service::Fifo] {
            let last = ends(service, &transfers).into_iter().max().unwrap_or(0);
            // Ends are rounded up to nanoseconds: where transfers share, at most one is lost a
            // transfer.
            let lost = if service == Service::Fair { 500 } else { 0 };
            assert!((work..=work + lost).contains(&last), "{service:?}: {last}");
        }
    }

    #[test]
    fn who_is_cut_off_leaves_its_part() {
        for (service, end) in [(Service::Fair, 150), (Service::Fifo, 150)] {
            let mut pipe = Pipe::new(service);
            for worker in 0..2 {
                pipe.begin(at(0), Span::from_nanos(100), worker);
            }
            assert_eq!(pipe.through(at(50)), None);
            pipe.keep(at(50), |worker| worker == 1);
            // Fair: a quarter of the work was done for the second, and 75 ns are left.
            let end = if service == Service::Fair { 125 } else { end };
            assert_eq!(pipe.due(), Some(at(end)), "{service:?}");
            assert_eq!(pipe.through(at(end)), Some(1));
            assert_eq!(pipe.due(), None);
        }
    }
}
