//! The columns by which the rows of a validation's tables are known: test, family, allocator.

use polars_core::prelude::Column;

use crate::error::ResultsError;
use crate::read::Table;
use crate::schema::{Described, Field, column};
use crate::value::{Kind, Value};

const TEST: &str = "test";
const FAMILY: &str = "family";
const ALLOCATOR: &str = "allocator";

/// What the rows of a row group share or count up: its family, and its first test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group<'a> {
    pub(crate) family: &'a str,
    pub(crate) first_test: u64,
}

impl Group<'_> {
    /// What the keys are; a table of problems has no allocators.
    pub(crate) fn describe(has_allocators: bool) -> Vec<Described> {
        let mut keys = vec![
            Described::new(
                TEST,
                Kind::Number,
                "The test's index in its family, from 0.",
            ),
            Described::new(FAMILY, Kind::Text, "The family."),
        ];
        if has_allocators {
            keys.push(Described::new(ALLOCATOR, Kind::Text, "The allocator."));
        }
        keys
    }

    /// The keys of this number of rows: each test once for each allocator, in their order, or once
    /// if there are none.
    pub(crate) fn write(self, allocators: &[String], rows: usize) -> Vec<Column> {
        let per_test = allocators.len().max(1);
        let test = |row: usize| Value::Number(self.first_test + (row / per_test) as u64);
        let family = std::iter::repeat_n(Value::Text(self.family), rows);
        let mut keys = vec![
            column(TEST, Kind::Number, (0..rows).map(test)),
            column(FAMILY, Kind::Text, family),
        ];
        if !allocators.is_empty() {
            let names = allocators.iter().map(|name| Value::Text(name)).cycle();
            keys.push(column(ALLOCATOR, Kind::Text, names.take(rows)));
        }
        keys
    }
}

/// The family, the first test and the number of tests of a row group, which must hold consecutive
/// tests of one family, each once for each of these allocators.
pub(crate) fn read(
    table: &Table<'_>,
    allocators: &[String],
) -> Result<(String, u64, usize), ResultsError> {
    let (test, family) = (u64::read(table, TEST)?, String::read(table, FAMILY)?);
    let per_test = allocators.len().max(1);
    let name = table.required(family.first(), FAMILY)?;
    let first = test.first().copied().unwrap_or_default();
    let in_order = |(row, &test): (usize, &u64)| test == first + (row / per_test) as u64;
    let whole = test.len().is_multiple_of(per_test) && test.iter().enumerate().all(in_order);
    if !whole || family.iter().any(|family| family != name) {
        return Err(table.damaged("expected consecutive tests of one family in a row group"));
    }
    if !allocators.is_empty() {
        let found = String::read(table, ALLOCATOR)?;
        if !found
            .iter()
            .zip(allocators.iter().cycle())
            .all(|(a, b)| a == b)
        {
            return Err(table.damaged("expected the allocators in the order of the plan"));
        }
    }
    Ok((name.clone(), first, test.len() / per_test))
}
