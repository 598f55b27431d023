//! The folder of a sweep: one table, and how it was made.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::ResultsError;
use crate::files::{RUN_FILE, SWEEP_FILE, SWEEP_FORMAT, SWEEP_VERSION, prepare};
use crate::seal;
use crate::table::Output;

/// A folder under way; nothing has its name before [`SweepFolder::finish`].
pub struct SweepFolder {
    table: Output,
    record: Output,
}

impl SweepFolder {
    /// Begins a folder, which is made if need be.
    ///
    /// # Errors
    /// When the folder holds results and `overwrite` is not asked for, or cannot be written.
    pub fn create(dir: &Path, overwrite: bool) -> Result<Self, ResultsError> {
        prepare(dir, &[RUN_FILE, SWEEP_FILE], overwrite)?;
        Ok(Self {
            table: Output::create(dir, SWEEP_FILE)?,
            record: Output::create(dir, RUN_FILE)?,
        })
    }

    /// Ends it. `keys` are those that are varied, `complete` says whether every row was worked
    /// out, and `details` how it was made.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(
        self,
        csv: &str,
        keys: &[&str],
        complete: bool,
        details: Map<String, Value>,
    ) -> Result<(), ResultsError> {
        let Self { mut table, record } = self;
        table.write_all(csv.as_bytes())?;
        let mut content = Map::new();
        content.insert("format".to_owned(), SWEEP_FORMAT.into());
        content.insert("format_version".to_owned(), SWEEP_VERSION.into());
        content.insert("complete".to_owned(), complete.into());
        content.insert("keys".to_owned(), keys.to_vec().into());
        content.extend(details);
        let sums = seal::publish([table])?;
        seal::write_record(record, &content, sums)
    }
}
