//! The child of a `CbcProcess` in tests and measurements.

#![expect(clippy::print_stderr, reason = "it prints what it finds")]

use std::process::ExitCode;

fn main() -> ExitCode {
    match solvers::cbc::serve_stdio() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
