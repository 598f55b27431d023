//! Random draws whose values never change.
//!
//! `rand`'s ranges may give other values in another version; a recorded seed must not. So the
//! stream is ChaCha's, which is fixed, and ranges are drawn from it here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// An independent stream of draws.
#[derive(Debug)]
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of one test: the same whatever else is drawn.
    pub(crate) fn of_test(seed: u64, family: u64, test: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&family.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(test);
        Self(rng)
    }

    /// Uniform over `low ..= high`; `low` when the range is empty.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        match high.saturating_sub(low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.0.next_u64(),
        }
    }

    /// Uniform over `0 .. width`: the high half of a product, without its bias.
    fn below(&mut self, width: u64) -> u64 {
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(width);
            // Of 2^64 draws, 2^64 mod width are too many.
            if product as u64 >= width.wrapping_neg() % width {
                return (product >> 64) as u64;
            }
        }
    }

    /// `round(scale · u)` with u uniform over [0, 1).
    pub(crate) fn rounded(&mut self, scale: u64) -> u64 {
        let fraction = u128::from(self.0.next_u64() >> 11); // 53 bits, as a float would have
        ((fraction * u128::from(scale) + (1 << 52)) >> 53) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
