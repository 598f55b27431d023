//! The folder of one or many training runs of one job, simulated or real: the same tables.
//!
//! A [`RunRows`] takes the scheduler's records of one run as they come and gives them on in
//! chunks; a [`RunFolder`] takes chunks run by run, by replicate and then by allocator, and writes
//! them in row groups: what is held is bounded, however long runs are. [`RecordedFolder`] reads a
//! folder back.
//!
//! | file | a row for each |
//! |---|---|
//! | `runs.parquet` | run: its end, times, cycles, batches, cost |
//! | `workers.parquet` | worker: name, fee, first benchmark, stays, and its shares in all |
//! | `plans.parquet` | plan that was taken, or question without one (`status` is null) |
//! | `shares.parquet` | plan and candidate: speed, capacity, batches |
//! | `cycles.parquet` | cycle |
//! | `lots.parquet` | cycle and worker with a share: fate, batches, fee, times |
//! | `history.parquet` | joining, benchmark, departure, shipping, pause, and what was ignored |
//! | `summary.csv`, `summary.json` | allocator, with 95 % confidence intervals over its runs |
//! | `job.json` | (one) what the scheduler was told of the job, and the times that a cycle has besides computing |
//! | `scenario.toml` | (one) the scenario with every value |
//! | `run.json` | (one, written last) how it was made, and whether it is complete |
//! | `events/REPLICATE-ALLOCATOR.jsonl` | event, on request: see [`crate::event_log`] |
//! | `earlier/PART.jsonl` | event, of each part of a real run that was broken off before the last |
//!
//! Tables begin with `replicate` (from 0) and `allocator`. Moments count from the beginning of the
//! run and end in `_ns` as spans do; money is in millionths and ends in `_micro`; a worker is its
//! number. A speed is a ratio, `speed_batches` in `speed_ns`. Columns that only a simulation can
//! know, such as `feasible`, are null in a real run. Nothing but `run.json` holds a time of day,
//! a path or a number of threads.

mod ends;
mod figures;
mod folder;
mod frames;
mod read;
mod rows;
mod summary;

use scheduler::machine::{Config, Ending, Totals};
use scheduler::{CycleModel, Instant, Span};
use serde::{Deserialize, Serialize};

pub use figures::{Compared, FIGURES, Figure, MORE_FIGURES, Said};
pub use folder::RunFolder;
pub(crate) use folder::{CYCLES, FORMAT, LOTS, RUNS, SUMMARY_CSV, WORKERS};
pub(crate) use read::Stream;
pub use read::{Candidate, Period, RecordedFolder, RecordedRun};
pub use rows::{RunChunk, RunRows};
pub use summary::{RunsSummary, SummaryLine, Value};

/// Which runs a folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunsPlan {
    /// `simulated` or `real`.
    pub mode: String,
    /// What the scenario is called.
    pub scenario: String,
    /// The seed of all draws.
    pub seed: u64,
    /// How many replicates, 1 for a real run.
    pub replicates: u64,
    /// The allocators that each replicate was run with, in order.
    pub allocators: Vec<String>,
}

/// What all runs of a folder have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What the scheduler was told.
    pub config: Config,
    /// What a cycle takes besides computing, as far as the links and the model tell beforehand.
    pub cycle_model: CycleModel,
    /// The size of the parameters.
    pub parameter_bytes: u64,
}

/// Which run of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunKey {
    /// The replicate, from 0.
    pub replicate: u64,
    /// The allocator's place in the plan.
    pub allocator: usize,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// Why.
    pub ending: Ending,
    /// What the scheduler counted.
    pub totals: Totals,
    /// When.
    pub ended: Instant,
    /// The time that all cycles together had.
    pub limit: Span,
    /// What only a simulation knows.
    pub truth: Option<Truth>,
}

impl RunEnd {
    /// From the first parameter byte of the first cycle to the last aggregation.
    pub fn wall(&self) -> Span {
        let begun = self.totals.first_cycle_at.unwrap_or(self.ended);
        let ended = self.totals.last_cycle_ended.unwrap_or(begun);
        ended.since(begun)
    }

    /// What came before: joining, benchmarks, planning, shipping.
    pub fn setup(&self) -> Span {
        let begun = self.totals.first_cycle_at.unwrap_or(self.ended);
        begun.since(Instant::START)
    }

    /// Whether the job missed: it took too long, ended before its last cycle, or has a cycle of
    /// which not every batch was trained in time.
    pub fn is_missed(&self) -> bool {
        let whole = self.totals.truncated == 0 && self.totals.failed == 0;
        self.wall() > self.limit || self.ending != Ending::Completed || !whole
    }
}

/// What only a simulation knows of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Cycles for which there was a plan with the workers' true speeds.
    pub feasible: u64,
    /// Of these, how many were complete.
    pub feasible_complete: u64,
    /// Feasible cycles within which no fault began or ended.
    pub untouched: u64,
    /// Of these, how many were complete.
    pub untouched_complete: u64,
    /// Shares that were ordered.
    pub orders: u64,
    /// Of these, how many were not computed by the time at which their workers were to stop.
    pub overruns: u64,
}
