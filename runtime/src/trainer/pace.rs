//! How a worker keeps time: when to stop, when to beat, and how a throttle slows it.
//!
//! **What it does not know:** what a batch is, and clocks: moments are arguments.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time of one order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    began: Instant,
    stop_at: Instant,
    beat: Duration,
    beat_batches: u64,
    last_beat: Instant,
    last_beat_done: u64,
}

impl Pace {
    /// Begins now, ends at a moment, and beats so often.
    pub(crate) const fn new(
        now: Instant,
        stop_at: Instant,
        beat: Duration,
        beat_batches: u64,
    ) -> Self {
        Self {
            began: now,
            stop_at,
            beat,
            beat_batches,
            last_beat: now,
            last_beat_done: 0,
        }
    }

    /// Whether another step fits, after so many: it is thought to take as long as the others did.
    pub(crate) fn fits(&self, now: Instant, steps: u64) -> bool {
        let usual = match u32::try_from(steps) {
            Ok(0) => Duration::ZERO, // the first is tried if there is any time at all
            Ok(steps) => now.saturating_duration_since(self.began) / steps,
            Err(_) => Duration::ZERO,
        };
        now + usual < self.stop_at
    }

    /// Whether a beat is due, after so many batches.
    pub(crate) fn beats(&mut self, now: Instant, done: u64) -> bool {
        let is_due = now.saturating_duration_since(self.last_beat) >= self.beat
            || done - self.last_beat_done >= self.beat_batches;
        if is_due {
            (self.last_beat, self.last_beat_done) = (now, done);
        }
        is_due
    }
}

/// After how long computing ends, so that the result is there in time.
///
/// The order says when, by what parameters took when the connection was measured. A busy machine
/// takes longer, to put them together and to send them: twice the longest that was seen of late is
/// kept for it, and something for being woken, but never more than a quarter of all.
pub(crate) fn stop_in(ordered: Duration, results_in: Duration, longest_seen: Duration) -> Duration {
    let allowed = results_in.saturating_sub(ordered);
    let kept = allowed.max(longest_seen) * 2 + WOKEN;
    ordered.min(results_in.saturating_sub(kept.min(results_in / 4)))
}

/// To be woken on a busy machine.
const WOKEN: Duration = Duration::from_millis(5);

/// When the last so many batches began.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    batches: usize,
    /// When each batch before the last so many was done, the latest last; at most one more than
    /// these.
    moments: VecDeque<Instant>,
}

impl Tail {
    /// Of so many batches, for an order that begins now.
    pub(crate) fn new(now: Instant, batches: u64) -> Self {
        Self {
            batches: usize::try_from(batches).unwrap_or(usize::MAX),
            moments: VecDeque::from([now]),
        }
    }

    /// Another batch is done.
    pub(crate) fn done(&mut self, now: Instant) {
        self.moments.push_back(now);
        if self.moments.len() > self.batches.saturating_add(1) {
            self.moments.pop_front();
        }
    }

    /// The moment after which no more than the last so many batches were done.
    pub(crate) fn began(&self) -> Instant {
        *self.moments.front().expect("there is always one")
    }
}

/// A machine that is made slower: it idles for a share of its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throttle {
    /// Idle time for each second of work.
    idle: f64,
    /// Seconds of idle time that are due; negative after a sleep that was too long.
    owed: f64,
}

/// Shorter naps are saved up: the system would stretch them.
const NAP: f64 = 0.002;

impl Throttle {
    /// Runs at such a fraction of its speed, within a thousandth and one.
    pub(crate) fn new(fraction: f64) -> Self {
        let fraction = fraction.clamp(0.001, 1.0);
        Self {
            idle: 1.0 / fraction - 1.0,
            owed: 0.0,
        }
    }

    /// After some work: how long to sleep, now.
    pub(crate) fn worked(&mut self, took: Duration) -> Duration {
        self.owed += took.as_secs_f64() * self.idle;
        if self.owed < NAP {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(self.owed)
    }

    /// After a sleep: what it really took is paid off.
    pub(crate) fn slept(&mut self, took: Duration) {
        self.owed -= took.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_stops_before_a_step_that_would_be_late() {
        let began = Instant::now();
        let pace = Pace::new(began, began + 100 * MS, 500 * MS, 10);
        assert!(pace.fits(began, 0));
        assert!(pace.fits(began + 89 * MS, 9), "9.9 ms a step end at 98.9");
        assert!(!pace.fits(began + 91 * MS, 9), "10.1 ms a step end at 101");
        assert!(!pace.fits(began + 100 * MS, 0), "not even the first");
        assert!(!pace.fits(began + 200 * MS, 1));
    }

    #[test]
    fn time_is_kept_for_sending() {
        let check = |ordered: u32, results: u32, seen: u32, expected: u32| {
            let found = stop_in(ordered * MS, results * MS, seen * MS);
            assert_eq!(found, expected * MS, "{ordered} {results} {seen}");
        };
        check(990, 1_000, 0, 975); // twice what the order allows, and 5 ms
        check(990, 1_000, 30, 935); // twice what was seen
        check(990, 1_000, 800, 750); // no more than a quarter
        check(500, 1_000, 0, 500); // the order allows more itself
        check(0, 0, 10, 0);
    }

    #[test]
    fn it_beats_after_so_long_and_after_so_many() {
        let began = Instant::now();
        let mut pace = Pace::new(began, began + 1_000 * MS, 500 * MS, 10);
        assert!(!pace.beats(began + 499 * MS, 9));
        assert!(pace.beats(began + 499 * MS, 10), "so many");
        assert!(!pace.beats(began + 998 * MS, 11));
        assert!(pace.beats(began + 999 * MS, 12), "so long");
    }

    #[test]
    fn the_tail_is_the_last_batches_or_all() {
        let began = Instant::now();
        let mut tail = Tail::new(began, 2);
        for (done, expected) in [(1, 0), (2, 0), (3, 1), (4, 2), (5, 3)] {
            tail.done(began + done * 10 * MS);
            assert_eq!(tail.began(), began + expected * 10 * MS, "after {done}");
        }
    }

    #[test]
    fn a_throttle_idles_its_share() {
        let mut throttle = Throttle::new(0.25);
        let (mut worked, mut slept) = (Duration::ZERO, Duration::ZERO);
        for step in 0..1_000_u32 {
            let took = MS * (1 + step % 3);
            worked += took;
            let nap = throttle.worked(took);
            if nap > Duration::ZERO {
                let overslept = nap + MS / 4;
                throttle.slept(overslept);
                slept += overslept;
            }
        }
        let ratio = slept.as_secs_f64() / worked.as_secs_f64();
        assert!(
            (ratio - 3.0).abs() < 0.01,
            "{ratio}: three idle for one at work"
        );
        assert_eq!(Throttle::new(1.0).worked(MS * 1_000), Duration::ZERO);
    }
}
