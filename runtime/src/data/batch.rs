//! A batch, and its form on the wire: bytes of a length known beforehand, with nothing to parse.

use serde::{Deserialize, Serialize};

use super::error::DataError;

/// What all batches of a job have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchShape {
    /// Samples per batch.
    pub batch_size: u32,
    /// Values per sample.
    pub features: u32,
    /// Number of classes; labels are below it.
    pub classes: u32,
    /// Every value is below this, at most 256: what is made up for a benchmark must be as well.
    pub values: u32,
}

impl BatchShape {
    /// Bytes of a batch on the wire; `usize::MAX`, which no batch can have, if that overflows.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let sample = u64::from(self.features) + 1;
        let bytes = sample.checked_mul(u64::from(self.batch_size));
        bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(usize::MAX)
    }

    /// Bytes of values in a batch.
    fn pixels(&self) -> usize {
        self.features as usize * self.batch_size as usize
    }
}

/// Samples and their labels, checked against a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    shape: BatchShape,
    bytes: Vec<u8>,
}

impl Batch {
    /// Accepts received bytes if they have the expected length and every label names a class.
    pub fn from_wire(shape: &BatchShape, bytes: Vec<u8>) -> Result<Self, DataError> {
        let expected = shape.wire_len();
        if bytes.len() != expected {
            return Err(DataError::BatchLength {
                expected,
                found: bytes.len(),
            });
        }
        let batch = Self {
            shape: *shape,
            bytes,
        };
        let labels = batch.labels();
        match labels
            .iter()
            .position(|&label| u32::from(label) >= shape.classes)
        {
            Some(index) => Err(DataError::BatchLabel {
                index,
                label: labels[index],
                classes: shape.classes,
            }),
            None => Ok(batch),
        }
    }

    /// A batch of our own data set.
    pub(super) fn trusted(shape: BatchShape, bytes: Vec<u8>) -> Self {
        debug_assert_eq!(bytes.len(), shape.wire_len());
        Self { shape, bytes }
    }

    /// The shape that all batches of the job share.
    #[must_use]
    pub fn shape(&self) -> &BatchShape {
        &self.shape
    }

    /// The values, one sample after the other.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.bytes[..self.shape.pixels()]
    }

    /// The labels.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.bytes[self.shape.pixels()..]
    }

    /// Its form on the wire.
    #[must_use]
    pub fn into_wire(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHAPE: BatchShape = BatchShape {
        batch_size: 2,
        features: 3,
        classes: 4,
        values: 256,
    };

    #[test]
    fn a_batch_is_its_values_then_its_labels() {
        let batch = Batch::from_wire(&SHAPE, vec![9, 8, 7, 6, 5, 4, 0, 3]).unwrap();
        assert_eq!(batch.pixels(), [9, 8, 7, 6, 5, 4]);
        assert_eq!(batch.labels(), [0, 3]);
    }

    #[test]
    fn bytes_that_do_not_fit_the_shape_are_refused() {
        let text = |bytes: Vec<u8>| Batch::from_wire(&SHAPE, bytes).unwrap_err().to_string();
        assert_eq!(text(vec![0; 7]), "a batch has 7 bytes, expected 8");
        assert_eq!(text(vec![0; 9]), "a batch has 9 bytes, expected 8");
        assert_eq!(
            text(vec![0, 0, 0, 0, 0, 0, 3, 4]),
            "sample 1 of a batch has label 4, expected one below 4"
        );
    }

    proptest! {
        /// Any shape and any bytes: a batch exactly when both fit, and no panic.
        #[test]
        fn no_shape_makes_it_panic(
            batch_size: u32, features: u32, classes: u32,
            small in proptest::option::of((0u32..6, 0u32..6)),
            bytes in proptest::collection::vec(any::<u8>(), 0..48),
        ) {
            let (batch_size, features) = small.unwrap_or((batch_size, features));
            let shape = BatchShape { batch_size, features, classes, values: 256 };
            let expected = u128::from(batch_size) * (u128::from(features) + 1);
            let first_label = (u128::from(batch_size) * u128::from(features)) as usize;
            let fits = bytes.len() as u128 == expected
                && bytes[first_label..].iter().all(|&label| u32::from(label) < classes);
            prop_assert_eq!(Batch::from_wire(&shape, bytes).is_ok(), fits);
        }
    }
}
