//! Allocation problems, one per line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scenarios::Instances;

fuzz_target!(|bytes: &[u8]| Instances::new(bytes).for_each(drop));
