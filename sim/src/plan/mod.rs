//! `sim plan`: before a run, what it will do and what another limit would cost.
//!
//! The plan is the first of the run that `sim run` simulates first with the same seed; how often
//! runs miss their limit is told by simulated runs, through the very code of `sim run`.

mod answer;
mod chart;
mod curve;
mod line;
pub(crate) mod question;
mod text;

use std::sync::atomic::AtomicBool;

use console::{Exit, Stop};
use results::WholeFile;
use scheduler::Span;

use crate::cli::PlanArgs;
use crate::environment;
use crate::run::{Runs, Setting, Source, simulate};
use crate::solve::is_our_bug;
use crate::terminal;
use answer::Answer;

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
    let (name, style) = (&args.scenario, terminal::Style::of_output());
    if !args.json {
        // What is known at once is said at once.
        console::print(&text::page(name, &setting, &answer, style))?;
    }
    let runs = simulated(args, &setting);
    let runs = runs.first().map_or(&[][..], Vec::as_slice);
    if !args.json {
        console::print(&text::missed(runs, style))?;
    }
    if args.json || file.is_some() {
        let line = line::of(&setting, &answer, runs).map_err(Stop::bug)?;
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

/// The runs that tell how often the limit is missed.
fn simulated(args: &PlanArgs, setting: &Setting) -> Runs {
    if args.replicates == 0 {
        return Vec::new();
    }
    let never = AtomicBool::new(false);
    let mut runs = simulate(&[setting], args.run().threads(), &never, |_, runs| runs);
    runs.pop().flatten().unwrap_or_default()
}

/// A time in seconds, with every digit that it has.
fn exact_seconds(span: Span) -> String {
    let (whole, rest) = (span.nanos() / 1_000_000_000, span.nanos() % 1_000_000_000);
    let text = format!("{whole}.{rest:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What to type for a cycle to have so much time.
fn setting_of(answer: &Answer, cycle: Span) -> String {
    let stated = &answer.stated;
    let time = exact_seconds(stated.of(cycle));
    format!("--set {}={time}s", stated.key())
}
