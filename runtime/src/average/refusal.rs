//! Why a result does not count.

use std::io;

/// An update may be this many times as long as the median of its cycle. See
/// [`Average::merge`](super::Average::merge).
pub const NORM_FACTOR: f64 = 8.0;

/// Why a result does not count.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It has another length.
    #[error("its parameters have {found} bytes, expected {expected}")]
    Length {
        /// Bytes of this model's parameters.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// A parameter is not a finite number.
    #[error("its parameter {index} is {value}, expected a finite number")]
    NotFinite {
        /// The place, from 0.
        index: usize,
        /// What is there.
        value: f32,
    },
    /// A parameter is further from the model than training can have moved it.
    #[error(
        "its parameter {index} has moved by {moved:.3e}, expected at most {bound:.3e}, which {steps} steps of the optimiser can reach"
    )]
    OutOfReach {
        /// The place, from 0.
        index: usize,
        /// How far it moved.
        moved: f64,
        /// How far it can have moved.
        bound: f64,
        /// In how many steps.
        steps: u64,
    },
    /// It is too far from the model that it was made from.
    #[error(
        "its update is {norm:.3e} long, expected at most {bound:.3e}, {NORM_FACTOR} times the cycle's median for its batches"
    )]
    TooFar {
        /// The length of the update.
        norm: f64,
        /// The greatest that was allowed.
        bound: f64,
    },
    /// It could not be kept until the end of the cycle, which is not its worker's fault.
    #[error("it cannot be kept in a file: {why}")]
    NotKept {
        /// What the system said.
        why: io::ErrorKind,
    },
}
