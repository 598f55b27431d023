//! The tests of a comparison, solved on several threads.

use std::borrow::Cow;
use std::iter::Peekable;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use console::Progress;
use results::{Chunk, Detail, ResultsError, Simulated, Took, Validation};
use scheduler::{Case, CurveProblem, Plan, Problem};
use solvers::{Allocator, Measured};

use super::job::Job;
use super::log;
use super::source::{Batch, Problems, Source};
use crate::cli::Log;
use crate::parallel::{self, Out};
use crate::world::OneCycle;

/// Most tests that an allocator gets at a time: CBC's process answers many together faster than
/// one by one.
const MAX_GROUP: usize = 64;

/// A comparison that is stopped finishes the group under way, so a group should not take longer.
const GROUP_TIME: Duration = Duration::from_millis(500);

/// What a comparison looks at, and what it shows.
pub(super) struct Watch<'a> {
    /// Set to stop after the tests under way.
    pub(super) stop: &'a AtomicBool,
    pub(super) progress: &'a Progress,
    pub(super) log: Log,
}

/// The results of a batch, or of its first tests if the comparison was stopped.
struct Solved {
    chunk: Chunk,
    log: String,
    is_whole: bool,
    library_cpu: Duration,
}

/// Runs the job's tests into the validation; returns the CPU time spent inside solver libraries.
pub(super) fn run(
    job: &Job,
    source: Source,
    validation: &mut Validation,
    watch: &Watch<'_>,
) -> Result<Duration, ResultsError> {
    let detail = validation.detail();
    let (mut library_cpu, mut is_cut_short) = (Duration::ZERO, false);
    let take = |solved: Solved| -> Result<(), ResultsError> {
        if is_cut_short {
            return Ok(()); // there is no gap in what is kept
        }
        is_cut_short = !solved.is_whole;
        library_cpu += solved.library_cpu;
        if watch.log != Log::Summary {
            log::print(&solved.log);
        }
        validation.push(&solved.chunk)?;
        watch.progress.set_position(validation.finished());
        Ok(())
    };
    let state = || Worker::new(job, detail, watch);
    let work = |worker: &mut Worker<'_>, batch, out: &Out<_>| out.send(worker.solve(batch));
    parallel::in_order(source, job.threads, watch.stop, state, work, take)?;
    Ok(library_cpu)
}

/// Some of the next problems, of one kind.
enum Group {
    Fees(Vec<Problem>),
    Curves(Vec<CurveProblem>),
}

impl Group {
    fn take(problems: &mut Peekable<Problems>, most: usize) -> Self {
        let (mut fees, mut curves) = (Vec::new(), Vec::new());
        while fees.len() + curves.len() < most {
            let of_a_kind = |case: &Case| match case {
                Case::Fees(_) => curves.is_empty(),
                Case::Curves(_) => fees.is_empty(),
            };
            match problems.next_if(of_a_kind) {
                Some(Case::Fees(problem)) => fees.push(problem),
                Some(Case::Curves(problem)) => curves.push(problem),
                None => break,
            }
        }
        if curves.is_empty() {
            Self::Fees(fees)
        } else {
            Self::Curves(curves)
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Fees(problems) => problems.len(),
            Self::Curves(problems) => problems.len(),
        }
    }

    fn measure(&self, allocator: &mut dyn Allocator) -> Vec<Measured> {
        match self {
            Self::Fees(problems) => allocator.measure_all(problems),
            Self::Curves(problems) => {
                let problems = problems.iter();
                problems
                    .map(|problem| allocator.measure_curves(problem))
                    .collect()
            }
        }
    }

    /// What tables and simulated cycles see of them.
    fn outlines(&self) -> Cow<'_, [Problem]> {
        match self {
            Self::Fees(problems) => Cow::Borrowed(problems),
            Self::Curves(problems) => {
                Cow::Owned(problems.iter().map(CurveProblem::outline).collect())
            }
        }
    }
}

/// One thread's allocators.
struct Worker<'a> {
    allocators: Vec<Box<dyn Allocator>>,
    /// If plans are simulated.
    cycle: Option<OneCycle>,
    seed: u64,
    families: Vec<&'a str>,
    detail: Detail,
    watch: &'a Watch<'a>,
    /// How many tests to take at a time, by how long the last ones took.
    group: usize,
}

impl<'a> Worker<'a> {
    fn new(job: &'a Job, detail: Detail, watch: &'a Watch<'a>) -> Self {
        let families = job.plan.families.iter();
        Self {
            allocators: job
                .allocators
                .iter()
                .map(|name| name.create(&job.host))
                .collect(),
            cycle: job.plan.simulate.then(OneCycle::new),
            seed: job.plan.seed,
            families: families.map(|family| family.name.as_str()).collect(),
            detail,
            watch,
            group: 1,
        }
    }

    fn solve(&mut self, batch: Batch) -> Solved {
        let count = self.allocators.len();
        let mut solved = Solved {
            chunk: Chunk::new(batch.family, batch.first_test, count, self.detail),
            log: String::new(),
            is_whole: true,
            library_cpu: Duration::ZERO,
        };
        let mut problems = batch.problems.peekable();
        while problems.peek().is_some() {
            if self.watch.stop.load(Ordering::Relaxed) {
                solved.is_whole = false;
                break;
            }
            let group = Group::take(&mut problems, self.group);
            let start = Instant::now();
            let mut answers: Vec<std::vec::IntoIter<Measured>> = Vec::with_capacity(count);
            for allocator in &mut self.allocators {
                let measured = group.measure(allocator.as_mut());
                assert_eq!(measured.len(), group.len(), "every problem has an answer");
                answers.push(measured.into_iter());
            }
            for problem in group.outlines().iter() {
                let answers: Vec<Measured> =
                    answers.iter_mut().filter_map(Iterator::next).collect();
                let test = solved.chunk.next_test();
                self.draw(batch.family, test, problem);
                for (allocator, answer) in self.allocators.iter().zip(&answers) {
                    solved.library_cpu += answer.library_cpu;
                    let (family, name) = (self.families[batch.family], allocator.name());
                    log::add(
                        &mut solved.log,
                        self.watch.log,
                        family,
                        test,
                        name,
                        &answer.outcome,
                    );
                }
                let answers = answers.iter().map(|answer| {
                    let plan = answer.outcome.planned().map(|planned| &planned.plan);
                    let simulated = plan.and_then(|plan| self.simulate(problem, plan));
                    let took = Took::new(answer.wall, answer.library_cpu);
                    (&answer.outcome, took, simulated)
                });
                solved.chunk.push_simulated(problem, answers);
            }
            let each = start.elapsed() / group.len() as u32;
            let in_time = GROUP_TIME.as_nanos() / each.as_nanos().max(1);
            self.group = usize::try_from(in_time)
                .unwrap_or(MAX_GROUP)
                .clamp(1, MAX_GROUP);
        }
        solved
    }

    /// Draws the true speeds that all plans of a test meet.
    fn draw(&mut self, family: usize, test: u64, problem: &Problem) {
        if let Some(cycle) = &mut self.cycle {
            let workers = problem.workers().len();
            cycle.draw(self.seed, self.families[family], test, workers);
        }
    }

    fn simulate(&mut self, problem: &Problem, plan: &Plan) -> Option<Simulated> {
        let end = self.cycle.as_mut()?.run(problem, plan);
        Some(Simulated {
            makespan_ns: end.makespan.nanos(),
            missed: end.missed,
            late_workers: end.late,
        })
    }
}
