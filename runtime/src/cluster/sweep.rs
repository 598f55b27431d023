//! What is kept of many jobs: a folder each, and one file of all their results.
//!
//! **What it does not know:** how a job is run.

use std::path::{Path, PathBuf};

use console::Stop;
use results::WholeFile;
use results::text::{Style, Table, dash, number};
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

/// All runs beside each other: what was varied, and what came of it.
pub(crate) fn table(lines: &[Value], style: Style) -> String {
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => dash(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let keys: Vec<&String> = lines
        .first()
        .and_then(|line| line["values"].as_object())
        .map_or_else(Vec::new, |values| values.keys().collect());
    let numbers = [
        "fee", "wall s", "limit s", "off by %", "accuracy", "complete",
    ];
    let mut table = Table::new(keys.iter().map(|key| key.as_str()), numbers).and_text("ended");
    for line in lines {
        let result = &line["result"];
        let of = |key: &str, places| number(result[key].as_f64(), places);
        let mut cells: Vec<String> = keys
            .iter()
            .map(|key| text(line["values"].get(key.as_str())))
            .collect();
        cells.extend([
            text(result.get("fee")),
            of("wall_s", 2),
            of("limit_s", 2),
            of("error_percent", 1),
            of("accuracy", 4),
            of("cycles_complete", 0),
            text(result.get("ending").or_else(|| result.get("error"))).replace('_', " "),
        ]);
        table.row(cells);
    }
    table.render(style)
}

/// What came of a combination.
pub(crate) fn line(cell: &Overrides, result: Value) -> Value {
    let values: Map<String, Value> = cell
        .pairs()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
    json!({"values": values, "result": result})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_runs_stand_in_one_table() {
        let done = json!({
            "ending": "completed", "fee": "12.5", "wall_s": 8.256, "limit_s": 10.0,
            "error_percent": -1.26, "accuracy": 0.9, "cycles_complete": 4,
        });
        let lines = [
            json!({"values": {"job.beta": "1"}, "result": done}),
            json!({"values": {"job.beta": "9"}, "result": {"error": "9 workers are needed"}}),
        ];
        let table = table(&lines, Style::PLAIN);
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows[1],
            [
                "1",
                "12.5",
                "8.26",
                "10.00",
                "-1.3",
                "0.9000",
                "4",
                "completed"
            ]
        );
        assert_eq!(rows[2][..3], ["9", "-", "-"]);
        assert!(table.ends_with("9 workers are needed\n"), "{table}");
        let narrow = Style {
            width: Some(60),
            ..Style::PLAIN
        };
        assert!(
            super::table(&lines, narrow)
                .lines()
                .all(|line| line.chars().count() <= 60)
        );
    }
}
