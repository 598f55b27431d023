//! A generated data set: ten classes of images with round spots, drawn from a seed.
//!
//! Each class has a few patterns, each with some spots on a black background. A sample is one of
//! them, shifted by up to two pixels, dimmed, with noise. So it can be learnt, though not at once,
//! and most of its values are zero as in images of digits, which matters for speed. All arithmetic
//! is on integers: the same bytes on every machine.

use std::fmt;

use scenarios::Draws;

use super::dataset::{Dataset, Splits};

/// The parameters of a generated data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synthetic {
    /// The seed of the random draws.
    pub seed: u64,
    /// Number of training samples.
    pub train: u32,
    /// Number of test samples.
    pub test: u32,
}

const SIDE: i64 = 28;
const CLASSES: u64 = 10;
const PATTERNS: u64 = 3;
const SPOTS: u64 = 4;
const MAX_SAMPLES: u32 = 1_000_000;
/// Separates these draws from all others of a seed.
const PURPOSE: u64 = u64::from_le_bytes(*b"datasets");

/// Training and test samples have streams of their own, so that the number of one does not change
/// the other.
#[derive(Clone, Copy)]
enum Stream {
    Patterns,
    Train,
    Test,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self {
            seed: 1,
            train: 32_000,
            test: 4_000,
        }
    }
}

impl Synthetic {
    /// Parses `key=value` pairs; keys that are not given keep their defaults.
    pub(super) fn parse(options: &str) -> Result<Self, String> {
        let mut synthetic = Self::default();
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (key, value) = option
                .split_once('=')
                .ok_or_else(|| format!("'{option}' is not KEY=VALUE"))?;
            let samples = || {
                let number = value
                    .parse()
                    .ok()
                    .filter(|number| (1..=MAX_SAMPLES).contains(number));
                number.ok_or_else(|| format!("{key} is '{value}', expected 1 to {MAX_SAMPLES}"))
            };
            match key {
                "train" => synthetic.train = samples()?,
                "test" => synthetic.test = samples()?,
                "seed" => {
                    synthetic.seed = value
                        .parse()
                        .map_err(|_| format!("seed is '{value}', expected a whole number"))?;
                }
                _ => return Err(format!("there is no '{key}'")),
            }
        }
        Ok(synthetic)
    }

    /// Generates both sets.
    pub(super) fn generate(&self) -> Splits {
        let patterns = self.patterns();
        Splits {
            train: self.samples(&patterns, Stream::Train, self.train),
            test: self.samples(&patterns, Stream::Test, self.test),
        }
    }

    /// The patterns of all classes, class by class.
    fn patterns(&self) -> Vec<Vec<u8>> {
        let draws = &mut self.draws(Stream::Patterns);
        let mut pattern = |_| {
            let mut image = vec![0; (SIDE * SIDE) as usize];
            for _ in 0..SPOTS {
                let mut place = || draws.between(5, SIDE as u64 - 6) as i64;
                let (x, y) = (place(), place());
                let radius = draws.between(2, 5) as i64;
                for (at, value) in image.iter_mut().enumerate() {
                    let (dx, dy) = (at as i64 % SIDE - x, at as i64 / SIDE - y);
                    let fall = (dx * dx + dy * dy) * 255 / (radius * radius);
                    *value = (*value).max((255 - fall).max(0) as u8);
                }
            }
            image
        };
        (0..CLASSES * PATTERNS).map(&mut pattern).collect()
    }

    fn samples(&self, patterns: &[Vec<u8>], stream: Stream, count: u32) -> Dataset {
        let draws = &mut self.draws(stream);
        let width = (SIDE * SIDE) as usize;
        let mut pixels = Vec::with_capacity(count as usize * width);
        let mut labels = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let class = draws.between(0, CLASSES - 1);
            let pattern = &patterns[(class * PATTERNS + draws.between(0, PATTERNS - 1)) as usize];
            let mut step = || draws.between(0, 4) as i64 - 2;
            let (right, down) = (step(), step());
            let light = draws.between(96, 255);
            let first = pixels.len();
            for at in 0..SIDE * SIDE {
                let (x, y) = (at % SIDE - right, at / SIDE - down);
                let inside = (0..SIDE).contains(&x) && (0..SIDE).contains(&y);
                let value = if inside {
                    pattern[(y * SIDE + x) as usize]
                } else {
                    0
                };
                pixels.push((u64::from(value) * light / 255) as u8);
            }
            for _ in 0..16 {
                let speck = first + draws.between(0, width as u64 - 1) as usize;
                pixels[speck] = draws.between(0, 255) as u8;
            }
            labels.push(class as u8);
        }
        Dataset::new(width as u32, CLASSES as u32, pixels, labels)
    }

    fn draws(&self, stream: Stream) -> Draws {
        Draws::of_key([self.seed, PURPOSE, stream as u64, 0], 0)
    }
}

impl fmt::Display for Synthetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, train, test } = self;
        write!(f, "synthetic:train={train},test={test},seed={seed}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_alone_determines_the_data() {
        let generate = |seed, train, test| Synthetic { seed, train, test }.generate();
        let splits = generate(1, 200, 50);
        let rows = |set: &Dataset, count| set.rows(0, count).expect("they are in memory");
        let all = |set: &Dataset| rows(set, set.samples());
        assert_eq!(all(&splits.train), all(&generate(1, 200, 50).train));
        assert_eq!(all(&splits.test), all(&generate(1, 200, 50).test));
        assert_ne!(all(&splits.train), all(&generate(2, 200, 50).train));
        // More samples of one set do not change the others.
        let more = generate(1, 300, 60);
        assert_eq!(rows(&splits.train, 200).x(), rows(&more.train, 200).x());
        assert_eq!(rows(&splits.test, 50).y(), rows(&more.test, 50).y());
        assert_ne!(rows(&splits.train, 50).x(), rows(&splits.test, 50).x());
    }

    #[test]
    fn it_resembles_images() {
        let train = Synthetic::default().generate().train;
        let all = train.whole().expect("it is in memory");
        let (pixels, labels) = (all.x(), all.y());
        let black = pixels.iter().filter(|&&value| value == 0).count();
        let share = black as f64 / pixels.len() as f64;
        assert!((0.5..0.9).contains(&share), "{share} of it is black");
        for class in 0..10 {
            let count = labels.iter().filter(|&&label| label == class).count();
            // 3,200 expected; five standard deviations are 268.
            assert!(count.abs_diff(3_200) < 268, "{count} samples of {class}");
        }
    }

    /// A change of this number makes recorded runs irreproducible.
    #[test]
    fn samples_never_change() {
        let train = Synthetic {
            seed: 1,
            train: 100,
            test: 1,
        }
        .generate()
        .train;
        let all = train.whole().expect("it is in memory");
        let sum = all.x().iter().chain(all.y()).fold(0_u64, |sum, &byte| {
            sum.wrapping_mul(1_099_511_628_211)
                .wrapping_add(u64::from(byte))
        });
        assert_eq!(sum, SUM);
    }

    const SUM: u64 = 17_238_998_663_099_645_148;
}
