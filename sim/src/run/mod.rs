//! `sim run`: whole training runs of a scenario, in simulated time.
//!
//! Every allocator gets the same replicates: the same workers, links, benchmark errors and faults
//! (common random numbers), so that differences between allocators are paired.

mod convert;
pub(crate) mod figures;
mod report;
mod setting;
mod simulate;

use scenarios::Overrides;

use crate::cli::{ReplicateArgs, RunArgs, ScenariosArgs};
use crate::exit::{Exit, Stop};
use crate::terminal;
pub(crate) use setting::{Setting, Source};
pub(crate) use simulate::{Run, Runs, in_parallel, simulate};

/// The sub-command.
pub(crate) fn command(args: &RunArgs) -> Result<Exit, Stop> {
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

    let text = simulate(&[&setting], threads, |setting, runs| {
        if args.json {
            report::lines(setting, &runs)
        } else {
            report::table(setting, &runs, terminal::is_bold())
        }
    });
    terminal::print(&text.concat())?;
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
