//! Ctrl-C.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::{Exit, Stop};
use crate::note;

/// A flag that the first Ctrl-C sets; the second ends the process at once. `what` is finished
/// after the first: the text says so.
///
/// # Errors
/// When the system refuses.
pub fn stop_on_ctrl_c(what: &'static str) -> Result<Arc<AtomicBool>, Stop> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            process::exit(Exit::Interrupted as i32);
        }
        note!("stopping after the {what} under way; Ctrl-C again to stop at once");
    })
    .map_err(|error| Stop::failed(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(stop)
}
