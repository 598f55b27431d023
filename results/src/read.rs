//! Tables read back, one row group at a time. Their checksums are looked at first.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars_core::prelude::*;
use polars_io::SerReader;
use polars_io::parquet::metadata::FileMetadataRef;
use polars_io::parquet::read::{ParallelStrategy, ParquetReader};

use crate::error::{Action, ResultsError};
use crate::run_file::RunFile;
use crate::value::{Kind, Value};

/// The row groups of a parquet file.
pub(crate) struct Groups {
    pub(crate) path: PathBuf,
    file: File,
    metadata: FileMetadataRef,
    group: usize,
    row: usize,
}

impl Groups {
    pub(crate) fn open(path: &Path) -> Result<Self, ResultsError> {
        let failed = |cause| ResultsError::io(Action::Read, path, cause);
        let file = RunFile::open_checked(path)?;
        let mut reader = ParquetReader::new(file.try_clone().map_err(failed)?);
        let metadata = reader.get_metadata();
        let metadata = metadata.map_err(|error| ResultsError::damaged(path, error))?;
        Ok(Self {
            metadata: Arc::clone(metadata),
            path: path.to_owned(),
            file,
            group: 0,
            row: 0,
        })
    }

    pub(crate) fn next_group(&mut self) -> Result<Option<Table<'_>>, ResultsError> {
        let Some(group) = self.metadata.row_groups.get(self.group) else {
            return Ok(None);
        };
        let rows = group.num_rows();
        let failed = |cause| ResultsError::io(Action::Read, &self.path, cause);
        let mut reader = ParquetReader::new(self.file.try_clone().map_err(failed)?)
            .read_parallel(ParallelStrategy::None)
            .with_slice(Some((self.row, rows)));
        reader.set_metadata(Arc::clone(&self.metadata));
        let frame = reader.finish();
        let frame = frame.map_err(|error| ResultsError::damaged(&self.path, error))?;
        self.group += 1;
        self.row += rows;
        let path = &self.path;
        Ok(Some(Table { path, frame }))
    }
}

/// The columns of one row group, with errors that name the file.
pub(crate) struct Table<'a> {
    path: &'a Path,
    frame: DataFrame,
}

impl Table<'_> {
    pub(crate) fn height(&self) -> usize {
        self.frame.height()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.frame.column(name).is_ok()
    }

    /// The cells of a column of this kind.
    pub(crate) fn cells<T>(
        &self,
        name: &str,
        kind: Kind,
        take: impl Fn(Value<'_>) -> Result<T, ResultsError>,
    ) -> Result<Vec<T>, ResultsError> {
        macro_rules! all {
            ($get:expr, $variant:ident) => {{
                let column = self.column(name, $get)?;
                let value = |cell: Option<_>| take(cell.map_or(Value::Nothing, Value::$variant));
                column.iter().map(value).collect()
            }};
        }
        match kind {
            Kind::Number => all!(Series::u64, Number),
            Kind::Text => all!(Series::str, Text),
            Kind::Flag => all!(Series::bool, Flag),
            Kind::Float => all!(Series::f64, Float),
            Kind::Money => {
                let column = self.column(name, |series| series.decimal().map(|d| d.physical()))?;
                let value = |cell: Option<i128>| match cell.map(u128::try_from) {
                    None => take(Value::Nothing),
                    Some(Ok(micros)) => take(Value::Money(micros)),
                    Some(Err(_)) => Err(self.damaged(format!("column {name} is negative"))),
                };
                column.iter().map(value).collect()
            }
            Kind::Numbers(_) => unreachable!("lists are read as a whole"),
        }
    }

    /// The numbers of all lists of a column, one list after the other.
    pub(crate) fn lists<T>(
        &self,
        name: &str,
        numbers: impl Fn(&Series) -> PolarsResult<Option<Vec<T>>>,
    ) -> Result<Vec<T>, ResultsError> {
        let lists = self.column(name, Series::list)?.get_inner();
        let values = numbers(&lists).map_err(|error| self.damaged(error))?;
        self.required(values, name)
    }

    fn column<T: Clone>(
        &self,
        name: &str,
        get: impl FnOnce(&Series) -> PolarsResult<&T>,
    ) -> Result<T, ResultsError> {
        let column = self.frame.column(name);
        let typed = column.and_then(|column| get(column.as_materialized_series()).cloned());
        typed.map_err(|error| self.damaged(error))
    }

    pub(crate) fn required<T>(&self, value: Option<T>, name: &str) -> Result<T, ResultsError> {
        value.ok_or_else(|| self.damaged(format!("column {name} has missing values")))
    }

    pub(crate) fn damaged(&self, message: impl std::fmt::Display) -> ResultsError {
        ResultsError::damaged(self.path, message)
    }
}
