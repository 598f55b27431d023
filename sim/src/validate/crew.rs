//! The threads of a comparison, and the order that they keep.
//!
//! Each worker thread has its own allocators, takes the next batch from the [`Desk`], solves its
//! tests and sends the results to the thread that called [`run`], which takes them in by number.
//! A batch is only handed out while its number is within a window of the next to be taken in, so
//! that one slow batch cannot pile up the others' results.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use console::Progress;
use results::{Chunk, Detail, ResultsError, Simulated, Took, Validation};
use scheduler::{Plan, Problem};
use solvers::{Allocator, Measured};

use super::Job;
use super::log;
use super::source::{Batch, Source};
use crate::cli::Log;
use crate::world::OneCycle;

/// Batches of each thread that may be solved ahead of the next to be taken in.
const WINDOW: u64 = 32;

/// Most tests that an allocator gets at a time: CBC's process answers many together faster than
/// one by one.
const MAX_GROUP: usize = 64;

/// A run that is stopped finishes the group in hand, so a group should not take much longer.
const GROUP_TIME: Duration = Duration::from_millis(500);

/// What a run looks at, and what it shows.
pub(super) struct Watch<'a> {
    /// Set to stop after the tests in hand.
    pub(super) stop: &'a AtomicBool,
    pub(super) progress: &'a Progress,
    pub(super) log: Log,
}

/// The results of a batch, or of its first tests if the run was stopped.
struct Solved {
    number: u64,
    chunk: Chunk,
    log: String,
    is_whole: bool,
}

/// Runs the job's tests into the validation; returns the CPU time spent inside solver libraries.
pub(super) fn run(
    job: &Job,
    source: Source,
    validation: &mut Validation,
    watch: &Watch<'_>,
) -> Result<Duration, ResultsError> {
    let desk = Desk::new(source, WINDOW * job.threads as u64);
    let library_nanos = AtomicU64::new(0);
    let detail = validation.detail();
    let (sender, receiver) = mpsc::channel();
    let result = thread::scope(|scope| {
        for _ in 0..job.threads {
            let sender = sender.clone();
            let (desk, library_nanos) = (&desk, &library_nanos);
            scope.spawn(move || {
                // If this thread panics, the others must not wait for its batch for ever.
                let _closes_on_panic = CloseOnPanic(desk);
                let mut worker = Worker::new(job, detail, watch);
                while let Some(batch) = desk.next(watch.stop) {
                    let solved = worker.solve(batch);
                    if sender.send(solved).is_err() {
                        break;
                    }
                }
                library_nanos.fetch_add(worker.library_cpu.as_nanos() as u64, Ordering::Relaxed);
            });
        }
        drop(sender);
        let result = take_in(&receiver, validation, &desk, watch);
        desk.close();
        result
    });
    result?;
    Ok(Duration::from_nanos(library_nanos.into_inner()))
}

/// Takes in results by number until the threads are done, or until one batch was cut short.
fn take_in(
    solved: &mpsc::Receiver<Solved>,
    validation: &mut Validation,
    desk: &Desk,
    watch: &Watch<'_>,
) -> Result<(), ResultsError> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for batch in solved {
        waiting.insert(batch.number, batch);
        while let Some(batch) = waiting.remove(&next) {
            if watch.log != Log::Summary {
                log::print(&batch.log);
            }
            validation.push(&batch.chunk)?;
            watch.progress.set_position(validation.finished());
            if !batch.is_whole {
                return Ok(());
            }
            next += 1;
            desk.advance(next);
        }
    }
    Ok(())
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
    library_cpu: Duration,
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
            library_cpu: Duration::ZERO,
            group: 1,
        }
    }

    fn solve(&mut self, batch: Batch) -> Solved {
        let count = self.allocators.len();
        let mut solved = Solved {
            number: batch.number,
            chunk: Chunk::new(batch.family, batch.first_test, count, self.detail),
            log: String::new(),
            is_whole: true,
        };
        let mut problems = batch.problems.peekable();
        while problems.peek().is_some() {
            if self.watch.stop.load(Ordering::Relaxed) {
                solved.is_whole = false;
                break;
            }
            let group: Vec<Problem> = problems.by_ref().take(self.group).collect();
            let start = Instant::now();
            let mut answers: Vec<std::vec::IntoIter<Measured>> = Vec::with_capacity(count);
            for allocator in &mut self.allocators {
                let measured = allocator.measure_all(&group);
                assert_eq!(measured.len(), group.len(), "every problem has an answer");
                answers.push(measured.into_iter());
            }
            for problem in &group {
                let answers: Vec<Measured> =
                    answers.iter_mut().filter_map(Iterator::next).collect();
                let test = solved.chunk.next_test();
                self.draw(batch.family, test, problem);
                for (allocator, answer) in self.allocators.iter().zip(&answers) {
                    self.library_cpu += answer.library_cpu;
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

/// Where batches are handed out.
struct Desk {
    state: Mutex<State>,
    moved: Condvar,
    window: u64,
}

struct State {
    source: Source,
    handed_out: u64,
    taken_in: u64,
    closed: bool,
}

impl Desk {
    fn new(source: Source, window: u64) -> Self {
        let state = State {
            source,
            handed_out: 0,
            taken_in: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            moved: Condvar::new(),
            window,
        }
    }

    /// The next batch, once it is within the window; `None` when there are no more.
    fn next(&self, stop: &AtomicBool) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            if state.closed || stop.load(Ordering::Relaxed) {
                return None;
            }
            if state.handed_out < state.taken_in + self.window {
                break;
            }
            // Ctrl-C notifies nobody, so look up now and then.
            let wait = Duration::from_millis(100);
            let woken = self.moved.wait_timeout(state, wait);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let batch = state.source.next_batch()?;
        state.handed_out += 1;
        Some(batch)
    }

    fn advance(&self, taken_in: u64) {
        self.lock().taken_in = taken_in;
        self.moved.notify_all();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.moved.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CloseOnPanic<'a>(&'a Desk);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}
