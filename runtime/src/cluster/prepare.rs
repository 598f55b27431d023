//! Everything about a job that can be known before its first worker joins.
//!
//! **What it does not know:** workers, and how a job is run.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use console::Stop;
use data_encoding::HEXLOWER;
use scenarios::Overrides;
use scheduler::Span;
use scheduler::machine::{Limit, SessionId, WorkerId};
use solvers::{AllocatorName, Host};

use super::folder::{OutputFolder, SavedCommand};
use super::names::Names;
use super::settings::{Material, Setting, Source, is_alone, less};
use crate::average::{Average, Contribution, PIECE, Rule};
use crate::cli::{ClusterArgs, ModelChoice};
use crate::clock;
use crate::data::Splits;
use crate::model::{ModelKind, Wire, share};
use crate::net::PeerId;
use crate::orchestrator::{CHECKPOINT, Checkpoint, FixedPlan};
use crate::outer::OuterStep;

/// How late timers and threads may be without a result being thrown away: what the time model
/// leaves the orchestrator at the end of a cycle, beside the time of averaging.
const SLACK: Duration = Duration::from_millis(10);

/// A job that is ready to be run.
pub(crate) struct Prepared {
    pub(crate) setting: Setting,
    pub(crate) data: Splits,
    /// What tells them from others.
    pub(crate) digest: [u8; 32],
    pub(crate) given: Option<FixedPlan>,
    pub(crate) resumed: Option<Checkpoint>,
    pub(crate) names: Vec<String>,
    /// The keys that the scenario binds some of them to.
    pub(crate) bound: BTreeMap<String, PeerId>,
    pub(crate) folder: OutputFolder,
    pub(crate) command: SavedCommand,
    pub(crate) allocator: AllocatorName,
}

impl Prepared {
    /// With the settings from outside of the scenario; in this folder, or the one that the user chose.
    pub(crate) async fn new(
        args: &mut ClusterArgs,
        said: &Overrides,
        place: Option<PathBuf>,
    ) -> Result<Self, Stop> {
        let (source, mut given, resumed, held) = match args.resume.clone() {
            None => (Source::open(args)?, None, None, None),
            Some(folder) => {
                let held = OutputFolder::again(&folder)?;
                let command = SavedCommand::read(&folder)?;
                // Without one, no cycle was over: the run begins.
                let checkpoint = Checkpoint::read(&folder).map_err(Stop::bad)?;
                if checkpoint.is_none() {
                    refuse_lost(&folder)?;
                }
                let restored = command.restore(args, &folder)?;
                let held = (held, restored.data_sha256);
                (restored.source, restored.given, checkpoint, Some(held))
            }
        };
        let kind = match (&args.trainer, &args.model) {
            (Some(_), _) | (_, Some(ModelChoice::Script(_))) => ModelKind::Program,
            (None, Some(ModelChoice::Kind(kind))) => *kind,
            (None, None) if cfg!(feature = "torch") => ModelKind::Mlp,
            (None, None) => ModelKind::Linear,
        };
        if args.trainer.is_none() {
            args.model = Some(ModelChoice::Kind(kind));
        }
        let data = args.data.load().map_err(Stop::bad)?;
        let digest = data.digest().map_err(Stop::bad)?;
        let data_sha256 = HEXLOWER.encode(&digest);
        if let Some((_, before)) = &held
            && *before != data_sha256
        {
            return Err(Stop::bad(format!(
                "{} is not the data that this run was begun with (its checksum differs): expected \
                 the same files",
                args.data
            )));
        }
        let material = Material {
            shape: data.train.batch_shape(1),
            samples: data.train.samples(),
        };
        if let Some(path) = &args.plan {
            given = Some(FixedPlan::read(path).map_err(Stop::bad)?);
        }
        let has_plan = given.is_some();
        let mut setting = Setting::new(&source, said, args, kind, material, has_plan).await?;
        if let Some(given) = &given {
            let (plan, job) = (given.batches(), setting.config.batches);
            if plan != job {
                return Err(Stop::bad(format!(
                    "the plan hands out {plan} batches, the job has {job}"
                )));
            }
        }
        let allocator = setting.scenario.job().allocator.parse();
        let allocator: AllocatorName =
            allocator.map_err(|error| Stop::bad(format!("job.allocator: {error}")))?;
        // One that needs a package says so before a worker is asked for anything.
        let mut solver = allocator.create(&Host::default());
        let takes = solver.ready().and_then(|()| match given {
            Some(_) => Ok(()), // it is asked for no plan
            None => solvers::check_terms(solver.as_ref(), setting.scenario.beyond_fees()),
        });
        takes.map_err(|why| Stop::bad(format!("job.allocator: {why}")))?;
        if let (Some(checkpoint), Some(folder)) = (&resumed, &args.resume) {
            let model = setting.model.layout.parameter_count();
            let checked = checkpoint.check(&setting.config, setting.scenario.run().seed, model);
            checked.map_err(|why| {
                let path = folder.join(CHECKPOINT);
                let path = path.display();
                Stop::bad(format!("{path}: {why}: it is not a checkpoint of this job"))
            })?;
        }
        let known = match &args.resume {
            None => Vec::new(),
            Some(folder) => known_names(folder, resumed.as_ref()),
        };
        let names = names(args, &setting, given.as_ref(), known);
        let bound = bound(args, &setting, &names)?;
        if let (Some(local), None) = (args.local, args.listen)
            && setting.config.beta > u64::from(local)
        {
            let beta = setting.config.beta;
            return Err(Stop::usage(format!(
                "--local starts {local} workers and job.beta needs {beta}: start more, let others \
                 join with --listen, or lower --beta"
            )));
        }
        let config = &mut setting.config;
        if setting.scenario.job().expect.is_none() {
            let expected = match (args.local, &given) {
                (Some(count), _) => count,
                (None, Some(given)) => given.names().count() as u32,
                (None, None) => config.expect,
            };
            config.expect = expected.max(1);
        }
        let employed = u64::from(config.expect);
        let (expected, mut slack) = averaging(&setting, args.aggregate, employed);
        if is_alone(args) {
            // Beside everything else of one machine, a transfer may take twice the time that was measured.
            let link = setting.scenario.cycle_model();
            slack = slack + (link.down + link.up) * employed;
        }
        setting.scenario = setting.scenario.with_aggregation(expected, slack);
        let config = &mut setting.config;
        config.time_model.own = setting.scenario.model().own() + slack;
        if let Some(checkpoint) = &resumed
            && checkpoint.cycle < config.cycles
        {
            config.first_cycle = checkpoint.cycle + 1;
            config.limit = less(config.limit, checkpoint.elapsed);
        }
        if let Limit::Job { max_time, .. } = config.limit
            && max_time == Span::ZERO
        {
            return Err(Stop::bad("no time is left of job.max_time"));
        }
        config.check().map_err(Stop::bad)?;
        let folder = match (place, held) {
            (Some(place), _) => OutputFolder::within(place),
            (None, Some((held, _))) => held,
            (None, None) => OutputFolder::asked(args, &setting)?,
        };
        let command = SavedCommand::of(args, given.as_ref(), &setting, data_sha256);
        Ok(Self {
            setting,
            data,
            digest,
            given,
            resumed,
            names,
            bound,
            folder,
            command,
            allocator,
        })
    }
}

impl Prepared {
    /// The checkpoint of a run of which every cycle is done: what is missing of its files is written.
    pub(crate) fn last(&self) -> Option<&Checkpoint> {
        let is_last = |checkpoint: &&Checkpoint| checkpoint.cycle >= self.setting.config.cycles;
        self.resumed.as_ref().filter(is_last)
    }
}

/// A run that has ended had a checkpoint if it had a cycle: what it did is not to be done again.
fn refuse_lost(folder: &Path) -> Result<(), Stop> {
    let path = folder.join(results::RUN_FILE);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(|error| Stop::bad(format!("{}: {error}", path.display())))?,
    };
    let run: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Stop::bad(format!("{}: {error}", path.display())))?;
    match run["cycles_complete"].as_u64() {
        Some(0) => Ok(()),
        complete => {
            let many = complete.map_or_else(|| "some".to_owned(), |complete| complete.to_string());
            Err(Stop::bad(format!(
                "{} is missing, and {} has {many} of its cycles complete: put it back, or begin another run",
                folder.join(CHECKPOINT).display(),
                results::RUN_FILE
            )))
        }
    }
}

/// The keys that the scenario binds names to.
fn bound(
    args: &ClusterArgs,
    setting: &Setting,
    names: &[String],
) -> Result<BTreeMap<String, PeerId>, Stop> {
    let mut bound = BTreeMap::new();
    for group in setting.scenario.groups() {
        let Some(key) = &group.key else { continue };
        let key = key.parse::<PeerId>().map_err(|why| {
            let name = &group.name;
            Stop::bad(format!("workers: the key of \"{name}\": {why}"))
        })?;
        bound.insert(group.name.clone(), key);
    }
    let own = names.iter().take(args.local.unwrap_or(0) as usize);
    if let Some(name) = own.clone().find(|name| bound.contains_key(*name)) {
        return Err(Stop::usage(format!(
            "the scenario binds \"{name}\" to the key of a machine, and --local would start a worker with \
             another key by this name: leave out workers.key, or let that machine join"
        )));
    }
    Ok(bound)
}

/// The workers of a run that is resumed, by number: also those that came after its last checkpoint, since
/// they may be owed something.
fn known_names(folder: &Path, checkpoint: Option<&Checkpoint>) -> Vec<String> {
    let mut names = checkpoint.map_or_else(Vec::new, |checkpoint| checkpoint.names.clone());
    let kept = Names::read(folder);
    if kept.starts_with(&names) {
        names = kept;
    }
    names
}

/// Names whose numbers are known beforehand: those of the plan, of the run that is resumed, or of the
/// scenario; and one for each local worker.
fn names(
    args: &ClusterArgs,
    setting: &Setting,
    given: Option<&FixedPlan>,
    known: Vec<String>,
) -> Vec<String> {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    let mut names: Vec<String> = match given {
        _ if !known.is_empty() => known,
        Some(given) => owned(given.names().collect()),
        None if args.scenario.is_none() && args.local.is_none() => Vec::new(),
        None => {
            let groups = setting.scenario.groups().iter();
            groups.flat_map(|group| group.names()).collect()
        }
    };
    let mut number = 0;
    while names.len() < args.local.unwrap_or(0) as usize {
        number += 1;
        let name = format!("local-{number}");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Averaging this number of results, measured: what it is expected to take, and what a limit leaves beyond
/// that, which is as much again as it took at worst, and some for timers.
fn averaging(setting: &Setting, rule: Rule, results: u64) -> (Span, Span) {
    let (model, training) = (&setting.model, setting.scenario.training());
    let (wire, outer) = (training.wire, OuterStep::of(training));
    let average = Average::new(&model.layout, rule, wire, model.longest_step());
    let parameters = model.initial.as_ref();
    let bytes = match wire {
        Wire::F32 => share(&model.initial),
        Wire::Bf16 | Wire::F16 => vec![0; average.wire_len()].into(), // no difference
    };
    let fit = "the model's own parameters are fit to be averaged";
    let check = || average.check(&bytes, parameters, 1).expect(fit);
    // A large one is in a file, and the same file is as good as one for each worker.
    let large = average.is_large().then(|| {
        let mut intake = average.intake(1);
        for piece in bytes.chunks(PIECE) {
            intake.take(piece, parameters);
        }
        intake.finish().unwrap_or_else(|_| check()) // no room there
    });
    let mut velocity = Vec::new();
    let mut took = [Duration::ZERO; 3];
    for took in &mut took {
        let results = (0..results.min(64)).map(|worker| Contribution {
            worker: WorkerId::new(worker as u32),
            session: SessionId::new(worker as u32),
            weight: 1,
            update: large.clone().unwrap_or_else(check),
        });
        let results: Vec<_> = results.collect();
        let since = Instant::now();
        let mut merged = average.merge_all(&results);
        if let (Some(outer), Some(average)) = (outer, &mut merged.parameters) {
            outer.step(parameters, average, &mut velocity);
        }
        std::hint::black_box(merged);
        *took = since.elapsed();
    }
    took.sort_unstable();
    let [_, expected, worst] = took;
    let most = worst * 2 + SLACK;
    (clock::span(expected), clock::span(most - expected))
}
