//! CBC in a process of its own.

use std::ffi::OsString;
use std::io::{self, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use scheduler::{FailureReason, Outcome, Problem};

use super::library::decided;
use super::wire::{Request, read_frame, write_frame};
use super::{CbcOptions, DEFAULT_NODE_LIMIT, failed};
use crate::{Allocator, Measured, verified, without_terms};

/// The children in a row that may die without an answer; then no more are started.
const MAX_DEATHS_IN_A_ROW: u32 = 5;

/// The least that a pipe holds, where the system does not tell.
const PIPE_HOLDS: usize = 4096;

/// The allocator `cbc`, in a child process: libcbc is not thread-safe, so threads that are to
/// solve at the same time have one of these each.
///
/// The child runs a given program, which must call [`serve`](super::serve()). It is started by
/// the first problem that needs it. If it dies, the present problem is answered with a failure
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

    /// Sends as many of the problems as surely fit into a pipe, and takes the answers. Says how
    /// many came.
    fn ask_together(
        &mut self,
        problems: &[Problem],
        open: &[usize],
        answers: &mut [Option<Measured>],
    ) -> usize {
        let (options, node_limit) = (self.options, self.node_limit);
        // This much can be written while the child does not read: then neither side can wait for the other to
        // read while the other waits for it.
        let Ok(pipe_holds) = self.connect().map(|connection| connection.pipe_holds) else {
            return 0;
        };
        let mut frames = Vec::with_capacity(pipe_holds);
        let (mut sent, mut sendable) = (0, 0);
        for &i in open {
            let request = Request::new(&problems[i], options, node_limit);
            let written = write_frame(&mut frames, &mut self.buffer, &request);
            if written.is_err() || frames.len() > pipe_holds {
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
                let Ok(Some(reply)) = read_frame::<Measured>(&mut connection.replies, &mut buffer)
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
            let _ = self.end_after(&io::Error::other("it gave too few answers"));
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
    fn ask(&mut self, problem: &Problem) -> Result<Measured, String> {
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
                Err(self.end_after(&error))
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
        Ok(self.connection.insert(connection))
    }

    /// Ends the child after an error, and says what became of it.
    fn end_after(&mut self, error: &io::Error) -> String {
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

    /// Problems travel together, and so do answers: a fraction of the way there and back.
    fn measure_all(&mut self, problems: &[Problem]) -> Vec<Measured> {
        let mut answers: Vec<Option<Measured>> = problems.iter().map(settled).collect();
        let open: Vec<usize> = (0..problems.len())
            .filter(|&i| answers[i].is_none())
            .collect();
        let mut open = open.as_slice();
        while !open.is_empty() {
            let answered = self.ask_together(problems, open, &mut answers);
            open = &open[answered..];
            if let Some((&first, rest)) = open.split_first() {
                // Not all came together, or the child died: the problem that caused it shows when it is sent alone.
                if answered == 0 {
                    answers[first] = Some(self.ask_alone(&problems[first]));
                    open = rest;
                }
            }
        }
        answers.into_iter().flatten().collect()
    }
}

impl Drop for CbcProcess {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // It holds nothing worth saving, and no caller is left to report an error to.
            let _ = connection.end();
        }
    }
}

/// The answers that need no child.
fn settled(problem: &Problem) -> Option<Measured> {
    let start = std::time::Instant::now();
    let outcome = if problem.terms().is_some() {
        without_terms("cbc")
    } else {
        verified(problem, decided(problem)?)
    };
    Some(Measured {
        outcome,
        wall: start.elapsed(),
        library_cpu: Duration::ZERO,
    })
}

/// The child's own figures, and its answer, verified on this side too.
fn taken(problem: &Problem, measured: Measured) -> Measured {
    Measured {
        outcome: verified(problem, measured.outcome),
        ..measured
    }
}

/// How many bytes a pipe holds; 0 where the system does not tell.
fn capacity(pipe: &ChildStdin) -> usize {
    #[cfg(target_os = "linux")]
    if let Ok(bytes) = nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_GETPIPE_SZ) {
        // The kernel counts pages, and a page that is begun takes no second write in full.
        return usize::try_from(bytes).unwrap_or(0) / 2;
    }
    let _ = pipe;
    0
}

/// A running child and its two pipes.
#[derive(Debug)]
struct Connection {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    /// Bytes that the pipe to the child takes without anybody reading.
    pipe_holds: usize,
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
                pipe_holds: capacity(&requests).max(PIPE_HOLDS),
                child,
                requests,
                replies: BufReader::with_capacity(1 << 16, replies),
            }),
            _ => unreachable!("both were asked to be pipes"),
        }
    }

    fn exchange(&mut self, request: &Request, buffer: &mut Vec<u8>) -> io::Result<Measured> {
        write_frame(&mut self.requests, buffer, request)?;
        read_frame(&mut self.replies, buffer)?
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "it gave no answer"))
    }

    /// Kills the child and waits for it, so that nothing of it is left behind. Killing fails
    /// if it has ended already, which is fine.
    fn end(mut self) -> io::Result<ExitStatus> {
        let _ = self.child.kill();
        self.child.wait()
    }
}
