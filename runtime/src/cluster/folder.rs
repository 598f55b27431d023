//! The folder of a run, and what lies in it from the beginning so that the run can be resumed.
//!
//! **What it does not know:** what a run leaves at its end.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use console::Stop;
use results::WholeFile;
use serde::{Deserialize, Serialize};

use super::settings::{Setting, Source};
use crate::cli::{ClusterArgs, ModelChoice};
use crate::data::{DataAt, DataSource};
use crate::files;
use crate::model::ModelKind;
use crate::orchestrator::{FixedPlan, KnownSpeed};
use crate::trainer::pace::Fraction;

const COMMAND: &str = "command.json";

/// Where a run writes to. Nobody else does, as long as this lives.
#[derive(Debug)]
pub(crate) struct OutputFolder {
    path: PathBuf,
    kind: Kind,
    lock: Option<File>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It must hold no run.
    New,
    /// The next one in a folder of runs.
    Next,
    /// It holds the run that is resumed.
    Resumed,
}

impl OutputFolder {
    /// The folder that the user chose, which must hold no run; or the next in the folder of runs.
    pub(crate) fn asked(args: &ClusterArgs, setting: &Setting) -> Result<Self, Stop> {
        let out = Path::new(&setting.scenario.training().out);
        let (path, kind) = if args.settings.text("out").is_some() {
            refuse_run(out)?;
            (out, Kind::New)
        } else {
            (out, Kind::Next)
        };
        Ok(Self::of(path.to_owned(), kind))
    }

    /// A folder that is to be made.
    pub(crate) const fn within(path: PathBuf) -> Self {
        Self::of(path, Kind::New)
    }

    /// The folder of a run that is resumed.
    pub(crate) fn again(folder: &Path) -> Result<Self, Stop> {
        let mut again = Self::of(folder.to_owned(), Kind::Resumed);
        again.lock()?;
        Ok(again)
    }

    const fn of(path: PathBuf, kind: Kind) -> Self {
        Self {
            path,
            kind,
            lock: None,
        }
    }

    /// Makes it, and has it alone from now on.
    pub(crate) fn make(&mut self) -> Result<(), Stop> {
        let made = match self.kind {
            Kind::Resumed => return Ok(()),
            Kind::New => fs::create_dir_all(&self.path),
            Kind::Next => self.make_next(),
        };
        made.map_err(|error| {
            Stop::usage(format!(
                "cannot write to {}: {error}; name another folder with --out",
                self.path.display()
            ))
        })?;
        self.lock()?;
        refuse_run(&self.path) // another one may have been begun meanwhile
    }

    /// Several may look for the next one at once: each number is made once.
    fn make_next(&mut self) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        let mut number = 1_u32;
        loop {
            let next = self.path.join(format!("run-{number}"));
            match fs::create_dir(&next) {
                Ok(()) => {
                    self.path = next;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn lock(&mut self) -> Result<(), Stop> {
        let locked = files::lock_folder(&self.path)
            .map_err(|error| Stop::bad(format!("{error}; name the folder of a run")))?;
        self.lock = Some(locked.ok_or_else(|| {
            let path = self.path.display();
            Stop::usage(format!(
                "{path} is in use by a run under way; wait for its end, or name another folder"
            ))
        })?);
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.kind == Kind::Resumed
    }
}

/// A folder holds one run.
fn refuse_run(folder: &Path) -> Result<(), Stop> {
    if !folder.join(COMMAND).exists() {
        return Ok(());
    }
    Err(Stop::usage(format!(
        "{} holds a run already; name another folder with --out, or resume the run with --resume",
        folder.display()
    )))
}

/// What the command line adds to the scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedCommand {
    local: Option<u32>,
    throttles: Vec<Fraction>,
    data: String,
    data_at: DataAt,
    model: Option<ModelKind>,
    /// The user's own program.
    trainer: Option<String>,
    aggregate: String,
    device: String,
    expect: Option<u32>,
    /// Where workers of other machines find it, and the folder with its key and theirs.
    listen: Option<SocketAddr>,
    state: Option<PathBuf>,
    no_discovery: bool,
    given: Option<Vec<(String, u64)>>,
    /// The speeds that it was made with.
    #[serde(default)]
    given_speeds: Vec<KnownSpeed>,
    /// The checksum of the data.
    data_sha256: String,
    /// With every value.
    scenario: String,
}

impl SavedCommand {
    /// Of a command line whose model is known.
    pub(crate) fn of(
        args: &ClusterArgs,
        given: Option<&FixedPlan>,
        setting: &Setting,
        data_sha256: String,
    ) -> Self {
        Self {
            local: args.local,
            throttles: args.throttles.clone(),
            data: match &args.data {
                DataSource::Folder(folder) => DataSource::Folder(whole(folder)),
                named => named.clone(),
            }
            .to_string(),
            data_at: args.data_at,
            model: match args.model {
                Some(ModelChoice::Kind(kind)) => Some(kind),
                Some(ModelChoice::Script(_)) | None => None,
            },
            trainer: args.trainer.as_ref().map(|t| t.whole().to_string()),
            aggregate: args.aggregate.to_string(),
            device: args.device.to_string(),
            expect: args.expect,
            listen: args.listen,
            state: args.state.state.as_deref().map(whole),
            no_discovery: args.no_discovery,
            given: given.map(|given| given.shares().to_vec()),
            given_speeds: given.map_or(Vec::new(), |given| given.speeds().to_vec()),
            data_sha256,
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
        let text = text.map_err(|error| {
            let path = path.display();
            Stop::bad(format!(
                "cannot read {path}: {error}; name the folder of a run"
            ))
        })?;
        serde_json::from_str(&text)
            .map_err(|error| Stop::bad(format!("{}: {error}", path.display())))
    }

    /// Fills in what the command line leaves open; returns the scenario and the plan.
    pub(crate) fn restore(self, args: &mut ClusterArgs, folder: &Path) -> Result<Restored, Stop> {
        args.local = self.local;
        args.throttles = self.throttles;
        args.data = self.data.parse().map_err(Stop::bad)?;
        args.data_at = self.data_at;
        args.model = self.model.map(ModelChoice::Kind);
        args.trainer = self
            .trainer
            .map(|t| t.parse())
            .transpose()
            .map_err(Stop::bad)?;
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
        Ok(Restored {
            source,
            given: self
                .given
                .map(|given| FixedPlan::of(given).with_speeds(self.given_speeds)),
            data_sha256: self.data_sha256,
        })
    }
}

/// What a folder says of its run, beside the command line.
pub(crate) struct Restored {
    pub(crate) source: Source,
    pub(crate) given: Option<FixedPlan>,
    pub(crate) data_sha256: String,
}

/// A run may be resumed from another working folder.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
