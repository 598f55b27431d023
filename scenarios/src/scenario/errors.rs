//! By how much a worker's times differ from what its speed says.
//!
//! The margins of a risk are quantiles of these errors, and simulated runs draw from them: both by
//! the functions below.

use crate::draw::Draws;
use crate::math::exp;
use crate::scenario::unit::Ratio;

/// The errors of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errors {
    /// By what factor a benchmark reads too fast.
    pub benchmark: BenchmarkError,
    /// The factor on the time of each cycle.
    pub jitter: Jitter,
    /// The standard deviation of each cycle's step of a random walk of the logarithm of the time.
    pub drift: Ratio,
}

/// By what factor a benchmark reads too fast: it is drawn once for each benchmark and holds for
/// all of its rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchmarkError {
    /// The mean of the logarithm of the factor, in millionths; positive reads too fast.
    pub bias_micros: i64,
    /// The standard deviation of the logarithm.
    pub sigma: Ratio,
    /// The chance that the machine was cold instead, and the benchmark read too slow.
    pub cold: Ratio,
    /// The logarithm of a cold one is negative, its size exponential with this mean.
    pub cold_mean: Ratio,
}

/// The factor on the time of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Always 1.
    None,
    /// Lognormal with median 1 and this sigma.
    Lognormal(Ratio),
    /// Gamma with mean 1 and this shape.
    Gamma(Ratio),
}

impl Errors {
    /// Times are exactly what the speed says.
    pub const NONE: Self = Self {
        benchmark: BenchmarkError::NONE,
        jitter: Jitter::None,
        drift: Ratio::ZERO,
    };

    /// Draws the logarithm of one cycle's step of the drift.
    pub fn drift_exponent(&self, draws: &mut Draws) -> f64 {
        self.drift.as_f64() * draws.normal()
    }

    /// Draws the factor of one cycle's step of the drift: the drift is the product of all.
    pub fn drift(&self, draws: &mut Draws) -> f64 {
        exp(self.drift_exponent(draws))
    }
}

impl BenchmarkError {
    /// Benchmarks are right.
    pub const NONE: Self = Self {
        bias_micros: 0,
        sigma: Ratio::ZERO,
        cold: Ratio::ZERO,
        cold_mean: Ratio::ZERO,
    };

    /// Draws the factor by which a benchmark reads too fast.
    pub fn draw(&self, draws: &mut Draws) -> f64 {
        if self.sigma == Ratio::ZERO && self.cold == Ratio::ZERO {
            return exp(self.bias()); // what is certain takes no draw
        }
        exp(self.exponent(draws))
    }

    fn bias(&self) -> f64 {
        self.bias_micros as f64 / 1e6
    }

    /// Draws the logarithm of the factor.
    pub(crate) fn exponent(&self, draws: &mut Draws) -> f64 {
        // All three are drawn always, so that a changed error moves nothing else.
        let (cold, normal, slow) = (draws.unit(), draws.normal(), draws.exponential());
        if cold < self.cold.as_f64() {
            -self.cold_mean.as_f64() * slow
        } else {
            self.bias() + self.sigma.as_f64() * normal
        }
    }
}

impl Jitter {
    /// Draws the factor of one cycle.
    pub fn draw(self, draws: &mut Draws) -> f64 {
        match self {
            Self::None => 1.0,
            Self::Lognormal(sigma) => draws.lognormal(sigma.as_f64()),
            Self::Gamma(shape) => draws.gamma(shape.as_f64()),
        }
    }
}
