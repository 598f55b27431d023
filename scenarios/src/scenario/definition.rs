//! A scenario as a whole: reading it, writing it, and the scheduler's configuration.

use std::fmt;

use scheduler::machine::{Config, Waits};
use scheduler::{CycleModel, Fee, LinkService, MAX_WORKERS, Margins, Span, TimeModel};

use crate::scenario::drawn::Drawn;
use crate::scenario::errors::Errors;
use crate::scenario::faults::Faults;
use crate::scenario::job::{Benchmark, FeeType, Fees, Job, Model, Run, SharedLink, Ship};
use crate::scenario::key::{Key, Table};
use crate::scenario::margins::margins;
use crate::scenario::overrides::Overrides;
use crate::scenario::provenance::{Provenance, given};
use crate::scenario::read::{Item, Mistakes};
use crate::scenario::training::Training;
use crate::scenario::tree::{Node, Origin};
use crate::scenario::unit::{Bytes, Ratio};
use crate::scenario::worker::{Group, SHORTHANDS, Workers, expand_bandwidth};

/// A job, the workers that may do it, and what goes wrong: valid throughout.
///
/// It prints as TOML with every value, the defaults too, that reads back as the same scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    pub(crate) job: Job,
    benchmark: Benchmark,
    waits: Waits,
    pub(crate) model: Model,
    link: SharedLink,
    pub(crate) fees: Fees,
    run: Run,
    training: Training,
    pub(crate) faults: Faults,
    pub(crate) groups: Vec<Group>,
}

/// All that is wrong with a scenario, each on a line of its own.
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
        Self::read(file, text, overrides).map(|(scenario, _)| scenario)
    }

    /// Does the same, and says where its values came from.
    ///
    /// # Errors
    /// All mistakes that were found.
    pub fn read(
        file: &str,
        text: &str,
        overrides: &Overrides,
    ) -> Result<(Self, Provenance), ScenarioErrors> {
        let errors = |mistakes: Vec<(Origin, String)>| {
            let line = |(at, message): (Origin, String)| match at {
                Origin::Line(line) => format!("{file}:{line}: {message}"),
                Origin::Set(set) => format!("{set}: {message}"),
            };
            ScenarioErrors(mistakes.into_iter().map(line).collect())
        };
        let text = text.trim_start_matches('\u{feff}'); // a byte-order mark
        let mut document = Node::document(text).map_err(errors)?;
        let unused = overrides.apply(&mut document).map_err(errors)?;
        let mistakes = Mistakes::default();
        let scenario = read_document(&document, &mistakes);
        let mut found = mistakes.into_inner();
        match scenario {
            Some(scenario) if found.is_empty() => {
                let given = given(file, &document, overrides);
                Ok((scenario, Provenance { given, unused }))
            }
            _ => {
                found.sort_by_key(|(at, _)| match at {
                    Origin::Set(_) => 0,
                    Origin::Line(line) => *line,
                });
                Err(errors(found))
            }
        }
    }

    /// What is to be trained, and how.
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// The sizes and times of the model.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The bytes of the parameters when they are sent.
    pub fn wire_bytes(&self) -> Bytes {
        self.training.wire.bytes(self.model.parameters)
    }

    /// The orchestrator's connection.
    pub const fn link(&self) -> &SharedLink {
        &self.link
    }

    /// How the orchestrator's link serves transfers. Where data travels in every cycle, a worker that gets
    /// more data would hold up the others: there it is shared.
    pub fn service(&self) -> LinkService {
        match (self.link.service, self.job.ship) {
            (LinkService::Ordered, Ship::EachCycle) => LinkService::Shared,
            (service, _) => service,
        }
    }

    /// What a cycle is expected to take besides computing, over the links that the scenario states.
    pub fn cycle_model(&self) -> CycleModel {
        CycleModel {
            evaluation: self.model.own(),
            down: self.link.down.time_for(self.wire_bytes()),
            up: self.link.up.time_for(self.wire_bytes()),
            service: self.service(),
        }
    }

    /// What workers are paid.
    pub const fn fees(&self) -> &Fees {
        &self.fees
    }

    /// The seed and the number of replicates.
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// How parameters are trained, averaged and sent.
    pub const fn training(&self) -> &Training {
        &self.training
    }

    /// What goes wrong.
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The workers as they are described; at least one. [`Scenario::fleet`] draws them.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The first of its workers that is paid by more than a fee per batch, or takes a least number of
    /// batches, and the key that says so.
    pub fn beyond_fees(&self) -> Option<String> {
        let key = |group: &Group| Some(format!("{} of {}", group.beyond_fees()?, group.name));
        self.groups.iter().find_map(key)
    }

    /// The scheduler's configuration. It passes [`Config::check`].
    ///
    /// Computing the margins of an uncertain fleet takes tens of milliseconds: make it once and
    /// clone it for replicates.
    pub fn config(&self) -> Config {
        let (job, model) = (&self.job, &self.model);
        let [down, up] =
            [&self.link.down, &self.link.up].map(|way| way.time_for(self.wire_bytes()));
        let time_model = TimeModel {
            capacity: job.capacity,
            passes: job.tau,
            own: model.own() + model.aggregation_slack,
            shared: down + up,
            shared_up: up,
            service: self.service(),
            shared_ship: self.link.down.time_for(model.batch),
            ships_each_cycle: job.ship == Ship::EachCycle,
        };
        let expect = job.expect.map_or_else(|| self.here_at_once(), u64::from);
        Config {
            s_min: job.s_min,
            beta: job.beta,
            time_model,
            margins: self.margins(self.groups.iter().map(|group| group.count).sum()),
            objective: job.objective,
            budget: job.budget,
            replan: job.replan,
            partial: job.partial,
            billing: job.billing,
            benchmark: self.benchmark.rule(),
            expect: u32::try_from(expect.max(1)).unwrap_or(u32::MAX),
            max_workers: MAX_WORKERS as u32, // a million
            waits: self.waits,
            ..Config::new(job.batches, job.cycles, job.limit())
        }
    }

    /// The same with another confidence, whatever its margins come from now.
    #[must_use]
    pub fn with_confidence(&self, confidence: Ratio) -> Self {
        let mut other = self.clone();
        (other.job.confidence, other.job.risk) = (Some(confidence), None);
        other
    }

    /// The same where averaging was measured: what it is expected to take, and what limits leave beyond
    /// that.
    #[must_use]
    pub fn with_aggregation(&self, expected: Span, slack: Span) -> Self {
        let mut other = self.clone();
        (other.model.aggregation, other.model.aggregation_slack) = (expected, slack);
        other
    }

    /// The margins of its job if this number of workers takes part.
    pub fn margins(&self, workers: u64) -> Margins {
        margins(&self.groups, &self.job, workers)
    }

    /// Whether anything is stated that could make a cycle late.
    pub fn states_errors(&self) -> bool {
        let mut groups = self.groups.iter();
        self.job.assumed_errors.is_some() || groups.any(|group| group.errors() != Errors::NONE)
    }

    fn here_at_once(&self) -> u64 {
        let at_once = |group: &&Group| group.joins == Drawn::Fixed(Span::ZERO);
        let groups = self.groups.iter().filter(at_once);
        groups.map(|group| group.count).sum()
    }

    /// Every key with its value, in the order in which they are written; those of workers by name,
    /// as in `--set`. Texts are without their quotes, and each value is on one line.
    pub fn values(&self) -> Vec<(String, String)> {
        let mut values = Vec::new();
        for (table, pairs) in self.tables() {
            let (table, pairs) = match pairs.split_first() {
                // A worker's name is part of its keys.
                Some(((_, name), pairs)) if table == Group::NAME => {
                    (format!("{table}.{}", unquoted(name)), pairs)
                }
                _ => (table.to_owned(), &pairs[..]),
            };
            for (key, value) in pairs {
                let value: String = value.lines().map(str::trim).collect();
                values.push((
                    format!("{table}.{}", key.name()),
                    unquoted(&value).to_owned(),
                ));
            }
        }
        values
    }

    /// All tables with what is written of them.
    fn tables(&self) -> Vec<(&'static str, Vec<(&'static Key, String)>)> {
        fn of<T: Table>(table: &T) -> (&'static str, Vec<(&'static Key, String)>) {
            (T::NAME, table.written())
        }
        let mut tables = vec![
            of(&self.job),
            of(&self.benchmark),
            of(&self.waits),
            of(&self.model),
            of(&self.link),
            of(&self.fees),
            of(&self.run),
            of(&self.training),
            of(&self.faults),
        ];
        tables.extend(self.groups.iter().map(of));
        tables
    }
}

/// As TOML that reads back as the same scenario.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (table, pairs)) in self.tables().into_iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            if table == Group::NAME {
                writeln!(f, "[[{table}]]")?;
            } else {
                writeln!(f, "[{table}]")?;
            }
            for (key, value) in pairs {
                writeln!(f, "{} = {value}", key.name())?;
            }
        }
        Ok(())
    }
}

/// A text of the written form without its quotes, anything else as it is.
fn unquoted(value: &str) -> &str {
    let text = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    text.filter(|text| !text.contains('"')).unwrap_or(value)
}

/// Reads all tables, whatever is wrong with any of them.
fn read_document(document: &Node, mistakes: &Mistakes) -> Option<Scenario> {
    let mut expanded = document.clone();
    if let Some(link) = expanded.get_mut("link") {
        expand_bandwidth(link, "link", &SHORTHANDS[2], mistakes);
    }
    let item = Item {
        node: &expanded,
        path: String::new(),
        mistakes,
    };
    let mut root = item.section()?;
    let mut job = root.require(Job::NAME, "a table [job]").and_then(|item| {
        Job::check_limit(document, mistakes);
        Job::check_confidence(document, mistakes);
        Job::read_item(&item)
    });
    let benchmark = Benchmark::read_from(&mut root);
    let waits = Waits::read_from(&mut root);
    let mut model = Model::read_from(&mut root);
    let link = SharedLink::read_from(&mut root);
    let mut fees = Fees::read_from(&mut root);
    let run = Run::read_from(&mut root);
    let training = Training::read_from(&mut root);
    if let Some(training) = &training {
        training.settle(document, mistakes);
    }
    if let Some(benchmark) = &benchmark {
        benchmark.settle(document, mistakes);
    }
    if let Some(job) = &mut job {
        job.settle(document);
    }
    if let (Some(model), Some(job)) = (&mut model, &job) {
        model.settle(document, job.batch_size);
    }
    if let Some(fees) = &mut fees {
        fees.settle_type(document);
    }
    // Wrong fees are one mistake, not one for every worker.
    let is_declared = fees
        .as_ref()
        .is_none_or(|fees| fees.kind == FeeType::Declared);
    let batches = job.as_ref().map_or(u64::MAX, |job| job.batches);
    let has_energy = fees.as_ref().is_none_or(|fees| fees.energy > Fee::ZERO);
    let workers = Workers::read(&mut root, is_declared, (batches, has_energy));
    if let Some(fees) = &mut fees {
        fees.settle(document, workers.names.len(), mistakes);
    }
    let mut faults = Faults::read_from(&mut root);
    if let Some(faults) = &mut faults {
        faults.settle(&workers.names, document, mistakes);
    }
    root.finish();
    Some(Scenario {
        job: job?,
        benchmark: benchmark?,
        waits: waits?,
        model: model?,
        link: link?,
        fees: fees?,
        run: run?,
        training: training?,
        faults: faults?,
        groups: workers.groups,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalogue::catalogue;
    use crate::scenario::tree::Value;

    const LAB: &str = "[job]\nbatches = 100\nmax_time = \"30 s\"\n\n\
                       [[workers]]\nname = \"pc1\"\nspeed = \"50 batches/s\"\n";

    fn good(text: &str) -> Scenario {
        Scenario::parse("lab.toml", text, &Overrides::NONE).expect("valid")
    }

    /// Every line that is written is a value, and set again key by key it gives the same scenario.
    #[test]
    fn values_are_all_that_is_written() {
        let trace = "[faults]\ntrace = [{ at = \"20 s\", worker = \"pc1\", what = \"dropout\" },\
                 { at = \"30 s\", worker = \"pc1\", what = \"return\" }]\n";
        let traced = good(&format!("{LAB}{trace}"));
        for scenario in catalogue()
            .iter()
            .map(|entry| good(entry.text))
            .chain([good(LAB), traced.clone()])
        {
            let values = scenario.values();
            let keys: BTreeSet<&str> = values.iter().map(|(key, _)| key.as_str()).collect();
            assert_eq!(keys.len(), values.len(), "every key is there once");
            let text = scenario.to_string();
            let lines = text.lines().filter(|line| {
                line.contains(" = ") && !line.starts_with(' ') && !line.starts_with("name = ")
            });
            assert_eq!(values.len(), lines.count());
            for (key, value) in &values {
                let node = Node::document(&text).expect("it reads");
                let node = node
                    .at_path(key)
                    .unwrap_or_else(|| panic!("{key} leads to a value"));
                match &node.value {
                    Value::Text(text) => assert_eq!(text, value, "{key}"),
                    Value::Whole(text) | Value::Decimal(text) => {
                        assert_eq!(text, value, "{key}");
                    }
                    Value::Bool(found) => assert_eq!(&found.to_string(), value, "{key}"),
                    Value::List(_) | Value::Table(_) => {
                        let whole = [('[', ']'), ('{', '}')];
                        assert!(
                            whole
                                .iter()
                                .any(|(a, b)| value.starts_with(*a) && value.ends_with(*b))
                        );
                    }
                    Value::Other(what) => panic!("{key} is {what}"),
                }
            }
        }
        let value = |key: &str| {
            let values = traced.values();
            let found = values.into_iter().find(|(known, _)| known == key);
            found.map(|(_, value)| value).expect("it is there")
        };
        assert_eq!(value("job.max_time"), "30 s");
        assert_eq!(value("workers.pc1.speed"), "50 batches/s");
        assert_eq!(
            value("faults.trace"),
            "[{ at = \"20 s\", worker = \"pc1\", what = \"dropout\" },\
         { at = \"30 s\", worker = \"pc1\", what = \"return\" },]"
        );
    }
}
