//! Tables, statistics and summaries of what was allocated.
//!
//! - [`plan_line`]: the JSON line of one plan, written and read back.
//! - [`statistics`]: the 39 statistics of the thesis.
//! - [`Validation`]: many tests under several allocators, compared while they stream by, and
//!   written as tables if wanted. [`merge`] joins the folders of its shards.
//! - [`paired`]: two ways compared run by run, with confidence intervals.
//! - [`compare`]: folders of results, compared with each other.
//! - [`runs`]: the folder of one or many training runs, simulated or real.
//! - [`text`]: tables, paragraphs and numbers for terminals, and cells of CSV files.
//! - [`event_log`]: every event that a scheduler was given, to replay its run.
//! - [`dictionary`]: what every column of every table is; `schema.rs` declares them.
//! - [`report`]: one page with figures about any of these folders.
//! - [`machine`](fn@machine): what machine this is, for the record of how a folder was made.
//!
//! Tables are written and read through polars, which shows nowhere in the public interface.
//!
//! **What it deliberately does not know:** where problems come from, how plans are found (it
//! sees verified outcomes only), the command line, clocks and threads. Its callers measure
//! times, gather [`Chunk`]s on several threads, and hand them over in order.

mod assess;
mod checksums;
mod chunk;
pub mod compare;
mod cursor;
mod cycles;
pub mod dictionary;
mod error;
pub mod event_log;
mod files;
mod interval;
mod machine;
pub mod merge;
mod outcomes;
pub mod paired;
mod patience;
pub mod plan_line;
mod problems;
mod read;
mod render;
pub mod report;
mod report_file;
mod row;
mod run_file;
mod run_plan;
pub mod runs;
mod schema;
mod seal;
pub mod statistics;
mod statistics_table;
mod status;
mod sweep;
mod table;
mod tally;
mod test_keys;
pub mod text;
mod validation;
mod value;
mod whole;

pub use assess::{Assessed, Excess, Kind, Truth, Verdict};
pub use chunk::{Chunk, Detail};
pub use cycles::{AgainstExact, Cycles};
pub use error::{Action, MergeError, ResultsError};
pub use files::{RUN_FILE, SWEEP_FILE, VALIDATION_FILES};
pub use interval::{Estimate, Moments, share};
pub use machine::machine;
pub use outcomes::{OutcomeRecord, Outcomes};
pub use patience::{Patience, PatientFile};
pub use render::render;
pub use row::{OutcomeRow, Simulated, Took};
pub use run_plan::{FamilyPlan, RunPlan, Shard, ShardError};
pub use status::Status;
pub use sweep::SweepFolder;
pub use tally::{ALL_FAMILIES, Counts, Discrepancy, Report, Summary, SummaryRow, TimingRow, WORST};
pub use validation::Validation;
pub use whole::WholeFile;
