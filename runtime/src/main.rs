//! The `runtime` command. See the library's description.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::main()
}
