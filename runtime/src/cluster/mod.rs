//! `runtime cluster`: one job, from its settings to its summary.
//!
//! - `settings.rs`, `prepare.rs`: what is to be run. `members.rs`, `local.rs`: the workers.
//! - `folder.rs`, `names.rs`, `history.rs`: what lies in a run's folder from the beginning, and what a
//!   resumed run did before.
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
mod names;
mod outputs;
mod prepare;
mod report;
mod room;
mod settings;
mod standing;
mod summary;
mod sweep;
mod tables;
mod thesis_tables;

use std::path::Path;
use std::sync::Arc;

use console::{Exit, Stop, note, print};
use results::text::Style;
use scenarios::Overrides;
use scenarios::scenario::Vary;
use scheduler::machine::{Ending, Totals};
use scheduler::{Cost, Instant, Span};
use serde_json::json;
use solvers::{AllocatorName, Host};

use crate::cli::{ClusterArgs, SweepArgs};
use crate::data::DataAt;
use crate::orchestrator::{CHECKPOINT, Ended, Job, Orchestrator, Watch, judge_once};
use crate::train::DeviceChoice;
use history::History;
use members::Cluster;
use prepare::Prepared;
use report::Report;
use room::Room;
use settings::{Setting, said};
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
    local::remove_left_behind(); // whether or not this one needs keys
    args.settle().map_err(Stop::bad)?;
    if let Some(spare) = &args.spare {
        let made = std::fs::create_dir_all(spare);
        made.map_err(|error| Stop::bad(format!("--spare {}: {error}", spare.display())))?;
    }
    let said = said(&args)?;
    let prepared = Prepared::new(&mut args, &said, None).await?;
    if prepared.last().is_some() {
        return finish(prepared, &args).await;
    }
    let mut cluster = Cluster::open(&args, &prepared.names).await?;
    let outcome = execute(prepared, &args, &mut cluster).await;
    cluster.close().await;
    outcome.map(|(exit, _)| exit)
}

/// Runs a job for every combination of what is varied, with the same workers.
pub(crate) async fn sweep(args: SweepArgs) -> Result<Exit, Stop> {
    log(tracing::Level::WARN);
    local::remove_left_behind();
    let SweepArgs { vary, mut of } = args;
    if of.resume.is_some() {
        return Err(Stop::new(
            Exit::Usage,
            "a sweep cannot be resumed, expected no --resume",
        ));
    }
    of.settle().map_err(Stop::bad)?;
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
        let place = Some(root.cell(&cells[0]));
        Prepared::new(&mut first, &said, place).await?.names
    };
    let mut cluster = Cluster::open(&of, &names).await?;
    let mut dump = Vec::new();
    let mut worst = Exit::Done;
    for (at, cell) in cells.iter().enumerate() {
        let name = sweep::name(cell);
        note!("{} of {}: {name}", at + 1, cells.len());
        let said = said.clone().and_all(cell);
        let outcome = match Prepared::new(&mut of, &said, Some(root.cell(cell))).await {
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
    if !of.json {
        let style = Style {
            width: console::width(),
            bold: console::is_bold(),
        };
        print(&sweep::table(&dump, style))?;
    }
    Ok(worst)
}

/// Runs a job with the workers that are there and come; prints and writes what comes of it.
async fn execute(
    mut prepared: Prepared,
    args: &ClusterArgs,
    cluster: &mut Cluster,
) -> Result<(Exit, serde_json::Value), Stop> {
    prepared.folder.make()?;
    let command = prepared.command.clone().at(cluster.address);
    command.write(prepared.folder.path())?;
    let room = Room::default();
    let (mut report, history) = begin(&prepared, args, &room)?;
    let host = Host {
        cbc_server: std::env::current_exe()
            .ok()
            .map(|program| (program, vec!["cbc-server".into()])),
    };
    let Prepared {
        mut setting,
        data,
        digest,
        given,
        resumed,
        names,
        bound,
        folder,
        allocator,
        ..
    } = prepared;
    let left = |budget: Cost| budget.checked_sub(history.spent).unwrap_or_default();
    setting.config.budget = setting.scenario.job().budget.map(left);
    let given_plan = given.is_some();
    let model = setting.model.clone();
    setting.model.initial = Arc::default(); // it is the job's alone, which lets go of it
    let job = Job {
        scenario: setting.scenario.clone(),
        config: setting.config.clone(),
        seed: setting.scenario.run().seed,
        model,
        rule: args.aggregate,
        data,
        at_workers: (args.data_at == DataAt::Workers).then_some(digest),
        device: judge_on(&setting, args),
        allocator: allocator.create(&host),
        given,
        plan_only: args.plan_only,
        names,
        bound,
        resumed,
        spent_before: history.spent,
        folder: folder.path().to_owned(),
    };
    let orchestrator =
        Orchestrator::new(job, &mut cluster.connections, &mut report).map_err(Stop::failed)?;
    let ended = history.whole(orchestrator.run().await);
    let of = Concluded {
        setting: &setting,
        folder: folder.path(),
        allocator,
        given_plan,
        room: &room,
    };
    conclude(&of, ended, report, args)
}

/// Writes what is missing of a run of which every cycle is done.
async fn finish(prepared: Prepared, args: &ClusterArgs) -> Result<Exit, Stop> {
    let folder = prepared.folder.path();
    if folder.join(results::RUN_FILE).exists() {
        note!("the run in {} is finished", folder.display());
        return Ok(Exit::Done);
    }
    let Some(last) = prepared.last() else {
        return Ok(Exit::Done);
    };
    let (setting, room) = (&prepared.setting, Room::default());
    let (mut report, history) = begin(&prepared, args, &room)?;
    let judge_on = (judge_on(setting, args), setting.scenario.run().seed);
    let (model, test) = (setting.model.clone(), &prepared.data.test);
    let judged = judge_once(model, judge_on, test, &last.parameters).await;
    match judged {
        Ok(judged) => report.judged(last.cycle, &judged),
        Err(why) => report.note(&format!("the model cannot be judged: {why}")),
    }
    let ended = history.whole(Ended {
        ending: Ending::Completed,
        totals: Totals::default(),
        because: None,
        model: Arc::clone(&last.parameters),
        at: Instant::START,
        names: last.names.clone(),
        longest_stall: Span::ZERO,
    });
    let of = Concluded {
        setting,
        folder,
        allocator: prepared.allocator,
        given_plan: prepared.given.is_some(),
        room: &room,
    };
    let concluded = conclude(&of, ended, report, args);
    let log = Tables::log(folder, prepared.allocator);
    let back = history::put_back(&log, folder);
    let exit = concluded.map(|(exit, _)| exit)?;
    back.map_err(|error| Stop::failed(format!("{}: {error}", log.display())))?;
    Ok(exit)
}

/// Where models are judged.
fn judge_on(setting: &Setting, args: &ClusterArgs) -> DeviceChoice {
    if setting.scenario.training().allow_gpu {
        args.device
    } else {
        DeviceChoice::Cpu
    }
}

/// Begins the account of a run, with what it did before if it is resumed.
fn begin(prepared: &Prepared, args: &ClusterArgs, room: &Room) -> Result<(Report, History), Stop> {
    let (folder, allocator) = (&prepared.folder, prepared.allocator);
    let resumed = prepared.resumed.as_ref();
    let begin = || {
        let (tables, summary) = Tables::create(folder, &prepared.setting, args, allocator, room)?;
        let report = Report::new(
            folder.path(),
            tables,
            summary,
            args.json,
            resumed.map(|checkpoint| checkpoint.cycle),
            &prepared.names,
            room,
        );
        report.map_err(|error| {
            let folder = folder.path().display();
            Stop::bad(format!("cannot write to {folder}: {error}"))
        })
    };
    let (mut report, history) = match folder.is_resumed() {
        false => (begin()?, History::default()),
        true => {
            // Without a checkpoint no cycle counts yet.
            let done = resumed.map_or((0, Span::ZERO), |of| (of.cycle, of.elapsed));
            let log = Tables::log(folder.path(), allocator);
            let parts = history::set_aside(&log, folder.path())
                .map_err(|error| format!("the log of the run so far cannot be kept: {error}"));
            let mut report = begin()?;
            let replayed = parts.and_then(|parts| {
                History::replay(&parts, done, |at, what, kept| {
                    report.replays(at, what, kept)
                })
            });
            match replayed {
                Ok(history) => {
                    tell_of(&history, folder.path(), resumed.is_some());
                    (report, history)
                }
                Err(error) => {
                    let next = done.0 + 1;
                    note!("the tables begin with cycle {next}: {error}");
                    drop(report); // it has some of the cycles
                    let spent = resumed.map_or(Cost::ZERO, |checkpoint| checkpoint.spent);
                    (begin()?, History::unknown(spent))
                }
            }
        }
    };
    report.goes_on(history.shift);
    Ok((report, history))
}

/// What a run that is resumed cannot count, or does again.
fn tell_of(history: &History, folder: &Path, has_checkpoint: bool) {
    if let Some(damage) = &history.damage {
        note!("{damage}; what was ordered after that is not in the fee");
    }
    if !has_checkpoint && history.has_cycles() {
        let path = folder.join(CHECKPOINT);
        let path = path.display();
        note!(
            "{path} is not there: the run begins with cycle 1 again, and what its log has is owed"
        );
    }
}

/// What is known of a run that is over, beside its account.
struct Concluded<'a> {
    setting: &'a Setting,
    folder: &'a Path,
    allocator: AllocatorName,
    given_plan: bool,
    room: &'a Room,
}

/// Prints and writes what came of a run.
fn conclude(
    of: &Concluded<'_>,
    ended: Ended,
    report: Report,
    args: &ClusterArgs,
) -> Result<(Exit, serde_json::Value), Stop> {
    let (account, mut kept) = report.finish();
    let (tables, broken) = (kept.tables.take(), kept.broken.take());
    let ran = Ran::new(
        of.setting,
        &ended,
        &account,
        &kept,
        of.given_plan,
        of.folder,
    );
    let summary = summary::json(&ran);
    let text = if args.json {
        format!("{summary}\n")
    } else if args.plan_only {
        summary::planned(&ran, console::width())
    } else {
        summary::boxed(&ran, console::width())
    };
    let (name, spare) = (of.allocator.name(), args.spare.as_deref());
    let written = outputs::write(&ran, name, tables, of.room, spare);
    print(&text)?;
    written.map_err(|error| Stop::failed(format!("results cannot be written: {error}")))?;
    if let Some(error) = broken {
        return Err(Stop::failed(error));
    }
    match ended.ending {
        Ending::Completed => Ok((Exit::Done, summary)),
        Ending::Stopped if args.plan_only && account.summary.last_plan().is_some() => {
            Ok((Exit::Done, summary))
        }
        Ending::Stopped => Ok((Exit::Interrupted, summary)),
        Ending::TooFewWorkers { .. }
        | Ending::BelowBeta { .. }
        | Ending::Infeasible(_)
        | Ending::SolverFailed(_)
        | Ending::SolverLate
        | Ending::PlanRejected(_)
        | Ending::OutOfBudget { .. }
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
