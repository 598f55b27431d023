//! What standard output may look like, and how the program was called.

use std::env;
use std::io::{self, IsTerminal};

/// Characters that fit a line of standard output, if that is a terminal.
pub fn width() -> Option<usize> {
    let size = terminal_size::terminal_size_of(io::stdout());
    size.map(|(width, _)| usize::from(width.0).max(20))
}

/// Whether headings on standard output are in bold: on a terminal, unless `NO_COLOR` is set.
pub fn is_bold() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none()
}

/// The program and its arguments. What is no text is shown with replacement characters.
pub fn command_line() -> Vec<String> {
    let arguments = env::args_os();
    arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect()
}
