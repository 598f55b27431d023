//! Writes the folder: tables in row groups as rows come, everything else at the end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scheduler::machine::{AssignmentRow, CycleRow, ShareRow};
use serde_json::{Map, Value};

use super::columns::{self, HistoryRow, ModelRow, QuestionRow, RunRow, RunTable, WorkerRow};
use super::figures::PairedRow;
use super::plan::{Job, RunKey, RunsPlan};
use super::record::RunRecord;
use super::rows::RunChunk;
use super::summary::{RunsSummary, SummaryLine, Tally};
use crate::checksums;
use crate::error::{Action, ResultsError};
use crate::files::{
    CYCLES, EVENTS, HISTORY, JOB, LOTS, MODELS, PAIRED, PLANS, REAL_FILES, RUN_FILE, RUNS,
    RUNS_FILES, RUNS_FORMAT, RUNS_VERSION, SCENARIO, SHARES, SUMMARY_CSV, SUMMARY_JSON,
    VALIDATION_FILES, WORKERS, prepare, pretty, remove,
};
use crate::patience::Patience;
use crate::schema::Row;
use crate::seal;
use crate::table::{CsvTable, Output, ParquetTable};

/// Rows in a row group. Where one ends follows from the rows alone, so that the bytes of a table
/// do not depend on how they arrived.
const GROUP_ROWS: usize = 1 << 16;

/// A folder under way.
pub struct RunFolder {
    dir: PathBuf,
    plan: RunsPlan,
    runs: Table<RunRow>,
    workers: Table<WorkerRow>,
    plans: Table<QuestionRow>,
    shares: Table<ShareRow>,
    cycles: Table<CycleRow>,
    lots: Table<AssignmentRow>,
    history: Table<HistoryRow>,
    /// Of a real run only.
    models: Option<Table<ModelRow>>,
    tallies: Vec<Tally>,
    /// The job, which is known from the beginning.
    job: Output,
    scenario: String,
    paired: Vec<PairedRow>,
    /// The names of workers, by number.
    workers_by_number: Vec<Arc<str>>,
    /// The run whose rows must come next.
    next: RunKey,
    patience: Patience,
}

impl RunFolder {
    /// Begins a folder, which is made if need be; nothing has its name before
    /// [`RunFolder::finish`].
    ///
    /// # Errors
    /// When the folder holds results and `overwrite` is not asked for, or cannot be written.
    ///
    /// # Panics
    /// When the plan names no allocator.
    pub fn create(
        dir: &Path,
        plan: RunsPlan,
        job: &Job,
        scenario: &str,
        overwrite: bool,
    ) -> Result<Self, ResultsError> {
        Self::patient(dir, plan, job, scenario, overwrite, &Patience::NONE)
    }

    /// The same, with patience once its files are there.
    ///
    /// # Errors
    /// When the folder holds results and `overwrite` is not asked for, or cannot be written.
    ///
    /// # Panics
    /// When the plan names no allocator.
    pub fn patient(
        dir: &Path,
        plan: RunsPlan,
        job: &Job,
        scenario: &str,
        overwrite: bool,
        patience: &Patience,
    ) -> Result<Self, ResultsError> {
        assert!(!plan.allocators.is_empty(), "runs have an allocator");
        prepare_all(dir, overwrite)?;
        let mut output = Output::patient(dir, JOB, patience)?;
        output.write_all(&pretty(job))?;
        Ok(Self {
            runs: Table::create(dir, RUNS, patience)?,
            workers: Table::create(dir, WORKERS, patience)?,
            plans: Table::create(dir, PLANS, patience)?,
            shares: Table::create(dir, SHARES, patience)?,
            cycles: Table::create(dir, CYCLES, patience)?,
            lots: Table::create(dir, LOTS, patience)?,
            history: Table::create(dir, HISTORY, patience)?,
            models: None,
            tallies: vec![Tally::default(); plan.allocators.len()],
            job: output,
            scenario: scenario.to_owned(),
            paired: Vec::new(),
            workers_by_number: Vec::new(),
            next: RunKey {
                replicate: 0,
                allocator: 0,
            },
            dir: dir.to_owned(),
            patience: patience.clone(),
            plan,
        })
    }

    /// Makes the folder for logs of events inside this one, and says where the log of a run goes.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn event_files(&self) -> Result<impl Fn(RunKey) -> PathBuf + Sync + use<>, ResultsError> {
        let events = self.dir.join(EVENTS);
        let made = fs::create_dir_all(&events);
        made.map_err(|cause| ResultsError::io(Action::Create, &events, cause))?;
        let (dir, allocators) = (self.dir.clone(), self.plan.allocators.clone());
        Ok(move |key: RunKey| Self::event_file(&dir, key, &allocators[key.allocator]))
    }

    /// Where the log of a run is in a folder.
    pub fn event_file(dir: &Path, key: RunKey, allocator: &str) -> PathBuf {
        let name = format!("{}-{allocator}.jsonl", key.replicate);
        dir.join(EVENTS).join(name)
    }

    /// Takes in rows of the run that is next: runs come by replicate, then by allocator.
    ///
    /// # Errors
    /// When a table cannot be written.
    ///
    /// # Panics
    /// When the rows are of another run.
    pub fn push(&mut self, chunk: RunChunk) -> Result<(), ResultsError> {
        let key = chunk.key;
        assert_eq!(key, self.next, "runs must come in order");
        let names = Names {
            allocators: &self.plan.allocators,
            workers: &self.workers_by_number,
        };
        self.plans.extend(names, key, chunk.plans)?;
        self.shares.extend(names, key, chunk.shares)?;
        self.cycles.extend(names, key, chunk.cycles)?;
        self.lots.extend(names, key, chunk.lots)?;
        self.history.extend(names, key, chunk.history)?;
        self.workers.extend(names, key, chunk.workers)?;
        if let Some(end) = chunk.end {
            self.tallies[key.allocator].add(&end);
            self.runs.extend(names, key, [RunRow::from(&end)])?;
            self.next.allocator += 1;
            if self.next.allocator == self.plan.allocators.len() {
                self.next = RunKey {
                    replicate: key.replicate + 1,
                    allocator: 0,
                };
            }
        }
        Ok(())
    }

    /// Another scenario than at the beginning: of a real run, with what was measured.
    pub fn set_scenario(&mut self, scenario: String) {
        self.scenario = scenario;
    }

    /// The name of a worker, by which its rows that are pushed from now on are called too.
    pub fn name_worker(&mut self, worker: usize, name: Arc<str>) {
        if worker >= self.workers_by_number.len() {
            self.workers_by_number.resize(worker + 1, "".into());
        }
        self.workers_by_number[worker] = name;
    }

    /// Takes in how good the model of the first run was after a cycle; in the order of cycles, before
    /// [`RunFolder::finish`].
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn push_model(&mut self, row: ModelRow) -> Result<(), ResultsError> {
        let key = RunKey {
            replicate: 0,
            allocator: 0,
        };
        let names = Names {
            allocators: &self.plan.allocators,
            workers: &self.workers_by_number,
        };
        let table = match &mut self.models {
            Some(table) => table,
            None => {
                let table = Table::create(&self.dir, MODELS, &self.patience)?;
                self.models.insert(table)
            }
        };
        table.extend(names, key, [row])
    }

    /// What came of arms that were compared.
    pub fn set_paired(&mut self, rows: Vec<PairedRow>) {
        self.paired = rows;
    }

    /// Replicates that are there whole.
    pub const fn finished(&self) -> u64 {
        self.next.replicate
    }

    /// What is said of the runs so far.
    pub fn summary(&self) -> RunsSummary {
        let lines = self.plan.allocators.iter().zip(&self.tallies);
        RunsSummary {
            plan: self.plan.clone(),
            allocators: lines.map(|(name, tally)| tally.line(name)).collect(),
        }
    }

    /// Ends the folder; with fewer replicates than planned it is marked as incomplete. `details`
    /// goes into `run.json` and is asked for at the very end, so that it can state times of the
    /// whole run.
    ///
    /// # Errors
    /// When a file cannot be written; nothing is then left that looks whole.
    pub fn finish(
        self,
        details: impl FnOnce() -> Map<String, Value>,
    ) -> Result<RunsSummary, ResultsError> {
        let summary = self.summary();
        let finished = self.next.replicate;
        let names = Names {
            allocators: &self.plan.allocators,
            workers: &self.workers_by_number,
        };
        let lines = SummaryLine::write(summary.allocators.iter().map(Some));
        let csv = CsvTable::write_patiently(&self.dir, SUMMARY_CSV, lines, &self.patience)?;
        let mut json = Output::patient(&self.dir, SUMMARY_JSON, &self.patience)?;
        json.write_all(&pretty(&summary))?;
        let mut scenario = Output::patient(&self.dir, SCENARIO, &self.patience)?;
        scenario.write_all(self.scenario.as_bytes())?;
        if !self.paired.is_empty() {
            let rows = PairedRow::write(self.paired.iter().map(Some));
            CsvTable::write_patiently(&self.dir, PAIRED, rows, &self.patience)?.publish()?;
        }
        let models = self.models.map(|table| table.close(names)).transpose()?;
        let outputs = [
            self.job,
            scenario,
            self.workers.close(names)?,
            self.plans.close(names)?,
            self.shares.close(names)?,
            self.cycles.close(names)?,
            self.lots.close(names)?,
            self.history.close(names)?,
            self.runs.close(names)?,
            csv,
            json,
        ];
        let mut sums = seal::publish(outputs.into_iter().chain(models))?;
        for name in REAL_FILES.into_iter().chain([PAIRED]) {
            checksums::add(&mut sums, &self.dir.join(name))?;
        }
        let record = RunRecord {
            format: RUNS_FORMAT.to_owned(),
            format_version: RUNS_VERSION,
            complete: finished == self.plan.replicates,
            finished_replicates: finished,
            plan: self.plan,
            details: details(),
        };
        let output = Output::patient(&self.dir, RUN_FILE, &self.patience)?;
        seal::write_record(output, &record, sums)?;
        Ok(summary)
    }
}

/// A table and the row group that is being gathered for it.
struct Table<T> {
    file: ParquetTable,
    rows: Vec<(RunKey, T)>,
}

/// What rows call allocators and workers by number.
#[derive(Clone, Copy)]
struct Names<'a> {
    allocators: &'a [String],
    workers: &'a [Arc<str>],
}

impl<T: RunTable> Table<T> {
    fn create(dir: &Path, name: &str, patience: &Patience) -> Result<Self, ResultsError> {
        let described = T::describe_all();
        let none = columns::write::<T>(&[], &[], &[]);
        Ok(Self {
            file: ParquetTable::patient(dir, name, &described, none, patience)?,
            rows: Vec::new(),
        })
    }

    fn extend(
        &mut self,
        names: Names<'_>,
        key: RunKey,
        rows: impl IntoIterator<Item = T>,
    ) -> Result<(), ResultsError> {
        for row in rows {
            self.rows.push((key, row));
            if self.rows.len() == GROUP_ROWS {
                self.flush(names)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, names: Names<'_>) -> Result<(), ResultsError> {
        if !self.rows.is_empty() {
            let Names {
                allocators,
                workers,
            } = names;
            self.file
                .append(columns::write(allocators, workers, &self.rows))?;
            self.rows.clear();
        }
        Ok(())
    }

    fn close(mut self, names: Names<'_>) -> Result<Output, ResultsError> {
        self.flush(names)?;
        self.file.close()
    }
}

/// Makes the folder, and refuses one with results of any kind or removes those.
fn prepare_all(dir: &Path, overwrite: bool) -> Result<(), ResultsError> {
    let files: Vec<&'static str> = RUNS_FILES.into_iter().chain(VALIDATION_FILES).collect();
    prepare(dir, &files, overwrite)?;
    let events = dir.join(EVENTS);
    let failed = |cause| ResultsError::io(Action::Read, &events, cause);
    let entries = match fs::read_dir(&events) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(failed(cause)),
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|end| end == "jsonl") {
            remove(dir, &path, EVENTS, overwrite)?;
        }
    }
    Ok(())
}
