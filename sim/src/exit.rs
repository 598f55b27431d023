//! How the command ends: exit codes, and one line that says why.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was answered.
    Done = 0,
    /// The command line asks for something that is not there.
    Usage = 2,
    /// Some input was bad; the rest was processed.
    BadInput = 3,
    /// A check of ours failed: a bug.
    CheckFailed = 4,
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
    exit: Exit,
    message: String,
}

impl Stop {
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }

    /// Standard output could not be written. Whoever reads it may leave early: that is no error.
    #[expect(clippy::needless_pass_by_value, reason = "it is made for map_err")]
    pub(crate) fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::new(Exit::Done, "")
        } else {
            let message = format!("cannot write to standard output: {error}");
            Self::new(Exit::Unfinished, message)
        }
    }

    /// Says why on standard error.
    pub(crate) fn report(self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("error: {}", self.message);
        }
        self.exit.into()
    }
}
