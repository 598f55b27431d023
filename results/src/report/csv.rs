//! Reading CSV files whose columns are not known beforehand: cells are kept as texts.

use std::path::Path;

use crate::error::ResultsError;
use crate::run_file::RunFile;

/// A CSV file.
#[derive(Clone, Debug, Default)]
pub(super) struct Csv {
    pub(super) heading: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Csv {
    /// Reads a file; each row has as many cells as the heading.
    pub(super) fn read(path: &Path) -> Result<Self, ResultsError> {
        let text = RunFile::read_checked(path)?;
        Self::parse(&text).map_err(|message| ResultsError::damaged(path, message))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut records = records(text)?.into_iter();
        let heading = records.next().ok_or("expected a heading")?;
        let rows: Vec<Vec<String>> = records.collect();
        for (at, row) in rows.iter().enumerate() {
            if row.len() != heading.len() {
                let (found, expected) = (row.len(), heading.len());
                return Err(format!(
                    "row {} has {found} cells, expected {expected}",
                    at + 1
                ));
            }
        }
        Ok(Self { heading, rows })
    }

    /// The place of a column.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.heading.iter().position(|heading| heading == name)
    }

    /// A cell, empty if there is no such column.
    pub(super) fn cell<'a>(&self, row: &'a [String], name: &str) -> &'a str {
        self.column(name).map_or("", |at| row[at].as_str())
    }

    /// A cell that is a number.
    pub(super) fn number(&self, row: &[String], name: &str) -> Option<f64> {
        let value: f64 = self.cell(row, name).parse().ok()?;
        value.is_finite().then_some(value)
    }
}

fn records(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut chars, mut is_quoted) = (text.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            c => cell.push(c),
        }
    }
    if is_quoted || !cell.is_empty() || !record.is_empty() {
        return Err("expected a whole last line".to_owned());
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_as_they_were_meant() {
        let csv = Csv::parse("a,b\n1,\"x, \"\"y\"\"\nz\"\n,2.5\n").expect("it is whole");
        assert_eq!(csv.rows[0][1], "x, \"y\"\nz");
        assert_eq!(csv.number(&csv.rows[1], "b"), Some(2.5));
        assert_eq!(csv.number(&csv.rows[1], "a"), None);
        assert_eq!(csv.cell(&csv.rows[1], "c"), "");
        for wrong in ["", "a,b\n1\n", "a\n1", "a\n\"1\n"] {
            assert!(Csv::parse(wrong).is_err(), "{wrong}");
        }
    }
}
