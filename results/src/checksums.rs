//! Checksums of the files of a folder, which its `run.json` keeps beside its own.
//!
//! Files are claims: one bit can give another table without an error, a panic, or a demand for more memory
//! than there is. So their checksums are looked at before anything parses them. What a folder's `run.json`
//! says nothing of is not looked at.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Action, ResultsError};

/// The checksums of all files, by name, in `run.json`; and its own.
const ALL: &str = "checksums";
const OWN: &str = "checksum";

/// By name of the file.
pub(crate) type Checksums = BTreeMap<String, String>;

/// The checksum of one more file, if it is there.
pub(crate) fn add(sums: &mut Checksums, path: &Path) -> Result<(), ResultsError> {
    let failed = |cause| ResultsError::io(Action::Read, path, cause);
    match File::open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        file => {
            let sum = file.and_then(|file| of_file(&file)).map_err(failed)?;
            sums.insert(name(path), sum);
        }
    }
    Ok(())
}

/// Checks what a `run.json` says against its own checksum, and takes that out.
pub(crate) fn check_record(path: &Path, value: &mut Value) -> Result<(), ResultsError> {
    let own = value.as_object_mut().and_then(|keys| keys.remove(OWN));
    match own {
        Some(Value::String(own)) if own != of_value(value) => Err(differs(path)),
        Some(_) | None => Ok(()),
    }
}

/// The files whose checksums a `run.json` has.
pub(crate) fn names(record: &Value) -> impl Iterator<Item = &str> {
    let sums = record.get(ALL).and_then(Value::as_object);
    sums.into_iter().flatten().map(|(name, _)| name.as_str())
}

/// Checks a file against what the folder's `run.json` says of it.
pub(crate) fn check(record: &Value, path: &Path, file: &File) -> Result<(), ResultsError> {
    let Some(expected) = record.get(ALL).and_then(|sums| sums.get(name(path))) else {
        return Ok(());
    };
    let failed = |cause| ResultsError::io(Action::Read, path, cause);
    let found = of_file(file).map_err(failed)?;
    io::Seek::rewind(&mut &*file).map_err(failed)?;
    if *expected == found {
        return Ok(());
    }
    Err(differs(path))
}

fn differs(path: &Path) -> ResultsError {
    let why = "its checksum differs, so it was damaged or changed after it was written: restore it, or \
               make the folder again";
    ResultsError::damaged(path, why)
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn of_file(mut file: &File) -> io::Result<String> {
    let (mut sum, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(in_words(sum)),
            Ok(read) => sum.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Of a value as its text.
pub(crate) fn of_value(value: &Value) -> String {
    let text = value.to_string();
    in_words(Sha256::new_with_prefix(text))
}

fn in_words(sum: Sha256) -> String {
    let mut words = String::new();
    for byte in sum.finalize() {
        let _ = write!(words, "{byte:02x}"); // a String takes all
    }
    words
}
