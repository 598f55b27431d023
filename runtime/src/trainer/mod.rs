//! Trainers in processes of their own: both sides of the pipes to their parents.
//!
//! A trainer loads libtorch, uses a GPU, and may be killed when memory runs out. A worker that is
//! not yet admitted needs none of that, and survives all of it. An orchestrator evaluates models
//! with the same program.
//!
//! - `process.rs`: the parent's side. `serve.rs`: the child's. `frame.rs`: their messages.
//! - `pace.rs`: timing. `practice.rs`: batches for benchmarks.
//!
//! **What it does not know:** the network, plans, and how a model is trained: the program passes a
//! function for that.

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

/// Time for the current batch after the parent has ended.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Trains for the process at the other end of standard input and output, and ends with it.
pub fn main(make: Make) -> ExitCode {
    if io::stdin().is_terminal() || io::stdout().is_terminal() {
        console::note!(
            "error: a trainer is started by 'runtime', with which it communicates over pipes"
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
        // The parent has gone, and needs no message.
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            console::note!("error: a trainer cannot continue: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reserves standard output for answers: what a library prints goes to standard error instead.
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
