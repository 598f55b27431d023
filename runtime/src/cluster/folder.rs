//! The folder of a run, and what lies in it from the beginning so that the run can be gone on with.
//!
//! **What it does not know:** what a run leaves at its end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use results::WholeFile;
use serde::{Deserialize, Serialize};

use super::settings::{Setting, Source};
use super::shown;
use crate::cli::ClusterArgs;
use crate::exit::Stop;
use crate::model::{Loss, ModelKind};
use crate::orchestrator::GivenPlan;

const SCENARIO: &str = "scenario.toml";
const COMMAND: &str = "command.json";

/// Where a run writes to.
#[derive(Debug)]
pub(crate) struct RunFolder(PathBuf);

impl RunFolder {
    /// The folder that was asked for, which must hold no run; or, in a folder of runs, the next.
    pub(crate) fn create(args: &ClusterArgs, setting: &Setting) -> Result<Self, Stop> {
        let out = Path::new(&setting.scenario.training().out);
        let failed = |path: &Path, error: io::Error| {
            Stop::bad(format!("cannot write to {}: {error}; name another folder with --out", shown(path)))
        };
        if args.settings.out.is_some() {
            fs::create_dir_all(out).map_err(|error| failed(out, error))?;
            if out.join(COMMAND).exists() {
                return Err(Stop::bad(format!(
                    "{} holds a run already; name another folder with --out, or go on with it with --resume",
                    shown(out)
                )));
            }
            return Ok(Self(out.to_owned()));
        }
        fs::create_dir_all(out).map_err(|error| failed(out, error))?;
        for number in 1..1_000_000_u32 {
            let path = out.join(format!("run-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path, error)),
            }
        }
        Err(failed(out, io::ErrorKind::AlreadyExists.into()))
    }

    /// The folder of a run that is gone on with.
    pub(crate) fn again(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// What of the command line is not in the scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    local: Option<u32>,
    throttles: Vec<f64>,
    data: String,
    model: Option<ModelKind>,
    loss: Loss,
    aggregate: String,
    device: String,
    expect: Option<u32>,
    given: Option<Vec<(String, u64)>>,
}

impl Kept {
    /// Of a command line whose model is settled.
    pub(crate) fn of(args: &ClusterArgs, given: Option<&GivenPlan>) -> Self {
        Self {
            local: args.local,
            throttles: args.throttles.clone(),
            data: args.data.to_string(),
            model: args.model,
            loss: args.loss,
            aggregate: args.aggregate.to_string(),
            device: args.device.to_string(),
            expect: args.expect,
            given: given.map(|given| given.shares().to_vec()),
        }
    }

    /// Writes it, and the scenario with every value.
    pub(crate) fn write(&self, folder: &Path, setting: &Setting) -> Result<(), Stop> {
        let text = serde_json::to_string_pretty(self).map_err(Stop::failed)?;
        for (name, text) in [(SCENARIO, setting.scenario.to_string()), (COMMAND, text + "\n")] {
            let path = folder.join(name);
            let written = WholeFile::create(&path).and_then(|file| file.publish(&text));
            written.map_err(|error| Stop::bad(format!("cannot write {}: {error}", shown(&path))))?;
        }
        Ok(())
    }

    /// Reads it back.
    pub(crate) fn read(folder: &Path) -> Result<Self, Stop> {
        let path = folder.join(COMMAND);
        let text = fs::read_to_string(&path);
        let text = text.map_err(|error| Stop::bad(format!("cannot read {}: {error}", shown(&path))))?;
        serde_json::from_str(&text)
            .map_err(|error| Stop::bad(format!("{}: {error}", shown(&path))))
    }

    /// Puts it in the place of what the command line leaves open; gives the scenario and the plan.
    pub(crate) fn restore(
        self,
        args: &mut ClusterArgs,
        folder: &Path,
    ) -> Result<(Source, Option<GivenPlan>), Stop> {
        let path = folder.join(SCENARIO);
        let text = fs::read_to_string(&path);
        let text = text.map_err(|error| Stop::bad(format!("cannot read {}: {error}", shown(&path))))?;
        args.local = self.local;
        args.throttles = self.throttles;
        args.data = self.data.parse().map_err(Stop::bad)?;
        args.model = self.model;
        args.loss = self.loss;
        args.aggregate = self.aggregate.parse().map_err(Stop::bad)?;
        args.device = self.device.parse().map_err(Stop::bad)?;
        args.expect = args.expect.or(self.expect);
        let source = Source {
            file: shown(&path),
            text,
        };
        Ok((source, self.given.map(GivenPlan::of)))
    }
}
