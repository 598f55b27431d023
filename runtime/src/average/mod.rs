//! The average of the workers' results: which are refused, and how the others become a model.
//!
//! In this order: the exact length in bytes, all numbers finite, no parameter further from the model
//! than the steps of the cycle can move it, the size of the update against the others of the cycle, then
//! the rule, in 64-bit floats and in the order of the workers, so that the same results give the same bits.
//!
//! Parameters travel without names and types: a length that is exactly that of the layout is all
//! there is to compare, and a shape is never taken from a peer.
//!
//! The mean does not resist false results within the bound: a dishonest worker moves the model by
//! its share. [`Rule::Median`] and [`Rule::Trimmed`] do, while most workers are honest.
//!
//! **Large models.** Which results count, and with which weight, is only known when the cycle ends, so a
//! sum cannot be taken as they arrive. What can be is: a result is checked piece by piece (`intake.rs`).
//! From a size on it is kept in a file without a name (`kept.rs`), and read back piece by piece when all are
//! merged (`combine.rs`), so that results take no memory, however many there are.
//!
//! **What it does not know:** who a worker is, how many of its batches count (that is the
//! scheduler's decision and comes as a weight), and what becomes of one that is refused.

mod combine;
mod intake;
mod kept;
mod merge;
mod refusal;
mod rule;

pub(crate) use combine::threads;
pub use intake::Update;
pub(crate) use intake::{Intake, PIECE};
pub use merge::{Average, Contribution, LEAST_FOR_NORM, Merged};
pub use refusal::{NORM_FACTOR, Refusal};
pub use rule::{Rule, TrimShare, UnknownRule};
