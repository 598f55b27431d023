//! `sim plan`: before a run, what it will do and what another limit would cost.
//!
//! The plan is the first of the run that `sim run` simulates first with the same seed; how often
//! runs miss their limit is found by simulated runs, with the code of `sim run`.

mod answer;
mod chart;
mod curve;
mod line;
mod promises;
pub(crate) mod question;
mod text;
mod words;

use std::sync::atomic::AtomicBool;

use console::{Exit, Stop};
use results::WholeFile;

use crate::cli::PlanArgs;
use crate::environment;
use crate::run::{Runs, Setting, Source, simulate};
use crate::solve::is_our_bug;
use crate::terminal::style;

/// The sub-command.
pub(crate) fn command(args: &PlanArgs) -> Result<Exit, Stop> {
    let of = args.run();
    let overrides = environment::overrides(&of.set, &of.settings)?;
    let source = Source::open(&of.scenario)?;
    let setting = Setting::new(&source, &overrides, &of).map_err(|lines| {
        // All that is wrong, each on a line of its own.
        Stop::all_bad(lines)
    })?;
    if let Some(over) = args.frontier {
        return curve::command(args, &setting, over);
    }
    let file = match &args.out {
        None => None,
        Some(path) if path.exists() && !args.overwrite => {
            let path = path.display();
            let message = format!("{path} is there already; name another file, or --overwrite");
            return Err(Stop::usage(message));
        }
        Some(path) => Some(WholeFile::create(path).map_err(|error| {
            let message = format!("cannot write {}: {error}", path.display());
            Stop::usage(message)
        })?),
    };

    let progress = console::spinner("planning");
    let answer = answer::of(&setting);
    progress.finish_and_clear();
    let (name, style) = (&args.scenario, style());
    if !args.json {
        // What is known at once is printed at once.
        console::print(&text::page(name, &setting, &answer, style))?;
    }
    let settings = match args.replicates {
        0 => Vec::new(),
        _ => promises::settings(&setting),
    };
    let all = simulated(args, std::iter::once(&setting).chain(&settings).collect());
    let (runs, others) = all
        .split_first()
        .map_or((&[][..], &[][..]), |(own, others)| {
            (own.first().map_or(&[][..], Vec::as_slice), others)
        });
    let promises = promises::of(&settings, others);
    if !args.json {
        console::print(&text::simulated(&setting, runs, style))?;
        console::print(&promises::text(&promises, answer.stated.key(), style))?;
    }
    if args.json || file.is_some() {
        let line = line::of(&setting, &answer, runs, &promises).map_err(Stop::bug)?;
        if args.json {
            console::print(&line)?;
        }
        if let Some(file) = file {
            file.publish(&line).map_err(|error| {
                let path = args.out.as_deref().unwrap_or_else(|| "".as_ref()).display();
                Stop::failed(format!("cannot write {path}: {error}"))
            })?;
        }
    }
    if is_our_bug(answer.allocator.name(), &answer.response.outcome) {
        return Ok(Exit::CheckFailed);
    }
    Ok(Exit::Done)
}

/// The runs that show how often the limit is missed, of each setting.
fn simulated(args: &PlanArgs, settings: Vec<&Setting>) -> Vec<Runs> {
    if args.replicates == 0 {
        return Vec::new();
    }
    let never = AtomicBool::new(false);
    let runs = simulate(&settings, args.run().threads(), &never, |_, runs| runs);
    runs.into_iter().map(Option::unwrap_or_default).collect()
}
