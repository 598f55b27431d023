//! Tables, statistics and summaries of what was allocated.
//!
//! - [`plan_line`]: the JSON line of one plan, written and read back.
//! - [`statistics`]: the 39 statistics of the thesis.
//! - [`Validation`]: many tests under several allocators, compared while they stream by, and
//!   written as tables if wanted. [`merge`] joins the folders of its shards.
//! - [`paired`]: two ways compared run by run, with confidence intervals.
//! - [`compare`]: folders of results, compared with each other.
//! - [`runs`]: the folder of one or many training runs, simulated or real.
//! - [`event_log`]: everything that a scheduler was told, to replay its run.
//! - [`read`]: tables read back, a row at a time.
//! - [`text`]: tables, paragraphs and numbers for terminals, and cells of CSV files.
//! - [`report`]: one page with figures about any of these folders.
//! - [`machine`](fn@machine): what machine this is, for the record of how a folder was made.
//!
//! Tables are written and read through polars, which shows nowhere in the public interface.
//!
//! **What it deliberately does not know:** where problems come from, how plans are found (it
//! sees verified outcomes only), the command line, clocks and threads. Whoever calls it measures
//! times, gathers [`Chunk`]s on as many threads as there are, and hands them over in order.

mod assess;
mod chunk;
pub mod compare;
mod cursor;
mod cycles;
mod error;
pub mod event_log;
mod frames;
mod interval;
mod machine;
pub mod merge;
pub mod paired;
pub mod plan_line;
pub mod read;
mod render;
pub mod report;
mod row;
mod run_plan;
pub mod runs;
pub mod statistics;
mod sweep;
mod table;
mod tally;
pub mod text;
mod validation;
mod whole;

pub use assess::{Assessed, Excess, Kind, Truth, Verdict};
pub use chunk::{Chunk, Detail};
pub use cycles::{AgainstExact, Cycles};
pub use error::{Action, ResultsError};
pub use interval::{Estimate, Moments, share};
pub use machine::machine;
pub use render::render;
pub use row::{OutcomeRow, Simulated, Status, Took};
pub use run_plan::{FamilyPlan, RunPlan, Shard, ShardError};
pub use sweep::{SWEEP_FILE, SweepFolder};
pub use tally::{ALL_FAMILIES, Counts, Discrepancy, Report, Summary, SummaryRow, TimingRow, WORST};
pub use validation::{FILES, RUN_FILE, Validation};
pub use whole::WholeFile;
