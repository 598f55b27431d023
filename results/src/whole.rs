//! Files that are there only once they are whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::patience::{Patience, PatientFile};

/// A file on its way: `NAME.partial` until [`WholeFile::publish`], removed if that never comes.
///
/// Made before the work whose result it takes, so that what cannot be written is reported at once.
#[derive(Debug)]
pub struct WholeFile {
    partial: PathBuf,
    path: PathBuf,
    file: PatientFile,
    patience: Patience,
    /// What is left of it is of use.
    keeps: bool,
    published: bool,
}

impl WholeFile {
    /// Makes the provisional file.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::patient(path, &Patience::NONE)
    }

    /// The same, written with patience.
    ///
    /// # Errors
    /// When the system refuses for good.
    pub fn patient(path: &Path, patience: &Patience) -> io::Result<Self> {
        let partial = Self::partial(path);
        let file = patience.with(path, || File::create(&partial))?;
        Ok(Self {
            file: PatientFile::new(file, path, patience),
            patience: patience.clone(),
            partial,
            path: path.to_owned(),
            keeps: false,
            published: false,
        })
    }

    /// Whatever happens, what was written stays: as `NAME.partial` if it is not whole.
    #[must_use]
    pub fn keeping(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Writes the content and gives the file its name.
    ///
    /// # Errors
    /// As [`WholeFile::finish`].
    pub fn publish(mut self, text: &str) -> io::Result<()> {
        self.write_all(text.as_bytes())?;
        self.finish()
    }

    /// Gives the file its name, once everything is safely on disk.
    ///
    /// # Errors
    /// When the system refuses; the provisional file is then removed.
    pub fn finish(mut self) -> io::Result<()> {
        self.sync()?;
        let Self {
            partial,
            path,
            patience,
            ..
        } = &self;
        patience.with(path, || fs::rename(partial, path))?;
        self.published = true;
        Ok(())
    }

    /// Some file systems only notice here that the disk is full.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    /// Another hand on the file.
    pub(crate) fn share(&self) -> io::Result<PatientFile> {
        self.file.share()
    }

    /// What it is called until it is whole.
    pub fn partial(path: &Path) -> PathBuf {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        PathBuf::from(partial)
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.published && !self.keeps {
            // Nothing can be done about a failure here, and the file's name shows that it is partial.
            let _ = fs::remove_file(&self.partial);
        }
    }
}
