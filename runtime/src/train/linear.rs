//! Softmax regression in plain Rust: one linear layer, without libtorch.

use super::optimizer::OptimizerState;
use super::tally::EvaluationTally;
use super::types::{DeviceChoice, Evaluation, TrainError, Trainer};
use crate::data::{Batch, Dataset};
use crate::model::{Loss, ModelSpec};

/// Samples that are judged at a time.
const EVALUATED: usize = 1_000;

/// The trainer of [`ModelKind::Linear`](crate::model::ModelKind::Linear).
#[derive(Debug)]
pub(super) struct Linear {
    loss: Loss,
    features: usize,
    classes: usize,
    /// Weights, a row for each class, then biases.
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    optimizer: OptimizerState,
    /// The current samples as floats.
    samples: Vec<f32>,
    /// The outputs for it, then the gradient of its loss.
    outputs: Vec<f32>,
}

impl Linear {
    pub(super) fn new(spec: &ModelSpec) -> Self {
        let (features, classes) = (spec.shape.features(), spec.shape.classes());
        let parameters = (features + 1) * classes;
        Self {
            loss: spec.options.loss(),
            features,
            classes,
            parameters: vec![0.0; parameters],
            gradients: vec![0.0; parameters],
            optimizer: OptimizerState::new(&spec.options, parameters),
            samples: Vec::new(),
            outputs: vec![0.0; classes],
        }
    }

    /// The outputs for a sample.
    fn forward(&mut self, parameters: &[f32], sample: &[f32]) {
        let (weights, biases) = parameters.split_at(self.features * self.classes);
        for (class, output) in self.outputs.iter_mut().enumerate() {
            let row = &weights[class * self.features..][..self.features];
            *output = dot(row, sample) + biases[class];
        }
    }
}

impl Trainer for Linear {
    fn begin(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        self.parameters.copy_from_slice(parameters);
        self.optimizer.reset(parameters.len());
        Ok(())
    }

    fn scale_rate(&mut self, factor: f64) {
        self.optimizer.scale_rate(factor);
    }

    fn step(&mut self, batch: &Batch) -> Result<(), TrainError> {
        let features = batch.shape().features();
        assert_eq!(features, self.features, "features of the model");
        let count = batch.shape().batch_size as f32;
        self.gradients.fill(0.0);
        let mut tally = EvaluationTally::new(self.loss);
        let parameters = std::mem::take(&mut self.parameters);
        let mut samples = std::mem::take(&mut self.samples);
        batch.floats(&mut samples);
        for (sample, label) in samples.chunks_exact(self.features).zip(batch.labels()) {
            self.forward(&parameters, sample);
            tally.add(&mut self.outputs, label);
            let (weights, biases) = self.gradients.split_at_mut(self.features * self.classes);
            for (class, slope) in self.outputs.iter().enumerate() {
                let slope = slope / count;
                biases[class] += slope;
                let row = &mut weights[class * self.features..][..self.features];
                add_scaled(row, slope, sample);
            }
        }
        (self.parameters, self.samples) = (parameters, samples);
        self.optimizer
            .step(&mut self.parameters, &mut self.gradients);
        Ok(())
    }

    fn finish(&mut self, into: &mut Vec<f32>) -> Result<(), TrainError> {
        into.clone_from(&self.parameters);
        Ok(())
    }

    fn evaluate(&mut self, parameters: &[f32], set: &Dataset) -> Result<Evaluation, TrainError> {
        assert_eq!(
            parameters.len(),
            self.parameters.len(),
            "parameters of the model"
        );
        assert_eq!(set.features(), self.features, "features of the model");
        let mut tally = EvaluationTally::new(self.loss);
        let mut samples = std::mem::take(&mut self.samples);
        for first in (0..set.samples()).step_by(EVALUATED) {
            let batch = set.rows(first, EVALUATED)?;
            batch.floats(&mut samples);
            for (sample, label) in samples.chunks_exact(self.features).zip(batch.labels()) {
                self.forward(parameters, sample);
                tally.add(&mut self.outputs, label);
            }
        }
        self.samples = samples;
        Ok(tally.evaluation())
    }

    fn device(&self) -> DeviceChoice {
        DeviceChoice::Cpu
    }
}

// Tests train for real, in builds that inline nothing: there, `while` is several times as fast as
// iterators. With full optimisation both are the same.

/// A sum in eight lanes, in an order that is always the same and that a compiler can vectorise.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0_f32; LANES];
    let b = &b[..a.len()];
    let mut at = 0;
    while at + LANES <= a.len() {
        let mut lane = 0;
        while lane < LANES {
            sums[lane] += a[at + lane] * b[at + lane];
            lane += 1;
        }
        at += LANES;
    }
    let rest = a[at..].iter().zip(&b[at..]).map(|(a, b)| a * b);
    sums.into_iter().chain(rest).sum()
}

/// Adds `factor` times these values.
fn add_scaled(to: &mut [f32], factor: f32, values: &[f32]) {
    let values = &values[..to.len()];
    let mut at = 0;
    while at < to.len() {
        to[at] += factor * values[at];
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataSource, Synthetic};
    use crate::model::{ModelKind, TrainingOptions, Weights};

    fn spec(loss: Loss, set: &Dataset) -> ModelSpec {
        ModelSpec {
            kind: ModelKind::Linear,
            weights: Weights::Xavier,
            options: TrainingOptions {
                loss: Some(loss),
                ..TrainingOptions::NONE
            },
            shape: set.batch_shape(32),
        }
    }

    #[test]
    fn it_learns_reproducibly() {
        let source = DataSource::Synthetic(Synthetic {
            seed: 5,
            train: 6_400,
            test: 1_000,
        });
        let splits = source.load().unwrap();
        let train = |loss| {
            let spec = spec(loss, &splits.train);
            let mut trainer = Linear::new(&spec);
            let (start, mut end) = (spec.initial(1), Vec::new());
            trainer.begin(&start).unwrap();
            for _ in 0..20 {
                for index in 0..splits.train.batches(32) {
                    trainer
                        .step(&splits.train.batch(index, 32).unwrap())
                        .unwrap();
                }
            }
            trainer.finish(&mut end).unwrap();
            let before = trainer.evaluate(&start, &splits.test).unwrap();
            let after = trainer.evaluate(&end, &splits.test).unwrap();
            assert!(
                before.accuracy < 0.3 && before.true_class_probability < 0.6,
                "{loss:?}: {before:?}, then {after:?}"
            );
            assert!(after.accuracy > 0.75 && after.loss < before.loss);
            end
        };
        let bits = |p: Vec<f32>| p.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert_eq!(
            bits(train(Loss::CrossEntropy)),
            bits(train(Loss::CrossEntropy))
        );
        for loss in [Loss::ThesisSoftmax, Loss::Mse, Loss::BinaryCrossEntropy] {
            train(loss);
        }
    }
}
