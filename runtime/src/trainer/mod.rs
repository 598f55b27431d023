//! Trainers in processes of their own, on both sides of the pipes between them and their parents.
//!
//! What trains maps libtorch, holds a GPU, and may be ended by the system for want of memory. A
//! worker that is not yet admitted needs none of that, and outlives all of it; an orchestrator
//! judges models by the same program.
//!
//! - `process.rs`: the parent's side. `serve.rs`: the child's. `frame.rs`: what they say.
//! - `pace.rs`: how the child keeps time. `practice.rs`: what it measures itself on.
//!
//! **What it does not know:** the network, plans, and what trains: a program brings that.

mod frame;
pub(crate) mod pace;
mod practice;
mod process;
mod serve;

pub(crate) use frame::{Answer, Ask, Moment, Task, Ticket};
pub(crate) use process::{Heard, Priority, Process, check, give_way};
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
        console::note!("error: a trainer is started by 'runtime', which it speaks to over pipes");
        return ExitCode::from(2);
    }
    // A batch ends soon; a GPU that hangs does not.
    let left = || {
        thread::sleep(END_WITHIN);
        std::process::exit(0);
    };
    let served = answers().and_then(|output| serve::serve(io::stdin(), output, make, left));
    match served {
        // Nobody takes its answers: who asked is gone, and needs no word of it.
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
