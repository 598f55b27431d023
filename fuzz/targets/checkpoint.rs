//! What a run is resumed from.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("room");
    fs::write(folder.path().join("checkpoint.safetensors"), bytes).expect("room");
    runtime::fuzzing::checkpoint(folder.path());
});
