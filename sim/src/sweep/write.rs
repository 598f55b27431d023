//! Rows as a table to read, as JSON lines, and as CSV.

use results::text::{Style, Table, csv_cell, dash};
use serde_json::{Value, json};

use super::row::{Row, columns};
use crate::run::figures::COLUMNS;

/// For a terminal.
pub(super) fn table(keys: &[&str], rows: &[&Row], style: Style) -> String {
    let names = keys.iter().copied().chain(["allocator"]);
    let numbers = COLUMNS.iter().map(|column| column.heading);
    let mut table = Table::new(names, ["runs"].into_iter().chain(numbers));
    if rows.iter().any(|row| row.is_bad()) {
        table = table.and_text("error");
    }
    for row in rows {
        let mut cells = row.values.clone();
        cells.push(row.allocator.map_or_else(dash, |a| a.name().to_owned()));
        match &row.outcome {
            Ok(figures) => {
                cells.push(figures.replicates.to_string());
                let figures = COLUMNS.iter().zip(&figures.estimates);
                cells.extend(figures.map(|(column, estimate)| column.text(*estimate)));
            }
            Err(error) => {
                cells.extend((0..=COLUMNS.len()).map(|_| dash()));
                cells.push(error.clone());
            }
        }
        table.row(cells);
    }
    let legend = "± and [ ] are 95 % confidence intervals; cycles and plans are means per run, fee and \
                  wall time are of the runs that did not end early";
    table.render(style) + &style.paragraph(legend, 0)
}

/// A line for each row, with the columns of the CSV in their order.
pub(super) fn lines(keys: &[&str], rows: &[&Row]) -> String {
    let columns = columns();
    let names = || {
        keys.iter()
            .copied()
            .chain(columns.iter().map(String::as_str))
    };
    let mut text = String::new();
    for row in rows {
        let varied = row.values.iter().map(|value| json!(value));
        let members: Vec<String> = names()
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
    let keys = keys.iter().map(|key| csv_cell(key));
    let mut text = line(keys.chain(columns()).collect());
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
