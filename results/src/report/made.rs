//! How a folder was made: what its `run.json` says, and its other files.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

use super::page::{Part, Section};
use super::table::{Cell, Column, Table};
use crate::error::{Action, ResultsError};
use crate::run_file::RunFile;

/// Larger texts are linked, not shown.
const MOST_TEXT: u64 = 64 << 10;

/// Reads a JSON file of the folder.
pub(super) fn json(path: &Path) -> Result<Value, ResultsError> {
    let text = fs::read(path).map_err(|cause| ResultsError::io(Action::Read, path, cause))?;
    serde_json::from_slice(&text).map_err(|error| ResultsError::damaged(path, error))
}

/// A text file of the folder, if it is there and not too long.
pub(super) fn text(path: &Path) -> Result<Option<String>, ResultsError> {
    let failed = |cause| ResultsError::io(Action::Read, path, cause);
    match fs::metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed(cause)),
        Ok(found) if found.len() > MOST_TEXT => Ok(None),
        Ok(_) => match RunFile::read_checked(path) {
            // A folder of folders has none.
            Err(ResultsError::Unfinished { .. }) => {
                fs::read_to_string(path).map(Some).map_err(failed)
            }
            read => read.map(Some),
        },
    }
}

/// The section that says how it was made; `files` are those of the folder that there may be.
pub(super) fn section(
    dir: &Path,
    record: &Value,
    files: &[(&str, &str)],
) -> Result<Section, ResultsError> {
    let mut parts = Vec::new();
    if let Some(command) = record.get("command_line").and_then(Value::as_array) {
        let words = command.iter().filter_map(Value::as_str);
        let line: Vec<String> = words.map(quoted).collect();
        parts.push(Part::Line("Command line", line.join(" ")));
    }
    let mut table = Table::new(vec![
        Column::new("key", "what"),
        Column::new("value", "value"),
    ]);
    flat("", record, &mut table);
    parts.push(Part::Folded("Everything that run.json says", table));
    for (file, name) in [
        ("scenario.toml", "The scenario, with every value"),
        ("job.json", "The job"),
    ] {
        if let Some(content) = text(&dir.join(file))? {
            parts.push(Part::Text(name, content));
        }
    }
    let is_there = |(file, _): &&(&str, &str)| dir.join(file).exists();
    let links = files.iter().filter(is_there);
    let links = links.map(|(file, what)| ((*file).to_owned(), (*what).to_owned()));
    parts.push(Part::Words(
        "The tables behind this page, beside it:".to_owned(),
    ));
    parts.push(Part::Files(links.collect()));
    Ok(Section {
        id: "made",
        title: "How it was made",
        parts,
    })
}

/// Everything that an object says, a row each.
fn flat(prefix: &str, value: &Value, table: &mut Table) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let name = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                // It stands above, and shards say what they are elsewhere.
                if name != "command_line" && name != "shards" {
                    flat(&name, value, table);
                }
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (at, item) in items.iter().enumerate() {
                flat(&format!("{prefix}.{}", at + 1), item, table);
            }
        }
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(plain).collect();
            table.push(vec![Cell::text(prefix), Cell::text(&words.join(", "))]);
        }
        Value::Number(number) => {
            table.push(vec![Cell::text(prefix), Cell::read(&number.to_string())]);
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {
            table.push(vec![Cell::text(prefix), Cell::text(&plain(value))]);
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A word of a command line, so that a shell takes it as it is.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
