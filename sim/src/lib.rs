//! Allocation in simulated time, and the `sim` command.
//!
//! Solve instances, generate them, compare the allocators over many seeded tests, merge the shards
//! of such a comparison, predict recorded runs, and simulate whole training runs: [`engine`] is
//! the order of events, and [`world`] drives the scheduling core with them.
//!
//! **What it deliberately does not know:** how a problem is solved (`solvers`), where it comes
//! from (`scenarios`), how tables are laid out (`results`), and anything of the real runner.

mod cli;
mod compare;
pub mod engine;
mod environment;
mod folder;
mod generate;
mod machine;
mod merge;
mod parallel;
mod plan;
mod published;
mod replay;
mod report;
mod risk;
mod run;
mod solve;
mod sweep;
mod terminal;
pub mod validate;
pub mod world;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use console::{Exit, Stop};

use cli::{Cli, Command};

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    let exit = match Cli::parse().command {
        Command::Solve(args) => solve::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Validate(args) => validate::command(&args),
        Command::Published(args) => published::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Run(args) => run::command(&args),
        Command::Sweep(args) => sweep::command(&args),
        Command::Plan(args) => plan::command(&args),
        Command::Report(args) => report::command(&args),
        Command::Compare(args) => compare::command(&args),
        Command::Risk(args) => risk::command(&args),
        Command::Scenarios(args) => run::scenarios(&args),
        Command::Completions(args) => console::completions(&args, Cli::command()),
        Command::Man(args) => console::man(&args, Cli::command()),
        Command::CbcServer => solvers::cbc::serve_stdio()
            .map(|()| Exit::Done)
            .map_err(Stop::output),
    };
    match exit {
        Ok(exit) => exit.into(),
        Err(stop) => stop.report(),
    }
}
