//! What can go wrong with results on disk.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why results could not be written, read or merged. One line each, naming the file.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The folder holds results already.
    #[error(
        "{} already holds results ({file}): choose another folder, or ask to overwrite them",
        dir.display()
    )]
    Occupied {
        /// The folder.
        dir: PathBuf,
        /// One of the files found in it.
        file: &'static str,
    },
    /// A folder whose run did not get to its end.
    #[error(
        "{} has no run.json: its run did not end, or it is no folder of results",
        dir.display()
    )]
    Unfinished {
        /// The folder.
        dir: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {}: {cause}{}", path.display(), hint(cause))]
    Io {
        /// What was tried.
        action: Action,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file is not what this crate writes.
    #[error("{} does not read as results: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected.
        message: String,
    },
    /// The shards do not fit together.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

impl ResultsError {
    pub(crate) fn io(action: Action, path: &Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io {
            action,
            path,
            cause,
        }
    }

    pub(crate) fn damaged(path: &Path, message: impl fmt::Display) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            message: message.to_string(),
        }
    }
}

/// Why shards do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Nothing to merge.
    #[error("expected at least one folder to merge")]
    Nothing,
    /// A folder whose run did not get to its end.
    #[error(
        "{} has no run.json: its run did not end, or it is no folder of results",
        dir.display()
    )]
    Unfinished {
        /// The folder.
        dir: PathBuf,
    },
    /// A run that was interrupted.
    #[error(
        "{} is incomplete, {finished} of {planned} tests are finished: run this shard again",
        dir.display()
    )]
    Incomplete {
        /// The folder.
        dir: PathBuf,
        /// Tests in it.
        finished: u64,
        /// Tests that its shard has.
        planned: u64,
    },
    /// Two folders of different validations.
    #[error(
        "{} and {} differ in {what}: {first_value} and {second_value}",
        first.display(), second.display()
    )]
    Differs {
        /// What differs.
        what: &'static str,
        /// A folder.
        first: PathBuf,
        /// What it says.
        first_value: String,
        /// Another folder.
        second: PathBuf,
        /// What that says.
        second_value: String,
    },
    /// A shard twice.
    #[error("{} and {} both hold shard {shard}", first.display(), second.display())]
    Doubled {
        /// Which one.
        shard: String,
        /// A folder with it.
        first: PathBuf,
        /// Another folder with it.
        second: PathBuf,
    },
    /// A shard that no folder holds.
    #[error("shard {shard} is missing{}", others(*more))]
    Missing {
        /// The first one missing.
        shard: String,
        /// How many more are.
        more: u64,
    },
    /// The merged files would take the place of a shard's.
    #[error("{} is one of the shards: choose another folder for the merged files", dir.display())]
    OutputIsInput {
        /// The folder.
        dir: PathBuf,
    },
}

fn others(more: u64) -> String {
    match more {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}

/// What was tried with a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make it.
    Create,
    /// Write to it.
    Write,
    /// Open or read it.
    Read,
    /// Give it its final name.
    Rename,
    /// Take it away.
    Remove,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::Read => "read",
            Self::Rename => "rename",
            Self::Remove => "remove",
        })
    }
}

/// The next step to take, where the cause suggests one.
fn hint(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ", free some space or choose another folder"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ", choose a folder that you may write to"
        }
        _ => "",
    }
}
