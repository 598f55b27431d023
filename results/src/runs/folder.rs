//! Writes the folder: tables in row groups as rows come, everything else at the end.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use scheduler::Instant;
use scheduler::machine::{AssignmentRow, CycleRow, Record, ShareRow};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::frames::{self, Frame, Layout};
use super::rows::{PlanRecord, RunChunk, WorkerRow};
use super::summary::{RunsSummary, Tally};
use super::{Job, RunEnd, RunKey, RunsPlan};
use crate::error::{Action, ResultsError};
use crate::report;
use crate::table::{CsvTable, Output, ParquetTable};
use crate::validation::{FILES as VALIDATION_FILES, RUN_FILE, pretty};

pub(crate) const FORMAT: &str = "allot-runs";
pub(super) const VERSION: u64 = 2;

pub(crate) const RUNS: &str = "runs.parquet";
pub(crate) const WORKERS: &str = "workers.parquet";
pub(super) const PLANS: &str = "plans.parquet";
pub(super) const SHARES: &str = "shares.parquet";
pub(crate) const CYCLES: &str = "cycles.parquet";
pub(crate) const LOTS: &str = "lots.parquet";
const HISTORY: &str = "history.parquet";
pub(crate) const SUMMARY_CSV: &str = "summary.csv";
const SUMMARY_JSON: &str = "summary.json";
pub(super) const JOB: &str = "job.json";
pub(super) const SCENARIO: &str = "scenario.toml";
const EVENTS: &str = "events";

/// The files of a run folder, `run.json` first; the events are in a folder of their own.
const FILES: [&str; 12] = [
    RUN_FILE,
    RUNS,
    WORKERS,
    PLANS,
    SHARES,
    CYCLES,
    LOTS,
    HISTORY,
    SUMMARY_CSV,
    SUMMARY_JSON,
    JOB,
    SCENARIO,
];

/// Rows in a row group. Where one ends follows from the rows alone, so that the bytes of a table
/// do not depend on how they arrived.
const GROUP_ROWS: usize = 1 << 16;

/// A folder under way.
pub struct RunFolder {
    dir: PathBuf,
    plan: RunsPlan,
    runs: Table<RunEnd>,
    workers: Table<WorkerRow>,
    plans: Table<PlanRecord>,
    shares: Table<ShareRow>,
    cycles: Table<CycleRow>,
    lots: Table<AssignmentRow>,
    history: Table<(Instant, Record)>,
    tallies: Vec<Tally>,
    /// The job and the scenario, which are known from the beginning.
    known: Vec<Output>,
    /// The run whose rows must come next.
    next: RunKey,
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
        assert!(!plan.allocators.is_empty(), "runs have an allocator");
        prepare(dir, overwrite)?;
        let known = |name, content: &[u8]| {
            let mut output = Output::create(dir, name)?;
            output.write_all(content).map(|()| output)
        };
        Ok(Self {
            runs: Table::create(dir, RUNS, frames::runs)?,
            workers: Table::create(dir, WORKERS, frames::workers)?,
            plans: Table::create(dir, PLANS, frames::plans)?,
            shares: Table::create(dir, SHARES, frames::shares)?,
            cycles: Table::create(dir, CYCLES, frames::cycles)?,
            lots: Table::create(dir, LOTS, frames::lots)?,
            history: Table::create(dir, HISTORY, frames::history)?,
            tallies: vec![Tally::default(); plan.allocators.len()],
            known: vec![
                known(JOB, &pretty(job))?,
                known(SCENARIO, scenario.as_bytes())?,
            ],
            next: RunKey {
                replicate: 0,
                allocator: 0,
            },
            dir: dir.to_owned(),
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
        let names = &self.plan.allocators;
        self.plans.extend(names, key, chunk.plans)?;
        self.shares.extend(names, key, chunk.shares)?;
        self.cycles.extend(names, key, chunk.cycles)?;
        self.lots.extend(names, key, chunk.lots)?;
        self.history.extend(names, key, chunk.history)?;
        self.workers.extend(names, key, chunk.workers)?;
        if let Some(end) = chunk.end {
            self.tallies[key.allocator].add(&end);
            self.runs.extend(names, key, vec![end])?;
            self.next.allocator += 1;
            if self.next.allocator == names.len() {
                self.next = RunKey {
                    replicate: key.replicate + 1,
                    allocator: 0,
                };
            }
        }
        Ok(())
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
        let (names, finished) = (&self.plan.allocators, self.next.replicate);
        let mut csv = CsvTable::create(
            &self.dir,
            SUMMARY_CSV,
            &frames::summary(&summary.allocators),
        )?;
        csv.append(&frames::summary(&summary.allocators))?;
        let mut json = Output::create(&self.dir, SUMMARY_JSON)?;
        json.write_all(&pretty(&summary))?;
        let mut outputs = self.known;
        outputs.extend([
            self.workers.close(names)?,
            self.plans.close(names)?,
            self.shares.close(names)?,
            self.cycles.close(names)?,
            self.lots.close(names)?,
            self.history.close(names)?,
            self.runs.close(names)?,
            csv.close()?,
            json,
        ]);
        for output in outputs {
            output.publish()?;
        }
        let record = RunRecord {
            format: FORMAT.to_owned(),
            format_version: VERSION,
            complete: finished == self.plan.replicates,
            finished_replicates: finished,
            plan: self.plan,
            details: details(),
        };
        let mut output = Output::create(&self.dir, RUN_FILE)?;
        output.write_all(&pretty(&record))?;
        output.publish()?;
        Ok(summary)
    }
}

/// What `run.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RunRecord {
    pub(super) format: String,
    pub(super) format_version: u64,
    pub(super) complete: bool,
    pub(super) finished_replicates: u64,
    pub(super) plan: RunsPlan,
    #[serde(flatten)]
    pub(super) details: Map<String, Value>,
}

/// A table and the row group that is being gathered for it.
struct Table<T> {
    file: ParquetTable,
    layout: Layout<T>,
    rows: Vec<(RunKey, T)>,
}

impl<T> Table<T> {
    fn create(dir: &Path, name: &str, layout: Layout<T>) -> Result<Self, ResultsError> {
        let like: Frame = layout(&[], &[]);
        Ok(Self {
            file: ParquetTable::create(dir, name, &like)?,
            layout,
            rows: Vec::new(),
        })
    }

    fn extend(&mut self, names: &[String], key: RunKey, rows: Vec<T>) -> Result<(), ResultsError> {
        for row in rows {
            self.rows.push((key, row));
            if self.rows.len() == GROUP_ROWS {
                self.flush(names)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, names: &[String]) -> Result<(), ResultsError> {
        if !self.rows.is_empty() {
            self.file.append(&(self.layout)(names, &self.rows))?;
            self.rows.clear();
        }
        Ok(())
    }

    fn close(mut self, names: &[String]) -> Result<Output, ResultsError> {
        self.flush(names)?;
        self.file.close()
    }
}

/// Makes the folder, refuses one with results, or removes those: `run.json` first, so that the
/// rest never looks whole.
fn prepare(dir: &Path, overwrite: bool) -> Result<(), ResultsError> {
    fs::create_dir_all(dir).map_err(|cause| ResultsError::io(Action::Create, dir, cause))?;
    let files: BTreeSet<&'static str> = FILES.into_iter().chain(VALIDATION_FILES).collect();
    let run_file_first = [RUN_FILE].into_iter().chain(files);
    for file in run_file_first {
        remove(&dir.join(file), overwrite, dir, file)?;
    }
    let events = dir.join(EVENTS);
    let entries = match fs::read_dir(&events) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return report::forget(dir),
        Err(cause) => return Err(ResultsError::io(Action::Read, &events, cause)),
    };
    for entry in entries {
        let entry = entry.map_err(|cause| ResultsError::io(Action::Read, &events, cause))?;
        if entry.path().extension().is_some_and(|end| end == "jsonl") {
            remove(&entry.path(), overwrite, dir, EVENTS)?;
        }
    }
    // What it says is about to be wrong.
    report::forget(dir)
}

fn remove(
    path: &Path,
    overwrite: bool,
    dir: &Path,
    file: &'static str,
) -> Result<(), ResultsError> {
    match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(ResultsError::io(Action::Read, path, cause)),
        Ok(_) if overwrite => {
            fs::remove_file(path).map_err(|cause| ResultsError::io(Action::Remove, path, cause))
        }
        Ok(_) => Err(ResultsError::Occupied {
            dir: dir.to_owned(),
            file,
        }),
    }
}
