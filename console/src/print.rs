//! Output that survives a closed pipe and a full disk.

use std::fmt;
use std::io::{self, Write};

use crate::exit::Stop;

/// Writes to standard output, at once. A reader may leave early: that is no error, and changes no
/// exit code.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(text: &str) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Stop::output(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a line to standard error, as `eprintln!` does, but never panics.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => {
        $crate::write_note(format_args!($($text)*))
    };
}

/// What [`note!`](crate::note!) stands for.
pub fn write_note(line: fmt::Arguments<'_>) {
    // In one piece, so that lines of several threads do not mix. There is nobody to tell of a
    // standard error that cannot be written.
    let _ = io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}
