//! A worker's compute loop: how much of an order is done by when.

use scheduler::{Instant, Span, Speed};

/// How many times as long as its speed says a worker takes, with 32 binary digits after the
/// point; 0 while it stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace(u64);

/// Binary digits after the point.
const FRACTION: u32 = 32;

impl Pace {
    pub(crate) const STILL: Self = Self(0);

    /// From a factor, held within 2^-20 and 2^20.
    pub(crate) fn of(factor: f64) -> Self {
        let most = f64::from(1 << 20);
        Self((factor.clamp(1.0 / most, most) * (1_u64 << FRACTION) as f64).round() as u64)
    }

    /// How long so much work takes, rounded up.
    fn time(self, work: u64) -> Span {
        let nanos = (u128::from(work) * u128::from(self.0)).div_ceil(1 << FRACTION);
        Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How much work is done in a time, rounded down; never less than was to be done in it.
    fn work(self, time: Span) -> u64 {
        let nanos = time.nanos();
        match (self.0, nanos >> FRACTION) {
            (0, _) => 0,
            (pace, 0) => (nanos << FRACTION) / pace,
            (pace, _) => {
                let work = (u128::from(nanos) << FRACTION) / u128::from(pace);
                u64::try_from(work).unwrap_or(u64::MAX)
            }
        }
    }
}

/// Batches under way. Work is counted in the nanoseconds that it takes at the worker's own speed.
#[derive(Debug)]
pub(crate) struct Progress {
    speed: Speed,
    passes: u64,
    batches: u64,
    began: Instant,
    work: u64,
    done: u64,
    since: Instant,
    pace: Pace,
    /// What was done by when, wherever the pace changed.
    corners: Vec<(Instant, u64)>,
}

impl Progress {
    pub(crate) fn new(now: Instant, speed: Speed, passes: u64, batches: u64, pace: Pace) -> Self {
        Self {
            speed,
            passes,
            batches,
            began: now,
            work: speed.time_for(batches.saturating_mul(passes)).nanos(),
            done: 0,
            since: now,
            pace,
            corners: Vec::new(),
        }
    }

    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    /// Takes in what was done until now, and goes on at this pace.
    pub(crate) fn change(&mut self, now: Instant, pace: Pace) {
        self.advance(now);
        self.pace = pace;
        self.corners.push((now, self.done));
    }

    /// Takes in what was done until now, and says how many batches that makes.
    pub(crate) fn advance(&mut self, now: Instant) -> u64 {
        let done = self.pace.work(now.since(self.since));
        self.done = self.done.saturating_add(done).min(self.work);
        self.since = now;
        if self.is_done() {
            return self.batches;
        }
        let batches = self.speed.batches_in(Span::from_nanos(self.done)) / self.passes;
        batches.min(self.batches)
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.done == self.work
    }

    /// When all is done at this pace; `None` while it stands still.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.at(self.work)
    }

    /// When this number of batches is done at this pace, all of them at the latest.
    pub(crate) fn reaches(&self, batches: u64) -> Option<Instant> {
        let batches = batches.min(self.batches).saturating_mul(self.passes);
        self.at(self.speed.time_for(batches).nanos())
    }

    /// When this number of batches was done, of those that are.
    pub(crate) fn reached(&self, batches: u64) -> Instant {
        let batches = batches.min(self.batches).saturating_mul(self.passes);
        let work = self.speed.time_for(batches).nanos().min(self.done);
        // Between two corners as much is done in every nanosecond.
        let (mut from, mut to) = ((self.began, 0), (self.since, self.done));
        for &corner in &self.corners {
            if corner.1 > work {
                to = corner;
                break;
            }
            from = corner;
        }
        let (span, done) = (to.0.since(from.0), to.1 - from.1);
        let part = u128::from(span.nanos()) * u128::from(work - from.1);
        let part = part.checked_div(done.into()).unwrap_or(0);
        from.0 + Span::from_nanos(part as u64) // at most the span
    }

    fn at(&self, work: u64) -> Option<Instant> {
        if self.pace == Pace::STILL {
            return None;
        }
        Some(self.since + self.pace.time(work.saturating_sub(self.done)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slower_for_a_while() {
        // 3 batches per second; 30 batches in 10 s. After 4 s twice as slow, after 8 s it stands
        // still for 1 s, then full speed: 12 + 6 + 0 batches, and 4 s more.
        let at = |seconds| Instant::START + Span::from_secs(seconds);
        let speed = Speed::measured(3, Span::from_secs(1)).expect("valid");
        let mut progress = Progress::new(at(0), speed, 1, 30, Pace::of(1.0));
        assert_eq!(progress.ends(), Some(at(10)));
        progress.change(at(4), Pace::of(2.0));
        assert_eq!(progress.ends(), Some(at(16)));
        progress.change(at(8), Pace::STILL);
        assert_eq!(progress.ends(), None);
        assert_eq!(progress.advance(at(9)), 18);
        progress.change(at(9), Pace::of(1.0));
        assert_eq!(progress.reaches(21), Some(at(10)));
        for (batches, second) in [(0, 0), (6, 2), (12, 4), (15, 6), (18, 9)] {
            assert_eq!(progress.reached(batches), at(second), "{batches}");
        }
        assert_eq!(progress.ends(), Some(at(13)));
        assert!(!progress.is_done());
        assert_eq!(progress.advance(at(13)), 30);
        assert!(progress.is_done());
        assert_eq!(progress.reached(24), at(11));
        assert_eq!(progress.reached(99), at(13));
    }

    proptest! {
        /// What is to be done by a time is done by it, and not a nanosecond before.
        #[test]
        fn promises_are_kept(
            factor in 0.01..100.0_f64, batches in 1..5_000_u64, took in 1..10_000_000_000_u64,
            per in 1..1_000_u64, passes in 1..4_u64, part in 0.0..1.0_f64,
        ) {
            let speed = Speed::measured(per, Span::from_nanos(took)).expect("valid");
            let mut progress = Progress::new(Instant::START, speed, passes, batches, Pace::of(factor));
            let some = (batches as f64 * part) as u64;
            let (some_at, end) = (progress.reaches(some).expect("it moves"),
                progress.ends().expect("it moves"));
            prop_assert!(progress.advance(some_at) >= some);
            // Having looked moves the end by less than the work of one nanosecond.
            let again = progress.ends().expect("it moves");
            prop_assert!(again <= end + Span::from_nanos(1 + factor as u64));
            prop_assert!(end <= again + Span::from_nanos(1 + factor as u64));
            prop_assert_eq!(progress.advance(again), batches);
            prop_assert!(progress.is_done());
        }
    }
}
