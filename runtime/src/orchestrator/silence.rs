//! Who keeps the orchestrator waiting: benchmarks that do not end, and data that does not arrive.
//!
//! In a cycle beats show who is at work. Before it nothing does, and a process that was stopped, a
//! program that hangs and a link that is dead look alike: so a wait is reported while it lasts, and data
//! that stops to arrive is given up long before the time for all of it is over.
//!
//! **What it does not know:** clocks, and what becomes of a worker.

use std::collections::BTreeMap;
use std::fmt;

use scheduler::machine::WorkerId;
use scheduler::{Instant, Span};

/// After this a wait is reported, and again each time that it has doubled.
const TELL_AFTER: Span = Span::from_secs(5);
/// How often waits are looked at.
const LOOK_EVERY: Span = Span::from_millis(500);
/// Data that has made no progress for this and for a few times what its link needs, is given up.
const GIVE_UP_AFTER: Span = Span::from_secs(10);
const LINK_TIMES: u64 = 4;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// A round of the benchmark.
    Benchmark,
    /// Batches: this number has arrived of all.
    Data { held: u64, of: u64 },
}

/// A wait that is reported, or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overdue {
    pub(super) worker: WorkerId,
    pub(super) awaited: Awaited,
    pub(super) silent: Span,
    /// It is waited for no longer.
    pub(super) gives_up: bool,
}

/// All waits of the moment.
#[derive(Debug, Default)]
pub(super) struct Silence {
    waits: BTreeMap<WorkerId, Wait>,
    looked_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    awaited: Awaited,
    since: Instant,
    tell_after: Span,
    patience: Option<Span>,
}

impl Silence {
    /// A benchmark is ordered. Data is waited for first, if it is on its way.
    pub(super) fn benchmarks(&mut self, worker: WorkerId, now: Instant) {
        self.waits
            .entry(worker)
            .or_insert(Wait::new(Awaited::Benchmark, now, None));
    }

    /// Data is on its way, of which the link needs this time to bring enough for a report.
    pub(super) fn ships(
        &mut self,
        worker: WorkerId,
        (held, of): (u64, u64),
        part: Span,
        now: Instant,
    ) {
        let patience = GIVE_UP_AFTER + part * LINK_TIMES;
        let wait = Wait::new(Awaited::Data { held, of }, now, Some(patience));
        self.waits.insert(worker, wait);
    }

    /// Some of it has arrived.
    pub(super) fn arrived(&mut self, worker: WorkerId, now_held: u64, now: Instant) {
        if let Some(wait) = self.waits.get_mut(&worker)
            && let Awaited::Data { held, of } = &mut wait.awaited
            && now_held > *held
        {
            *held = now_held;
            (wait.since, wait.tell_after) = (now, TELL_AFTER);
            if *held >= *of {
                self.waits.remove(&worker);
            }
        }
    }

    /// A round of the benchmark is done.
    pub(super) fn benchmarked(&mut self, worker: WorkerId) {
        let is_it = |wait: &Wait| wait.awaited == Awaited::Benchmark;
        if self.waits.get(&worker).is_some_and(is_it) {
            self.waits.remove(&worker);
        }
    }

    /// Nothing is waited for any more: it is gone, or trains and beats.
    pub(super) fn forget(&mut self, worker: WorkerId) {
        self.waits.remove(&worker);
    }

    /// The waits that there is something to say of now.
    pub(super) fn look(&mut self, now: Instant) -> Vec<Overdue> {
        if now < self.looked_at + LOOK_EVERY {
            return Vec::new();
        }
        // A task that stood still has not heard what was said meanwhile.
        let stood = now.since(self.looked_at + LOOK_EVERY * 2);
        self.looked_at = now;
        let mut overdue = Vec::new();
        for (worker, wait) in &mut self.waits {
            wait.since = wait.since + stood;
            let silent = now.since(wait.since);
            let gives_up = wait.patience.is_some_and(|patience| silent >= patience);
            if gives_up || silent >= wait.tell_after {
                wait.tell_after = wait.tell_after * 2;
                overdue.push(Overdue {
                    worker: *worker,
                    awaited: wait.awaited,
                    silent,
                    gives_up,
                });
            }
        }
        for given_up in overdue.iter().filter(|overdue| overdue.gives_up) {
            self.waits.remove(&given_up.worker);
        }
        overdue
    }
}

impl Wait {
    const fn new(awaited: Awaited, since: Instant, patience: Option<Span>) -> Self {
        Self {
            awaited,
            since,
            tell_after: TELL_AFTER,
            patience,
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Benchmark => f.write_str("its benchmark has not ended"),
            Self::Data { held, of } => {
                write!(
                    f,
                    "no data has arrived there, which has {held} of {of} batches"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tenths: u64) -> Instant {
        Instant::START + Span::from_millis(tenths * 100)
    }

    /// When the only wait is reported, in tenths of a second, and when it is given up.
    fn told(silence: &mut Silence, times: std::ops::Range<u64>) -> (Vec<u64>, Vec<u64>) {
        let (mut told, mut over) = (Vec::new(), Vec::new());
        for time in times {
            for overdue in silence.look(at(time)) {
                told.push(time);
                over.extend(overdue.gives_up.then_some(time));
            }
        }
        (told, over)
    }

    #[test]
    fn waits_are_told_of_ever_more_rarely_and_data_is_given_up() {
        let worker = WorkerId::new(3);
        let mut silence = Silence::default();
        silence.benchmarks(worker, at(0));
        assert_eq!(
            told(&mut silence, 0..499),
            (vec![50, 100, 200, 400], vec![])
        );
        silence.benchmarked(worker);
        // A link that needs half a second for as much as is reported at once.
        silence.ships(worker, (2, 8), Span::from_millis(500), at(500));
        assert_eq!(told(&mut silence, 500..580), (vec![550], vec![]));
        silence.arrived(worker, 3, at(580));
        silence.arrived(worker, 3, at(600)); // the same once more is no progress
        silence.benchmarks(worker, at(600)); // and data is waited for first
        silence.benchmarked(worker);
        let (told_at, over) = told(&mut silence, 580..701);
        assert_eq!((told_at, over), (vec![630, 680, 700], vec![700]));
        silence.arrived(worker, 8, at(701));
        assert_eq!(told(&mut silence, 701..999), (vec![], vec![]));
    }

    #[test]
    fn a_task_that_stood_still_blames_nobody() {
        let worker = WorkerId::new(0);
        let mut silence = Silence::default();
        silence.ships(worker, (0, 8), Span::ZERO, at(0));
        assert_eq!(told(&mut silence, 0..40), (vec![], vec![]));
        assert_eq!(silence.look(at(4_000)), []);
        let (told_at, over) = told(&mut silence, 4_001..4_100);
        assert_eq!(over.len(), 1, "{told_at:?}");
        assert!(over[0] > 4_050, "{over:?}");
    }
}
