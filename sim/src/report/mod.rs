//! `sim report`: one page about a folder of results.
//!
//! `results` reads the tables, draws and writes. This module gives it what it does not know:
//! what was predicted of runs, and what other limits would have cost.

mod frontier;

use console::{Exit, Stop};
use results::report::{self, Kind, ReportContext};

use crate::cli::ReportArgs;
use crate::folder;
use crate::replay;

/// The sub-command.
pub(crate) fn command(args: &ReportArgs) -> Result<Exit, Stop> {
    let progress = console::spinner("reading");
    let context = match Kind::of(&args.dir).map_err(folder::stop)? {
        Kind::Runs => {
            progress.set_message("predicting");
            context_of(args)?
        }
        Kind::Validation | Kind::Sweep | Kind::RealSweep => ReportContext::default(),
    };
    progress.set_message("drawing");
    let written = report::write(&args.dir, &context, args.overwrite).map_err(folder::stop)?;
    progress.finish_and_clear();
    let (page, kilobytes) = (written.page.display(), written.bytes.div_ceil(1000));
    let figures = written.figures;
    let folder = args.dir.join(report::REPORT_FOLDER);
    console::print(&format!(
        "report: {page} ({figures} figures, {kilobytes} kB)\nfigures: {}\n",
        folder.display()
    ))?;
    Ok(Exit::Done)
}

/// What the tables of runs do not say.
fn context_of(args: &ReportArgs) -> Result<ReportContext, Stop> {
    let (predicted, notes) = replay::predicted(&args.dir)?;
    let mut context = ReportContext {
        predicted,
        notes: notes
            .iter()
            .map(|note| format!("Predictions: {note}."))
            .collect(),
        frontier: None,
    };
    match frontier::of(&args.dir) {
        Ok(frontier) => context.frontier = frontier,
        // The rest of the page does not need it.
        Err(why) => context.notes.push(format!(
            "What another limit would cost is not shown: {why}."
        )),
    }
    Ok(context)
}
