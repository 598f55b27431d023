//! Rows as a table to read, as JSON lines, and as CSV.

use results::text::{Style, Table, csv_cell, dash, number, plus_minus};
use serde_json::{Value, json};

use super::row::{COLUMNS, Figures, Row};
use crate::run::figures::percent;

const NUMBERS: [&str; 10] = [
    "runs",
    "fee",
    "wall s",
    "limit s",
    "missed %",
    "complete",
    "truncated",
    "failed",
    "lost %",
    "plans",
];

/// For a terminal.
pub(super) fn table(keys: &[&str], rows: &[&Row], style: Style) -> String {
    let names = keys.iter().copied().chain(["allocator"]);
    let mut table = Table::new(names, NUMBERS);
    if rows.iter().any(|row| row.is_bad()) {
        table = table.and_text("error");
    }
    for row in rows {
        let mut cells = row.values.clone();
        cells.push(row.allocator.map_or_else(dash, |a| a.name().to_owned()));
        match &row.outcome {
            Ok(figures) => cells.extend(readable(figures)),
            Err(_) => cells.extend(NUMBERS.map(|_| dash())),
        }
        cells.extend(row.error().map(str::to_owned));
        table.row(cells);
    }
    let legend = "± and [ ] are 95 % confidence intervals; cycles and plans are means per run";
    table.render(style) + &style.paragraph(legend, 0)
}

/// A line for each row, with the columns of the CSV in their order.
pub(super) fn lines(keys: &[&str], rows: &[&Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let varied = row.values.iter().map(|value| json!(value));
        let names = keys.iter().chain(&COLUMNS);
        let members: Vec<String> = names
            .zip(varied.chain(row.cells()))
            .map(|(name, value)| format!("{}:{value}", json!(name)))
            .collect();
        text += &format!("{{{}}}\n", members.join(","));
    }
    text
}

/// As RFC 4180 has it, but for plain line ends.
///
/// Not by `results`: its tables have columns of known names and types, which polars needs, and
/// here both come from the command line.
pub(super) fn csv(keys: &[&str], rows: &[Row]) -> String {
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let heading = keys.iter().chain(&COLUMNS);
    let mut text = line(heading.map(|name| csv_cell(name)).collect());
    for row in rows {
        let values = row.values.iter().map(|value| csv_cell(value));
        let cells = row.cells().into_iter().map(|cell| match cell {
            Value::Null => String::new(),
            Value::String(cell) => csv_cell(&cell),
            number => number.to_string(),
        });
        text += &line(values.chain(cells).collect());
    }
    text
}

fn readable(figures: &Figures) -> [String; NUMBERS.len()] {
    [
        figures.replicates.to_string(),
        plus_minus(figures.fee, 2),
        plus_minus(figures.wall, 2),
        number(figures.limit, 1),
        percent(figures.missed),
        number(figures.complete, 2),
        number(figures.truncated, 2),
        number(figures.failed, 2),
        number(figures.lost_percent, 3),
        number(figures.plans, 2),
    ]
}
