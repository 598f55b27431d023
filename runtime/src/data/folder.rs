//! A folder with a file for training and one for testing, in any of the formats that are known.
//!
//! Each holds two tensors with the samples along the first dimension: `x`, what is known of a sample, and `y`,
//! what is to be learnt.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, Metadata};

use super::dataset::{Dataset, Splits};
use super::error::DataError;
use super::npy::{arrays, shaped, unknown_type};
use super::table;
use super::tensor::{Tensor, ValueType};
use crate::files::FileError;

/// A longer header is none.
const MOST_HEADER: u64 = 1 << 24;
/// Endings of the formats.
const ENDINGS: [&str; 3] = ["safetensors", "npz", "csv"];

/// The file for training, if there is one in a folder.
pub(super) fn train_file(folder: &Path) -> Option<PathBuf> {
    let mut files = ENDINGS
        .iter()
        .map(|end| folder.join(format!("train.{end}")));
    files.find(|path| path.is_file())
}

/// Reads the file for training, and the one for testing beside it.
pub(super) fn read(train: &Path) -> Result<Splits, DataError> {
    let ending = train.extension().unwrap_or_default();
    let test = train.with_file_name("test").with_extension(ending);
    let ([mut x, mut y], [mut test_x, mut test_y]) = (pair(train)?, pair(&test)?);
    for (name, train, test_tensor) in [("x", &x, &test_x), ("y", &y, &test_y)] {
        let (expected, found) = (train.shape, test_tensor.shape);
        if (expected.kind, expected.dimensions()) != (found.kind, found.dimensions()) {
            let why = format!(
                "each {name} is {:?} of the shape {:?}, expected {:?} of {:?} as in the other file",
                found.kind,
                found.dimensions(),
                expected.kind,
                expected.dimensions()
            );
            return Err(FileError::content(&test, why).into());
        }
    }
    for (train, test) in [(&mut x, &mut test_x), (&mut y, &mut test_y)] {
        train.look()?;
        test.look()?;
        // What is below a bound in both; nothing if it is not in one of them.
        let (a, b) = (train.shape.below, test.shape.below);
        let below = if a == 0 || b == 0 { 0 } else { a.max(b) };
        (train.shape.below, test.shape.below) = (below, below);
    }
    Ok(Splits {
        train: Dataset::of(x, y),
        test: Dataset::of(test_x, test_y),
    })
}

/// The two tensors of a file, which have as many samples.
fn pair(path: &Path) -> Result<[Tensor; 2], FileError> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let all = match ending {
        Some("npz") => arrays(path)?,
        Some("csv") => table::read(path)?,
        _ => safetensors(path)?,
    };
    let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    let bad = |why: String| FileError::content(path, why);
    let (mut x, mut y) = (None, None);
    for (name, tensor) in all {
        match name.as_str() {
            "x" => x = Some(tensor),
            "y" => y = Some(tensor),
            _ => {} // whatever else is kept there
        }
    }
    let (Some(x), Some(y)) = (x, y) else {
        let found = names.join(", ");
        return Err(bad(format!("it holds {found}, expected x and y")));
    };
    if x.samples != y.samples {
        let (x, y) = (x.samples, y.samples);
        return Err(bad(format!(
            "x has {x} samples and y {y}, expected as many"
        )));
    }
    Ok([x, y])
}

/// The tensors of a file, which stay where they are.
fn safetensors(path: &Path) -> Result<Vec<(String, Tensor)>, FileError> {
    let io = || FileError::io("read", path);
    let bad = |why: String| FileError::content(path, why);
    let file = Arc::new(File::open(path).map_err(io())?);
    let length = file.metadata().map_err(io())?.len();
    let mut size = [0; 8];
    let none = || bad("it is too short, expected a safetensors file".to_owned());
    file.read_exact_at(&mut size, 0).map_err(|_| none())?;
    let header = u64::from_le_bytes(size);
    if header > MOST_HEADER || header + 8 > length {
        return Err(bad(format!(
            "its header has {header} bytes, expected at most {MOST_HEADER} and those of the file"
        )));
    }
    let mut bytes = vec![0; header as usize];
    file.read_exact_at(&mut bytes, 8).map_err(|_| none())?;
    let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|error| {
        bad(format!(
            "{error} in its header, expected a safetensors file"
        ))
    })?;
    let (found, expected) = (length - header - 8, metadata.data_len() as u64);
    if found != expected {
        return Err(bad(format!(
            "it has {found} bytes of values, expected {expected} by its header"
        )));
    }
    let tensors = metadata.offset_keys().into_iter().map(|name| {
        let info = metadata.info(&name).ok_or_else(none)?;
        let within = |why: String| bad(format!("{name}: {why}"));
        let kind = match info.dtype {
            Dtype::U8 => ValueType::U8,
            Dtype::BOOL => ValueType::Bool,
            Dtype::I32 => ValueType::I32,
            Dtype::I64 => ValueType::I64,
            Dtype::F16 => ValueType::F16,
            Dtype::F32 => ValueType::F32,
            other => return Err(within(unknown_type(&format!("{other:?}")))),
        };
        let shape: Vec<u64> = info.shape.iter().map(|d| *d as u64).collect();
        let shape = shaped(kind, &shape).map_err(within)?;
        let (first, end) = info.data_offsets;
        let bytes = shape.1 * shape.0.sample_len();
        if first.checked_add(bytes) != Some(end) || end as u64 > found {
            let why = format!("it lies from {first} to {end}, expected {bytes} bytes by its shape");
            return Err(within(why));
        }
        let tensor = Tensor::in_file(path, &file, shape, header + 8 + first as u64);
        Ok((name, tensor))
    });
    tensors.collect()
}
