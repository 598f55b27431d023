//! A trainer as its parent sees it: a process, requests to it, its replies, and its end.
//!
//! Two threads serve it, one for each pipe, so that no caller waits for a pipe. It ends when its parent
//! dies, however that happens, since its standard input ends then. When this is dropped it is also asked to
//! end by a signal, and killed if it does not: it may hang, or may have been stopped.
//!
//! **What it does not know:** what requests are about.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;

use super::command::{TrainerCommand, beside};
use super::frame::{self, Reply, Request};
use super::group::Group;
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

/// What is started.
#[derive(Clone, Debug)]
pub(crate) enum Launch {
    /// What trains this kind of model here.
    Own(ModelKind),
    /// A program of the user's own.
    Given(TrainerCommand),
}

/// A trainer under way.
#[derive(Debug)]
pub(crate) struct Process {
    asks: Sender<(Request, Vec<Bytes>)>,
    left: Arc<AtomicBool>,
    /// The process, which is not trusted to end; none over pipes alone.
    group: Option<Group>,
}

impl Process {
    /// Starts one with this number of threads.
    ///
    /// # Errors
    /// One line that says what is missing.
    pub(crate) fn start(
        launch: &Launch,
        threads: usize,
        priority: Priority,
        hear: impl FnMut(TrainerEvent) + Send + 'static,
    ) -> Result<Self, String> {
        let mut command = launch.command()?;
        command
            .env("OMP_NUM_THREADS", threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if matches!(launch, Launch::Given(_)) {
            command.stderr(Stdio::piped());
        }
        // Ctrl-C on a terminal is for its parent, which still wants its answers.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let cannot = |error: io::Error| match launch {
            Launch::Given(given) if error.kind() == io::ErrorKind::NotFound => given.missing(),
            Launch::Own(_) | Launch::Given(_) => format!("{launch} cannot be started: {error}"),
        };
        let mut child = command.spawn().map_err(cannot)?;
        if priority == Priority::Idle {
            make_idle(child.id());
        }
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(format!("{launch} has no pipes"));
        };
        widen(&input);
        widen(&output);
        let thread = |error| format!("a thread: {error}");
        let said = child.stderr.take().map(LastWords::follow).transpose();
        let said = said.map_err(thread)?;
        let group = Group::of(&child);
        let end = Ending {
            launch: launch.clone(),
            child,
            group: group.clone(),
            said,
        };
        let end = move |broken, was_ready| end.wait(broken, was_ready);
        let mut process = Self::over(input, output, end, hear).map_err(thread)?;
        process.group = Some(group);
        Ok(process)
    }

    /// Over pipes; `end` waits for the process at their other end, and says how it ended.
    pub(super) fn over(
        mut to: impl Write + Send + 'static,
        mut from: impl Read + Send + 'static,
        end: impl FnOnce(Option<io::Error>, bool) -> TrainerEvent + Send + 'static,
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
            let mut has_greeted = false;
            let mut was_ready = false;
            let broken = loop {
                match next(&mut from, &mut has_greeted) {
                    Ok(Some((Reply::Begun { protocol, .. }, _))) if protocol != frame::PROTOCOL => {
                        let own = frame::PROTOCOL;
                        let why = format!("it speaks protocol {protocol}, expected {own}");
                        break Some(io::Error::other(why));
                    }
                    Ok(Some((answer, body))) => {
                        was_ready |= matches!(answer, Reply::Ready { .. });
                        hear(TrainerEvent::Reply(answer, body));
                    }
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            drop(from); // a process that still writes ends by it
            let how = end(broken, was_ready);
            if !is_left.load(Ordering::Relaxed) {
                hear(how);
            }
        };
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        named("asks").spawn(write)?;
        named("answers").spawn(read)?;
        Ok(Self {
            asks,
            left,
            group: None,
        })
    }

    /// Its number, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.group.as_ref().and_then(Group::leader)
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
        if let Some(group) = self.group.take() {
            group.end();
        }
    }
}

/// The next reply; what is printed before the greeting goes to standard error.
fn next(from: &mut impl Read, has_greeted: &mut bool) -> io::Result<Option<(Reply, Vec<u8>)>> {
    if !*has_greeted {
        let Some(printed) = frame::greeted(from)? else {
            return Ok(None);
        };
        let _ = io::stderr().write_all(&printed);
        *has_greeted = true;
    }
    frame::read(from)
}

/// Fails with one line if a kind of model cannot be trained here, since a program is missing.
pub(crate) fn check(kind: ModelKind) -> Result<(), String> {
    program(kind).map(|_| ())
}

impl Launch {
    fn command(&self) -> Result<Command, String> {
        match self {
            Self::Own(kind) => {
                let (program, arguments) = program(*kind)?;
                let mut command = Command::new(program);
                command.args(arguments);
                Ok(command)
            }
            Self::Given(given) => {
                let mut command = Command::new(given.program());
                command.args(given.arguments());
                Ok(command)
            }
        }
    }
}

impl std::fmt::Display for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own(kind) => match program(*kind) {
                Ok((program, _)) => write!(f, "{}", program.display()),
                Err(_) => write!(f, "the trainer of {kind}"),
            },
            Self::Given(given) => write!(f, "'{given}'"),
        }
    }
}

/// What trains a kind of model: with libtorch the program beside this one, else this one, so that
/// only what needs libtorch loads it.
fn program(kind: ModelKind) -> Result<(PathBuf, &'static [&'static str]), String> {
    const NONE: &[&str] = &[];
    match kind {
        ModelKind::Linear => std::env::current_exe()
            .map(|own| (own, ["trainer"].as_slice()))
            .map_err(|error| format!("this program's path: {error}")),
        ModelKind::Mlp => beside(&format!("the model '{kind}'")).map(|path| (path, NONE)),
        ModelKind::Program => Err(
            "this job is trained by a program: name it with --trainer 'python my_model.py'".into(),
        ),
    }
}

/// What a program writes to standard error: passed on, and the last line of it kept.
#[derive(Debug)]
struct LastWords {
    reader: JoinHandle<()>,
    line: Arc<Mutex<String>>,
}

impl LastWords {
    /// The longest line that is repeated in a message.
    const MOST: usize = 300;

    fn follow(from: ChildStderr) -> io::Result<Self> {
        let line = Arc::new(Mutex::new(String::new()));
        let last = Arc::clone(&line);
        let read = move || {
            let mut from = BufReader::new(from);
            let mut bytes = Vec::new();
            // In pieces, so that a line without an end takes no memory.
            while let Ok(1..) = from.by_ref().take(1 << 16).read_until(b'\n', &mut bytes) {
                let _ = io::stderr().write_all(&bytes); // nobody may be listening
                let text = String::from_utf8_lossy(&bytes);
                let text = text.trim();
                if !text.is_empty() {
                    let plain = text.chars().filter(|c| !c.is_control()).take(Self::MOST);
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = plain.collect();
                }
                bytes.clear();
            }
        };
        let reader = thread::Builder::new()
            .name("errors".to_owned())
            .spawn(read)?;
        Ok(Self { reader, line })
    }

    /// The last line, once there will be no more; or so far, if a child of it still holds the pipe.
    fn line(self) -> String {
        let until = std::time::Instant::now() + std::time::Duration::from_millis(500);
        while !self.reader.is_finished() && std::time::Instant::now() < until {
            thread::sleep(std::time::Duration::from_millis(5));
        }
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.clone()
    }
}

/// Waits for the end of a process, and says how it came.
struct Ending {
    launch: Launch,
    child: Child,
    group: Group,
    said: Option<LastWords>,
}

impl Ending {
    fn wait(mut self, broken: Option<io::Error>, was_ready: bool) -> TrainerEvent {
        let id = self.child.id();
        if broken.is_some() {
            // It does not follow the protocol: nothing more is expected of it.
            let _ = self.child.kill();
        }
        self.group.has_ended(&self.child);
        let status = self.child.wait();
        let said = self.said.take().map(LastWords::line).unwrap_or_default();
        let launch = &self.launch;
        if let Some(error) = broken {
            let what = match launch {
                Launch::Own(_) => "copy it from where this program was built".to_owned(),
                Launch::Given(given) => format!("try 'runtime trainer check -- {given}'"),
            };
            let why = format!("{launch} does not answer as a trainer does ({error}): {what}");
            return TrainerEvent::Unfit(why);
        }
        match status {
            Ok(status) => ended(launch, id, status, &said, was_ready),
            Err(error) => {
                TrainerEvent::Died(format!("its trainer, process {id}, is lost: {error}"))
            }
        }
    }
}

fn ended(
    launch: &Launch,
    id: u32,
    status: ExitStatus,
    said: &str,
    was_ready: bool,
) -> TrainerEvent {
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    };
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let hint = if signal == 9 {
            ", as a system does that is short of memory"
        } else {
            ""
        };
        let why = format!("its trainer, process {id}, was killed by signal {signal}{hint}{said}");
        return TrainerEvent::Died(why);
    }
    match (status.code(), launch) {
        (Some(NOT_LOADED), Launch::Own(_)) => TrainerEvent::Unfit(format!(
            "{launch} cannot be loaded: libtorch is not where it was when that was built; run './allot \
             setup', or name the folder of libtorch_cpu.so in LD_LIBRARY_PATH"
        )),
        (Some(NOT_LOADED), Launch::Given(given)) => {
            TrainerEvent::Unfit(format!("{}{said}", given.missing()))
        }
        // It would end in the same way again.
        (Some(code), Launch::Given(given)) if !was_ready => TrainerEvent::Unfit(format!(
            "its trainer '{given}' ended with code {code} before it was ready{said}"
        )),
        (Some(code), _) => TrainerEvent::Died(format!(
            "its trainer, process {id}, ended by itself with code {code}{said}"
        )),
        (None, _) => TrainerEvent::Died(format!("its trainer, process {id}, ended: {status}")),
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
