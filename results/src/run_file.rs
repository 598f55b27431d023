//! `run.json`: what kind of results a folder holds, and what it says of itself.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::checksums;
use crate::error::{Action, ResultsError};
use crate::files::{DUMP_FILE, RUN_FILE, RUNS_FORMAT, SWEEP_FORMAT};

/// What kind of results a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of `sim validate` or `sim merge`.
    Validation,
    /// Of runs, simulated or real.
    Runs,
    /// Of a simulated sweep.
    Sweep,
    /// Of a sweep of real runs.
    RealSweep,
}

impl Kind {
    /// That of a folder.
    ///
    /// # Errors
    /// When it holds none of these, or cannot be read.
    pub fn of(dir: &Path) -> Result<Self, ResultsError> {
        match RunFile::read(dir) {
            Err(ResultsError::Unfinished { .. }) if dir.join(DUMP_FILE).is_file() => {
                Ok(Self::RealSweep)
            }
            file => {
                let file = file?;
                let expected = "a validation, of runs or of a sweep";
                file.kind().ok_or_else(|| file.other_kind(expected))
            }
        }
    }
}

/// The content of a `run.json`.
pub(crate) struct RunFile {
    path: PathBuf,
    pub(crate) value: Value,
}

impl RunFile {
    /// Reads that of a folder; without one, its run did not end.
    pub(crate) fn read(dir: &Path) -> Result<Self, ResultsError> {
        let path = dir.join(RUN_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(cause) if is_missing(&cause) => {
                let dir = dir.to_owned();
                return Err(ResultsError::Unfinished { dir });
            }
            Err(cause) => return Err(ResultsError::io(Action::Read, &path, cause)),
        };
        let value = serde_json::from_slice(&text);
        let mut value = value.map_err(|error| ResultsError::damaged(&path, error))?;
        checksums::check_record(&path, &mut value)?;
        Ok(Self { path, value })
    }

    /// Opens another file of a folder, if it is as `run.json` says.
    pub(crate) fn open_checked(path: &Path) -> Result<File, ResultsError> {
        let failed = |cause| ResultsError::io(Action::Read, path, cause);
        let file = File::open(path).map_err(failed)?;
        let dir = path.parent().unwrap_or(Path::new("."));
        checksums::check(&Self::read(dir)?.value, path, &file)?;
        Ok(file)
    }

    /// Checks that the files are there whose checksums it has.
    pub(crate) fn demand_files(&self) -> Result<(), ResultsError> {
        for name in checksums::names(&self.value) {
            let path = self.path.with_file_name(name);
            let found = fs::metadata(&path);
            found.map_err(|cause| ResultsError::io(Action::Read, &path, cause))?;
        }
        Ok(())
    }

    /// Reads a text of a folder, if it is as `run.json` says.
    pub(crate) fn read_checked(path: &Path) -> Result<String, ResultsError> {
        let text = io::read_to_string(Self::open_checked(path)?);
        text.map_err(|cause| ResultsError::io(Action::Read, path, cause))
    }

    /// What kind of folder it is of, if it is of any.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self.value.get("format").and_then(Value::as_str) {
            Some(RUNS_FORMAT) => Some(Kind::Runs),
            Some(SWEEP_FORMAT) => Some(Kind::Sweep),
            None if self.value.get("finished_tests").is_some() => Some(Kind::Validation),
            Some(_) | None => None,
        }
    }

    /// The record, if it is of this version.
    pub(crate) fn record<T: DeserializeOwned>(&self, version: u64) -> Result<T, ResultsError> {
        self.expect_version(version)?;
        T::deserialize(&self.value).map_err(|error| self.damaged(error))
    }

    /// Refuses the folder of another version.
    pub(crate) fn expect_version(&self, version: u64) -> Result<(), ResultsError> {
        let stated = self.value.get("format_version");
        if stated == Some(&version.into()) {
            return Ok(());
        }
        let stated = stated.map_or("none".to_owned(), ToString::to_string);
        Err(self.damaged(format!(
            "its format_version is {stated}, expected {version}: read it with the sim that wrote it"
        )))
    }

    pub(crate) fn other_kind(&self, expected: &str) -> ResultsError {
        self.damaged(format!("expected the folder of {expected}"))
    }

    pub(crate) fn damaged(&self, message: impl std::fmt::Display) -> ResultsError {
        ResultsError::damaged(&self.path, message)
    }
}

fn is_missing(cause: &io::Error) -> bool {
    let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    kinds.contains(&cause.kind())
}
