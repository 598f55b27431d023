//! Random draws whose values never change: the only random library of the project.
//!
//! `rand`'s ranges may give other values in another version; a recorded seed must not. So the
//! stream is ChaCha's, which is fixed, and ranges and distributions are drawn from it here, with
//! arithmetic that is the same on every system.
//!
//! Every purpose has a stream of its own, so that one worker more, or one draw more for another
//! purpose, changes no other value.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::math::{exp, ln, normal_quantile};

/// An independent stream of draws.
#[derive(Clone, Debug)]
pub struct Draws {
    rng: ChaCha8Rng,
    /// Whether each normal takes exactly one draw.
    is_counted: bool,
}

impl Draws {
    /// The stream of one key; those of different keys are independent.
    pub fn of_key(key: [u64; 4], stream: u64) -> Self {
        let mut bytes = [0; 32];
        for (bytes, part) in bytes.chunks_exact_mut(8).zip(key) {
            bytes.copy_from_slice(&part.to_le_bytes());
        }
        let mut rng = ChaCha8Rng::from_seed(bytes);
        rng.set_stream(stream);
        Self {
            rng,
            is_counted: false,
        }
    }

    /// The same stream with normals that take exactly one draw each, by the inverse of their
    /// distribution, so that [`Draws::seek`] finds a value by its number.
    ///
    /// Streams that are not counted keep the polar method, since their values are recorded.
    #[must_use]
    pub fn counted(self) -> Self {
        Self {
            is_counted: true,
            ..self
        }
    }

    /// Goes to the draw with this number, from 0.
    pub fn seek(&mut self, draw: u64) {
        self.rng.set_word_pos(u128::from(draw) * 2);
    }

    /// The stream of one test: the same whatever else is drawn.
    pub(crate) fn of_test(seed: u64, family: u64, test: u64) -> Self {
        Self::of_key([seed, family, 0, 0], test)
    }

    /// Uniform over `low ..= high`; `low` when the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        match high.saturating_sub(low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.rng.next_u64(),
        }
    }

    /// Uniform over `0 .. width`: the high half of a product, without its bias.
    fn below(&mut self, width: u64) -> u64 {
        loop {
            let product = u128::from(self.rng.next_u64()) * u128::from(width);
            // Of 2^64 draws, 2^64 mod width are too many.
            if product as u64 >= width.wrapping_neg() % width {
                return (product >> 64) as u64;
            }
        }
    }

    /// `round(scale · u)` with u uniform over [0, 1).
    pub(crate) fn rounded(&mut self, scale: u64) -> u64 {
        let fraction = u128::from(self.rng.next_u64() >> 11); // 53 bits, as a float would have
        ((fraction * u128::from(scale) + (1 << 52)) >> 53) as u64
    }

    /// Uniform over [0, 1): a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normal with mean 0 and variance 1.
    pub fn normal(&mut self) -> f64 {
        if self.is_counted {
            // In the middle of its interval: never 0 or 1.
            let uniform = ((self.rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            return normal_quantile(uniform);
        }
        // The polar method makes two at a time. The second is thrown away, so that the next draw
        // does not depend on the number of those before.
        loop {
            let (x, y) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * ln(square) / square).sqrt();
            }
        }
    }

    /// Lognormal with median 1: `sigma` is the standard deviation of the logarithm.
    pub fn lognormal(&mut self, sigma: f64) -> f64 {
        exp(sigma * self.normal())
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -ln(1.0 - self.unit())
    }

    /// Gamma with mean 1 and variance `1 / shape`, by Marsaglia and Tsang's method. `shape` is
    /// positive.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        // Below 1: one of shape + 1, times u^(1 / shape).
        let (raised, boost) = if shape < 1.0 {
            (shape + 1.0, exp(-self.exponential() / shape))
        } else {
            (shape, 1.0)
        };
        let d = raised - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let root = 1.0 + c * x;
            let cube = root * root * root;
            let u = 1.0 - self.unit();
            if cube > 0.0 && ln(u) < 0.5 * x * x + d * (1.0 - cube + ln(cube)) {
                return d * cube * boost / shape;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, Gamma};

    #[test]
    fn ranges_are_covered_evenly() {
        let mut draws = Draws::of_test(1, 2, 3);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[draws.between(10, 16) as usize - 10] += 1;
        }
        // 10,000 expected; five standard deviations are 463.
        assert!(
            counts.iter().all(|&c| c.abs_diff(10_000) < 463),
            "{counts:?}"
        );
        assert_eq!(draws.between(5, 5), 5);
        assert_eq!(draws.between(5, 4), 5);
    }

    #[test]
    fn rounding_reaches_both_ends_half_as_often() {
        let mut draws = Draws::of_test(1, 2, 4);
        let mut counts = [0_u32; 3];
        for _ in 0..40_000 {
            counts[draws.rounded(2) as usize] += 1;
        }
        // 10,000, 20,000 and 10,000 expected.
        for (count, expected) in counts.into_iter().zip([10_000, 20_000, 10_000]) {
            assert!(count.abs_diff(expected) < 500, "{counts:?}");
        }
    }

    /// Mean and variance of many, against those of the distribution.
    fn moments(what: &str, mean: f64, variance: f64, mut draw: impl FnMut(&mut Draws) -> f64) {
        let (draws, count) = (&mut Draws::of_test(5, 6, 7), 200_000);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..count {
            let deviation = draw(draws) - mean;
            sum += deviation;
            squares += deviation * deviation;
        }
        let n = f64::from(count);
        // Five standard errors of the mean; a twentieth of the variance.
        let error = 5.0 * (variance / n).sqrt();
        assert!((sum / n).abs() < error, "{what}: mean off by {}", sum / n);
        let ratio = squares / n / variance;
        assert!(
            (ratio - 1.0).abs() < 0.05,
            "{what}: {ratio} of the variance"
        );
    }

    #[test]
    fn a_counted_stream_can_be_sought() {
        let mut draws = Draws::of_test(1, 2, 3).counted();
        let row: Vec<f64> = (0..40).map(|_| draws.normal()).collect();
        draws.seek(33);
        assert_eq!(draws.normal(), row[33]);
        draws.seek(0);
        assert_eq!(draws.normal(), row[0]);
    }

    #[test]
    fn samplers_have_the_moments_of_their_distributions() {
        moments("unit", 0.5, 1.0 / 12.0, Draws::unit);
        moments("normal", 0.0, 1.0, Draws::normal);
        moments("exponential", 1.0, 1.0, Draws::exponential);
        let counted = &mut Draws::of_test(9, 9, 9).counted();
        moments("counted normal", 0.0, 1.0, |_| counted.normal());
        for shape in [0.3, 1.0, 4.0, 100.0] {
            moments("gamma", 1.0, 1.0 / shape, |draws| draws.gamma(shape));
            let name = "gamma of a counted stream";
            moments(name, 1.0, 1.0 / shape, |_| counted.gamma(shape));
        }
        let square = 0.2_f64 * 0.2;
        let (mean, variance) = ((square / 2.0).exp(), (square.exp() - 1.0) * square.exp());
        moments("lognormal", mean, variance, |draws| draws.lognormal(0.2));
    }

    #[test]
    fn the_normal_has_its_tails() {
        let draws = Draws::of_test(8, 8, 8);
        for draws in &mut [draws.clone(), draws.counted()] {
            let beyond = (0..100_000).filter(|_| draws.normal() > 1.644_854).count();
            assert!(beyond.abs_diff(5_000) < 350, "{beyond} of 5,000");
        }
    }

    /// At nine quantiles, against a library's.
    #[test]
    fn gammas_are_gammas() {
        for shape in [0.4, 1.0, 2.5, 40.0, 2_500.0] {
            let draws = &mut Draws::of_test(5, 2, 3);
            let library = Gamma::new(shape, shape).expect("valid");
            let mut values: Vec<f64> = (0..100_000).map(|_| draws.gamma(shape)).collect();
            values.sort_unstable_by(f64::total_cmp);
            for tenth in 1..10 {
                let p = f64::from(tenth) / 10.0;
                let quantile = library.inverse_cdf(p);
                let below = values.partition_point(|value| *value < quantile) as f64 / 1e5;
                let error = 5.0 * (p * (1.0 - p) / 1e5).sqrt();
                assert!((below - p).abs() < error, "shape {shape}: {below} for {p}");
            }
        }
    }

    /// A change of these numbers breaks every recorded seed.
    #[test]
    fn samples_never_change() {
        let draws = &mut Draws::of_key([1, 2, 3, 4], 5);
        let samples = [
            draws.unit(),
            draws.normal(),
            draws.lognormal(0.3),
            draws.exponential(),
            draws.gamma(2.5),
            draws.gamma(0.5),
        ];
        assert_eq!(samples.map(f64::to_bits), SAMPLES);
    }

    const SAMPLES: [u64; 6] = [
        4_587_367_040_199_740_672,
        4_603_018_350_149_341_391,
        4_607_863_565_599_361_275,
        4_604_778_042_951_767_950,
        4_599_195_138_641_871_161,
        4_607_899_815_541_586_989,
    ];

    #[test]
    fn streams_differ_by_seed_family_and_test() {
        let first = |seed, family, test| Draws::of_test(seed, family, test).between(0, u64::MAX);
        let draws = [
            first(1, 1, 1),
            first(2, 1, 1),
            first(1, 2, 1),
            first(1, 1, 2),
        ];
        for (i, draw) in draws.iter().enumerate() {
            assert!(!draws[..i].contains(draw));
        }
        assert_eq!(first(1, 1, 1), first(1, 1, 1));
    }
}
