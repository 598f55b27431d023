//! What an orchestrator and a worker say to each other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime::model::ModelKind;
use runtime::protocol::{Down, Order, Report, Up};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(order) = postcard::from_bytes::<Order>(bytes) {
        let _ = order.check();
    }
    if let Ok(Report::Hello(hello)) = postcard::from_bytes::<Report>(bytes) {
        let _ = hello.check(ModelKind::Linear);
    }
    let _ = postcard::from_bytes::<Down>(bytes);
    let _ = postcard::from_bytes::<Up>(bytes);
});
