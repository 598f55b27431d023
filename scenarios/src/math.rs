//! Logarithm and exponential from basic arithmetic alone.
//!
//! The standard library's come from the system and differ in their last bits from one system to
//! the next; sums, products, quotients and square roots do not. What is drawn with these is the
//! same number everywhere.

/// ln 2 in two parts: the first has trailing zeros, so that small multiples of it are exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// The natural logarithm of a normal positive number; of anything else, of the least such number.
pub(crate) fn ln(x: f64) -> f64 {
    let x = if x.is_nan() { 0.0 } else { x };
    let bits = x.clamp(f64::MIN_POSITIVE, f64::MAX).to_bits();
    let mut exponent = (bits >> 52) as i32 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 (s + s³/3 + s⁵/5 + …) with |s| ≤ 0.172.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for odd in (1..=23).rev().step_by(2) {
        sum = sum * square + 1.0 / f64::from(odd);
    }
    let exponent = f64::from(exponent);
    exponent * LN_2_HIGH + (exponent * LN_2_LOW + 2.0 * s * sum)
}

/// The exponential, its argument held within ±700.
pub(crate) fn exp(x: f64) -> f64 {
    let x = if x.is_nan() {
        0.0
    } else {
        x.clamp(-700.0, 700.0)
    };
    let halvings = (x / std::f64::consts::LN_2).round();
    let rest = (x - halvings * LN_2_HIGH) - halvings * LN_2_LOW;
    let mut sum = 1.0;
    for k in (1..=15).rev() {
        sum = 1.0 + sum * rest / f64::from(k);
    }
    let power = (halvings as i64 + 1023) as u64; // 13 to 2033
    sum * f64::from_bits(power << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_the_system_says_up_to_rounding() {
        for i in -6_999..=6_999 {
            let x = f64::from(i) / 10.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-14, "exp {x}");
            let y = x.exp();
            assert!((ln(y) - y.ln()).abs() < 1e-13, "ln {y}");
        }
        assert_eq!((exp(0.0), ln(1.0)), (1.0, 0.0));
    }

    #[test]
    fn nonsense_stays_finite() {
        for x in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -1.0,
            1e-320,
        ] {
            assert!(exp(x).is_finite() && ln(x).is_finite(), "{x}");
        }
    }
}
