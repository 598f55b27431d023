//! Labelled samples, and their batches.

use super::batch::{Batch, BatchShape};

/// Labelled samples: for each a row of bytes, and its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    features: u32,
    classes: u32,
    /// Every value is below this.
    values: u32,
    /// One row after the other.
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

/// The samples for training and those for testing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splits {
    /// The samples that are sent to the workers.
    pub train: Dataset,
    /// The samples with which a model is evaluated.
    pub test: Dataset,
}

impl Dataset {
    /// A data set of checked samples: `labels.len()` rows of `features` bytes, each label below
    /// `classes`.
    pub(super) fn new(features: u32, classes: u32, pixels: Vec<u8>, labels: Vec<u8>) -> Self {
        assert_eq!(
            pixels.len(),
            labels.len() * features as usize,
            "a row of features for each label"
        );
        debug_assert!(labels.iter().all(|&label| u32::from(label) < classes));
        let greatest = pixels.iter().copied().max().unwrap_or(0);
        Self {
            features,
            classes,
            values: u32::from(greatest) + 1,
            pixels,
            labels,
        }
    }

    /// A data set from another process of this program: the values of all samples, then their
    /// labels. None if samples are incomplete, or a label names no class.
    pub(crate) fn from_wire(features: u32, classes: u32, mut pixels: Vec<u8>) -> Option<Self> {
        let width = features as usize + 1;
        let samples = pixels.len() / width;
        let labels = pixels.split_off(samples * features as usize);
        let fits = labels.len() == samples && labels.iter().all(|&l| u32::from(l) < classes);
        fits.then(|| Self::new(features, classes, pixels, labels))
    }

    /// The bytes for [`Dataset::from_wire`].
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        [self.pixels.as_slice(), &self.labels].concat()
    }

    /// The number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.labels.len()
    }

    /// Values per sample.
    #[must_use]
    pub fn features(&self) -> u32 {
        self.features
    }

    /// The number of classes.
    #[must_use]
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// The number of whole batches. Samples that do not fill another batch are left out: every batch
    /// has the same length, so that the number of batches alone measures work.
    #[must_use]
    pub fn batches(&self, batch_size: u32) -> u64 {
        (self.samples() as u64)
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
            values: self.values,
        }
    }

    /// Batch `index` as it is sent: the values of all samples, then their labels.
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
        let last = (first + count).min(self.samples());
        let width = self.features as usize;
        (
            &self.pixels[first * width..last * width],
            &self.labels[first..last],
        )
    }
}
