//! `runtime cluster`: one job, from its settings to its summary.
//!
//! - `settings.rs`: what is to be run. `local.rs`: workers of this machine.
//! - `report.rs`: what a run looks like. `summary.rs`, `outputs.rs`, `seed_tables.rs`: what it
//!   leaves.
//! - `folder.rs`, `past.rs`: what lies in a run's folder from the beginning, and what a run that is
//!   gone on with has done before.
//! - `sweep.rs`: many jobs, and what is kept of all.
//!
//! **What it does not know:** how a job is run (`orchestrator`), and what workers do.

mod folder;
mod local;
mod outputs;
mod past;
mod report;
mod seed_tables;
mod settings;
mod summary;
mod sweep;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use console::{Exit, Stop, print};
use scenarios::Overrides;
use scenarios::scenario::Vary;
use scheduler::Span;
use scheduler::machine::{Ending, Limit, SessionId, WorkerId};
use serde_json::json;
use solvers::{AllocatorName, Host};

use crate::average::{Average, Contribution, Rule};
use crate::cli::{ClusterArgs, SweepArgs};
use crate::clock;
use crate::data::Splits;
use crate::interrupt::Interrupts;
use crate::model::{ModelKind, ModelSpec, to_wire};
use crate::net::cli::listen_options;
use crate::net::{DEFAULT_PORT, Listener, Token};
use crate::orchestrator::{Checkpoint, Crew, GivenPlan, Input, Job, Orchestrator};
use crate::train::DeviceChoice;
use crate::trainer;
use folder::{Kept, RunFolder};
use local::{Locals, Scratch, throttles};
use outputs::Tables;
use past::Past;
use report::Report;
use settings::{Material, Setting, Source, less, said};

/// Timers and threads may be so late without a result being thrown away: what the time model leaves the
/// orchestrator at the end of a cycle, beside the time of averaging.
const SLACK: Duration = Duration::from_millis(10);

/// How long a printed token is good for.
const TOKEN_FOR: Duration = Duration::from_secs(24 * 3600);

/// Messages of the program on standard error, by `RUST_LOG`, or down to a level.
pub(crate) fn log(usual: tracing::Level) {
    use tracing_subscriber::filter::{EnvFilter, LevelFilter};
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::from_level(usual).into())
        .from_env_lossy();
    let is_plain = std::env::var_os("NO_COLOR").is_some();
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!is_plain && std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false);
    let _ = logging.try_init(); // who has one already keeps it
}

/// Runs a job.
pub(crate) async fn run(mut args: ClusterArgs) -> Result<Exit, Stop> {
    log(tracing::Level::WARN);
    let said = said(&args)?;
    let prepared = Prepared::new(&mut args, &said, None)?;
    let mut house = House::open(&args, &prepared.names).await?;
    let outcome = execute(prepared, &args, &mut house).await;
    house.close().await;
    outcome.map(|(exit, _)| exit)
}

/// Runs a job for every combination of what is varied, with the same workers.
pub(crate) async fn sweep(args: SweepArgs) -> Result<Exit, Stop> {
    log(tracing::Level::WARN);
    let SweepArgs { vary, mut of } = args;
    if of.resume.is_some() {
        return Err(Stop::new(
            Exit::Usage,
            "a sweep cannot be resumed, expected no --resume",
        ));
    }
    let varied: Result<Vec<Vary>, _> = vary.iter().map(|text| Vary::parse(text)).collect();
    let varied = varied.map_err(|error| Stop::new(Exit::Usage, error))?;
    let said = said(&of)?;
    let cells = Vary::product(&varied, &Overrides::NONE);
    let root = sweep::Root::create(&of)?;
    // The names of the first cell: what is varied does not rename workers.
    let names = {
        let mut first = of.clone();
        let said = said.clone().and_all(&cells[0]);
        Prepared::new(&mut first, &said, Some(root.cell(&cells[0])))?.names
    };
    let mut house = House::open(&of, &names).await?;
    let mut dump = Vec::new();
    let mut worst = Exit::Done;
    for (at, cell) in cells.iter().enumerate() {
        let name = sweep::name(cell);
        console::note!("{} of {}: {name}", at + 1, cells.len());
        let said = said.clone().and_all(cell);
        let outcome = match Prepared::new(&mut of, &said, Some(root.cell(cell))) {
            Ok(prepared) => execute(prepared, &of, &mut house).await,
            Err(stop) => Err(stop),
        };
        let (exit, result) = match outcome {
            Ok((exit, summary)) => (exit, summary),
            Err(stop) => {
                console::note!("error: {name}: {}", stop.message);
                (stop.exit, json!({"error": stop.message}))
            }
        };
        dump.push(sweep::line(cell, result));
        root.dump(&dump)?;
        match exit {
            Exit::Done => {}
            Exit::Interrupted => {
                worst = exit;
                break;
            }
            Exit::Usage | Exit::BadInput | Exit::CheckFailed | Exit::Unfinished => {
                worst = Exit::Unfinished;
            }
        }
    }
    house.close().await;
    Ok(worst)
}

/// The door, those who came in by it, and the workers of this machine.
struct House {
    crew: Crew,
    /// Where workers of other machines find it, if they are let in.
    address: Option<SocketAddr>,
    locals: Option<Locals>,
}

impl House {
    /// Opens the door and starts workers, if there are to be any here.
    async fn open(args: &ClusterArgs, names: &[String]) -> Result<Self, Stop> {
        let scratch = args.local.map(|_| Scratch::new()).transpose();
        let scratch = scratch.map_err(Stop::failed)?;
        let (gate, token) = listen(args, scratch.as_ref()).await?;
        let started = match (args.local, scratch) {
            (Some(count), Some(scratch)) => {
                let throttles = if args.throttles.is_empty() {
                    throttles(count, cores())
                } else {
                    args.throttles.clone()
                };
                let names = &names[..names.len().min(count as usize)];
                if throttles.len() < names.len() {
                    let (has, needs) = (throttles.len(), names.len());
                    let message = format!("--throttles has {has} fractions, expected {needs}");
                    return Err(Stop::new(Exit::Usage, message));
                }
                let started = Locals::start(scratch, names, &throttles, args.device, &token).await;
                let locals = started.map_err(|error| {
                    Stop::failed(format!("a worker cannot be started: {error}"))
                })?;
                for (name, id) in names.iter().zip(locals.ids()) {
                    tracing::info!(name, ?id, "a worker of this machine");
                    tell(
                        args,
                        &json!({"event": "started", "worker": name, "pid": id}),
                    )?;
                }
                Some(locals)
            }
            _ => None,
        };
        let is_open = args.local.is_none() || args.listen.is_some();
        let address = is_open.then(|| gate.local_addr());
        if let Some(address) = address {
            let address = address.to_string();
            console::note!(
                "listening on {address}; workers join with:\n  runtime worker --join {token}"
            );
            let token = token.to_string();
            tell(
                args,
                &json!({"event": "listening", "address": address, "token": token}),
            )?;
        }
        let crew = Crew::gather(gate);
        listen_for_interrupts(&crew)?;
        Ok(Self {
            crew,
            address,
            locals: started,
        })
    }

    async fn close(self) {
        self.crew
            .dismiss("the orchestrator has no more to do")
            .await;
        if let Some(locals) = self.locals {
            locals.end().await;
        }
    }
}

/// For scripts.
fn tell(args: &ClusterArgs, event: &serde_json::Value) -> Result<(), Stop> {
    if args.json {
        return print(&format!("{event}\n"));
    }
    Ok(())
}

/// Runs a job with the workers that are there and come; prints and writes what comes of it.
async fn execute(
    prepared: Prepared,
    args: &ClusterArgs,
    house: &mut House,
) -> Result<(Exit, serde_json::Value), Stop> {
    let Prepared {
        setting,
        data,
        given,
        resumed,
        names,
        folder,
        kept,
        allocator,
    } = prepared;
    let given_plan = given.is_some();
    folder.make()?;
    kept.at(house.address).write(folder.path())?;
    let past = resumed.as_ref().map(|checkpoint| {
        let log = Tables::log(folder.path(), allocator);
        let past = Past::of(&log, folder.path(), checkpoint);
        past.unwrap_or_else(|error| {
            console::note!(
                "the tables begin with cycle {}: {error}",
                checkpoint.cycle + 1
            );
            Past::default()
        })
    });
    let past = past.unwrap_or_default();
    let tables = Tables::create(&folder, &setting, args, allocator)?;
    let mut report = Report::new(folder.path(), tables, args.json);
    if let Some(checkpoint) = &resumed {
        report.goes_on(&past, checkpoint);
    }
    let host = Host {
        cbc_server: std::env::current_exe()
            .ok()
            .map(|program| (program, vec!["cbc-server".into()])),
    };
    let job = Job {
        scenario: setting.scenario.clone(),
        config: setting.config.clone(),
        seed: setting.scenario.run().seed,
        model: setting.model,
        rule: args.aggregate,
        data,
        device: if setting.scenario.training().allow_gpu {
            args.device
        } else {
            DeviceChoice::Cpu
        },
        allocator: allocator.create(&host),
        given,
        names,
        resumed,
    };
    let orchestrator =
        Orchestrator::new(job, &mut house.crew, &mut report).map_err(Stop::failed)?;
    let ended = past.whole(orchestrator.run().await);
    let rows = report.finish();
    let outcome = summary::Outcome {
        setting: &setting,
        ended: &ended,
        report: &report,
        given_plan,
        folder: folder.path(),
    };
    let summary = summary::json(&outcome);
    let written = outputs::write(&outcome, allocator.name(), rows);
    if args.json {
        print(&format!("{summary}\n"))?;
    } else {
        print(&summary::boxed(&outcome))?;
    }
    written.map_err(|error| Stop::failed(format!("results cannot be written: {error}")))?;
    if let Some(error) = report.broken {
        return Err(Stop::failed(error));
    }
    match ended.ending {
        Ending::Completed => Ok((Exit::Done, summary)),
        Ending::Stopped => Ok((Exit::Interrupted, summary)),
        Ending::TooFewWorkers { .. }
        | Ending::BelowBeta { .. }
        | Ending::Infeasible(_)
        | Ending::SolverFailed(_)
        | Ending::SolverLate
        | Ending::PlanRejected(_)
        | Ending::OutOfTime { .. } => {
            let because = ended
                .because
                .map(|why| format!(" ({why})"))
                .unwrap_or_default();
            let message = format!("the job ended early: {}{because}", ended.ending);
            Err(Stop::new(Exit::Unfinished, message))
        }
    }
}

/// Everything that can be known before a worker is.
struct Prepared {
    setting: Setting,
    data: Splits,
    given: Option<GivenPlan>,
    resumed: Option<Checkpoint>,
    names: Vec<String>,
    folder: RunFolder,
    kept: Kept,
    allocator: AllocatorName,
}

impl Prepared {
    /// With what is said outside of the scenario; in a given folder, or the one that is asked for.
    fn new(args: &mut ClusterArgs, said: &Overrides, place: Option<PathBuf>) -> Result<Self, Stop> {
        let (source, mut given, resumed) = match args.resume.clone() {
            None => (Source::open(args)?, None, None),
            Some(folder) => {
                let checkpoint = Checkpoint::read(&folder).map_err(Stop::bad)?;
                let kept = Kept::read(&folder)?;
                let (source, given) = kept.restore(args, &folder)?;
                (source, given, Some(checkpoint))
            }
        };
        let kind = args.model.unwrap_or(if cfg!(feature = "torch") {
            ModelKind::Mlp
        } else {
            ModelKind::Linear
        });
        args.model = Some(kind);
        trainer::check(kind).map_err(Stop::bad)?;
        let data = args.data.load().map_err(Stop::bad)?;
        let material = Material {
            features: data.train.features(),
            classes: data.train.classes(),
            samples: data.train.samples(),
        };
        if let Some(path) = &args.plan {
            given = Some(GivenPlan::read(path).map_err(Stop::bad)?);
        }
        let mut setting = Setting::new(&source, said, args, kind, material, given.is_some())?;
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
        let names = names(args, &setting, given.as_ref(), resumed.as_ref());
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
        config.time_model.own =
            config.time_model.own + own_time(&setting.model, args.aggregate, employed);
        if let Some(checkpoint) = &resumed {
            config.first_cycle = checkpoint.cycle + 1;
            config.limit = less(config.limit, checkpoint.elapsed);
            if config.first_cycle > config.cycles {
                return Err(Stop::bad(format!(
                    "all {} cycles of this run are done",
                    config.cycles
                )));
            }
        }
        if let Limit::Job { max_time, .. } = config.limit
            && max_time == Span::ZERO
        {
            return Err(Stop::bad("no time is left of job.max_time"));
        }
        config.check().map_err(Stop::bad)?;
        let folder = match (place, &args.resume) {
            (Some(place), _) => RunFolder::within(place),
            (None, Some(folder)) => RunFolder::again(folder),
            (None, None) => RunFolder::asked(args, &setting)?,
        };
        let kept = Kept::of(args, given.as_ref(), &setting);
        Ok(Self {
            setting,
            data,
            given,
            resumed,
            names,
            folder,
            kept,
            allocator,
        })
    }
}

/// Names that have their numbers beforehand: those of the plan, of the run that is gone on with,
/// or of the scenario; and one for each worker that is started here.
fn names(
    args: &ClusterArgs,
    setting: &Setting,
    given: Option<&GivenPlan>,
    resumed: Option<&Checkpoint>,
) -> Vec<String> {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    let mut names: Vec<String> = match (resumed, given) {
        (Some(checkpoint), _) => checkpoint.names.clone(),
        (None, Some(given)) => owned(given.names().collect()),
        (None, None) if args.scenario.is_none() && args.local.is_none() => Vec::new(),
        (None, None) => {
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

/// The orchestrator's own time at the end of a cycle, measured: averaging so many results, twice
/// as long as it took at worst, and some slack.
fn own_time(model: &ModelSpec, rule: Rule, results: u64) -> Span {
    let average = Average::new(&model.layout(), rule);
    let parameters = model.initial(1);
    let bytes = to_wire(&parameters);
    let mut worst = Duration::ZERO;
    for _ in 0..3 {
        let results = (0..results.min(64)).map(|worker| Contribution {
            worker: WorkerId::new(worker as u32),
            session: SessionId::new(worker as u32),
            weight: 1,
            update: average
                .check(&bytes, &parameters)
                .expect("the model's own parameters are fit to be averaged"),
        });
        let results = results.collect();
        let since = Instant::now();
        std::hint::black_box(average.merge(results));
        worst = worst.max(since.elapsed());
    }
    clock::span(worst * 2 + SLACK)
}

/// Starts to listen: on this machine only if all workers are local, else for all that have the
/// token.
async fn listen(args: &ClusterArgs, scratch: Option<&Scratch>) -> Result<(Listener, Token), Stop> {
    let is_local = args.local.is_some() && args.listen.is_none();
    let mut state = args.state.clone();
    if let (None, Some(scratch)) = (&state.state, scratch) {
        state.state = Some(scratch.path().to_owned());
    }
    let listen = args.listen.unwrap_or(if is_local {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT))
    });
    let mut options = listen_options(&state, listen).map_err(Stop::bad)?;
    options.announce = !(is_local || args.no_discovery);
    options.offload = !args.no_gso;
    let listener = Listener::bind(options).await.map_err(Stop::failed)?;
    let uses = args.uses.max(args.local.unwrap_or(0));
    let token = listener.mint(uses, TOKEN_FOR).await.map_err(Stop::failed)?;
    Ok((listener, token))
}

/// The first Ctrl-C, or SIGTERM, ends the job in order; the second ends the program.
fn listen_for_interrupts(crew: &Crew) -> Result<(), Stop> {
    let inputs = crew.sender();
    let mut interrupts = Interrupts::listen().map_err(Stop::failed)?;
    tokio::spawn(async move {
        interrupts.next().await;
        console::note!("stopping; once more to stop at once");
        if inputs.send(Input::Interrupted).await.is_ok() {
            interrupts.next().await;
            std::process::exit(i32::from(Exit::Interrupted as u8));
        }
    });
    Ok(())
}

/// The cores of this machine that we may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What messages call a file.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
