//! `sim run`: whole training runs of a scenario, in simulated time.
//!
//! What is compared are [`arm`]s: allocators, and the scenario with other values. [`convert`] makes a
//! world of the scenario for each replicate, and every arm gets the same replicates, so that
//! differences are paired.
//!
//! Cycles are judged by the truth: `exact` decides whether the true speeds allowed for a plan, and the
//! share of those cycles that were complete is what re-planning is worth.
//!
//! Rows come in order and are bounded ([`crate::parallel`]). After Ctrl-C the replicates that were
//! begun are finished: they are the first ones, without a gap.

mod arm;
mod compare;
mod convert;
pub(crate) mod difference;
pub(crate) mod figures;
mod report;
mod setting;
mod simulate;
mod tables;

use console::{Exit, Stop, stop_on_ctrl_c};
use scenarios::scenario::reference;

use crate::cli::{KeysFormat, RunArgs, ScenariosArgs};
use crate::environment;
use crate::folder;
use crate::machine::{MemoryWatch, Started};
use crate::terminal::style;
pub(crate) use convert::Conversion;
pub(crate) use report::given;
pub(crate) use setting::{Setting, Source};
pub(crate) use simulate::{Runs, simulate};

/// The sub-command.
pub(crate) fn command(args: &RunArgs) -> Result<Exit, Stop> {
    let started = Started::now();
    let overrides = environment::overrides(&args.of.set, &args.of.settings)?;
    let source = Source::open(&args.of.scenario)?;
    let settings = arm::settings(&source, &overrides, args)?;
    let threads = args.of.threads();
    for unused in &settings[0].provenance.unused {
        console::note!("{unused}");
    }
    console::note!(
        "seed {}; {} replicates of {}; {threads} threads",
        settings[0].seed,
        settings[0].replicates,
        args.of.scenario
    );

    let out = tables::open(args, &settings[0])?;
    let stop = stop_on_ctrl_c("replicates")?;
    let memory = MemoryWatch::start();
    let simulated = tables::simulate(&settings, threads, out, &stop).map_err(folder::stop)?;
    let finished = simulated.finished;
    let arms = arm::arms(&settings, simulated.runs, &args.against);
    let mut text = if args.json {
        let given = given(&settings[0], |_| true);
        if !given.is_empty() {
            console::note!("{}", given.trim_end());
        }
        report::lines(&arms) + &compare::lines(&arms)
    } else {
        report::table(&arms, style())
    };
    if let Some((mut folder, dir)) = simulated.folder.zip(args.out.as_ref()) {
        folder.set_paired(compare::rows(&arms));
        let details = || {
            let mut details = started.record(threads, &memory);
            details.insert("set".to_owned(), args.of.set.clone().into());
            details
        };
        folder.finish(details).map_err(folder::stop)?;
        if !args.json {
            text += &format!("\ntables: {}\n", dir.display());
        }
    }
    console::print(&text)?;
    if finished < settings[0].replicates {
        let (total, kept) = (settings[0].replicates, args.out.is_some());
        let kept = if kept { " and kept" } else { "" };
        console::note!("interrupted: {finished} of {total} replicates are finished{kept}");
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Done)
}

/// `sim scenarios`: the catalogue.
pub(crate) fn scenarios(args: &ScenariosArgs) -> Result<Exit, Stop> {
    let text = match &args.name {
        None if args.template => reference::template(),
        None if args.keys => match args.format {
            KeysFormat::Text => reference::text(),
            KeysFormat::Markdown => reference::markdown(),
        },
        None => scenarios::catalogue()
            .iter()
            .map(|entry| format!("{:<14}{}\n", entry.name, entry.summary()))
            .collect(),
        Some(name) => match scenarios::named(name) {
            Some(entry) => entry.text.to_owned(),
            None => return Err(Stop::usage(setting::unknown(name))),
        },
    };
    console::print(&text)?;
    Ok(Exit::Done)
}
