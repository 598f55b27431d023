//! Quantities that are drawn for each worker.

use crate::draw::Draws;
use crate::scenario::key::{Field, Key};
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
}

impl<Q: Quantity> Field for Drawn<Q> {
    const RANGE: (u64, u64) = <Q as Quantity>::RANGE;
    const METAVAR: &'static str = <Q as Quantity>::METAVAR;

    fn read(item: &Item<'_>, key: &Key) -> Option<Self> {
        if !matches!(item.node.value, Value::Table(_)) {
            return item.quantity(key.bounds).map(Self::Fixed);
        }
        let mut section = item.section()?;
        let kinds = ["uniform", "lognormal", "gamma", "exponential"];
        let kind = section.require("dist", "uniform, lognormal, gamma or exponential");
        let kind = kind?.choice(&kinds.map(|kind| (kind, kind)))?;
        let mut quantity = |name| {
            let item = section.require(name, Q::EXAMPLE)?;
            Some((item.quantity::<Q>(key.bounds)?, item))
        };
        let drawn = match kind {
            "uniform" => {
                let (low, high) = (quantity("low"), quantity("high"));
                let ((low, _), (high, item_of_high)) = (low?, high?);
                if low.base() > high.base() {
                    let low = format!("at least {}.low, which is {}", item.path, low.written());
                    return item_of_high.expected(&low);
                }
                Self::Uniform { low, high }
            }
            "lognormal" => Self::Lognormal {
                median: quantity("median")?.0,
                sigma: section.require("sigma", "0.3")?.quantity(SIGMA)?,
            },
            "gamma" => Self::Gamma {
                mean: quantity("mean")?.0,
                shape: section.require("shape", "4.0")?.quantity(SHAPE)?,
            },
            _ => Self::Exponential {
                mean: quantity("mean")?.0,
            },
        };
        section.finish();
        Some(drawn)
    }

    fn write(&self, _: &Key) -> Option<String> {
        let table = |dist: &str, pairs: &[(&str, String)]| {
            let pairs = pairs
                .iter()
                .map(|(key, value)| format!(", {key} = {value}"));
            format!("{{ dist = \"{dist}\"{} }}", pairs.collect::<String>())
        };
        Some(match self {
            Self::Fixed(value) => value.written(),
            Self::Uniform { low, high } => {
                let (low, high) = (("low", low.written()), ("high", high.written()));
                table("uniform", &[low, high])
            }
            Self::Lognormal { median, sigma } => {
                let median = ("median", median.written());
                table("lognormal", &[median, ("sigma", sigma.written())])
            }
            Self::Gamma { mean, shape } => {
                let mean = ("mean", mean.written());
                table("gamma", &[mean, ("shape", shape.written())])
            }
            Self::Exponential { mean } => table("exponential", &[("mean", mean.written())]),
        })
    }

    fn form(key: &Key) -> String {
        format!("{}, or a distribution", Q::form(key))
    }
}
