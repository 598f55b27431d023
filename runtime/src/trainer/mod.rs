//! Trainers in processes of their own, on both sides of the pipes between them and their parents.
//!
//! What trains maps libtorch, holds a GPU, and may be ended by the system for lack of memory. A worker
//! that is not yet admitted needs none of that, and survives all of it: it reports the end of its
//! trainer and goes on. An orchestrator judges models with the same program, in a process of the
//! least priority. A trainer of the model `linear` is this very program, which does not map libtorch;
//! the program `runtime-trainer` beside it trains the others.
//!
//! Any other program may train too, if it speaks the protocol of `docs/trainers.md`: frames over
//! standard input and output, a head in JSON, then plain bytes, so that parameters stay as they are on
//! the wire. Beats, and the decision to stop, come from
//! the training loop alone: another batch is begun only if it would end in time at the pace so far.
//!
//! - `process.rs`, `group.rs`: the parent's side. `serve.rs`: the child's. `frame.rs`: their messages.
//! - `command.rs`: a program of the user's own. `describe.rs`: what it says of its model.
//! - `check.rs`: whether a program keeps to the protocol.
//! - `pace.rs`: how the child keeps time. `practice.rs`: the data of its benchmark.
//!
//! **What it does not know:** the network, plans, and what trains: a program passes that in.

pub(crate) mod check;
mod command;
mod describe;
mod frame;
mod group;
pub(crate) mod pace;
pub(crate) mod practice;
mod process;
mod serve;
#[cfg(test)]
mod tests;

pub(crate) use command::TrainerCommand;
pub(crate) use describe::Described;
pub(crate) use frame::{Moment, Reply, Request, Task, Ticket, greeted, read as read_frame};
pub(crate) use process::{Launch, Priority, Process, TrainerEvent, give_way};
pub use serve::Make;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// For what is being done when its parent is gone.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Trains for the process at the other end of standard input and output, and ends with it.
pub fn main(make: Make) -> ExitCode {
    if io::stdin().is_terminal() || io::stdout().is_terminal() {
        console::note!(
            "error: a trainer is started by 'runtime', which it speaks to over pipes; 'runtime trainer \
             check -- COMMAND' tries one of your own"
        );
        return ExitCode::from(2);
    }
    // A batch ends soon; a GPU that hangs does not.
    let left = || {
        thread::sleep(END_WITHIN);
        std::process::exit(0);
    };
    let served = answers().and_then(|output| serve::serve(io::stdin(), output, make, left));
    match served {
        // Its parent is gone.
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            console::note!("error: a trainer cannot go on: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Standard output for answers alone: what a library prints goes to standard error from here on.
#[cfg(unix)]
fn answers() -> io::Result<std::fs::File> {
    let answers = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(answers.into())
}

#[cfg(not(unix))]
fn answers() -> io::Result<io::Stdout> {
    Ok(io::stdout())
}
