//! Small private files that are whole or not there.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::NetError;

/// Makes a folder that only its owner can look into, unless it is there.
pub(super) fn private_folder(folder: &Path) -> Result<(), NetError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(NetError::file("make the folder", folder))
}

/// Replaces a file by `bytes` in one step: a crash leaves the old one or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), NetError> {
    let aside = write_aside(path, bytes)?;
    let renamed = fs::rename(&aside, path).map_err(NetError::file("replace", path));
    if renamed.is_err() {
        // The error that is returned says more than one about a leftover would.
        let _ = fs::remove_file(&aside);
    }
    renamed?;
    sync_folder(path)
}

/// Makes a file that is not there yet, in one step; false if it is there already.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<bool, NetError> {
    let aside = write_aside(path, bytes)?;
    let linked = fs::hard_link(&aside, path);
    let _ = fs::remove_file(&aside);
    match linked {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(NetError::file("make", path)(error)),
    }
}

/// Refuses a secret that others on this machine can read.
pub(super) fn insist_private(path: &Path) -> Result<(), NetError> {
    let metadata = fs::metadata(path).map_err(NetError::file("look at", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let why = format!("others may read it (mode {mode:03o}): run `chmod 600` on it");
        return Err(NetError::content(path, why));
    }
    Ok(())
}

fn write_aside(path: &Path, bytes: &[u8]) -> Result<PathBuf, NetError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let tag = u64::from_le_bytes(super::token::random()?);
    name.push(format!(".{tag:016x}.new"));
    let aside = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)
        .map_err(NetError::file("write", &aside))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(NetError::file("write", &aside))?;
    Ok(aside)
}

/// Makes the new name itself last.
fn sync_folder(path: &Path) -> Result<(), NetError> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(NetError::file("make last", path))
}
