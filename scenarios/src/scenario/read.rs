//! Reading a tree into types. Mistakes are collected, so that all are reported at once.

use std::cell::RefCell;

use crate::near::nearest;
use crate::scenario::tree::{Entry, Node, Origin, Value};
use crate::scenario::unit::{Quantity, parse, range, scaled};

/// What is wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(RefCell<Vec<(Origin, String)>>);

impl Mistakes {
    pub(crate) fn add(&self, at: &Origin, message: String) {
        self.0.borrow_mut().push((at.clone(), message));
    }

    pub(crate) fn into_inner(self) -> Vec<(Origin, String)> {
        self.0.into_inner()
    }
}

/// A value at its path.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) node: &'a Node,
    pub(crate) path: String,
    pub(crate) mistakes: &'a Mistakes,
}

impl<'a> Item<'a> {
    /// Notes that the value is not what was expected.
    pub(crate) fn expected<T>(&self, what: &str) -> Option<T> {
        let Self { node, path, .. } = self;
        self.mistakes
            .add(&node.at, format!("{path} is {node}, expected {what}"));
        None
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        self.node.text()
    }

    /// The table that it must be.
    pub(crate) fn section(&self) -> Option<Section<'a>> {
        match &self.node.value {
            Value::Table(entries) => Some(Section {
                path: self.path.clone(),
                at: &self.node.at,
                entries,
                mistakes: self.mistakes,
                asked: Vec::new(),
            }),
            _ => self.expected("a table"),
        }
    }

    /// The items of the list that it must be.
    pub(crate) fn list(&self) -> Option<Vec<Self>> {
        let Value::List(nodes) = &self.node.value else {
            return self.expected("a list");
        };
        let item = |(at, node)| Item {
            node,
            path: format!("{}.{at}", self.path),
            mistakes: self.mistakes,
        };
        Some(nodes.iter().enumerate().map(item).collect())
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self.node.value {
            Value::Bool(value) => Some(value),
            _ => self.expected("true or false"),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&self, least: u64, most: u64) -> Option<u64> {
        let value = match &self.node.value {
            Value::Whole(text) => text.parse().ok(),
            _ => None,
        };
        let value = value.filter(|value| (least..=most).contains(value));
        value.or_else(|| self.expected(&format!("a whole number from {least} to {most}")))
    }

    /// One of several names.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let text = self.text();
        if let Some((_, value)) = choices.iter().find(|(name, _)| Some(*name) == text) {
            return Some(*value);
        }
        let near = text.and_then(|text| nearest(text, names.iter().copied()));
        let listed = format!("one of \"{}\"", names.join("\", \""));
        match near {
            Some(near) => self.expected(&format!("{listed}; did you mean \"{near}\"?")),
            None => self.expected(&listed),
        }
    }

    /// A quantity with its unit, or a plain number where it has none, within bounds that are
    /// counted in its smallest unit.
    pub(crate) fn quantity<Q: Quantity>(&self, bounds: (u64, u64)) -> Option<Q> {
        let expected = || format!("{} such as {}", Q::WHAT, Q::EXAMPLE);
        let result = match &self.node.value {
            Value::Text(text) if !Q::UNITS.is_empty() => parse::<Q>(text),
            Value::Whole(text) | Value::Decimal(text) => match Q::BARE {
                Some(size) => scaled(&plain(text), size, expected),
                None => Err(format!("{} with its unit such as {}", Q::WHAT, Q::EXAMPLE)),
            },
            _ => Err(expected()),
        };
        match result {
            Ok(quantity) if (bounds.0..=bounds.1).contains(&quantity.base()) => Some(quantity),
            Ok(_) => self.expected(&range::<Q>(bounds)),
            Err(what) => self.expected(&what),
        }
    }
}

/// A number's exponent, if it has one, worked into its digits: `1.5e3` is 1500.
pub(crate) fn plain(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return text.to_owned();
    };
    let Ok(exponent @ -30..=30) = exponent.parse::<i32>() else {
        return text.to_owned(); // the caller refuses it
    };
    let (whole, places) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (sign, whole) = match whole.strip_prefix('-') {
        Some(whole) => ("-", whole),
        None => ("", whole),
    };
    let zeros = "0".repeat(30);
    let digits = format!("{zeros}{whole}{places}{zeros}");
    let Ok(point) = usize::try_from(30 + whole.len() as i32 + exponent) else {
        return text.to_owned();
    };
    match (digits.get(..point), digits.get(point..)) {
        (Some(whole), Some(places)) => {
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            format!("{sign}{whole}.{places}")
        }
        _ => text.to_owned(),
    }
}

/// A table whose keys are asked for one by one; the others are unknown.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) path: String,
    pub(crate) at: &'a Origin,
    entries: &'a [Entry],
    pub(crate) mistakes: &'a Mistakes,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The path of a key in here.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The value of a key, if it is there.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.asked.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Item {
            node: &entry.node,
            path: self.path_of(key),
            mistakes: self.mistakes,
        })
    }

    /// The value of a key that must be there.
    pub(crate) fn require(&mut self, key: &'static str, expected: &str) -> Option<Item<'a>> {
        let item = self.take(key);
        if item.is_none() {
            let path = self.path_of(key);
            self.mistake(format!("{path} is missing, expected {expected}"));
        }
        item
    }

    /// Notes what is wrong with the section as a whole.
    pub(crate) fn mistake(&self, message: String) {
        self.mistakes.add(self.at, message);
    }

    /// Refuses the keys that were not asked for.
    pub(crate) fn finish(self) {
        for entry in self.entries {
            let key = entry.key.as_str();
            if self.asked.contains(&key) {
                continue;
            }
            let path = self.path_of(&super::tree::shown(key));
            let message = match nearest(key, self.asked.iter().copied()) {
                Some(near) => format!("{path} is unknown, did you mean {near}?"),
                None => format!(
                    "{path} is unknown, expected one of {}",
                    self.asked.join(", ")
                ),
            };
            self.mistakes.add(&entry.at, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_become_digits() {
        for (text, expected) in [
            ("1.5e3", 1_500_000_000),
            ("25e-2", 250_000),
            ("1e0", 1_000_000),
        ] {
            let read = scaled::<scheduler::Fee>(&plain(text), 1_000_000, String::new);
            assert_eq!(read.map(scheduler::Fee::micros), Ok(expected), "{text}");
        }
        for text in ["1e99", "1e", "-1e-2", "1e-9", "nan", "inf"] {
            assert!(scaled::<scheduler::Fee>(&plain(text), 1_000_000, String::new).is_err());
        }
    }
}
