//! Many replicates of many settings at once.
//!
//! No result depends on the threads: each run draws from streams of its own and is put in its own
//! place.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use scheduler::machine::{CycleResult, Record};
use scheduler::{Instant, PlanRequest};
use solvers::{Allocator, AllocatorName, Exact, Host};

use super::setting::Setting;
use crate::world::{self, CycleTruth, Log, RunTotals, World};

/// The runs of a setting, by allocator, then by replicate.
pub(crate) type Runs = Vec<Vec<Run>>;

/// What came of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) totals: RunTotals,
    pub(crate) judged: Judged,
}

/// What the true speeds would have allowed. A cycle is *feasible* if the exact allocator has a plan
/// with the true speeds of the workers that were there all through it, and *untouched* if no fault
/// began or ended within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Cycles that were feasible.
    pub(crate) feasible: u64,
    /// Of these, how many were complete.
    pub(crate) feasible_complete: u64,
    /// Cycles that were feasible and untouched.
    pub(crate) untouched: u64,
    /// Of these, how many were complete.
    pub(crate) untouched_complete: u64,
}

impl Judged {
    fn add(&mut self, truth: &CycleTruth, is_complete: bool, exact: &mut Exact) {
        let response = truth
            .request
            .cheapest(|problem| exact.measure(problem).outcome);
        if response.outcome.planned().is_none() {
            return;
        }
        self.feasible += 1;
        self.feasible_complete += u64::from(is_complete);
        if truth.faults == 0 {
            self.untouched += 1;
            self.untouched_complete += u64::from(is_complete);
        }
    }
}

/// Runs every replicate of every setting under all of its allocators, and makes of each setting's
/// runs what is wanted of them as soon as they are complete: only what is under way is held.
///
/// When it is to stop, the runs in hand are finished; settings that lack a run have no result.
pub(crate) fn simulate<R: Send>(
    settings: &[&Setting],
    threads: usize,
    stop: &AtomicBool,
    finish: impl Fn(&Setting, Runs) -> R + Sync,
) -> Vec<Option<R>> {
    let runs_of = |setting: &&Setting| setting.replicates * setting.allocators.len();
    let progress = console::bar(settings.iter().map(runs_of).sum::<usize>() as u64, "runs");
    // The replicates of all settings in one row: where each setting's begin.
    let mut total = 0;
    let mut starts = Vec::with_capacity(settings.len());
    for setting in settings {
        starts.push(total);
        total += setting.replicates;
    }
    let slots: Vec<Mutex<Slot<R>>> = settings.iter().map(|_| Mutex::default()).collect();
    in_parallel(stop, total, threads, Vec::new, |solvers, index| {
        let at = starts.partition_point(|start| *start <= index) - 1;
        let (setting, replicate) = (settings[at], index - starts[at]);
        let runs = replicate_of(setting, replicate as u64, solvers, &progress);
        let complete = {
            let mut slot = slots[at].lock().unwrap_or_else(PoisonError::into_inner);
            slot.runs.push((replicate, runs));
            (slot.runs.len() == setting.replicates).then(|| std::mem::take(&mut slot.runs))
        };
        if let Some(runs) = complete {
            let result = finish(setting, in_order(runs, setting.allocators.len()));
            let mut slot = slots[at].lock().unwrap_or_else(PoisonError::into_inner);
            slot.result = Some(result);
        }
    });
    progress.finish_and_clear();
    slots
        .into_iter()
        .map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
        .map(|slot| slot.result)
        .collect()
}

/// Does so many pieces of work on so many threads, each with a state of its own; what comes of
/// them is in the order of the pieces. When it is to stop, those that were begun are finished,
/// which are all up to some number.
pub(crate) fn in_parallel<S, T: Send>(
    stop: &AtomicBool,
    pieces: usize,
    threads: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(pieces));
    thread::scope(|scope| {
        for _ in 0..threads.min(pieces) {
            scope.spawn(|| {
                let mut state = state();
                // A piece that was taken is done, so that none is left out in between.
                while !stop.load(Ordering::Relaxed) {
                    let piece = next.fetch_add(1, Ordering::Relaxed);
                    if piece >= pieces {
                        break;
                    }
                    let result = work(&mut state, piece);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((piece, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(piece, _)| *piece);
    done.into_iter().map(|(_, result)| result).collect()
}

/// What is known of a setting so far.
struct Slot<R> {
    /// By replicate, in the order in which they were done; each by allocator.
    runs: Vec<(usize, Vec<Run>)>,
    result: Option<R>,
}

impl<R> Default for Slot<R> {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            result: None,
        }
    }
}

/// An allocator is made once a thread: some start processes.
pub(super) type Solvers = Vec<(AllocatorName, Box<dyn Allocator>)>;

/// One replicate under every allocator.
fn replicate_of(
    setting: &Setting,
    replicate: u64,
    solvers: &mut Solvers,
    progress: &Progress,
) -> Vec<Run> {
    let world = setting.conversion.world(setting.seed, replicate);
    let run = |name: &AllocatorName| {
        let place = (setting.seed, replicate);
        let run = run_of(&world, place, solver(*name, solvers), &mut |_, _| {}, None);
        progress.inc(1);
        run
    };
    setting.allocators.iter().map(run).collect()
}

/// The thread's own allocator of this name.
pub(super) fn solver(name: AllocatorName, solvers: &mut Solvers) -> &mut dyn Allocator {
    let known = solvers.iter().position(|(known, _)| *known == name);
    let at = known.unwrap_or_else(|| {
        solvers.push((name, name.create(&Host::default())));
        solvers.len() - 1
    });
    solvers[at].1.as_mut()
}

/// One run of a world, of a seed and a replicate; `sink` gets the rows, `log` the events.
pub(super) fn run_of(
    world: &World,
    (seed, replicate): (u64, u64),
    solver: &mut dyn Allocator,
    sink: &mut dyn FnMut(Instant, &Record),
    log: Option<Log<'_>>,
) -> Run {
    let (mut judged, mut exact) = (Judged::default(), Exact::default());
    // A cycle is judged just after its row was given.
    let is_complete = Cell::new(false);
    let mut allocate =
        |request: &PlanRequest| request.cheapest(|problem| solver.measure(problem).outcome);
    let mut sink = |at: Instant, record: &Record| {
        if let Record::Cycle(row) = record {
            is_complete.set(row.result == CycleResult::Complete);
        }
        sink(at, record);
    };
    let mut judge = |truth: &CycleTruth| judged.add(truth, is_complete.get(), &mut exact);
    let totals = match log {
        None => world::run_judged(world, seed, replicate, &mut allocate, &mut sink, &mut judge),
        Some(log) => world::run_logged(
            world,
            seed,
            replicate,
            &mut allocate,
            &mut sink,
            &mut judge,
            log,
        ),
    };
    Run { totals, judged }
}

/// From by replicate in any order to by allocator.
fn in_order(mut runs: Vec<(usize, Vec<Run>)>, allocators: usize) -> Runs {
    runs.sort_unstable_by_key(|(replicate, _)| *replicate);
    (0..allocators)
        .map(|allocator| runs.iter().map(|(_, runs)| runs[allocator]).collect())
        .collect()
}
