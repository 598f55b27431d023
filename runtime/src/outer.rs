//! The orchestrator's own step: what becomes of an average.
//!
//! With Nesterov momentum (DiLoCo), the difference of the old model to the average is a gradient. Workers
//! that train much in a cycle agree on a direction, and the model goes further in it than they did.

use std::thread;

use scenarios::scenario::{Outer, Ratio, Training};

use crate::average::threads;

/// A step with Nesterov momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OuterStep {
    /// Its learning rate.
    pub(crate) rate: f64,
    /// What is left of the step before.
    pub(crate) momentum: f64,
}

impl OuterStep {
    /// As a scenario has it; none if the average is the new model.
    #[must_use]
    pub(crate) fn of(training: &Training) -> Option<Self> {
        let number = |ratio: Option<Ratio>, usual| ratio.map_or(usual, Ratio::as_f64);
        (training.outer == Outer::Nesterov).then(|| Self {
            rate: number(training.outer_rate, 0.7),
            momentum: number(training.outer_momentum, 0.9),
        })
    }

    /// Turns the average of a cycle into the new model. `velocity` is the sum of the gradients so
    /// far, of which the older ones count less; empty at first.
    ///
    /// # Panics
    ///
    /// If the models have different lengths.
    pub(crate) fn step(self, old: &[f32], average: &mut [f32], velocity: &mut Vec<f32>) {
        assert_eq!(old.len(), average.len(), "parameters of one model");
        velocity.resize(old.len(), 0.0);
        let threads = threads(old.len());
        if threads == 1 {
            return self.step_part(old, average, velocity);
        }
        let share = old.len().div_ceil(threads);
        let parts = average.chunks_mut(share).zip(old.chunks(share));
        thread::scope(|scope| {
            for ((average, old), velocity) in parts.zip(velocity.chunks_mut(share)) {
                scope.spawn(move || self.step_part(old, average, velocity));
            }
        });
    }

    fn step_part(self, old: &[f32], average: &mut [f32], velocity: &mut [f32]) {
        let finite = |x: f64| x.clamp(f32::MIN.into(), f32::MAX.into()) as f32;
        for ((new, old), velocity) in average.iter_mut().zip(old).zip(velocity) {
            let old = f64::from(*old);
            let gradient = old - f64::from(*new);
            *velocity = finite(self.momentum * f64::from(*velocity) + gradient);
            let step = self.momentum * f64::from(*velocity) + gradient;
            *new = finite(old - self.rate * step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_average_without_momentum_and_the_definition_with_it() {
        let plain = OuterStep {
            rate: 1.0,
            momentum: 0.0,
        };
        let (old, mut new, mut velocity) = ([1.0, -2.0], [1.5, -2.25], Vec::new());
        plain.step(&old, &mut new, &mut velocity);
        assert_eq!((new, velocity), ([1.5, -2.25], vec![-0.5, 0.25]));
        // By hand: v = 0.5 v + g, the step is 0.5 (0.5 v + g).
        let outer = OuterStep {
            rate: 0.5,
            momentum: 0.5,
        };
        let (mut model, mut velocity) = ([8.0], Vec::new());
        for expected in [5.0, 1.5] {
            let mut average = [model[0] - 4.0]; // a gradient of 4
            outer.step(&model, &mut average, &mut velocity);
            model = average;
            assert_eq!(model[0], expected);
        }
        assert_eq!(velocity, [6.0]);
    }
}
