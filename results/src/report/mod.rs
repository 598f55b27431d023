//! The report of a folder of results: one page with its tables, figures and how it was made.
//!
//! [`write()`] reads what a validation, simulated or real runs, or a sweep left, a row group at a
//! time, and writes `report.html`, which needs no other file, and each figure as SVG with its data
//! as CSV into `report/`. The same folder gives the same bytes. Every number passes through
//! [`number`], and stands in the tables that it was read from.
//!
//! - `validation.rs`, `runs.rs` (with `course.rs`, `timeline.rs`, `told.rs`) and `sweep.rs` know
//!   what each kind of folder has to say.
//! - `figure.rs`, `plot.rs`, `rows.rs`, `axis.rs`, `canvas.rs` and `palette.rs` draw it.
//! - `page.rs`, `table.rs`, `made.rs` and `escape.rs` are the page.
//!
//! **What it does not know:** allocators and predictions. Who has them tells them, as [`Told`].

mod axis;
mod bins;
mod canvas;
mod course;
mod csv;
mod escape;
mod figure;
mod made;
mod number;
mod page;
mod palette;
mod plot;
mod rows;
mod runs;
mod sweep;
mod table;
mod timeline;
mod told;
mod validation;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use scheduler::{Cost, Span};
use serde_json::Value;

use crate::error::{Action, ResultsError};
use crate::runs::{FORMAT as RUNS_FORMAT, RecordedFolder};
use crate::sweep::{DUMP_FILE, SWEEP_FORMAT};
use crate::table::Output;
use crate::validation::RUN_FILE;
use page::{MARK, Page};

/// The page.
pub const REPORT_FILE: &str = "report.html";

/// The folder of the figures.
pub const REPORT_FOLDER: &str = "report";

/// What kind of results a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of `sim validate` or `sim merge`.
    Validation,
    /// Of runs, simulated or real.
    Runs,
    /// Of a simulated sweep.
    Sweep,
    /// Of a sweep of real runs.
    RealSweep,
}

impl Kind {
    /// That of a folder.
    ///
    /// # Errors
    /// When it holds none of these, or cannot be read.
    pub fn of(dir: &Path) -> Result<Self, ResultsError> {
        let path = dir.join(RUN_FILE);
        if !path.exists() {
            if dir.join(DUMP_FILE).is_file() {
                return Ok(Self::RealSweep);
            }
            let dir = dir.to_owned();
            return Err(ResultsError::Unfinished { dir });
        }
        let record = made::json(&path)?;
        match record.get("format").and_then(Value::as_str) {
            Some(RUNS_FORMAT) => Ok(Self::Runs),
            Some(SWEEP_FORMAT) => Ok(Self::Sweep),
            None if record.get("finished_tests").is_some() => Ok(Self::Validation),
            Some(_) | None => Err(ResultsError::damaged(
                &path,
                "expected the folder of a validation, of runs or of a sweep",
            )),
        }
    }
}

/// What the tables of runs do not say by themselves.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What each limit of a cycle costs at least.
    pub frontier: Option<Frontier>,
    /// What was predicted of the runs.
    pub predicted: Vec<Predicted>,
    /// What else there is to know, a sentence each.
    pub notes: Vec<String>,
}

/// A curve of fees over limits.
#[derive(Clone, Debug)]
pub struct Frontier {
    /// Each limit from which on a plan is cheaper, and its fee; ascending.
    pub steps: Vec<(Span, Cost)>,
    /// The limit that the job has.
    pub now: Span,
}

/// The prediction of one run.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// Which run.
    pub run: String,
    /// How long its cycles take together.
    pub predicted: Span,
    /// How long they took.
    pub measured: Option<Span>,
    /// Its employed workers.
    pub workers: Vec<PredictedWorker>,
}

/// The prediction of a worker's computing in one cycle.
#[derive(Clone, Debug)]
pub struct PredictedWorker {
    /// Its name.
    pub name: String,
    /// How long it computes.
    pub predicted: Span,
    /// How long it did, in the mean.
    pub measured: Option<Span>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub page: PathBuf,
    /// Its figures.
    pub figures: usize,
    /// Its size.
    pub bytes: usize,
}

/// Writes the report of a folder. One that is there already is written anew.
///
/// # Errors
/// When the folder cannot be read as results, when a page of that name is there that is no report
/// (unless `overwrite` is asked for), or when it cannot be written.
pub fn write(dir: &Path, told: &Told, overwrite: bool) -> Result<Written, ResultsError> {
    let path = dir.join(REPORT_FILE);
    if !overwrite && is_foreign(&path)? {
        let dir = dir.to_owned();
        return Err(ResultsError::Occupied {
            dir,
            file: REPORT_FILE,
        });
    }
    let page = match Kind::of(dir)? {
        Kind::Validation => validation::page(dir)?,
        Kind::Runs => runs::page(dir, told)?,
        Kind::Sweep => sweep::page(dir)?,
        Kind::RealSweep => sweep::real_page(dir)?,
    };
    let html = page.html();
    publish(dir, &page, &html)?;
    Ok(Written {
        page: path,
        figures: page.figures().count(),
        bytes: html.len(),
    })
}

/// Takes away the report of results that are about to be written over.
pub(crate) fn forget(dir: &Path) -> Result<(), ResultsError> {
    let path = dir.join(REPORT_FILE);
    if path.is_file() && !is_foreign(&path)? {
        remove(&path)?;
    }
    Ok(())
}

/// Whether something is there that is no report.
fn is_foreign(path: &Path) -> Result<bool, ResultsError> {
    let failed = |cause| ResultsError::io(Action::Read, path, cause);
    match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(failed(cause)),
        Ok(found) if !found.is_file() => Ok(true),
        Ok(_) => {
            let text = fs::read(path).map_err(failed)?;
            let head = String::from_utf8_lossy(&text[..text.len().min(4_096)]).into_owned();
            Ok(!head.contains(MARK))
        }
    }
}

/// The figures first, then the page; the figures of an earlier report that are no longer there go.
fn publish(dir: &Path, page: &Page, html: &str) -> Result<(), ResultsError> {
    let folder = dir.join(REPORT_FOLDER);
    fs::create_dir_all(&folder)
        .map_err(|cause| ResultsError::io(Action::Create, &folder, cause))?;
    let path = dir.join(REPORT_FILE);
    if path.is_file() {
        remove(&path)?;
    }
    let mut kept = Vec::new();
    for figure in page.figures() {
        for (name, content) in figure.files() {
            let mut output = Output::create(&folder, &name)?;
            output.write_all(content.as_bytes())?;
            output.publish()?;
            kept.push(name);
        }
    }
    let failed = |cause| ResultsError::io(Action::Read, &folder, cause);
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let is_figure = path
            .extension()
            .is_some_and(|end| end == "svg" || end == "csv");
        if is_figure && name.is_some_and(|name| !kept.iter().any(|kept| kept == name)) {
            remove(&path)?;
        }
    }
    let mut output = Output::create(dir, REPORT_FILE)?;
    output.write_all(html.as_bytes())?;
    output.publish()
}

fn remove(path: &Path) -> Result<(), ResultsError> {
    fs::remove_file(path).map_err(|cause| ResultsError::io(Action::Remove, path, cause))
}

/// Whether a folder of runs is whole, to be said at the head of its page.
fn interrupted(folder: &RecordedFolder) -> Option<String> {
    let (finished, planned) = (folder.finished(), folder.plan().replicates);
    (finished < planned).then(|| {
        format!(
            "Interrupted: {finished} of {planned} replicates are there, and nothing of the others."
        )
    })
}
