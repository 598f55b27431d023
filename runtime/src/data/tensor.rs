//! Tensors of many samples: in memory, or in a file that is read in pieces.
//!
//! The first dimension counts samples; the others are the shape of one. Nothing of a file is read before it
//! is needed, so a set may be larger than memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::files::FileError;

/// The most dimensions of a sample.
pub(super) const MOST_DIMENSIONS: usize = 4;
/// What is read of a file at once.
const PIECE: usize = 1 << 22;

/// The type of a tensor's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// Bytes.
    U8,
    /// Whole numbers.
    I32,
    /// Whole numbers.
    I64,
    /// Floats of 16 bits.
    F16,
    /// Floats of 32 bits.
    F32,
    /// A byte, 0 or 1.
    Bool,
}

impl ValueType {
    /// Bytes of a value.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::Bool => 1,
            Self::F16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 => 8,
        }
    }

    /// Whether values are whole numbers, of which the greatest can be asked for.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        matches!(self, Self::U8 | Self::I32 | Self::I64 | Self::Bool)
    }

    /// Values as whole numbers; nothing for floats.
    pub fn whole(self, bytes: &[u8]) -> impl Iterator<Item = i64> + '_ {
        bytes
            .chunks_exact(self.size())
            .filter_map(move |value| match (self, value) {
                (Self::U8 | Self::Bool, [value]) => Some(i64::from(*value)),
                (Self::I32, value) => Some(i64::from(i32::from_le_bytes(value.try_into().ok()?))),
                (Self::I64, value) => Some(i64::from_le_bytes(value.try_into().ok()?)),
                _ => None,
            })
    }
}

/// One tensor of each sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldShape {
    /// The type of its values.
    pub kind: ValueType,
    /// Its dimensions; the last ones are 0 if there are fewer.
    dimensions: [u32; MOST_DIMENSIONS],
    /// Every value is from 0 to below this; 0 if that is not known.
    pub below: u32,
}

impl FieldShape {
    /// Of these dimensions, none of which is 0; none if there are too many.
    #[must_use]
    pub fn new(kind: ValueType, dimensions: &[u32], below: u32) -> Option<Self> {
        let mut all = [0; MOST_DIMENSIONS];
        all.get_mut(..dimensions.len())?.copy_from_slice(dimensions);
        (!dimensions.contains(&0)).then_some(Self {
            kind,
            dimensions: all,
            below,
        })
    }

    /// Of bytes, in a row or alone.
    pub(crate) const fn bytes(length: Option<u32>, below: u32) -> Self {
        let length = match length {
            Some(length) => length,
            None => 0,
        };
        Self {
            kind: ValueType::U8,
            dimensions: [length, 0, 0, 0],
            below,
        }
    }

    /// Its dimensions.
    #[must_use]
    pub fn dimensions(&self) -> &[u32] {
        let count = self.dimensions.iter().take_while(|d| **d > 0).count();
        &self.dimensions[..count]
    }

    /// The number of values of a sample; the greatest number there is if it is larger.
    #[must_use]
    pub fn values(&self) -> usize {
        let dimensions = self.dimensions().iter();
        dimensions.fold(1_usize, |all, d| all.saturating_mul(*d as usize))
    }

    /// The bytes of a sample.
    #[must_use]
    pub fn sample_len(&self) -> usize {
        self.values().saturating_mul(self.kind.size())
    }
}

/// One field of all samples.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) shape: FieldShape,
    pub(super) samples: usize,
    store: Store,
}

#[derive(Clone, Debug)]
enum Store {
    Memory(Vec<u8>),
    File {
        path: PathBuf,
        file: Arc<File>,
        /// Where its first value is.
        first: u64,
    },
}

impl Tensor {
    /// Of values that are there.
    pub(super) fn in_memory(shape: FieldShape, bytes: Vec<u8>) -> Self {
        let length = shape.sample_len();
        debug_assert_eq!(bytes.len() % length.max(1), 0);
        Self {
            shape,
            samples: bytes.len() / length.max(1),
            store: Store::Memory(bytes),
        }
    }

    /// Of a part of a file, whose length was checked.
    pub(super) fn in_file(
        path: &Path,
        file: &Arc<File>,
        (shape, samples): (FieldShape, usize),
        first: u64,
    ) -> Self {
        Self {
            shape,
            samples,
            store: Store::File {
                path: path.to_owned(),
                file: Arc::clone(file),
                first,
            },
        }
    }

    /// Appends the values of some samples, which exist.
    pub(super) fn read(
        &self,
        first: usize,
        count: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), FileError> {
        let length = self.shape.sample_len();
        let (start, bytes) = (first * length, count * length);
        match &self.store {
            Store::Memory(all) => into.extend_from_slice(&all[start..start + bytes]),
            Store::File { path, file, first } => {
                let at = into.len();
                into.resize(at + bytes, 0);
                let read = file.read_exact_at(&mut into[at..], first + start as u64);
                read.map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => FileError::content(
                        path,
                        "it has become shorter, expected it to stay as it is during a run",
                    ),
                    _ => FileError::io("read", path)(error),
                })?;
            }
        }
        Ok(())
    }

    /// Learns what whole numbers are below, by looking at all of them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn look(&mut self) -> Result<(), FileError> {
        let kind = self.shape.kind;
        if !kind.is_whole() {
            return Ok(());
        }
        let at_once = (PIECE / self.shape.sample_len().max(1)).max(1);
        let (mut least, mut greatest, mut bytes) = (0, 0, Vec::new());
        for first in (0..self.samples).step_by(at_once) {
            bytes.clear();
            self.read(first, at_once.min(self.samples - first), &mut bytes)?;
            for value in kind.whole(&bytes) {
                least = least.min(value);
                greatest = greatest.max(value);
            }
        }
        let below = u32::try_from(greatest.saturating_add(1)).unwrap_or(0);
        self.shape.below = if least < 0 { 0 } else { below };
        Ok(())
    }
}
