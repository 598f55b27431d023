//! Results on standard output.

use std::io::{self, IsTerminal, Write};

use crate::exit::Stop;

/// Whether headings are in bold: on a terminal whose user has nothing against it.
pub(crate) fn is_bold() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Prints what a command has to say at its end. Whoever reads it may leave early: that is no
/// error, and takes nothing from the exit code.
pub(crate) fn print(text: &str) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Stop::output(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
