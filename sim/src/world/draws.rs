//! Random draws whose values never change, and never depend on what else is drawn.
//!
//! Every (replicate, worker, purpose) has a ChaCha stream of its own, so that one worker more, or
//! one draw more for another purpose, shifts nobody's luck, and two allocators meet the same
//! world. A normal draw takes one uniform, by the inverse of the distribution, so that streams
//! can be counted. The functions are made of the four operations and square roots, which IEEE 754
//! defines to the last bit: a system library's `exp` and `ln` differ from the next one's.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use scheduler::Span;

/// What a stream of draws is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What a worker's benchmarks get wrong all through a run.
    BenchmarkError = 1,
    /// What each round of a benchmark gets wrong.
    BenchmarkRound = 2,
    /// By how much each cycle differs from the last.
    Jitter = 3,
    /// How the speed wanders.
    Drift = 4,
    /// When a worker leaves and returns.
    Dropout = 5,
    /// When it stands still.
    Stall = 6,
    /// When it is slow.
    Slowdown = 7,
    #[cfg(test)]
    Other = 8,
}

/// An independent stream of draws.
#[derive(Clone, Debug)]
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    pub(crate) fn new(seed: u64, replicate: u64, worker: u64, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&replicate.to_le_bytes());
        key[16..24].copy_from_slice(&worker.to_le_bytes());
        key[24..].copy_from_slice(b"allotrun"); // no other use of the seed has this key
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(purpose as u64);
        Self(rng)
    }

    /// The stream of one test of a comparison.
    pub(crate) fn of_test(seed: u64, family: u64, test: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&family.to_le_bytes());
        key[24..].copy_from_slice(b"allotval"); // as above
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(test);
        Self(rng)
    }

    /// Goes to the draw with this number, counted from 0.
    pub(crate) fn seek(&mut self, draw: u64) {
        self.0.set_word_pos(u128::from(draw) * 2);
    }

    /// Uniform over (0, 1): 53 bits, in the middle of their interval.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Standard normal.
    pub(crate) fn normal(&mut self) -> f64 {
        quantile(self.uniform())
    }

    /// Lognormal of median 1; 1 when it does not spread.
    pub(crate) fn lognormal(&mut self, sigma: f64) -> f64 {
        let normal = self.normal();
        exp(sigma * normal)
    }

    /// Gamma of mean 1 and this shape, by Marsaglia and Tsang's method: at least two uniforms, and
    /// more than thirty with a chance below 10^-20.
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        // Below 1 it is one of shape + 1, times u^(1 / shape).
        let (raised, boost) = if shape < 1.0 {
            (shape + 1.0, exp(ln(self.uniform()) / shape))
        } else {
            (shape, 1.0)
        };
        let d = raised - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let normal = self.normal();
            let root = 1.0 + c * normal;
            let cube = root * root * root;
            let uniform = self.uniform();
            if cube > 0.0 && ln(uniform) < 0.5 * normal * normal + d * (1.0 - cube + ln(cube)) {
                return d * cube * boost / shape;
            }
        }
    }

    /// Exponential with this mean, in whole nanoseconds, at least one.
    pub(crate) fn exponential(&mut self, mean: Span) -> Span {
        let nanos = -ln(self.uniform()) * mean.nanos() as f64;
        Span::from_nanos((nanos as u64).max(1))
    }
}

/// e to the x.
pub(crate) fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    // x = k ln 2 + r with |r| ≤ ln 2 / 2; ln 2 in two parts, so that k ln 2 is exact enough.
    let k = (x / std::f64::consts::LN_2).round();
    let r = (x - k * 6.931_471_803_691_238e-1) - k * 1.908_214_929_270_587_7e-10;
    let mut sum = 1.0;
    for n in (1..=14_u32).rev() {
        sum = 1.0 + sum * r / f64::from(n);
    }
    sum * f64::from_bits(((k as i64 + 1_023) as u64) << 52)
}

/// The natural logarithm of a positive normal number.
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1_023;
    let mut mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1_023 << 52);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // 2 artanh((m − 1) / (m + 1)); the argument is at most 0.172.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let square = z * z;
    let mut sum = 0.0;
    for n in (0..12_u32).rev() {
        sum = sum * square + 1.0 / f64::from(2 * n + 1);
    }
    2.0 * z * sum + exponent as f64 * std::f64::consts::LN_2
}

/// Where the standard normal distribution reaches `p`: Acklam's rational approximations, whose
/// relative error is at most 1.2e-9.
fn quantile(p: f64) -> f64 {
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
        -quantile(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / horner(&B, r)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, Gamma};

    #[test]
    fn functions_are_those_of_the_library() {
        for i in -4_000..4_000 {
            let x = f64::from(i) / 173.0;
            let (ours, library) = (exp(x), x.exp());
            assert!((ours / library - 1.0).abs() < 1e-14, "exp({x}) is {ours}");
            let (back, error) = (ln(library), 4e-16 * (1.0 + x.abs()));
            assert!((back - x).abs() < 3.0 * error, "ln(exp({x})) is {back}");
        }
        for (p, z) in [
            (0.5, 0.0),
            (0.8, 0.841_621_233_572_914),
            (0.95, 1.644_853_626_951_472),
            (0.99, 2.326_347_874_040_841),
            (0.999_9, 3.719_016_485_455_68),
            (0.001, -3.090_232_306_167_813),
        ] {
            let found = quantile(p);
            assert!((found - z).abs() < 1e-8, "{p}: {found}, expected {z}");
        }
    }

    #[test]
    fn draws_have_their_moments() {
        let mut draws = Draws::new(1, 2, 3, Purpose::Other);
        let (mut sum, mut squares, mut waits, mut logs) = (0.0, 0.0, 0.0, 0.0);
        let count = 100_000;
        for _ in 0..count {
            let normal = draws.normal();
            sum += normal;
            squares += normal * normal;
            waits += draws.exponential(Span::from_secs(2)).seconds_f64();
            logs += ln(draws.lognormal(0.3)).abs();
        }
        let n = f64::from(count);
        // Five standard errors each.
        assert!((sum / n).abs() < 0.016, "{sum}");
        assert!((squares / n - 1.0).abs() < 0.023, "{squares}");
        assert!((waits / n - 2.0).abs() < 0.032, "{waits}");
        assert!((logs / n - 0.3 * 0.797_884_56).abs() < 0.003, "{logs}");
    }

    /// Moments, and the distribution at nine quantiles, against a library's.
    #[test]
    fn gammas_are_gammas() {
        for shape in [0.4, 1.0, 2.5, 40.0, 2_500.0] {
            let mut draws = Draws::new(5, 2, 3, Purpose::Other);
            let library = Gamma::new(shape, shape).expect("valid");
            let quantiles: Vec<f64> = (1..10)
                .map(|tenth| library.inverse_cdf(f64::from(tenth) / 10.0))
                .collect();
            let (mut sum, mut squares, mut below) = (0.0, 0.0, [0_u32; 9]);
            let count = 100_000;
            for _ in 0..count {
                let factor = draws.gamma(shape);
                sum += factor - 1.0;
                squares += (factor - 1.0) * (factor - 1.0);
                for (below, quantile) in below.iter_mut().zip(&quantiles) {
                    *below += u32::from(factor < *quantile);
                }
            }
            let (n, variance) = (f64::from(count), 1.0 / shape);
            // Five standard errors; the fourth moment of a gamma is 3 + 6 / shape variances².
            let error = 5.0 * (variance / n).sqrt();
            assert!(
                (sum / n).abs() < error,
                "shape {shape}: mean off {}",
                sum / n
            );
            let error = 5.0 * ((2.0 + 6.0 / shape) / n).sqrt();
            let ratio = squares / n / variance;
            assert!(
                (ratio - 1.0).abs() < error,
                "shape {shape}: {ratio} of the variance"
            );
            for (tenth, below) in (1..).zip(below) {
                let p = f64::from(tenth) / 10.0;
                let error = 5.0 * (p * (1.0 - p) / n).sqrt();
                let found = f64::from(below) / n;
                assert!(
                    (found - p).abs() < error,
                    "shape {shape}: {found}, expected {p}"
                );
            }
        }
    }

    #[test]
    fn streams_differ_by_all_that_they_are_for_and_can_be_sought() {
        let first = |seed, replicate, worker, purpose| {
            Draws::new(seed, replicate, worker, purpose).uniform()
        };
        let draws = [
            first(1, 1, 1, Purpose::Jitter),
            first(2, 1, 1, Purpose::Jitter),
            first(1, 2, 1, Purpose::Jitter),
            first(1, 1, 2, Purpose::Jitter),
            first(1, 1, 1, Purpose::Drift),
        ];
        for (i, draw) in draws.iter().enumerate() {
            assert!(!draws[..i].contains(draw));
        }
        let mut stream = Draws::new(1, 1, 1, Purpose::Jitter);
        let row: Vec<f64> = (0..40).map(|_| stream.uniform()).collect();
        stream.seek(33);
        assert_eq!(stream.uniform(), row[33]);
        assert_eq!(row[0], draws[0]);
    }
}
