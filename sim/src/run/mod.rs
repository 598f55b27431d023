//! `sim run`: whole training runs of a scenario, in simulated time.
//!
//! What is compared are [`arm`]s: allocators, and the scenario with other values.

mod arm;
mod compare;
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
    let settings = arm::settings(&source, &overrides, args)?;
    let threads = args.of.threads();
    eprintln!(
        "seed {}; {} replicates of {}; {threads} threads",
        settings[0].seed, settings[0].replicates, args.of.scenario
    );

    let all: Vec<&Setting> = settings.iter().collect();
    let simulated = simulate(&all, threads, |_, runs| runs);
    let arms = arm::arms(&settings, simulated, &args.against);
    let text = if args.json {
        report::lines(&arms) + &compare::lines(&arms)
    } else {
        report::table(&arms, terminal::is_bold())
    };
    terminal::print(&text)?;
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
