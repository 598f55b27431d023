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

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Action, ResultsError};
use crate::files::pretty;
use crate::table::Output;

/// The checksums of all files, by name, in `run.json`; and its own.
const ALL: &str = "checksums";
const OWN: &str = "checksum";

/// By name of the file.
pub(crate) type Checksums = BTreeMap<String, String>;

/// Gives files their names, and their checksums.
pub(crate) fn publish(
    outputs: impl IntoIterator<Item = Output>,
) -> Result<Checksums, ResultsError> {
    let mut sums = Checksums::new();
    for output in outputs {
        add(&mut sums, &output.publish()?)?;
    }
    Ok(sums)
}

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

/// Writes a `run.json` with the checksums of the other files, and its own.
pub(crate) fn write_record(
    mut output: Output,
    record: &impl Serialize,
    sums: Checksums,
) -> Result<(), ResultsError> {
    /// A record with more keys.
    #[derive(Serialize)]
    struct Sealed<'a, R> {
        #[serde(flatten)]
        record: &'a R,
        checksums: Checksums,
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
    }

    let mut sealed = Sealed {
        record,
        checksums: sums,
        checksum: None,
    };
    // As a reader sees it.
    let value = serde_json::from_slice(&pretty(&sealed)).expect("it was written just now");
    sealed.checksum = Some(of_value(&value));
    output.write_all(&pretty(&sealed))?;
    output.publish().map(drop)
}

/// Checks what a `run.json` says against its own checksum, and takes that out.
pub(crate) fn check_record(path: &Path, value: &mut Value) -> Result<(), ResultsError> {
    let own = value.as_object_mut().and_then(|keys| keys.remove(OWN));
    match own {
        Some(Value::String(own)) if own != of_value(value) => Err(differs(path)),
        Some(_) | None => Ok(()),
    }
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

fn of_value(value: &Value) -> String {
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
