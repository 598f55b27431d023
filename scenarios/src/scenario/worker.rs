//! `[fleet]` and `[[workers]]`: the workers.
//!
//! What a worker leaves open comes from its device, then from `[fleet]`, then from `[fleet]`'s
//! device. `[fleet]` with a count makes workers of its own.

use std::collections::BTreeSet;

use scheduler::{Fee, MAX_WORKERS, Span};

use crate::scenario::device::DEVICES;
use crate::scenario::drawn::Drawn;
use crate::scenario::errors::{BenchmarkError, Errors, Jitter};
use crate::scenario::field::listed;
use crate::scenario::key::{Field, Key, Table, keys};
use crate::scenario::pay::{Amount, FeeTier};
use crate::scenario::read::{Item, Mistakes, Section};
use crate::scenario::tree::{Entry, Node, Origin};
use crate::scenario::unit::{BatchRate, BitRate, Bytes, Power, Ratio};

keys! {
    /// Workers of one description.
    pub struct Group in "workers" {
        /// Name of the worker. Several of one description are called pc1-1, pc1-2 and so on.
        name: String => example("\"pc1\"").within(1, 64);
        /// Key of the only machine that may join a real run by this name, as `runtime workers list` shows it.
        key: Option<String> => default("\"any\"").or_word("any").within(1, 64);
        /// Number of workers of this description.
        count: u64 => default("1").within(1, MAX_WORKERS as u64);
        /// Speed of training, in batches of the job's size. A device has one.
        speed: Drawn<BatchRate> => example("\"500 batches/s\"");
        /// Factor on the time of each cycle: lognormal with median 1, or gamma with mean 1.
        jitter: Jitter => default("\"none\"");
        /// Standard deviation of each cycle's step of a random walk of the logarithm of the time.
        drift: Ratio => default("0").within(0, 1_000_000);
        /// By what factor benchmarks read too fast.
        benchmark_error: BenchmarkError => default("\"none\"");
        /// Memory for batches.
        memory: Option<Bytes> => default("\"unlimited\"").or_word("unlimited");
        /// Rate of its own connection, from the orchestrator.
        down: Drawn<BitRate> => default("\"1 Gbit/s\"");
        /// Rate of its own connection, to the orchestrator.
        up: Drawn<BitRate> => default("\"1 Gbit/s\"");
        /// Latency of its connection, one way.
        latency: Drawn<Span> => default("\"0 s\"");
        /// Fastest rate at which it takes in data.
        shipping: Option<BatchRate> => default("\"unlimited\"").or_word("unlimited");
        /// Fee per batch that it asks for, when fees are declared.
        fee: Option<Drawn<Fee>> => example("1.5");
        /// Least fee per batch that it accepts.
        least_fee: Fee => default("0");
        /// Charge for each cycle that employs it, however little it does.
        hire: Fee => default("0");
        /// Price of an hour of computing. When a plan is made it becomes a part of the fee per batch, by the
        /// measured speed. A worker that has it, per_hour_employed or power, but no fee, has a fee of 0 when
        /// fees are declared.
        per_hour: Fee => default("0");
        /// Price of an hour in which it is employed, computing or not: in each cycle that employs it, a charge
        /// for the time that a cycle has.
        per_hour_employed: Fee => default("0");
        /// Power that it draws while it computes; fees.energy is the price.
        power: Power => default("\"0 W\"");
        /// Power that it draws while it is employed and does not compute.
        idle_power: Power => default("\"0 W\"");
        /// Other fees for the batches of a cycle beyond the first ones, whose fee is the worker's.
        tiers: Vec<FeeTier> => default("[]");
        /// Least number of batches in a cycle that employs it, or least share of all batches.
        least: Amount => default("0");
        /// Most batches in a cycle, or largest share of all batches.
        most: Option<Amount> => default("\"unlimited\"").or_word("unlimited");
        /// When it joins, from the beginning of the run.
        joins: Drawn<Span> => default("\"0 s\"");
    }
}

/// Keys that stand for others.
pub(crate) const SHORTHANDS: [Key; 3] = [
    Key::new::<Device>(
        "workers",
        "device",
        &["Kind of machine, which gives its speed, memory, connection and jitter."],
    )
    .example("\"desktop\""),
    Key::new::<Drawn<BitRate>>("workers", "bandwidth", &["Both down and up."])
        .example("\"100 Mbit/s\""),
    Key::new::<BitRate>("link", "bandwidth", &["Both down and up."]).example("\"100 Mbit/s\""),
];

impl Group {
    /// By how much their times differ from what their speed says.
    pub fn errors(&self) -> Errors {
        Errors {
            benchmark: self.benchmark_error.clone(),
            jitter: self.jitter,
            drift: self.drift,
        }
    }

    /// The names of its workers.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (1..=self.count).map(|i| match self.count {
            1 => self.name.clone(),
            _ => format!("{}-{i}", self.name),
        })
    }
}

/// A kind of machine: what its profile says of the keys of workers.
#[derive(Debug)]
struct Device(Vec<Entry>);

impl Device {
    fn profiles() -> Vec<Entry> {
        Node::document(DEVICES).map_or(Vec::new(), Node::into_entries)
    }

    fn names() -> Vec<String> {
        Self::profiles()
            .into_iter()
            .map(|entry| entry.key)
            .collect()
    }
}

impl Field for Device {
    const METAVAR: &'static str = "NAME";

    fn read(item: &Item<'_>, _: &Key) -> Option<Self> {
        let profiles = Self::profiles();
        let names = profiles.iter().enumerate();
        let names: Vec<_> = names.map(|(at, entry)| (entry.key.as_str(), at)).collect();
        let mut profile = profiles[item.choice(&names)?].node.clone();
        profile.moved_to(&item.node.at);
        Some(Self(profile.into_entries()))
    }

    fn write(&self, _: &Key) -> Option<String> {
        None
    }

    fn form(_: &Key) -> String {
        let names = Self::names();
        listed(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Puts in for `bandwidth` what it stands for.
pub(crate) fn expand_bandwidth(table: &mut Node, path: &str, key: &Key, mistakes: &Mistakes) {
    let Some(bandwidth) = table.take("bandwidth") else {
        return;
    };
    let path = format!("{path}.bandwidth");
    if table.get("down").or(table.get("up")).is_some() {
        let message = format!("{path} is given beside down or up, expected one of them");
        return mistakes.add(&bandwidth.at, message);
    }
    let item = Item {
        node: &bandwidth,
        path,
        mistakes,
    };
    if key.check(&item) {
        table.put_missing(["down", "up"].map(|key| Entry::new(key, bandwidth.clone())));
    }
}

/// The groups of a document, with the names of all workers.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    pub(crate) groups: Vec<Group>,
    pub(crate) names: BTreeSet<String>,
    /// The batches of a cycle, and whether energy has a price.
    paid: (u64, bool),
}

impl Workers {
    /// Reads the workers; `is_declared` says whether they may have fees, `paid` how many batches a cycle
    /// has, and whether energy has a price.
    pub(crate) fn read(root: &mut Section<'_>, is_declared: bool, paid: (u64, bool)) -> Self {
        let mut all = Self {
            paid,
            ..Self::default()
        };
        let mistakes = root.mistakes;
        let mut fleet = match root.take("fleet") {
            Some(item) if item.section().is_some() => item.node.clone(),
            Some(_) | None => Node::table(root.at.clone(), Vec::new()),
        };
        settle(&mut fleet, "fleet", is_declared, mistakes);
        leave_what_is_valid(&mut fleet, mistakes);
        let has_count = fleet.get("count").is_some();
        if has_count {
            let mut group = fleet.clone();
            group.put_missing([Entry::new("name", Node::value("\"worker\"", &fleet.at))]);
            all.add(&group, "fleet", mistakes);
        } else if fleet.get("name").is_some() {
            let message = "fleet.name names no worker, expected fleet.count with it";
            mistakes.add(&fleet.at, message.to_owned());
        }
        let (_, _) = (fleet.take("name"), fleet.take("count"));
        let common = fleet.into_entries();
        let workers = root.take("workers");
        let workers = workers.map(|item| item.list().unwrap_or_default());
        if workers.as_ref().is_none_or(Vec::is_empty) && !has_count {
            let message = "there are no workers, expected [[workers]], or [fleet] with a count";
            root.mistake(message.to_owned());
        }
        for item in workers.unwrap_or_default() {
            let mut node = item.node.clone();
            if item.section().is_some() {
                settle(&mut node, &item.path, is_declared, mistakes);
                node.put_missing(common.clone());
                all.add(&node, &item.path, mistakes);
            }
        }
        all
    }

    fn add(&mut self, node: &Node, path: &str, mistakes: &Mistakes) {
        let mut node = node.clone();
        if node.get("speed").is_none() {
            let devices = Device::names().join(", ");
            let message = format!(
                "{path}.speed is missing, expected a speed such as \"500 batches/s\", or a device \
                 of {devices}"
            );
            mistakes.add(&node.at, message);
            node.put_missing([Entry::new(
                "speed",
                Node::value("\"1 batches/s\"", &node.at),
            )]);
        }
        let node = &node;
        let item = Item {
            node,
            path: path.to_owned(),
            mistakes,
        };
        let Some(group) = Group::read_item(&item) else {
            return; // what is wrong was noted
        };
        let mistake = |message: String| mistakes.add(&node.at, format!("{path}.{message}"));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if !group.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !group.name.chars().all(is_plain)
        {
            let at = node.get("name").map_or(&node.at, |name| &name.at);
            let message = "expected a name of at most 64 letters, digits, - and _";
            return mistakes.add(at, format!("{path}.name is \"{}\", {message}", group.name));
        }
        if group.key.is_some() && group.count > 1 {
            return mistake("key is one machine's, expected count = 1 with it".to_owned());
        }
        group.check_pay(node, path, self.paid, mistakes);
        if self.names.len() as u64 + group.count > MAX_WORKERS as u64 {
            let message = format!("count makes too many workers, expected {MAX_WORKERS} in all");
            return mistake(message);
        }
        for name in group.names() {
            if !self.names.insert(name.clone()) {
                return mistake(format!(
                    "name: two workers are called \"{name}\", expected unique names"
                ));
            }
        }
        self.groups.push(group);
    }
}

/// Puts in what shorthands stand for, and refuses a fee that has no meaning.
fn settle(node: &mut Node, path: &str, is_declared: bool, mistakes: &Mistakes) {
    let [device, bandwidth, _] = &SHORTHANDS;
    expand_bandwidth(node, path, bandwidth, mistakes);
    if let Some(name) = node.take("device") {
        let item = Item {
            node: &name,
            path: format!("{path}.device"),
            mistakes,
        };
        // A wrong name is one mistake: what it would have given is not missing.
        let profile = Device::read(&item, device);
        let other = || Device::profiles().swap_remove(0).node.into_entries();
        let mut profile = Node::table(name.at.clone(), profile.map_or_else(other, |p| p.0));
        expand_bandwidth(&mut profile, path, bandwidth, mistakes);
        node.put_missing(profile.into_entries());
    }
    if let Some(fee) = node.get("fee")
        && !is_declared
    {
        let message = "fee has no meaning here, expected fees.type = \"declared\" with it";
        mistakes.add(&fee.at, format!("{path}.{message}"));
        node.take("fee");
    }
}

/// Notes each mistake in `[fleet]` once, and puts a value in its place that is none.
fn leave_what_is_valid(fleet: &mut Node, mistakes: &Mistakes) {
    let node = fleet.clone();
    let item = Item {
        node: &node,
        path: "fleet".to_owned(),
        mistakes,
    };
    let Some(mut section) = item.section() else {
        return;
    };
    for key in Group::KEYS {
        if let Some(item) = section.take(key.name())
            && !key.check(&item)
        {
            fleet.take(key.name());
            let value = Node::value(key.shown_value(), &Origin::Line(0));
            fleet.put_missing([Entry::new(key.name(), value)]);
        }
    }
    section.finish();
    fleet.retain(|entry| Group::KEYS.iter().any(|key| key.name() == entry.key));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_says_all_it_should() {
        let profiles = Device::profiles();
        assert_eq!(profiles.len(), 6);
        for Entry { key, node, .. } in profiles {
            let mistakes = Mistakes::default();
            let mut worker = Node::value(&format!("{{ name = 'a', device = '{key}' }}"), &node.at);
            settle(&mut worker, "workers.0", true, &mistakes);
            for key in ["speed", "jitter", "memory", "down", "up", "latency"] {
                assert!(worker.get(key).is_some(), "{key}");
            }
            let mut all = Workers::default();
            all.add(&worker, "workers.0", &mistakes);
            assert_eq!(mistakes.into_inner(), []);
            assert_eq!(all.groups.len(), 1);
        }
    }
}
