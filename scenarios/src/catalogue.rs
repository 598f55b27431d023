//! Scenarios that come with Allot.

/// A scenario of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name that commands take in place of a file.
    pub name: &'static str,
    /// The scenario as TOML.
    pub text: &'static str,
}

impl Entry {
    /// What it shows: the first line of its header.
    pub fn summary(&self) -> &'static str {
        let line = self.text.lines().next().unwrap_or_default();
        line.trim_start_matches(['#', ' '])
    }
}

macro_rules! entries {
    ($($name:literal),* $(,)?) => {
        &[$(Entry {
            name: $name,
            text: include_str!(concat!("../catalogue/", $name, ".toml")),
        }),*]
    };
}

/// All of them.
pub const fn catalogue() -> &'static [Entry] {
    entries![
        "lab-8",
        "lab-7",
        "mixed-lab",
        "stragglers",
        "churn",
        "slow-uplink",
        "ten-thousand",
        "infeasible",
        "dab",
    ]
}

/// The one of this name.
pub fn named(name: &str) -> Option<&'static Entry> {
    catalogue().iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, Scenario};

    #[test]
    fn every_scenario_is_valid_and_reads_back_from_its_canonical_form() {
        for entry in catalogue() {
            let file = format!("{}.toml", entry.name);
            let read = |text: &str| {
                Scenario::parse(&file, text, &Overrides::NONE).unwrap_or_else(|e| panic!("{e}"))
            };
            let scenario = read(entry.text);
            let canonical = scenario.to_string();
            assert_eq!(read(&canonical), scenario, "{canonical}");
            assert_eq!(read(&canonical).to_string(), canonical);
            assert_eq!(scenario.config().check(), Ok(()), "{}", entry.name);
            assert!(entry.text.starts_with("# "), "{} has no header", entry.name);
            assert!(entry.summary().len() < 100, "{}", entry.summary());
            assert_eq!(named(entry.name), Some(entry));
        }
        assert_eq!(named("lab-9"), None);
    }
}
