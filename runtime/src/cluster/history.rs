//! What a run did before it was broken off, from the logs of its scheduler's events.
//!
//! A log replays its part of the run, so that nothing else need be kept for it: the tables of a
//! resumed run hold all of its cycles, and its fee is that of all. Each part numbers its plans and
//! sessions from 1 and its moments from 0; a [`Shift`] makes one run of them. What is replayed is
//! handed on at once: the length of a run costs time, not memory.
//!
//! A cycle that was broken off, or whose model is in no checkpoint, failed: what was ordered for it is
//! owed, as of every failed cycle, and then it is run again. Its rows stand before those of the cycle
//! that counts.
//!
//! **What it does not know:** how a run goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use results::event_log::EventReader;
use scheduler::machine::{
    Action, AssignmentRow, CycleResult, CycleRow, Event, PlanId, PlanRow, Record, Scheduler,
    SessionId, ShareRow, Totals,
};
use scheduler::{Cost, Instant, Span};

use crate::orchestrator::Ended;

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
    /// What they cost, those among them that are run again.
    pub(crate) spent: Cost,
    /// What the records of the part that is to come are moved by.
    pub(crate) shift: Shift,
    /// The first damage to a log, behind what counts of it.
    pub(crate) damage: Option<String>,
}

impl History {
    /// Of a run whose logs are lost: what it cost is known.
    pub(crate) fn unknown(spent: Cost) -> Self {
        Self {
            spent,
            ..Self::default()
        }
    }

    /// Replays the parts, in order, up to a checkpoint after this cycle and time of cycles.
    ///
    /// # Errors
    /// When they do not reach the checkpoint. The run can be resumed all the same, without the
    /// tables of what was before.
    pub(crate) fn replay(
        parts: &[PathBuf],
        (cycle, elapsed): (u32, Span),
        mut take: impl FnMut(Instant, &Record, Replayed),
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
        nexts.push(cycle + 1);
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
            history.add(reader, part, next, &mut take)?;
            reached = next - 1;
        }
        if reached != cycle {
            return Err(format!("the logs have {reached} cycles, expected {cycle}"));
        }
        history.wall = elapsed;
        history.spent = history.totals.cost;
        Ok(history)
    }

    /// Whether there was a cycle, whatever became of it.
    pub(crate) const fn has_cycles(&self) -> bool {
        let Totals {
            complete,
            truncated,
            failed,
            ..
        } = self.totals;
        complete + truncated + failed > 0
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

    /// Adds a part of which the cycles before this one count: the others fail.
    fn add(
        &mut self,
        reader: EventReader<io::BufReader<fs::File>>,
        path: &Path,
        next: u32,
        take: &mut impl FnMut(Instant, &Record, Replayed),
    ) -> Result<(), String> {
        let mut scheduler = Scheduler::new(reader.config().clone());
        let mut actions = Vec::new();
        let mut shift = self.shift;
        let mut now = Instant::START;
        // Those of the cycles that count, once they are over.
        let mut counted = (reader.config().first_cycle == next).then(Totals::default);
        // It may have been killed: what was under way then is broken off.
        let stop = std::iter::once(Ok((None, Event::Stopped)));
        let events = reader.map(|line| line.map(|(now, event)| (Some(now), event)));
        for line in events.chain(stop) {
            let event = match line {
                Ok((at, event)) => {
                    now = at.unwrap_or(now);
                    event
                }
                // What counts is whole.
                Err(error) if counted.is_some() => {
                    self.damage.get_or_insert_with(|| error.to_string());
                    continue;
                }
                Err(error) => return Err(error.to_string()),
            };
            let at = self.shift.moment(now);
            let _ = scheduler.step(now, event, &mut actions);
            for action in actions.drain(..) {
                let Action::Record(record) = action else {
                    continue;
                };
                let mut record = self.shift.record(&record);
                shift.follow(&record);
                if counted.is_some() {
                    fails(&mut record);
                    take(at, &record, Replayed::Bill);
                    continue;
                }
                take(at, &record, Replayed::Whole);
                if let Record::Cycle(row) = record
                    && row.cycle.get() + 1 == next
                {
                    let totals = *scheduler.totals();
                    let first = totals.first_cycle_at.unwrap_or(now);
                    self.setup = self.setup + first.since(Instant::START);
                    counted = Some(totals);
                }
            }
        }
        let Some(counted) = counted else {
            let (path, last) = (path.display(), next - 1);
            return Err(format!("{path}: it ends before cycle {last} does"));
        };
        self.totals = sum(&self.totals, &failed(&counted, scheduler.totals()));
        shift.time = self.shift.moment(now).since(Instant::START);
        self.shift = shift;
        Ok(())
    }
}

/// What is kept of a record of an earlier part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// All that it says.
    Whole,
    /// It is of a cycle that is run again: what is owed for it stands in the tables.
    Bill,
}

/// A record of a cycle that is run again: it left the model as it was.
fn fails(record: &mut Record) {
    match record {
        Record::Assignment(row) => row.accepted = 0,
        Record::Cycle(row) => {
            row.result = CycleResult::Failed;
            row.lost += std::mem::take(&mut row.accepted);
        }
        _ => {}
    }
}

/// The totals of a part of which only these count, and all that came after them failed.
fn failed(counted: &Totals, all: &Totals) -> Totals {
    let cycles = |of: &Totals| of.complete + of.truncated + of.failed;
    Totals {
        failed: counted.failed + cycles(all) - cycles(counted),
        lost: all.lost + all.accepted - counted.accepted,
        complete: counted.complete,
        truncated: counted.truncated,
        accepted: counted.accepted,
        first_cycle_at: counted.first_cycle_at,
        last_cycle_ended: counted.last_cycle_ended,
        ..*all
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
        let mut moved = record.clone();
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;
    use results::event_log::EventWriter;
    use scheduler::machine::{Billing, Config, Limit, Profile, WorkerId};
    use scheduler::{Fee, Link};
    use solvers::{AllocatorName, Host};

    use super::*;

    /// What a part wrote into its log, and what its orders were worth when each line was written.
    struct Part {
        log: Vec<u8>,
        /// The length of the log after each line, and the fees of all orders so far.
        lines: Vec<(usize, Cost)>,
        /// The cycles that were over after each line.
        over: Vec<u32>,
    }

    fn allocator() -> AllocatorName {
        "exact".parse().expect("there is one")
    }

    const FEES: [u64; 2] = [1_500_000, 700_001];

    /// Runs the cycles from a first one to the last, with workers that do all at once.
    fn run(first_cycle: u32, cycles: u32, billing: Billing) -> Part {
        let mut config = Config::new(20, cycles, Limit::Cycle(Span::from_secs(1)));
        (config.beta, config.expect, config.first_cycle) = (2, 2, first_cycle);
        (config.benchmark.batches, config.benchmark.rounds) = (10, 1);
        config.billing = billing;
        let mut part = Part {
            log: Vec::new(),
            lines: Vec::new(),
            over: Vec::new(),
        };
        let mut writer = EventWriter::new(Vec::new(), &config).expect("a header");
        let mut scheduler = Scheduler::new(config);
        let mut allocator = allocator().create(&Host::default());
        let joined = |(worker, fee)| Event::Joined {
            worker: WorkerId::new(worker),
            profile: Profile {
                fee: Fee::from_micros(fee).expect("a fee"),
                least_fee: Fee::ZERO,
                link: Link::default(),
                most: u64::MAX,
                tariff: None,
            },
        };
        let mut queue: VecDeque<Event> = (0..).zip(FEES).map(joined).collect();
        let (mut now, mut ordered, mut over) = (Instant::START, Cost::ZERO, first_cycle - 1);
        let mut actions = Vec::new();
        while let Some(event) = queue.pop_front() {
            now = now + Span::from_millis(1);
            writer.append(now, &event).expect("written");
            let _ = scheduler.step(now, event, &mut actions);
            for action in actions.drain(..) {
                queue.extend(match action {
                    Action::Benchmark {
                        worker,
                        session,
                        batches,
                    } => Some(Event::Benchmarked {
                        worker,
                        session,
                        batches,
                        took: Span::from_millis(10 * batches),
                    }),
                    Action::Solve { plan, request } => Some(Event::Solved {
                        plan,
                        response: Box::new(solvers::answer(&request, allocator.as_mut())),
                    }),
                    Action::Ship {
                        worker,
                        session,
                        plan,
                        batches,
                        ..
                    } => Some(Event::Shipped {
                        worker,
                        session,
                        plan,
                        batches,
                    }),
                    Action::Train(order) => {
                        let fee = FEES[order.worker.get() as usize];
                        let fee = Fee::from_micros(fee).expect("a fee");
                        ordered += fee.times(order.batches);
                        Some(Event::Trained {
                            worker: order.worker,
                            session: order.session,
                            cycle: order.cycle,
                            done: order.batches,
                            took: Span::from_nanos(500_000),
                            tail: Span::from_nanos(50_000),
                        })
                    }
                    Action::Aggregate { cycle, .. } => Some(Event::Aggregated { cycle }),
                    Action::Record(Record::Cycle(_)) => {
                        over += 1;
                        None
                    }
                    _ => None,
                });
            }
            part.lines.push((writer.get_mut().len(), ordered));
            part.over.push(over);
        }
        part.log = std::mem::take(writer.get_mut());
        part
    }

    /// What the rows of a history say, in their order.
    #[derive(Default)]
    struct Rows {
        lots: Cost,
        cycles: Cost,
        /// Number and result.
        results: Vec<(u32, CycleResult)>,
        accepted: u64,
        whole: Vec<u32>,
    }

    impl Rows {
        fn take(&mut self, record: &Record, kept: Replayed) {
            match record {
                Record::Assignment(row) => {
                    self.lots += row.cost;
                    self.accepted += row.accepted;
                }
                Record::Cycle(row) => {
                    self.cycles += row.cost;
                    self.results.push((row.cycle.get(), row.result));
                    if kept == Replayed::Whole {
                        self.whole.push(row.cycle.get());
                    }
                }
                _ => {}
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// A run that is killed again and again, at any byte of its logs and with any of its checkpoints
        /// on disk: all that was ordered is owed, and each cycle that counts does so once.
        #[test]
        fn what_was_ordered_is_owed_whenever_a_run_is_killed(
            kills in proptest::collection::vec((0.0..1.0_f64, 0..3_u32), 1..4),
        ) {
            const CYCLES: u32 = 5;
            let folder = tempfile::tempdir().expect("a folder");
            let (mut parts, mut reached, mut owed) = (Vec::new(), 0, Cost::ZERO);
            for (number, (share, behind)) in kills.into_iter().enumerate() {
                let part = run(reached + 1, CYCLES, Billing::Assigned);
                let (begins, ends) = (part.lines[0].0, part.log.len());
                let cut = begins + ((ends - begins) as f64 * share) as usize;
                let lines = part.lines.partition_point(|(end, _)| *end <= cut);
                owed += part.lines[lines - 1].1;
                // The checkpoint may be some cycles older than the log, and the last cycle is never over.
                let over = part.over[lines - 1].min(CYCLES - 1);
                reached = over.saturating_sub(behind).max(reached);
                let path = folder.path().join(number.to_string());
                fs::write(&path, &part.log[..cut]).expect("written");
                parts.push(path);
                let mut rows = Rows::default();
                let history = History::replay(&parts, (reached, Span::ZERO), |_, record, kept| {
                    rows.take(record, kept);
                });
                let history = history.expect("the logs reach the checkpoint");
                prop_assert_eq!(history.spent, owed);
                prop_assert_eq!(rows.lots, owed);
                prop_assert_eq!(rows.cycles, owed);
                let totals = history.totals;
                prop_assert_eq!(rows.accepted, totals.accepted);
                prop_assert_eq!(totals.accepted, u64::from(reached) * 20);
                prop_assert_eq!(&rows.whole, &(1..=reached).collect::<Vec<_>>());
                let of = |result| rows.results.iter().filter(|(_, of)| *of == result).count();
                prop_assert_eq!(of(CycleResult::Complete), totals.complete as usize);
                prop_assert_eq!(of(CycleResult::Failed), totals.failed as usize);
                prop_assert_eq!(
                    totals.accepted + totals.lost,
                    20 * u64::from(totals.complete + totals.failed)
                );
            }
        }
    }

    /// Where what was trained is paid, a cycle that was broken off is owed what had arrived.
    #[test]
    fn of_a_broken_cycle_what_arrived_is_owed_where_that_is_paid() {
        let part = run(1, 2, Billing::Computed);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut known = Vec::new();
        for (end, _) in &part.lines {
            fs::write(&path, &part.log[..*end]).expect("written");
            let history =
                History::replay(std::slice::from_ref(&path), (0, Span::ZERO), |_, _, _| ());
            known.push(history.expect("it is whole").spent);
        }
        known.dedup();
        // Nothing, one result, two, and the same again.
        assert_eq!(known.len(), 5, "{known:?}");
        assert!(known.is_sorted());
        assert_eq!(known[4], known[2] + known[2]);
    }
}
