//! A document as a tree in which everything knows where it came from.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Tables within tables beyond this are refused: no scenario is that deep.
pub(crate) const MAX_DEPTH: usize = 12;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of the file, from 1.
    Line(usize),
    /// An override, as it was given, with its flag.
    Set(String),
}

/// A value with the place where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Origin,
    pub(crate) value: Value,
}

/// Numbers stay the text that they were, so that decimals are exact.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Whole(String),
    Decimal(String),
    Bool(bool),
    Other(&'static str),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Origin,
    pub(crate) node: Node,
}

impl Node {
    /// The document of a file, or what is wrong with its syntax.
    pub(crate) fn document(text: &str) -> Result<Self, Vec<(Origin, String)>> {
        let lines = Lines(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let fault = |error: &toml::de::Error| {
                let at = lines.of(&error.span().unwrap_or(0..0));
                (at, format!("not valid TOML: {}", one_line(error.message())))
            };
            return Err(errors.iter().map(fault).collect());
        }
        let span = table.span();
        lines.table(table.get_ref(), span, 0).map_err(|e| vec![e])
    }

    /// A value by itself, as in an override: TOML if it is, else a bare text such as `30 s`.
    pub(crate) fn value(text: &str, at: &Origin) -> Self {
        let parsed = DeValue::parse(text).ok();
        let parsed = parsed.and_then(|value| Lines("").value(&value, 0).ok());
        let mut node = parsed.unwrap_or_else(|| Self {
            at: at.clone(),
            value: Value::Text(text.to_owned()),
        });
        node.moved_to(at);
        node
    }

    /// A table.
    pub(crate) const fn table(at: Origin, entries: Vec<Entry>) -> Self {
        Self {
            at,
            value: Value::Table(entries),
        }
    }

    /// The text that it is.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key, if this is a table that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Table(entries) = &self.value else {
            return None;
        };
        let entry = entries.iter().find(|entry| entry.key == key)?;
        Some(&entry.node)
    }

    /// The value at a dotted path through tables, and through lists by name or place.
    pub(crate) fn at_path(&self, path: &str) -> Option<&Self> {
        path.split('.')
            .try_fold(self, |node, key| match node.items() {
                [] => node.get(key),
                items => items.get(Self::place(items, key)?),
            })
    }

    /// Where in a list a key leads: to the item of that name, or else to that place.
    pub(crate) fn place(items: &[Self], key: &str) -> Option<usize> {
        let is_named = |node: &Self| {
            let name = node.get("name").map(|name| &name.value);
            matches!(name, Some(Value::Text(name)) if name == key)
        };
        let named = items.iter().position(is_named);
        named.or_else(|| key.parse().ok().filter(|at| *at < items.len()))
    }

    /// The value of a key, to be changed.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Value::Table(entries) = &mut self.value else {
            return None;
        };
        let entry = entries.iter_mut().find(|entry| entry.key == key)?;
        Some(&mut entry.node)
    }

    /// As a summary shows it: a text without quotes, a list with its items.
    pub(crate) fn summary(&self) -> String {
        match &self.value {
            Value::Text(text) => shown(text),
            Value::List(nodes) => {
                let items: Vec<String> = nodes.iter().map(Self::summary).collect();
                shown(&format!("[{}]", items.join(", ")))
            }
            Value::Whole(_)
            | Value::Decimal(_)
            | Value::Bool(_)
            | Value::Other(_)
            | Value::Table(_) => self.to_string(),
        }
    }

    /// The items, if this is a list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(nodes) => nodes,
            Value::Text(_)
            | Value::Whole(_)
            | Value::Decimal(_)
            | Value::Bool(_)
            | Value::Other(_)
            | Value::Table(_) => &[],
        }
    }

    /// What this table holds; nothing if it is none.
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        match self.value {
            Value::Table(entries) => entries,
            _ => Vec::new(),
        }
    }

    /// Takes the value of a key out of this table.
    pub(crate) fn take(&mut self, key: &str) -> Option<Self> {
        let Value::Table(entries) = &mut self.value else {
            return None;
        };
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at).node)
    }

    /// Puts entries into this table, but for those whose key it has.
    pub(crate) fn put_missing(&mut self, others: impl IntoIterator<Item = Entry>) {
        let Value::Table(entries) = &mut self.value else {
            return;
        };
        for other in others {
            if !entries.iter().any(|entry| entry.key == other.key) {
                entries.push(other);
            }
        }
    }

    /// Keeps the entries of this table whose keys are wanted.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&Entry) -> bool) {
        if let Value::Table(entries) = &mut self.value {
            entries.retain(wanted);
        }
    }

    /// Takes a place for everything within.
    pub(crate) fn moved_to(&mut self, at: &Origin) {
        self.at = at.clone();
        match &mut self.value {
            Value::List(nodes) => nodes.iter_mut().for_each(|node| node.moved_to(at)),
            Value::Table(entries) => {
                for entry in entries {
                    entry.at = at.clone();
                    entry.node.moved_to(at);
                }
            }
            Value::Text(_)
            | Value::Whole(_)
            | Value::Decimal(_)
            | Value::Bool(_)
            | Value::Other(_) => {}
        }
    }
}

impl Entry {
    /// A key whose place is that of its value.
    pub(crate) fn new(key: &str, node: Node) -> Self {
        Self {
            key: key.to_owned(),
            at: node.at.clone(),
            node,
        }
    }
}

/// As it stands in messages: short, on one line.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Text(text) => write!(f, "\"{}\"", shown(text)),
            Value::Whole(text) | Value::Decimal(text) => f.write_str(&shown(text)),
            Value::Bool(value) => value.fmt(f),
            Value::Other(what) => f.write_str(what),
            Value::List(_) => f.write_str("a list"),
            Value::Table(_) => f.write_str("a table"),
        }
    }
}

/// Foreign text in a message: on one line, and not all of it.
pub(crate) fn shown(text: &str) -> String {
    let line: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    if text.chars().count() > 40 {
        line + "…"
    } else {
        line
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn of(&self, span: &Range<usize>) -> Origin {
        let before = self.0.as_bytes().get(..span.start);
        let ends = before.unwrap_or(self.0.as_bytes());
        Origin::Line(1 + ends.iter().filter(|&&byte| byte == b'\n').count())
    }

    fn table(
        &self,
        table: &DeTable<'_>,
        span: Range<usize>,
        depth: usize,
    ) -> Result<Node, (Origin, String)> {
        let at = self.of(&span);
        if depth > MAX_DEPTH {
            return Err((
                at,
                format!("tables lie {depth} deep, expected {MAX_DEPTH} at most"),
            ));
        }
        let mut entries = Vec::new();
        for (key, value) in table {
            entries.push((
                key.span().start,
                Entry {
                    key: key.get_ref().to_string(),
                    at: self.of(&key.span()),
                    node: self.value(value, depth)?,
                },
            ));
        }
        // In the order of the file, so that errors are.
        entries.sort_by_key(|(start, _)| *start);
        Ok(Node {
            at,
            value: Value::Table(entries.into_iter().map(|(_, entry)| entry).collect()),
        })
    }

    fn value(&self, value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, (Origin, String)> {
        let at = self.of(&value.span());
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => {
                Value::Whole(number.as_str().to_owned())
            }
            DeValue::Integer(_) => Value::Other("a number that is not decimal"),
            DeValue::Float(number) => Value::Decimal(number.as_str().to_owned()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(values) => {
                if depth > MAX_DEPTH {
                    let message = format!("lists lie {depth} deep, expected {MAX_DEPTH} at most");
                    return Err((at, message));
                }
                let nodes = values.iter().map(|value| self.value(value, depth + 1));
                Value::List(nodes.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => return self.table(table, value.span(), depth + 1),
        };
        Ok(Node { at, value })
    }
}
