//! Adam in one pass over one vector.
//!
//! A step of a small model is mostly its optimiser. An implementation of tensor operations passes
//! over parameters, gradients and both moments a dozen times; this one does so once.
//!
//! Moments of inputs that are always zero decay for ever, and arithmetic on subnormal numbers is a
//! hundred times slower. A moment below [`NEGLIGIBLE`] has no effect on a parameter, so it is set to
//! zero here: flushing subnormals by a mode of the processor takes unsafe code. After 200 batches
//! the parameters differ from libtorch's by less than a millionth of the distance moved.

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// No step moves a parameter by more than this, times the learning rate. By Cauchy and Schwarz, the first moment is at most
/// (1 − β₁) / √(1 − β₂) / √(1 − β₁² / β₂) < 7.28 roots of the second one, and the corrections of the
/// bias only make the quotient smaller; the rest of eight times the rate is for rounding.
pub(super) const LONGEST_STEP: f64 = 8.0;

/// A first moment of this size moves a parameter by at most 1e-4 · 1e-30 / 1e-8; a second moment
/// of this size is a gradient of 1e-15, which vanishes beside epsilon.
const NEGLIGIBLE: f32 = 1e-30;

/// A gradient below this moves a parameter by at most 1e-4 · 1e-17 / 1e-8, and its share of the second moment
/// would be subnormal. Where a model is nearly sure of every sample, most gradients are.
const NO_GRADIENT: f32 = 1e-17;

/// The moments of each parameter's gradient.
#[derive(Debug, Default)]
pub(super) struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Adam {
    /// Starts anew with this number of parameters.
    pub(super) fn reset(&mut self, parameters: usize) {
        for moments in [&mut self.first, &mut self.second] {
            moments.clear();
            moments.resize(parameters, 0.0);
        }
        self.steps = 0;
    }

    /// Moves the parameters against the gradients.
    pub(super) fn step(&mut self, parameters: &mut [f32], gradients: &[f32], rate: f64) {
        self.steps = self.steps.saturating_add(1);
        let rate = rate / (1.0 - BETA1.powi(self.steps));
        let root = (1.0 - BETA2.powi(self.steps)).sqrt();
        let (rate, inverse_root) = (rate as f32, (1.0 / root) as f32);
        let (keep1, take1) = (BETA1 as f32, (1.0 - BETA1) as f32);
        let (keep2, take2) = (BETA2 as f32, (1.0 - BETA2) as f32);

        // Slices of one length, so that the loop needs no bounds checks and is vectorised; `while`, since
        // tests train in builds that inline nothing.
        let n = parameters.len();
        let (gradients, first, second) =
            (&gradients[..n], &mut self.first[..n], &mut self.second[..n]);
        let mut i = 0;
        while i < n {
            let g = gradients[i];
            let g = if g.abs() < NO_GRADIENT { 0.0 } else { g };
            let m = keep1 * first[i] + take1 * g;
            let v = keep2 * second[i] + take2 * g * g;
            let m = if m.abs() < NEGLIGIBLE { 0.0 } else { m };
            let v = if v < NEGLIGIBLE { 0.0 } else { v };
            first[i] = m;
            second[i] = v;
            parameters[i] -= rate * m / (v.sqrt() * inverse_root + EPSILON);
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition in 64 bits, without any of the shortcuts above.
    fn definition(start: f64, gradients: &[f64]) -> f64 {
        let (mut x, mut m, mut v) = (start, 0.0, 0.0);
        for (t, g) in (1..).zip(gradients) {
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            let (m, v) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.999_f64.powi(t)));
            x -= 1e-4 * m / (v.sqrt() + 1e-8);
        }
        x
    }

    /// The gradients that move a parameter the most grow by β₂ / β₁ each time.
    #[test]
    fn no_step_is_longer_than_the_longest() {
        let (mut adam, mut parameters) = (Adam::default(), [0.0_f32]);
        adam.reset(1);
        // Late, when no bias is corrected any more.
        for _ in 0..2_000 {
            adam.step(&mut parameters, &[0.0], 1e-4);
        }
        let (mut gradient, mut longest) = (1e-9_f32, 0.0_f64);
        for _ in 0..300 {
            gradient *= 1.11;
            let before = parameters[0];
            adam.step(&mut parameters, &[gradient], 1e-4);
            longest = longest.max(f64::from(parameters[0] - before).abs());
        }
        assert!(
            longest > 0.8 * 1e-4 * LONGEST_STEP,
            "{longest}: the worst is tried"
        );
        assert!(longest < 1e-4 * LONGEST_STEP, "{longest}");
    }

    #[test]
    fn it_follows_the_definition() {
        // Gradients of very different sizes, rare ones, and none at all.
        let gradient = |i: usize, t: usize| -> f32 {
            let wave = ((i * 37 + t * 11) % 17) as f32 - 8.0;
            match i % 5 {
                0 => wave,
                1 => wave * 1e-5,
                2 if t.is_multiple_of(50) => wave,
                3 if t == 0 => 1e-12,
                3 => 1e-19, // its square is subnormal
                _ => 0.0,
            }
        };
        let (n, steps) = (40, 2_000);
        let start: Vec<f32> = (0..n).map(|i| i as f32 / 20.0 - 1.0).collect();
        let (mut adam, mut parameters) = (Adam::default(), start.clone());
        // Earlier steps have no effect after a reset.
        adam.reset(n);
        adam.step(&mut parameters, &vec![5.0; n], 1e-4);
        parameters.clone_from(&start);
        adam.reset(n);
        for t in 0..steps {
            let gradients: Vec<f32> = (0..n).map(|i| gradient(i, t)).collect();
            adam.step(&mut parameters, &gradients, 1e-4);
        }
        for i in 0..n {
            let gradients: Vec<f64> = (0..steps).map(|t| f64::from(gradient(i, t))).collect();
            let expected = definition(f64::from(start[i]), &gradients);
            let error = (f64::from(parameters[i]) - expected).abs();
            // The rounding errors of 2,000 steps of 1e-4 on a number near 1.
            assert!(
                error < 2e-5,
                "parameter {i}: {} and not {expected}",
                parameters[i]
            );
        }
        // No moment is subnormal, which would slow the arithmetic down.
        assert!(
            adam.first
                .iter()
                .chain(&adam.second)
                .all(|m| *m == 0.0 || m.is_normal())
        );
    }
}
