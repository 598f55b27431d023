//! The report of a folder of results: one page with its tables, figures and how it was made.
//!
//! [`write()`] reads what a validation, simulated or real runs, or a sweep left, a row group at a
//! time, and writes `report.html`, which needs no other file, and each figure as SVG with its data
//! as CSV into `report/`. The same folder gives the same bytes. Every number passes through
//! [`number`], and stands in the tables that it was read from.
//!
//! - `validation.rs`, `runs.rs` (with `activity.rs`, `course.rs`, `differences.rs`,
//!   `timeline.rs`, `predictions.rs`) and `sweep.rs` know
//!   what each kind of folder has to say.
//! - `verdict.rs` says what came of it in a sentence.
//! - `figure.rs`, `plot.rs`, `panels.rs`, `rows.rs`, `forest.rs`, `axis.rs`, `canvas.rs` and `palette.rs`
//!   draw it.
//! - `page.rs`, `table.rs`, `made.rs` and `escape.rs` are the page.
//!
//! **What it does not know:** allocators and predictions, which [`ReportContext`] carries.

mod activity;
mod axis;
mod bins;
mod canvas;
mod context;
mod course;
mod csv;
mod differences;
mod escape;
mod figure;
mod forest;
mod made;
mod number;
mod page;
mod palette;
mod panels;
mod plot;
mod predictions;
mod rows;
mod runs;
mod sweep;
mod table;
mod timeline;
mod validation;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};

pub use context::{Frontier, Predicted, PredictedWorker, ReportContext};
use page::Page;

use crate::error::{Action, ResultsError};
pub use crate::report_file::REPORT_FILE;
use crate::report_file::{is_foreign, remove};
pub use crate::run_file::Kind;
use crate::run_file::RunFile;
use crate::table::Output;

/// The folder of the figures.
pub const REPORT_FOLDER: &str = "report";

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
pub fn write(
    dir: &Path,
    context: &ReportContext,
    overwrite: bool,
) -> Result<Written, ResultsError> {
    let path = dir.join(REPORT_FILE);
    if !overwrite && is_foreign(&path)? {
        let dir = dir.to_owned();
        return Err(ResultsError::Occupied {
            dir,
            file: REPORT_FILE,
        });
    }
    if let Ok(record) = RunFile::read(dir) {
        record.demand_files()?;
    }
    let page = match Kind::of(dir)? {
        Kind::Validation => validation::page(dir)?,
        Kind::Runs => runs::page(dir, context)?,
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
    output.publish().map(drop)
}
