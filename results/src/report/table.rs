//! A table of a report: the same cells as CSV with every digit, and as HTML to be read.

use std::fmt::Write;

use super::escape;
use super::number::{self, exact, shown};
use crate::interval::Estimate;
use crate::text::csv_cell;

/// A text of more bytes gets a wide column.
const LONG: usize = 40;

/// What stands at the head of a column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// In files.
    key: String,
    /// On the page, with the unit.
    title: String,
    /// Its cells are estimates, which take three columns of a file.
    is_estimate: bool,
}

impl Column {
    pub(super) fn new(key: &str, title: &str) -> Self {
        Self {
            key: key.to_owned(),
            title: title.to_owned(),
            is_estimate: false,
        }
    }

    pub(super) fn estimate(key: &str, title: &str) -> Self {
        Self {
            is_estimate: true,
            ..Self::new(key, title)
        }
    }
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Nothing,
    Text(String),
    Number(Number),
    /// A value and its 95 % confidence interval, as far as there is one.
    Estimate(Number, Option<(Number, Number)>),
}

/// A number with every digit, and as it is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    exact: String,
    shown: String,
}

impl Number {
    pub(super) fn of(value: f64) -> Self {
        Self {
            exact: exact(value),
            shown: shown(value),
        }
    }

    /// That a table holds in words: those are kept.
    fn read(text: &str) -> Option<Self> {
        let value: f64 = text.parse().ok()?;
        value.is_finite().then(|| Self {
            exact: text.to_owned(),
            shown: shown(value),
        })
    }

    fn html(&self) -> String {
        if self.exact == self.shown {
            return self.shown.clone();
        }
        format!("<data value=\"{}\">{}</data>", self.exact, self.shown)
    }
}

impl Cell {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(super) fn number(value: f64) -> Self {
        Self::Number(Number::of(value))
    }

    pub(super) fn count(value: u64) -> Self {
        let text = value.to_string();
        Self::Number(Number {
            exact: text.clone(),
            shown: text,
        })
    }

    pub(super) fn maybe(value: Option<f64>) -> Self {
        value.map_or(Self::Nothing, Self::number)
    }

    /// Nanoseconds.
    pub(super) fn nanos(text: &str) -> Self {
        match text.parse::<f64>() {
            Ok(nanos) => Self::Number(Number {
                exact: text.to_owned(),
                shown: number::time(nanos),
            }),
            Err(_) => Self::read(text),
        }
    }

    pub(super) fn estimate(estimate: Option<Estimate>) -> Self {
        estimate.map_or(Self::Nothing, |estimate| {
            let ends = estimate.low.zip(estimate.high);
            let ends = ends.map(|(low, high)| (Number::of(low), Number::of(high)));
            Self::Estimate(Number::of(estimate.value), ends)
        })
    }

    /// What a table holds: a number if it is one.
    pub(super) fn read(text: &str) -> Self {
        match Number::read(text) {
            Some(number) => Self::Number(number),
            None if text.is_empty() => Self::Nothing,
            None => Self::text(text),
        }
    }

    /// A value and the two ends of its interval, as three columns of a table hold them.
    pub(super) fn read_estimate(value: &str, low: &str, high: &str) -> Self {
        match Number::read(value) {
            None => Self::read(value),
            Some(number) => Self::Estimate(number, Number::read(low).zip(Number::read(high))),
        }
    }

    fn html(&self) -> String {
        match self {
            Self::Nothing => "–".to_owned(),
            Self::Text(text) => escape::markup(text),
            Self::Number(number) => number.html(),
            Self::Estimate(number, None) => number.html(),
            Self::Estimate(number, Some((low, high))) => format!(
                "{} <span class=\"ci\">[{}, {}]</span>",
                number.html(),
                low.html(),
                high.html()
            ),
        }
    }

    const fn is_number(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Estimate(..))
    }
}

/// A table.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// What is worked out of all rows together, by its name.
    notes: Vec<(String, Number)>,
}

impl Table {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row, with a cell for each column.
    pub(super) fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    /// Adds a figure about all rows, which the page shows too.
    pub(super) fn note(&mut self, name: &str, value: f64) {
        self.notes.push((name.to_owned(), Number::of(value)));
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// With every digit; an estimate is three columns.
    pub(super) fn csv(&self) -> String {
        let mut text = String::new();
        let mut line = |cells: Vec<String>| text += &(cells.join(",") + "\n");
        let heading = |column: &Column| {
            let key = &column.key;
            if column.is_estimate {
                vec![key.clone(), format!("{key}_low"), format!("{key}_high")]
            } else {
                vec![key.clone()]
            }
        };
        let keys = self.columns.iter().flat_map(heading);
        line(keys.map(|key| csv_cell(&key)).collect());
        for row in &self.rows {
            let cells = row.iter().zip(&self.columns);
            line(cells.flat_map(|(cell, of)| written(cell, of)).collect());
        }
        text
    }

    /// To be read, by the name that `caption` gives it; it scrolls by itself where it is too wide.
    pub(super) fn html(&self, caption: &str) -> String {
        let caption = escape::markup(caption);
        let mut text = format!(
            "<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"{caption}\">\
             <table><caption>{caption}</caption><thead><tr>"
        );
        // Numbers stand below each other in columns that hold nothing else.
        let is_number: Vec<bool> = (0..self.columns.len())
            .map(|at| {
                let mut cells = self.rows.iter().map(|row| &row[at]);
                let is_text = |cell: &Cell| matches!(cell, Cell::Text(_));
                let has_number = cells.clone().any(Cell::is_number);
                has_number && !cells.any(is_text)
            })
            .collect();
        let class = |at: usize| if is_number[at] { " class=\"n\"" } else { "" };
        for (at, column) in self.columns.iter().enumerate() {
            let title = escape::markup(&column.title);
            let _ = write!(text, "<th scope=\"col\"{}>{title}</th>", class(at));
        }
        text += "</tr></thead><tbody>";
        for row in &self.rows {
            text += "<tr>";
            for (at, cell) in row.iter().enumerate() {
                let class = match cell {
                    // Room for sentences.
                    Cell::Text(words) if words.len() > LONG => " class=\"w\"",
                    Cell::Nothing | Cell::Text(_) | Cell::Number(_) | Cell::Estimate(..) => {
                        class(at)
                    }
                };
                let cell = cell.html();
                let _ = match at {
                    0 => write!(text, "<th scope=\"row\"{class}>{cell}</th>"),
                    _ => write!(text, "<td{class}>{cell}</td>"),
                };
            }
            text += "</tr>\n";
        }
        text + "</tbody></table></div>\n"
    }

    /// What is worked out of all rows.
    pub(super) fn notes_html(&self) -> String {
        if self.notes.is_empty() {
            return String::new();
        }
        let note = |(name, number): &(String, Number)| {
            format!("{}: {}", escape::markup(name), number.html())
        };
        let notes: Vec<String> = self.notes.iter().map(note).collect();
        format!("<p class=\"notes\">{}</p>\n", notes.join("; "))
    }
}

fn written(cell: &Cell, of: &Column) -> Vec<String> {
    let nothing = || vec![String::new(); if of.is_estimate { 3 } else { 1 }];
    match cell {
        Cell::Nothing => nothing(),
        Cell::Text(text) => {
            let mut cells = nothing();
            cells[0] = csv_cell(text);
            cells
        }
        Cell::Number(number) => {
            let mut cells = nothing();
            cells[0].clone_from(&number.exact);
            cells
        }
        Cell::Estimate(number, ends) => {
            let mut cells = vec![number.exact.clone()];
            let ends = ends.as_ref();
            let end = |end: Option<&Number>| end.map(|n| n.exact.clone()).unwrap_or_default();
            cells.push(end(ends.map(|ends| &ends.0)));
            cells.push(end(ends.map(|ends| &ends.1)));
            cells.truncate(if of.is_estimate { 3 } else { 1 });
            cells
        }
    }
}
