//! Whose turn it is to get the parameters of a cycle.
//!
//! They go out one after the other, in the order of the cycle's places; slow lines come last, all at once.
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

/// The turns of a cycle.
#[derive(Debug)]
pub(super) struct Turns {
    time_model: TimeModel,
    waiting: BTreeMap<(u64, WorkerId), Waiting>,
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
}

impl Turns {
    pub(super) const fn new(time_model: TimeModel) -> Self {
        Self {
            time_model,
            waiting: BTreeMap::new(),
            under_way: None,
        }
    }

    /// Another cycle begins.
    pub(super) fn begin(&mut self) {
        self.waiting.clear();
        self.under_way = None;
    }

    /// A worker with this connection waits for its turn.
    pub(super) fn add(&mut self, place: u64, worker: WorkerId, alone: bool, link: &Link) {
        let slot = self.time_model.slot(link, Turn { place: 1, of: 1 });
        let lasts = slot.down + slot.down / 4 + link.latency + SLACK;
        self.waiting
            .insert((place, worker), Waiting { alone, lasts });
    }

    /// Whose turn begins now, if anybody's does, and for how long it occupies the link if others wait for
    /// it. Ask until nobody's does.
    pub(super) fn next(&mut self, now: Instant) -> Option<(WorkerId, Option<Span>)> {
        if self.under_way.is_some_and(|(_, until)| now < until) {
            return None;
        }
        let ((_, worker), Waiting { alone, lasts }) = self.waiting.pop_first()?;
        self.under_way = alone.then(|| (worker, now + lasts));
        Some((worker, alone.then(|| self.time_model.down())))
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
        let next = || Some(turns.next(at(ms))?.0.get());
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
