//! Models: what they are made of, and what they start from.
//!
//! A model's parameters are one vector of 32-bit floats in an order that [`Layout`] states. That
//! is what is shipped, averaged and stored; only a trainer knows tensors.
//!
//! **What it does not know:** how a model is trained, and libtorch.

mod file;
mod initial;

pub use file::{ModelFileError, load_model, save_model};

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::data::BatchShape;

/// The kinds of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum ModelKind {
    /// Two hidden layers of 200 with ReLU, by libtorch.
    Mlp,
    /// One linear layer, in plain Rust: for machines without libtorch, and to try everything else.
    Linear,
}

/// How weights are drawn. Biases start at 0.01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Weights {
    /// Uniform within ±√(6 / (inputs + outputs)).
    Xavier,
    /// Uniform within ±√(6 / inputs).
    Kaiming,
    /// Rows (or columns, if there are fewer) of length 1 at right angles to each other.
    Orthogonal,
}

/// What training makes smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Loss {
    /// Cross-entropy of the softmax of the outputs.
    Logits,
    /// Cross-entropy of the softmax of the softmax of the outputs: a slip in the program that
    /// Allot descends from, kept to compare with. It learns more slowly.
    SeedSoftmax,
}

/// All there is to say about a model but its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// Its layers.
    pub kind: ModelKind,
    /// What they start from.
    pub weights: Weights,
    /// What it is trained for.
    pub loss: Loss,
    /// The batches that it is trained on.
    pub shape: BatchShape,
}

/// The tensors of a model in the order in which they lie in the vector of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    tensors: Vec<TensorShape>,
}

/// The name and the dimensions of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorShape {
    /// As in the file of a stored model.
    pub name: &'static str,
    /// Outputs and inputs of weights, outputs of a bias; the last varies fastest.
    pub dimensions: Vec<usize>,
}

/// Outputs of a hidden layer.
const HIDDEN: usize = 200;

impl ModelSpec {
    /// Its tensors.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let tensors = self.layers().into_iter().flat_map(|layer| {
            let [weight, bias] = layer.names;
            [
                TensorShape {
                    name: weight,
                    dimensions: vec![layer.outputs, layer.inputs],
                },
                TensorShape {
                    name: bias,
                    dimensions: vec![layer.outputs],
                },
            ]
        });
        Layout {
            tensors: tensors.collect(),
        }
    }

    /// The parameters that training starts from, the same for a seed on every machine.
    #[must_use]
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        initial::parameters(self, seed)
    }

    fn layers(&self) -> Vec<Layer> {
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
        }
    }
}

/// Weights and biases.
#[derive(Clone, Copy)]
struct Layer {
    names: [&'static str; 2],
    inputs: usize,
    outputs: usize,
}

impl Layout {
    /// The tensors in order.
    #[must_use]
    pub fn tensors(&self) -> &[TensorShape] {
        &self.tensors
    }

    /// Parameters in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tensors.iter().map(TensorShape::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the parameters on the wire: little-endian floats, one after the other.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        4 * self.len()
    }

    /// The part of `parameters` that each tensor is.
    ///
    /// # Panics
    ///
    /// If the parameters are not of this layout.
    pub fn parts<'a>(
        &'a self,
        parameters: &'a [f32],
    ) -> impl Iterator<Item = (&'a TensorShape, &'a [f32])> {
        assert_eq!(parameters.len(), self.len(), "parameters of this layout");
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
        self.dimensions.iter().product()
    }
}

/// Parameters as they go over the wire.
#[must_use]
pub fn to_wire(parameters: &[f32]) -> Vec<u8> {
    parameters.iter().flat_map(|p| p.to_le_bytes()).collect()
}

/// What [`to_wire`] made; `None` if these are not whole floats. It checks nothing else: see
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
                f.write_str(value.as_ref().map_or("", clap::builder::PossibleValue::get_name))
            }
        }
    )*};
}
written_as_on_the_command_line!(ModelKind, Weights, Loss);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_states_every_tensor() {
        let mut spec = ModelSpec {
            kind: ModelKind::Mlp,
            weights: Weights::Xavier,
            loss: Loss::SeedSoftmax,
            shape: BatchShape {
                batch_size: 32,
                features: 784,
                classes: 10,
            },
        };
        let layout = spec.layout();
        assert_eq!(
            layout.len(),
            784 * 200 + 200 + 200 * 200 + 200 + 200 * 10 + 10
        );
        assert_eq!(layout.wire_len(), 796_840);
        let names: Vec<&str> = layout.tensors().iter().map(|tensor| tensor.name).collect();
        assert_eq!(names[..3], ["fc1.weight", "fc1.bias", "fc2.weight"]);
        spec.kind = ModelKind::Linear;
        assert_eq!(spec.layout().len(), 7_850);
        assert_eq!(
            format!("{} {} {}", spec.kind, spec.weights, spec.loss),
            "linear xavier seed-softmax"
        );
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
