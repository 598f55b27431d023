//! HiGHS and Gurobi behind the same model as CBC: in an interpreter of Python that runs a script.
//!
//! The script lies in this program; the solver is the user's own, installed by pip. Models and answers are
//! lines of JSON. As from CBC, only the set of employed workers is read from an answer, with the claimed
//! bound, and both are checked in integers.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use scheduler::{FailureReason, Outcome, Problem};
use serde::Deserialize;

use super::model::Model;
use super::{DEFAULT_NODE_LIMIT, MAX_CBC_WORKERS, concluded, failed};
use crate::{Allocator, trivial};

const SCRIPT: &str = include_str!("outside.py");

/// The processes in a row that may die without an answer; then no more are started.
const MAX_DEATHS_IN_A_ROW: u32 = 5;

/// A solver that is not part of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Solver {
    /// HiGHS, by highspy.
    Highs,
    /// Gurobi, by gurobipy.
    Gurobi,
}

impl Solver {
    const fn name(self) -> &'static str {
        match self {
            Self::Highs => "highs",
            Self::Gurobi => "gurobi",
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Self::Highs => "highspy",
            Self::Gurobi => "gurobipy",
        }
    }
}

/// The allocators `highs` and `gurobi`: a process each, started by the first problem that needs it. If it
/// dies, the present problem is answered with a failure, and the next one gets a new process.
#[derive(Debug)]
pub struct Outside {
    solver: Solver,
    python: PathBuf,
    script: String,
    process: Option<Process>,
    deaths_in_a_row: u32,
    /// Why there is no use in starting another.
    absent: Option<String>,
}

/// A running interpreter.
#[derive(Debug)]
struct Process {
    child: Child,
    models: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A line of the script's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    ready: bool,
    missing: Option<String>,
    too_large: Option<String>,
    error: Option<String>,
    proven: bool,
    solution: Option<Vec<f64>>,
    bound: Option<f64>,
    status: String,
}

impl Outside {
    /// The solver in an interpreter: `python3`, unless another is named.
    pub fn new(solver: Solver, python: Option<PathBuf>) -> Self {
        Self {
            solver,
            python: python.unwrap_or_else(|| PathBuf::from("python3")),
            script: SCRIPT.to_owned(),
            process: None,
            deaths_in_a_row: 0,
            absent: None,
        }
    }

    /// The process that answers, started if there is none.
    fn process(&mut self) -> Result<&mut Process, String> {
        if let Some(why) = &self.absent {
            return Err(why.clone());
        }
        let process = match self.process.take() {
            Some(process) => process,
            None => self.start()?,
        };
        Ok(self.process.insert(process))
    }

    fn start(&mut self) -> Result<Process, String> {
        let (name, package) = (self.solver.name(), self.solver.package());
        let python = self.python.display();
        if self.deaths_in_a_row >= MAX_DEATHS_IN_A_ROW {
            let why = format!(
                "{name} died {MAX_DEATHS_IN_A_ROW} times in a row, it is not started again"
            );
            return Err(self.absent.insert(why).clone());
        }
        let started = Process::start(&self.python, &self.script, name);
        let why = match started {
            Ok((process, Answer { ready: true, .. })) => return Ok(process),
            Ok((
                _,
                Answer {
                    missing: Some(_), ..
                },
            )) => format!(
                "{name} needs the Python package {package}, which {python} does not have: \
                 {python} -m pip install {package}, or name another Python in ALLOT_PYTHON"
            ),
            Ok((_, answer)) => format!(
                "{name} does not start: {}",
                answer.error.unwrap_or_else(|| "it ended".to_owned())
            ),
            Err(error) => format!(
                "{name} needs Python with {package}, but {python} cannot be run: {error}; name one in \
                 ALLOT_PYTHON"
            ),
        };
        Err(self.absent.insert(why).clone())
    }

    fn ask(&mut self, line: &str) -> Result<Answer, String> {
        let exchanged = self.process()?.exchange(line);
        match exchanged {
            Ok(answer) => {
                self.deaths_in_a_row = 0;
                Ok(answer)
            }
            Err(error) => {
                self.deaths_in_a_row += 1;
                self.process = None;
                Err(format!(
                    "the {} process died on this problem: {error}",
                    self.solver.name()
                ))
            }
        }
    }
}

impl Allocator for Outside {
    fn name(&self) -> &'static str {
        self.solver.name()
    }

    fn ready(&mut self) -> Result<(), String> {
        self.process().map(|_| ())
    }

    fn propose(&mut self, problem: &Problem) -> Outcome {
        let (name, workers) = (self.solver.name(), problem.workers().len());
        if workers > MAX_CBC_WORKERS {
            let message = format!(
                "there are {workers} workers, expected at most {MAX_CBC_WORKERS} for {name}"
            );
            return failed(FailureReason::TooLarge, message);
        }
        if let Some(outcome) = trivial::answer(problem) {
            return outcome;
        }
        let model = Model::new(problem);
        let answer = match self.ask(&model.state().to_json(DEFAULT_NODE_LIMIT)) {
            Ok(answer) => answer,
            Err(message) => return failed(FailureReason::SolverError, message),
        };
        if let Some(message) = answer.too_large {
            let message = format!("too large for the licence of {name}: {message}");
            return failed(FailureReason::TooLarge, message);
        }
        if let Some(message) = answer.error {
            return failed(FailureReason::SolverError, format!("{name}: {message}"));
        }
        let Some(solution) = answer.solution.filter(|it| model.has_columns(it.len())) else {
            let message = format!("{name} ended without a plan, with status {}", answer.status);
            return failed(FailureReason::NoPlanFound, message);
        };
        let claimed = answer.bound.unwrap_or(f64::NEG_INFINITY);
        concluded(problem, &model, &solution, answer.proven, claimed)
    }
}

impl Process {
    /// Starts an interpreter, and reads what it says first.
    fn start(python: &PathBuf, script: &str, solver: &str) -> io::Result<(Self, Answer)> {
        let mut command = Command::new(python);
        command
            .args(["-c", script, solver])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // An interrupt from the terminal reaches only this program, which then ends in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let (Some(models), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked to be pipes")
        };
        let answers = BufReader::new(answers);
        let mut process = Self {
            child,
            models,
            answers,
        };
        let first = process.read()?;
        Ok((process, first))
    }

    fn exchange(&mut self, line: &str) -> io::Result<Answer> {
        self.models.write_all(line.as_bytes())?;
        self.models.write_all(b"\n")?;
        self.models.flush()?;
        self.read()
    }

    fn read(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it gave no answer",
            ));
        }
        serde_json::from_str(&line).map_err(io::Error::other)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It holds nothing worth saving, and nothing of it is left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use scheduler::{Fee, Worker};

    use super::*;

    /// Three workers in the hard region, so that the solver is asked.
    fn problem(n: u64) -> Problem {
        let worker = |s_max, units: u64| Worker {
            s_max,
            fee: Fee::from_micros(units * 1_000_000).expect("small"),
        };
        Problem::new(
            n,
            5,
            0,
            vec![worker(5, 1), worker(8, 2), worker(8, 3), worker(11, 10)],
        )
        .expect("small")
    }

    /// A script in place of a solver's.
    fn outside(script: &str) -> Outside {
        Outside {
            script: script.to_owned(),
            ..Outside::new(Solver::Highs, None)
        }
    }

    /// Says that it is ready, then this for each model.
    fn saying(answer: &str) -> Outside {
        outside(&format!(
            "import sys\nprint('{{\"ready\":true}}', flush=True)\nfor line in sys.stdin: {answer}"
        ))
    }

    fn message(outcome: &Outcome) -> (&str, &str) {
        match outcome {
            Outcome::Failed(failure) => (failure.reason.name(), &failure.message),
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    #[test]
    fn an_answer_is_checked_in_integers() {
        // Columns are pairs of z and y, in the order of fees: the second and third worker, 8 and 6.
        let told =
            "print('{\"proven\":true,\"solution\":[0,0,1,3,1,1,0,0],\"bound\":34}', flush=True)";
        let outcome = saying(told).measure(&problem(14)).outcome;
        let planned = outcome.planned().expect("a plan");
        assert_eq!(planned.plan.batches, [0, 8, 6, 0]);
        // Too few to take all.
        let told =
            "print('{\"proven\":true,\"solution\":[1,0,0,0,0,0,0,0],\"bound\":1}', flush=True)";
        let outcome = saying(told).measure(&problem(14)).outcome;
        assert_eq!(message(&outcome).0, "unverified");
        let told = "print('{\"proven\":true,\"solution\":[1],\"bound\":1}', flush=True)";
        let outcome = saying(told).measure(&problem(14)).outcome;
        assert_eq!(message(&outcome).0, "no_plan_found");
        let told = "print('{\"too_large\":\"2001 rows\"}', flush=True)";
        let outcome = saying(told).measure(&problem(14)).outcome;
        assert_eq!(message(&outcome).0, "too_large");
    }

    #[test]
    fn a_process_that_dies_costs_one_answer() {
        let dies_once = "import sys, os\nprint('{\"ready\":true}', flush=True)\nfor line in sys.stdin:\n \
                         if os.path.exists(sys.argv[1]): os.remove(sys.argv[1]); os._exit(1)\n \
                         print('{\"error\":\"alive\"}', flush=True)";
        let folder = std::env::temp_dir().join(format!("allot-dies-{}", std::process::id()));
        std::fs::write(&folder, "").expect("a file");
        let script = dies_once.replace(
            "sys.argv[1]",
            &format!("{:?}", folder.display().to_string()),
        );
        let mut outside = outside(&script);
        let first = outside.measure(&problem(14)).outcome;
        assert!(
            message(&first).1.contains("died on this problem"),
            "{first:?}"
        );
        let second = outside.measure(&problem(14)).outcome;
        assert_eq!(message(&second), ("solver_error", "highs: alive"));

        let mut always = saying("sys.exit(1)");
        for _ in 0..MAX_DEATHS_IN_A_ROW {
            always.measure(&problem(14));
        }
        let last = always.measure(&problem(14)).outcome;
        assert!(message(&last).1.contains("not started again"), "{last:?}");
    }

    /// In the middle of a solve, with its input still open.
    #[cfg(unix)]
    #[test]
    fn it_ends_with_the_program_that_asked() {
        use std::io::Read as _;
        use std::sync::mpsc;
        let solves = "{\"highs\": highs,";
        assert!(SCRIPT.contains(solves));
        let for_ever = "{\"highs\": lambda: lambda model: time.sleep(120),";
        let python = std::env::var("ALLOT_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut parent = Command::new("sh")
            .args([
                "-c",
                "exec 3<&0; \"$1\" -c \"$2\" highs <&3 & sleep 1",
                "sh",
            ])
            .args([&python, &SCRIPT.replace(solves, for_ever)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut input = parent.stdin.take().expect("a pipe");
        let mut output = parent.stdout.take().expect("a pipe");
        input.write_all(b"{}\n").expect("it is read");
        let (said, is_said) = mpsc::channel();
        std::thread::spawn(move || {
            let mut all = String::new();
            let read = output.read_to_string(&mut all);
            let _ = said.send(read.map(|_| all));
        });
        parent.wait().expect("it ends");
        let all = is_said.recv_timeout(std::time::Duration::from_secs(30));
        let all = all.expect("it has ended, too").expect("text");
        assert_eq!(all.trim(), "{\"ready\": true}");
        drop(input);
    }

    #[test]
    fn what_is_absent_is_named_once_and_for_all() {
        let mut missing = outside("print('{\"missing\":\"no\"}')");
        for _ in 0..2 {
            let outcome = missing.measure(&problem(14)).outcome;
            let (reason, text) = message(&outcome);
            assert_eq!(reason, "solver_error");
            assert!(text.contains("-m pip install highspy"), "{text}");
        }
        let mut nothing = Outside::new(Solver::Gurobi, Some("/no/such/python".into()));
        let error = nothing.ready().expect_err("no interpreter");
        assert!(error.contains("/no/such/python cannot be run"), "{error}");
    }
}
