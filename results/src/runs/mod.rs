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
//! | `workers.parquet` | worker: name, fee, first benchmark, sessions, and its shares in all |
//! | `plans.parquet` | plan that was taken, or question without one (`status` is null) |
//! | `shares.parquet` | plan and candidate: speed, capacity, batches |
//! | `cycles.parquet` | cycle |
//! | `lots.parquet` | cycle and worker with a share: fate, batches, fee and charge, times |
//! | `history.parquet` | joining, benchmark, departure, shipping, pause, and what was ignored |
//! | `models.parquet` | cycle of a real run whose model was judged |
//! | `summary.csv`, `summary.json` | allocator, with 95 % confidence intervals over its runs |
//! | `job.json` | (one) the configuration of the scheduler, and what a cycle takes besides computing |
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

mod account;
mod bill;
mod columns;
mod figures;
mod folder;
mod forecast;
mod periods;
mod plan;
mod record;
mod recorded;
mod rows;
mod stream;
mod summary;

pub use account::{Move, Pace, RunEnd, RunSummary, Truth, WorkerTotals};
pub use bill::Bill;
pub use columns::ModelRow;
pub(crate) use columns::{HistoryRow, QuestionRow, RunRow, RunTable, WorkerRow};
pub use figures::{Compared, FIGURES, Figure, MORE_FIGURES, PairedRow, RunFigures};
pub use folder::RunFolder;
pub use forecast::{Beside, Forecast};
pub(crate) use periods::is_of;
pub use periods::{Candidate, Period, RecordedRun, Runs};
pub use plan::{Job, RunKey, RunsPlan};
pub use recorded::RecordedFolder;
pub use rows::{RunChunk, RunRows};
pub(crate) use stream::Stream;
pub use summary::{RunsSummary, SummaryLine};
