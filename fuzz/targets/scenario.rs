//! A scenario: what is read is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scenarios::{Overrides, Scenario};

fuzz_target!(|text: &str| {
    if let Ok(scenario) = Scenario::parse("x.toml", text, &Overrides::NONE) {
        let written = scenario.to_string();
        let again = Scenario::parse("x.toml", &written, &Overrides::NONE);
        let again = again.unwrap_or_else(|errors| panic!("{}\n{written}", errors.lines().join("\n")));
        assert_eq!(again.to_string(), written);
    }
});
