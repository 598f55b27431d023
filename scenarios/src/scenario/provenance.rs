//! Where the values of a scenario came from.

use crate::scenario::overrides::Overrides;
use crate::scenario::schema;
use crate::scenario::tree::{Node, Origin};

/// Where values came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Values that are not defaults: those that have variables, the time of a cycle, and all that
    /// were set.
    pub given: Vec<Given>,
    /// What variables gave and is not used, with the reason.
    pub unused: Vec<String>,
}

/// A value that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its key.
    pub key: String,
    /// As it was given.
    pub value: String,
    /// `FILE:LINE`, a flag, a variable of the environment, or `.env:LINE` with its variable.
    pub from: String,
}

pub(crate) fn given(file: &str, document: &Node, overrides: &Overrides) -> Vec<Given> {
    let with_variables = schema::keys().filter(|key| key.variable_name().is_some());
    let mut keys: Vec<String> = with_variables.map(|key| key.path()).collect();
    for key in ["job.cycle_time"].into_iter().chain(overrides.keys()) {
        if !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    let given = |key: String| {
        let node = document.at_path(&key)?;
        let from = match &node.at {
            Origin::Line(line) => format!("{file}:{line}"),
            Origin::Set(given) => given.clone(),
        };
        Some(Given {
            key,
            value: node.summary(),
            from,
        })
    };
    keys.into_iter().filter_map(given).collect()
}
