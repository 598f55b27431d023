//! How the command ends: exit codes, and one line that says why.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The job reached its end.
    Done = 0,
    /// The command line asks for something that is not there.
    Usage = 2,
    /// Some input was bad.
    BadInput = 3,
    /// The job ended without reaching its end.
    Unfinished = 5,
    /// Ctrl-C; finished work is kept.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the command stops early.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Stop {
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }

    /// For `map_err`: something given was bad.
    pub(crate) fn bad(error: impl fmt::Display) -> Self {
        Self::new(Exit::BadInput, error)
    }

    /// For `map_err`: the machine let us down.
    pub(crate) fn failed(error: impl fmt::Display) -> Self {
        Self::new(Exit::Unfinished, error)
    }

    /// Says why on standard error.
    pub(crate) fn report(self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("error: {}", self.message);
        }
        self.exit.into()
    }
}

/// Prints what a command has to say. Whoever reads it may leave early: that is no error, and takes
/// nothing from the exit code.
pub(crate) fn print(text: &str) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Stop::failed(format!(
            "cannot write to standard output: {error}"
        ))),
        Ok(()) | Err(_) => Ok(()),
    }
}
