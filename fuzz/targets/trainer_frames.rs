//! What a trainer, which may be anybody's program, writes on its pipe, and what it is asked.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| runtime::fuzzing::trainer_frames(bytes));
