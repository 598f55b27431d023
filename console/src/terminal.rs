//! What standard output may look like, and how the program was called.

use std::env;
use std::io::{self, IsTerminal};

/// Characters in a line where the terminal does not say how wide it is.
const USUAL_WIDTH: usize = 80;

/// Characters that fit a line of standard output.
pub fn width() -> usize {
    let width = terminal_size::terminal_size_of(io::stdout());
    let width = width.map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0));
    width.clamp(60, 160)
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
