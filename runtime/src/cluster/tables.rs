//! The tables that simulations have too, written as rows come.
//!
//! **What it does not know:** what a run came to: that is handed over at its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use console::Stop;
use results::ResultsError;
use results::runs::{Job, ModelRow, RunEnd, RunFolder, RunKey, RunRows, RunSummary, RunsPlan};
use scenarios::Scenario;
use scheduler::Instant;
use scheduler::machine::{Record, WorkerId};
use serde_json::{Map, Value};
use solvers::AllocatorName;

use super::folder::OutputFolder;
use super::room::Room;
use super::settings::Setting;
use crate::cli::ClusterArgs;
use crate::train::Evaluation;

/// The only run of its folder.
const KEY: RunKey = RunKey {
    replicate: 0,
    allocator: 0,
};

/// The tables of a run under way.
pub(crate) struct Tables {
    folder: RunFolder,
    rows: RunRows,
    /// Where the log of events goes.
    pub(crate) events: PathBuf,
}

impl Tables {
    /// Where the log of events is in a folder.
    pub(crate) fn log(folder: &Path, allocator: AllocatorName) -> PathBuf {
        RunFolder::event_file(folder, KEY, allocator.name())
    }

    /// Begins them in a folder that is there, and a summary of their rows.
    pub(crate) fn create(
        folder: &OutputFolder,
        setting: &Setting,
        args: &ClusterArgs,
        allocator: AllocatorName,
        room: &Room,
    ) -> Result<(Self, RunSummary), Stop> {
        let (scenario, config) = (&setting.scenario, &setting.config);
        let job = Job {
            config: config.clone(),
            cycle_model: scenario.cycle_model(),
            parameter_bytes: scenario.wire_bytes().get(),
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
        let tables = RunFolder::patient(
            folder.path(),
            plan,
            &job,
            &text,
            folder.is_resumed(),
            &room.patience(),
        );
        let tables = tables.map_err(Stop::bad)?;
        let events = tables.event_files().map_err(Stop::bad)?(KEY);
        let tables = Self {
            folder: tables,
            rows: RunRows::new(KEY),
            events,
        };
        Ok((tables, RunSummary::with_prediction(&job)))
    }

    /// Takes in the name of a worker.
    pub(crate) fn named(&mut self, worker: WorkerId, name: &str) {
        self.folder.name_worker(worker.get() as usize, name.into());
    }

    /// Takes in a record.
    pub(crate) fn record(&mut self, at: Instant, record: &Record) -> Result<(), ResultsError> {
        self.rows.record(at, record);
        match self.rows.take_full() {
            Some(chunk) => self.folder.push(chunk),
            None => Ok(()),
        }
    }

    /// Takes in how good the model was after a cycle, in the order of cycles.
    pub(crate) fn judged(&mut self, cycle: u32, judged: &Evaluation) -> Result<(), ResultsError> {
        let said = |value: f64| (!value.is_nan()).then_some(value); // a program may not say it
        let values = [judged.loss, judged.accuracy, judged.true_class_probability];
        self.folder
            .push_model(ModelRow::new(cycle, values.map(said)))
    }

    /// Ends them; `run.json`, with these details, comes last. The scenario has what was measured.
    pub(crate) fn finish(
        self,
        end: RunEnd,
        names: &[String],
        scenario: &Scenario,
        details: impl FnOnce() -> Map<String, Value>,
    ) -> Result<(), ResultsError> {
        let Self {
            mut folder, rows, ..
        } = self;
        let names: Vec<Arc<str>> = names.iter().map(|name| name.as_str().into()).collect();
        folder.push(rows.finish(end, &names))?;
        folder.set_scenario(scenario.to_string());
        folder.finish(details).map(drop)
    }
}
