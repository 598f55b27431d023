//! Images and labels: the first two bytes say how much of the rest is which.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use runtime::data::DataSource;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let at = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (images, labels) = rest.split_at(at);
    let folder = tempfile::tempdir().expect("room");
    for part in ["train", "t10k"] {
        let file = |kind: &str, rank| folder.path().join(format!("{part}-{kind}-idx{rank}-ubyte"));
        fs::write(file("images", 3), images).expect("room");
        fs::write(file("labels", 1), labels).expect("room");
    }
    let _ = DataSource::Folder(folder.path().to_owned()).load();
});
