//! Many tests under several allocators: compared while they stream by, and written as tables.
//!
//! Files are written as `NAME.partial` and renamed at the end, `run.json` last: a folder without
//! it is visibly unfinished. Where a row group ends follows from the tests since the beginning of
//! its family alone, so that the bytes of a table do not depend on how the tests arrived.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::assess::{Assessed, assess};
use crate::chunk::{Chunk, Detail, ProblemColumns};
use crate::error::{Action, ResultsError};
use crate::frames::{self, Group, StatisticsColumns};
use crate::report;
use crate::row::{OutcomeRow, Took};
use crate::run_plan::RunPlan;
use crate::table::{CsvTable, Output, ParquetTable};
use crate::tally::{Discrepancy, Report, Tally};

/// The file that is written last: how the run was made, and whether it is complete.
pub const RUN_FILE: &str = "run.json";

pub(crate) const TESTS: &str = "tests.parquet";
pub(crate) const OUTCOMES: &str = "outcomes.parquet";
pub(crate) const STATISTICS: &str = "stats.parquet";
pub(crate) const TIMINGS: &str = "timings.parquet";
pub(crate) const DISCREPANCIES: &str = "discrepancies.csv";
pub(crate) const SUMMARY_CSV: &str = "summary.csv";
pub(crate) const SUMMARY_JSON: &str = "summary.json";
pub(crate) const TIMINGS_SUMMARY: &str = "timings_summary.csv";

/// The files of a validation.
pub const FILES: [&str; 9] = [
    RUN_FILE,
    TESTS,
    OUTCOMES,
    STATISTICS,
    TIMINGS,
    DISCREPANCIES,
    SUMMARY_CSV,
    SUMMARY_JSON,
    TIMINGS_SUMMARY,
];

/// Tests in a row group.
const GROUP_TESTS: usize = 8_192;

/// Workers after which a row group of `tests.parquet` ends early: its memory is bounded however
/// many workers a test has.
const GROUP_WORKERS: usize = 1 << 20;

/// Discrepancies that are written at a time.
const DISCREPANCY_ROWS: usize = 4_096;

/// A validation under way. It takes chunks in canonical order: family by family as in the plan,
/// tests ascending.
pub struct Validation {
    plan: RunPlan,
    tally: Tally,
    tables: Option<Tables>,
    /// The family and test that must come next.
    next: (usize, u64),
    finished: u64,
    assessed: Vec<Assessed>,
    found: Vec<Discrepancy>,
}

impl Validation {
    /// Begins a validation that only counts and compares.
    pub fn new(plan: RunPlan) -> Self {
        let tally = Tally::new(plan.clone());
        let first = plan.families.first().map_or(0, |_| plan.tests(0).start);
        Self {
            plan,
            tally,
            tables: None,
            next: (0, first),
            finished: 0,
            assessed: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Begins a validation that also writes tables into `dir`, which is made if need be.
    ///
    /// # Errors
    /// When the folder holds results and `overwrite` is not asked for, or cannot be written.
    pub fn with_tables(plan: RunPlan, dir: &Path, overwrite: bool) -> Result<Self, ResultsError> {
        let tables = Tables::create(dir, overwrite, &plan)?;
        Ok(Self {
            tables: Some(tables),
            ..Self::new(plan)
        })
    }

    /// What the chunks of this validation must keep.
    pub const fn detail(&self) -> Detail {
        if self.tables.is_some() {
            Detail::Tables
        } else {
            Detail::Summary
        }
    }

    /// How many tests it has taken in.
    pub const fn finished(&self) -> u64 {
        self.finished
    }

    /// Takes in the next tests.
    ///
    /// # Errors
    /// When a table cannot be written.
    ///
    /// # Panics
    /// When the chunk is not the next one, or keeps less than this validation needs.
    pub fn push(&mut self, chunk: &Chunk) -> Result<(), ResultsError> {
        if chunk.tests == 0 {
            return Ok(());
        }
        self.advance_to(chunk.family);
        assert_eq!(
            (chunk.family, chunk.first_test),
            self.next,
            "chunks must arrive in canonical order"
        );
        assert!(
            chunk.next_test() <= self.plan.tests(chunk.family).end,
            "a chunk must not hold more tests than planned"
        );
        assert!(
            self.tables.is_none() || chunk.detail == Detail::Tables,
            "tables need chunks with the detail of tables"
        );
        let allocators = self.plan.allocators.len();
        assert_eq!(allocators, chunk.allocators, "chunks must follow the plan");
        let to_simulate = |row: &OutcomeRow| self.plan.simulate && row.cost.is_some();
        assert!(
            chunk
                .rows
                .iter()
                .all(|row| row.simulated.is_some() == to_simulate(row)),
            "all plans are simulated, or none"
        );
        let mut worker = 0;
        for index in 0..chunk.tests {
            let test = chunk.first_test + index as u64;
            let answers = index * allocators..(index + 1) * allocators;
            let took = &chunk.took[answers.clone()];
            let truth = assess(
                &self.plan.allocators,
                &chunk.rows[answers.clone()],
                &mut self.assessed,
            );
            self.found.clear();
            self.tally.add(
                (chunk.family, test),
                truth,
                &self.assessed,
                took,
                &mut self.found,
            );
            if let Some(tables) = &mut self.tables {
                let family = (chunk.family, self.plan.families[chunk.family].name.as_str());
                tables.begin(family, test)?;
                tables.problems.push_from(&chunk.problems, index, worker);
                worker += chunk.problems.workers_of(index);
                tables.outcomes.extend_from_slice(&self.assessed);
                tables.statistics.extend(&chunk.statistics[answers]);
                tables.took.extend_from_slice(took);
                tables.discrepancies.append(&mut self.found);
                tables.end()?;
            }
        }
        self.next.1 = chunk.next_test();
        self.finished += chunk.tests as u64;
        Ok(())
    }

    /// What was found so far.
    pub fn report(&self) -> Report {
        self.tally.report()
    }

    /// Ends the validation and writes what is left; with fewer tests than planned it is marked as
    /// incomplete. `details` goes into `run.json` beside the plan and is asked for at the very
    /// end, so that it can state times and memory of the whole run.
    ///
    /// # Errors
    /// When a file cannot be written; nothing is then left that looks whole.
    pub fn finish(
        mut self,
        details: impl FnOnce(&Report) -> Map<String, Value>,
    ) -> Result<Report, ResultsError> {
        let report = self.tally.report();
        let Some(tables) = self.tables.take() else {
            return Ok(report);
        };
        let dir = tables.publish(&report)?;
        let record = RunRecord {
            complete: self.finished == self.plan.total_tests(),
            finished_tests: self.finished,
            plan: self.plan,
            details: details(&report),
        };
        let mut output = Output::create(&dir, RUN_FILE)?;
        output.write_all(&pretty(&record))?;
        output.publish()?;
        Ok(report)
    }

    /// Moves on to a later family once the tests of those before it have all come.
    fn advance_to(&mut self, family: usize) {
        while self.next.0 < family && self.next.1 == self.plan.tests(self.next.0).end {
            let next = self.next.0 + 1;
            self.next = (next, self.plan.tests(next).start);
        }
    }
}

/// What `run.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) plan: RunPlan,
    pub(crate) complete: bool,
    pub(crate) finished_tests: u64,
    #[serde(flatten)]
    pub(crate) details: Map<String, Value>,
}

/// The open tables and the row groups that are being gathered for them.
struct Tables {
    dir: PathBuf,
    allocators: Vec<String>,
    is_simulated: bool,
    tests_table: ParquetTable,
    outcomes_table: ParquetTable,
    statistics_table: ParquetTable,
    timings_table: ParquetTable,
    discrepancies_table: CsvTable,
    /// The family of the row groups, its index first.
    family: (usize, String),
    /// The test with which the row group of `tests.parquet` begins.
    first_problem: u64,
    /// The test with which the row groups of the other tables begin.
    first_outcome: u64,
    /// Tests gathered for the other tables.
    gathered: usize,
    problems: ProblemColumns,
    outcomes: Vec<Assessed>,
    statistics: StatisticsColumns,
    took: Vec<Took>,
    discrepancies: Vec<Discrepancy>,
}

impl Tables {
    fn create(dir: &Path, overwrite: bool, plan: &RunPlan) -> Result<Self, ResultsError> {
        prepare(dir, overwrite)?;
        let allocators = &plan.allocators;
        let none = Group {
            family: "",
            first_test: 0,
        };
        let table = |name, like: frames::Frame| ParquetTable::create(dir, name, &like);
        let mut statistics = StatisticsColumns::default();
        Ok(Self {
            tests_table: table(TESTS, frames::tests(none, &mut ProblemColumns::default()))?,
            outcomes_table: table(
                OUTCOMES,
                frames::outcomes(none, allocators, plan.simulate, &[]),
            )?,
            statistics_table: table(
                STATISTICS,
                frames::statistics(none, allocators, &mut statistics),
            )?,
            timings_table: table(TIMINGS, frames::timings(none, allocators, &[]))?,
            discrepancies_table: CsvTable::create(dir, DISCREPANCIES, &frames::discrepancies(&[]))?,
            dir: dir.to_owned(),
            allocators: allocators.clone(),
            is_simulated: plan.simulate,
            family: (0, String::new()),
            first_problem: 0,
            first_outcome: 0,
            gathered: 0,
            problems: ProblemColumns::default(),
            outcomes: Vec::new(),
            statistics,
            took: Vec::new(),
            discrepancies: Vec::new(),
        })
    }

    /// Makes room for a test: row groups hold tests of one family only.
    fn begin(&mut self, (index, name): (usize, &str), test: u64) -> Result<(), ResultsError> {
        if self.family.0 != index || self.family.1.is_empty() {
            self.flush_problems()?;
            self.flush_outcomes()?;
            self.family = (index, name.to_owned());
        }
        if self.problems.n.is_empty() {
            self.first_problem = test;
        }
        if self.gathered == 0 {
            self.first_outcome = test;
        }
        self.gathered += 1;
        Ok(())
    }

    /// Writes the row groups that the last test has filled.
    fn end(&mut self) -> Result<(), ResultsError> {
        if self.problems.n.len() >= GROUP_TESTS || self.problems.s_max.len() >= GROUP_WORKERS {
            self.flush_problems()?;
        }
        if self.gathered >= GROUP_TESTS {
            self.flush_outcomes()?;
        }
        if self.discrepancies.len() >= DISCREPANCY_ROWS {
            self.flush_discrepancies()?;
        }
        Ok(())
    }

    fn flush_problems(&mut self) -> Result<(), ResultsError> {
        if self.problems.n.is_empty() {
            return Ok(());
        }
        let group = Group {
            family: &self.family.1,
            first_test: self.first_problem,
        };
        let frame = frames::tests(group, &mut self.problems);
        self.tests_table.append(&frame)
    }

    fn flush_outcomes(&mut self) -> Result<(), ResultsError> {
        if self.gathered == 0 {
            return Ok(());
        }
        let group = Group {
            family: &self.family.1,
            first_test: self.first_outcome,
        };
        let names = &self.allocators;
        let outcomes = frames::outcomes(group, names, self.is_simulated, &self.outcomes);
        self.outcomes_table.append(&outcomes)?;
        let statistics = frames::statistics(group, names, &mut self.statistics);
        self.statistics_table.append(&statistics)?;
        let timings = frames::timings(group, names, &self.took);
        self.timings_table.append(&timings)?;
        self.outcomes.clear();
        self.took.clear();
        self.gathered = 0;
        Ok(())
    }

    fn flush_discrepancies(&mut self) -> Result<(), ResultsError> {
        if self.discrepancies.is_empty() {
            return Ok(());
        }
        let rows = frames::discrepancies(&self.discrepancies);
        self.discrepancies.clear();
        self.discrepancies_table.append(&rows)
    }

    /// Closes every table before the first gets its name, and returns the folder.
    fn publish(mut self, report: &Report) -> Result<PathBuf, ResultsError> {
        self.flush_problems()?;
        self.flush_outcomes()?;
        self.flush_discrepancies()?;
        let csv = |name, rows: frames::Frame| {
            let mut table = CsvTable::create(&self.dir, name, &rows)?;
            table.append(&rows)?;
            table.close()
        };
        let summary = csv(SUMMARY_CSV, frames::summary(&report.summary.rows))?;
        let timings = csv(TIMINGS_SUMMARY, frames::timings_summary(&report.timings))?;
        let mut json = Output::create(&self.dir, SUMMARY_JSON)?;
        json.write_all(&pretty(&report.summary))?;
        let outputs = [
            self.tests_table.close()?,
            self.outcomes_table.close()?,
            self.statistics_table.close()?,
            self.timings_table.close()?,
            self.discrepancies_table.close()?,
            summary,
            timings,
            json,
        ];
        for output in outputs {
            output.publish()?;
        }
        Ok(self.dir)
    }
}

/// Makes the folder, refuses one with results, or removes those: `run.json` first, so that the
/// rest never looks whole.
fn prepare(dir: &Path, overwrite: bool) -> Result<(), ResultsError> {
    prepare_for(dir, &FILES, overwrite)
}

/// The same for any files.
pub(crate) fn prepare_for(
    dir: &Path,
    files: &[&'static str],
    overwrite: bool,
) -> Result<(), ResultsError> {
    fs::create_dir_all(dir).map_err(|cause| ResultsError::io(Action::Create, dir, cause))?;
    for &file in files {
        let path = dir.join(file);
        match fs::symlink_metadata(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(ResultsError::io(Action::Read, &path, cause)),
            Ok(_) if overwrite => fs::remove_file(&path)
                .map_err(|cause| ResultsError::io(Action::Remove, &path, cause))?,
            Ok(_) => {
                let dir = dir.to_owned();
                return Err(ResultsError::Occupied { dir, file });
            }
        }
    }
    // What it says is about to be wrong.
    report::forget(dir)
}

pub(crate) fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("keys are text and floats are finite");
    text.push(b'\n');
    text
}
