//! The margin that a stated risk asks for: how much longer than measured a batch may take.
//!
//! Benchmark error and jitter multiply the time of a batch by a lognormal factor of median 1.
//! Its quantile at `1 − risk` is `exp(z(1 − risk) · sigma)`: a plan whose batches take this many times
//! as long as measured overruns with a probability of `risk`. The quantile is worked out here, in fixed-point
//! integers: a float's `exp` and `ln` differ in their last bits from one system library to the
//! next, and two machines must make the same plan from the same numbers.

use serde::{Deserialize, Serialize};

/// Fixed point: the units in one.
const ONE: i128 = 1_000_000_000_000_000;

/// By how much longer than measured a batch is planned for, in parts per billion of the measured
/// time: 1,000,000,000 adds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Margin(u64);

impl Margin {
    /// Plans with the measured time itself.
    pub const NONE: Self = Self(1_000_000_000);
    /// A thousand times the measured time.
    pub const MAX: Self = Self(1_000_000_000_000);

    /// A factor in parts per billion, held within 1 and [`Margin::MAX`].
    ///
    /// For callers whose spread is not lognormal: they compute their own quantile.
    pub const fn from_ppb(ppb: u64) -> Self {
        match ppb {
            0 => Self(1),
            1..=1_000_000_000_000 => Self(ppb),
            _ => Self::MAX,
        }
    }

    /// The margin that overruns with a probability of `risk_ppm` parts per million (held within 100
    /// and 999,900), when the logarithm of the time spreads by `sigma_ppm` parts per million (at
    /// most 2,000,000, a factor of e² for one sigma).
    pub fn lognormal(risk_ppm: u32, sigma_ppm: u32) -> Self {
        let risk = i128::from(risk_ppm.clamp(100, 999_900)) * (ONE / 1_000_000);
        let sigma = i128::from(sigma_ppm.min(2_000_000));
        let exponent = quantile(ONE - risk) * sigma / 1_000_000;
        let factor = if exponent >= 0 {
            exp(exponent)
        } else {
            ONE * ONE / exp(-exponent)
        };
        let ppb = (factor + ONE / 2_000_000_000) / (ONE / 1_000_000_000);
        Self::from_ppb(u64::try_from(ppb).unwrap_or(u64::MAX))
    }

    /// Parts per billion of the measured time.
    pub const fn ppb(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Margin {
    type Error = String;

    fn try_from(ppb: u64) -> Result<Self, String> {
        let most = Self::MAX.ppb();
        if (1..=most).contains(&ppb) {
            Ok(Self(ppb))
        } else {
            Err(format!("a margin of {ppb} ppb, expected 1 to {most}"))
        }
    }
}

/// Where the standard normal distribution reaches `p`, by bisection: it is increasing.
fn quantile(p: i128) -> i128 {
    if p < ONE / 2 {
        return -quantile(ONE - p);
    }
    let (mut below, mut above) = (0, 4 * ONE);
    while above - below > 1 {
        let middle = below.midpoint(above);
        if normal(middle) <= p {
            below = middle;
        } else {
            above = middle;
        }
    }
    below
}

/// The standard normal distribution at `0 ≤ z ≤ 4`: a half and the density times
/// `z + z³/3 + z⁵/(3·5) + …`, whose terms are all positive, so that nothing cancels.
fn normal(z: i128) -> i128 {
    const SQRT_TWO_PI: i128 = 2_506_628_274_631_001;
    let square = z * z / ONE;
    let (mut term, mut sum, mut odd) = (z, 0, 1);
    while term > 0 {
        sum += term;
        odd += 2;
        term = term * square / ONE / odd;
    }
    let density = ONE * ONE / exp(square / 2) * ONE / SQRT_TWO_PI;
    ONE / 2 + density * sum / ONE
}

/// The exponential of `0 ≤ x ≤ 8`, by its series.
fn exp(x: i128) -> i128 {
    let (mut term, mut sum, mut count) = (ONE, 0, 0);
    while term > 0 {
        sum += term;
        count += 1;
        term = term * x / ONE / count;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (p_ppm, z) in [
            (500_000, 0.0),
            (800_000, 0.841_621_233_573),
            (950_000, 1.644_853_626_951),
            (990_000, 2.326_347_874_041),
            (999_900, 3.719_016_485_456),
            (50_000, -1.644_853_626_951),
        ] {
            let found = quantile(p_ppm * (ONE / 1_000_000)) as f64 / ONE as f64;
            assert!(
                (found - z).abs() < 1e-8,
                "{p_ppm} ppm: {found}, expected {z}"
            );
        }
    }

    #[test]
    fn margins_are_quantiles_of_the_lognormal() {
        for (risk_ppm, sigma_ppm, factor) in [
            (500_000, 217_000, 1.0),
            (50_000, 0, 1.0),
            (50_000, 217_000, 1.428_940_466_f64),
            (10_000, 100_000, 1.261_920_526),
            (950_000, 217_000, 0.699_819_218),
        ] {
            let found = Margin::lognormal(risk_ppm, sigma_ppm).ppb() as f64 / 1e9;
            assert!((found - factor).abs() < 1e-6, "{found}, expected {factor}");
        }
    }

    #[test]
    fn nonsense_is_held_within_bounds() {
        assert_eq!(Margin::from_ppb(0).ppb(), 1);
        assert_eq!(Margin::from_ppb(u64::MAX), Margin::MAX);
        assert_eq!(
            Margin::lognormal(0, u32::MAX),
            Margin::lognormal(100, 2_000_000)
        );
        assert!(Margin::lognormal(u32::MAX, u32::MAX).ppb() >= 1);
    }
}
