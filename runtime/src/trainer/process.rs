//! A trainer as its parent sees it: a process, requests to it, its replies, and its end.
//!
//! Two threads serve it, one for each pipe, so that no caller waits for a pipe. It ends when this is
//! dropped or its parent dies, however that happens, since its standard input ends then.
//!
//! **What it does not know:** what requests are about.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use bytes::Bytes;

use super::frame::{self, Reply, Request};
use crate::model::ModelKind;

/// Bytes that a pipe should hold: a model that is larger takes a few turns more.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;
/// What the loader of programs exits with when a library is missing, and shells when a program is.
const NOT_LOADED: i32 = 127;

/// Of the system's priorities the one that takes what others leave.
#[cfg(unix)]
const LEAST_URGENT: i32 = 19;

/// What comes of a trainer.
#[derive(Debug)]
pub(crate) enum TrainerEvent {
    /// A reply and its body.
    Reply(Reply, Vec<u8>),
    /// It ended though it was still wanted: the last event.
    Died(String),
    /// There is no such trainer, and starting again would not help: the last event.
    Unfit(String),
}

/// How a trainer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// That of any process.
    Usual,
    /// In the time that others leave.
    Idle,
}

/// A trainer under way.
#[derive(Debug)]
pub(crate) struct Process {
    asks: Sender<(Request, Vec<Bytes>)>,
    left: Arc<AtomicBool>,
}

impl Process {
    /// Starts one that can train a kind of model with this number of threads.
    ///
    /// # Errors
    /// One line that says what is missing.
    pub(crate) fn start(
        kind: ModelKind,
        threads: usize,
        priority: Priority,
        hear: impl FnMut(TrainerEvent) + Send + 'static,
    ) -> Result<Self, String> {
        let (program, arguments) = program(kind)?;
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .env("OMP_NUM_THREADS", threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // Ctrl-C on a terminal is for its parent, which still wants its answers.
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

    /// Over pipes; `end` waits for the process at their other end, and says how it ended.
    pub(super) fn over(
        mut to: impl io::Write + Send + 'static,
        mut from: impl Read + Send + 'static,
        end: impl FnOnce(Option<io::Error>) -> TrainerEvent + Send + 'static,
        mut hear: impl FnMut(TrainerEvent) + Send + 'static,
    ) -> io::Result<Self> {
        let (asks, asked) = channel::<(Request, Vec<Bytes>)>();
        let left = Arc::new(AtomicBool::new(false));
        let is_left = Arc::clone(&left);
        let write = move || {
            for (ask, body) in asked {
                if frame::write(&mut to, &ask, &body).is_err() {
                    return; // it has ended, which the other thread notices
                }
            }
        };
        let read = move || {
            let broken = loop {
                match frame::read::<Reply>(&mut from) {
                    Ok(Some((Reply::Begun { release }, _))) if release != frame::RELEASE => {
                        let own = frame::RELEASE;
                        let why = format!("it is of release {release}, expected {own}");
                        break Some(io::Error::other(why));
                    }
                    Ok(Some((answer, body))) => hear(TrainerEvent::Reply(answer, body)),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            drop(from); // a process that still writes ends by it
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

    /// Sends a request, without waiting. A process that has ended ignores it, and its end was reported.
    pub(crate) fn send(&self, ask: Request, body: Vec<Bytes>) {
        let _ = self.asks.send((ask, body));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.left.store(true, Ordering::Relaxed);
        self.send(Request::Cancel { ticket: u64::MAX }, Vec::new());
    }
}

/// Fails with one line if a kind of model cannot be trained here, since a program is missing.
pub(crate) fn check(kind: ModelKind) -> Result<(), String> {
    program(kind).map(|_| ())
}

/// What trains a kind of model: with libtorch the program beside this one, else this one, so that
/// only what needs libtorch loads it.
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

/// Waits for the end, and says how it came.
fn end(mut child: Child, program: &Path, broken: Option<io::Error>) -> TrainerEvent {
    let id = child.id();
    if let Some(error) = broken {
        // It does not follow the protocol: nothing more is expected of it.
        let _ = child.kill();
        let _ = child.wait();
        let program = program.display();
        return TrainerEvent::Unfit(format!(
            "{program} does not answer as a trainer does ({error}): copy it from where this \
             program was built"
        ));
    }
    match child.wait() {
        Ok(status) => ended(program, id, status),
        Err(error) => TrainerEvent::Died(format!("its trainer, process {id}, is lost: {error}")),
    }
}

fn ended(program: &Path, id: u32, status: ExitStatus) -> TrainerEvent {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let hint = if signal == 9 {
            ", as a system does that is short of memory"
        } else {
            ""
        };
        let why = format!("its trainer, process {id}, was killed by signal {signal}{hint}");
        return TrainerEvent::Died(why);
    }
    match status.code() {
        Some(NOT_LOADED) => TrainerEvent::Unfit(format!(
            "{} cannot be loaded: libtorch is not where it was when that was built; run './allot \
             setup', or name the folder of libtorch_cpu.so in LD_LIBRARY_PATH",
            program.display()
        )),
        Some(code) => TrainerEvent::Died(format!(
            "its trainer, process {id}, ended by itself with code {code}"
        )),
        None => TrainerEvent::Died(format!("its trainer, process {id}, ended: {status}")),
    }
}

/// The calling thread takes what time others leave. If the system refuses, it runs as others do.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, LEAST_URGENT); // that of a thread, on Linux
}

/// A process takes what time others leave. If the system refuses, it runs as others do.
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

/// A model fits into the pipe, so that neither side wakes the other in vain.
fn widen(pipe: &impl Pipe) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE); // a smaller one does too
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

#[cfg(unix)]
use std::os::fd::AsFd as Pipe;
#[cfg(not(unix))]
trait Pipe {}
#[cfg(not(unix))]
impl<T> Pipe for T {}
