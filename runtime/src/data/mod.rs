//! Data sets: labelled samples of bytes, where they come from, and how they are cut into batches.
//!
//! **What it does not know:** models, the network, and who gets which batch. It believes no file:
//! what a header says is compared with what is there before anything is allocated for it.

mod batch;
mod idx;
mod source;
mod synthetic;

pub use batch::{Batch, BatchShape};
pub use source::{DataSource, SourceError};
pub use synthetic::Synthetic;

use std::io;
use std::path::PathBuf;

/// Labels are bytes.
pub const MAX_CLASSES: u32 = 256;

/// Labelled samples: a row of bytes each, and the class it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    features: u32,
    classes: u32,
    /// One row after the other.
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

/// What one trains on, and what one tests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splits {
    /// The samples that are shipped to the workers.
    pub train: Dataset,
    /// The samples by which a model is judged.
    pub test: Dataset,
}

/// Why there is no data set.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// None of the places where a file may lie has it.
    #[error("there is no {file} in {}: {hint}", folder.display())]
    Missing {
        /// The plain name of the file.
        file: &'static str,
        /// The last place where it was looked for.
        folder: PathBuf,
        /// What to do about it.
        hint: String,
    },
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: it begins with {found:#010x}, expected {expected:#010x} ({what})", path.display())]
    Magic {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// The number at the start of such a file.
        expected: u32,
        /// The number that is there.
        found: u32,
    },
    /// A file is shorter or longer than its header says.
    #[error("{}: it has {found} bytes{}, expected {expected}", path.display(), match unpacked {
        false => "",
        true if found > expected => " or more once unpacked",
        true => " once unpacked",
    })]
    Size {
        /// Which.
        path: PathBuf,
        /// Whether the bytes were counted while unpacking, which stops at the first too many.
        unpacked: bool,
        /// Bytes that the header promises, itself included.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A file holds nothing, or more than can be held.
    #[error("{}: {samples} samples of {features} values each, expected at least one of each and at most {} bytes in all", path.display(), idx::MAX_BYTES)]
    Extent {
        /// Which.
        path: PathBuf,
        /// Samples by its header.
        samples: u32,
        /// Values a sample by its header.
        features: u64,
    },
    /// Two files that belong together do not fit.
    #[error("{}: {found} {what}, expected {expected} as in {}", path.display(), other.file_name().unwrap_or_default().display())]
    Mismatch {
        /// The file that does not fit.
        path: PathBuf,
        /// The file it should fit.
        other: PathBuf,
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// A label names no class.
    #[error("{}: sample {index} has label {label}, expected one below {classes}", path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// The sample, from 0.
        index: usize,
        /// Its label.
        label: u8,
        /// The number of classes.
        classes: u32,
    },
    /// A batch from elsewhere has not the length that was agreed on.
    #[error("a batch has {found} bytes, expected {expected}")]
    BatchLength {
        /// Bytes by the shape.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// A batch from elsewhere has a label that names no class.
    #[error("sample {index} of a batch has label {label}, expected one below {classes}")]
    BatchLabel {
        /// The sample, from 0.
        index: usize,
        /// Its label.
        label: u8,
        /// The number of classes.
        classes: u32,
    },
}

impl Dataset {
    /// Reads or makes what `source` names.
    pub fn load(source: &DataSource) -> Result<Splits, DataError> {
        source.load()
    }

    /// A data set of rows that were checked: `labels.len()` rows of `features` bytes, each label
    /// below `classes`.
    fn new(features: u32, classes: u32, pixels: Vec<u8>, labels: Vec<u8>) -> Self {
        assert_eq!(
            pixels.len(),
            labels.len() * features as usize,
            "a row of features for each label"
        );
        debug_assert!(labels.iter().all(|&label| u32::from(label) < classes));
        Self {
            features,
            classes,
            pixels,
            labels,
        }
    }

    /// A data set of our own that another process of ours was given: the values of all samples,
    /// then their labels. None if they are not whole, or a label names no class.
    pub(crate) fn from_wire(features: u32, classes: u32, mut pixels: Vec<u8>) -> Option<Self> {
        let width = features as usize + 1;
        let samples = pixels.len() / width;
        let labels = pixels.split_off(samples * features as usize);
        let fits = labels.len() == samples && labels.iter().all(|&l| u32::from(l) < classes);
        fits.then(|| Self::new(features, classes, pixels, labels))
    }

    /// What [`Dataset::from_wire`] reads.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        [self.pixels.as_slice(), &self.labels].concat()
    }

    /// Samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Values of a sample.
    #[must_use]
    pub fn features(&self) -> u32 {
        self.features
    }

    /// Classes.
    #[must_use]
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// Whole batches in it. The samples that do not fill another one are left out: every batch
    /// has the same length, so that a number of batches says all there is to say about work.
    #[must_use]
    pub fn batches(&self, batch_size: u32) -> u64 {
        (self.len() as u64)
            .checked_div(u64::from(batch_size))
            .unwrap_or(0)
    }

    /// The shape of its batches.
    #[must_use]
    pub fn batch_shape(&self, batch_size: u32) -> BatchShape {
        BatchShape {
            batch_size,
            features: self.features,
            classes: self.classes,
        }
    }

    /// Batch `index` as it goes over the wire: the values of all samples, then their labels.
    ///
    /// # Panics
    ///
    /// If there is no such batch.
    #[must_use]
    pub fn batch_bytes(&self, index: u64, batch_size: u32) -> Vec<u8> {
        assert!(
            index < self.batches(batch_size),
            "batch {index} of {}",
            self.batches(batch_size)
        );
        let first = index as usize * batch_size as usize;
        let (pixels, labels) = self.rows(first, batch_size as usize);
        let mut bytes = Vec::with_capacity(self.batch_shape(batch_size).wire_len());
        bytes.extend_from_slice(pixels);
        bytes.extend_from_slice(labels);
        bytes
    }

    /// Batch `index`, ready to train on.
    ///
    /// # Panics
    ///
    /// If there is no such batch.
    #[must_use]
    pub fn batch(&self, index: u64, batch_size: u32) -> Batch {
        Batch::trusted(
            self.batch_shape(batch_size),
            self.batch_bytes(index, batch_size),
        )
    }

    /// The values and labels of at most `count` samples from `first` on.
    #[must_use]
    pub fn rows(&self, first: usize, count: usize) -> (&[u8], &[u8]) {
        let last = (first + count).min(self.len());
        let width = self.features as usize;
        (
            &self.pixels[first * width..last * width],
            &self.labels[first..last],
        )
    }
}
