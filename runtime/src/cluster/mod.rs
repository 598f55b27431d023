//! `runtime cluster`: one job, from its settings to its summary.
//!
//! - `settings.rs`: what is to be run. `local.rs`: workers of this machine.
//! - `report.rs`: what a run looks like. `summary.rs`, `outputs.rs`: what it leaves.
//!
//! **What it does not know:** how a job is run (`orchestrator`), and what workers do.

mod folder;
mod local;
mod outputs;
mod report;
mod settings;
mod summary;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use scheduler::Span;
use scheduler::machine::{Ending, Limit, WorkerId};
use serde_json::json;
use solvers::{AllocatorName, Host};

use crate::average::{Average, Contribution, Rule};
use crate::cli::ClusterArgs;
use crate::clock;
use crate::data::{Dataset, Splits};
use crate::exit::{Exit, Stop, print};
use crate::model::{ModelKind, ModelSpec, to_wire};
use crate::net::{DEFAULT_PORT, Gate, GateOptions, Identity, Token};
use crate::orchestrator::{Checkpoint, Crew, GivenPlan, Input, Job, Orchestrator};
use crate::worker::state_folder;
use folder::{Kept, RunFolder};
use local::{Locals, Scratch, throttles};
use report::Report;
use settings::{Material, Setting, Source, less, said};

/// Timers and threads may be so late without a result being thrown away: what the law leaves the
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
    let prepared = Prepared::new(&mut args)?;
    let scratch = args.local.map(|_| Scratch::new()).transpose();
    let scratch = scratch.map_err(Stop::failed)?;
    let (gate, token) = open_gate(&args, scratch.as_ref()).await?;
    let names = prepared.names.clone();
    let locals = match (args.local, scratch) {
        (Some(count), Some(scratch)) => {
            let throttles = if args.throttles.is_empty() {
                throttles(count)
            } else {
                args.throttles.clone()
            };
            let started = Locals::start(
                scratch,
                &names[..names.len().min(count as usize)],
                &throttles,
                args.device,
                &token,
            );
            let locals = started.await.map_err(|error| {
                Stop::failed(format!("a worker cannot be started: {error}"))
            })?;
            for (name, id) in names.iter().zip(locals.ids()) {
                tracing::info!(name, ?id, "a worker of this machine");
                if args.json {
                    print(&format!("{}\n", json!({"event": "started", "worker": name, "pid": id})))?;
                }
            }
            Some(locals)
        }
        _ => None,
    };
    if args.local.is_none() || args.listen.is_some() {
        let address = gate.local_addr().to_string();
        eprintln!("listening on {address}; workers join with:\n  runtime worker --join {token}");
        if args.json {
            let token = token.to_string();
            print(&format!("{}\n", json!({"event": "listening", "address": address, "token": token})))?;
        }
    }
    let mut crew = Crew::gather(gate);
    listen_for_ctrl_c(&crew);
    let outcome = execute(prepared, &args, &mut crew).await;
    let reason = match &outcome {
        Ok(_) => "the job is over",
        Err(_) => "the job could not be begun",
    };
    crew.dismiss(reason).await;
    if let Some(locals) = locals {
        locals.end().await;
    }
    outcome
}

/// Runs a job with the workers that are there and come; prints and writes what comes of it.
async fn execute(
    prepared: Prepared,
    args: &ClusterArgs,
    crew: &mut Crew,
) -> Result<Exit, Stop> {
    let Prepared {
        setting,
        data,
        given,
        resumed,
        names,
        folder,
        allocator,
    } = prepared;
    let given_plan = given.is_some();
    let mut report = Report::new(folder.path(), args.json);
    let job = Job {
        scenario: setting.scenario.clone(),
        config: setting.config.clone(),
        seed: setting.scenario.run().seed,
        model: setting.model,
        rule: args.aggregate,
        data,
        device: args.device,
        allocator: allocator.create(&Host {
            cbc_server: std::env::current_exe()
                .ok()
                .map(|program| (program, vec!["cbc-server".into()])),
        }),
        given,
        names,
        resumed,
    };
    let orchestrator = Orchestrator::new(job, crew, &mut report).map_err(Stop::failed)?;
    let ended = orchestrator.run().await;
    report.finish();
    let outcome = summary::Outcome {
        setting: &setting,
        ended: &ended,
        report: &report,
        given_plan,
        folder: folder.path(),
    };
    let written = outputs::write(&outcome, allocator.name());
    let text = if args.json {
        summary::json(&outcome)
    } else {
        summary::boxed(&outcome)
    };
    print(&text)?;
    written.map_err(|error| Stop::failed(format!("results cannot be written: {error}")))?;
    if let Some(error) = report.broken {
        return Err(Stop::failed(error));
    }
    match ended.ending {
        Ending::Completed => Ok(Exit::Done),
        Ending::Stopped => Ok(Exit::Interrupted),
        Ending::TooFewWorkers { .. }
        | Ending::BelowBeta { .. }
        | Ending::Infeasible(_)
        | Ending::SolverFailed(_)
        | Ending::SolverLate
        | Ending::PlanRejected(_)
        | Ending::OutOfTime { .. } => {
            let because = ended.because.map(|why| format!(" ({why})")).unwrap_or_default();
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
    allocator: AllocatorName,
}

impl Prepared {
    fn new(args: &mut ClusterArgs) -> Result<Self, Stop> {
        let (source, mut given, resumed) = match args.resume.clone() {
            None => (Source::open(args)?, None, None),
            Some(folder) => {
                let checkpoint = Checkpoint::read(&folder).map_err(Stop::bad)?;
                let kept = Kept::read(&folder)?;
                let (source, given) = kept.restore(args, &folder)?;
                (source, given, Some(checkpoint))
            }
        };
        let said = said(args)?;
        let kind = args.model.unwrap_or(if cfg!(feature = "torch") {
            ModelKind::Mlp
        } else {
            ModelKind::Linear
        });
        args.model = Some(kind);
        let data = Dataset::load(&args.data).map_err(Stop::bad)?;
        let material = Material {
            features: data.train.features(),
            classes: data.train.classes(),
            samples: data.train.len(),
        };
        if let Some(path) = &args.plan {
            given = Some(GivenPlan::read(path).map_err(Stop::bad)?);
        }
        let mut setting = Setting::new(&source, &said, args, kind, material)?;
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
        config.law.own = config.law.own + own_time(&setting.model, args.aggregate, employed);
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
        let folder = match &args.resume {
            Some(folder) => RunFolder::again(folder),
            None => RunFolder::create(args, &setting)?,
        };
        Kept::of(args, given.as_ref()).write(folder.path(), &setting)?;
        Ok(Self {
            setting,
            data,
            given,
            resumed,
            names,
            folder,
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

/// Opens the door: for workers of this machine alone where these are all, else for everybody who
/// has the token.
async fn open_gate(
    args: &ClusterArgs,
    scratch: Option<&Scratch>,
) -> Result<(Gate, Token), Stop> {
    let is_local = args.local.is_some() && args.listen.is_none();
    let state: PathBuf = match (&args.state, scratch) {
        (Some(state), _) => state.clone(),
        (None, Some(scratch)) if is_local => scratch.path().join("orchestrator"),
        (None, _) => state_folder("orchestrator")?,
    };
    let listen = args.listen.unwrap_or(if is_local {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT))
    });
    let identity = Identity::load_or_create(&state.join("identity")).map_err(Stop::bad)?;
    let mut options = GateOptions::new(identity, state, listen);
    options.announce = !is_local;
    let gate = Gate::bind(options).await.map_err(Stop::failed)?;
    let uses = args.uses.max(args.local.unwrap_or(0));
    let token = gate.mint(uses, TOKEN_FOR).await.map_err(Stop::failed)?;
    Ok((gate, token))
}

/// The first Ctrl-C ends the job in order; the second ends the program.
fn listen_for_ctrl_c(crew: &Crew) {
    let inputs = crew.sender();
    tokio::spawn(async move {
        let mut times = 0;
        while tokio::signal::ctrl_c().await.is_ok() {
            times += 1;
            if times > 1 {
                std::process::exit(i32::from(Exit::Interrupted as u8));
            }
            eprintln!("stopping; once more to stop at once");
            if inputs.send(Input::Interrupted).await.is_err() {
                return;
            }
        }
    });
}

/// What messages call a file.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
