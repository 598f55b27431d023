//! Results on standard output.

use std::io::{self, IsTerminal, Write};

use crate::exit::Stop;

/// Lines are so long where nobody says how wide the terminal is.
const USUAL_WIDTH: usize = 80;

/// How a page looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether headings are in bold.
    pub(crate) bold: bool,
    /// How many characters fit a line.
    pub(crate) width: usize,
}

impl Style {
    /// That of standard output.
    pub(crate) fn of_output() -> Self {
        let width = terminal_size::terminal_size_of(io::stdout());
        let width = width.map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0));
        Self {
            bold: is_bold(),
            width: width.clamp(60, 160),
        }
    }

    /// A heading, without the line break.
    pub(crate) fn heading(self, text: &str) -> String {
        if self.bold {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

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
