//! Models as safetensors files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{SafeTensors, TensorView};
use safetensors::{Dtype, SafeTensorError};

use super::{Layout, from_wire, to_wire};

/// Why a model could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The file could not be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not a safetensors file.
    #[error("{}: not a whole safetensors file: {source}", path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// Why.
        source: SafeTensorError,
    },
    /// It holds another model.
    #[error("{}: it holds {found}, expected {expected}", path.display())]
    Model {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// A number in it is not finite.
    #[error("{}: parameter {index} of {tensor} is {value}, expected a finite number", path.display())]
    NotFinite {
        /// Which.
        path: PathBuf,
        /// The tensor.
        tensor: &'static str,
        /// The place in it, from 0.
        index: usize,
        /// What is there.
        value: f32,
    },
}

/// Stores a model. A file by this name is there in whole or as it was before: it is written
/// beside, brought to the disk, and renamed.
///
/// # Panics
///
/// If `parameters` are not of this layout.
pub fn save_model(path: &Path, layout: &Layout, parameters: &[f32]) -> Result<(), ModelFileError> {
    let parts: Vec<_> = layout
        .parts(parameters)
        .map(|(tensor, part)| (tensor, to_wire(part)))
        .collect();
    let format = |source| ModelFileError::Format {
        path: path.to_owned(),
        source,
    };
    let mut views = Vec::with_capacity(parts.len());
    for (tensor, bytes) in &parts {
        let view = TensorView::new(Dtype::F32, tensor.dimensions.clone(), bytes).map_err(format)?;
        views.push((tensor.name, view));
    }
    let bytes = safetensors::serialize(views, None).map_err(format)?;
    write_whole(path, &bytes).map_err(|source| ModelFileError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Reads a model, after comparing the names, types and dimensions of its tensors with what is
/// expected.
pub fn load_model(path: &Path, layout: &Layout) -> Result<Vec<f32>, ModelFileError> {
    let bytes = fs::read(path).map_err(|source| ModelFileError::Io {
        path: path.to_owned(),
        source,
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|source| ModelFileError::Format {
        path: path.to_owned(),
        source,
    })?;
    let model = |expected: String, found: String| ModelFileError::Model {
        path: path.to_owned(),
        expected,
        found,
    };

    if file.len() != layout.tensors().len() {
        let mut names = file.names();
        names.sort_unstable();
        let expected: Vec<&str> = layout.tensors().iter().map(|tensor| tensor.name).collect();
        return Err(model(
            format!("the tensors {}", expected.join(", ")),
            format!("the tensors {}", names.join(", ")),
        ));
    }
    let mut parameters = Vec::with_capacity(layout.len());
    for tensor in layout.tensors() {
        let wanted = || format!("{} as F32 {:?}", tensor.name, tensor.dimensions);
        let Ok(view) = file.tensor(tensor.name) else {
            return Err(model(wanted(), format!("no {}", tensor.name)));
        };
        let fits = view.dtype() == Dtype::F32 && view.shape() == tensor.dimensions;
        let Some(part) = from_wire(view.data()).filter(|_| fits) else {
            return Err(model(
                wanted(),
                format!("{} as {:?} {:?}", tensor.name, view.dtype(), view.shape()),
            ));
        };
        if let Some(index) = part.iter().position(|p| !p.is_finite()) {
            return Err(ModelFileError::NotFinite {
                path: path.to_owned(),
                tensor: tensor.name,
                index,
                value: part[index],
            });
        }
        parameters.extend(part);
    }
    Ok(parameters)
}

/// Until the rename the file of that name is what it was; after it, the new one in whole.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut file = File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    // The name is in the folder, which has to reach the disk too.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BatchShape;
    use crate::model::{Loss, ModelKind, ModelSpec, Weights};

    fn spec(features: u32) -> ModelSpec {
        let shape = BatchShape {
            batch_size: 4,
            features,
            classes: 3,
        };
        ModelSpec {
            kind: ModelKind::Linear,
            weights: Weights::Xavier,
            loss: Loss::Logits,
            shape,
        }
    }

    fn stored(spec: &ModelSpec) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        save_model(&path, &spec.layout(), &spec.initial(1)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_model_comes_back_as_it_was_and_leaves_nothing_beside_it() {
        let spec = spec(5);
        let (folder, path) = stored(&spec);
        assert_eq!(load_model(&path, &spec.layout()).unwrap(), spec.initial(1));
        save_model(&path, &spec.layout(), &spec.initial(2)).unwrap();
        assert_eq!(load_model(&path, &spec.layout()).unwrap(), spec.initial(2));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn another_model_is_refused() {
        let (_folder, path) = stored(&spec(5));
        let text = |spec: &ModelSpec| {
            let text = load_model(&path, &spec.layout()).unwrap_err().to_string();
            text.split_once(": ").unwrap().1.to_owned()
        };
        assert_eq!(
            text(&spec(6)),
            "it holds linear.weight as F32 [3, 5], expected linear.weight as F32 [3, 6]"
        );
        let mlp = ModelSpec {
            kind: ModelKind::Mlp,
            ..spec(5)
        };
        assert!(text(&mlp).starts_with(
            "it holds the tensors linear.bias, linear.weight, expected the tensors fc1.weight,"
        ));
    }

    #[test]
    fn damage_is_refused() {
        let spec = spec(5);
        let (_folder, path) = stored(&spec);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(
                load_model(&path, &spec.layout()).is_err(),
                "{length} bytes were taken"
            );
        }
        let mut wrong = whole.clone();
        wrong.splice(whole.len() - 4.., f32::NAN.to_le_bytes());
        fs::write(&path, &wrong).unwrap();
        let text = load_model(&path, &spec.layout()).unwrap_err().to_string();
        assert!(text.ends_with("is NaN, expected a finite number"), "{text}");
    }
}
