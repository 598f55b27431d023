//! Money, exactly: integer micro-units, parsed from and printed as plain decimals.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Micro-units in one unit of money.
pub const MICROS_PER_UNIT: u64 = 1_000_000;

/// The decimal places that a micro-unit has.
const PLACES: i64 = 6;

/// What one batch costs on a worker, in micro-units; at most a million units.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u64")]
pub struct Fee(u64);

impl Fee {
    /// No fee at all.
    pub const ZERO: Self = Self(0);
    /// The largest fee that is accepted: a million units per batch.
    pub const MAX: Self = Self(1_000_000 * MICROS_PER_UNIT);

    /// A fee of this number of micro-units per batch, or `None` above [`Fee::MAX`].
    pub const fn from_micros(micros: u64) -> Option<Self> {
        if micros <= Self::MAX.0 {
            Some(Self(micros))
        } else {
            None
        }
    }

    /// Micro-units per batch.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// What `batches` batches cost. Cannot overflow: 10^12 × 2^64 fits 128 bits.
    pub const fn times(self, batches: u64) -> Cost {
        Cost(self.0 as u128 * batches as u128)
    }
}

impl TryFrom<u64> for Fee {
    type Error = String;

    fn try_from(micros: u64) -> Result<Self, String> {
        Self::from_micros(micros).ok_or_else(|| {
            let most = Self::MAX.micros();
            format!("a fee of {micros} micro-units, expected at most {most}")
        })
    }
}

impl FromStr for Fee {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        match parse_micros(text) {
            Ok(micros) => u64::try_from(micros)
                .ok()
                .and_then(Self::from_micros)
                .ok_or(DecimalError::TooLarge),
            Err(DecimalError::TooManyDigits) => Err(DecimalError::TooLarge),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for Fee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_micros(f, u128::from(self.0))
    }
}

/// A sum of money in micro-units.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Cost(u128);

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A sum of this number of micro-units.
    pub const fn from_micros(micros: u128) -> Self {
        Self(micros)
    }

    /// Micro-units.
    pub const fn micros(self) -> u128 {
        self.0
    }

    /// The value in units as a float: for statistics and pictures, never for a decision.
    pub fn units_f64(self) -> f64 {
        self.0 as f64 / MICROS_PER_UNIT as f64
    }

    /// How much more this is than `other`, or `None` when it is less.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::ZERO, |total, cost| total + cost)
    }
}

impl FromStr for Cost {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        parse_micros(text).map(Self)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_micros(f, self.0)
    }
}

/// Why a decimal is not an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not of the form `12`, `12.5` or `1.25e1`; NaN and infinities too.
    #[error("expected a decimal number such as 12.5")]
    NotANumber,
    /// Below zero.
    #[error("expected a number that is not negative")]
    Negative,
    /// More than six decimal places that are not trailing zeros.
    #[error("expected at most six decimal places")]
    TooManyPlaces,
    /// A fee above a million units.
    #[error("expected at most 1000000")]
    TooLarge,
    /// More units than a sum of money can have.
    #[error("expected at most 30 digits before the decimal point")]
    TooManyDigits,
}

/// Reads a decimal (JSON's number syntax, leading zeros and a plus sign tolerated) as
/// micro-units, exactly. Never uses a float, never loops over an exponent.
pub fn parse_micros(text: &str) -> Result<u128, DecimalError> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..])?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let dot_without_digits = mantissa.contains('.') && fraction.is_empty();
    if whole.is_empty() || dot_without_digits || !is_digits(whole) || !is_digits(fraction) {
        return Err(DecimalError::NotANumber);
    }

    // The value is `digits` (no zeros at either end) times ten to the `power`.
    let all = [whole, fraction].concat();
    let digits = all.trim_start_matches('0').trim_end_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    if negative {
        return Err(DecimalError::Negative);
    }
    let trailing_zeros = (all.len() - all.trim_end_matches('0').len()) as i64;
    let power = exponent
        .saturating_sub(fraction.len() as i64)
        .saturating_add(trailing_zeros);
    if power < -PLACES {
        return Err(DecimalError::TooManyPlaces);
    }
    // 36 digits of micro-units always fit 128 bits.
    if (digits.len() as i64).saturating_add(power) > 36 - PLACES {
        return Err(DecimalError::TooManyDigits);
    }
    let value: u128 = digits.parse().map_err(|_| DecimalError::TooManyDigits)?;
    Ok(value * 10_u128.pow((power + PLACES) as u32))
}

fn parse_exponent(text: &str) -> Result<i64, DecimalError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::NotANumber);
    }
    // An exponent beyond 64 bits is as good as the largest one.
    let size = digits.parse().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Ok(if text.starts_with('-') { -size } else { size })
}

/// Writes plain decimal: no exponent, no trailing zeros, a zero before the point.
fn write_micros(f: &mut fmt::Formatter<'_>, micros: u128) -> fmt::Result {
    let per_unit = u128::from(MICROS_PER_UNIT);
    let (units, rest) = (micros / per_unit, micros % per_unit);
    if rest == 0 {
        return f.pad_integral(true, "", &units.to_string());
    }
    let fraction = format!("{rest:06}");
    f.pad_integral(
        true,
        "",
        &format!("{units}.{}", fraction.trim_end_matches('0')),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_decimals_exactly() {
        for (text, micros) in [
            ("0", 0),
            ("-0", 0),
            ("-0.000", 0),
            ("0e99999999999999999999", 0),
            ("34", 34_000_000),
            ("34.5", 34_500_000),
            ("0.000001", 1),
            ("1e-6", 1),
            ("1.0000000000", 1_000_000),
            ("1e0", 1_000_000),
            ("12.5E+1", 125_000_000),
            ("100e-8", 1),
            ("0.1e1", 1_000_000),
            ("1000000", 1_000_000_000_000),
        ] {
            assert_eq!(parse_micros(text), Ok(micros), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_an_amount() {
        use DecimalError::{Negative, NotANumber, TooLarge, TooManyPlaces};
        for (text, error) in [
            ("", NotANumber),
            ("-", NotANumber),
            (".5", NotANumber),
            ("5.", NotANumber),
            ("1e", NotANumber),
            ("1e+", NotANumber),
            ("1.2.3", NotANumber),
            ("0x10", NotANumber),
            ("NaN", NotANumber),
            ("inf", NotANumber),
            ("-inf", NotANumber),
            ("Infinity", NotANumber),
            ("1_000", NotANumber),
            ("١", NotANumber),
            ("-1", Negative),
            ("-0.000001", Negative),
            ("0.0000001", TooManyPlaces),
            ("1e-7", TooManyPlaces),
            ("1.0000001", TooManyPlaces),
            ("1e-99999999999999999999", TooManyPlaces),
            ("1000000.000001", TooLarge),
            ("1e7", TooLarge),
            ("1e400", TooLarge),
            ("1e99999999999999999999", TooLarge),
        ] {
            assert_eq!(text.parse::<Fee>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(micros in 0..=Fee::MAX.micros()) {
            let fee = Fee::from_micros(micros).expect("in range");
            let text = fee.to_string();
            prop_assert!(!text.contains('.') || !text.ends_with('0'), "{text}");
            prop_assert_eq!(text.parse::<Fee>(), Ok(fee));
        }

        #[test]
        fn a_cost_is_held_to_its_own_bound(zeros in 0..60_usize) {
            let text = format!("1{}", "0".repeat(zeros));
            match text.parse::<Cost>() {
                Ok(cost) => prop_assert_eq!(cost.to_string(), text),
                Err(error) => {
                    prop_assert!(zeros >= 30);
                    let expected = "expected at most 30 digits before the decimal point";
                    prop_assert_eq!(error.to_string(), expected);
                }
            }
        }

        #[test]
        fn costs_beyond_floats_read_back(micros in 0..10_u128.pow(36)) {
            let cost = Cost::from_micros(micros);
            prop_assert_eq!(cost.to_string().parse::<Cost>(), Ok(cost));
        }

        #[test]
        fn never_panics(text in "[-+0-9.eE]{0,24}") {
            let _ = parse_micros(&text);
        }
    }
}
