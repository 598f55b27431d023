//! `--set key=value` and `--vary key=a,b,c`.

use crate::scenario::job::any_fee;
use crate::scenario::tree::{Entry, MAX_DEPTH, Node, Origin, Value, shown};

/// Values that replace those of a file before it is read, so that a changed scenario is checked
/// like a written one.
///
/// A key is a dotted path: `job.risk`, `workers.pc3.fee` (by name, or by place from 0),
/// `mistakes.trace.0.at`. A value is TOML, or else a text without quotes: `30 s`, `exact`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Before the file's, the later before the earlier.
    set: Vec<Override>,
    /// After the file's.
    fallback: Vec<Override>,
}

/// One of them, with the words that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Override {
    given: String,
    key: String,
    value: String,
    /// Takes out of the file what cannot stand beside it.
    displaces: bool,
}

impl Override {
    fn new(given: String, key: &str, value: &str) -> Self {
        Self {
            given,
            key: key.to_owned(),
            value: value.to_owned(),
            displaces: false,
        }
    }
}

/// What is wrong with the text of an override.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flag} {text}: expected {expected}")]
pub struct OverrideError {
    flag: &'static str,
    text: String,
    expected: &'static str,
}

impl Overrides {
    /// A scenario as it stands.
    pub const NONE: Self = Self {
        set: Vec::new(),
        fallback: Vec::new(),
    };

    /// From the texts `key=value`, the later before the earlier where they name the same key.
    ///
    /// # Errors
    /// When one has no key or no equals sign.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, OverrideError> {
        let mut overrides = Self::NONE;
        for text in texts {
            let (key, value) = pair("--set", text.as_ref())?;
            overrides = overrides.and("--set", &key, &value);
        }
        Ok(overrides)
    }

    /// From the text `key=value,key=value` of a flag. Commas within quotes, brackets and braces do
    /// not separate.
    ///
    /// # Errors
    /// When one has no key or no equals sign.
    pub fn listed(flag: &'static str, text: &str) -> Result<Self, OverrideError> {
        let mut overrides = Self::NONE;
        for text in separated(text) {
            let (key, value) = pair(flag, &text)?;
            overrides = overrides.and(flag, &key, &value);
        }
        Ok(overrides)
    }

    /// One more, which goes before all others. The flag is only for messages.
    #[must_use]
    pub fn and(mut self, flag: &'static str, key: &str, value: &str) -> Self {
        let given = format!("{flag} {}={}", shown(key), shown(value));
        self.set.push(Override::new(given, key, value));
        self
    }

    /// All of some more, which go before all others.
    #[must_use]
    pub fn and_all(mut self, others: &Self) -> Self {
        self.set.extend_from_slice(&others.set);
        self.fallback.extend_from_slice(&others.fallback);
        self
    }

    /// One more, which goes before all others and takes the place of what cannot stand beside it:
    /// a flag of its own, with the words that messages name it by.
    #[must_use]
    pub(crate) fn flag(mut self, given: String, key: &str, value: &str) -> Self {
        self.set.push(Override {
            displaces: true,
            ..Override::new(given, key, value)
        });
        self
    }

    /// One more for what a file and all others leave open, with the words that messages name it
    /// by: of several with the same key the first counts.
    #[must_use]
    pub fn fallback(mut self, given: String, key: &str, value: &str) -> Self {
        self.fallback.push(Override::new(given, key, value));
        self
    }

    /// The keys and values that go before a file's, in the order given.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set
            .iter()
            .map(|set| (set.key.as_str(), set.value.as_str()))
    }

    /// Puts all of them in; gives those that a scenario has no use for, with the reason.
    pub(crate) fn apply(&self, document: &mut Node) -> Result<Vec<String>, Vec<(Origin, String)>> {
        let (mut mistakes, mut unused) = (Vec::new(), Vec::new());
        for one in &self.set {
            let at = Origin::Set(one.given.clone());
            let path: Vec<&str> = one.key.split('.').collect();
            let value = Node::value(&one.value, &at);
            if one.displaces {
                displace(document, &one.key, &value);
            }
            if let Err(message) = set(document, &path, &value) {
                mistakes.push((at, message));
            }
        }
        for Override {
            given, key, value, ..
        } in &self.fallback
        {
            match need(document, key) {
                Need::Open => {
                    let at = Origin::Set(given.clone());
                    let path: Vec<&str> = key.split('.').collect();
                    if let Err(message) = set(document, &path, &Node::value(value, &at)) {
                        mistakes.push((at, message));
                    }
                }
                Need::Given => {}
                Need::None(why) => unused.push(format!("{given} is not used, since {why}")),
            }
        }
        if mistakes.is_empty() {
            Ok(unused)
        } else {
            Err(mistakes)
        }
    }

    /// The keys that go before a file's.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.set.iter().map(|set| set.key.as_str())
    }
}

/// Whether a document wants a value for a key that it may leave open.
enum Need {
    Open,
    Given,
    None(&'static str),
}

fn need(document: &Node, key: &str) -> Need {
    let has = |key: &str| document.at_path(key).is_some();
    let kind = match document.at_path("fees.type").map(|node| &node.value) {
        Some(Value::Text(kind)) => Some(kind.as_str()),
        _ => None,
    };
    let is_given = match key {
        "job.max_time" => has("job.max_time") || has("job.cycle_time"),
        // If a worker asks for a fee, fees are declared.
        "fees.type" => has("fees") || any_fee(document),
        "fees.fees" if kind != Some("specific") => {
            return Need::None("fees.type is not specific");
        }
        "fees.default_fee" if !matches!(kind, Some("specific" | "declared")) => {
            return Need::None("fees.type is neither specific nor declared");
        }
        _ => has(key),
    };
    // Without a job there is no scenario, which is the mistake to report.
    if is_given || (key.starts_with("job.") && !has("job")) {
        Need::Given
    } else {
        Need::Open
    }
}

/// Takes out what the file has that cannot stand beside a value of this key.
fn displace(document: &mut Node, key: &str, value: &Node) {
    let is_other = |at: &str| {
        document
            .at_path(at)
            .is_some_and(|found| found.to_string() != value.to_string())
    };
    let (table, goes): (&str, fn(&str) -> bool) = match key {
        "job.max_time" => ("job", |key| key == "cycle_time"),
        "job.cycle_time" => ("job", |key| matches!(key, "max_time" | "counts_setup")),
        "fees.type" if is_other(key) => ("fees", |key| key != "type"),
        _ => return,
    };
    if let Some(table) = document.get_mut(table) {
        table.retain(|entry| !matches!(entry.at, Origin::Line(_)) || !goes(&entry.key));
    }
}

/// One key and the values that a sweep gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vary {
    key: String,
    values: Vec<String>,
}

impl Vary {
    /// From the text `key=a,b,c`. Commas within quotes, brackets and braces do not separate.
    ///
    /// # Errors
    /// When there is no key, no equals sign, or an empty value.
    pub fn parse(text: &str) -> Result<Self, OverrideError> {
        let error = || OverrideError {
            flag: "--vary",
            text: shown(text),
            expected: "key=value,value, such as job.risk=0.01,0.05",
        };
        let (key, values) = split(text).ok_or_else(error)?;
        let values = separated(&values);
        if values.iter().any(String::is_empty) {
            return Err(error());
        }
        Ok(Self { key, values })
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its values, in the order given.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Refuses a key that is set for all as well, or varied twice.
    ///
    /// # Errors
    /// When there is one.
    pub fn check(all: &[Self], base: &Overrides) -> Result<(), OverrideError> {
        for (place, vary) in all.iter().enumerate() {
            let others = all[..place].iter().map(Self::key);
            if others.chain(base.keys()).any(|key| key == vary.key) {
                return Err(OverrideError {
                    flag: "--vary",
                    text: shown(&vary.key),
                    expected: "a key that nothing else on the command line gives",
                });
            }
        }
        Ok(())
    }

    /// The cartesian product, on top of what is set for all: the last key varies fastest.
    pub fn product(all: &[Self], base: &Overrides) -> Vec<Overrides> {
        all.iter().fold(vec![base.clone()], |cells, vary| {
            let with = |cell: &Overrides| {
                let cell = cell.clone();
                let values = vary.values.iter();
                values
                    .map(move |value| cell.clone().and("--vary", &vary.key, value))
                    .collect::<Vec<_>>()
            };
            cells.iter().flat_map(with).collect()
        })
    }
}

fn pair(flag: &'static str, text: &str) -> Result<(String, String), OverrideError> {
    split(text).ok_or_else(|| OverrideError {
        flag,
        text: shown(text),
        expected: "key=value, such as job.risk=0.01",
    })
}

fn split(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let (empty, depth) = (key.split('.').any(str::is_empty), key.split('.').count());
    (!empty && depth <= MAX_DEPTH).then(|| (key.to_owned(), value.to_owned()))
}

fn separated(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quote) = (vec![String::new()], 0_i32, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth <= 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

fn set(node: &mut Node, path: &[&str], value: &Node) -> Result<(), String> {
    let [key, rest @ ..] = path else {
        *node = value.clone();
        return Ok(());
    };
    match &mut node.value {
        Value::Table(entries) => {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
                entry.at = value.at.clone();
                return set(&mut entry.node, rest, value);
            }
            let mut entry = Entry {
                key: (*key).to_owned(),
                at: value.at.clone(),
                node: Node {
                    at: value.at.clone(),
                    value: Value::Table(Vec::new()),
                },
            };
            set(&mut entry.node, rest, value)?;
            entries.push(entry);
            Ok(())
        }
        Value::List(nodes) => {
            let count = nodes.len();
            match Node::place(nodes, key).and_then(|at| nodes.get_mut(at)) {
                Some(node) => set(node, rest, value),
                None => Err(format!(
                    "nothing is called \"{key}\" there, expected a name or a place from 0 to {}",
                    count.saturating_sub(1)
                )),
            }
        }
        Value::Text(_) | Value::Whole(_) | Value::Decimal(_) | Value::Bool(_) | Value::Other(_) => {
            Err(format!("\"{key}\" would lie in {node}, expected a table"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_split_at_the_commas_that_separate() {
        let vary = Vary::parse("a.b = 1, \"2,3\", [4, 5], {x = 6, y = 7}").expect("valid");
        assert_eq!(vary.key(), "a.b");
        assert_eq!(vary.values(), ["1", "\"2,3\"", "[4, 5]", "{x = 6, y = 7}"]);
        for bad in ["a", "=1", "a.=1", "a=1,,2", "a="] {
            let error = Vary::parse(bad).expect_err("bad").to_string();
            assert!(error.starts_with(&format!("--vary {bad}: expected key=value")));
        }
    }

    #[test]
    fn a_list_of_overrides_is_split_like_values() {
        let list = Overrides::listed("--against", "a=1, fees.fees=[2,3]").expect("valid");
        let pairs: Vec<_> = list.pairs().collect();
        assert_eq!(pairs, [("a", "1"), ("fees.fees", "[2,3]")]);
        for bad in ["", "a", "a=1,,b=2", "a=1,b"] {
            let error = Overrides::listed("--against", bad).expect_err("bad");
            assert!(error.to_string().starts_with("--against "), "{error}");
        }
    }

    #[test]
    fn a_product_has_every_combination() {
        let all = ["a=1,2", "b=x,y,z"].map(|text| Vary::parse(text).expect("valid"));
        let base = Overrides::parse(["c=0"]).expect("valid");
        assert_eq!(Vary::check(&all, &base), Ok(()));
        let cells = Vary::product(&all, &base);
        assert_eq!(cells.len(), 6);
        let last: Vec<_> = cells[5].pairs().collect();
        assert_eq!(last, [("c", "0"), ("a", "2"), ("b", "z")]);
        assert_eq!(Vary::product(&[], &base), [base]);
        for base in ["a=1", "b=2"] {
            let base = Overrides::parse([base]).expect("valid");
            let error = Vary::check(&all, &base)
                .expect_err("given twice")
                .to_string();
            assert!(error.starts_with("--vary "), "{error}");
        }
    }
}
