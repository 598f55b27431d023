//! What is kept of many jobs: a folder each, and one file of all their results.
//!
//! **What it does not know:** how a job is run.

use std::path::{Path, PathBuf};

use console::Stop;
use results::WholeFile;
use scenarios::Overrides;
use serde_json::{Map, Value, json};

use crate::cli::ClusterArgs;

/// The folder of a sweep.
#[derive(Debug)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// The one that the user chose, which must hold no sweep; or `sweep`.
    pub(crate) fn create(args: &ClusterArgs) -> Result<Self, Stop> {
        let root = Path::new(args.settings.text("out").unwrap_or("sweep"));
        if root.join("dump.json").exists() {
            return Err(Stop::usage(format!(
                "{} holds a sweep already; name another folder with --out",
                root.display()
            )));
        }
        std::fs::create_dir_all(root)
            .map_err(|error| Stop::usage(format!("cannot write to {}: {error}", root.display())))?;
        Ok(Self(root.to_owned()))
    }

    /// The folder of one combination.
    pub(crate) fn cell(&self, cell: &Overrides) -> PathBuf {
        // What a file name may not hold, or should not.
        let plain = |c: char| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' | '=' | ',' => c,
            _ => '-',
        };
        self.0
            .join(name(cell).chars().map(plain).collect::<String>())
    }

    /// Writes the results so far, and replaces those before.
    pub(crate) fn dump(&self, lines: &[Value]) -> Result<(), Stop> {
        let path = self.0.join("dump.json");
        let text = serde_json::to_string_pretty(lines).map_err(Stop::failed)? + "\n";
        let written = WholeFile::create(&path).and_then(|file| file.publish(&text));
        written.map_err(|error| Stop::failed(format!("cannot write {}: {error}", path.display())))
    }
}

/// What a combination is called.
pub(crate) fn name(cell: &Overrides) -> String {
    let pairs = cell.pairs().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

/// What came of a combination.
pub(crate) fn line(cell: &Overrides, result: Value) -> Value {
    let values: Map<String, Value> = cell
        .pairs()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
    json!({"values": values, "result": result})
}
