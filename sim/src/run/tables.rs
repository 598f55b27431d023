//! `sim run` with everything around it: the folder of tables, logs of events, and Ctrl-C.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use console::Stop;
use results::ResultsError;
use results::event_log::EventFile;
use results::runs::{Job, RunChunk, RunEnd, RunFolder, RunKey, RunRows, RunsPlan};
use scheduler::Instant;
use scheduler::machine::{Event, Record};
use solvers::AllocatorName;

use super::setting::Setting;
use super::simulate::{Runs, Solvers, run_of, solver};
use crate::cli::RunArgs;
use crate::folder;
use crate::parallel;
use crate::world::World;

/// Where rows and events go.
pub(super) struct Out {
    folder: RunFolder,
    /// The file for a run's events, if they are wanted.
    events: Option<Box<dyn Fn(RunKey) -> PathBuf + Sync>>,
}

/// What became of all replicates, up to where it was stopped.
pub(super) struct Simulated {
    /// By setting.
    pub(super) runs: Vec<Runs>,
    /// Replicates that were run.
    pub(super) finished: usize,
    pub(super) folder: Option<RunFolder>,
}

/// Begins the folder that the command line asks for.
pub(super) fn open(args: &RunArgs, setting: &Setting) -> Result<Option<Out>, Stop> {
    let Some(dir) = &args.out else {
        return Ok(None);
    };
    let mut names: Vec<&str> = setting.allocators.iter().map(|name| name.name()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let message = format!("--allocators names {} twice, expected once", twice[0]);
        return Err(Stop::usage(message));
    }
    let plan = RunsPlan {
        mode: "simulated".to_owned(),
        scenario: name_of(&args.of.scenario),
        seed: setting.seed,
        replicates: setting.replicates as u64,
        allocators: setting
            .allocators
            .iter()
            .map(|name| name.name().to_owned())
            .collect(),
    };
    let scenario = setting.scenario().to_string();
    let folder = RunFolder::create(dir, plan, &job(setting), &scenario, args.overwrite);
    let mut folder = folder.map_err(folder::stop)?;
    for (worker, name) in worker_names(setting).into_iter().enumerate() {
        folder.name_worker(worker, name);
    }
    let mut events: Option<Box<dyn Fn(RunKey) -> PathBuf + Sync>> = None;
    if args.events {
        events = Some(Box::new(folder.event_files().map_err(folder::stop)?));
    }
    Ok(Some(Out { folder, events }))
}

/// A scenario's name without where its file lies: tables hold no paths.
fn name_of(scenario: &str) -> String {
    let stem = Path::new(scenario).file_stem();
    stem.map_or(scenario.into(), |stem| stem.to_string_lossy().into_owned())
}

/// The names of workers. They are not drawn: every replicate has the same.
fn worker_names(setting: &Setting) -> Vec<Arc<str>> {
    let groups = setting.scenario().groups().iter();
    let names = groups.flat_map(|group| group.names());
    names.map(Arc::from).collect()
}

/// The scheduler's configuration, and what a cycle takes by the link and the model.
fn job(setting: &Setting) -> Job {
    let (scenario, config) = (setting.scenario(), setting.conversion.config());
    Job {
        config: config.clone(),
        cycle_model: scenario.cycle_model(),
        parameter_bytes: scenario.wire_bytes().get(),
    }
}

/// What a replicate sends.
enum Sent {
    Rows(Box<RunChunk>),
    /// The runs of each setting by allocator, when all of its rows are sent.
    Runs(Vec<Vec<RunEnd>>),
    Failed(ResultsError),
}

/// Runs every replicate of every setting, which all have the same number, under every allocator,
/// until it is stopped: then those that were begun are finished, which are the first ones.
/// A folder is for the first setting.
pub(super) fn simulate(
    settings: &[Setting],
    threads: usize,
    out: Option<Out>,
    stop: &AtomicBool,
) -> Result<Simulated, ResultsError> {
    let (mut folder, events) = match out {
        Some(out) => (Some(out.folder), out.events),
        None => (None, None),
    };
    let wants_rows = folder.is_some();
    let replicates = settings[0].replicates as u64;
    let arms: usize = settings.iter().map(|of| of.allocators.len()).sum();
    let progress = console::bar(replicates * arms as u64, "runs");
    let names = worker_names(&settings[0]);
    let replicate_of = |solvers: &mut Solvers, replicate: u64, out: &parallel::Out<Sent>| {
        let mut by_setting = Vec::with_capacity(settings.len());
        for (place, setting) in settings.iter().enumerate() {
            let world = setting.conversion.world(setting.seed, replicate);
            let mut runs = Vec::with_capacity(setting.allocators.len());
            for (allocator, name) in setting.allocators.iter().enumerate() {
                let key = RunKey {
                    replicate,
                    allocator,
                };
                let one = OneRun {
                    key,
                    world: &world,
                    seed: setting.seed,
                    names: &names,
                    // Other arms than the scenario as it is are compared only.
                    out: (wants_rows && place == 0).then_some(out),
                    events: events.as_ref().map(|path| path(key)).filter(|_| place == 0),
                };
                runs.push(one.run(*name, solvers)?);
                progress.inc(1);
            }
            by_setting.push(runs);
        }
        Ok(by_setting)
    };
    let work = |solvers: &mut Solvers, replicate: u64, out: &parallel::Out<Sent>| {
        let runs = replicate_of(solvers, replicate, out);
        out.send(runs.map_or_else(Sent::Failed, Sent::Runs));
    };
    let mut runs: Vec<Runs> = settings
        .iter()
        .map(|setting| vec![Vec::new(); setting.allocators.len()])
        .collect();
    let mut finished = 0;
    let take = |sent| {
        match sent {
            Sent::Rows(chunk) => {
                if let Some(folder) = &mut folder {
                    folder.push(*chunk)?;
                }
            }
            Sent::Runs(replicate) => {
                finished += 1;
                let all = runs.iter_mut().flatten();
                for (all, run) in all.zip(replicate.into_iter().flatten()) {
                    all.push(run);
                }
            }
            Sent::Failed(error) => return Err(error),
        }
        Ok(())
    };
    parallel::in_order(0..replicates, threads, stop, Solvers::new, work, take)?;
    progress.finish_and_clear();
    Ok(Simulated {
        runs,
        finished,
        folder,
    })
}

/// One run and where its rows and events go.
struct OneRun<'a> {
    key: RunKey,
    world: &'a World,
    seed: u64,
    names: &'a [Arc<str>],
    out: Option<&'a parallel::Out<Sent>>,
    events: Option<PathBuf>,
}

impl OneRun<'_> {
    fn run(self, name: AllocatorName, solvers: &mut Solvers) -> Result<RunEnd, ResultsError> {
        let (place, solver) = ((self.seed, self.key.replicate), solver(name, solvers));
        let Some(out) = self.out else {
            return Ok(run_of(self.world, place, solver, |_, _| {}, None));
        };
        let mut rows = RunRows::new(self.key);
        let sink = |at: Instant, record: &Record| {
            rows.record(at, record);
            if let Some(chunk) = rows.take_full() {
                out.send(Sent::Rows(Box::new(chunk)));
            }
        };
        let run = match &self.events {
            None => run_of(self.world, place, solver, sink, None),
            Some(path) => {
                let mut file = EventFile::create(path, &self.world.config)?;
                let mut written = Ok(());
                let mut events = |now: Instant, event: &Event| {
                    if written.is_ok() {
                        written = file.append(now, event);
                    }
                };
                let run = run_of(self.world, place, solver, sink, Some(&mut events));
                written?;
                file.publish()?;
                run
            }
        };
        out.send(Sent::Rows(Box::new(rows.finish(run, self.names))));
        Ok(run)
    }
}
