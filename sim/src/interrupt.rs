//! Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::{Exit, Stop};

/// A flag that Ctrl-C sets; the second Ctrl-C ends the process at once. `what` is finished first.
pub(crate) fn stop_on_ctrl_c(what: &'static str) -> Result<Arc<AtomicBool>, Stop> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
        eprintln!("stopping after the {what} in hand; Ctrl-C again to stop at once");
    })
    .map_err(|error| {
        Stop::new(
            Exit::Unfinished,
            format!("cannot listen for Ctrl-C: {error}"),
        )
    })?;
    Ok(stop)
}
