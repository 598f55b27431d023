//! One run's records as rows of tables, gathered until there are enough to give on.

use std::sync::Arc;

use scheduler::machine::{
    AssignmentRow, CycleRow, Departure, Ending, Fate, PlanId, PlanRow, Record, ShareRow, Trigger,
};
use scheduler::{Cost, Fee, Instant, Span, Speed};

use super::{RunEnd, RunKey};

/// Rows after which a chunk is given on.
const CHUNK_ROWS: usize = 8_192;

/// Takes in one run, record by record.
#[derive(Debug)]
pub struct RunRows {
    workers: Vec<WorkerTally>,
    chunk: RunChunk,
}

/// Some rows of one run, those of each table in order.
#[derive(Debug)]
pub struct RunChunk {
    pub(super) key: RunKey,
    pub(super) plans: Vec<PlanRecord>,
    pub(super) shares: Vec<ShareRow>,
    pub(super) cycles: Vec<CycleRow>,
    pub(super) lots: Vec<AssignmentRow>,
    pub(super) history: Vec<(Instant, Record)>,
    pub(super) workers: Vec<WorkerRow>,
    /// The run is over.
    pub(super) end: Option<RunEnd>,
}

/// A plan, or a question without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlanRecord {
    pub(super) at: Instant,
    pub(super) plan: PlanId,
    pub(super) trigger: Trigger,
    pub(super) solve: Span,
    pub(super) made: Result<PlanRow, Ending>,
}

/// One worker in a whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkerRow {
    pub(super) worker: u64,
    pub(super) name: Arc<str>,
    pub(super) tally: WorkerTally,
}

/// What adds up for a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WorkerTally {
    pub(super) fee: Option<Fee>,
    pub(super) joined: Option<Instant>,
    pub(super) benchmarked: Option<Speed>,
    pub(super) stays: u64,
    pub(super) departures: u64,
    pub(super) last_departure: Option<Departure>,
    /// Cycles in which it was given orders.
    pub(super) cycles: u64,
    pub(super) complete: u64,
    pub(super) assigned: u64,
    pub(super) accepted: u64,
    pub(super) cost: Cost,
    pub(super) expected: Span,
    pub(super) elapsed: Span,
    pub(super) computed: Span,
}

impl RunRows {
    /// Nothing of a run yet.
    pub const fn new(key: RunKey) -> Self {
        Self {
            workers: Vec::new(),
            chunk: RunChunk::empty(key),
        }
    }

    /// Takes in a record and the time of the step that gave it.
    pub fn record(&mut self, at: Instant, record: &Record) {
        let chunk = &mut self.chunk;
        match *record {
            Record::Planned(row) => chunk.plans.push(PlanRecord {
                at,
                plan: row.plan,
                trigger: row.trigger,
                solve: row.solve,
                made: Ok(row),
            }),
            Record::NotPlanned {
                plan,
                trigger,
                why,
                solve,
            } => chunk.plans.push(PlanRecord {
                at,
                plan,
                trigger,
                solve,
                made: Err(why),
            }),
            Record::Share(row) => chunk.shares.push(row),
            Record::Cycle(row) => chunk.cycles.push(row),
            Record::Assignment(row) => {
                chunk.lots.push(row);
                self.of(row.worker.get()).add(&row);
            }
            Record::Joined { worker, fee, .. } => {
                chunk.history.push((at, *record));
                let tally = self.of(worker.get());
                tally.fee.get_or_insert(fee);
                tally.joined.get_or_insert(at);
                tally.stays += 1;
            }
            Record::Benchmarked { worker, speed, .. } => {
                chunk.history.push((at, *record));
                self.of(worker.get()).benchmarked.get_or_insert(speed);
            }
            Record::Departed { worker, why, .. } => {
                chunk.history.push((at, *record));
                let tally = self.of(worker.get());
                tally.departures += 1;
                tally.last_departure = Some(why);
            }
            Record::Shipped { .. } | Record::Paused { .. } | Record::Ignored { .. } => {
                chunk.history.push((at, *record));
            }
        }
    }

    /// The rows so far, once there are enough of them.
    pub fn take_full(&mut self) -> Option<RunChunk> {
        if self.chunk.rows() < CHUNK_ROWS {
            return None;
        }
        let empty = RunChunk::empty(self.chunk.key);
        Some(std::mem::replace(&mut self.chunk, empty))
    }

    /// The last rows of the run. `names` are the workers' by their number; those beyond are
    /// called by it.
    pub fn finish(mut self, end: RunEnd, names: &[Arc<str>]) -> RunChunk {
        self.workers
            .resize(self.workers.len().max(names.len()), WorkerTally::default());
        let row = |(worker, tally): (usize, WorkerTally)| WorkerRow {
            worker: worker as u64,
            name: match names.get(worker) {
                Some(name) => Arc::clone(name),
                None => worker.to_string().into(),
            },
            tally,
        };
        self.chunk.workers = self.workers.into_iter().enumerate().map(row).collect();
        self.chunk.end = Some(end);
        self.chunk
    }

    fn of(&mut self, worker: u32) -> &mut WorkerTally {
        let worker = worker as usize;
        if worker >= self.workers.len() {
            self.workers.resize(worker + 1, WorkerTally::default());
        }
        &mut self.workers[worker]
    }
}

impl WorkerTally {
    fn add(&mut self, lot: &AssignmentRow) {
        self.assigned += lot.assigned;
        self.accepted += lot.accepted;
        self.cost += lot.cost;
        if lot.fate == Fate::Absent {
            return;
        }
        self.cycles += 1;
        self.complete += u64::from(lot.fate == Fate::Complete);
        self.expected = self.expected + lot.expected;
        self.elapsed = self.elapsed + lot.elapsed;
        self.computed = self.computed + lot.computed;
    }
}

impl RunChunk {
    const fn empty(key: RunKey) -> Self {
        Self {
            key,
            plans: Vec::new(),
            shares: Vec::new(),
            cycles: Vec::new(),
            lots: Vec::new(),
            history: Vec::new(),
            workers: Vec::new(),
            end: None,
        }
    }

    /// How many rows it holds, of all tables together.
    pub const fn rows(&self) -> usize {
        self.plans.len()
            + self.shares.len()
            + self.cycles.len()
            + self.lots.len()
            + self.history.len()
            + self.workers.len()
    }
}
