//! What a validation runs: which tests of which families, under which allocators, and which
//! part of them one shard takes.

use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a validation runs. Shards of one validation share all of it but `shard`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPlan {
    /// The seed of every test.
    pub seed: u64,
    /// Where the tests come from: [`RunPlan::GENERATED`], or what identifies a file of instances.
    pub source: String,
    /// The families, in order.
    pub families: Vec<FamilyPlan>,
    /// The allocators, in order.
    pub allocators: Vec<String>,
    /// Whether every plan is driven through a simulated cycle.
    #[serde(default)]
    pub simulate: bool,
    /// The part of the tests that runs here.
    pub shard: Shard,
    /// The command that replays one test: `{family}`, `{seed}`, `{test}` (from 0), `{line}`
    /// (from 1) and `{allocator}` are filled in.
    pub replay: String,
}

impl RunPlan {
    /// The source of generated tests.
    pub const GENERATED: &'static str = "generated";

    /// How a generated test is replayed.
    pub const REPLAY_GENERATED: &'static str = "sim generate --family {family} --seed {seed} \
         --first {test} --n-tests 1 | sim solve --allocator {allocator}";

    /// The tests of a family that run here.
    pub fn tests(&self, family: usize) -> Range<u64> {
        self.shard.range(self.families[family].n_tests)
    }

    /// How many tests run here, of all families.
    pub fn total_tests(&self) -> u64 {
        let count = |family| {
            let tests: Range<u64> = self.tests(family);
            tests.end - tests.start
        };
        (0..self.families.len()).map(count).sum()
    }

    /// The command that replays one test under one allocator.
    pub fn replay_line(&self, family: &str, test: u64, allocator: &str) -> String {
        self.replay
            .replace("{family}", family)
            .replace("{seed}", &self.seed.to_string())
            .replace("{test}", &test.to_string())
            .replace("{line}", &test.saturating_add(1).to_string())
            .replace("{allocator}", allocator)
    }
}

/// One family of tests and how many of it there are in all shards together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyPlan {
    /// Its name.
    pub name: String,
    /// Its tests, numbered from 0.
    pub n_tests: u64,
}

/// One of `of` parts of a validation, `1 ≤ index ≤ of`. Each family is cut into contiguous
/// parts of nearly equal size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ShardNumbers")]
pub struct Shard {
    index: u64,
    of: u64,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { index: 1, of: 1 };

    /// The part `index` of `of`.
    ///
    /// # Errors
    /// Unless `1 ≤ index ≤ of`.
    pub fn new(index: u64, of: u64) -> Result<Self, ShardError> {
        if (1..=of).contains(&index) {
            Ok(Self { index, of })
        } else {
            Err(ShardError::OutOfRange { index, of })
        }
    }

    /// Which part, from 1.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// Of how many.
    pub const fn of(self) -> u64 {
        self.of
    }

    /// The tests of a family of `n_tests` that this part holds.
    pub fn range(self, n_tests: u64) -> Range<u64> {
        let cut = |parts: u64| {
            let tests = u128::from(n_tests) * u128::from(parts) / u128::from(self.of);
            u64::try_from(tests).expect("a part is at most the whole")
        };
        cut(self.index - 1)..cut(self.index)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (index, of) = text.split_once('/').ok_or(ShardError::Form)?;
        let number = |text: &str| text.parse().map_err(|_| ShardError::Form);
        Self::new(number(index)?, number(of)?)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// Why two numbers are no shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Not of the form `2/8`.
    #[error("expected a shard such as 2/8")]
    Form,
    /// Not one of the parts.
    #[error("shard {index}/{of} is out of range, expected 1/{of} to {of}/{of}")]
    OutOfRange {
        /// Which part.
        index: u64,
        /// Of how many.
        of: u64,
    },
}

#[derive(Deserialize)]
struct ShardNumbers {
    index: u64,
    of: u64,
}

impl TryFrom<ShardNumbers> for Shard {
    type Error = ShardError;

    fn try_from(numbers: ShardNumbers) -> Result<Self, ShardError> {
        Self::new(numbers.index, numbers.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_every_test_once() {
        for n_tests in [0, 1, 6, 7, 8, 1_000, u64::MAX] {
            for of in [1, 2, 3, 7, 64] {
                let mut next = 0;
                for index in 1..=of {
                    let range = Shard::new(index, of).expect("in range").range(n_tests);
                    assert_eq!(range.start, next, "{index}/{of} of {n_tests}");
                    next = range.end;
                }
                assert_eq!(next, n_tests);
            }
        }
    }

    #[test]
    fn shards_are_read_strictly() {
        assert_eq!("2/8".parse(), Shard::new(2, 8));
        for text in ["", "2", "2/", "/8", "a/8", "2/8/1", "-1/8", "1.5/8"] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError::Form), "{text}");
        }
        for text in ["0/8", "9/8", "0/0", "1/0"] {
            let error = text.parse::<Shard>().expect_err("out of range");
            assert!(matches!(error, ShardError::OutOfRange { .. }), "{text}");
        }
        assert_eq!(
            "9/8".parse::<Shard>().expect_err("9 > 8").to_string(),
            "shard 9/8 is out of range, expected 1/8 to 8/8"
        );
        assert!(serde_json::from_str::<Shard>(r#"{"index":0,"of":3}"#).is_err());
    }

    #[test]
    fn a_replay_line_names_the_test() {
        let plan = RunPlan {
            seed: 7,
            source: RunPlan::GENERATED.to_owned(),
            families: Vec::new(),
            allocators: Vec::new(),
            simulate: false,
            shard: Shard::WHOLE,
            replay: RunPlan::REPLAY_GENERATED.to_owned(),
        };
        assert_eq!(
            plan.replay_line("ties", 41, "exact"),
            "sim generate --family ties --seed 7 --first 41 --n-tests 1 | sim solve --allocator exact"
        );
    }
}
