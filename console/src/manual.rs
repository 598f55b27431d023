//! What a shell and `man` know of a program, made from its command line's own description.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::{Exit, Stop};
use crate::print::print;

/// The version, and in a package the commit that it was built from: its build sets `ALLOT_COMMIT`.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let version = env!("CARGO_PKG_VERSION");
        option_env!("ALLOT_COMMIT").map_or_else(
            || version.to_owned(),
            |commit| format!("{version} ({commit})"),
        )
    });
    &VERSION
}

/// Print completions for a shell.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Write manual pages.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder to write them to, such as ~/.local/share/man/man1
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints the completions of a program on standard output.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(args: &CompletionsArgs, mut command: Command) -> Result<Exit, Stop> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    print(&String::from_utf8_lossy(&script)).map(|()| Exit::Done)
}

/// Writes a manual page for a program, and one for each of its commands.
///
/// # Errors
/// When the folder cannot be made or written.
pub fn man(args: &ManArgs, command: Command) -> Result<Exit, Stop> {
    let folder = args.out.display();
    fs::create_dir_all(&args.out)
        .map_err(|error| Stop::usage(format!("cannot create {folder}: {error}")))?;
    clap_mangen::generate_to(command, &args.out)
        .map_err(|error| Stop::failed(format!("cannot write to {folder}: {error}")))?;
    print(&format!("manual pages: {folder}\n")).map(|()| Exit::Done)
}
