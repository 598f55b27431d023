//! What is simulated or run, as one file says it.
//!
//! A scenario is a TOML file. Reading it gives a [`Scenario`], whose numbers all lie within their
//! bounds, or every mistake that was found, each on a line of its own with the file, the line and
//! what was expected. Nothing downstream checks again.
//!
//! Each key is declared once, in the structure that holds its value ([`Job`], [`Model`], [`Group`]
//! and the others): from that come reading, writing, flags, variables and [`mod@reference`]. Reading
//! goes from the text to a tree in which every value knows where it was written, then through what
//! is set outside of the file ([`Overrides`]), then into the structures.
//!
//! Three decisions behind that:
//!
//! - The reader walks over `toml`'s parsed document by itself, since derived readers stop at the
//!   first mistake and lose lines. Numbers stay texts until they are integers; unknown keys, the
//!   nearest known ones and all mistakes at once follow from it.
//! - A worker's random streams follow from the seed, the purpose, its name and the replicate
//!   ([`WorkerStreams`]). Another worker or another draw changes none of them.
//! - The margin for a risk is the quantile of the [`Errors`] that the scenario states (benchmark
//!   error, jitter, drift), by a fixed set of draws, so that two machines make the same plan.
//!
//! Quantities are texts with a unit (`"30 s"`, `"7.3 MB/s"`); a bare number of a time is in
//! seconds. Fees, ratios and counts are plain numbers. All are read as decimals into integers. A
//! quantity of a worker may be a distribution instead: `{ dist = "lognormal", median = …, sigma =
//! … }`, `gamma` (mean, shape), `exponential` (mean) or `uniform` (low, high).

mod agreed;
mod definition;
mod device;
mod drawn;
mod errors;
mod faults;
mod field;
mod fleet;
mod job;
mod key;
mod margins;
mod measured;
mod overrides;
mod pay;
mod provenance;
mod read;
pub mod reference;
mod schema;
mod streams;
mod training;
mod tree;
mod unit;
mod worker;

pub use definition::{Scenario, ScenarioErrors};
pub use drawn::Drawn;
pub use errors::{AssumedErrors, BenchmarkError, Errors, Jitter};
pub use faults::{FaultEvent, FaultKind, Faults};
pub use fleet::WorkerSpec;
pub use job::{Benchmark, FeeType, Fees, Job, Model, Run, SharedLink, Ship};
pub use key::Key;
pub use measured::MeasuredWorker;
pub use overrides::{OverrideError, Overrides, Vary};
pub use pay::{Amount, FeeTier};
pub use provenance::{Given, Provenance};
pub use schema::keys;
pub use streams::{Purpose, WorkerStreams};
pub use training::{Loss, Optimizer, Outer, Schedule, Training, Weights, Wire};
pub(crate) use tree::shown;
pub use unit::{BatchRate, BitRate, Bytes, Power, Ratio, SignedRatio};
pub use worker::Group;
