//! Models as safetensors files.

use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError};

use super::spec::Layout;
use super::wire::to_wire;
use crate::files::{self, FileError};

/// Stores a model atomically: the file is written under another name, synced to disk, and renamed.
///
/// # Panics
///
/// If `parameters` do not have this layout.
pub fn save_model(path: &Path, layout: &Layout, parameters: &[f32]) -> Result<(), FileError> {
    let parts: Vec<_> = layout
        .parts(parameters)
        .map(|(tensor, part)| (tensor, to_wire(part)))
        .collect();
    let format = |error: SafeTensorError| FileError::content(path, error.to_string());
    let mut views = Vec::with_capacity(parts.len());
    for (tensor, bytes) in &parts {
        let view = TensorView::new(Dtype::F32, tensor.dimensions.clone(), bytes).map_err(format)?;
        views.push((tensor.name.as_str(), view));
    }
    let bytes = safetensors::serialize(views, None).map_err(format)?;
    files::replace(path, &bytes, files::ORDINARY)
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
