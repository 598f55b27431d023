//! The names of the files in folders of results, and how a folder is made ready for them.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::error::{Action, ResultsError};
use crate::report_file;

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

pub(crate) const RUNS: &str = "runs.parquet";
pub(crate) const WORKERS: &str = "workers.parquet";
pub(crate) const PLANS: &str = "plans.parquet";
pub(crate) const SHARES: &str = "shares.parquet";
pub(crate) const CYCLES: &str = "cycles.parquet";
pub(crate) const LOTS: &str = "lots.parquet";
pub(crate) const HISTORY: &str = "history.parquet";
/// How good a real run's model was.
pub(crate) const MODELS: &str = "models.parquet";
pub(crate) const JOB: &str = "job.json";
pub(crate) const SCENARIO: &str = "scenario.toml";
/// Arms of a simulation compared pair by pair.
pub(crate) const PAIRED: &str = "paired.csv";
pub(crate) const EVENTS: &str = "events";

/// The table of a sweep.
pub const SWEEP_FILE: &str = "sweep.csv";

/// What a sweep of real runs leaves instead.
pub(crate) const DUMP_FILE: &str = "dump.json";

/// The `format` in `run.json` says what kind of folder it is in; that of a validation has none.
pub(crate) const VALIDATION_VERSION: u64 = 2;
pub(crate) const RUNS_FORMAT: &str = "allot-runs";
pub(crate) const RUNS_VERSION: u64 = 3;
pub(crate) const SWEEP_FORMAT: &str = "allot-sweep";
pub(crate) const SWEEP_VERSION: u64 = 2;

/// The files of a validation.
pub const VALIDATION_FILES: [&str; 9] = [
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

/// What a real run writes beside its tables, before `run.json`.
pub(crate) const REAL_FILES: [&str; 5] = [
    "model.csv",
    "stats.csv",
    "workers.csv",
    "timing.csv",
    "plan.json",
];

/// The files of a folder of runs, `run.json` first; logs of events are in a folder of their own.
pub(crate) const RUNS_FILES: [&str; 14] = [
    RUN_FILE,
    RUNS,
    WORKERS,
    PLANS,
    SHARES,
    CYCLES,
    LOTS,
    HISTORY,
    MODELS,
    SUMMARY_CSV,
    SUMMARY_JSON,
    PAIRED,
    JOB,
    SCENARIO,
];

/// Makes the folder. Of these files, which begin with `run.json` so that the rest never looks
/// whole, it refuses those that are there, or removes them.
pub(crate) fn prepare(
    dir: &Path,
    files: &[&'static str],
    overwrite: bool,
) -> Result<(), ResultsError> {
    fs::create_dir_all(dir).map_err(|cause| ResultsError::io(Action::Create, dir, cause))?;
    for &file in files {
        remove(dir, &dir.join(file), file, overwrite)?;
    }
    // What it says is about to be wrong.
    report_file::forget(dir)
}

/// Removes a result, or refuses it.
pub(crate) fn remove(
    dir: &Path,
    path: &Path,
    file: &'static str,
    overwrite: bool,
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

/// JSON to be read, with a line end.
pub(crate) fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("keys are text and floats are finite");
    text.push(b'\n');
    text
}
