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

use std::sync::atomic::AtomicBool;

use crate::cli::{RunArgs, ScenariosArgs};
use crate::environment;
use crate::exit::{Exit, Stop};
use crate::terminal;
pub(crate) use convert::Conversion;
pub(crate) use report::given;
pub(crate) use setting::{Setting, Source};
pub(crate) use simulate::{Run, Runs, in_parallel, simulate};

/// The sub-command.
pub(crate) fn command(args: &RunArgs) -> Result<Exit, Stop> {
    let overrides = environment::overrides(&args.of.set, &args.of.settings)?;
    let source = Source::open(&args.of.scenario)?;
    let settings = arm::settings(&source, &overrides, args)?;
    let threads = args.of.threads();
    for unused in &settings[0].provenance.unused {
        eprintln!("{unused}");
    }
    eprintln!(
        "seed {}; {} replicates of {}; {threads} threads",
        settings[0].seed, settings[0].replicates, args.of.scenario
    );

    let all: Vec<&Setting> = settings.iter().collect();
    let simulated = simulate(&all, threads, &AtomicBool::new(false), |_, runs| runs);
    let simulated = simulated.into_iter().flatten().collect();
    let arms = arm::arms(&settings, simulated, &args.against);
    let text = if args.json {
        eprint!("{}", given(&settings[0], |_| true));
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
