//! What a run leaves in its folder at its end.
//!
//! **What it does not know:** the terminal.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use console::Stop;
use results::runs::{Job, RunEnd, RunFolder as RunTables, RunKey, RunRows, RunsPlan};
use results::{ResultsError, WholeFile, plan_line};
use scheduler::machine::{Record, WorkerId};
use scheduler::{Instant, Outcome as Solved, Plan, Planned};
use serde_json::{Map, Value, json};
use solvers::AllocatorName;

use super::folder::RunFolder;
use super::report::Person;
use super::seed_tables;
use super::settings::Setting;
use super::summary::{self, Outcome};
use crate::cli::ClusterArgs;
use crate::model::save_model;

/// The only run of its folder.
const KEY: RunKey = RunKey {
    replicate: 0,
    allocator: 0,
};

/// The tables that simulations have too, written as rows come.
pub(crate) struct Tables {
    folder: RunTables,
    rows: RunRows,
    /// Where the log of events goes.
    pub(crate) events: PathBuf,
}

impl Tables {
    /// Where the log of events is in a folder.
    pub(crate) fn log(folder: &Path, allocator: AllocatorName) -> PathBuf {
        RunTables::event_file(folder, KEY, allocator.name())
    }

    /// Begins them in a folder that is there.
    pub(crate) fn create(
        folder: &RunFolder,
        setting: &Setting,
        args: &ClusterArgs,
        allocator: AllocatorName,
    ) -> Result<Self, Stop> {
        let (scenario, config) = (&setting.scenario, &setting.config);
        let job = Job {
            config: config.clone(),
            cycle_model: scenario.cycle_model(config.time_model.own),
            parameter_bytes: scenario.model().parameters.get(),
        };
        let name = args.scenario.as_ref().map(PathBuf::from);
        let name = name.as_ref().and_then(|path| path.file_stem());
        let plan = RunsPlan {
            mode: "real".to_owned(),
            scenario: name.map_or("none".into(), |name| name.to_string_lossy().into_owned()),
            seed: scenario.run().seed,
            replicates: 1,
            allocators: vec![allocator.name().to_owned()],
        };
        let text = scenario.to_string();
        let tables = RunTables::create(folder.path(), plan, &job, &text, folder.is_resumed());
        let tables = tables.map_err(Stop::bad)?;
        let events = tables.event_files().map_err(Stop::bad)?(KEY);
        Ok(Self {
            folder: tables,
            rows: RunRows::new(KEY),
            events,
        })
    }

    /// Takes in a record.
    pub(crate) fn record(&mut self, now: Instant, record: &Record) -> Result<(), ResultsError> {
        self.rows.record(now, record);
        match self.rows.take_full() {
            Some(chunk) => self.folder.push(chunk),
            None => Ok(()),
        }
    }

    /// Ends them; `run.json`, with the summary, comes last.
    fn finish(self, outcome: &Outcome<'_>) -> Result<(), ResultsError> {
        let Self {
            mut folder, rows, ..
        } = self;
        let end = RunEnd {
            ending: outcome.ended.ending,
            totals: outcome.ended.totals,
            ended: outcome.ended.at,
            limit: outcome.limit(),
            truth: None,
        };
        let names: Vec<Arc<str>> = outcome
            .ended
            .names
            .iter()
            .map(|name| name.as_str().into())
            .collect();
        folder.push(rows.finish(end, &names))?;
        folder.finish(|| details(outcome)).map(drop)
    }
}

/// What `run.json` says beside the plan: the summary, and how the run was made.
fn details(outcome: &Outcome<'_>) -> Map<String, Value> {
    let Value::Object(mut details) = summary::json(outcome) else {
        return Map::new();
    };
    details.remove("event");
    let report = outcome.report;
    let worker = |(worker, person): (&WorkerId, &Person)| {
        json!({
            "name": report.names.get(worker), "processor": person.cpu, "cores": person.cores,
            "device": person.device, "threads": person.threads,
        })
    };
    let made = [
        ("command_line", json!(console::command_line())),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("machine", json!(results::machine())),
        ("ended_unix_s", json!(now_unix_s())),
        ("workers", report.people.iter().map(worker).collect()),
    ];
    details.extend(made.map(|(key, value)| (key.to_owned(), value)));
    details
}

fn now_unix_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// Writes everything; each file is there only once it is whole, `run.json` last.
pub(crate) fn write(
    outcome: &Outcome<'_>,
    allocator: &str,
    tables: Option<Tables>,
) -> io::Result<()> {
    let layout = outcome.setting.model.layout();
    let model = outcome.folder.join("model.safetensors");
    save_model(&model, &layout, &outcome.ended.model).map_err(io::Error::other)?;
    if let Some(line) = plan(outcome, allocator)? {
        file(outcome, "plan.json", &(line + "\n"))?;
    }
    file(outcome, "stats.csv", &seed_tables::stats(outcome))?;
    file(outcome, "workers.csv", &seed_tables::workers(outcome))?;
    file(outcome, "timing.csv", &seed_tables::timing(outcome))?;
    file(outcome, "model.csv", &seed_tables::models(outcome))?;
    match tables {
        Some(tables) => tables.finish(outcome).map_err(io::Error::other),
        None => Ok(()), // why they broke off is told apart
    }
}

fn file(outcome: &Outcome<'_>, name: &str, text: &str) -> io::Result<()> {
    WholeFile::create(&outcome.folder.join(name))?.publish(text)
}

/// The last plan as a line of `sim solve`, to be run again.
fn plan(outcome: &Outcome<'_>, allocator: &str) -> io::Result<Option<String>> {
    let report = outcome.report;
    let Some(row) = report.plans.last() else {
        return Ok(None);
    };
    let names: Vec<Option<String>> = report
        .shares
        .iter()
        .map(|share| report.names.get(&share.worker).cloned())
        .collect();
    let planned = Solved::Planned(Planned {
        plan: Plan {
            batches: report.shares.iter().map(|share| share.batches).collect(),
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
    plan_line::write(context, &planned)
        .map(Some)
        .map_err(io::Error::other)
}
