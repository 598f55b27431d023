//! Why there is no data set or no batch.

use std::path::PathBuf;

use crate::files::FileError;

/// Why there is no data set.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file has none of its possible names in the folder.
    #[error("there is no {file} in {}: {hint}", folder.display())]
    Missing {
        /// The plain name of the file.
        file: &'static str,
        /// The folder.
        folder: PathBuf,
        /// What to do.
        hint: String,
    },
    /// Something is wrong with a file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A received batch has the wrong length.
    #[error("a batch has {found} bytes, expected {expected}")]
    BatchLength {
        /// Bytes by the shape.
        expected: usize,
        /// Bytes received.
        found: usize,
    },
    /// A received batch has a number that is out of its bounds.
    #[error(
        "sample {index} of a batch has the {name} {value}, expected one from 0 to below {below}"
    )]
    BatchLabel {
        /// The index of the sample.
        index: usize,
        /// What it is.
        name: &'static str,
        /// The number.
        value: i64,
        /// What it is to be below.
        below: i64,
    },
}
