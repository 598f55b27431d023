//! `[fleet]` and `[[workers]]`: who there is.

use std::collections::BTreeMap;

use scheduler::{Fee, MAX_WORKERS, Span};

use crate::scenario::device::{DEVICES, Device};
use crate::scenario::drawn::{Drawn, SHAPE, SIGMA};
use crate::scenario::errors::{BenchmarkError, Errors, Jitter};
use crate::scenario::read::{Item, Section, plain};
use crate::scenario::tree::Value;
use crate::scenario::unit::{BatchRate, BitRate, Bytes, Quantity, Ratio, parse, scaled};

/// Workers of one description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Of the only worker; those of more are `NAME-1` and so on.
    pub name: String,
    /// How many, 1 at least.
    pub count: u64,
    /// How fast they train, in batches of the job's size.
    pub speed: Drawn<BatchRate>,
    /// By how much their times differ from what their speed says.
    pub errors: Errors,
    /// The memory for batches; `None` for no limit.
    pub memory: Option<Bytes>,
    /// Their own connections, from the orchestrator.
    pub down: Drawn<BitRate>,
    /// Their own connections, to the orchestrator.
    pub up: Drawn<BitRate>,
    /// One way.
    pub latency: Drawn<Span>,
    /// The fastest at which they take in data; `None` for as fast as the connection.
    pub shipping: Option<BatchRate>,
    /// What they charge, when fees are declared.
    pub fee: Option<Drawn<Fee>>,
    /// The least that they accept.
    pub least_fee: Fee,
    /// When they come.
    pub joins: Drawn<Span>,
}

impl BenchmarkError {
    fn read(item: &Item<'_>) -> Option<Self> {
        if item.text() == Some("none") {
            return Some(Self::NONE);
        }
        let mut section = item.section()?;
        let mut ratio = |key, (least, most): (u64, u64)| match section.take(key) {
            Some(item) => item.within(least, most),
            None => Some(Ratio::ZERO),
        };
        let sigma = ratio("sigma", SIGMA);
        let cold = ratio("cold", (0, 1_000_000));
        let cold_mean = ratio("cold_mean", (0, 5_000_000));
        let bias = match section.take("bias") {
            Some(item) => bias(&item),
            None => Some(0),
        };
        section.finish();
        Some(Self {
            bias_micros: bias?,
            sigma: sigma?,
            cold: cold?,
            cold_mean: cold_mean?,
        })
    }

    pub(crate) fn written(self) -> String {
        let sign = if self.bias_micros < 0 { "-" } else { "" };
        format!(
            "{{ bias = {sign}{}, sigma = {}, cold = {}, cold_mean = {} }}",
            Ratio::from_base(self.bias_micros.unsigned_abs()).written(),
            self.sigma.written(),
            self.cold.written(),
            self.cold_mean.written()
        )
    }
}

/// The one number that may be negative.
fn bias(item: &Item<'_>) -> Option<i64> {
    let (Value::Whole(text) | Value::Decimal(text)) = &item.node.value else {
        return item.expected("a number from -2 to 2");
    };
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (-1, unsigned),
        None => (1, text.as_str()),
    };
    match scaled::<Ratio>(&plain(unsigned), 1_000_000, || {
        "a number from -2 to 2".to_owned()
    }) {
        Ok(ratio) if ratio.micros() <= 2_000_000 => Some(sign * ratio.micros() as i64),
        Ok(_) => item.expected("a number from -2 to 2"),
        Err(what) => item.expected(&what),
    }
}

impl Jitter {
    fn read(item: &Item<'_>) -> Option<Self> {
        if item.text() == Some("none") {
            return Some(Self::None);
        }
        let mut section = item.section()?;
        let kind = section.require("dist", "lognormal or gamma");
        let kind = kind?.choice(&[("lognormal", true), ("gamma", false)])?;
        let jitter = if kind {
            let sigma = section.require("sigma", "0.05")?;
            Self::Lognormal(sigma.within(SIGMA.0, SIGMA.1)?)
        } else {
            Self::Gamma(
                section
                    .require("shape", "400.0")?
                    .within(SHAPE.0, SHAPE.1)?,
            )
        };
        section.finish();
        Some(jitter)
    }

    pub(crate) fn written(self) -> String {
        match self {
            Self::None => "\"none\"".to_owned(),
            Self::Lognormal(sigma) => {
                format!("{{ dist = \"lognormal\", sigma = {} }}", sigma.written())
            }
            Self::Gamma(shape) => format!("{{ dist = \"gamma\", shape = {} }}", shape.written()),
        }
    }
}

/// What a table says of workers; what it leaves open is said by another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    speed: Option<Drawn<BatchRate>>,
    jitter: Option<Jitter>,
    drift: Option<Ratio>,
    benchmark: Option<BenchmarkError>,
    memory: Option<Option<Bytes>>,
    down: Option<Drawn<BitRate>>,
    up: Option<Drawn<BitRate>>,
    latency: Option<Drawn<Span>>,
    shipping: Option<Option<BatchRate>>,
    fee: Option<Drawn<Fee>>,
    least_fee: Option<Fee>,
    joins: Option<Drawn<Span>>,
}

impl Traits {
    /// What the keys of a table say, and after them its device.
    pub(crate) fn read(section: &mut Section<'_>, declared: bool) -> Self {
        let names = DEVICES.each_ref().map(|device| (device.name, device));
        let device = section.take("device").and_then(|item| item.choice(&names));
        let mut traits = Self {
            speed: section.take("speed").and_then(|item| Drawn::read(&item)),
            jitter: section.take("jitter").and_then(|item| Jitter::read(&item)),
            drift: section
                .take("drift")
                .and_then(|item| item.within(0, 1_000_000)),
            benchmark: section
                .take("benchmark_error")
                .and_then(|item| BenchmarkError::read(&item)),
            memory: section
                .take("memory")
                .and_then(|item| item.or_word("unlimited", Item::quantity)),
            latency: section.take("latency").and_then(|item| Drawn::read(&item)),
            shipping: section
                .take("shipping")
                .and_then(|item| item.or_word("unlimited", Item::quantity)),
            least_fee: section.take("least_fee").and_then(|item| item.quantity()),
            joins: section.take("joins").and_then(|item| Drawn::read(&item)),
            ..Self::default()
        };
        (traits.down, traits.up) = both_ways(section);
        if let Some(item) = section.take("fee") {
            if declared {
                traits.fee = Drawn::read(&item);
            } else {
                let message = format!(
                    "{} has no meaning here, expected fees.type = \"declared\" with it",
                    item.path
                );
                item.faults.add(&item.node.at, message);
            }
        }
        match device {
            Some(device) => traits.or(&Self::of(device)),
            None => traits,
        }
    }

    /// Itself, and where it is silent the other.
    pub(crate) fn or(self, other: &Self) -> Self {
        Self {
            speed: self.speed.or(other.speed),
            jitter: self.jitter.or(other.jitter),
            drift: self.drift.or(other.drift),
            benchmark: self.benchmark.or(other.benchmark),
            memory: self.memory.or(other.memory),
            down: self.down.or(other.down),
            up: self.up.or(other.up),
            latency: self.latency.or(other.latency),
            shipping: self.shipping.or(other.shipping),
            fee: self.fee.or(other.fee),
            least_fee: self.least_fee.or(other.least_fee),
            joins: self.joins.or(other.joins),
        }
    }

    fn of(device: &Device) -> Self {
        // A test reads every device.
        let rate = parse(device.bandwidth).ok().map(Drawn::Fixed);
        let jitter = scaled(device.jitter, 1_000_000, String::new);
        Self {
            speed: parse(device.speed).ok().map(Drawn::Fixed),
            jitter: jitter.ok().map(Jitter::Lognormal),
            memory: parse(device.memory).ok().map(Some),
            down: rate,
            up: rate,
            latency: parse(device.latency).ok().map(Drawn::Fixed),
            ..Self::default()
        }
    }

    /// The group, with defaults where nothing was said; `None` without a speed.
    fn group(self, name: String, count: u64) -> Option<Group> {
        let rate = parse::<BitRate>("1 Gbit/s").ok().map(Drawn::Fixed);
        Some(Group {
            name,
            count,
            speed: self.speed?,
            errors: Errors {
                benchmark: self.benchmark.unwrap_or(BenchmarkError::NONE),
                jitter: self.jitter.unwrap_or(Jitter::None),
                drift: self.drift.unwrap_or(Ratio::ZERO),
            },
            memory: self.memory.flatten(),
            down: self.down.or(rate)?,
            up: self.up.or(rate)?,
            latency: self.latency.unwrap_or(Drawn::Fixed(Span::ZERO)),
            shipping: self.shipping.flatten(),
            fee: self.fee,
            least_fee: self.least_fee.unwrap_or(Fee::ZERO),
            joins: self.joins.unwrap_or(Drawn::Fixed(Span::ZERO)),
        })
    }
}

/// `down` and `up`, or `bandwidth` for both.
pub(crate) fn both_ways(
    section: &mut Section<'_>,
) -> (Option<Drawn<BitRate>>, Option<Drawn<BitRate>>) {
    let both = section.take("bandwidth");
    let (down, up) = (section.take("down"), section.take("up"));
    match (both, &down, &up) {
        (Some(both), None, None) => {
            let both = Drawn::read(&both);
            (both, both)
        }
        (Some(both), _, _) => {
            let message = format!(
                "{} is given beside down or up, expected one of them",
                both.path
            );
            both.faults.add(&both.node.at, message);
            (None, None)
        }
        (None, _, _) => (
            down.and_then(|item| Drawn::read(&item)),
            up.and_then(|item| Drawn::read(&item)),
        ),
    }
}

/// The groups of a document, and the place of each worker in the fleet by name.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    pub(crate) groups: Vec<Group>,
    pub(crate) names: BTreeMap<String, usize>,
}

impl Workers {
    fn add(&mut self, group: Option<Group>, section: &Section<'_>) {
        let Some(group) = group else {
            if !section.has("speed") && !section.has("device") {
                no_speed(section);
            }
            return; // what is wrong was said
        };
        if self.names.len() as u64 + group.count > MAX_WORKERS as u64 {
            let path = section.path_of("count");
            let message = format!("{path} makes too many workers, expected {MAX_WORKERS} in all");
            section.fault(message);
            return;
        }
        for name in group.names() {
            let place = self.names.len();
            if self.names.contains_key(&name) {
                let path = section.path_of("name");
                section.fault(format!(
                    "{path}: two workers are called \"{name}\", expected unique names"
                ));
                break;
            }
            self.names.insert(name, place);
        }
        self.groups.push(group);
    }
}

pub(crate) fn read(root: &mut Section<'_>, declared: bool) -> Workers {
    let mut all = Workers::default();
    let fleet = root.take("fleet").and_then(|item| item.section());
    let mut common = Traits::default();
    let mut any = false;
    if let Some(mut fleet) = fleet {
        let (named, count) = (name(&mut fleet), count(&mut fleet));
        common = Traits::read(&mut fleet, declared);
        any = fleet.has("count");
        if fleet.has("name") && !any {
            fleet.fault("fleet.name names nobody, expected fleet.count with it".to_owned());
        }
        if let Some(count) = count {
            let name = named.unwrap_or_else(|| "worker".to_owned());
            all.add(common.clone().group(name, count), &fleet);
        }
        fleet.finish();
    }
    let workers = root
        .take("workers")
        .map(|item| item.list().unwrap_or_default());
    let is_missing = workers.as_ref().is_none_or(Vec::is_empty);
    for item in workers.unwrap_or_default() {
        let Some(mut section) = item.section() else {
            continue;
        };
        let has_name = section.has("name");
        if !has_name {
            section.require("name", "a name such as \"pc1\"");
        }
        // Without a name of its own it gets one that no other has: one mistake, one message.
        let name = name(&mut section).unwrap_or_else(|| section.path.clone());
        let count = count(&mut section).unwrap_or(1);
        let traits = Traits::read(&mut section, declared).or(&common);
        all.add(traits.group(name, count), &section);
        section.finish();
    }
    if is_missing && !any {
        root.fault(
            "there are no workers, expected [[workers]], or [fleet] with a count".to_owned(),
        );
    }
    all
}

fn no_speed(section: &Section<'_>) {
    let path = section.path_of("speed");
    let names: Vec<_> = DEVICES.iter().map(|device| device.name).collect();
    let names = names.join(", ");
    section.fault(format!(
        "{path} is missing, expected a speed such as \"500 batches/s\", or a device of {names}"
    ));
}

fn count(section: &mut Section<'_>) -> Option<u64> {
    section.take("count")?.whole(1, MAX_WORKERS as u64)
}

fn name(section: &mut Section<'_>) -> Option<String> {
    let item = section.take("name")?;
    let is_plain = |text: &&str| {
        let mut letters = text.chars();
        letters.next().is_some_and(|c| c.is_ascii_alphanumeric())
            && letters.all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
            && text.len() <= 64
    };
    match item.text().filter(is_plain) {
        Some(name) => Some(name.to_owned()),
        None => item.expected("a name of at most 64 letters, digits, - and _"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_says_all_it_should() {
        for device in &DEVICES {
            let traits = Traits::of(device);
            let said = traits.speed.is_some()
                && traits.jitter.is_some()
                && traits.memory.is_some()
                && traits.down.is_some()
                && traits.latency.is_some();
            assert!(said, "{}", device.name);
        }
    }
}
