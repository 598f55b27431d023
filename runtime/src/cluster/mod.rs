//! `runtime cluster`: one job, from its settings to its summary.
//!
//! - `settings.rs`, `prepare.rs`: what is to be run. `members.rs`, `local.rs`: the workers.
//! - `folder.rs`, `history.rs`: what lies in a run's folder from the beginning, and what a resumed
//!   run did before.
//! - `report.rs`: what a run looks like. `keeper.rs`: what is written of it while it runs, by a thread
//!   of its own: `tables.rs`, `judgements.rs`, `compute_times.rs`; `room.rs` waits for a full disk.
//! - `summary.rs`, `outputs.rs`, `thesis_tables.rs`: what it leaves.
//! - `sweep.rs`: many jobs, and what is kept of all.
//!
//! **What it does not know:** how a job is run (`orchestrator`), and what workers do.

mod compute_times;
mod folder;
mod history;
mod judgements;
mod keeper;
mod local;
mod members;
mod outputs;
mod prepare;
mod report;
mod room;
mod settings;
mod summary;
mod sweep;
mod tables;
mod thesis_tables;

use console::{Exit, Stop, note, print};
use scenarios::Overrides;
use scenarios::scenario::Vary;
use scheduler::machine::Ending;
use serde_json::json;
use solvers::Host;

use crate::cli::{ClusterArgs, SweepArgs};
use crate::orchestrator::{Job, Orchestrator};
use crate::train::DeviceChoice;
use history::History;
use members::Cluster;
use prepare::Prepared;
use report::Report;
use room::Room;
use settings::said;
use summary::Ran;
use tables::Tables;

/// Messages of the program on standard error, by `RUST_LOG`, or down to a level.
pub(crate) fn log(usual: tracing::Level) {
    use tracing_subscriber::filter::{EnvFilter, LevelFilter};
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::from_level(usual).into())
        .from_env_lossy();
    let is_plain = std::env::var_os("NO_COLOR").is_some();
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| console::Messages)
        .with_ansi(!is_plain && std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false);
    let _ = logging.try_init(); // who has one already keeps it
}

/// Runs a job.
pub(crate) async fn run(mut args: ClusterArgs) -> Result<Exit, Stop> {
    log(tracing::Level::WARN);
    let said = said(&args)?;
    let prepared = Prepared::new(&mut args, &said, None)?;
    let mut cluster = Cluster::open(&args, &prepared.names).await?;
    let outcome = execute(prepared, &args, &mut cluster).await;
    cluster.close().await;
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
    Vary::check(&varied, &said).map_err(|error| Stop::new(Exit::Usage, error))?;
    let cells = Vary::product(&varied, &Overrides::NONE);
    let root = sweep::Root::create(&of)?;
    // The names of the first cell: what is varied does not rename workers.
    let names = {
        let mut first = of.clone();
        let said = said.clone().and_all(&cells[0]);
        Prepared::new(&mut first, &said, Some(root.cell(&cells[0])))?.names
    };
    let mut cluster = Cluster::open(&of, &names).await?;
    let mut dump = Vec::new();
    let mut worst = Exit::Done;
    for (at, cell) in cells.iter().enumerate() {
        let name = sweep::name(cell);
        note!("{} of {}: {name}", at + 1, cells.len());
        let said = said.clone().and_all(cell);
        let outcome = match Prepared::new(&mut of, &said, Some(root.cell(cell))) {
            Ok(prepared) => execute(prepared, &of, &mut cluster).await,
            Err(stop) => Err(stop),
        };
        let (exit, result) = match outcome {
            Ok((exit, summary)) => (exit, summary),
            Err(stop) => {
                note!("error: {name}: {}", stop.message);
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
    cluster.close().await;
    Ok(worst)
}

/// Runs a job with the workers that are there and come; prints and writes what comes of it.
async fn execute(
    prepared: Prepared,
    args: &ClusterArgs,
    cluster: &mut Cluster,
) -> Result<(Exit, serde_json::Value), Stop> {
    let Prepared {
        setting,
        data,
        given,
        resumed,
        names,
        folder,
        command,
        allocator,
    } = prepared;
    let given_plan = given.is_some();
    folder.make()?;
    command.at(cluster.address).write(folder.path())?;
    let room = Room::default();
    let begin = || {
        let (tables, summary) = Tables::create(&folder, &setting, args, allocator, &room)?;
        let resumed = resumed.as_ref();
        let report = Report::new(folder.path(), tables, summary, args.json, resumed, &room);
        report.map_err(|error| {
            let folder = folder.path().display();
            Stop::bad(format!("cannot write to {folder}: {error}"))
        })
    };
    let (mut report, history) = match &resumed {
        None => (begin()?, History::default()),
        Some(checkpoint) => {
            let log = Tables::log(folder.path(), allocator);
            let parts = history::set_aside(&log, folder.path())
                .map_err(|error| format!("the log of the run so far cannot be kept: {error}"));
            let mut report = begin()?;
            let replayed = parts.and_then(|parts| {
                History::replay(&parts, checkpoint, |at, what| report.replays(at, what))
            });
            match replayed {
                Ok(history) => (report, history),
                Err(error) => {
                    let next = checkpoint.cycle + 1;
                    note!("the tables begin with cycle {next}: {error}");
                    drop(report); // it has some of the cycles
                    (begin()?, History::default())
                }
            }
        }
    };
    report.goes_on(history.shift);
    let host = Host {
        cbc_server: std::env::current_exe()
            .ok()
            .map(|program| (program, vec!["cbc-server".into()])),
    };
    let job = Job {
        scenario: setting.scenario.clone(),
        config: setting.config.clone(),
        seed: setting.scenario.run().seed,
        model: setting.model.clone(),
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
        Orchestrator::new(job, &mut cluster.connections, &mut report).map_err(Stop::failed)?;
    let ended = history.whole(orchestrator.run().await);
    let (account, mut kept) = report.finish();
    let (tables, broken) = (kept.tables.take(), kept.broken.take());
    let ran = Ran::new(&setting, &ended, &account, &kept, given_plan, folder.path());
    let summary = summary::json(&ran);
    let text = if args.json {
        format!("{summary}\n")
    } else {
        summary::boxed(&ran)
    };
    let written = outputs::write(&ran, allocator.name(), tables, &room);
    print(&text)?;
    written.map_err(|error| Stop::failed(format!("results cannot be written: {error}")))?;
    if let Some(error) = broken {
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
