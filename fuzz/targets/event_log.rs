//! The log of a run's events.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use results::event_log::EventReader;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("room");
    let path = folder.path().join("log.jsonl");
    fs::write(&path, bytes).expect("room");
    if let Ok(reader) = EventReader::open(&path) {
        reader.for_each(drop);
    }
});
