//! `[faults]`: what goes wrong, by rates or at stated times.

use std::collections::BTreeSet;

use scheduler::Span;

use crate::near::nearest;
use crate::scenario::field::choices;
use crate::scenario::key::{Field, Key, Table, keys};
use crate::scenario::read::{Item, Mistakes};
use crate::scenario::tree::Node;
use crate::scenario::unit::{Quantity, Ratio};

/// The longest time.
const LONGEST: u64 = <Span as Quantity>::RANGE.1;
/// The least and the most of a slowdown's factor, in millionths.
const FACTOR: (u64, u64) = (1_000_000, 1_000_000_000_000);

keys! {
    /// What goes wrong. Times between faults are exponential, drawn for each worker by itself.
    pub struct Faults in "faults" {
        /// Mean time until a worker drops out.
        dropout_every: Option<Span> => default("\"never\"").or_word("never").within(1, LONGEST);
        /// Mean time until it returns.
        return_after: Option<Span> => default("\"never\"").or_word("never").within(1, LONGEST);
        /// Mean time between stalls, in which a worker does nothing.
        stall_every: Option<Span> => default("\"never\"").or_word("never").within(1, LONGEST);
        /// Mean length of a stall.
        stall_for: Span => default("\"1 s\"").within(1, LONGEST);
        /// Mean time between slowdowns.
        slowdown_every: Option<Span> => default("\"never\"").or_word("never").within(1, LONGEST);
        /// Mean length of a slowdown: "never" is one that never ends.
        slowdown_for: Option<Span> => default("\"never\"").or_word("never").within(1, LONGEST);
        /// How many times longer a batch takes in a slowdown.
        slowdown_factor: Ratio => default("1").within(FACTOR.0, FACTOR.1);
        /// Faults at stated times, besides the random ones.
        trace: Vec<FaultEvent> => default("[]");
    }
}

keys! {
    /// A fault at a stated time.
    pub struct FaultEvent in "faults.trace" {
        /// When, from the beginning of the run.
        at: Span => example("\"30 s\"");
        /// Name of the worker.
        worker: String => example("\"pc1\"").within(1, 128);
        /// What happens.
        what: FaultKind => example("\"dropout\"");
        /// How many times longer a batch takes in a slowdown.
        factor: Option<Ratio> => example("4").within(FACTOR.0, FACTOR.1);
        /// How long a stall or a slowdown lasts. A slowdown without it never ends.
        lasts as "for": Option<Span> => example("\"5 s\"").or_word("never").within(1, LONGEST);
    }
}

/// What happens to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is gone.
    Dropout,
    /// It is back.
    Return,
    /// It does nothing.
    Stall,
    /// It is slower.
    Slowdown,
}

choices! {
    FaultKind {
        "dropout" => Dropout,
        "return" => Return,
        "stall" => Stall,
        "slowdown" => Slowdown,
    }
}

impl FaultKind {
    /// Whether a key has a meaning, and whether it must be there.
    fn uses(self, key: &str) -> (bool, bool) {
        match (key, self) {
            ("for", Self::Stall) | ("factor", Self::Slowdown) => (true, true),
            ("for", Self::Slowdown) => (true, false),
            ("for" | "factor", _) => (false, false),
            _ => (true, false),
        }
    }
}

impl Field for FaultEvent {
    const METAVAR: &'static str = "FAULT";

    fn read(item: &Item<'_>, _: &Key) -> Option<Self> {
        let event = Self::read_item(item)?;
        for key in Self::KEYS {
            let (name, path) = (key.name(), format!("{}.{}", item.path, key.name()));
            let (has_meaning, is_needed) = event.what.uses(name);
            let value = item.node.get(name);
            let is_none = value.is_none_or(|it| key.word.is_some() && it.text() == key.word);
            let message = if is_needed && is_none {
                let example = key.shown_value();
                format!(
                    "{path} is missing, expected {}, such as {example}",
                    key.form()
                )
            } else if !has_meaning && value.is_some() {
                format!("{path} has no meaning here, expected it with a stall or a slowdown")
            } else {
                continue;
            };
            item.mistakes.add(&value.unwrap_or(item.node).at, message);
            return None;
        }
        Some(event)
    }

    fn write(&self, _: &Key) -> Option<String> {
        let pairs = self.written().into_iter();
        let pairs = pairs.filter(|(key, _)| self.what.uses(key.name()).0);
        let pairs = pairs.map(|(key, value)| format!("{} = {value}", key.name()));
        Some(format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", ")))
    }

    fn form(_: &Key) -> String {
        "{ at = …, worker = …, what = …, for = …, factor = … }".to_owned()
    }
}

impl Faults {
    /// Nothing goes wrong.
    pub(crate) const fn none() -> Self {
        Self {
            dropout_every: None,
            return_after: None,
            stall_every: None,
            stall_for: Span::from_secs(1),
            slowdown_every: None,
            slowdown_for: None,
            slowdown_factor: Ratio::ONE,
            trace: Vec::new(),
        }
    }

    /// Notes the workers of the trace that do not exist, and puts it in the order of time.
    pub(crate) fn settle(&mut self, names: &BTreeSet<String>, document: &Node, to: &Mistakes) {
        for (place, event) in self.trace.iter().enumerate() {
            if names.contains(&event.worker) {
                continue;
            }
            let path = format!("faults.trace.{place}.worker");
            let near = nearest(&event.worker, names.iter().map(String::as_str));
            let near = near.map(|near| format!("; did you mean \"{near}\"?"));
            if let Some(node) = document.at_path(&path) {
                let near = near.unwrap_or_default();
                to.add(
                    &node.at,
                    format!("{path} is {node}, expected a worker's name{near}"),
                );
            }
        }
        self.trace.sort_by_key(|event| event.at);
    }
}
