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
    let (rest, power) = reduced(x);
    let mut sum = 1.0;
    for k in (1..=15).rev() {
        sum = 1.0 + sum * rest / f64::from(k);
    }
    sum * power
}

/// The exponentials of all of them, each as [`exp`] has it to the last bit.
///
/// One alone waits for each of its quotients before the next; several at once do not.
pub(crate) fn exp_all(values: &mut [f64]) {
    const LANES: usize = 8;
    let mut chunks = values.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        let (mut rests, mut powers) = ([0.0; LANES], [0.0; LANES]);
        for (lane, x) in chunk.iter().enumerate() {
            (rests[lane], powers[lane]) = reduced(*x);
        }
        let mut sums = [1.0; LANES];
        for k in (1..=15).rev() {
            let k = f64::from(k);
            for lane in 0..LANES {
                sums[lane] = 1.0 + sums[lane] * rests[lane] / k;
            }
        }
        for (lane, x) in chunk.iter_mut().enumerate() {
            *x = sums[lane] * powers[lane];
        }
    }
    for x in chunks.into_remainder() {
        *x = exp(*x);
    }
}

/// What is left of an exponent beyond so many doublings, and two to the power of these.
fn reduced(x: f64) -> (f64, f64) {
    let x = if x.is_nan() {
        0.0
    } else {
        x.clamp(-700.0, 700.0)
    };
    let doublings = (x / std::f64::consts::LN_2).round();
    let rest = (x - doublings * LN_2_HIGH) - doublings * LN_2_LOW;
    let power = (doublings as i64 + 1023) as u64; // 13 to 2033
    (rest, f64::from_bits(power << 52))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_once_are_each_by_itself() {
        let nonsense = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e-320];
        let range = (-7_100..=7_100).map(|i| f64::from(i) / 9.87);
        let small = (-999..=999).map(|i| f64::from(i) * 1.234_567e-4);
        let values: Vec<f64> = range.chain(small).chain(nonsense).collect();
        for length in [0, 1, 7, 8, 9, 31, values.len()] {
            let mut all = values[values.len() - length..].to_vec();
            let each: Vec<u64> = all.iter().map(|x| exp(*x).to_bits()).collect();
            exp_all(&mut all);
            let all: Vec<u64> = all.into_iter().map(f64::to_bits).collect();
            assert_eq!(all, each);
        }
    }

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
