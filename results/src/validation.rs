//! Many tests under several allocators: compared while they stream by, and written as tables.
//!
//! Files are written as `NAME.partial` and renamed at the end, `run.json` last: a folder without
//! it is visibly unfinished. Where a row group ends follows from the tests since the beginning of
//! its family alone, so that the bytes of a table do not depend on how the tests arrived.

use std::path::{Path, PathBuf};

use polars_core::prelude::Column;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::assess::{Assessed, Excess, assess};
use crate::checksums::Checksums;
use crate::chunk::{Chunk, Detail};
use crate::cycles::{AgainstExact, Cycles};
use crate::error::ResultsError;
use crate::files::{
    DISCREPANCIES, OUTCOMES, RUN_FILE, STATISTICS, SUMMARY_CSV, SUMMARY_JSON, TESTS, TIMINGS,
    TIMINGS_SUMMARY, VALIDATION_FILES, VALIDATION_VERSION, prepare, pretty,
};
use crate::problems::ProblemColumns;
use crate::row::{OutcomeRow, Simulated, Took};
use crate::run_plan::RunPlan;
use crate::schema::{Described, Row};
use crate::seal;
use crate::statistics_table::StatisticsColumns;
use crate::table::{CsvTable, Output, ParquetTable};
use crate::tally::{Discrepancy, DiscrepancyRow, Report, SummaryRow, Tally, TimingRow};
use crate::test_keys::Group;

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
        let (dir, sums) = tables.publish(&report)?;
        let record = RunRecord {
            format_version: VALIDATION_VERSION,
            complete: self.finished == self.plan.total_tests(),
            finished_tests: self.finished,
            plan: self.plan,
            details: details(&report),
        };
        let output = Output::create(&dir, RUN_FILE)?;
        seal::write_record(output, &record, sums)?;
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
    pub(crate) format_version: u64,
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
        prepare(dir, &VALIDATION_FILES, overwrite)?;
        let allocators = &plan.allocators;
        let none = Group {
            family: "",
            first_test: 0,
        };
        let table = |name, described: Vec<Described>, columns| {
            ParquetTable::create(dir, name, &described, columns)
        };
        let of_answers = |name, described: Vec<Described>, columns| {
            let described = [Group::describe(true), described].concat();
            table(
                name,
                described,
                [none.write(allocators, 0), columns].concat(),
            )
        };
        let problems = [none.write(&[], 0), ProblemColumns::default().take()].concat();
        let described = [Group::describe(false), ProblemColumns::describe()].concat();
        let mut statistics = StatisticsColumns::default();
        Ok(Self {
            tests_table: table(TESTS, described, problems)?,
            outcomes_table: of_answers(
                OUTCOMES,
                describe_outcomes(plan.simulate),
                outcomes(&[], plan.simulate),
            )?,
            statistics_table: of_answers(
                STATISTICS,
                StatisticsColumns::describe(),
                statistics.take(),
            )?,
            timings_table: of_answers(TIMINGS, Took::describe(), Took::write([].into_iter()))?,
            discrepancies_table: CsvTable::create(
                dir,
                DISCREPANCIES,
                DiscrepancyRow::write([].into_iter()),
            )?,
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
        let keys = group.write(&[], self.problems.n.len());
        self.tests_table
            .append([keys, self.problems.take()].concat())
    }

    fn flush_outcomes(&mut self) -> Result<(), ResultsError> {
        if self.gathered == 0 {
            return Ok(());
        }
        let group = Group {
            family: &self.family.1,
            first_test: self.first_outcome,
        };
        let keys = group.write(&self.allocators, self.took.len());
        let outcomes = outcomes(&self.outcomes, self.is_simulated);
        let took = Took::write(self.took.iter().map(Some));
        self.outcomes_table
            .append([keys.clone(), outcomes].concat())?;
        self.statistics_table
            .append([keys.clone(), self.statistics.take()].concat())?;
        self.timings_table.append([keys, took].concat())?;
        self.outcomes.clear();
        self.took.clear();
        self.gathered = 0;
        Ok(())
    }

    fn flush_discrepancies(&mut self) -> Result<(), ResultsError> {
        if self.discrepancies.is_empty() {
            return Ok(());
        }
        let rows = self.discrepancies.drain(..).map(DiscrepancyRow::from);
        let rows: Vec<DiscrepancyRow> = rows.collect();
        let columns = DiscrepancyRow::write(rows.iter().map(Some));
        self.discrepancies_table.append(columns)
    }

    /// Closes every table before the first gets its name, and returns the folder.
    fn publish(mut self, report: &Report) -> Result<(PathBuf, Checksums), ResultsError> {
        self.flush_problems()?;
        self.flush_outcomes()?;
        self.flush_discrepancies()?;
        let rows = summary(&report.summary.rows);
        let summary = CsvTable::write(&self.dir, SUMMARY_CSV, rows)?;
        let rows = TimingRow::write(report.timings.iter().map(Some));
        let timings = CsvTable::write(&self.dir, TIMINGS_SUMMARY, rows)?;
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
        Ok((self.dir, seal::publish(outputs)?))
    }
}

/// What `outcomes.parquet` says of an answer.
pub(crate) fn describe_outcomes(is_simulated: bool) -> Vec<Described> {
    let mut columns = OutcomeRow::describe();
    columns.extend(Described::maybe(Excess::describe()));
    if is_simulated {
        columns.extend(Described::maybe(Simulated::describe()));
    }
    columns
}

fn outcomes(rows: &[Assessed], is_simulated: bool) -> Vec<Column> {
    let mut columns = OutcomeRow::write(rows.iter().map(|of| Some(&of.row)));
    columns.extend(Excess::write(rows.iter().map(|of| of.excess.as_ref())));
    if is_simulated {
        let simulated = rows.iter().map(|of| of.row.simulated.as_ref());
        columns.extend(Simulated::write(simulated));
    }
    columns
}

/// The columns of `summary.csv`.
pub(crate) fn describe_summary() -> Vec<Described> {
    let mut columns = SummaryRow::describe();
    columns.extend(Described::maybe(Cycles::describe()));
    columns.extend(Described::maybe(AgainstExact::describe()));
    columns
}

fn summary(rows: &[SummaryRow]) -> Vec<Column> {
    let mut columns = SummaryRow::write(rows.iter().map(Some));
    let cycles = || rows.iter().map(|row| row.cycles.as_ref());
    if cycles().any(|cycles| cycles.is_some()) {
        columns.extend(Cycles::write(cycles()));
        let against = cycles().map(|cycles| cycles?.against_exact.as_ref());
        columns.extend(AgainstExact::write(against));
    }
    columns
}
