//! Whose turn it is to get the parameters of a cycle.
//!
//! They go out one after the other, in the order of the cycle's places; slow lines come last, all at once.
//! Those that go out at once get equal parts of the link: QUIC's congestion windows do not see to that (who
//! begins a moment earlier is done in half the time), so no worker has more bytes under way than its part carries.
//! Nobody waits for ever: a turn is over when its bytes are through, when its worker is gone, or after
//! the time that it may take at most. Results need no turns: they become ready one after the other, and come
//! as they are ready.
//!
//! **What it does not know:** clocks, connections, and what is sent.

use std::collections::BTreeMap;

use scheduler::machine::WorkerId;
use scheduler::{Instant, Link, Span, TimeModel, Turn};

/// A turn may take longer by this than the connection was measured to need, beside a quarter.
const SLACK: Span = Span::from_millis(10);

/// The link's queue holds what it carries in this time,
const QUEUED: Span = Span::from_millis(20);
/// and at least this number of bytes of each worker.
const LEAST_QUEUED: u64 = 16 * 1024;

/// The turns of a cycle.
#[derive(Debug)]
pub(super) struct Turns {
    time_model: TimeModel,
    waiting: BTreeMap<(u64, WorkerId), Waiting>,
    /// How many get their parameters at once with others.
    together: u64,
    /// Who has the link for itself, and until when at most.
    under_way: Option<(WorkerId, Instant)>,
}

/// Parameters that wait for their turn.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Whether others wait while they are under way.
    alone: bool,
    /// How long their turn lasts at most.
    lasts: Span,
    latency: Span,
}

/// How parameters go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Others wait. How long they occupy the link; the answer is that they are through.
    Alone(Span),
    /// Beside others. Bytes that may be under way to this worker.
    Together(u64),
}

impl Turns {
    pub(super) const fn new(time_model: TimeModel) -> Self {
        Self {
            time_model,
            waiting: BTreeMap::new(),
            together: 0,
            under_way: None,
        }
    }

    /// Another cycle begins.
    pub(super) fn begin(&mut self) {
        self.waiting.clear();
        self.together = 0;
        self.under_way = None;
    }

    /// A worker with this connection waits for its turn.
    pub(super) fn add(&mut self, place: u64, worker: WorkerId, alone: bool, link: &Link) {
        let slot = self.time_model.slot(link, Turn { place: 1, of: 1 });
        let lasts = slot.down + slot.down / 4 + link.latency + SLACK;
        let waiting = Waiting {
            alone,
            lasts,
            latency: link.latency,
        };
        self.waiting.insert((place, worker), waiting);
        self.together += u64::from(!alone);
    }

    /// Whose turn begins now, if anybody's does, to send them this number of bytes. Ask until nobody's does.
    pub(super) fn next(&mut self, now: Instant, bytes: u64) -> Option<(WorkerId, Sending)> {
        if self.under_way.is_some_and(|(_, until)| now < until) {
            return None;
        }
        let ((_, worker), waiting) = self.waiting.pop_first()?;
        if waiting.alone {
            self.under_way = Some((worker, now + waiting.lasts));
            return Some((worker, Sending::Alone(self.time_model.down())));
        }
        Some((
            worker,
            Sending::Together(self.under_way_to_each(bytes, waiting.latency)),
        ))
    }

    /// What an equal part of the link carries within the latency and while it waits in the link's queue. As
    /// all wait there equally long, all get equal parts.
    fn under_way_to_each(&self, bytes: u64, latency: Span) -> u64 {
        let all = u128::from(self.time_model.down().nanos()) * u128::from(self.together);
        let within = |span: Span| (u128::from(bytes) * u128::from(span.nanos())).checked_div(all);
        let Some((queued, on_its_way)) = within(QUEUED).zip(within(latency)) else {
            return u64::MAX; // the link takes no time
        };
        let under_way = queued.max(LEAST_QUEUED.into()) + on_its_way;
        u64::try_from(under_way).unwrap_or(u64::MAX)
    }

    /// A worker's parameters are through.
    pub(super) fn through(&mut self, worker: WorkerId) {
        self.under_way.take_if(|(of, _)| *of == worker);
    }

    /// Nothing more is sent to a worker.
    pub(super) fn forget(&mut self, worker: WorkerId) {
        self.through(worker);
        self.waiting.retain(|(_, of), _| *of != worker);
    }
}

#[cfg(test)]
mod tests {
    use scheduler::LinkService;

    use super::*;

    const NOBODY: [u32; 0] = [];

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    /// Turns of 72 ms, and so of 100 ms at most.
    fn in_order() -> Turns {
        Turns::new(TimeModel {
            shared: Span::from_millis(144),
            service: LinkService::Ordered,
            ..TimeModel::COMPUTE
        })
    }

    fn add(turns: &mut Turns, place: u64, worker: u32, alone: bool) {
        turns.add(place, WorkerId::new(worker), alone, &Link::default());
    }

    fn begun(turns: &mut Turns, ms: u64) -> Vec<u32> {
        let next = || Some(turns.next(at(ms), 180_000)?.0.get());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn one_after_the_other_and_slow_lines_at_once() {
        let mut turns = in_order();
        for (place, worker, alone) in [(2, 7, true), (4, 1, false), (1, 9, true), (3, 0, false)] {
            add(&mut turns, place, worker, alone);
        }
        assert_eq!(begun(&mut turns, 0), [9]);
        assert_eq!(begun(&mut turns, 99), NOBODY);
        turns.through(WorkerId::new(7));
        assert_eq!(begun(&mut turns, 99), NOBODY, "it is not its turn");
        turns.through(WorkerId::new(9));
        assert_eq!(begun(&mut turns, 99), [7]);
        turns.through(WorkerId::new(7));
        assert_eq!(begun(&mut turns, 100), [0, 1]);
        assert_eq!(begun(&mut turns, 900), NOBODY);
    }

    #[test]
    fn those_together_share_what_fills_the_link() {
        let mut turns = Turns::new(TimeModel {
            service: LinkService::Shared,
            ..in_order().time_model
        });
        // 2.5 MB/s: 20 ms of it are 50 kB.
        (0..2).for_each(|worker| add(&mut turns, 1, worker, false));
        let first = turns.next(at(0), 180_000);
        assert_eq!(first, Some((WorkerId::new(0), Sending::Together(25_000))));
        (2..8).for_each(|worker| add(&mut turns, 1, worker, false));
        let next = turns.next(at(0), 180_000).map(|(_, sending)| sending);
        assert_eq!(next, Some(Sending::Together(LEAST_QUEUED)));
        turns.begin();
        let far = Link {
            latency: Span::from_millis(80),
            ..Link::default()
        };
        turns.add(1, WorkerId::new(0), false, &far);
        let next = turns.next(at(0), 180_000).map(|(_, sending)| sending);
        assert_eq!(next, Some(Sending::Together(250_000)));
        let mut unlimited = Turns::new(TimeModel::COMPUTE);
        add(&mut unlimited, 1, 0, false);
        let next = unlimited.next(at(0), 180_000).map(|(_, sending)| sending);
        assert_eq!(next, Some(Sending::Together(u64::MAX)));
    }

    #[test]
    fn nobody_waits_for_one_that_is_gone_or_stuck() {
        let mut turns = in_order();
        (1..=4).for_each(|place| add(&mut turns, place.into(), place, true));
        assert_eq!(begun(&mut turns, 0), [1]);
        assert_eq!(begun(&mut turns, 100), [2], "it took too long");
        turns.through(WorkerId::new(1));
        assert_eq!(begun(&mut turns, 150), NOBODY, "the second is under way");
        turns.forget(WorkerId::new(3));
        turns.forget(WorkerId::new(2));
        assert_eq!(begun(&mut turns, 150), [4]);
    }
}
