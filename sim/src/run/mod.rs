//! `sim run`: whole training runs of a scenario, in simulated time.
//!
//! Every allocator gets the same replicates: the same workers, links, benchmark errors and faults
//! (common random numbers), so that differences between allocators are paired.

mod convert;
pub(crate) mod figures;
mod ordered;
mod report;
mod setting;
mod simulate;
mod tables;

use scenarios::Overrides;

use crate::cli::{ReplicateArgs, RunArgs, ScenariosArgs};
use crate::exit::{Exit, Stop};
use crate::interrupt::stop_on_ctrl_c;
use crate::machine::{MemoryWatch, Started};
use crate::terminal;
pub(crate) use setting::{Setting, Source};
pub(crate) use simulate::{Run, Runs, in_parallel, simulate};

/// The sub-command.
pub(crate) fn command(args: &RunArgs) -> Result<Exit, Stop> {
    let started = Started::now();
    let overrides = overrides(&args.of)?;
    let source = Source::open(&args.of.scenario)?;
    let setting = Setting::new(&source, &overrides, &args.of).map_err(|lines| {
        // All that is wrong, each on a line of its own.
        Stop::new(Exit::BadInput, lines.join("\nerror: "))
    })?;
    let threads = args.of.threads();
    eprintln!(
        "seed {}; {} replicates of {}; {threads} threads",
        setting.seed, setting.replicates, args.of.scenario
    );

    let out = tables::open(args, &setting)?;
    let stop = stop_on_ctrl_c("replicates")?;
    let memory = MemoryWatch::start();
    let simulated = tables::simulate(&setting, threads, out, &stop).map_err(tables::unfinished)?;
    let (finished, runs) = (simulated.finished(), &simulated.runs);
    let mut text = if args.json {
        report::lines(&setting, runs)
    } else {
        report::table(&setting, runs, terminal::is_bold())
    };
    if let Some((folder, dir)) = simulated.folder.zip(args.out.as_ref()) {
        let details = || {
            let mut details = started.record(threads, &memory);
            details.insert("set".to_owned(), args.of.set.clone().into());
            details
        };
        folder.finish(details).map_err(tables::unfinished)?;
        if !args.json {
            text += &format!("\ntables: {}\n", dir.display());
        }
    }
    terminal::print(&text)?;
    if finished < setting.replicates {
        let (total, kept) = (setting.replicates, args.out.is_some());
        let kept = if kept { " and kept" } else { "" };
        eprintln!("interrupted: {finished} of {total} replicates are finished{kept}");
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Done)
}

/// `sim scenarios`: the catalogue.
pub(crate) fn scenarios(args: &ScenariosArgs) -> Result<Exit, Stop> {
    let text = match &args.name {
        None => scenarios::catalogue()
            .iter()
            .map(|entry| format!("{:<14}{}\n", entry.name, entry.summary()))
            .collect(),
        Some(name) => match scenarios::named(name) {
            Some(entry) => entry.text.to_owned(),
            None => return Err(Stop::new(Exit::Usage, setting::unknown(name))),
        },
    };
    terminal::print(&text)?;
    Ok(Exit::Done)
}

/// What the command line sets.
pub(crate) fn overrides(args: &ReplicateArgs) -> Result<Overrides, Stop> {
    Overrides::parse(&args.set).map_err(|error| Stop::new(Exit::Usage, error))
}
