//! Beats in place of a trainer that waits for a processor.
//!
//! On a machine that has fewer processors than programs that compute, a trainer may be ready to go on and not get to
//! it between two beats. It is not hung, so its worker beats for it, as long as the system says that it has
//! waited for a processor for most of the time. A trainer that sleeps, or that computes and never ends, does not
//! wait. Only Linux says how long processes wait; elsewhere nobody beats for another.
//!
//! **What it does not know:** the network, and what becomes of beats.

use std::fs;
use std::time::{Duration, Instant};

use crate::protocol::Report;
use crate::trainer::Task;

/// The beats of one share.
#[derive(Debug)]
pub(super) struct Beats {
    session: u32,
    cycle: u32,
    every: Duration,
    /// The batches of the last beat.
    done: u64,
    /// When a beat was last said or looked for, and how long the process had waited by then.
    since: Instant,
    waited: Option<Duration>,
}

impl Beats {
    /// Of a share that is handed over now, to a process that has waited this long since it was started.
    pub(super) fn new(task: &Task, now: Instant, waited: Option<Duration>) -> Self {
        Self {
            session: task.session,
            cycle: task.cycle,
            every: Duration::from_nanos(task.beat_ns),
            done: 0,
            since: now,
            waited,
        }
    }

    /// Whether they are those of this share.
    pub(super) fn is_of(&self, session: u32, cycle: u32) -> bool {
        (self.session, self.cycle) == (session, cycle)
    }

    /// When to look whether a beat is missing.
    pub(super) fn due(&self) -> Instant {
        // More than a year is as good as never.
        self.since + self.every.min(Duration::from_secs(1 << 25))
    }

    /// The trainer has beaten by itself.
    pub(super) fn heard(&mut self, session: u32, cycle: u32, done: u64, now: Instant) {
        if self.is_of(session, cycle) {
            (self.done, self.since) = (done, now);
        }
    }

    /// A beat is missing: the one in its place, if the trainer has waited for most of the time.
    pub(super) fn missing(&mut self, now: Instant, waited: Option<Duration>) -> Option<Report> {
        let passed = now.saturating_duration_since(self.since);
        let waited_before = std::mem::replace(&mut self.waited, waited);
        self.since = now;
        let waits = waited?.saturating_sub(waited_before?) >= passed / 2;
        waits.then_some(Report::Beat {
            session: self.session,
            cycle: self.cycle,
            done: self.done,
        })
    }
}

/// How long the threads of a process have waited for a processor, all together.
pub(super) fn waited(process: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let nanos = threads.map(|thread| {
        let figures = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        // The time on a processor, the time of waiting for one, and how often.
        figures.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Some(Duration::from_nanos(nanos.flatten().sum())) // a thread may just have ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trainer::Moment;

    const SECOND: Duration = Duration::from_secs(1);

    fn beats(now: Instant) -> Beats {
        let task = Task {
            ticket: 1,
            session: 3,
            cycle: 7,
            batches: 10,
            passes: 1,
            rate_factor: 1.0,
            beat_ns: 1_000_000_000,
            beat_batches: 10,
            tail_batches: 0,
            stop_at: Moment::of(now),
        };
        Beats::new(&task, now, Some(SECOND))
    }

    #[test]
    fn only_a_trainer_that_waits_is_beaten_for() {
        let now = Instant::now();
        let mut beats = beats(now);
        assert_eq!(beats.due(), now + SECOND);
        // It slept, or computed.
        assert_eq!(beats.missing(now + SECOND, Some(SECOND + SECOND / 3)), None);
        assert_eq!(beats.due(), now + 2 * SECOND);
        // It waited for most of the time since then.
        let said = Report::Beat {
            session: 3,
            cycle: 7,
            done: 0,
        };
        let waited = SECOND + SECOND / 3 + SECOND / 2;
        assert_eq!(beats.missing(now + 2 * SECOND, Some(waited)), Some(said));
        // A beat of its own says how far it is; one of another share does not count.
        beats.heard(3, 7, 4, now + 2 * SECOND + SECOND / 4);
        beats.heard(3, 6, 9, now + 3 * SECOND);
        assert_eq!(beats.due(), now + 3 * SECOND + SECOND / 4);
        let said = Report::Beat {
            session: 3,
            cycle: 7,
            done: 4,
        };
        assert_eq!(
            beats.missing(beats.due(), Some(waited + SECOND)),
            Some(said)
        );
        // Where nobody says how long it waits, nobody beats for it.
        assert_eq!(beats.missing(beats.due(), None), None);
        assert_eq!(beats.missing(beats.due(), Some(9 * SECOND)), None);
    }

    /// One that is stopped waits for nothing, and one more thread than there are processors does.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_who_waits() {
        let mut command = std::process::Command::new("sleep");
        let mut child = command.arg("30").spawn().expect("sleep is there");
        std::thread::sleep(Duration::from_millis(50));
        let before = waited(child.id()).expect("it is there");
        std::thread::sleep(Duration::from_millis(100));
        let slept = waited(child.id()).expect("it is there") - before;
        child.kill().expect("it is there");
        child.wait().expect("it has ended");
        assert!(slept < Duration::from_millis(20), "{slept:?}");

        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let own = std::process::id();
        let (before, until) = (
            waited(own).expect("it is there"),
            Instant::now() + SECOND / 2,
        );
        let waited = std::thread::scope(|scope| {
            for _ in 0..=2 * processors {
                scope.spawn(move || while Instant::now() < until {});
            }
            std::thread::sleep(SECOND / 3); // a thread's figures end with it
            waited(own).expect("it is there") - before
        });
        assert!(waited > SECOND / 4, "{waited:?}");
    }
}
