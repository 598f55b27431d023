//! The exit codes, and the line that says why.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::note;

/// The exit codes, for the help of a program.
pub const EXIT_CODES: &str = "\
Exit codes:
    0  done (answers may be \"infeasible\")
    2  the command line is wrong, or the output folder is taken: see standard error and --help
    3  some input was bad: fix what standard error names; the rest was processed
    4  a check of the program failed: a bug, please report it with the command line
    5  the job ended early: see the reason on standard error
  130  interrupted: finished work is kept";

/// The exit codes of all programs. Scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was answered; answers may be "infeasible".
    Done = 0,
    /// The command line has to change: an unknown flag, an output folder that is taken.
    Usage = 2,
    /// Some input was bad; the rest was processed.
    BadInput = 3,
    /// A check of the program itself failed: a bug.
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

/// Why a command stops early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The exit code.
    pub exit: Exit,
    /// For standard error; empty if there is nothing to say.
    pub message: String,
}

impl Stop {
    /// With this exit code and message.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }

    /// For `map_err`: the command line has to change.
    pub fn usage(error: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// For `map_err`: some input was bad.
    pub fn bad(error: impl fmt::Display) -> Self {
        Self::new(Exit::BadInput, error)
    }

    /// For `map_err`: some input was bad, in several ways, each on a line of its own.
    pub fn all_bad(errors: impl AsRef<[String]>) -> Self {
        Self::bad(errors.as_ref().join("\nerror: "))
    }

    /// For `map_err`: a check of the program itself failed.
    pub fn bug(error: impl fmt::Display) -> Self {
        Self::new(Exit::CheckFailed, error)
    }

    /// For `map_err`: the system failed on the way.
    pub fn failed(error: impl fmt::Display) -> Self {
        Self::new(Exit::Unfinished, error)
    }

    /// For `map_err`: standard output could not be written. A reader that leaves early is no error.
    #[expect(clippy::needless_pass_by_value, reason = "it is made for map_err")]
    pub fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            _ => Self::failed(format!("cannot write to standard output: {error}")),
        }
    }

    /// Says why on standard error.
    pub fn say(&self) {
        if !self.message.is_empty() {
            note!("error: {}", self.message);
        }
    }

    /// Says why on standard error, and ends with its exit code.
    pub fn report(self) -> ExitCode {
        self.say();
        self.exit.into()
    }
}
