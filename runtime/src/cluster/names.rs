//! The names of a run's workers by number, in a file that grows as they come.
//!
//! The log of events has numbers alone, and a worker that came after the last checkpoint may be owed
//! something: a run that is resumed knows by this file who it was.
//!
//! **What it does not know:** keys, and who may join.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use scheduler::machine::WorkerId;

use crate::files::{self, FileError};

/// What it is called in the folder of a run: a name a line, as JSON.
const FILE: &str = "names.jsonl";

/// The names so far.
#[derive(Debug)]
pub(crate) struct Names {
    file: File,
    known: usize,
}

impl Names {
    /// Those of a folder; a last line without an end is none.
    pub(crate) fn read(folder: &Path) -> Vec<String> {
        let text = fs::read_to_string(folder.join(FILE)).unwrap_or_default();
        let lines = text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'));
        lines
            .map_while(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Begins with these.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn create(folder: &Path, names: &[String]) -> io::Result<Self> {
        let path = folder.join(FILE);
        let lines: Result<String, serde_json::Error> = names.iter().map(line).collect();
        files::replace(&path, lines?.as_bytes(), files::ORDINARY).map_err(FileError::into_io)?;
        Ok(Self {
            file: OpenOptions::new().append(true).open(&path)?,
            known: names.len(),
        })
    }

    /// Adds one. Numbers come in order, some of them again.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn add(&mut self, worker: WorkerId, name: &str) -> io::Result<()> {
        if worker.get() as usize == self.known {
            self.known += 1;
            self.file.write_all(line(name)?.as_bytes())?;
        }
        Ok(())
    }
}

fn line(name: impl AsRef<str>) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string(name.as_ref())? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_order_without_one_that_is_torn() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Names::read(folder.path()), Vec::<String>::new());
        let known = ["a".to_owned(), "b \"\n\u{7}".to_owned()];
        let mut names = Names::create(folder.path(), &known).expect("written");
        for (number, name) in [(1, "b"), (2, "c"), (0, "a"), (2, "c"), (3, "d")] {
            names.add(WorkerId::new(number), name).expect("written");
        }
        let all = Names::read(folder.path());
        assert_eq!(all, ["a", "b \"\n\u{7}", "c", "d"]);
        names.file.write_all(b"\"torn\"").expect("written");
        assert_eq!(Names::read(folder.path()), all);
        // A run that goes on begins with those.
        Names::create(folder.path(), &all).expect("written");
        assert_eq!(Names::read(folder.path()), all);
    }
}
