//! What a run did before it was broken off, from the logs of its scheduler's events.
//!
//! A log replays its part of the run, so that nothing else need be kept for it: the tables of a
//! resumed run hold all of its cycles, and its fee is that of all. Each part numbers its plans and
//! sessions from 1 and its moments from 0; a [`Shift`] makes one run of them. What is replayed is
//! handed on at once: the length of a run costs time, not memory.
//!
//! **What it does not know:** how a run goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use results::event_log::EventReader;
use scheduler::machine::{
    Action, AssignmentRow, CycleRow, PlanId, PlanRow, Record, Scheduler, SessionId, ShareRow,
    Totals,
};
use scheduler::{Instant, Span};

use crate::orchestrator::{Checkpoint, Ended};

/// Where the logs of earlier parts lie in the folder of a run.
const EARLIER: &str = "earlier";

/// The earlier parts of a run, up to the checkpoint from which it is resumed.
#[derive(Debug, Default)]
pub(crate) struct History {
    totals: Totals,
    /// Before the first cycles of the parts.
    setup: Span,
    /// How long the cycles took.
    wall: Span,
    /// What the records of the part that is to come are moved by.
    pub(crate) shift: Shift,
}

impl History {
    /// Replays the parts, in order.
    ///
    /// # Errors
    /// When they do not reach the checkpoint. The run can be resumed all the same, without the
    /// tables of what was before.
    pub(crate) fn replay(
        parts: &[PathBuf],
        checkpoint: &Checkpoint,
        mut take: impl FnMut(Instant, &Record),
    ) -> Result<Self, String> {
        let mut history = Self::default();
        let mut readers = Vec::new();
        for part in parts {
            readers.push(EventReader::open(part).map_err(|error| error.to_string())?);
        }
        let mut nexts = readers
            .iter()
            .skip(1)
            .map(|reader| reader.config().first_cycle)
            .collect::<Vec<_>>();
        nexts.push(checkpoint.cycle + 1);
        let mut reached = 0;
        for ((reader, next), part) in readers.into_iter().zip(nexts).zip(parts) {
            let first = reader.config().first_cycle;
            if first != reached + 1 || next < first {
                return Err(format!(
                    "{}: it begins with cycle {first}, expected {}",
                    part.display(),
                    reached + 1
                ));
            }
            if next > first {
                history.add(reader, part, next - 1, &mut take)?;
            }
            reached = next - 1;
        }
        if reached != checkpoint.cycle {
            return Err(format!(
                "the logs have {reached} cycles, expected {}",
                checkpoint.cycle
            ));
        }
        history.wall = checkpoint.elapsed;
        Ok(history)
    }

    /// The run as a whole, of its last part.
    pub(crate) fn whole(&self, mut ended: Ended) -> Ended {
        if self.shift == Shift::default() {
            return ended; // nothing was before it
        }
        let of = ended.totals;
        let (setup, wall) = match (of.first_cycle_at, of.last_cycle_ended) {
            (Some(first), Some(last)) => (first.since(Instant::START), last.since(first)),
            _ => (Span::ZERO, Span::ZERO),
        };
        let began = Instant::START + self.setup + setup;
        ended.totals = Totals {
            first_cycle_at: Some(began),
            last_cycle_ended: Some(began + self.wall + wall),
            ..sum(&self.totals, &of)
        };
        ended.at = self.shift.moment(ended.at);
        ended
    }

    /// Adds a part, up to the end of a cycle.
    fn add(
        &mut self,
        reader: EventReader<io::BufReader<fs::File>>,
        path: &Path,
        last: u32,
        take: &mut impl FnMut(Instant, &Record),
    ) -> Result<(), String> {
        let mut scheduler = Scheduler::new(reader.config().clone());
        let mut actions = Vec::new();
        let mut next = self.shift;
        for line in reader {
            let (now, event) = line.map_err(|error| error.to_string())?;
            let at = self.shift.moment(now);
            let _ = scheduler.step(now, event, &mut actions);
            for action in actions.drain(..) {
                let Action::Record(record) = action else {
                    continue;
                };
                let record = self.shift.record(&record);
                next.follow(&record);
                take(at, &record);
                if let Record::Cycle(row) = record
                    && row.cycle.get() == last
                {
                    let totals = scheduler.totals();
                    let first = totals.first_cycle_at.unwrap_or(now);
                    self.setup = self.setup + first.since(Instant::START);
                    self.totals = sum(&self.totals, totals);
                    next.time = row.ended.since(Instant::START);
                    self.shift = next;
                    return Ok(());
                }
            }
        }
        Err(format!(
            "{}: it ends before cycle {last} does",
            path.display()
        ))
    }
}

/// How numbers and moments of a part become those of the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    time: Span,
    plans: u32,
    sessions: u32,
}

impl Shift {
    /// A moment of the part, in the whole run.
    pub(crate) fn moment(&self, moment: Instant) -> Instant {
        moment + self.time
    }

    /// A record of the part, in the whole run.
    pub(crate) fn record(&self, record: &Record) -> Record {
        let plan = |plan: PlanId| PlanId::new(plan.get() + self.plans);
        let session = |session: SessionId| SessionId::new(session.get() + self.sessions);
        let mut moved = *record;
        match &mut moved {
            Record::Joined { session: at, .. }
            | Record::Benchmarked { session: at, .. }
            | Record::Ignored { session: at, .. }
            | Record::Departed {
                session: Some(at), ..
            } => *at = session(*at),
            Record::Departed { session: None, .. } => {}
            Record::Planned(PlanRow { plan: of, .. })
            | Record::Share(ShareRow { plan: of, .. })
            | Record::NotPlanned { plan: of, .. } => *of = plan(*of),
            Record::Shipped {
                plan: of, since, ..
            } => (*of, *since) = (plan(*of), self.moment(*since)),
            Record::Paused { until, .. } => *until = self.moment(*until),
            Record::Assignment(AssignmentRow {
                plan: of,
                session: at,
                ..
            }) => (*of, *at) = (plan(*of), session(*at)),
            Record::Cycle(CycleRow {
                plan: of,
                started,
                results_at,
                ended,
                ..
            }) => {
                *of = plan(*of);
                [started, results_at, ended]
                    .into_iter()
                    .for_each(|moment| *moment = self.moment(*moment));
            }
        }
        moved
    }

    /// What comes after this record has greater numbers.
    fn follow(&mut self, record: &Record) {
        match record {
            Record::Joined { session, .. } => self.sessions = self.sessions.max(session.get()),
            Record::Planned(PlanRow { plan, .. }) | Record::NotPlanned { plan, .. } => {
                self.plans = self.plans.max(plan.get());
            }
            Record::Benchmarked { .. }
            | Record::Departed { .. }
            | Record::Share(_)
            | Record::Shipped { .. }
            | Record::Paused { .. }
            | Record::Assignment(_)
            | Record::Cycle(_)
            | Record::Ignored { .. } => {}
        }
    }
}

/// Moves the log of the last part of a run, whole or broken off, into the folder of earlier ones;
/// gives all of them, in order.
///
/// # Errors
/// When it cannot be moved.
pub(crate) fn set_aside(log: &Path, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let earlier = folder.join(EARLIER);
    fs::create_dir_all(&earlier)?;
    let part = |number: u32| earlier.join(format!("{number}.jsonl"));
    let mut parts: Vec<PathBuf> = (1..).map(part).take_while(|part| part.exists()).collect();
    for left in [log.to_owned(), results::WholeFile::partial(log)] {
        if fs::metadata(&left).is_ok_and(|left| left.len() == 0) {
            fs::remove_file(left)?; // broken off before it began
        } else if left.exists() {
            let next = part(parts.len() as u32 + 1);
            fs::rename(left, &next)?;
            parts.push(next);
        }
    }
    Ok(parts)
}

/// The last part is the log of the run again, since nothing went on.
///
/// # Errors
/// When it cannot be moved.
pub(crate) fn put_back(log: &Path, folder: &Path) -> io::Result<()> {
    let part = |number: u32| folder.join(EARLIER).join(format!("{number}.jsonl"));
    let last = (1..).map(part).take_while(|part| part.exists()).last();
    match last {
        Some(last) if !log.exists() => fs::rename(last, log),
        Some(_) | None => Ok(()),
    }
}

fn sum(one: &Totals, other: &Totals) -> Totals {
    Totals {
        complete: one.complete + other.complete,
        truncated: one.truncated + other.truncated,
        failed: one.failed + other.failed,
        accepted: one.accepted + other.accepted,
        lost: one.lost + other.lost,
        moved: one.moved + other.moved,
        plans: one.plans + other.plans,
        cost: one.cost + other.cost,
        charges: one.charges + other.charges,
        first_cycle_at: one.first_cycle_at,
        last_cycle_ended: other.last_cycle_ended,
    }
}
