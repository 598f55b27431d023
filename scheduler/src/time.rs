//! Time as integers. Nothing here reads a clock: each driver maps its own clock onto these.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Nanoseconds since the run began.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Instant(u64);

impl Instant {
    /// The moment the run began.
    pub const START: Self = Self(0);

    /// The moment this many nanoseconds after the run began.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the run began.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time that passed since `earlier`; zero if that lies in the future.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Span> for Instant {
    type Output = Self;

    /// Saturates: the end of time is 584 years away.
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl std::ops::Sub<Span> for Instant {
    type Output = Self;

    /// Saturates at the moment the run began.
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// A length of time in nanoseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Span(u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// This many nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// This many whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// This many whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The length in seconds as a float: for printing and statistics, never for a decision.
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl std::ops::Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::Sub for Span {
    type Output = Self;

    /// Saturates at no time at all.
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::Mul<u64> for Span {
    type Output = Self;

    fn mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl std::ops::Div<u64> for Span {
    type Output = Self;

    /// Rounds down.
    ///
    /// # Panics
    /// When the divisor is 0.
    fn div(self, divisor: u64) -> Self {
        Self(self.0 / divisor)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..=999 => write!(f, "{} ns", self.0),
            1_000..=999_999 => write!(f, "{:.1} us", self.0 as f64 / 1e3),
            1_000_000..=999_999_999 => write!(f, "{:.1} ms", self.0 as f64 / 1e6),
            _ => write!(f, "{:.2} s", self.seconds_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_saturate_instead_of_wrapping() {
        let late = Instant::from_nanos(u64::MAX - 1);
        assert_eq!(late + Span::from_millis(1), Instant::from_nanos(u64::MAX));
        assert_eq!(Instant::START.since(late), Span::ZERO);
        assert_eq!(late.since(Instant::START).nanos(), u64::MAX - 1);
        assert_eq!(Instant::from_nanos(3) - Span::from_nanos(5), Instant::START);
        assert_eq!(Span::from_nanos(3) - Span::from_nanos(5), Span::ZERO);
        assert_eq!(Span::from_nanos(u64::MAX) * 2, Span::from_nanos(u64::MAX));
        assert_eq!(Span::from_nanos(7) / 2, Span::from_nanos(3));
    }

    #[test]
    fn spans_print_in_the_unit_that_fits() {
        let shown = [950, 1_500, 2_500_000, 3_250_000_000].map(|n| Span::from_nanos(n).to_string());
        assert_eq!(shown, ["950 ns", "1.5 us", "2.5 ms", "3.25 s"]);
    }
}
