//! A run folder read back: what it says of itself.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::columns::RunRow;
use super::figures::RunFigures;
use super::plan::{Job, RunKey, RunsPlan};
use super::record::RunRecord;
use super::stream::Stream;
use crate::error::ResultsError;
use crate::files::{JOB, RUNS, RUNS_VERSION, SCENARIO};
use crate::run_file::{Kind, RunFile};

/// A folder of runs.
pub struct RecordedFolder {
    pub(super) dir: PathBuf,
    pub(super) plan: RunsPlan,
    job: Job,
    finished: u64,
    details: Map<String, Value>,
}

impl RecordedFolder {
    /// Reads what the folder says of itself.
    ///
    /// # Errors
    /// When it is no folder of runs, is not whole, or is of another version.
    pub fn open(dir: &Path) -> Result<Self, ResultsError> {
        Self::of(dir, &RunFile::read(dir)?)
    }

    /// The same with a `run.json` that was read.
    pub(crate) fn of(dir: &Path, file: &RunFile) -> Result<Self, ResultsError> {
        if file.kind() != Some(Kind::Runs) {
            return Err(file.other_kind("a run, \"format\": \"allot-runs\""));
        }
        let record: RunRecord = file.record(RUNS_VERSION)?;
        if record.finished_replicates > record.plan.replicates || record.plan.allocators.is_empty()
        {
            return Err(file.damaged("expected no more runs than planned, and an allocator"));
        }
        let path = dir.join(JOB);
        let text = RunFile::read_checked(&path)?;
        let job: Result<Job, _> = serde_json::from_str(&text);
        let job = job.map_err(|error| ResultsError::damaged(&path, error))?;
        let checked = job.config.check();
        checked.map_err(|error| ResultsError::damaged(&path, format!("config: {error}")))?;
        Ok(Self {
            dir: dir.to_owned(),
            plan: record.plan,
            job,
            finished: record.finished_replicates,
            details: record.details,
        })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Which runs were planned.
    pub const fn plan(&self) -> &RunsPlan {
        &self.plan
    }

    /// What they have in common.
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// Replicates that are there, fewer than planned if it was interrupted.
    pub const fn finished(&self) -> u64 {
        self.finished
    }

    /// What else `run.json` says of how it was made.
    pub const fn details(&self) -> &Map<String, Value> {
        &self.details
    }

    /// The scenario with every value, as the folder has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn scenario(&self) -> Result<String, ResultsError> {
        let path = self.dir.join(SCENARIO);
        RunFile::read_checked(&path)
    }

    /// The figures of each run, by allocator and then by replicate, of at most this number of
    /// replicates.
    ///
    /// # Errors
    /// When the table cannot be read or misses a run.
    pub fn figures(&self, replicates: u64) -> Result<Vec<Vec<RunFigures>>, ResultsError> {
        let mut rows: Stream<'_, RunRow> = self.stream(RUNS)?;
        let mut all = vec![Vec::new(); self.plan.allocators.len()];
        for key in self.keys(replicates) {
            let row = rows.one_of(key)?;
            all[key.allocator].push(RunFigures::read(&row, self.job.config.cycles));
        }
        Ok(all)
    }

    /// The runs that are there, of at most this number of replicates, in order.
    pub(crate) fn keys(&self, replicates: u64) -> impl Iterator<Item = RunKey> + use<> {
        let allocators = self.plan.allocators.len();
        (0..replicates.min(self.finished)).flat_map(move |replicate| {
            (0..allocators).map(move |allocator| RunKey {
                replicate,
                allocator,
            })
        })
    }

    /// The rows of one of its tables.
    pub(crate) fn stream<T: crate::schema::Row>(
        &self,
        name: &str,
    ) -> Result<Stream<'_, T>, ResultsError> {
        Stream::open(&self.dir, name, &self.plan.allocators)
    }
}
