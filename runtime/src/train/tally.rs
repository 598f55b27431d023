//! Loss, accuracy and gradients of outputs, computed in the same way for every kind of model.

use std::collections::BTreeMap;

use super::types::Evaluation;
use crate::model::Loss;

/// A slope below this changes no parameter, and what is computed from it may be subnormal, which is slow:
/// see `adam.rs`.
const NO_SLOPE: f32 = 1e-20;

/// Sums over the samples of a set.
#[derive(Debug)]
pub struct EvaluationTally {
    kind: Loss,
    loss: f64,
    probability: f64,
    hits: u64,
    samples: u64,
}

impl EvaluationTally {
    /// An empty tally.
    #[must_use]
    pub fn new(kind: Loss) -> Self {
        Self {
            kind,
            loss: 0.0,
            probability: 0.0,
            hits: 0,
            samples: 0,
        }
    }

    /// Adds a sample by its outputs, and replaces them by the gradient of its loss.
    pub fn add(&mut self, outputs: &mut [f32], label: usize) {
        let best = (0..outputs.len()).reduce(|best, at| {
            if outputs[at] > outputs[best] {
                at
            } else {
                best
            }
        });
        self.samples += 1;
        self.hits += u64::from(best == Some(label));
        match self.kind {
            Loss::CrossEntropy => {
                self.loss -= softmax(outputs, label);
                self.probability += f64::from(outputs[label]);
                outputs[label] -= 1.0;
            }
            Loss::Mse => {
                self.probability += f64::from(outputs[label].clamp(0.0, 1.0));
                outputs[label] -= 1.0;
                let count = outputs.len();
                let squares = outputs.iter().map(|off| f64::from(*off).powi(2));
                self.loss += squares.sum::<f64>() / count as f64;
                let scale = 2.0 / count as f32;
                outputs.iter_mut().for_each(|off| *off *= scale);
            }
            Loss::BinaryCrossEntropy => {
                let count = outputs.len();
                let mut loss = 0.0;
                for (class, output) in outputs.iter_mut().enumerate() {
                    // The loss of the class itself is that of its negative output for another one.
                    let x = if class == label { -*output } else { *output };
                    loss += f64::from(x.max(0.0) + (-x.abs()).exp().ln_1p());
                    let probability = 1.0 / (1.0 + (-*output).exp());
                    let is = f32::from(u8::from(class == label));
                    self.probability += f64::from(is * probability);
                    *output = (probability - is) / count as f32;
                }
                self.loss += loss / count as f64;
            }
            Loss::ThesisSoftmax => {
                softmax(outputs, label);
                self.probability += f64::from(outputs[label]);
                let mut slopes = outputs.to_vec();
                self.loss -= softmax(&mut slopes, label);
                slopes[label] -= 1.0;
                // The chain rule through the first softmax, whose outputs are still there.
                let mean: f32 = outputs
                    .iter()
                    .zip(&slopes)
                    .map(|(p, slope)| p * slope)
                    .sum();
                for (output, slope) in outputs.iter_mut().zip(slopes) {
                    *output *= slope - mean;
                }
            }
        }
        for slope in outputs {
            *slope = if slope.abs() < NO_SLOPE { 0.0 } else { *slope };
        }
    }

    /// The means.
    #[must_use]
    pub fn evaluation(&self) -> Evaluation {
        let samples = self.samples.max(1) as f64;
        Evaluation {
            loss: self.loss / samples,
            accuracy: self.hits as f64 / samples,
            true_class_probability: self.probability / samples,
            others: BTreeMap::new(),
        }
    }
}

/// Replaces outputs by probabilities, and returns the logarithm of that of `label`.
fn softmax(outputs: &mut [f32], label: usize) -> f64 {
    let greatest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let own = f64::from(outputs[label] - greatest);
    let mut sum = 0.0;
    for output in outputs.iter_mut() {
        *output = (*output - greatest).exp();
        sum += *output;
    }
    outputs.iter_mut().for_each(|output| *output /= sum);
    own - f64::from(sum).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model that is sure of a sample has slopes of any size.
    #[test]
    fn no_slope_is_nearly_nothing() {
        let losses = [
            Loss::CrossEntropy,
            Loss::BinaryCrossEntropy,
            Loss::Mse,
            Loss::ThesisSoftmax,
        ];
        for (loss, sure) in losses.into_iter().zip([60.0, 60.0, 1e-25, 30.0]) {
            let mut outputs = [sure, -sure, 0.0, -0.5 * sure];
            EvaluationTally::new(loss).add(&mut outputs, 0);
            let is_clear = |slope: &f32| *slope == 0.0 || slope.abs() >= 1e-20;
            assert!(outputs.iter().all(is_clear), "{loss:?}: {outputs:?}");
            assert!(outputs.iter().any(|slope| *slope != 0.0) || loss == Loss::CrossEntropy);
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        let outputs = [0.3, -1.2, 2.0, 0.7_f32];
        let evaluate = |loss, outputs: &mut [f32; 4], label| {
            let mut tally = EvaluationTally::new(loss);
            tally.add(outputs, label);
            tally.evaluation()
        };
        for loss in [
            Loss::CrossEntropy,
            Loss::Mse,
            Loss::BinaryCrossEntropy,
            Loss::ThesisSoftmax,
        ] {
            for label in 0..4 {
                let mut slopes = outputs;
                evaluate(loss, &mut slopes, label);
                for at in 0..4 {
                    let moved = |by: f32| {
                        let mut moved = outputs;
                        moved[at] += by;
                        evaluate(loss, &mut moved, label).loss
                    };
                    let difference = (moved(0.01) - moved(-0.01)) / 0.02;
                    assert!(
                        (difference - f64::from(slopes[at])).abs() < 1e-3,
                        "{loss:?}, label {label}, output {at}: {difference} and {}",
                        slopes[at]
                    );
                }
            }
        }
    }

    #[test]
    fn known_answers() {
        // Probabilities 1/4, 1/2 and 1/4 for the classes 0, 1 and 2.
        let outputs = [1.0, 1.0 + 2.0_f32.ln(), 1.0];
        let mut tally = EvaluationTally::new(Loss::CrossEntropy);
        tally.add(&mut outputs.clone(), 1);
        tally.add(&mut outputs.clone(), 2);
        let evaluation = tally.evaluation();
        assert_eq!(evaluation.accuracy, 0.5);
        assert!((evaluation.true_class_probability - 0.375).abs() < 1e-6);
        assert!((evaluation.loss - 1.5 * 2.0_f64.ln()).abs() < 1e-6);
        // The loss of the thesis program for the same: the softmax of (1/4, 1/2, 1/4).
        let mut tally = EvaluationTally::new(Loss::ThesisSoftmax);
        tally.add(&mut outputs.clone(), 1);
        let (e, other) = (0.5_f64.exp(), 0.25_f64.exp());
        assert!((tally.evaluation().loss - -(e / (e + 2.0 * other)).ln()).abs() < 1e-6);
        assert_eq!(tally.evaluation().accuracy, 1.0);
        // Outputs of 0.5, 0.75 and 0 for the class 1: squares of 0.5, 0.25 and 0.
        let mut tally = EvaluationTally::new(Loss::Mse);
        tally.add(&mut [0.5, 0.75, 0.0], 1);
        let evaluation = tally.evaluation();
        assert!((evaluation.loss - 0.3125 / 3.0).abs() < 1e-6);
        assert_eq!(evaluation.true_class_probability, 0.75);
        // Probabilities of 1/2 and 3/4 for the class 1, each by itself.
        let mut tally = EvaluationTally::new(Loss::BinaryCrossEntropy);
        tally.add(&mut [0.0, 3.0_f32.ln()], 1);
        let evaluation = tally.evaluation();
        assert!((evaluation.loss - (2.0_f64.ln() - 0.75_f64.ln()) / 2.0).abs() < 1e-6);
        assert!((evaluation.true_class_probability - 0.75).abs() < 1e-6);
    }
}
