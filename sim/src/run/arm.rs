//! The arms of a comparison: ways of doing the same scenario, by another allocator or with other
//! values, each on the same replicates.
//!
//! Every arm gets the same workers, links, benchmark errors and faults (common random numbers), so
//! that the runs of one replicate are a pair.

use console::Stop;
use results::runs::RunEnd;
use scenarios::Overrides;
use solvers::AllocatorName;

use super::setting::{Setting, Source};
use super::simulate::Runs;
use crate::cli::RunArgs;

const FLAG: &str = "--against";

/// One way, and what came of it.
pub(super) struct Arm<'a> {
    /// The allocator, and what is set beside what is set for all.
    pub(super) name: String,
    pub(super) setting: &'a Setting,
    pub(super) allocator: AllocatorName,
    pub(super) runs: Vec<RunEnd>,
}

/// The scenario as it is, then with each of `--against`.
pub(super) fn settings(
    source: &Source,
    base: &Overrides,
    args: &RunArgs,
) -> Result<Vec<Setting>, Stop> {
    let read = |overrides: &Overrides| {
        Setting::new(source, overrides, &args.of).map_err(|lines| {
            // All that is wrong, each on a line of its own.
            Stop::all_bad(lines)
        })
    };
    let mut settings = vec![read(base)?];
    for text in &args.against {
        let usage = |what: &str| Stop::usage(format!("{FLAG} {text}: {what}"));
        let others = Overrides::listed(FLAG, text).map_err(Stop::usage)?;
        for (key, _) in others.pairs() {
            if key.starts_with("run.") || key == "run" {
                return Err(usage(
                    "arms share their seed and replicates, expected a key that does \
                     not begin with run",
                ));
            }
            if key == "job.allocator" && !args.of.allocators.is_empty() {
                return Err(usage(
                    "--allocators says who allocates, expected one of them",
                ));
            }
        }
        let setting = read(&base.clone().and_all(&others))?;
        if settings
            .iter()
            .any(|known| known.scenario() == setting.scenario())
        {
            return Err(usage(
                "that is another arm already, expected a value that changes something",
            ));
        }
        settings.push(setting);
    }
    Ok(settings)
}

/// The arms of settings that were simulated: those of the scenario as it is come first.
pub(super) fn arms<'a>(
    settings: &'a [Setting],
    simulated: Vec<Runs>,
    against: &[String],
) -> Vec<Arm<'a>> {
    let changes = std::iter::once("").chain(against.iter().map(String::as_str));
    let mut arms = Vec::new();
    for ((setting, runs), change) in settings.iter().zip(simulated).zip(changes) {
        for (allocator, runs) in setting.allocators.iter().zip(runs) {
            arms.push(Arm {
                name: format!("{} {change}", allocator.name())
                    .trim_end()
                    .to_owned(),
                setting,
                allocator: *allocator,
                runs,
            });
        }
    }
    arms
}
