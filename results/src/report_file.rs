//! The page of a folder as a file: how it is known, and that it goes with the results it is about.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Action, ResultsError};

/// The page.
pub const REPORT_FILE: &str = "report.html";

/// How a report is known to be one: what has it may be overwritten.
pub(crate) const MARK: &str = "<meta name=\"generator\" content=\"allot report\"/>";

/// Takes away the report of results that are about to be written over.
pub(crate) fn forget(dir: &Path) -> Result<(), ResultsError> {
    let path = dir.join(REPORT_FILE);
    if path.is_file() && !is_foreign(&path)? {
        remove(&path)?;
    }
    Ok(())
}

/// Whether something is there that is no report.
pub(crate) fn is_foreign(path: &Path) -> Result<bool, ResultsError> {
    let failed = |cause| ResultsError::io(Action::Read, path, cause);
    match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(failed(cause)),
        Ok(found) if !found.is_file() => Ok(true),
        Ok(_) => {
            let text = fs::read(path).map_err(failed)?;
            let head = String::from_utf8_lossy(&text[..text.len().min(4_096)]).into_owned();
            Ok(!head.contains(MARK))
        }
    }
}

pub(crate) fn remove(path: &Path) -> Result<(), ResultsError> {
    fs::remove_file(path).map_err(|cause| ResultsError::io(Action::Remove, path, cause))
}
