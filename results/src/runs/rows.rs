//! One run's records as rows of tables, gathered until there are enough to give on.

use std::sync::Arc;

use scheduler::Instant;
use scheduler::machine::{AssignmentRow, CycleRow, Record, ShareRow};

use super::account::{RunEnd, RunSummary};
use super::columns::{HistoryRow, QuestionRow, WorkerRow};
use super::plan::RunKey;

/// Rows after which a chunk is given on.
const CHUNK_ROWS: usize = 8_192;

/// Takes in one run, record by record.
#[derive(Debug)]
pub struct RunRows {
    summary: RunSummary,
    chunk: RunChunk,
}

/// Some rows of one run, those of each table in order.
#[derive(Debug)]
pub struct RunChunk {
    pub(super) key: RunKey,
    pub(super) plans: Vec<QuestionRow>,
    pub(super) shares: Vec<ShareRow>,
    pub(super) cycles: Vec<CycleRow>,
    pub(super) lots: Vec<AssignmentRow>,
    pub(super) history: Vec<HistoryRow>,
    pub(super) workers: Vec<WorkerRow>,
    /// The run is over.
    pub(super) end: Option<RunEnd>,
}

impl RunRows {
    /// Nothing of a run yet.
    pub fn new(key: RunKey) -> Self {
        Self::with(key, RunSummary::default())
    }

    /// Nothing of a run yet, with a summary of its own, such as one that predicts.
    pub const fn with(key: RunKey, summary: RunSummary) -> Self {
        Self {
            summary,
            chunk: RunChunk::empty(key),
        }
    }

    /// What the records so far add up to.
    pub const fn summary(&self) -> &RunSummary {
        &self.summary
    }

    /// The same, to report measured connections to.
    pub const fn summary_mut(&mut self) -> &mut RunSummary {
        &mut self.summary
    }

    /// Takes in a record and the time of the step that gave it.
    pub fn record(&mut self, at: Instant, record: &Record) {
        self.summary.record(at, record);
        let chunk = &mut self.chunk;
        match *record {
            Record::Planned(row) => chunk.plans.push(QuestionRow::planned(at, &row)),
            Record::NotPlanned {
                plan,
                trigger,
                why,
                solve,
            } => {
                let asked = (plan, trigger, solve);
                chunk.plans.push(QuestionRow::not_planned(at, asked, &why));
            }
            Record::Share(ref row) => chunk.shares.push(row.clone()),
            Record::Cycle(row) => chunk.cycles.push(row),
            Record::Assignment(row) => chunk.lots.push(row),
            Record::Joined { .. }
            | Record::Benchmarked { .. }
            | Record::Departed { .. }
            | Record::Shipped { .. }
            | Record::Paused { .. }
            | Record::Ignored { .. } => chunk.history.extend(HistoryRow::new(at, record)),
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
    pub fn finish(self, end: RunEnd, names: &[Arc<str>]) -> RunChunk {
        let Self { summary, mut chunk } = self;
        let workers = summary.workers().len().max(names.len());
        let row = |worker: usize| {
            let name = names.get(worker).map(Arc::clone);
            let name = name.unwrap_or_else(|| worker.to_string().into());
            let totals = summary.workers().get(worker).copied().unwrap_or_default();
            WorkerRow::new(worker as u64, name, &totals)
        };
        chunk.workers = (0..workers).map(row).collect();
        chunk.end = Some(end);
        chunk
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
