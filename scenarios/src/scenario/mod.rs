//! What is simulated or run, as one file says it.
//!
//! A scenario is a TOML file. Reading it gives a [`Scenario`], whose numbers all lie within their
//! bounds, or every mistake that was found, each on a line of its own with the file, the line and
//! what was expected. Nothing downstream checks again.
//!
//! Quantities are texts with a unit (`"30 s"`, `"7.3 MB/s"`), never bare numbers with the unit in
//! the key; fees, ratios and counts are plain numbers. All are read as decimals into integers.

mod device;
mod drawn;
mod faults;
mod fleet;
mod job;
mod margins;
mod overrides;
mod read;
mod tree;
mod unit;
mod worker;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;

use scheduler::machine::{Config, Waits};
use scheduler::{BenchmarkRule, Law, MAX_WORKERS, Span};

pub use device::{DEVICES, Device};
pub use drawn::Drawn;
pub use faults::{Trouble, Troubles, What};
pub use fleet::{Luck, Purpose, WorkerSpec};
pub use job::{Fees, Job, Model, Partial, Run, SharedLink};
pub use overrides::{OverrideError, Overrides, Vary};
pub use unit::{BatchRate, BitRate, Bytes, Ratio};
pub use worker::{BenchmarkError, Group, Jitter};

use read::{Faults, Item};
use tree::{Node, Origin};

/// A job, the workers that may do it, and what goes wrong: valid throughout.
///
/// It prints as TOML with every value, the defaults too, that reads back as the same scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    job: Job,
    benchmark: BenchmarkRule,
    waits: Waits,
    model: Model,
    link: SharedLink,
    fees: Fees,
    run: Run,
    faults: Troubles,
    groups: Vec<Group>,
}

/// All that is wrong with a scenario, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioErrors(Vec<String>);

impl ScenarioErrors {
    /// The lines: `FILE:LINE: what is wrong, expected …`, or `--set KEY=VALUE: …`.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ScenarioErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Scenario {
    /// Reads the text of a scenario file, with overrides put in before. `file` is only for
    /// messages.
    ///
    /// # Errors
    /// All mistakes that were found.
    pub fn parse(file: &str, text: &str, overrides: &Overrides) -> Result<Self, ScenarioErrors> {
        let told = |faults: Vec<(Origin, String)>| {
            let line = |(at, message): (Origin, String)| match at {
                Origin::Line(line) => format!("{file}:{line}: {message}"),
                Origin::Set(set) => format!("--set {set}: {message}"),
            };
            ScenarioErrors(faults.into_iter().map(line).collect())
        };
        let mut document = Node::document(text).map_err(told)?;
        overrides.apply(&mut document).map_err(told)?;
        let faults = Faults::default();
        let scenario = read_document(&document, &faults);
        let mut found = faults.into_inner();
        match scenario {
            Some(scenario) if found.is_empty() => Ok(scenario),
            _ => {
                found.sort_by_key(|(at, _)| match at {
                    Origin::Set(_) => 0,
                    Origin::Line(line) => *line,
                });
                Err(told(found))
            }
        }
    }

    /// What is to be trained, and how.
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// How workers are benchmarked.
    pub const fn benchmark(&self) -> &BenchmarkRule {
        &self.benchmark
    }

    /// How long is waited, for what.
    pub const fn waits(&self) -> &Waits {
        &self.waits
    }

    /// The sizes and times of the model.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The orchestrator's connection.
    pub const fn link(&self) -> &SharedLink {
        &self.link
    }

    /// Who is paid what.
    pub const fn fees(&self) -> &Fees {
        &self.fees
    }

    /// The seed and the number of replicates.
    pub const fn run(&self) -> Run {
        self.run
    }

    /// What goes wrong.
    pub const fn faults(&self) -> &Troubles {
        &self.faults
    }

    /// The workers as they are described; at least one. [`Scenario::fleet`] draws them.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The scheduler's configuration. It passes [`Config::check`].
    ///
    /// Working out the margins of an uncertain fleet takes tens of milliseconds: make it once and
    /// clone it for replicates.
    pub fn config(&self) -> Config {
        let (job, model) = (&self.job, &self.model);
        let evaluation = if model.evaluation_waits {
            model.evaluation
        } else {
            Span::ZERO
        };
        let law = Law {
            capacity: job.capacity,
            passes: job.tau,
            own: model.aggregation + evaluation,
            shared: self.link.down.time_for(model.parameters)
                + self.link.up.time_for(model.parameters),
            shared_ship: self.link.down.time_for(model.batch),
            ships_each_cycle: job.ships_each_cycle,
        };
        let expect = job.expect.map_or_else(|| self.here_at_once(), u64::from);
        Config {
            s_min: job.s_min,
            beta: job.beta,
            law,
            margins: margins::margins(self),
            replan: job.replan,
            billing: job.billing,
            benchmark: self.benchmark,
            expect: u32::try_from(expect.max(1)).unwrap_or(u32::MAX),
            max_workers: MAX_WORKERS as u32, // a million
            waits: self.waits,
            ..Config::new(job.batches, job.cycles, job.limit)
        }
    }

    fn here_at_once(&self) -> u64 {
        let here = self
            .groups
            .iter()
            .filter(|group| group.joins == Drawn::Fixed(Span::ZERO));
        here.map(|group| group.count).sum()
    }
}

/// Reads all sections, whatever is wrong with any of them.
fn read_document(document: &Node, faults: &Faults) -> Option<Scenario> {
    let item = Item {
        node: document,
        path: String::new(),
        faults,
    };
    let mut root = item.section()?;
    let (job, model, link) = (
        job::job(&mut root),
        job::model(&mut root),
        job::link(&mut root),
    );
    let (benchmark, waits) = (job::benchmark(&mut root), job::waits(&mut root));
    let (fees, run) = (job::fees(&mut root, any_fee(document)), job::run(&mut root));
    // Bad fees are told once, not for every worker.
    let declared = matches!(fees, None | Some(Fees::Declared { .. }));
    let workers = worker::read(&mut root, declared);
    let faults = faults::read(&mut root, &workers.names);
    root.finish();
    Some(Scenario {
        job: job?,
        benchmark: benchmark?,
        waits: waits?,
        model: model?,
        link: link?,
        fees: fees?,
        run: run?,
        faults: faults?,
        groups: workers.groups,
    })
}

/// Whether any worker declares a fee.
fn any_fee(document: &Node) -> bool {
    let workers = document.get("workers").map_or(&[][..], Node::items);
    let fleet = document.get("fleet").into_iter();
    workers
        .iter()
        .chain(fleet)
        .any(|node| node.get("fee").is_some())
}
