//! Files that are replaced atomically, private folders, and what can be wrong with a file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::random::random;

/// The permissions of a file that only its owner may read, and of an ordinary one.
pub(crate) const PRIVATE: u32 = 0o600;
pub(crate) const ORDINARY: u32 = 0o666;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read or written.
    #[error("{path}: cannot {what}: {source}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// Its content is invalid.
    #[error("{path}: {why}", path = path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl FileError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            what,
            source,
        }
    }

    /// The system's error, if it is one.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Io { source, .. } => source,
            Self::Content { .. } => io::Error::other(self.to_string()),
        }
    }

    pub(crate) fn content(path: &Path, why: impl Into<String>) -> Self {
        Self::Content {
            path: path.to_owned(),
            why: why.into(),
        }
    }
}

/// Creates a folder that only its owner can read, unless it exists.
pub(crate) fn private_folder(folder: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(FileError::io("create the folder", folder))
}

/// Has a folder to this process alone until what this gives is dropped, and leaves no file in it;
/// none if another process has it. The system lets go of it however a process ends.
pub(crate) fn lock_folder(folder: &Path) -> Result<Option<File>, FileError> {
    let file = File::open(folder).map_err(FileError::io("open", folder))?;
    match file.try_lock() {
        // Some network file systems lock no folders: there, nothing is promised.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
    }
}

/// Reads a file; none if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::io("read", path)(error)),
    }
}

/// Replaces a file atomically: a crash leaves the old content or the new.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    replace_by(path, mode, |file| file.write_all(bytes))
}

/// The same with a content that is written as it goes.
pub(crate) fn replace_by(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), FileError> {
    let temporary = write_temporary(path, mode, write)?;
    let renamed = fs::rename(&temporary, path).map_err(FileError::io("replace", path));
    if renamed.is_err() {
        // The first error matters more than one about the file left behind.
        let _ = fs::remove_file(&temporary);
    }
    renamed?;
    sync_folder(path)
}

/// Creates a private file atomically; false if it exists already.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let temporary = write_temporary(path, PRIVATE, |file| file.write_all(bytes))?;
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    match linked {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::io("create", path)(error)),
    }
}

/// Refuses a secret that others on this machine can read.
pub(crate) fn insist_private(path: &Path) -> Result<(), FileError> {
    let metadata = fs::metadata(path).map_err(FileError::io("check", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let why = format!("others may read it (mode {mode:03o}): run `chmod 600` on it");
        return Err(FileError::content(path, why));
    }
    Ok(())
}

fn write_temporary(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<PathBuf, FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let random = random().map_err(FileError::io("write", path))?;
    name.push(format!(".{:016x}.new", u64::from_le_bytes(random)));
    let temporary = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(FileError::io("write", &temporary))?;
    let written = write(&mut file).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&temporary); // the first error matters more
    }
    written.map_err(FileError::io("write", &temporary))?;
    Ok(temporary)
}

/// Writes the folder's entries, among them the new name, to the disk.
fn sync_folder(path: &Path) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(FileError::io("sync the folder of", path))
}
