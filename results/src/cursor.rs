//! A table of a validation, test by test: one row group at a time.

use std::path::Path;

use crate::error::ResultsError;
use crate::read::{Groups, Table};
use crate::test_keys;

/// How the rows of a row group are read.
pub(crate) type Decode<T> = fn(&Table<'_>) -> Result<T, ResultsError>;

/// One table of a validation: the row group at hand and how far it has been used.
pub(crate) struct Cursor<T> {
    groups: Groups,
    decode: Decode<T>,
    allocators: Vec<String>,
    pub(crate) group: T,
    family: String,
    first_test: u64,
    tests: usize,
    used: usize,
}

impl<T: Default> Cursor<T> {
    pub(crate) fn open(
        dir: &Path,
        name: &str,
        allocators: &[String],
        decode: Decode<T>,
    ) -> Result<Self, ResultsError> {
        Ok(Self {
            groups: Groups::open(&dir.join(name))?,
            decode,
            allocators: allocators.to_vec(),
            group: T::default(),
            family: String::new(),
            first_test: 0,
            tests: 0,
            used: 0,
        })
    }

    pub(crate) const fn is_used_up(&self) -> bool {
        self.used == self.tests
    }

    /// How many tests are at hand from the expected one on: at least one.
    pub(crate) fn at_hand(&mut self, (family, test): (&str, u64)) -> Result<usize, ResultsError> {
        if self.is_used_up() && !self.refill()? {
            return Err(self.damaged(format!("test {test} of {family} is missing")));
        }
        let found = self.first_test + self.used as u64;
        if (self.family.as_str(), found) != (family, test) {
            return Err(self.damaged(format!(
                "expected test {test} of {family}, found test {found} of {}",
                self.family
            )));
        }
        Ok(self.tests - self.used)
    }

    /// Goes on to a test, over those before it; gives how many of its row group those are.
    pub(crate) fn seek(&mut self, (family, test): (&str, u64)) -> Result<usize, ResultsError> {
        loop {
            let here = self.first_test..self.first_test + self.tests as u64;
            if self.family == family && here.contains(&test) {
                self.used = usize::try_from(test - here.start).expect("it is within the group");
                return Ok(self.used);
            }
            if !self.refill()? {
                return Err(self.damaged(format!("test {test} of {family} is missing")));
            }
        }
    }

    /// Takes up the next row group, if there is one.
    fn refill(&mut self) -> Result<bool, ResultsError> {
        let Some(table) = self.groups.next_group()? else {
            return Ok(false);
        };
        (self.family, self.first_test, self.tests) = test_keys::read(&table, &self.allocators)?;
        self.group = (self.decode)(&table)?;
        self.used = 0;
        Ok(true)
    }

    /// Uses up this number of tests and gives their places in the row group.
    pub(crate) fn take(&mut self, tests: usize) -> std::ops::Range<usize> {
        let start = self.used;
        self.used += tests;
        start..self.used
    }

    pub(crate) fn expect_end(&mut self) -> Result<(), ResultsError> {
        if self.is_used_up() && self.groups.next_group()?.is_none() {
            Ok(())
        } else {
            Err(self.damaged("expected no more tests than its shard has"))
        }
    }

    pub(crate) fn damaged(&self, message: impl std::fmt::Display) -> ResultsError {
        ResultsError::damaged(&self.groups.path, message)
    }
}
