//! Data sets: labelled samples of bytes, where they come from, and how they are split into batches.
//!
//! **What it does not know:** models, the network, and which worker gets which batch. It trusts no
//! file: a header is checked against the file's length before anything is allocated for it.

mod batch;
mod dataset;
mod error;
mod idx;
mod source;
mod synthetic;

pub use batch::{Batch, BatchShape};
pub use dataset::{Dataset, Splits};
pub use error::DataError;
pub use source::{DataSource, UnknownDataSource};
pub use synthetic::Synthetic;
