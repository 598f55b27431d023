//! The layers of a model, and the layout of its parameters in one vector.

use std::fmt;

use clap::ValueEnum;
use scenarios::scenario::Weights;
use serde::{Deserialize, Serialize};

use super::options::TrainingOptions;
use crate::data::BatchShape;

/// The kinds of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum ModelKind {
    /// Two hidden layers of 200 with ReLU, trained by libtorch.
    Mlp,
    /// One linear layer, in plain Rust: for machines without libtorch, and for tests.
    Linear,
    /// Whatever a program of the user's own trains. It tells its own layout.
    #[value(skip)]
    Program,
}

/// Everything that defines a model except its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// Its layers.
    pub kind: ModelKind,
    /// How its weights are initialised; biases start at 0.01.
    pub weights: Weights,
    /// What is said of how it is trained.
    pub options: TrainingOptions,
    /// The shape of its batches.
    pub shape: BatchShape,
}

/// The tensors of a model, in their order in the vector of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    tensors: Vec<TensorShape>,
}

/// The name and the dimensions of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorShape {
    /// The name in the file of a stored model.
    pub name: String,
    /// Outputs and inputs of a weight, outputs of a bias; the last varies fastest.
    #[serde(rename = "shape")]
    pub dimensions: Vec<usize>,
}

/// Outputs of a hidden layer.
const HIDDEN: usize = 200;

impl ModelSpec {
    /// The layout of its parameters.
    ///
    /// # Panics
    ///
    /// For a program's model: it is asked instead.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let tensors = self.layers().into_iter().flat_map(|layer| {
            let [weight, bias] = layer.names;
            [
                TensorShape {
                    name: weight.to_owned(),
                    dimensions: vec![layer.outputs, layer.inputs],
                },
                TensorShape {
                    name: bias.to_owned(),
                    dimensions: vec![layer.outputs],
                },
            ]
        });
        Layout {
            tensors: tensors.collect(),
        }
    }

    pub(super) fn layers(&self) -> Vec<Layer> {
        let inputs = self.shape.features();
        let outputs = self.shape.classes();
        let layer = |names, inputs, outputs| Layer {
            names,
            inputs,
            outputs,
        };
        match self.kind {
            ModelKind::Mlp => vec![
                layer(["fc1.weight", "fc1.bias"], inputs, HIDDEN),
                layer(["fc2.weight", "fc2.bias"], HIDDEN, HIDDEN),
                layer(["fc3.weight", "fc3.bias"], HIDDEN, outputs),
            ],
            ModelKind::Linear => vec![layer(["linear.weight", "linear.bias"], inputs, outputs)],
            ModelKind::Program => unreachable!("a program tells what its parameters are"),
        }
    }
}

/// A linear layer: weights and biases.
#[derive(Clone, Copy)]
pub(super) struct Layer {
    names: [&'static str; 2],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Layout {
    /// Of these tensors in this order.
    #[must_use]
    pub fn of(tensors: Vec<TensorShape>) -> Self {
        Self { tensors }
    }

    /// The tensors in order.
    #[must_use]
    pub fn tensors(&self) -> &[TensorShape] {
        &self.tensors
    }

    /// Total number of parameters; `usize::MAX`, which no model can have, if that overflows.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        let lengths = self.tensors.iter().map(TensorShape::len);
        lengths.fold(0, usize::saturating_add)
    }

    /// Bytes of the parameters as little-endian 32-bit floats.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.parameter_count().saturating_mul(4)
    }

    /// Splits `parameters` into tensors.
    ///
    /// # Panics
    ///
    /// If the parameters do not have this layout.
    pub fn parts<'a>(
        &'a self,
        parameters: &'a [f32],
    ) -> impl Iterator<Item = (&'a TensorShape, &'a [f32])> {
        assert_eq!(
            parameters.len(),
            self.parameter_count(),
            "parameters of this layout"
        );
        let mut rest = parameters;
        self.tensors.iter().map(move |tensor| {
            let (part, after) = rest.split_at(tensor.len());
            rest = after;
            (tensor, part)
        })
    }
}

impl TensorShape {
    fn len(&self) -> usize {
        let sizes = self.dimensions.iter().copied();
        sizes.fold(1, usize::saturating_mul)
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        // A value that cannot be chosen is the user's own program.
        f.write_str(
            value
                .as_ref()
                .map_or("program", clap::builder::PossibleValue::get_name),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_lists_every_tensor() {
        let mut spec = ModelSpec {
            kind: ModelKind::Mlp,
            weights: Weights::Xavier,
            options: TrainingOptions::NONE,
            shape: BatchShape::of_bytes(32, 784, 10, 256),
        };
        let layout = spec.layout();
        assert_eq!(
            layout.parameter_count(),
            784 * 200 + 200 + 200 * 200 + 200 + 200 * 10 + 10
        );
        assert_eq!(layout.wire_len(), 796_840);
        let names: Vec<&str> = layout
            .tensors()
            .iter()
            .map(|tensor| tensor.name.as_str())
            .collect();
        assert_eq!(names[..3], ["fc1.weight", "fc1.bias", "fc2.weight"]);
        spec.kind = ModelKind::Linear;
        assert_eq!(spec.layout().parameter_count(), 7_850);
        assert_eq!(spec.kind.to_string(), "linear");
    }
}
