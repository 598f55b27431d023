//! Scenarios through the public interface.

mod drawing;
mod measured;
mod reading;
mod reference;
mod settings;
mod training;

use scenarios::{Overrides, Scenario, named};

pub(crate) const GOOD: &str = "\
[job]
batches = 100
max_time = \"30 s\"

[[workers]]
name = \"pc1\"
speed = \"50 batches/s\"
";

pub(crate) fn parse(text: &str) -> Result<Scenario, Vec<String>> {
    with(text, &[])
}

pub(crate) fn with(text: &str, set: &[&str]) -> Result<Scenario, Vec<String>> {
    let overrides = Overrides::parse(set).expect("well formed");
    Scenario::parse("lab.toml", text, &overrides).map_err(|errors| errors.lines().to_vec())
}

pub(crate) fn good(text: &str) -> Scenario {
    parse(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

pub(crate) fn of(name: &str, set: &[&str]) -> Scenario {
    let entry = named(name).expect("it is in the catalogue");
    with(entry.text, set).unwrap_or_else(|errors| panic!("{errors:#?}"))
}
