//! What a folder says of itself.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{Action, ResultsError};
use crate::run_plan::RunPlan;
use crate::runs::RecordedFolder;
use crate::validation::{RUN_FILE, RunRecord};

/// A folder of results.
pub enum Folder {
    /// Of `sim validate`.
    Validation(Box<ValidationFolder>),
    /// Of `sim run`, or of a real run.
    Runs(Box<RecordedFolder>),
}

impl Folder {
    /// Reads what it says of itself.
    ///
    /// # Errors
    /// When it is no folder of results, or is not whole.
    pub fn open(dir: &Path) -> Result<Self, ResultsError> {
        let path = dir.join(RUN_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(cause) if is_missing(&cause) => {
                let dir = dir.to_owned();
                return Err(ResultsError::Unfinished { dir });
            }
            Err(cause) => return Err(ResultsError::io(Action::Read, &path, cause)),
        };
        let damaged = |message: &dyn std::fmt::Display| ResultsError::damaged(&path, message);
        let value: Value = serde_json::from_slice(&text).map_err(|error| damaged(&error))?;
        if value.get("format").is_some() {
            return RecordedFolder::open(dir).map(|folder| Self::Runs(Box::new(folder)));
        }
        let plan = value.get("plan");
        if plan.and_then(|plan| plan.get("families")).is_none() {
            return Err(damaged(
                &"expected the folder of a validation or of runs, which have a plan",
            ));
        }
        let record: RunRecord = serde_json::from_value(value).map_err(|error| damaged(&error))?;
        if record.plan.allocators.is_empty() || record.finished_tests > record.plan.total_tests() {
            return Err(damaged(
                &"expected no more tests than planned, and an allocator",
            ));
        }
        Ok(Self::Validation(Box::new(ValidationFolder {
            dir: dir.to_owned(),
            record,
        })))
    }
}

fn is_missing(cause: &io::Error) -> bool {
    let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    kinds.contains(&cause.kind())
}

/// A folder of a validation.
pub struct ValidationFolder {
    pub(super) dir: PathBuf,
    record: RunRecord,
}

impl ValidationFolder {
    /// What was to be run.
    pub const fn plan(&self) -> &RunPlan {
        &self.record.plan
    }

    /// Tests that are there, fewer than planned if it was interrupted.
    pub const fn finished(&self) -> u64 {
        self.record.finished_tests
    }

    /// What else was said of how it was made.
    pub const fn details(&self) -> &Map<String, Value> {
        &self.record.details
    }

    /// The tests of a family that are there: those of all families come one after the other.
    pub fn tests(&self, family: usize) -> Range<u64> {
        let count = |family| {
            let tests = self.plan().tests(family);
            tests.end - tests.start
        };
        let before: u64 = (0..family).map(count).sum();
        let planned = self.plan().tests(family);
        let there = self.finished().saturating_sub(before).min(count(family));
        planned.start..planned.start + there
    }

    /// Whether a test of one number is the same test in both.
    pub fn has_tests_of(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.plan(), other.plan());
        // A file of instances is known by what is in it, and has no use for a seed.
        ours.source == theirs.source
            && (ours.source != RunPlan::GENERATED || ours.seed == theirs.seed)
    }
}

/// Tests of a family that two folders hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommonTests {
    /// The family.
    pub family: String,
    /// Its places in both plans, the base's first.
    pub places: [usize; 2],
    /// The tests in both.
    pub tests: Range<u64>,
}

/// The families that both folders hold, in the base's order, with the numbers that both have.
pub fn common_tests(base: &ValidationFolder, ours: &ValidationFolder) -> Vec<CommonTests> {
    let families = base.plan().families.iter().enumerate();
    let common = |(place, family): (usize, &crate::FamilyPlan)| {
        let mut others = ours.plan().families.iter();
        let other = others.position(|other| other.name == family.name)?;
        let (a, b) = (base.tests(place), ours.tests(other));
        let tests = a.start.max(b.start)..a.end.min(b.end);
        (!tests.is_empty()).then(|| CommonTests {
            family: family.name.clone(),
            places: [place, other],
            tests,
        })
    };
    families.filter_map(common).collect()
}
