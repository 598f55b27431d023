//! A batch, and its form on the wire: bytes of a length known beforehand, with nothing to parse.

use serde::{Deserialize, Serialize};

use super::error::DataError;
use super::tensor::{FieldShape, ValueType};
use crate::half::from_f16;

/// What all batches of a job have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchShape {
    /// Samples per batch.
    pub batch_size: u32,
    /// What is known of a sample.
    pub x: FieldShape,
    /// What is to be learnt of it.
    pub y: FieldShape,
}

impl BatchShape {
    /// Of rows of bytes, each below `values`, with a class below `classes` as a byte.
    #[must_use]
    pub const fn of_bytes(batch_size: u32, features: u32, classes: u32, values: u32) -> Self {
        Self {
            batch_size,
            x: FieldShape::bytes(Some(features), values),
            y: FieldShape::bytes(None, classes),
        }
    }

    /// Values per sample.
    #[must_use]
    pub fn features(&self) -> usize {
        self.x.values()
    }

    /// The number of classes; 0 if there are none.
    #[must_use]
    pub fn classes(&self) -> usize {
        let is_class = self.y.kind.is_whole() && self.y.dimensions().is_empty();
        if is_class { self.y.below as usize } else { 0 }
    }

    /// Bytes of a batch on the wire; `usize::MAX`, which no batch can have, if that overflows.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let sample = self.x.sample_len().saturating_add(self.y.sample_len());
        sample.saturating_mul(self.batch_size as usize)
    }

    /// Bytes of what is known of the samples.
    fn x_len(&self) -> usize {
        self.x.sample_len() * self.batch_size as usize
    }
}

/// Samples with what is to be learnt of them, checked against a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    shape: BatchShape,
    bytes: Vec<u8>,
}

impl Batch {
    /// Accepts received bytes if they have the expected length and whole numbers are below the bounds
    /// that are known.
    ///
    /// # Errors
    ///
    /// What does not fit.
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
        for (name, field, bytes) in [
            ("value", &shape.x, batch.x()),
            ("label", &shape.y, batch.y()),
        ] {
            let is_byte = field.kind == ValueType::U8 && name == "value";
            if field.below == 0 || !field.kind.is_whole() || is_byte {
                continue; // every byte is a picture's
            }
            let below = i64::from(field.below);
            let mut values = field.kind.whole(bytes).enumerate();
            if let Some((at, value)) = values.find(|(_, value)| !(0..below).contains(value)) {
                return Err(DataError::BatchLabel {
                    index: at / field.values(),
                    name,
                    value,
                    below,
                });
            }
        }
        Ok(batch)
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

    /// What is known of the samples, one after the other.
    #[must_use]
    pub fn x(&self) -> &[u8] {
        &self.bytes[..self.shape.x_len()]
    }

    /// What is to be learnt of them.
    #[must_use]
    pub fn y(&self) -> &[u8] {
        &self.bytes[self.shape.x_len()..]
    }

    /// What is known, as floats: bytes become numbers from 0 to 1, others are as they are.
    pub fn floats(&self, into: &mut Vec<f32>) {
        into.clear();
        let (kind, bytes) = (self.shape.x.kind, self.x());
        match kind {
            ValueType::U8 => into.extend(bytes.iter().map(|byte| f32::from(*byte) / 255.0)),
            ValueType::Bool | ValueType::I32 | ValueType::I64 => {
                into.extend(kind.whole(bytes).map(|value| value as f32));
            }
            ValueType::F16 => {
                let (halves, _) = bytes.as_chunks::<2>();
                into.extend(
                    halves
                        .iter()
                        .map(|half| from_f16(u16::from_le_bytes(*half))),
                );
            }
            ValueType::F32 => {
                let (words, _) = bytes.as_chunks::<4>();
                into.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
            }
        }
    }

    /// The classes of the samples.
    pub fn labels(&self) -> impl Iterator<Item = usize> + '_ {
        let values = self.shape.y.kind.whole(self.y());
        values.map(|value| usize::try_from(value).unwrap_or(0))
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

    const SHAPE: BatchShape = BatchShape::of_bytes(2, 3, 4, 256);

    #[test]
    fn a_batch_is_its_values_then_its_labels() {
        let batch = Batch::from_wire(&SHAPE, vec![9, 8, 7, 6, 5, 255, 0, 3]).unwrap();
        assert_eq!(batch.x(), [9, 8, 7, 6, 5, 255]);
        assert_eq!(batch.labels().collect::<Vec<_>>(), [0, 3]);
        let mut floats = Vec::new();
        batch.floats(&mut floats);
        assert_eq!((floats.len(), floats[5]), (6, 1.0));
    }

    #[test]
    fn values_of_every_type_are_read() {
        let floats = |kind, bytes: &[u8]| {
            let shape = BatchShape {
                batch_size: 1,
                x: FieldShape::new(kind, &[2], 0).unwrap(),
                y: FieldShape::new(ValueType::F32, &[], 0).unwrap(),
            };
            assert_eq!(shape.classes(), 0);
            let batch = Batch::from_wire(&shape, [bytes, &[0; 4]].concat()).unwrap();
            let mut floats = Vec::new();
            batch.floats(&mut floats);
            floats
        };
        assert_eq!(floats(ValueType::Bool, &[0, 1]), [0.0, 1.0]);
        assert_eq!(floats(ValueType::F16, &[0, 0x3c, 0, 0xc0]), [1.0, -2.0]);
        let words = [1.5_f32.to_le_bytes(), (-0.25_f32).to_le_bytes()].concat();
        assert_eq!(floats(ValueType::F32, &words), [1.5, -0.25]);
        let words = [7_i32.to_le_bytes(), (-7_i32).to_le_bytes()].concat();
        assert_eq!(floats(ValueType::I32, &words), [7.0, -7.0]);
        let words = [1_i64.to_le_bytes(), (-2_i64).to_le_bytes()].concat();
        assert_eq!(floats(ValueType::I64, &words), [1.0, -2.0]);
    }

    #[test]
    fn bytes_that_do_not_fit_the_shape_are_refused() {
        let text = |bytes: Vec<u8>| Batch::from_wire(&SHAPE, bytes).unwrap_err().to_string();
        assert_eq!(text(vec![0; 7]), "a batch has 7 bytes, expected 8");
        assert_eq!(text(vec![0; 9]), "a batch has 9 bytes, expected 8");
        assert_eq!(
            text(vec![0, 0, 0, 0, 0, 0, 3, 4]),
            "sample 1 of a batch has the label 4, expected one from 0 to below 4"
        );
        let tokens = BatchShape {
            x: FieldShape::new(ValueType::I64, &[2], 50).unwrap(),
            ..SHAPE
        };
        let mut bytes = vec![0; 34];
        bytes[24] = 50;
        let error = Batch::from_wire(&tokens, bytes).unwrap_err().to_string();
        assert_eq!(
            error,
            "sample 1 of a batch has the value 50, expected one from 0 to below 50"
        );
    }

    proptest! {
        /// Any shape and any bytes: a batch exactly when both fit, and no panic.
        #[test]
        fn no_shape_makes_it_panic(
            batch_size: u32, features in 1_u32.., classes in 1_u32..,
            small in proptest::option::of((0u32..6, 1u32..6)),
            bytes in proptest::collection::vec(any::<u8>(), 0..48),
        ) {
            let (batch_size, features) = small.unwrap_or((batch_size, features));
            let shape = BatchShape::of_bytes(batch_size, features, classes, 256);
            let expected = u128::from(batch_size) * (u128::from(features) + 1);
            let first_label = (u128::from(batch_size) * u128::from(features)) as usize;
            let fits = bytes.len() as u128 == expected
                && bytes[first_label..].iter().all(|&label| u32::from(label) < classes);
            prop_assert_eq!(Batch::from_wire(&shape, bytes).is_ok(), fits);
        }
    }
}
