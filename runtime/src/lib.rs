//! The real runner: joins machines over QUIC, ships data, trains, averages.
//!
//! [`net`] is who may speak to whom, and how bytes travel; [`data`], [`model`], [`train`] and
//! [`average`] are what is learnt; [`protocol`] is what an orchestrator and a worker say to each
//! other; [`trainer`] is where training happens, in a process of its own, so that nothing here maps
//! libtorch. The `runtime` command puts them together around the scheduler's state machine, the same
//! that the simulator drives.
//!
//! **What it deliberately does not know:** how plans are found (`solvers`), what a scenario looks
//! like (`scenarios`), how tables are laid out (`results`), and anything of the simulator.

pub mod average;
mod cli;
mod clock;
mod cluster;
pub mod data;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod half;
mod interrupt;
pub mod model;
pub mod net;
mod orchestrator;
mod outer;
pub mod protocol;
mod random;
mod setting_args;
pub mod train;
pub mod trainer;
mod wire;
mod worker;

pub use files::FileError;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use console::{Exit, Stop};

use cli::{Cli, Command, TrainerTask};

/// For the last messages to be written where nobody reads them.
const MESSAGES_WITHIN: Duration = Duration::from_secs(1);

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    if let Command::Worker(args) = &command {
        worker::hide_token(args);
    }
    let exit = match command {
        Command::Cluster(args) => in_tokio(2, cluster::run(*args)),
        Command::Sweep(args) => in_tokio(2, cluster::sweep(*args)),
        Command::Worker(args) => in_tokio(1, worker::run(args)),
        Command::Token(args) => answer(net::cli::token(&args)),
        Command::Workers(args) => answer(net::cli::workers(&args)),
        Command::Completions(args) => console::completions(&args, Cli::command()),
        Command::Man(args) => console::man(&args, Cli::command()),
        Command::CbcServer => solvers::cbc::serve_stdio()
            .map(|()| Exit::Done)
            .map_err(Stop::failed),
        Command::Trainer(args) => match args.task {
            None => return trainer::main(Box::new(train::trainer)),
            Some(TrainerTask::Check(args)) => trainer::check::run(args),
        },
    };
    match exit {
        Ok(exit) => exit.into(),
        Err(stop) => stop.report(),
    }
}

/// Prints what a command about joining has to say.
fn answer(answer: Result<net::cli::CommandOutput, net::cli::CliError>) -> Result<Exit, Stop> {
    let answer = answer.map_err(Stop::bad)?;
    for note in answer.notes {
        console::note!("{note}");
    }
    console::print(&answer.out).map(|()| Exit::Done)
}

/// Runs a command to its end; what it left on other threads does not hold the process up.
fn in_tokio(
    threads: usize,
    command: impl Future<Output = Result<Exit, Stop>>,
) -> Result<Exit, Stop> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(Stop::failed)?;
    // No task may block when nobody reads the output.
    console::never_wait().map_err(Stop::failed)?;
    let exit = runtime.block_on(command).unwrap_or_else(|stop| {
        stop.say();
        stop.exit
    });
    // A signal still ends the process while this waits for the output to be read.
    let printed = console::finish(MESSAGES_WITHIN).map_err(Stop::output);
    runtime.shutdown_background();
    printed.map(|()| exit)
}
