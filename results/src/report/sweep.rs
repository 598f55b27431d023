//! The page of a sweep: what came of each value of each varied key.

use std::path::Path;

use serde_json::{Map, Value};

use super::axis::{Axis, Scale};
use super::csv::Csv;
use super::figure::{Figure, Picture};
use super::made;
use super::number::shown;
use super::page::{Page, Part, Section};
use super::plot::{Plot, Point, Series, Shape};
use super::table::{Cell, Column, Table};
use crate::error::ResultsError;
use crate::files::{DUMP_FILE, SWEEP_FILE, SWEEP_VERSION};
use crate::interval::Estimate;
use crate::run_file::RunFile;

/// Lines that can be distinguished in one figure; of more, the middle and the range are drawn.
const MOST_LINES: usize = 6;

/// Rows of the table on the page.
const MOST_ROWS: usize = 200;

/// What may come of a combination: its column, its title with the unit.
type Outcome = (&'static str, &'static str, &'static str);

const SIMULATED: [Outcome; 3] = [
    ("fee", "Fee of a run", "fee of a run"),
    ("wall_s", "Wall time of a run", "wall time of a run, s"),
    ("missed", "Runs that missed", "missed, share of runs"),
];

const REAL: [Outcome; 4] = [
    ("fee", "Fee of the run", "fee of the run"),
    ("wall_s", "Wall time of the run", "wall time of the run, s"),
    ("accuracy", "Accuracy at the end", "accuracy"),
    ("loss", "Loss at the end", "loss"),
];

/// What columns are called on the page; others keep their names.
const TITLES: [(&str, &str); 6] = [
    ("wall_s", "wall time, s"),
    ("limit_s", "limit, s"),
    ("predicted_s", "predicted, s"),
    ("missed", "missed, share of runs"),
    ("lost_percent", "batches lost, %"),
    ("replicates", "runs"),
];

/// The page of a simulated sweep.
pub(super) fn page(dir: &Path) -> Result<Page, ResultsError> {
    let file = RunFile::read(dir)?;
    file.expect_version(SWEEP_VERSION)?;
    let (record, damaged) = (&file.value, |message: &str| file.damaged(message));
    let keys = record.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or_else(|| damaged("expected the varied keys"))?;
    let keys: Option<Vec<String>> = keys
        .iter()
        .map(|key| key.as_str().map(str::to_owned))
        .collect();
    let keys = keys.ok_or_else(|| damaged("expected the varied keys to be names"))?;
    let csv = Csv::read(&dir.join(SWEEP_FILE))?;
    if let Some(key) = keys.iter().find(|key| csv.column(key).is_none()) {
        return Err(damaged(&format!("the table has no column {key}")));
    }
    let is_complete = record.get("complete").and_then(Value::as_bool) == Some(true);
    let scenario = record
        .get("scenario")
        .and_then(Value::as_str)
        .unwrap_or("a scenario");
    let mut warnings = Vec::new();
    if !is_complete {
        warnings.push(
            "Not complete: some combinations were not worked out, see their rows.".to_owned(),
        );
    }
    let files = [("sweep.csv", "every row"), ("run.json", "how it was made")];
    let (rows, varied) = (csv.rows.len(), keys.join(", "));
    Ok(Page {
        title: format!("Sweep: {scenario}"),
        lead: vec![format!(
            "{rows} rows: every combination of the values of {varied}, simulated."
        )],
        warnings,
        sections: vec![
            Section {
                id: "figures",
                title: "Figures",
                parts: parts(&csv, &keys, &SIMULATED),
            },
            Section {
                id: "tables",
                title: "Table",
                parts: tables(&csv, &keys),
            },
            made::section(dir, record, &files)?,
        ],
    })
}

/// The page of a sweep of real runs.
pub(super) fn real_page(dir: &Path) -> Result<Page, ResultsError> {
    let path = dir.join(DUMP_FILE);
    let dump = made::json(&path)?;
    let (csv, keys) = flattened(&dump).ok_or_else(|| {
        ResultsError::damaged(
            &path,
            "expected a list of values and results, as a sweep writes it",
        )
    })?;
    let (rows, varied) = (csv.rows.len(), keys.join(", "));
    let record = Value::Object(Map::from_iter([("runs".to_owned(), Value::from(rows))]));
    let files = [("dump.json", "every result")];
    Ok(Page {
        title: "Sweep of real runs".to_owned(),
        lead: vec![format!(
            "{rows} runs on real machines, one for each combination of {varied}."
        )],
        warnings: Vec::new(),
        sections: vec![
            Section {
                id: "figures",
                title: "Figures",
                parts: parts(&csv, &keys, &REAL),
            },
            Section {
                id: "tables",
                title: "Table",
                parts: tables(&csv, &keys),
            },
            made::section(dir, &record, &files)?,
        ],
    })
}

/// The results of real runs as rows: the varied keys, then what came of them.
fn flattened(dump: &Value) -> Option<(Csv, Vec<String>)> {
    const RESULTS: [&str; 11] = [
        "ending",
        "fee",
        "wall_s",
        "limit_s",
        "predicted_s",
        "accuracy",
        "loss",
        "cycles_complete",
        "cycles_truncated",
        "cycles_failed",
        "error",
    ];
    let lines = dump.as_array()?;
    let mut keys: Vec<String> = Vec::new();
    for line in lines {
        for key in line.get("values")?.as_object()?.keys() {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        line.get("result")?.as_object()?;
    }
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let row = |line: &Value| {
        let values = keys.iter().map(|key| text(line["values"].get(key)));
        let results = RESULTS.iter().map(|key| text(line["result"].get(key)));
        values.chain(results).collect()
    };
    let heading = keys
        .iter()
        .cloned()
        .chain(RESULTS.map(str::to_owned))
        .collect();
    let csv = Csv {
        heading,
        rows: lines.iter().map(row).collect(),
    };
    Some((csv, keys))
}

fn parts(csv: &Csv, keys: &[String], outcomes: &[Outcome]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        for outcome in outcomes {
            let figure = over(csv, keys, (place, key), outcome);
            parts.extend(figure.map(|figure| Part::Figure(Box::new(figure))));
        }
    }
    if parts.is_empty() {
        parts.push(Part::Words("No row has a result to draw.".to_owned()));
    }
    parts
}

/// A row that has a value to draw.
struct Found {
    /// The place of the key's value among its values.
    value: usize,
    /// What else distinguishes it.
    of: String,
    allocator: String,
    y: f64,
    ends: Option<(f64, f64)>,
}

/// The values of a key, in the order in which they come, and the rows that have an outcome.
fn found(csv: &Csv, keys: &[String], key: &str, column: &str) -> (Vec<String>, Vec<Found>) {
    let (mut values, mut found): (Vec<String>, Vec<Found>) = (Vec::new(), Vec::new());
    for row in &csv.rows {
        let text = csv.cell(row, key);
        let known = values.iter().position(|known| known == text);
        let value = known.unwrap_or_else(|| {
            values.push(text.to_owned());
            values.len() - 1
        });
        let Some(y) = csv.number(row, column) else {
            continue;
        };
        let low = csv.number(row, &format!("{column}_low"));
        let high = csv.number(row, &format!("{column}_high"));
        let others = keys.iter().filter(|other| *other != key);
        let others = others.map(|other| format!("{other} = {}", csv.cell(row, other)));
        let allocator = csv.cell(row, "allocator").to_owned();
        let words = std::iter::once(allocator.clone()).chain(others);
        let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
        found.push(Found {
            value,
            of: words.join(", "),
            allocator,
            y,
            ends: low.zip(high),
        });
    }
    (values, found)
}

/// The rows of each name, in the order in which names come.
fn grouped(found: &[Found], name: impl Fn(&Found) -> &str) -> Vec<(&str, Vec<&Found>)> {
    let mut groups: Vec<(&str, Vec<&Found>)> = Vec::new();
    for row in found {
        match groups.iter_mut().find(|(known, _)| *known == name(row)) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((name(row), vec![row])),
        }
    }
    groups
}

/// One outcome over one key.
fn over(
    csv: &Csv,
    keys: &[String],
    (place, key): (usize, &str),
    (column, title, axis): &Outcome,
) -> Option<Figure> {
    let (values, found) = found(csv, keys, key, column);
    let lines = grouped(&found, |row| &row.of);
    if lines.is_empty() || values.len() < 2 {
        return None;
    }
    let says = change(key, &values, &lines);
    let (count, is_summed_up) = (lines.len(), lines.len() > MOST_LINES);
    let groups = if is_summed_up {
        grouped(&found, |row| &row.allocator)
    } else {
        lines
    };
    let numbers: Option<Vec<f64>> = values.iter().map(|value| value.parse().ok()).collect();
    let numbers = numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite()));
    let (scale, is_ordered) = scale(numbers.as_deref(), &values);
    let mut data = Table::new(vec![
        Column::new("of", "of"),
        Column::new("value", key),
        Column::estimate(column, axis),
        Column::new("rows", "rows"),
    ]);
    data.note("lines", count as f64);
    let mut series = Vec::new();
    for (of, rows) in groups {
        let mut points = Vec::new();
        for (value, text) in values.iter().enumerate() {
            let at = rows.iter().copied().filter(|row| row.value == value);
            let at: Vec<&Found> = at.collect();
            let Some((y, ends)) = middle(&at, is_summed_up) else {
                continue;
            };
            let estimate = Estimate {
                value: y,
                low: ends.map(|ends| ends.0),
                high: ends.map(|ends| ends.1),
            };
            data.push(vec![
                Cell::text(of),
                Cell::read(text),
                Cell::estimate(Some(estimate)),
                Cell::count(at.len() as u64),
            ]);
            let x = numbers.as_ref().map_or(value as f64, |all| all[value]);
            points.push(Point {
                ends,
                ..Point::at(x, y)
            });
        }
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        series.push(Series {
            name: if of.is_empty() {
                column.replace('_', " ")
            } else {
                of.to_owned()
            },
            look: series.len(),
            shape: if is_ordered {
                Shape::Joined
            } else {
                Shape::Points
            },
            points,
        });
    }
    let how = if is_summed_up {
        format!(
            " The middle of all combinations of the other keys, and their range ({count} lines would be \
             too many)."
        )
    } else if found.iter().any(|row| row.ends.is_some()) {
        " Bars are 95 % confidence intervals.".to_owned()
    } else {
        String::new()
    };
    Some(Figure {
        name: format!("key-{}-{column}", place + 1),
        title: format!("{title} over {key}"),
        says: says + &how,
        picture: Picture::Plot(Plot {
            x: Axis::new(key, scale),
            y: Axis::new(axis, Scale::FromZero),
            series,
            marks: Vec::new(),
        }),
        data,
    })
}

/// The value of some rows and its interval: of several rows the middle one and their range.
fn middle(rows: &[&Found], is_summed_up: bool) -> Option<(f64, Option<(f64, f64)>)> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| a.y.total_cmp(&b.y));
    let (first, last) = (rows.first()?, rows.last()?);
    let middle = rows[(rows.len() - 1) / 2];
    let ends = if is_summed_up {
        Some((first.y, last.y))
    } else {
        middle.ends
    };
    Some((middle.y, ends))
}

/// What a key changes, in words: along the line that it changes most, since a difference between
/// lines is none of the key's.
fn change(key: &str, values: &[String], lines: &[(&str, Vec<&Found>)]) -> String {
    let ends = |(of, rows): &(&str, Vec<&Found>)| {
        let least = rows.iter().min_by(|a, b| a.y.total_cmp(&b.y))?;
        let most = rows.iter().max_by(|a, b| a.y.total_cmp(&b.y))?;
        (least.y < most.y).then(|| ((*of).to_owned(), least.y, most.y, [least.value, most.value]))
    };
    let size = |(_, least, most, _): &(String, f64, f64, [usize; 2])| most - least;
    let largest = lines.iter().filter_map(ends);
    let largest = largest.max_by(|a, b| size(a).total_cmp(&size(b)));
    match (largest, lines) {
        (None, [(_, rows)]) => format!("The same for all: {}.", shown(rows[0].y)),
        (None, _) => format!("{key} changes nothing: each line is level."),
        (Some((of, least, most, [from, to])), _) => {
            let line = match lines.len() {
                1 => "From".to_owned(),
                _ => format!("It changes most for {of}: from"),
            };
            format!(
                "{line} {} at {key} = {} to {} at {key} = {}.",
                shown(least),
                values[from],
                shown(most),
                values[to]
            )
        }
    }
}

/// How the values of a key lie on an axis, and whether they follow each other.
fn scale(numbers: Option<&[f64]>, values: &[String]) -> (Scale, bool) {
    let Some(numbers) = numbers else {
        return (Scale::Names(values.to_vec()), false);
    };
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if least > 0.0 && most / least > 50.0 {
        (Scale::Tenfold, true)
    } else {
        (Scale::Even, true)
    }
}

/// All rows, as far as they can be read on a page.
fn tables(csv: &Csv, keys: &[String]) -> Vec<Part> {
    let is_end = |name: &str| name.ends_with("_low") || name.ends_with("_high");
    let shown: Vec<&String> = csv.heading.iter().filter(|name| !is_end(name)).collect();
    let column = |name: &&String| {
        let title = if keys.contains(name) {
            (*name).clone()
        } else {
            let title = TITLES.iter().find(|(known, _)| known == name);
            title.map_or_else(|| name.replace('_', " "), |(_, title)| (*title).to_owned())
        };
        if csv.column(&format!("{name}_low")).is_some() {
            Column::estimate(name, &title)
        } else {
            Column::new(name, &title)
        }
    };
    let mut table = Table::new(shown.iter().map(column).collect());
    for row in csv.rows.iter().take(MOST_ROWS) {
        let cell = |name: &&String| {
            let end = |end: &str| csv.cell(row, &format!("{name}_{end}"));
            match Cell::read_estimate(csv.cell(row, name), end("low"), end("high")) {
                // What is no estimate has no ends.
                Cell::Estimate(_, None) => Cell::read(csv.cell(row, name)),
                cell => cell,
            }
        };
        table.push(shown.iter().map(cell).collect());
    }
    let mut parts = Vec::new();
    if csv.rows.len() > MOST_ROWS {
        let rows = csv.rows.len();
        parts.push(Part::Words(format!(
            "The first {MOST_ROWS} of {rows} rows:"
        )));
    }
    parts.push(Part::Table("Rows", table));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A sweep of two keys and two allocators with these fees, row by row.
    fn sweep(fees: &[u32]) -> Csv {
        let heading = ["job.beta", "job.risk", "allocator", "fee"];
        let row = |(at, fee): (usize, &u32)| {
            let of = [["0", "4", "8"][at % 3], ["0.05", "0.5"][at / 3 % 2]];
            let allocator = ["exact", "lp"][at / 6];
            [of[0], of[1], allocator, &fee.to_string()].map(str::to_owned)
        };
        Csv {
            heading: heading.map(str::to_owned).into(),
            rows: fees.iter().enumerate().map(row).map(Vec::from).collect(),
        }
    }

    proptest! {
        /// What a caption says of a key is a difference between two rows that differ in it alone,
        /// and no larger one is left out.
        #[test]
        fn a_caption_speaks_of_its_key_alone(fees in prop::collection::vec(0_u32..9, 12)) {
            let csv = sweep(&fees);
            let keys = ["job.beta", "job.risk"].map(str::to_owned);
            for (place, key) in keys.iter().enumerate() {
                let figure = over(&csv, &keys, (place, key), &SIMULATED[0]).expect("drawn");
                let (mut largest, mut pairs) = (0.0_f64, Vec::new());
                for a in &csv.rows {
                    for b in &csv.rows {
                        if a[1 - place] == b[1 - place] && a[2] == b[2] {
                            let [from, to] = [a, b].map(|row| row[3].parse::<f64>().expect("a fee"));
                            largest = largest.max(to - from);
                            let ends = [a, b].map(|row| format!("{} at {key} = {}", row[3], row[place]));
                            pairs.push((to - from, [a[1 - place].as_str(), &a[2]], ends));
                        }
                    }
                }
                if largest == 0.0 {
                    prop_assert!(figure.says.contains("changes nothing"), "{}", figure.says);
                    continue;
                }
                let said = pairs.iter().any(|(size, of, [from, to])| {
                    *size == largest
                        && figure.says.contains(&format!("from {from} to {to}."))
                        && of.iter().all(|of| figure.says.contains(of))
                });
                prop_assert!(said, "{} of {pairs:?}", figure.says);
            }
        }
    }
}
