//! Samples with what is to be learnt of each, and their batches.

use sha2::{Digest, Sha256};

use super::batch::{Batch, BatchShape};
use super::tensor::{FieldShape, Tensor};
use crate::files::FileError;

/// A set of up to this number of bytes is hashed whole; of a larger one, samples spread over it.
const HASHED_WHOLE: usize = 1 << 28;
const HASHED: usize = 4_096;

/// Samples: for each, what is known of it and what is to be learnt.
#[derive(Clone, Debug)]
pub struct Dataset {
    x: Tensor,
    y: Tensor,
}

/// The samples for training and those for testing.
#[derive(Clone, Debug)]
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
        let x = FieldShape::bytes(Some(features), u32::from(greatest) + 1);
        let y = FieldShape::bytes(None, classes);
        Self::of(Tensor::in_memory(x, pixels), Tensor::in_memory(y, labels))
    }

    /// Of two tensors with as many samples.
    pub(super) fn of(x: Tensor, y: Tensor) -> Self {
        debug_assert_eq!(x.samples, y.samples, "a target for each sample");
        Self { x, y }
    }

    /// The number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.x.samples
    }

    /// A data set that another process of this program sent: all of what is known, then all of what is
    /// to be learnt. None if it does not fit the shape.
    pub(crate) fn from_wire(shape: &BatchShape, samples: u64, bytes: Vec<u8>) -> Option<Self> {
        let batch_size = u32::try_from(samples).ok()?;
        let shape = BatchShape {
            batch_size,
            ..*shape
        };
        let mut x = Batch::from_wire(&shape, bytes).ok()?.into_wire();
        let y = x.split_off(shape.x.sample_len() * batch_size as usize);
        Some(Self::of(
            Tensor::in_memory(shape.x, x),
            Tensor::in_memory(shape.y, y),
        ))
    }

    /// Values of a sample.
    #[must_use]
    pub fn features(&self) -> usize {
        self.batch_shape(1).features()
    }

    /// The number of classes; 0 if there are none.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.batch_shape(1).classes()
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
            x: self.x.shape,
            y: self.y.shape,
        }
    }

    /// Batch `index`, ready to train on or to be sent.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    ///
    /// # Panics
    ///
    /// If there is no such batch.
    pub fn batch(&self, index: u64, batch_size: u32) -> Result<Batch, FileError> {
        assert!(
            index < self.batches(batch_size),
            "batch {index} of {}",
            self.batches(batch_size)
        );
        self.rows(index as usize * batch_size as usize, batch_size as usize)
    }

    /// At most `count` samples from `first` on, as one batch.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn rows(&self, first: usize, count: usize) -> Result<Batch, FileError> {
        let count = count.min(self.samples().saturating_sub(first));
        let shape = self.batch_shape(u32::try_from(count).unwrap_or(u32::MAX));
        let mut bytes = Vec::with_capacity(shape.wire_len());
        self.x.read(first, count, &mut bytes)?;
        self.y.read(first, count, &mut bytes)?;
        Ok(Batch::trusted(shape, bytes))
    }

    /// All samples as one batch.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn whole(&self) -> Result<Batch, FileError> {
        self.rows(0, self.samples())
    }

    /// Adds what tells it from other sets to a digest: its length, its types, and its samples or, of a
    /// large set, some that are spread over it.
    pub(super) fn hash(&self, sum: &mut Sha256) -> Result<(), FileError> {
        let shape = self.batch_shape(1);
        sum.update((self.samples() as u64).to_le_bytes());
        for field in [shape.x, shape.y] {
            sum.update([field.kind as u8]);
            for dimension in field.dimensions() {
                sum.update(dimension.to_le_bytes());
            }
            sum.update([0xff]);
        }
        let is_small = shape.wire_len().saturating_mul(self.samples()) <= HASHED_WHOLE;
        let (at_once, step) = if is_small {
            (HASHED, HASHED)
        } else {
            (1, (self.samples() / HASHED).max(1))
        };
        let mut bytes = Vec::new();
        for first in (0..self.samples()).step_by(step) {
            let count = at_once.min(self.samples() - first);
            for tensor in [&self.x, &self.y] {
                bytes.clear();
                tensor.read(first, count, &mut bytes)?;
                sum.update(&bytes);
            }
        }
        Ok(())
    }
}

impl Splits {
    /// What tells these sets from others.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn digest(&self) -> Result<[u8; 32], FileError> {
        let mut sum = Sha256::new();
        self.train.hash(&mut sum)?;
        self.test.hash(&mut sum)?;
        Ok(sum.finalize().into())
    }
}
