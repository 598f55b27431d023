//! The columns of `stats.parquet`.

use std::borrow::Cow;

use polars_core::prelude::Column;

use crate::error::ResultsError;
use crate::read::Table;
use crate::schema::{Described, Field, column};
use crate::statistics::{COUNT, NAMES, is_integer, sentence};
use crate::value::{Kind, Value};

/// The statistics of one row group, by column; what is missing is NaN.
#[derive(Default)]
pub(crate) struct StatisticsColumns {
    columns: Vec<Vec<f64>>,
}

const fn kind(index: usize) -> Kind {
    if is_integer(index) {
        Kind::Number
    } else {
        Kind::Float
    }
}

impl StatisticsColumns {
    pub(crate) fn describe() -> Vec<Described> {
        let describe = |(index, name): (usize, &str)| Described {
            is_optional: true,
            sentence: Cow::Owned(sentence(index)),
            ..Described::new(name, kind(index), "")
        };
        NAMES.into_iter().enumerate().map(describe).collect()
    }

    pub(crate) fn extend(&mut self, rows: &[[f64; COUNT]]) {
        self.columns.resize(COUNT, Vec::new());
        for (index, column) in self.columns.iter_mut().enumerate() {
            column.extend(rows.iter().map(|row| row[index]));
        }
    }

    /// Turns them into columns, and begins anew.
    pub(crate) fn take(&mut self) -> Vec<Column> {
        self.extend(&[]);
        let columns = std::mem::take(&mut self.columns);
        let columns = columns.into_iter().zip(NAMES).enumerate();
        let written = |(index, (values, name)): (usize, (Vec<f64>, &str))| {
            let value = |value: &f64| match kind(index) {
                _ if value.is_nan() => Value::Nothing,
                Kind::Number => Value::Number(*value as u64),
                _ => Value::Float(*value),
            };
            column(name, kind(index), values.iter().map(value))
        };
        columns.map(written).collect()
    }

    /// The rows of a row group.
    pub(crate) fn read(table: &Table<'_>) -> Result<Vec<[f64; COUNT]>, ResultsError> {
        let mut rows = vec![[f64::NAN; COUNT]; table.height()];
        for (index, name) in NAMES.into_iter().enumerate() {
            let values: Vec<Option<f64>> = match kind(index) {
                Kind::Number => {
                    let whole = Option::<u64>::read(table, name)?.into_iter();
                    whole.map(|value| value.map(|value| value as f64)).collect()
                }
                _ => Field::read(table, name)?,
            };
            for (row, value) in rows.iter_mut().zip(values) {
                row[index] = value.unwrap_or(f64::NAN);
            }
        }
        Ok(rows)
    }
}
