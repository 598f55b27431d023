//! What a run leaves in its folder at its end.
//!
//! **What it does not know:** the terminal.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use console::note;
use results::runs::Move;
use results::{WholeFile, plan_line};
use scenarios::Scenario;
use scenarios::scenario::MeasuredWorker;
use scheduler::machine::{ShareRow, WorkerId};
use scheduler::{Instant, Outcome, Plan, Planned, Span, Speed};
use serde_json::{Map, Value, json};

use super::report::WorkerInfo;
use super::room::Room;
use super::summary::{self, Ran};
use super::tables::Tables;
use super::thesis_tables;
use crate::files::FileError;
use crate::model::save_model;

/// The last model.
const MODEL: &str = "model.safetensors";

type Whole = BufWriter<WholeFile>;

/// Writes everything; each file is there only once it is whole, `run.json` last.
///
/// # Errors
/// When the system refuses for good: a full disk is waited for.
pub(crate) fn write(
    ran: &Ran<'_>,
    allocator: &str,
    tables: Option<Tables>,
    room: &Room,
    spare: Option<&Path>,
) -> io::Result<()> {
    save(ran, room, spare)?;
    let file = |name, write: &dyn Fn(&mut Whole) -> io::Result<()>| {
        let path = ran.folder.join(name);
        let mut out = BufWriter::new(WholeFile::patient(&path, &room.patience())?);
        write(&mut out)?;
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .finish()
    };
    if let Some(line) = plan(ran, allocator)? {
        file("plan.json", &|out| writeln!(out, "{line}"))?;
    }
    file("stats.csv", &|out| thesis_tables::stats(ran, out))?;
    file("workers.csv", &|out| thesis_tables::workers(ran, out))?;
    file("timing.csv", &|out| thesis_tables::timing(ran, out))?;
    file("model.csv", &|out| thesis_tables::models(ran, out))?;
    match tables {
        Some(mut tables) => {
            thesis_tables::each_model(ran, |cycle, judged| match judged {
                Some(judged) => tables.judged(cycle, &judged).map_err(io::Error::other),
                None => Ok(()),
            })?;
            tables
                .finish(ran.end, &ran.ended.names, &measured(ran), || details(ran))
                .map_err(io::Error::other)
        }
        None => Ok(()), // why they broke off is reported apart
    }
}

/// Saves the model: in the folder of the run once that has room, or in the spare one if there is one.
fn save(ran: &Ran<'_>, room: &Room, spare: Option<&Path>) -> io::Result<()> {
    let to = |path: &Path| {
        let layout = &ran.setting.model.layout;
        save_model(path, layout, &ran.ended.model).map_err(FileError::into_io)
    };
    let own = ran.folder.join(MODEL);
    let Some(spare) = spare else {
        return room.patience().with(&own, || to(&own));
    };
    let Err(error) = to(&own) else {
        return Ok(());
    };
    let run = ran.folder.file_name().unwrap_or_default();
    let run = run.to_string_lossy();
    // Nothing of another run is replaced.
    let names = (1..).map(|number| match number {
        1 => format!("{run}-{MODEL}"),
        number => format!("{run}-{number}-{MODEL}"),
    });
    let mut paths = names.map(|name| spare.join(name));
    let path = paths.find(|path| !path.exists());
    let path = path.unwrap_or_else(|| spare.join(MODEL));
    room.patience().with(&path, || to(&path))?;
    let (own, path) = (own.display(), path.display());
    note!("{own} cannot be written: {error}; the model is in {path}");
    Ok(())
}

/// What `run.json` says beside the plan: the summary, and how the run was made.
fn details(ran: &Ran<'_>) -> Map<String, Value> {
    let Value::Object(mut details) = summary::json(ran) else {
        return Map::new();
    };
    details.remove("event");
    let worker = |(worker, info): (&WorkerId, &WorkerInfo)| {
        let own = ran.report.summary.forecast_of(*worker);
        json!({
            "name": ran.name(*worker), "processor": info.cpu, "cores": info.cores,
            "device": info.device, "threads": info.threads,
            "predicted_s": own.map(|own| own.predicted.seconds_f64()),
            "measured_s": own.map(|own| own.measured.seconds_f64()),
            "error_percent": own.and_then(|own| own.error_percent()),
        })
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let made = [
        ("command_line", json!(console::command_line())),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("machine", json!(results::machine())),
        ("ended_unix_s", json!(now.unwrap_or_default().as_secs())),
        ("workers", ran.report.workers.iter().map(worker).collect()),
    ];
    details.extend(made.map(|(key, value)| (key.to_owned(), value)));
    details
}

/// The scenario of the run as it was: a simulated run of it begins with the same question.
fn measured(ran: &Ran<'_>) -> Scenario {
    let (summary, config) = (&ran.report.summary, &ran.setting.config);
    let numbered = (0..).map(WorkerId::new).zip(&ran.ended.names);
    let worker = |(id, name): (WorkerId, &String)| {
        let totals = summary.worker(id);
        let pace = summary.pace_of(id);
        // A speed is that of one pass.
        let once = |speed: Speed| {
            let batches = speed
                .batches()
                .saturating_mul(config.time_model.passes.into());
            Speed::measured(batches, speed.took())
        };
        let moves = summary.moves().iter().filter(|of| of.worker == id);
        let mut absences: Vec<(Span, Option<Span>)> = Vec::new();
        for Move { at, returned, .. } in moves {
            let at = at.since(Instant::START);
            match absences.last_mut() {
                Some((_, back @ None)) if *returned => *back = Some(at),
                _ if !returned => absences.push((at, None)),
                _ => {} // the beginning of its absence was not kept
            }
        }
        Some(MeasuredWorker {
            name: name.clone(),
            fee: totals.fee?,
            benchmark: totals.benchmark?,
            speed: pace.speed().and_then(once),
            jitter: pace.jitter().unwrap_or(0.0),
            link: totals.link,
            joined: totals.joined?.since(Instant::START),
            absences,
        })
    };
    let workers: Vec<MeasuredWorker> = numbered.filter_map(worker).collect();
    let scenario = &ran.setting.scenario;
    if workers.is_empty() {
        return scenario.clone();
    }
    scenario.measured(config.expect, &workers)
}

/// The last plan as a line of `sim solve`, to be run again.
fn plan(ran: &Ran<'_>, allocator: &str) -> io::Result<Option<String>> {
    let summary = &ran.report.summary;
    let Some(row) = summary.last_plan() else {
        return Ok(None);
    };
    let shares = summary.last_shares().iter();
    let names: Vec<Option<String>> = shares
        .clone()
        .map(|share| Some(ran.name(share.worker).to_owned()))
        .collect();
    let planned = Outcome::Planned(Planned {
        plan: Plan {
            batches: shares.map(|share| share.batches).collect(),
            cost: row.cost,
        },
        status: row.status,
        lower_bound: row.lower_bound,
        certificate: row.certificate,
    });
    let context = plan_line::Context {
        id: "0",
        allocator,
        names: &names,
        repairs: "",
    };
    // So that it can be run again whatever a later benchmark says.
    let speed = |share: &ShareRow| [share.speed.batches(), share.speed.took().nanos()];
    let speeds: Vec<_> = summary.last_shares().iter().map(speed).collect();
    plan_line::write_with(context, &planned, &json!({"speeds": speeds}))
        .map(Some)
        .map_err(io::Error::other)
}
