//! Measures how long the orchestrator's task is blocked, by its own work or by a busy machine.
//!
//! The task's loop runs at least every five milliseconds. A longer time between two iterations has
//! delayed results and deadlines.
//!
//! **What it does not know:** clocks: times are arguments.

use scheduler::{Instant, Span};

/// The interval of the loop, if nothing else happens.
const TICK: Span = Span::from_nanos(5_000_000);

/// Watches the time between two iterations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticker {
    last: Instant,
    longest: Span,
}

impl Ticker {
    /// The first iteration is now.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            last: now,
            longest: Span::ZERO,
        }
    }

    /// When the next iteration is due, if no input arrives before.
    pub(super) fn due(&self) -> Instant {
        self.last + TICK
    }

    /// An iteration begins; if it `counts`, its delay is recorded.
    pub(super) fn turn(&mut self, now: Instant, counts: bool) {
        if counts {
            self.longest = self.longest.max(now.since(self.due()));
        }
        self.last = now;
    }

    /// The longest recorded delay.
    pub(super) const fn longest(&self) -> Span {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counted_delays_beyond_a_tick_are_stalls() {
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        let stall = |ms: u64| Span::from_nanos(ms * 1_000_000);
        let mut ticker = Ticker::new(at(0));
        ticker.turn(at(900), false);
        assert_eq!(ticker.due(), at(905));
        ticker.turn(at(902), true); // an input arrived before the tick
        assert_eq!(ticker.longest(), Span::ZERO);
        ticker.turn(at(917), true); // due at 907
        assert_eq!(ticker.longest(), stall(10));
        ticker.turn(at(925), true); // 3 ms late: not the longest
        assert_eq!(ticker.longest(), stall(10));
    }
}
