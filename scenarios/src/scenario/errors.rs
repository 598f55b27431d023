//! By how much a worker's times differ from what its speed says.
//!
//! The margins of a risk are quantiles of these errors, and simulated runs draw from them: both by
//! the functions below.

use crate::draw::Draws;
use crate::math::exp;
use crate::scenario::drawn::{SHAPE, SIGMA};
use crate::scenario::field::quoted;
use crate::scenario::key::{Field, Key, Table, keys};
use crate::scenario::read::Item;
use crate::scenario::unit::{Quantity, Ratio, SignedRatio};

/// The errors of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// By what factor a benchmark reads too fast.
    pub benchmark: BenchmarkError,
    /// The factor on the time of each cycle.
    pub jitter: Jitter,
    /// The standard deviation of each cycle's step of a random walk of the logarithm of the time.
    pub drift: Ratio,
}

keys! {
    /// By what factor a benchmark reads too fast: it is drawn once for each benchmark and holds
    /// for all of its rounds. A worker has one benchmark, and another one if by the first there is no plan.
    pub struct BenchmarkError in "benchmark_error" {
        /// Mean of the logarithm of the factor: positive reads too fast.
        bias: SignedRatio => default("0");
        /// Standard deviation of the logarithm.
        sigma: Ratio => default("0").within(SIGMA.0, SIGMA.1);
        /// Chance that the machine was cold instead, and the benchmark read too slow.
        cold: Ratio => default("0").within(0, 1_000_000);
        /// Mean size of the logarithm then: it is exponential, and negative.
        cold_mean: Ratio => default("0").within(0, 5_000_000);
    }
}

keys! {
    /// Errors that are assumed of workers of whom nothing is known: standard deviations of
    /// logarithms.
    pub struct AssumedErrors in "assumed_errors" {
        /// Of what benchmarks read.
        benchmark: Ratio => default("0").within(SIGMA.0, SIGMA.1);
        /// Of the time of each cycle.
        jitter: Ratio => default("0").within(SIGMA.0, SIGMA.1);
    }
}

impl From<&AssumedErrors> for Errors {
    fn from(assumed: &AssumedErrors) -> Self {
        Self {
            benchmark: BenchmarkError {
                sigma: assumed.benchmark,
                ..BenchmarkError::NONE
            },
            jitter: Jitter::Lognormal(assumed.jitter),
            ..Self::NONE
        }
    }
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
        bias: SignedRatio::ZERO,
        sigma: Ratio::ZERO,
        cold: Ratio::ZERO,
        cold_mean: Ratio::ZERO,
    };

    /// Draws the factor by which a benchmark reads too fast.
    pub fn draw(&self, draws: &mut Draws) -> f64 {
        if self.sigma == Ratio::ZERO && self.cold == Ratio::ZERO {
            return exp(self.bias.as_f64()); // what is certain takes no draw
        }
        exp(self.exponent(draws))
    }

    /// Draws the logarithm of the factor.
    pub(crate) fn exponent(&self, draws: &mut Draws) -> f64 {
        // All three are drawn always, so that a changed error moves nothing else.
        let (cold, normal, slow) = (draws.unit(), draws.normal(), draws.exponential());
        if cold < self.cold.as_f64() {
            -self.cold_mean.as_f64() * slow
        } else {
            self.bias.as_f64() + self.sigma.as_f64() * normal
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

/// The word for no errors.
const NONE: &str = "none";

impl Field for BenchmarkError {
    const METAVAR: &'static str = "ERROR";

    fn read(item: &Item<'_>, _: &Key) -> Option<Self> {
        if item.text() == Some(NONE) {
            return Some(Self::NONE);
        }
        Self::read_item(item)
    }

    fn write(&self, _: &Key) -> Option<String> {
        Some(self.in_line())
    }

    fn form(_: &Key) -> String {
        "\"none\", or { bias = …, sigma = …, cold = …, cold_mean = … }".to_owned()
    }
}

impl Field for AssumedErrors {
    const METAVAR: &'static str = "ERRORS";

    fn read(item: &Item<'_>, _: &Key) -> Option<Self> {
        Self::read_item(item)
    }

    fn write(&self, _: &Key) -> Option<String> {
        Some(self.in_line())
    }

    fn form(_: &Key) -> String {
        "{ benchmark = …, jitter = … }".to_owned()
    }
}

impl Field for Jitter {
    const METAVAR: &'static str = "JITTER";

    fn read(item: &Item<'_>, _: &Key) -> Option<Self> {
        if item.text() == Some(NONE) {
            return Some(Self::None);
        }
        let mut section = item.section()?;
        let kind = section.require("dist", "lognormal or gamma");
        let kind = kind?.choice(&[("lognormal", true), ("gamma", false)])?;
        let jitter = if kind {
            Self::Lognormal(section.require("sigma", "0.05")?.quantity(SIGMA)?)
        } else {
            Self::Gamma(section.require("shape", "400.0")?.quantity(SHAPE)?)
        };
        section.finish();
        Some(jitter)
    }

    fn write(&self, _: &Key) -> Option<String> {
        Some(match self {
            Self::None => quoted(NONE),
            Self::Lognormal(sigma) => {
                format!("{{ dist = \"lognormal\", sigma = {} }}", sigma.written())
            }
            Self::Gamma(shape) => format!("{{ dist = \"gamma\", shape = {} }}", shape.written()),
        })
    }

    fn form(_: &Key) -> String {
        "\"none\", or { dist = \"lognormal\", sigma = … }, or { dist = \"gamma\", shape = … }"
            .to_owned()
    }
}
