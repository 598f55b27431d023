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
    /// A received batch has a label that is not a class.
    #[error("sample {index} of a batch has label {label}, expected one below {classes}")]
    BatchLabel {
        /// The index of the sample.
        index: usize,
        /// Its label.
        label: u8,
        /// The number of classes.
        classes: u32,
    },
}
