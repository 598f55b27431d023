//! The folder of a run, and what lies in it from the beginning so that the run can be resumed.
//!
//! **What it does not know:** what a run leaves at its end.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use console::Stop;
use results::WholeFile;
use serde::{Deserialize, Serialize};

use super::settings::{Setting, Source};
use crate::cli::ClusterArgs;
use crate::data::DataSource;
use crate::model::{Loss, ModelKind};
use crate::orchestrator::FixedPlan;
use crate::trainer::pace::Fraction;

const COMMAND: &str = "command.json";

/// Where a run writes to.
#[derive(Debug)]
pub(crate) struct OutputFolder {
    path: PathBuf,
    is_resumed: bool,
}

impl OutputFolder {
    /// The folder that the user chose, which must hold no run; or the next in the folder of runs.
    pub(crate) fn asked(args: &ClusterArgs, setting: &Setting) -> Result<Self, Stop> {
        let out = Path::new(&setting.scenario.training().out);
        if args.settings.text("out").is_some() {
            if out.join(COMMAND).exists() {
                return Err(Stop::usage(format!(
                    "{} holds a run already; name another folder with --out, or resume the run \
                     with --resume",
                    out.display()
                )));
            }
            return Ok(Self::within(out.to_owned()));
        }
        let number = (1..1_000_000_u32).find(|number| !run(out, *number).exists());
        let number = number.ok_or_else(|| Stop::usage(format!("{} is full", out.display())))?;
        Ok(Self::within(run(out, number)))
    }

    /// A folder that is to be made.
    pub(crate) const fn within(path: PathBuf) -> Self {
        Self {
            path,
            is_resumed: false,
        }
    }

    /// The folder of a run that is resumed.
    pub(crate) fn again(folder: &Path) -> Self {
        Self {
            path: folder.to_owned(),
            is_resumed: true,
        }
    }

    /// Makes it.
    pub(crate) fn make(&self) -> Result<(), Stop> {
        fs::create_dir_all(&self.path).map_err(|error| {
            Stop::usage(format!(
                "cannot write to {}: {error}; name another folder with --out",
                self.path.display()
            ))
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn is_resumed(&self) -> bool {
        self.is_resumed
    }
}

fn run(out: &Path, number: u32) -> PathBuf {
    out.join(format!("run-{number}"))
}

/// What the command line adds to the scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedCommand {
    local: Option<u32>,
    throttles: Vec<Fraction>,
    data: String,
    model: Option<ModelKind>,
    /// The user's own program.
    trainer: Option<String>,
    loss: Loss,
    aggregate: String,
    device: String,
    expect: Option<u32>,
    /// Where workers of other machines find it, and the folder with its key and theirs.
    listen: Option<SocketAddr>,
    state: Option<PathBuf>,
    no_discovery: bool,
    given: Option<Vec<(String, u64)>>,
    /// With every value.
    scenario: String,
}

impl SavedCommand {
    /// Of a command line whose model is known.
    pub(crate) fn of(args: &ClusterArgs, given: Option<&FixedPlan>, setting: &Setting) -> Self {
        Self {
            local: args.local,
            throttles: args.throttles.clone(),
            data: match &args.data {
                DataSource::Folder(folder) => DataSource::Folder(whole(folder)),
                named => named.clone(),
            }
            .to_string(),
            model: args.model,
            trainer: args.trainer.as_ref().map(|t| t.whole().to_string()),
            loss: args.loss,
            aggregate: args.aggregate.to_string(),
            device: args.device.to_string(),
            expect: args.expect,
            listen: args.listen,
            state: args.state.state.as_deref().map(whole),
            no_discovery: args.no_discovery,
            given: given.map(|given| given.shares().to_vec()),
            scenario: setting.scenario.to_string(),
        }
    }

    /// With the address that was really listened on, so that it can be listened on again.
    pub(crate) fn at(mut self, address: Option<SocketAddr>) -> Self {
        self.listen = address.or(self.listen);
        self
    }

    /// Writes it.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Stop> {
        let text = serde_json::to_string_pretty(self).map_err(Stop::failed)?;
        let path = folder.join(COMMAND);
        let written = WholeFile::create(&path).and_then(|file| file.publish(&(text + "\n")));
        written.map_err(|error| Stop::bad(format!("cannot write {}: {error}", path.display())))
    }

    /// Reads it back.
    pub(crate) fn read(folder: &Path) -> Result<Self, Stop> {
        let path = folder.join(COMMAND);
        let text = fs::read_to_string(&path);
        let text =
            text.map_err(|error| Stop::bad(format!("cannot read {}: {error}", path.display())))?;
        serde_json::from_str(&text)
            .map_err(|error| Stop::bad(format!("{}: {error}", path.display())))
    }

    /// Fills in what the command line leaves open; returns the scenario and the plan.
    pub(crate) fn restore(
        self,
        args: &mut ClusterArgs,
        folder: &Path,
    ) -> Result<(Source, Option<FixedPlan>), Stop> {
        args.local = self.local;
        args.throttles = self.throttles;
        args.data = self.data.parse().map_err(Stop::bad)?;
        args.model = self.model;
        args.trainer = self
            .trainer
            .map(|t| t.parse())
            .transpose()
            .map_err(Stop::bad)?;
        args.loss = self.loss;
        args.aggregate = self.aggregate.parse().map_err(Stop::bad)?;
        args.device = self.device.parse().map_err(Stop::bad)?;
        args.expect = args.expect.or(self.expect);
        args.listen = args.listen.or(self.listen);
        args.state.state = args.state.state.take().or(self.state);
        args.no_discovery |= self.no_discovery;
        let source = Source {
            file: folder.join(COMMAND).display().to_string(),
            text: self.scenario,
        };
        Ok((source, self.given.map(FixedPlan::of)))
    }
}

/// A run may be resumed from another working folder.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
