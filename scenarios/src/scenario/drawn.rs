//! Quantities that are drawn for each worker.

use crate::draw::Draws;
use crate::scenario::read::Item;
use crate::scenario::tree::Value;
use crate::scenario::unit::{Quantity, Ratio};

/// A quantity that is given, or a distribution that each worker's is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn<Q> {
    /// The same for all.
    Fixed(Q),
    /// Anything from `low` to `high`.
    Uniform {
        /// The least.
        low: Q,
        /// The most.
        high: Q,
    },
    /// Lognormal.
    Lognormal {
        /// Half are below, half above.
        median: Q,
        /// The standard deviation of the logarithm.
        sigma: Ratio,
    },
    /// Gamma.
    Gamma {
        /// The mean.
        mean: Q,
        /// The mean's square over the variance: the larger, the closer to the mean.
        shape: Ratio,
    },
    /// Exponential.
    Exponential {
        /// The mean.
        mean: Q,
    },
}

/// The least and the most of a sigma, in millionths.
pub(crate) const SIGMA: (u64, u64) = (0, 2_000_000);
/// The least and the most of a shape, in millionths.
pub(crate) const SHAPE: (u64, u64) = (100_000, 1_000_000_000_000);

#[expect(
    private_bounds,
    reason = "all methods are the crate's own; quantities are a closed set"
)]
impl<Q: Quantity> Drawn<Q> {
    /// Draws one, held within the bounds of the quantity.
    pub(crate) fn draw(self, draws: &mut Draws) -> Q {
        let (median, factor) = match self {
            Self::Fixed(value) => return value,
            Self::Uniform { low, high } => {
                return Q::from_base(draws.between(low.base(), high.base()));
            }
            Self::Lognormal { median, sigma } => (median, draws.lognormal(sigma.as_f64())),
            Self::Gamma { mean, shape } => (mean, draws.gamma(shape.as_f64())),
            Self::Exponential { mean } => (mean, draws.exponential()),
        };
        let base = (median.base() as f64 * factor).round() as u64; // saturates
        Q::from_base(base.clamp(Q::RANGE.0, Q::RANGE.1))
    }

    pub(crate) fn read(item: &Item<'_>) -> Option<Self> {
        if !matches!(item.node.value, Value::Table(_)) {
            return item.quantity().map(Self::Fixed);
        }
        let mut section = item.section()?;
        let kinds = [
            ("uniform", 0),
            ("lognormal", 1),
            ("gamma", 2),
            ("exponential", 3),
        ];
        let kind = section.require("dist", "uniform, lognormal, gamma or exponential");
        let kind = kind?.choice(&kinds)?;
        let drawn = if kind == 0 {
            let low = section.require("low", Q::EXAMPLE)?;
            let high = section.require("high", Q::EXAMPLE)?;
            let (low, least) = (low.quantity::<Q>(), high.quantity::<Q>());
            let (low, most) = (low?, least?);
            if low.base() > most.base() {
                let low = low.written();
                return high.expected(&format!("at least {}.low, which is {low}", item.path));
            }
            Self::Uniform { low, high: most }
        } else {
            let centre = if kind == 1 { "median" } else { "mean" };
            let centre = section.require(centre, Q::EXAMPLE)?.quantity::<Q>()?;
            match kind {
                1 => Self::Lognormal {
                    median: centre,
                    sigma: section.require("sigma", "0.3")?.within(SIGMA.0, SIGMA.1)?,
                },
                2 => Self::Gamma {
                    mean: centre,
                    shape: section.require("shape", "4.0")?.within(SHAPE.0, SHAPE.1)?,
                },
                _ => Self::Exponential { mean: centre },
            }
        };
        section.finish();
        Some(drawn)
    }

    pub(crate) fn written(self) -> String {
        match self {
            Self::Fixed(value) => value.written(),
            Self::Uniform { low, high } => format!(
                "{{ dist = \"uniform\", low = {}, high = {} }}",
                low.written(),
                high.written()
            ),
            Self::Lognormal { median, sigma } => format!(
                "{{ dist = \"lognormal\", median = {}, sigma = {} }}",
                median.written(),
                sigma.written()
            ),
            Self::Gamma { mean, shape } => format!(
                "{{ dist = \"gamma\", mean = {}, shape = {} }}",
                mean.written(),
                shape.written()
            ),
            Self::Exponential { mean } => {
                format!("{{ dist = \"exponential\", mean = {} }}", mean.written())
            }
        }
    }
}
