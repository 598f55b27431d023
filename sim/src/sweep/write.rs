//! Rows as a table to read, as JSON lines, and as CSV.

use serde_json::{Value, json};

use super::row::{COLUMNS, Figures, Row};
use crate::run::figures::{dash, interval, shown};

const HEADINGS: [&str; 11] = [
    "allocator",
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

/// Every column as wide as its widest cell; errors, whose length nobody knows, come last.
pub(super) fn table(keys: &[&str], rows: &[&Row], bold: bool) -> String {
    let mut heading: Vec<String> = keys.iter().map(|key| visible(key)).collect();
    heading.extend(HEADINGS.map(str::to_owned));
    let mut lines = vec![(heading, String::new())];
    if rows.iter().any(|row| row.is_bad()) {
        lines[0].1 = "error".to_owned();
    }
    for row in rows {
        let mut cells: Vec<String> = row.values.iter().map(|value| visible(value)).collect();
        cells.push(row.allocator.map_or_else(dash, |a| a.name().to_owned()));
        match &row.outcome {
            Ok(figures) => cells.extend(readable(figures)),
            Err(_) => cells.extend((1..HEADINGS.len()).map(|_| dash())),
        }
        lines.push((cells, visible(row.error().unwrap_or_default())));
    }
    let width = |at: usize| {
        let widths = lines.iter().map(|(cells, _)| cells[at].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..keys.len() + HEADINGS.len()).map(width).collect();
    let mut text = String::new();
    for (number, (cells, error)) in lines.iter().enumerate() {
        let mut line = String::new();
        for (at, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            // Texts to the left, numbers to the right.
            if at <= keys.len() {
                line += &format!("{cell:<width$}  ");
            } else {
                line += &format!("{cell:>width$}  ");
            }
        }
        line += error;
        let line = line.trim_end();
        if bold && number == 0 {
            text += &format!("\x1b[1m{line}\x1b[0m\n");
        } else {
            text += &format!("{line}\n");
        }
    }
    text + "± and [ ] are 95 % confidence intervals; cycles and plans are means a run\n"
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
    let mut text = line(heading.map(|name| quoted(name)).collect());
    for row in rows {
        let values = row.values.iter().map(|value| quoted(value));
        let cells = row.cells().into_iter().map(|cell| match cell {
            Value::Null => String::new(),
            Value::String(cell) => quoted(&cell),
            number => number.to_string(),
        });
        text += &line(values.chain(cells).collect());
    }
    text
}

fn readable(figures: &Figures) -> [String; HEADINGS.len() - 1] {
    let number = |number: Option<f64>, places: usize| {
        number.map_or_else(dash, |number| format!("{number:.places$}"))
    };
    [
        figures.replicates.to_string(),
        shown(figures.fee, 2),
        shown(figures.wall, 2),
        number(figures.limit, 1),
        interval(figures.missed),
        number(figures.complete, 2),
        number(figures.truncated, 2),
        number(figures.failed, 2),
        number(figures.lost_percent, 3),
        number(figures.plans, 2),
    ]
}

/// In one line, and without what a terminal would take as a command.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn quoted(cell: &str) -> String {
    // An empty text in quotes is told from nothing; blanks at the ends are kept by all readers.
    let plain = !cell.is_empty()
        && cell.trim() == cell
        && !cell.contains(|c: char| c.is_control() || c == ',' || c == '"');
    if plain {
        cell.to_owned()
    } else {
        format!("\"{}\"", cell.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        for (cell, expected) in [
            ("30 s", "30 s"),
            ("", "\"\""),
            ("[1, 2]", "\"[1, 2]\""),
            ("\"a\"", "\"\"\"a\"\"\""),
            ("a\nb", "\"a\nb\""),
            (" a", "\" a\""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }

    #[test]
    fn what_is_shown_keeps_to_its_line() {
        assert_eq!(visible("µ\n\x1b[1m"), "µ\\n\\u{1b}[1m");
    }
}
