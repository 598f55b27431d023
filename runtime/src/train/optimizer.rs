//! How the built-in models move their parameters: one of the optimisers, with its numbers.

use scenarios::scenario::Optimizer;

use super::adam::{Adam, LONGEST_STEP};
use crate::model::TrainingOptions;

/// The learning rate of the thesis program.
const RATE: f64 = 1e-4;
/// What is left of a gradient after many steps without one is set to zero: see `adam.rs`.
const NEGLIGIBLE: f32 = 1e-30;

/// By how much a step moves a parameter at most, if that does not depend on the gradients or on the
/// parameter: with Adam. Schedules only lower the learning rate.
#[must_use]
pub fn longest_step(options: &TrainingOptions) -> Option<f64> {
    let rate = options.learning_rate.map_or(RATE, |rate| rate as f64 / 1e6);
    let is_bounded = match options.optimizer.unwrap_or(Optimizer::Adam) {
        Optimizer::Adam => true,
        Optimizer::AdamW => options.weight_decay.is_none_or(|decay| decay == 0),
        Optimizer::Sgd => false,
    };
    is_bounded.then_some(LONGEST_STEP * rate)
}

/// An optimiser, with what it remembers of its steps.
#[derive(Debug)]
pub struct OptimizerState {
    kind: Optimizer,
    rate: f64,
    momentum: f32,
    decay: f64,
    /// What the learning rate is multiplied by in this cycle.
    factor: f64,
    adam: Adam,
    velocity: Vec<f32>,
}

impl OptimizerState {
    /// Of a model of this number of parameters. What is not said is Adam at 0.0001.
    #[must_use]
    pub fn new(options: &TrainingOptions, parameters: usize) -> Self {
        let number = |micros: u64| micros as f64 / 1e6;
        let mut new = Self {
            kind: options.optimizer.unwrap_or(Optimizer::Adam),
            rate: options.learning_rate.map_or(RATE, number),
            momentum: options.momentum.map_or(0.0, number) as f32,
            decay: options.weight_decay.map_or(0.0, number),
            factor: 1.0,
            adam: Adam::default(),
            velocity: Vec::new(),
        };
        new.reset(parameters);
        new
    }

    /// Starts anew with this number of parameters.
    pub fn reset(&mut self, parameters: usize) {
        if self.kind == Optimizer::Sgd {
            self.velocity.clear();
            self.velocity.resize(parameters, 0.0);
        } else {
            self.adam.reset(parameters);
        }
    }

    /// Multiplies the learning rate by this, in place of what it was multiplied by before.
    pub fn scale_rate(&mut self, factor: f64) {
        self.factor = factor;
    }

    /// Moves the parameters against the gradients.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &mut [f32]) {
        let rate = self.rate * self.factor;
        if self.decay > 0.0 {
            if self.kind == Optimizer::AdamW {
                let keep = (1.0 - rate * self.decay) as f32;
                parameters.iter_mut().for_each(|p| *p *= keep);
            } else {
                let decay = self.decay as f32;
                let pairs = gradients.iter_mut().zip(parameters.iter());
                pairs.for_each(|(g, p)| *g += decay * p);
            }
        }
        if self.kind != Optimizer::Sgd {
            return self.adam.step(parameters, gradients, rate);
        }
        let (momentum, rate) = (self.momentum, rate as f32);
        let each = parameters.iter_mut().zip(gradients).zip(&mut self.velocity);
        for ((p, g), velocity) in each {
            let v = momentum * *velocity + *g;
            *velocity = if v.abs() < NEGLIGIBLE { 0.0 } else { v };
            *p -= rate * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definitions in 64 bits, for one parameter.
    fn definition(options: &TrainingOptions, start: f64, gradients: &[f64], factor: f64) -> f64 {
        let number = |micros: Option<u64>| micros.unwrap_or(0) as f64 / 1e6;
        let rate = options
            .learning_rate
            .map_or(1e-4, |micros| micros as f64 / 1e6)
            * factor;
        let (momentum, decay) = (number(options.momentum), number(options.weight_decay));
        let (mut x, mut m, mut v) = (start, 0.0, 0.0);
        for (t, g) in (1..).zip(gradients) {
            match options.optimizer {
                Some(Optimizer::Sgd) => {
                    m = momentum * m + g + decay * x;
                    x -= rate * m;
                }
                kind => {
                    let apart = kind == Some(Optimizer::AdamW);
                    let g = if apart { *g } else { g + decay * x };
                    x -= if apart { rate * decay * x } else { 0.0 };
                    m = 0.9 * m + 0.1 * g;
                    v = 0.999 * v + 0.001 * g * g;
                    let (m, v) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.999_f64.powi(t)));
                    x -= rate * m / (v.sqrt() + 1e-8);
                }
            }
        }
        x
    }

    #[test]
    fn each_follows_its_definition() {
        for optimizer in [
            None,
            Some(Optimizer::Adam),
            Some(Optimizer::AdamW),
            Some(Optimizer::Sgd),
        ] {
            for (rate, momentum, decay, factor) in [
                (None, None, None, 1.0),
                (Some(10_000), None, Some(100_000), 0.5),
                (Some(10_000), Some(900_000), Some(10_000), 1.0),
            ] {
                let options = TrainingOptions {
                    optimizer,
                    learning_rate: rate,
                    momentum,
                    weight_decay: decay,
                    ..TrainingOptions::NONE
                };
                let gradient = |i: usize, t: usize| ((i * 37 + t * 11) % 17) as f32 / 8.0 - 1.0;
                let start: Vec<f32> = (0..20).map(|i| i as f32 / 10.0 - 1.0).collect();
                let mut parameters = start.clone();
                let mut state = OptimizerState::new(&options, start.len());
                // Steps before a reset have no effect.
                state.step(&mut parameters, &mut [3.0; 20]);
                parameters.clone_from(&start);
                state.reset(start.len());
                state.scale_rate(factor);
                for t in 0..50 {
                    let mut gradients: Vec<f32> = (0..20).map(|i| gradient(i, t)).collect();
                    state.step(&mut parameters, &mut gradients);
                }
                for (i, found) in parameters.iter().enumerate() {
                    let gradients: Vec<f64> = (0..50).map(|t| gradient(i, t).into()).collect();
                    let expected = definition(&options, start[i].into(), &gradients, factor);
                    assert!(
                        (f64::from(*found) - expected).abs() < 1e-5,
                        "{options:?}, parameter {i}: {found} and not {expected}"
                    );
                }
            }
        }
    }
}
