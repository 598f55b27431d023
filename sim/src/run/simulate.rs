//! Many replicates of many settings at once.
//!
//! No result depends on the threads: each run draws from streams of its own and is put in its own
//! place.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::atomic::AtomicBool;

use results::runs::{RunEnd, Truth};
use scheduler::machine::{CycleResult, Event, Record};
use scheduler::{Instant, PlanRequest};
use solvers::{Allocator, AllocatorName, Exact, Host};

use super::setting::Setting;
use crate::parallel::{self, Out};
use crate::world::{self, CycleTruth, Observers, OnEvent, World};

/// The runs of a setting, by allocator, then by replicate.
pub(crate) type Runs = Vec<Vec<RunEnd>>;

/// Counts a cycle. It is *feasible* if the exact allocator has a plan with the true speeds of the
/// workers that were there all through it, and *untouched* if no fault began or ended within it.
fn judge(truth: &mut Truth, cycle: &CycleTruth, is_complete: bool, exact: &mut Exact) {
    let request = &cycle.request;
    let response = request.cheapest(|problem| exact.measure(problem).outcome);
    if response.outcome.planned().is_none() {
        return;
    }
    truth.feasible += 1;
    truth.feasible_complete += u64::from(is_complete);
    if cycle.faults == 0 {
        truth.untouched += 1;
        truth.untouched_complete += u64::from(is_complete);
    }
}

/// Runs every replicate of every setting under all of its allocators, and makes of each setting's
/// runs what is wanted of them as soon as they are complete: only what is under way is held.
///
/// When it is to stop, the runs under way are finished; settings that lack a run have no result.
pub(crate) fn simulate<R>(
    settings: &[&Setting],
    threads: usize,
    stop: &AtomicBool,
    finish: impl Fn(&Setting, Runs) -> R,
) -> Vec<Option<R>> {
    let runs_of = |setting: &&Setting| setting.replicates * setting.allocators.len();
    let progress = console::bar(settings.iter().map(runs_of).sum::<usize>() as u64, "runs");
    let jobs = settings.iter().enumerate().flat_map(|(at, setting)| {
        let replicates = 0..setting.replicates as u64;
        replicates.map(move |replicate| (at, replicate))
    });
    let work = |solvers: &mut Solvers, (at, replicate), out: &Out<_>| {
        let runs = replicate_of(settings[at], replicate, solvers, &progress);
        out.send((at, runs));
    };
    let mut results: Vec<Option<R>> = settings.iter().map(|_| None).collect();
    let mut replicates = Vec::new();
    let take = |(at, runs): (usize, Vec<RunEnd>)| {
        replicates.push(runs);
        if replicates.len() == settings[at].replicates {
            let runs = by_allocator(&std::mem::take(&mut replicates));
            results[at] = Some(finish(settings[at], runs));
        }
        Ok::<_, Infallible>(())
    };
    let Ok(()) = parallel::in_order(jobs, threads, stop, Solvers::new, work, take);
    progress.finish_and_clear();
    results
}

/// The allocators of a thread, each made once: some start processes.
pub(super) type Solvers = Vec<(AllocatorName, Box<dyn Allocator>)>;

/// One replicate under every allocator.
fn replicate_of(
    setting: &Setting,
    replicate: u64,
    solvers: &mut Solvers,
    progress: &console::Progress,
) -> Vec<RunEnd> {
    let world = setting.conversion.world(setting.seed, replicate);
    let run = |name: &AllocatorName| {
        let place = (setting.seed, replicate);
        let run = run_of(&world, place, solver(*name, solvers), |_, _| {}, None);
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

/// One run of a world, of a seed and a replicate; `rows` gets its rows, and `events` the
/// scheduler's events.
pub(super) fn run_of(
    world: &World,
    (seed, replicate): (u64, u64),
    solver: &mut dyn Allocator,
    mut rows: impl FnMut(Instant, &Record),
    events: Option<OnEvent<'_>>,
) -> RunEnd {
    let (mut truth, mut exact) = (Truth::default(), Exact::default());
    // A cycle is judged just after its row was given.
    let is_complete = Cell::new(false);
    let mut allocate = |request: &PlanRequest| solvers::answer(request, solver);
    let mut rows = |at: Instant, record: &Record| {
        if let Record::Cycle(row) = record {
            is_complete.set(row.result == CycleResult::Complete);
        }
        rows(at, record);
    };
    let mut judge = |cycle: &CycleTruth| {
        judge(&mut truth, cycle, is_complete.get(), &mut exact);
    };
    let mut events = events.map(|events| move |at: Instant, event: &Event| events(at, event));
    let observers = Observers {
        rows: Some(&mut rows),
        judge: Some(&mut judge),
        events: events.as_mut().map(|events| events as _),
        claims: None,
    };
    let totals = world::run(world, seed, replicate, &mut allocate, observers);
    RunEnd {
        truth: Some(Truth {
            orders: totals.orders,
            overruns: totals.overruns,
            ..truth
        }),
        ..totals.end
    }
}

/// The runs of each allocator from those of each replicate.
fn by_allocator(replicates: &[Vec<RunEnd>]) -> Runs {
    let allocators = replicates.first().map_or(0, Vec::len);
    (0..allocators)
        .map(|allocator| replicates.iter().map(|runs| runs[allocator]).collect())
        .collect()
}
