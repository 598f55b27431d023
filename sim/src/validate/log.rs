//! The plans that `--log` asks for, as JSON lines before the table.

use std::io::{self, Write};

use scheduler::Outcome;

use crate::cli::Log;

/// Adds the line of one answer, if it is asked for.
pub(super) fn add(
    text: &mut String,
    log: Log,
    family: &str,
    test: u64,
    allocator: &str,
    outcome: &Outcome,
) {
    let wanted = match log {
        Log::Summary => false,
        Log::Infeasible => outcome.planned().is_none(),
        Log::All => true,
    };
    if !wanted {
        return;
    }
    let context = results::plan_line::Context {
        id: &format!("\"{family}/{test}\""),
        allocator,
        names: &[],
        repairs: "",
    };
    let line = results::plan_line::write(context, outcome).expect("the id is a JSON string");
    text.push_str(&line);
    text.push('\n');
}

/// Prints the lines of one batch. Their reader may close the pipe early; the comparison goes on.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        console::note!("warning: cannot write to standard output: {error}");
    }
}
