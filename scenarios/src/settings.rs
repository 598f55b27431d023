//! Values that are given outside of a scenario file: by flags and by variables.
//!
//! A value comes from the first of: flag, scenario file, environment variable, `.env`, default.
//! [`resolve`] puts what is given outside into [`Overrides`]; reading a scenario with them
//! ([`Scenario::read`](crate::Scenario::read)) applies the rule, and says where each value came
//! from. Which keys have flags and variables is in their declarations ([`keys`]).

use std::collections::BTreeMap;

use crate::outside::{DOTENV, Outside};
use crate::scenario::{Key, Overrides, keys, shown};

/// A flag's key with its text.
pub type Flag = (&'static Key, String);

/// What is given outside of a scenario file, each value from the first place that has it.
///
/// `flags` go before the file, and so does what is `set`; variables give a value that the file
/// leaves open. A variable without a text is as if it were not there.
///
/// # Errors
/// All that is wrong with the text of `.env`, and flags beside `--set` of the same key, each on a
/// line of its own. What is wrong with a value is found when a scenario is read, and named with
/// its flag or variable.
pub fn resolve(
    set: &Overrides,
    flags: &[Flag],
    outside: &Outside,
) -> Result<Overrides, Vec<String>> {
    let text = outside.dotenv.as_deref().unwrap_or_default();
    let (dotenv, mut mistakes) = parse(text);
    let mut resolved = set.clone();
    for key in keys() {
        let path = key.path();
        if let Some((_, text)) = flags.iter().find(|(flag, _)| flag.path() == path) {
            let given = format!("--{} {}", key.flag_name().unwrap_or_default(), shown(text));
            if set.keys().any(|set| set == path) {
                let message = "are both given, expected one of them";
                mistakes.push(format!("{given} and --set {path} {message}"));
            }
            resolved = resolved.flag(given, &path, &key.literal(text));
        }
        let Some(name) = key.variable_name() else {
            continue;
        };
        let environment = outside.environment.get(name).map(|text| {
            let given = format!("environment {name}={}", shown(text));
            (text.trim(), given)
        });
        let dotenv = dotenv.get(name).map(|(line, text)| {
            let given = format!("{DOTENV}:{line} {name}={}", shown(text));
            (text.trim(), given)
        });
        let mut both = environment.into_iter().chain(dotenv);
        if let Some((text, given)) = both.find(|(text, _)| !text.is_empty()) {
            resolved = resolved.fallback(given, &path, &key.literal(text));
        }
    }
    if mistakes.is_empty() {
        Ok(resolved)
    } else {
        Err(mistakes)
    }
}

/// The variables of a `.env` file that are ours, with their lines, and what is wrong with them.
/// What is another program's is skipped, whatever it looks like.
fn parse(text: &str) -> (BTreeMap<&'static str, (usize, String)>, Vec<String>) {
    let (mut found, mut mistakes) = (BTreeMap::new(), Vec::new());
    let text = text.trim_start_matches('\u{feff}'); // a byte-order mark
    for (line, text) in (1..).zip(text.lines()) {
        let mut wrong = |what: String| mistakes.push(format!("{DOTENV}:{line}: {what}"));
        let text = text.trim();
        let text = match text.strip_prefix("export") {
            Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim_start(),
            _ => text,
        };
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value)),
            None => (text.split_whitespace().next().unwrap_or_default(), None),
        };
        let mut variables = keys().filter_map(|key| key.variable_name());
        let Some(name) = variables.find(|known| *known == name) else {
            continue;
        };
        let Some(value) = value else {
            wrong(format!("{name} has no value, expected {name}=VALUE"));
            continue;
        };
        let Some(value) = unquoted(value.trim()) else {
            wrong(format!("{name}: a quote is not closed, expected another"));
            continue;
        };
        if let Some((first, _)) = found.insert(name, (line, value)) {
            wrong(format!(
                "{name} is given in line {first} too, expected it once"
            ));
        }
    }
    (found, mistakes)
}

/// A value without its quotes, and without a comment behind it.
fn unquoted(text: &str) -> Option<String> {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let (value, behind) = rest.split_once(quote)?;
            let behind = behind.trim();
            return (behind.is_empty() || behind.starts_with('#')).then(|| value.to_owned());
        }
    }
    let value = text.split(" #").next().unwrap_or_default();
    Some(value.trim().to_owned())
}
