//! The rows of a run folder's table, run by run.

use std::collections::VecDeque;
use std::path::Path;

use super::plan::RunKey;
use crate::error::ResultsError;
use crate::files::RUN_FILE;
use crate::read::Groups;
use crate::schema::{Field, Row};

/// The rows of a table in order, one row group at a time.
pub(crate) struct Stream<'a, T> {
    groups: Groups,
    allocators: &'a [String],
    rows: VecDeque<(RunKey, T)>,
}

impl<'a, T: Row> Stream<'a, T> {
    /// Opens a table of a folder, whose runs are those of these allocators.
    pub(crate) fn open(
        dir: &Path,
        name: &str,
        allocators: &'a [String],
    ) -> Result<Self, ResultsError> {
        Ok(Self {
            groups: Groups::open(&dir.join(name))?,
            allocators,
            rows: VecDeque::new(),
        })
    }

    /// The next row, if it is of this run and is wanted.
    pub(crate) fn next_if(
        &mut self,
        key: RunKey,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, ResultsError> {
        while self.rows.is_empty() {
            let Some(table) = self.groups.next_group()? else {
                return Ok(None);
            };
            let keys = u64::read(&table, "replicate")?.into_iter();
            let keys = keys.zip(String::read(&table, "allocator")?);
            for ((replicate, name), row) in keys.zip(T::read(&table)?) {
                let known = self.allocators.iter().position(|known| *known == name);
                let Some(allocator) = known else {
                    return Err(table.damaged(format!("allocator {name} is not in {RUN_FILE}")));
                };
                let key = RunKey {
                    replicate,
                    allocator,
                };
                self.rows.push_back((key, row));
            }
        }
        match self.rows.front() {
            Some((of, row)) if *of == key && wanted(row) => {
                Ok(self.rows.pop_front().map(|(_, row)| row))
            }
            Some((of, _)) if *of < key => Err(self.damaged("expected the rows of a run together")),
            _ => Ok(None),
        }
    }

    pub(crate) fn next_of(&mut self, key: RunKey) -> Result<Option<T>, ResultsError> {
        self.next_if(key, |_| true)
    }

    /// The one row of a run.
    pub(crate) fn one_of(&mut self, key: RunKey) -> Result<T, ResultsError> {
        self.next_of(key)?.ok_or_else(|| {
            let (replicate, name) = (key.replicate, &self.allocators[key.allocator]);
            self.damaged(format!(
                "expected a row for replicate {replicate} under {name}"
            ))
        })
    }

    pub(crate) fn all_of(&mut self, key: RunKey) -> Result<Vec<T>, ResultsError> {
        let mut rows = Vec::new();
        while let Some(row) = self.next_of(key)? {
            rows.push(row);
        }
        Ok(rows)
    }

    pub(crate) fn damaged(&self, message: impl std::fmt::Display) -> ResultsError {
        ResultsError::damaged(&self.groups.path, message)
    }
}
