//! How a trainer keeps time: when to stop, when to beat, and how a throttle slows it down.
//!
//! **What it does not know:** what a batch is, and clocks: moments are arguments.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

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
    /// Begins now, ends at a moment, and beats after a time or a number of batches.
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

    /// Whether another step fits after these: it is expected to take as long as they did on average.
    pub(crate) fn fits(&self, now: Instant, steps: u64) -> bool {
        let usual = match u32::try_from(steps) {
            Ok(0) => Duration::ZERO, // the first is tried if there is any time at all
            Ok(steps) => now.saturating_duration_since(self.began) / steps,
            Err(_) => Duration::ZERO,
        };
        now + usual < self.stop_at
    }

    /// Whether a beat is due when this number of batches is done.
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
/// takes longer to assemble and to send them: twice the longest time seen lately is kept for it, and
/// some for waking up, but never more than a quarter of the whole.
pub(crate) fn stop_in(ordered: Duration, results_in: Duration, longest_seen: Duration) -> Duration {
    let allowed = results_in.saturating_sub(ordered);
    let kept = allowed.max(longest_seen) * 2 + WOKEN;
    ordered.min(results_in.saturating_sub(kept.min(results_in / 4)))
}

/// For waking up on a busy machine.
const WOKEN: Duration = Duration::from_millis(5);

/// When the last batches of an order began.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    batches: usize,
    /// When the batches before them, and then they, were done, the latest last; at most one moment
    /// more than there are batches.
    moments: VecDeque<Instant>,
}

impl Tail {
    /// Of this number of batches, for an order that begins now.
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

    /// The moment at which the last batches began.
    pub(crate) fn began(&self) -> Instant {
        *self.moments.front().expect("there is always one")
    }
}

/// The fraction of full speed at which a machine runs, and from some cycle on another one.
///
/// As text `0.5`, or `1:0.1@3` for a tenth from cycle 3 on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Fraction {
    first: f64,
    later: Option<(u32, f64)>,
}

impl Fraction {
    /// Full speed.
    pub(crate) const WHOLE: Self = Self::of(1.0);
    /// The least there is.
    pub(crate) const LEAST: f64 = 0.001;

    /// The same in every cycle.
    pub(crate) const fn of(fraction: f64) -> Self {
        Self {
            first: fraction,
            later: None,
        }
    }

    /// From each cycle on, the fraction that holds.
    pub(crate) fn steps(self) -> Vec<(u32, f64)> {
        let first = (0, self.first);
        [first].into_iter().chain(self.later).collect()
    }

    /// Reverses [`Fraction::steps`].
    pub(crate) fn of_steps(steps: &[(u32, f64)]) -> Option<Self> {
        let is_fit = |fraction: f64| (Self::LEAST..=1.0).contains(&fraction);
        let (&(0, first), later) = steps.split_first()? else {
            return None;
        };
        let later = match later {
            [] => None,
            [one] => Some(*one),
            _ => return None,
        };
        let all = [Some(first), later.map(|(_, fraction)| fraction)];
        (all.into_iter().flatten().all(is_fit)).then_some(Self { first, later })
    }

    /// What holds in a cycle.
    fn at(self, cycle: u32) -> f64 {
        match self.later {
            Some((from, fraction)) if cycle >= from => fraction,
            Some(_) | None => self.first,
        }
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.later {
            None => write!(f, "{}", self.first),
            Some((from, fraction)) => write!(f, "{}:{fraction}@{from}", self.first),
        }
    }
}

impl FromStr for Fraction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fraction = |text: &str| match text.parse::<f64>() {
            Ok(fraction) if (Self::LEAST..=1.0).contains(&fraction) => Ok(fraction),
            Ok(_) | Err(_) => Err(
                "expected a fraction from 0.001 to 1, or two and a cycle such as 1:0.1@3"
                    .to_owned(),
            ),
        };
        let Some((first, later)) = text.split_once(':') else {
            return fraction(text).map(Self::of);
        };
        let (later, from) = later.split_once('@').unwrap_or((later, ""));
        let from = from.parse();
        let from = from.map_err(|_| format!("expected a cycle after @, such as {text}@3"))?;
        Ok(Self {
            first: fraction(first)?,
            later: Some((from, fraction(later)?)),
        })
    }
}

impl TryFrom<String> for Fraction {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Fraction> for String {
    fn from(fraction: Fraction) -> Self {
        fraction.to_string()
    }
}

/// A machine that is made slower: its steps have a rate, a fraction of that at full speed.
///
/// What full speed is it learns from its first steps, which are not slowed down, by the time that each would
/// take on a processor of its own. From then on steps are due one after the other at equal distances, so
/// that what holds one up, such as another worker of the same machine, does not slow the next ones too.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    fraction: Fraction,
    /// The part of full speed in this cycle.
    part: f64,
    /// What steps at full speed took, until there are enough of them.
    first: Vec<Duration>,
    /// How long a step takes at full speed.
    step: Option<Duration>,
    /// When the step before was due to end.
    due: Option<Instant>,
}

/// Shorter sleeps are saved up: the system would stretch them.
const NAP: Duration = Duration::from_millis(2);
/// Full speed is learnt from this number of steps, or from those of this time.
const LEARNT_FROM: usize = 10;
const LEARNT_IN: Duration = Duration::from_millis(500);
/// Steps that are late are caught up with, but not more than this: a machine that stood still was slow.
const CAUGHT_UP: Duration = Duration::from_millis(100);

impl Throttle {
    /// Runs at a fraction of full speed.
    pub(crate) fn new(fraction: Fraction) -> Self {
        Self {
            fraction,
            part: fraction.at(0),
            first: Vec::new(),
            step: None,
            due: None,
        }
    }

    /// A cycle begins.
    pub(crate) fn reaches(&mut self, cycle: u32) {
        self.part = self.fraction.at(cycle);
    }

    /// Steps in a row begin.
    pub(crate) fn begins(&mut self) {
        self.due = None;
    }

    /// After a step that began and ended then and took this time of its own: how long to sleep, now.
    pub(crate) fn worked(&mut self, began: Instant, now: Instant, own: Duration) -> Duration {
        let Some(step) = self.step else {
            self.learn(own);
            return Duration::ZERO;
        };
        if self.part >= 1.0 {
            return Duration::ZERO;
        }
        let due = self.due.unwrap_or(began) + step.div_f64(self.part);
        let due = due.max(now.checked_sub(CAUGHT_UP).unwrap_or(now));
        self.due = Some(due);
        let left = due.saturating_duration_since(now);
        if left < NAP { Duration::ZERO } else { left }
    }

    /// After the last step in a row: how long until it is due to end.
    pub(crate) fn ends(&self, now: Instant) -> Duration {
        let due = self.due.unwrap_or(now);
        due.saturating_duration_since(now)
    }

    fn learn(&mut self, own: Duration) {
        self.first.push(own);
        let all: Duration = self.first.iter().sum();
        if self.first.len() >= LEARNT_FROM || all >= LEARNT_IN {
            self.first.sort_unstable();
            self.step = Some(self.first[self.first.len() / 2]);
            self.first = Vec::new();
        }
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
    fn it_beats_after_a_time_and_after_a_number_of_batches() {
        let began = Instant::now();
        let mut pace = Pace::new(began, began + 1_000 * MS, 500 * MS, 10);
        assert!(!pace.beats(began + 499 * MS, 9));
        assert!(pace.beats(began + 499 * MS, 10), "by the number of batches");
        assert!(!pace.beats(began + 998 * MS, 11));
        assert!(pace.beats(began + 999 * MS, 12), "by time");
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

    /// A throttle that has learnt that a step takes 1 ms.
    fn learnt(fraction: Fraction) -> Throttle {
        let mut throttle = Throttle::new(fraction);
        let began = Instant::now();
        for step in [9, 9, 1, 1, 1, 1, 1, 1, 1, 1_u32] {
            let now = began + step * MS;
            assert_eq!(throttle.worked(began, now, step * MS), Duration::ZERO);
        }
        throttle
    }

    /// Runs steps that take these times, each followed by the sleep that is due; gives how long all took.
    fn run(throttle: &mut Throttle, steps: impl IntoIterator<Item = Duration>) -> Duration {
        let began = Instant::now();
        let mut now = began;
        throttle.begins();
        for took in steps {
            let since = now;
            now += took;
            let nap = throttle.worked(since, now, took);
            if nap > Duration::ZERO {
                now += nap + MS / 8; // the system oversleeps
            }
        }
        now + throttle.ends(now) - began
    }

    #[test]
    fn a_throttle_keeps_its_rate_whatever_holds_its_steps_up() {
        let mut throttle = learnt(Fraction::of(0.25));
        let near = |took: Duration, millis: u32| took.abs_diff(millis * MS) < MS;
        let steady = run(&mut throttle, [MS; 500]);
        assert!(near(steady, 2_000), "{steady:?}: four for each");
        // Another one works at the same time: as long as it leaves a quarter, nothing is slower.
        let shared = run(&mut throttle, (0..500).map(|step| MS * (1 + step % 6)));
        assert!(near(shared, 2_000), "{shared:?}");
        let busy = run(&mut throttle, [5 * MS; 100]);
        assert!(near(busy, 500), "{busy:?}: it cannot be faster than it is");
        // A short stall is caught up with, of a long one all but a tenth of a second counts.
        let stalls =
            |millis: u32| (0..500).map(move |step| if step == 99 { MS * millis } else { MS });
        let short = run(&mut throttle, stalls(90));
        assert!(near(short, 2_000), "{short:?}");
        let long = run(&mut throttle, stalls(1_004));
        assert!(near(long, 2_900), "{long:?}");
        let few = run(&mut throttle, [MS / 4; 3]);
        assert!(near(few, 12), "{few:?}: the end is awaited too");
        assert_eq!(run(&mut learnt(Fraction::WHOLE), [MS; 100]), 100 * MS);
    }

    #[test]
    fn slow_steps_are_learnt_from_few_of_them() {
        let mut throttle = Throttle::new(Fraction::of(0.5));
        let began = Instant::now();
        let step = 300 * MS;
        assert_eq!(throttle.worked(began, began + step, step), Duration::ZERO);
        assert_eq!(throttle.worked(began, began + step, step), Duration::ZERO);
        throttle.begins();
        assert_eq!(throttle.worked(began, began + step, step), step);
    }

    #[test]
    fn a_fraction_may_change_with_a_cycle() {
        let fraction: Fraction = "1:0.1@3".parse().expect("a fraction");
        assert_eq!(fraction.to_string(), "1:0.1@3");
        let mut throttle = learnt(fraction);
        for (cycle, takes) in [(0, 10), (2, 10), (3, 100), (4, 100)] {
            throttle.reaches(cycle);
            let took = run(&mut throttle, [MS; 10]);
            assert_eq!(took.as_millis(), takes, "cycle {cycle}");
        }
        assert_eq!("0.5".parse(), Ok(Fraction::of(0.5)));
        for wrong in [
            "", "0", "2", "x", "1:", "1:0.1", "1:0.1@", "1:2@3", "0.1@3", "1:0.1@-1",
        ] {
            assert!(wrong.parse::<Fraction>().is_err(), "{wrong}");
        }
    }
}
