//! Files that are there only once they are whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file on its way: `NAME.partial` until [`WholeFile::publish`], removed if that never comes.
///
/// Made before the work whose result it takes, so that what cannot be written is told at once.
/// `results` does the same for its tables, which polars writes.
#[derive(Debug)]
pub(crate) struct WholeFile {
    partial: PathBuf,
    path: PathBuf,
    file: File,
}

impl WholeFile {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        Ok(Self {
            file: File::create(&partial)?,
            partial,
            path: path.to_owned(),
        })
    }

    /// Writes the content and gives the file its name, once everything is safely on disk.
    pub(crate) fn publish(mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_all()?; // some file systems only notice here that the disk is full
        fs::rename(&self.partial, &self.path)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // After publishing there is none. A failure cannot be mended, and the name says it all.
        let _ = fs::remove_file(&self.partial);
    }
}
