//! CBC in a process of its own.

use std::ffi::OsString;
use std::io::{self, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use scheduler::{FailureReason, Outcome, Problem};

use super::wire::{Reply, Request, read_frame, write_frame};
use super::{CbcOptions, DEFAULT_NODE_LIMIT, decided, failed};
use crate::{Allocator, Measured, verified};

/// So many children in a row may die without one answer between them; then no more are started.
const MAX_DEATHS_IN_A_ROW: u32 = 5;

/// The least that a pipe holds. So much can be written while nobody reads: then neither side can
/// wait for the other to read while the other waits for it.
const PIPE_HOLDS: usize = 4096;

/// The allocator `cbc`, in a child process: libcbc is not thread-safe, so threads that are to
/// solve at the same time have one of these each.
///
/// The child runs a given program, which must call [`serve`](super::serve()). It is started by
/// the first problem that needs it. If it dies, the problem at hand is answered with a failure
/// and the next one gets a new child. It has a process group of its own, so that an interrupt
/// from the terminal reaches only the parent, which can then end in order; and it ends by itself
/// when the parent is gone.
#[derive(Debug)]
pub struct CbcProcess {
    program: PathBuf,
    args: Vec<OsString>,
    options: CbcOptions,
    node_limit: u32,
    connection: Option<Connection>,
    deaths_in_a_row: u32,
    pid: Arc<AtomicU32>,
    library_cpu: Duration,
    buffer: Vec<u8>,
}

impl CbcProcess {
    /// An allocator whose child runs `program` with `args`.
    pub fn new<A: Into<OsString>>(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            options: CbcOptions::default(),
            node_limit: DEFAULT_NODE_LIMIT,
            connection: None,
            deaths_in_a_row: 0,
            pid: Arc::default(),
            library_cpu: Duration::ZERO,
            buffer: Vec::new(),
        }
    }

    /// The same with other options.
    #[must_use]
    pub const fn with_options(mut self, options: CbcOptions) -> Self {
        self.options = options;
        self
    }

    /// The same with another limit on the nodes of one search.
    #[must_use]
    pub const fn with_node_limit(mut self, node_limit: u32) -> Self {
        self.node_limit = node_limit;
        self
    }

    /// The child's process id, while there is one.
    pub fn pid(&self) -> Option<u32> {
        self.connection.as_ref().map(|c| c.child.id())
    }

    /// A view of the child's process id that stays valid while the allocator works elsewhere,
    /// so that another thread can look up its memory. It reads 0 while there is no child.
    pub fn shared_pid(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.pid)
    }

    /// Answers many problems, in order, as [`Allocator::measure`] does one, at a fraction of the
    /// way there and back: problems travel together, and so do answers.
    pub fn measure_all(&mut self, problems: &[Problem]) -> Vec<Measured> {
        let mut answers: Vec<Option<Measured>> = problems.iter().map(settled).collect();
        let open: Vec<usize> = (0..problems.len())
            .filter(|&i| answers[i].is_none())
            .collect();
        let mut open = open.as_slice();
        while !open.is_empty() {
            let answered = self.ask_together(problems, open, &mut answers);
            open = &open[answered..];
            if let Some((&first, rest)) = open.split_first() {
                // Not all came together, or the child died: whose fault it is shows alone.
                if answered == 0 {
                    answers[first] = Some(self.ask_alone(&problems[first]));
                    open = rest;
                }
            }
        }
        answers.into_iter().flatten().collect()
    }

    /// Sends as many of the problems as surely fit into a pipe, and takes the answers. Says how
    /// many came.
    fn ask_together(
        &mut self,
        problems: &[Problem],
        open: &[usize],
        answers: &mut [Option<Measured>],
    ) -> usize {
        let (options, node_limit) = (self.options, self.node_limit);
        let mut frames = Vec::with_capacity(PIPE_HOLDS);
        let (mut sent, mut sendable) = (0, 0);
        for &i in open {
            let request = Request::new(&problems[i], options, node_limit);
            let written = write_frame(&mut frames, &mut self.buffer, &request);
            if written.is_err() || frames.len() > PIPE_HOLDS {
                break;
            }
            sent += 1;
            sendable = frames.len();
        }
        if sent < 2 {
            return 0;
        }
        frames.truncate(sendable);
        let Ok(connection) = self.connect() else {
            return 0;
        };
        let mut buffer = Vec::new();
        let mut answered = 0;
        if connection.requests.write_all(&frames).is_ok() {
            while answered < sent {
                let Ok(Some(reply)) = read_frame::<Reply>(&mut connection.replies, &mut buffer)
                else {
                    break;
                };
                let i = open[answered];
                answers[i] = Some(taken(&problems[i], reply));
                answered += 1;
            }
        }
        let came = &open[..answered];
        self.library_cpu += came
            .iter()
            .filter_map(|&i| answers[i].as_ref())
            .map(|measured| measured.library_cpu)
            .sum::<Duration>();
        if answered > 0 {
            self.deaths_in_a_row = 0;
        }
        if answered < sent {
            self.deaths_in_a_row += 1;
            let _ = self.bury(&io::Error::other("it gave too few answers"));
        }
        answered
    }

    /// Asks for one answer; a failure if none comes.
    fn ask_alone(&mut self, problem: &Problem) -> Measured {
        let start = std::time::Instant::now();
        match self.ask(problem) {
            Ok(reply) => {
                let measured = taken(problem, reply);
                self.library_cpu += measured.library_cpu;
                measured
            }
            Err(message) => Measured {
                outcome: failed(FailureReason::SolverError, message),
                wall: start.elapsed(),
                library_cpu: Duration::ZERO,
            },
        }
    }

    /// Sends the problem and waits for the answer; what went wrong, in words, if there is none.
    fn ask(&mut self, problem: &Problem) -> Result<Reply, String> {
        let request = Request::new(problem, self.options, self.node_limit);
        let mut buffer = std::mem::take(&mut self.buffer);
        let exchanged = self.connect()?.exchange(&request, &mut buffer);
        self.buffer = buffer;
        match exchanged {
            Ok(reply) => {
                self.deaths_in_a_row = 0;
                Ok(reply)
            }
            Err(error) => {
                self.deaths_in_a_row += 1;
                Err(self.bury(&error))
            }
        }
    }

    /// The connection to the child, which is started if there is none.
    fn connect(&mut self) -> Result<&mut Connection, String> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None if self.deaths_in_a_row >= MAX_DEATHS_IN_A_ROW => {
                return Err(format!(
                    "the cbc process died {MAX_DEATHS_IN_A_ROW} times in a row, \
                     no other is started"
                ));
            }
            None => match Connection::start(&self.program, &self.args) {
                Ok(connection) => connection,
                Err(error) => {
                    self.deaths_in_a_row += 1;
                    let program = self.program.display();
                    return Err(format!(
                        "the cbc process {program} cannot be started: {error}"
                    ));
                }
            },
        };
        self.pid.store(connection.child.id(), Ordering::Relaxed);
        Ok(self.connection.insert(connection))
    }

    /// Ends the child after an error, and says what became of it.
    fn bury(&mut self, error: &io::Error) -> String {
        self.pid.store(0, Ordering::Relaxed);
        let Some(connection) = self.connection.take() else {
            return error.to_string();
        };
        match connection.end() {
            Ok(status) => format!("the cbc process died on this problem: {error} ({status})"),
            Err(end) => format!("the cbc process failed: {error}; it cannot be ended: {end}"),
        }
    }
}

impl Allocator for CbcProcess {
    fn name(&self) -> &'static str {
        "cbc"
    }

    fn propose(&mut self, problem: &Problem) -> Outcome {
        self.measure(problem).outcome
    }

    fn library_cpu(&self) -> Duration {
        self.library_cpu
    }

    /// With the child's own figures: the way there and back is no part of the solve.
    fn measure(&mut self, problem: &Problem) -> Measured {
        settled(problem).unwrap_or_else(|| self.ask_alone(problem))
    }
}

impl Drop for CbcProcess {
    fn drop(&mut self) {
        self.pid.store(0, Ordering::Relaxed);
        if let Some(connection) = self.connection.take() {
            // It holds nothing worth saving, and nobody is left to hear of an error.
            let _ = connection.end();
        }
    }
}

/// The answers that need no child.
fn settled(problem: &Problem) -> Option<Measured> {
    let start = std::time::Instant::now();
    let outcome = verified(problem, decided(problem)?);
    Some(Measured {
        outcome,
        wall: start.elapsed(),
        library_cpu: Duration::ZERO,
    })
}

/// The child's own figures, and its answer, verified on this side too.
fn taken(problem: &Problem, reply: Reply) -> Measured {
    let measured = reply.into_core();
    Measured {
        outcome: verified(problem, measured.outcome),
        ..measured
    }
}

/// A running child and its two pipes.
#[derive(Debug)]
struct Connection {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Connection {
    fn start(program: &PathBuf, args: &[OsString]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(requests), Some(replies)) => Ok(Self {
                child,
                requests,
                replies: BufReader::with_capacity(1 << 16, replies),
            }),
            _ => unreachable!("both were asked to be pipes"),
        }
    }

    fn exchange(&mut self, request: &Request, buffer: &mut Vec<u8>) -> io::Result<Reply> {
        write_frame(&mut self.requests, buffer, request)?;
        read_frame(&mut self.replies, buffer)?
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "it gave no answer"))
    }

    /// Kills the child and waits for it, so that nothing of it is left behind. Killing fails
    /// if it is already gone, which is as well.
    fn end(mut self) -> io::Result<ExitStatus> {
        let _ = self.child.kill();
        self.child.wait()
    }
}
