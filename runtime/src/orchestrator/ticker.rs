//! How long the orchestrator's task is held up, by itself or by a busy machine.
//!
//! The task turns at least every five milliseconds. What takes longer between two turns kept it from
//! taking in results and deadlines.
//!
//! **What it does not know:** clocks: moments are arguments.

use scheduler::{Instant, Span};

/// The task turns this often, if nothing else happens.
const TICK: Span = Span::from_nanos(5_000_000);

/// Looks at the time between two turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticker {
    last: Instant,
    longest: Span,
}

impl Ticker {
    /// The first turn is now.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            last: now,
            longest: Span::ZERO,
        }
    }

    /// When the next turn is due, if nothing comes before.
    pub(super) fn due(&self) -> Instant {
        self.last + TICK
    }

    /// A turn begins; how late it is counts if it matters.
    pub(super) fn turn(&mut self, now: Instant, counts: bool) {
        if counts {
            self.longest = self.longest.max(now.since(self.due()));
        }
        self.last = now;
    }

    /// The longest by which a turn that counts was late.
    pub(super) const fn longest(&self) -> Span {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_over_a_tick_and_counts_is_a_stall() {
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        let stall = |ms: u64| Span::from_nanos(ms * 1_000_000);
        let mut ticker = Ticker::new(at(0));
        ticker.turn(at(900), false);
        assert_eq!(ticker.due(), at(905));
        ticker.turn(at(902), true); // an input came before the tick
        assert_eq!(ticker.longest(), Span::ZERO);
        ticker.turn(at(917), true); // due at 907
        assert_eq!(ticker.longest(), stall(10));
        ticker.turn(at(925), true); // three late: not the longest
        assert_eq!(ticker.longest(), stall(10));
    }
}
