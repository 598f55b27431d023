//! Where the values of a scenario came from.

use crate::scenario::overrides::Overrides;
use crate::scenario::tree::{Node, Origin};
use crate::settings::Variable;

/// Where values came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Values that are not left to their defaults: those that have variables, the time of a cycle,
    /// and all that were set.
    pub given: Vec<Given>,
    /// What was said by variables and has no use, with the reason.
    pub unused: Vec<String>,
}

/// A value that somebody gave.
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
    let mut keys: Vec<&str> = Variable::ALL.map(Variable::key).to_vec();
    keys.push("job.cycle_time");
    for key in overrides.keys() {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let given = |key: &str| {
        let node = document.at_path(key)?;
        let from = match &node.at {
            Origin::Line(line) => format!("{file}:{line}"),
            Origin::Set(given) => given.clone(),
        };
        Some(Given {
            key: key.to_owned(),
            value: node.said(),
            from,
        })
    };
    keys.into_iter().filter_map(given).collect()
}
