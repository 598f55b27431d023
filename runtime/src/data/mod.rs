//! Data sets: samples with what is to be learnt of each, where they come from, and how they are split
//! into batches. Files are read in pieces, when they are needed, so that a set may be larger than
//! memory.
//!
//! **What it does not know:** models, the network, and which worker gets which batch. It trusts no
//! file: a header is checked against the file's length before anything is allocated for it.

mod batch;
mod dataset;
mod error;
mod folder;
mod idx;
mod images;
mod npy;
mod source;
mod synthetic;
mod table;
mod tensor;

pub use batch::{Batch, BatchShape};
pub use dataset::{Dataset, Splits};
pub use error::DataError;
pub use source::{DataAt, DataSource, UnknownDataSource};
pub use synthetic::Synthetic;
pub use tensor::{FieldShape, ValueType};
