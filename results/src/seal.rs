//! What makes a folder whole: its files get their names, and `run.json` their checksums.

use serde::Serialize;

use crate::checksums::{self, Checksums};
use crate::error::ResultsError;
use crate::files::pretty;
use crate::table::Output;

/// Gives files their names, and their checksums.
pub(crate) fn publish(
    outputs: impl IntoIterator<Item = Output>,
) -> Result<Checksums, ResultsError> {
    let mut sums = Checksums::new();
    for output in outputs {
        checksums::add(&mut sums, &output.publish()?)?;
    }
    Ok(sums)
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
    sealed.checksum = Some(checksums::of_value(&value));
    output.write_all(&pretty(&sealed))?;
    output.publish().map(drop)
}
