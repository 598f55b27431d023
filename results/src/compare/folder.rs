//! What a folder says of itself.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::ResultsError;
use crate::files::VALIDATION_VERSION;
use crate::run_file::{Kind, RunFile};
use crate::run_plan::RunPlan;
use crate::runs::RecordedFolder;
use crate::validation::RunRecord;

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
        let file = RunFile::read(dir)?;
        match file.kind() {
            Some(Kind::Runs) => {
                let folder = RecordedFolder::of(dir, &file)?;
                Ok(Self::Runs(Box::new(folder)))
            }
            Some(Kind::Validation) => {
                let record: RunRecord = file.record(VALIDATION_VERSION)?;
                let planned = record.plan.total_tests();
                if record.plan.allocators.is_empty() || record.finished_tests > planned {
                    let message = "expected no more tests than planned, and an allocator";
                    return Err(file.damaged(message));
                }
                let dir = dir.to_owned();
                Ok(Self::Validation(Box::new(ValidationFolder { dir, record })))
            }
            Some(Kind::Sweep | Kind::RealSweep) | None => {
                Err(file.other_kind("a validation or of runs, which have a plan"))
            }
        }
    }
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
