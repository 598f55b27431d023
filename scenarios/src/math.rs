//! Logarithm, exponential and the normal distribution's quantiles, from basic arithmetic alone.
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
/// The processor computes several at once in the time that it takes to wait for one's quotients.
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

/// Splits an exponent into a whole number of doublings and a rest: the rest, and 2 to that number.
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

/// Where the standard normal distribution reaches `p`: Acklam's rational approximations, whose
/// relative error is at most 1.2e-9.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    const TAIL: f64 = 0.024_25;
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |s, c| s * x + c);
    if p < TAIL {
        let q = (-2.0 * ln(p)).sqrt();
        horner(&C, q) / horner(&D, q)
    } else if p > 1.0 - TAIL {
        -normal_quantile(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / horner(&B, r)
    }
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
    fn quantiles_are_those_of_the_normal_distribution() {
        for (p, z) in [
            (0.5, 0.0),
            (0.8, 0.841_621_233_572_914),
            (0.95, 1.644_853_626_951_472),
            (0.99, 2.326_347_874_040_841),
            (0.999_9, 3.719_016_485_455_68),
            (0.001, -3.090_232_306_167_813),
        ] {
            let found = normal_quantile(p);
            assert!((found - z).abs() < 1e-8, "{p}: {found}, expected {z}");
        }
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
