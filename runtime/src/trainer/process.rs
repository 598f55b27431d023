//! The parent's side of a trainer: a process, requests, answers, and its end.
//!
//! Two threads serve it, one for each pipe, so that the caller never blocks on a pipe. The process
//! ends when this is dropped or the parent dies in any way, since its standard input ends then.
//!
//! **What it does not know:** what the requests are for.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use bytes::Bytes;

use super::frame::{self, Answer, Ask};
use crate::model::ModelKind;

/// The buffer size of a pipe in bytes: a larger model takes a few more writes.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;
/// The exit code of the dynamic loader if a library is missing, and of shells if a program is.
const NOT_LOADED: i32 = 127;

/// The lowest scheduling priority (nice value).
#[cfg(unix)]
const LEAST_URGENT: i32 = 19;

/// An event of a trainer.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An answer and its body.
    Answer(Answer, Vec<u8>),
    /// It ended unexpectedly. No event follows.
    Died(String),
    /// It is not a usable trainer, and starting it again would not help. No event follows.
    Unfit(String),
}

/// How a trainer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// The default priority.
    Usual,
    /// Only the processor time that others leave.
    Idle,
}

/// A running trainer.
#[derive(Debug)]
pub(crate) struct Process {
    asks: Sender<(Ask, Vec<Bytes>)>,
    left: Arc<AtomicBool>,
}

impl Process {
    /// Starts a process that can train this kind of model with this number of threads.
    ///
    /// # Errors
    /// If a program is missing or cannot be started; one line says which.
    pub(crate) fn start(
        kind: ModelKind,
        threads: usize,
        priority: Priority,
        hear: impl FnMut(Heard) + Send + 'static,
    ) -> Result<Self, String> {
        let (program, arguments) = program(kind)?;
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .env("OMP_NUM_THREADS", threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // Ctrl-C on a terminal must reach only the parent, which still needs the answers.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let cannot = |error: io::Error| format!("{} cannot be started: {error}", program.display());
        let mut child = command.spawn().map_err(cannot)?;
        if priority == Priority::Idle {
            make_idle(child.id());
        }
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(format!("{} has no pipes", program.display()));
        };
        widen(&input);
        widen(&output);
        let end = move |broken| end(child, &program, broken);
        Self::over(input, output, end, hear).map_err(|error| format!("a thread: {error}"))
    }

    /// Talks over pipes; `end` waits for the process at their other end, and reports how it ended.
    pub(super) fn over(
        mut to: impl io::Write + Send + 'static,
        mut from: impl Read + Send + 'static,
        end: impl FnOnce(Option<io::Error>) -> Heard + Send + 'static,
        mut hear: impl FnMut(Heard) + Send + 'static,
    ) -> io::Result<Self> {
        let (asks, asked) = channel::<(Ask, Vec<Bytes>)>();
        let left = Arc::new(AtomicBool::new(false));
        let is_left = Arc::clone(&left);
        let write = move || {
            for (ask, body) in asked {
                if frame::write(&mut to, &ask, &body).is_err() {
                    return; // it has ended, which the reading thread reports
                }
            }
        };
        let read = move || {
            let broken = loop {
                match frame::read::<Answer>(&mut from) {
                    Ok(Some((Answer::Begun { release }, _))) if release != frame::RELEASE => {
                        let own = frame::RELEASE;
                        let why = format!("it is of release {release}, expected {own}");
                        break Some(io::Error::other(why));
                    }
                    Ok(Some((answer, body))) => hear(Heard::Answer(answer, body)),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            drop(from); // so that a process that still writes ends
            let how = end(broken);
            if !is_left.load(Ordering::Relaxed) {
                hear(how);
            }
        };
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        named("asks").spawn(write)?;
        named("answers").spawn(read)?;
        Ok(Self { asks, left })
    }

    /// Sends a request without waiting. To a process that has ended it has no effect.
    pub(crate) fn ask(&self, ask: Ask, body: Vec<Bytes>) {
        let _ = self.asks.send((ask, body));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.left.store(true, Ordering::Relaxed);
        self.ask(Ask::Cancel { ticket: u64::MAX }, Vec::new());
    }
}

/// Fails with one line if a kind of model cannot be trained here, since a program is missing.
pub(crate) fn check(kind: ModelKind) -> Result<(), String> {
    program(kind).map(|_| ())
}

/// The program that trains a kind of model: with libtorch the one beside this program, else this
/// one, so that only a process that needs libtorch loads it.
fn program(kind: ModelKind) -> Result<(PathBuf, &'static [&'static str]), String> {
    let own = std::env::current_exe().map_err(|error| format!("this program's path: {error}"))?;
    match kind {
        ModelKind::Linear => Ok((own, &["trainer"])),
        ModelKind::Mlp => {
            let name = format!("runtime-trainer{}", std::env::consts::EXE_SUFFIX);
            let path = own.with_file_name(name);
            if path.is_file() {
                return Ok((path, &[]));
            }
            Err(format!(
                "there is no {}, which trains the model '{kind}': copy it from where this program \
                 was built ('cargo build --release --locked -p runtime' makes both), or use --model linear",
                path.display()
            ))
        }
    }
}

/// Waits for the end of the process, and reports it.
fn end(mut child: Child, program: &Path, broken: Option<io::Error>) -> Heard {
    let id = child.id();
    if let Some(error) = broken {
        // It does not speak this protocol, so it is of no use.
        let _ = child.kill();
        let _ = child.wait();
        let program = program.display();
        return Heard::Unfit(format!(
            "{program} does not answer as a trainer does ({error}): copy it from where this \
             program was built"
        ));
    }
    match child.wait() {
        Ok(status) => ended(program, id, status),
        Err(error) => Heard::Died(format!("its trainer, process {id}, is lost: {error}")),
    }
}

fn ended(program: &Path, id: u32, status: ExitStatus) -> Heard {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let hint = if signal == 9 {
            ", as a system does that is short of memory"
        } else {
            ""
        };
        let why = format!("its trainer, process {id}, was killed by signal {signal}{hint}");
        return Heard::Died(why);
    }
    match status.code() {
        Some(NOT_LOADED) => Heard::Unfit(format!(
            "{} cannot be loaded: libtorch is not where it was when that was built; run './allot \
             setup', or name the folder of libtorch_cpu.so in LD_LIBRARY_PATH",
            program.display()
        )),
        Some(code) => Heard::Died(format!(
            "its trainer, process {id}, ended by itself with code {code}"
        )),
        None => Heard::Died(format!("its trainer, process {id}, ended: {status}")),
    }
}

/// Gives the calling thread the lowest priority. If the system refuses, nothing changes.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, LEAST_URGENT); // of the thread, on Linux
}

/// Gives a process the lowest priority. If the system refuses, nothing changes.
fn make_idle(id: u32) {
    #[cfg(unix)]
    if let Some(id) = i32::try_from(id)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::setpriority_process(Some(id), LEAST_URGENT);
    }
    #[cfg(not(unix))]
    let _ = id;
}

/// Enlarges a pipe so that a model fits, which avoids needless wake-ups.
fn widen(pipe: &impl Pipe) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE); // a smaller one works too
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

#[cfg(unix)]
use std::os::fd::AsFd as Pipe;
#[cfg(not(unix))]
trait Pipe {}
#[cfg(not(unix))]
impl<T> Pipe for T {}
