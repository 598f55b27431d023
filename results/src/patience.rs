//! What a writer does while the disk takes nothing.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Decides, and may wait for as long as it likes.
type Decide = dyn Fn(&Path, &io::Error) -> bool + Send + Sync;

/// Is asked whenever something cannot be written: whether to try again. Space may come back.
#[derive(Clone, Default)]
pub struct Patience(Option<Arc<Decide>>);

impl Patience {
    /// The first error is the last.
    pub const NONE: Self = Self(None);

    /// Asks this, with the file and what is wrong with it.
    pub fn new(decide: impl Fn(&Path, &io::Error) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(decide)))
    }

    /// Tries something until it succeeds, or this gives up.
    ///
    /// # Errors
    /// The last one.
    pub fn with<T>(
        &self,
        path: &Path,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match (attempt(), &self.0) {
                // Writers repeat that by themselves.
                (Err(error), _) if error.kind() == io::ErrorKind::Interrupted => {
                    return Err(error);
                }
                (Err(error), Some(decide)) if decide(path, &error) => {}
                (result, _) => return result,
            }
        }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = if self.0.is_some() { "some" } else { "none" };
        formatter.debug_tuple("Patience").field(&some).finish()
    }
}

/// A file that is written with patience.
#[derive(Debug)]
pub struct PatientFile {
    file: File,
    path: PathBuf,
    patience: Patience,
}

impl PatientFile {
    /// Writes to this file. When a write fails, [`Patience`] gets the path.
    pub fn new(file: File, path: &Path, patience: &Patience) -> Self {
        Self {
            file,
            path: path.to_owned(),
            patience: patience.clone(),
        }
    }

    /// Waits until everything is safely on disk.
    ///
    /// # Errors
    /// When the system refuses for good.
    pub fn sync(&self) -> io::Result<()> {
        self.patience.with(&self.path, || self.file.sync_all())
    }

    /// Another hand on the file.
    pub(crate) fn share(&self) -> io::Result<Self> {
        Ok(Self::new(
            self.file.try_clone()?,
            &self.path,
            &self.patience,
        ))
    }
}

impl Write for PatientFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self {
            file,
            path,
            patience,
        } = self;
        patience.with(path, || file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn it_is_asked_each_time_and_gives_up_when_it_says_so() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let patience = Patience::new(move |path, error| {
            assert_eq!(
                (path, error.kind()),
                (Path::new("x"), io::ErrorKind::StorageFull)
            );
            count.fetch_add(1, Ordering::Relaxed) < 3
        });
        let mut tries = 0;
        let third = patience.with(Path::new("x"), || {
            tries += 1;
            if tries < 3 { Err(full()) } else { Ok(tries) }
        });
        assert_eq!(third.expect("there is room"), 3);
        let never: io::Result<()> = patience.with(Path::new("x"), || Err(full()));
        assert_eq!(
            never.expect_err("no room").kind(),
            io::ErrorKind::StorageFull
        );
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        let at_once: io::Result<()> = Patience::NONE.with(Path::new("x"), || Err(full()));
        assert!(at_once.is_err());
    }
}
