//! The rules by which results become one.

use std::fmt;
use std::str::FromStr;

/// How results become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rule {
    /// The mean, weighted by the batches that count.
    #[default]
    Mean,
    /// The median of each parameter; every worker counts alike.
    Median,
    /// The mean of each parameter without its least and greatest values; every worker counts
    /// alike.
    Trimmed(TrimShare),
}

/// A share below a half, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrimShare(u16);

/// What was given names no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no rule: expected mean, median or trimmed:SHARE, with 0 ≤ SHARE < 0.5 in thousandths"
)]
pub struct UnknownRule(String);

impl TrimShare {
    /// How many of this number of values it cuts off at either end.
    pub(super) fn of(self, values: usize) -> usize {
        values * usize::from(self.0) / 1000
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::Median => f.write_str("median"),
            Self::Trimmed(TrimShare(share)) => write!(f, "trimmed:{}", f64::from(*share) / 1000.0),
        }
    }
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(given: &str) -> Result<Self, UnknownRule> {
        let share = |text: &str| {
            let thousandths = text.parse::<f64>().ok()? * 1000.0;
            let whole = (0.0..500.0).contains(&thousandths)
                && (thousandths - thousandths.round()).abs() < 1e-6;
            whole.then(|| TrimShare(thousandths.round() as u16))
        };
        let rule = match given {
            "mean" => Some(Self::Mean),
            "median" => Some(Self::Median),
            _ => given
                .strip_prefix("trimmed:")
                .and_then(share)
                .map(Self::Trimmed),
        };
        rule.ok_or_else(|| UnknownRule(given.to_owned()))
    }
}
