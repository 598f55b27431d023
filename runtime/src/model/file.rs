//! Models as safetensors files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::spec::Layout;
use super::wire::to_wire;
use crate::files::{self, FileError};

/// A tensor of a file: its name, its dimensions and its numbers.
pub(crate) type Tensor<'a> = (&'a str, &'a [usize], &'a [f32]);

/// Stores a model atomically: the file is written under another name, synced to disk, and renamed.
///
/// # Panics
///
/// If `parameters` do not have this layout.
pub fn save_model(path: &Path, layout: &Layout, parameters: &[f32]) -> Result<(), FileError> {
    let parts: Vec<_> = layout.parts(parameters).collect();
    let tensors = parts
        .iter()
        .map(|(tensor, part)| (tensor.name.as_str(), tensor.dimensions.as_slice(), *part));
    let tensors = tensors.collect();
    files::replace_by(path, files::ORDINARY, |file| {
        write_tensors(file, tensors, &BTreeMap::new())
    })
}

/// Writes a safetensors file of 32-bit floats as it goes: a model is not copied for it.
///
/// # Errors
/// When the system refuses.
pub(crate) fn write_tensors(
    to: &mut impl Write,
    mut tensors: Vec<Tensor<'_>>,
    metadata: &BTreeMap<&str, String>,
) -> io::Result<()> {
    tensors.sort_by_key(|(name, ..)| *name);
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut offset = 0;
    for (name, dimensions, numbers) in &tensors {
        let end = offset + numbers.len() * 4;
        let about = json!({"dtype": "F32", "shape": dimensions, "data_offsets": [offset, end]});
        header.insert((*name).to_owned(), about);
        offset = end;
    }
    let mut header = Value::Object(header).to_string();
    while !header.len().is_multiple_of(8) {
        header.push(' '); // the numbers begin at a multiple of eight
    }
    to.write_all(&(header.len() as u64).to_le_bytes())?;
    to.write_all(header.as_bytes())?;
    for (_, _, numbers) in tensors {
        for some in numbers.chunks(1 << 18) {
            to.write_all(&little_endian(some))?;
        }
    }
    to.flush()
}

/// Numbers as bytes, which are copied where floats are not little-endian anyway.
pub(crate) fn little_endian(numbers: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(numbers))
    } else {
        Cow::Owned(to_wire(numbers))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use safetensors::tensor::SafeTensors;

    use super::*;
    use crate::data::BatchShape;
    use crate::model::{ModelKind, ModelSpec, TrainingOptions, Weights, from_wire};

    #[test]
    fn a_model_is_stored_whole_and_no_other_file_remains() {
        let shape = BatchShape::of_bytes(4, 5, 3, 256);
        let spec = ModelSpec {
            kind: ModelKind::Linear,
            weights: Weights::Xavier,
            options: TrainingOptions::NONE,
            shape,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        for seed in [1, 2] {
            let parameters = spec.initial(seed);
            save_model(&path, &spec.layout(), &parameters).unwrap();
            let bytes = fs::read(&path).unwrap();
            let file = SafeTensors::deserialize(&bytes).unwrap();
            let tensor = |name| file.tensor(name).unwrap();
            let (weight, bias) = (tensor("linear.weight"), tensor("linear.bias"));
            assert_eq!(
                (file.len(), weight.shape(), bias.shape()),
                (2, &[3, 5][..], &[3][..])
            );
            let stored = [weight.data(), bias.data()].concat();
            assert_eq!(from_wire(&stored), Some(parameters));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
