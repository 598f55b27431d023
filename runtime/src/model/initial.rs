//! Initial parameters.
//!
//! They are drawn here and not by libtorch, so that a seed gives the same bits on every machine,
//! with and without libtorch.

use scenarios::Draws;
use scenarios::scenario::Weights;

use super::spec::{Layer, ModelSpec};

/// The initial value of every bias.
const BIAS: f32 = 0.01;
/// Separates these draws from all others of a seed.
const PURPOSE: u64 = u64::from_le_bytes(*b"weights\0");

impl ModelSpec {
    /// The initial parameters, the same for a seed on every machine.
    #[must_use]
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut parameters = Vec::with_capacity(self.layout().parameter_count());
        for (index, layer) in self.layers().into_iter().enumerate() {
            // Each layer has a random stream of its own.
            let draws = &mut Draws::of_key([seed, PURPOSE, 0, 0], index as u64);
            let (inputs, outputs) = (layer.inputs as f64, layer.outputs as f64);
            match self.weights {
                // Uniform within ±√(6 / (inputs + outputs)).
                Weights::Xavier => uniform(layer, 6.0 / (inputs + outputs), draws, &mut parameters),
                // Uniform within ±√(6 / inputs).
                Weights::Kaiming => uniform(layer, 6.0 / inputs, draws, &mut parameters),
                // Orthonormal rows, or columns if there are fewer.
                Weights::Orthogonal => orthogonal(layer, draws, &mut parameters),
            }
            parameters.extend((0..layer.outputs).map(|_| BIAS));
        }
        parameters
    }
}

/// Uniform within plus or minus the square root of `square`.
fn uniform(layer: Layer, square: f64, draws: &mut Draws, into: &mut Vec<f32>) {
    let bound = square.sqrt();
    let weights =
        (0..layer.outputs * layer.inputs).map(|_| (bound * (2.0 * draws.unit() - 1.0)) as f32);
    into.extend(weights);
}

/// Independent normal vectors, orthonormalised in order (Gram-Schmidt): uniformly distributed over
/// all such sets of vectors.
fn orthogonal(layer: Layer, draws: &mut Draws, into: &mut Vec<f32>) {
    let (few, many) = (
        layer.outputs.min(layer.inputs),
        layer.outputs.max(layer.inputs),
    );
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(few);
    for _ in 0..few {
        let mut vector: Vec<f64> = (0..many).map(|_| draws.normal()).collect();
        // One pass is inexact where little remains of a vector; two are enough.
        for _ in 0..2 {
            for other in &vectors {
                let along = dot(&vector, other);
                for (value, other) in vector.iter_mut().zip(other) {
                    *value -= along * other;
                }
            }
            let length = dot(&vector, &vector).sqrt();
            vector.iter_mut().for_each(|value| *value /= length);
        }
        vectors.push(vector);
    }
    if layer.outputs <= layer.inputs {
        into.extend(vectors.iter().flatten().map(|weight| *weight as f32));
    } else {
        let row = |output: usize| vectors.iter().map(move |vector| vector[output] as f32);
        into.extend((0..layer.outputs).flat_map(row));
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BatchShape;
    use crate::model::{ModelKind, TrainingOptions};

    fn spec(kind: ModelKind, weights: Weights, features: u32, classes: u32) -> ModelSpec {
        let shape = BatchShape::of_bytes(32, features, classes, 256);
        ModelSpec {
            kind,
            weights,
            options: TrainingOptions::NONE,
            shape,
        }
    }

    #[test]
    fn weights_lie_within_their_bounds_and_fill_them() {
        for (weights, squares) in [
            (Weights::Xavier, [6.0 / 984.0, 6.0 / 400.0, 6.0 / 210.0]),
            (Weights::Kaiming, [6.0 / 784.0, 6.0 / 200.0, 6.0 / 200.0]),
        ] {
            let spec = spec(ModelKind::Mlp, weights, 784, 10);
            let parameters = spec.initial(1);
            let layout = spec.layout();
            let mut tensors = layout.parts(&parameters);
            for square in squares {
                let bound = f64::sqrt(square);
                let (_, weight) = tensors.next().unwrap();
                let greatest = weight
                    .iter()
                    .fold(0.0, |most: f64, w| most.max(f64::from(w.abs())));
                assert!(
                    greatest <= bound * 1.000_001 && greatest > bound * 0.99,
                    "{greatest} of {bound}"
                );
                // A uniform variable's variance is a third of the square of its bound.
                let variance =
                    weight.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / weight.len() as f64;
                assert!(
                    (variance / (square / 3.0) - 1.0).abs() < 0.06,
                    "{variance} for {square}"
                );
                let (_, bias) = tensors.next().unwrap();
                assert!(bias.iter().all(|&b| b == 0.01));
            }
        }
    }

    #[test]
    fn orthogonal_rows_or_columns_are_perpendicular() {
        for (features, classes) in [(784, 10), (3, 10), (10, 10)] {
            let spec = spec(ModelKind::Linear, Weights::Orthogonal, features, classes);
            let parameters = spec.initial(3);
            let (features, classes) = (features as usize, classes as usize);
            let at = |i: usize, j: usize| {
                let index = if classes <= features {
                    i * features + j
                } else {
                    j * features + i
                };
                f64::from(parameters[index])
            };
            let (few, many) = (features.min(classes), features.max(classes));
            for i in 0..few {
                for k in 0..=i {
                    let product: f64 = (0..many).map(|j| at(i, j) * at(k, j)).sum();
                    let expected = if i == k { 1.0 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-6, "{i} and {k}: {product}");
                }
            }
        }
    }

    /// A change of these numbers makes recorded runs irreproducible.
    #[test]
    fn initial_parameters_never_change() {
        let sum = |weights| {
            let parameters = spec(ModelKind::Mlp, weights, 784, 10).initial(1);
            parameters.iter().fold(0_u64, |sum, p| {
                sum.wrapping_mul(1_099_511_628_211)
                    .wrapping_add(u64::from(p.to_bits()))
            })
        };
        assert_eq!(
            [Weights::Xavier, Weights::Kaiming, Weights::Orthogonal].map(sum),
            SUMS
        );
        let spec = spec(ModelKind::Linear, Weights::Xavier, 784, 10);
        assert_ne!(spec.initial(1), spec.initial(2));
    }

    const SUMS: [u64; 3] = [
        3_994_957_783_967_840_324,
        10_615_606_985_448_632_124,
        11_045_957_431_965_416_893,
    ];
}
