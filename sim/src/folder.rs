//! Folders of results at the command line.

use console::{Exit, Stop};
use results::{Action, ResultsError};

/// The exit code for what went wrong with a folder of results.
pub(crate) fn stop(error: ResultsError) -> Stop {
    let exit = match &error {
        ResultsError::Occupied { .. } => Exit::Usage,
        ResultsError::Unfinished { .. } | ResultsError::Damaged { .. } | ResultsError::Merge(_) => {
            Exit::BadInput
        }
        ResultsError::Io { action, .. } => match action {
            Action::Create => Exit::Usage, // another folder would do
            Action::Read => Exit::BadInput,
            Action::Write | Action::Rename | Action::Remove => Exit::Unfinished,
        },
    };
    Stop::new(exit, error)
}
