//! The layers of a model, and the layout of its parameters in one vector.

use std::fmt;

use clap::ValueEnum;
use scenarios::scenario::Weights;
use serde::{Deserialize, Serialize};

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

/// The loss that training minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Loss {
    /// Cross-entropy of the softmax of the outputs.
    Logits,
    /// Cross-entropy of the softmax of the softmax of the outputs: a mistake in the thesis program,
    /// kept for comparison. It learns more slowly.
    #[serde(alias = "SeedSoftmax")]
    #[value(alias = "seed-softmax")]
    ThesisSoftmax,
}

/// Everything that defines a model except its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// Its layers.
    pub kind: ModelKind,
    /// How its weights are initialised; biases start at 0.01.
    pub weights: Weights,
    /// What training minimises.
    pub loss: Loss,
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
        let inputs = self.shape.features as usize;
        let outputs = self.shape.classes as usize;
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

    /// Bytes of the parameters on the wire, as little-endian floats.
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

/// Parameters as they are sent.
#[must_use]
pub fn to_wire(parameters: &[f32]) -> Vec<u8> {
    parameters.iter().flat_map(|p| p.to_le_bytes()).collect()
}

/// Reverses [`to_wire`]; `None` if the bytes are not whole floats. It checks nothing else: see
/// [`Average::check`](crate::average::Average::check).
#[must_use]
pub fn from_wire(bytes: &[u8]) -> Option<Vec<f32>> {
    let (words, rest) = bytes.as_chunks::<4>();
    rest.is_empty()
        .then(|| words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

macro_rules! written_as_on_the_command_line {
    ($($kind:ty),*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let value = self.to_possible_value();
                // A value that cannot be chosen is the user's own program.
                f.write_str(value.as_ref().map_or("program", clap::builder::PossibleValue::get_name))
            }
        }
    )*};
}
written_as_on_the_command_line!(ModelKind, Loss);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_lists_every_tensor() {
        let mut spec = ModelSpec {
            kind: ModelKind::Mlp,
            weights: Weights::Xavier,
            loss: Loss::ThesisSoftmax,
            shape: BatchShape {
                batch_size: 32,
                features: 784,
                classes: 10,
                values: 256,
            },
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
        assert_eq!(
            format!("{} {}", spec.kind, spec.loss),
            "linear thesis-softmax"
        );
        assert_eq!(Loss::from_str("seed-softmax", false), Ok(spec.loss));
    }

    #[test]
    fn the_wire_keeps_every_bit() {
        let parameters = [
            0.0,
            -0.0,
            1.5,
            f32::MIN_POSITIVE / 2.0,
            f32::NAN,
            f32::NEG_INFINITY,
        ];
        let bytes = to_wire(&parameters);
        assert_eq!(bytes[8..12], [0, 0, 0xc0, 0x3f]);
        let bits = |p: &[f32]| p.iter().map(|p| p.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&from_wire(&bytes).unwrap()), bits(&parameters));
        assert_eq!(from_wire(&bytes[1..]), None);
    }
}
