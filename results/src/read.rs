//! Tables read back, one row group at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars_core::prelude::*;
use polars_io::SerReader;
use polars_io::parquet::metadata::FileMetadataRef;
use polars_io::parquet::read::{ParallelStrategy, ParquetReader};
use scheduler::Cost;

use crate::chunk::ProblemColumns;
use crate::error::{Action, ResultsError};
use crate::row::{OutcomeRow, Simulated, Status, Took};
use crate::row::{certificate_from_name, reason_from_name};
use crate::statistics::{self, COUNT};

/// One row of `outcomes.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeRecord {
    /// The test's index in its family, from 0.
    pub test: u64,
    /// The family.
    pub family: Arc<str>,
    /// The allocator.
    pub allocator: Arc<str>,
    /// The answer.
    pub row: OutcomeRow,
    /// Its excess over the proven optimum, as a share of it.
    pub excess: Option<f64>,
    /// Its excess over the proven optimum.
    pub excess_cost: Option<Cost>,
}

/// The rows of an `outcomes.parquet`, in order. It holds one row group at a time.
pub struct Outcomes {
    groups: Groups,
    rows: VecDeque<OutcomeRecord>,
}

impl Outcomes {
    /// Opens the file.
    ///
    /// # Errors
    /// When it cannot be read or is not parquet.
    pub fn open(path: &Path) -> Result<Self, ResultsError> {
        Ok(Self {
            groups: Groups::open(path)?,
            rows: VecDeque::new(),
        })
    }

    fn refill(&mut self) -> Result<(), ResultsError> {
        let Some(frame) = self.groups.next_group()? else {
            return Ok(());
        };
        let mut intern = Interner::default();
        let table = Table {
            path: &self.groups.path,
            frame: &frame,
        };
        let (test, family) = (table.numbers("test")?, table.texts("family")?);
        let allocator = table.texts("allocator")?;
        let (excess, excess_cost) = (table.floats("excess")?, table.costs("excess_micro")?);
        let rows = if frame.column("makespan_ns").is_ok() {
            simulated_rows(&table)?
        } else {
            outcome_rows(&table)?
        };
        for (index, row) in rows.into_iter().enumerate() {
            self.rows.push_back(OutcomeRecord {
                test: test[index],
                family: intern.get(table.required(family.get(index), "family")?),
                allocator: intern.get(table.required(allocator.get(index), "allocator")?),
                row,
                excess: excess.get(index),
                excess_cost: excess_cost[index],
            });
        }
        Ok(())
    }
}

impl Iterator for Outcomes {
    type Item = Result<OutcomeRecord, ResultsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows.is_empty()
            && let Err(error) = self.refill()
        {
            return Some(Err(error));
        }
        self.rows.pop_front().map(Ok)
    }
}

/// Shares the few names that fill a column.
#[derive(Default)]
struct Interner(Vec<Arc<str>>);

impl Interner {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| known.as_ref() == text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.push(Arc::clone(&new));
        new
    }
}

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
        let file = File::open(path).map_err(failed)?;
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

    pub(crate) fn next_group(&mut self) -> Result<Option<DataFrame>, ResultsError> {
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
        Ok(Some(frame))
    }
}

/// The columns of one row group, with errors that name the file.
pub(crate) struct Table<'a> {
    pub(crate) path: &'a Path,
    pub(crate) frame: &'a DataFrame,
}

impl Table<'_> {
    /// The family and the tests of the group, which must be consecutive tests of one family, each
    /// `allocators` times in that order if there are any.
    pub(crate) fn keys(&self, allocators: &[String]) -> Result<(String, u64, usize), ResultsError> {
        let (test, family) = (self.numbers("test")?, self.texts("family")?);
        let per_test = allocators.len().max(1);
        let name = self.required(family.get(0), "family")?;
        let first = test.first().copied().unwrap_or_default();
        let in_order = |(row, &test): (usize, &u64)| test == first + (row / per_test) as u64;
        let whole = test.len().is_multiple_of(per_test) && test.iter().enumerate().all(in_order);
        if !whole || family.iter().any(|family| family != Some(name)) {
            return Err(self.damaged("expected consecutive tests of one family in a row group"));
        }
        if !allocators.is_empty() {
            let allocator = self.texts("allocator")?;
            let expected = allocators.iter().map(|a| Some(a.as_str())).cycle();
            if !allocator.iter().zip(expected).all(|(a, b)| a == b) {
                return Err(self.damaged("expected the allocators in the order of the plan"));
            }
        }
        Ok((name.to_owned(), first, test.len() / per_test))
    }

    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<u64>, ResultsError> {
        let column = self.chunked(name, Series::u64)?;
        let values: Option<Vec<u64>> = column.iter().collect();
        self.required(values, name)
    }

    /// Numbers of things, which have 32 bits.
    pub(crate) fn ids(&self, name: &str) -> Result<Vec<u32>, ResultsError> {
        let id = |number: u64| {
            let wrong = |_| self.damaged(format!("column {name} holds {number}"));
            u32::try_from(number).map_err(wrong)
        };
        self.numbers(name)?.into_iter().map(id).collect()
    }

    pub(crate) fn optional_numbers(&self, name: &str) -> Result<UInt64Chunked, ResultsError> {
        self.chunked(name, Series::u64)
    }

    fn floats(&self, name: &str) -> Result<Float64Chunked, ResultsError> {
        self.chunked(name, Series::f64)
    }

    pub(crate) fn texts(&self, name: &str) -> Result<StringChunked, ResultsError> {
        self.chunked(name, Series::str)
    }

    pub(crate) fn flags(&self, name: &str) -> Result<BooleanChunked, ResultsError> {
        self.chunked(name, Series::bool)
    }

    pub(crate) fn costs(&self, name: &str) -> Result<Vec<Option<Cost>>, ResultsError> {
        let column = self.chunked(name, |series| series.decimal().map(|d| d.physical()))?;
        let cost = |micros: Option<i128>| match micros.map(u128::try_from) {
            None => Ok(None),
            Some(Ok(micros)) => Ok(Some(Cost::from_micros(micros))),
            Some(Err(_)) => Err(self.damaged(format!("column {name} is negative"))),
        };
        column.iter().map(cost).collect()
    }

    fn chunked<T: Clone>(
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

pub(crate) fn outcome_rows(table: &Table<'_>) -> Result<Vec<OutcomeRow>, ResultsError> {
    let (status, reason) = (table.texts("status")?, table.texts("reason")?);
    let certificate = table.texts("certificate")?;
    let (cost, lower_bound) = (
        table.costs("cost_micro")?,
        table.costs("lower_bound_micro")?,
    );
    let employed = table.optional_numbers("workers_employed")?;
    let unknown = |what, name| table.damaged(format!("\"{name}\" is no {what}"));
    let row = |index| {
        let name = table.required(status.get(index), "status")?;
        let reason = match reason.get(index) {
            None => None,
            Some(name) => Some(reason_from_name(name).ok_or_else(|| unknown("reason", name))?),
        };
        let certificate = match certificate.get(index) {
            None => None,
            Some(name) => {
                Some(certificate_from_name(name).ok_or_else(|| unknown("certificate", name))?)
            }
        };
        Ok(OutcomeRow {
            status: Status::from_name(name).ok_or_else(|| unknown("status", name))?,
            reason,
            certificate,
            cost: cost[index],
            lower_bound: lower_bound[index],
            workers_employed: employed.get(index),
            simulated: None,
        })
    };
    (0..table.frame.height()).map(row).collect()
}

/// The rows of a table of simulated plans.
pub(crate) fn simulated_rows(table: &Table<'_>) -> Result<Vec<OutcomeRow>, ResultsError> {
    let makespan_ns = table.optional_numbers("makespan_ns")?;
    let missed = table.flags("missed")?;
    let late_workers = table.optional_numbers("late_workers")?;
    let mut rows = outcome_rows(table)?;
    for (index, row) in rows.iter_mut().enumerate() {
        if row.cost.is_some() {
            row.simulated = Some(Simulated {
                makespan_ns: table.required(makespan_ns.get(index), "makespan_ns")?,
                missed: table.required(missed.get(index), "missed")?,
                late_workers: table.required(late_workers.get(index), "late_workers")?,
            });
        }
    }
    Ok(rows)
}

pub(crate) fn statistics_rows(table: &Table<'_>) -> Result<Vec<[f64; COUNT]>, ResultsError> {
    let mut rows = vec![[f64::NAN; COUNT]; table.frame.height()];
    for (index, name) in statistics::NAMES.into_iter().enumerate() {
        let values = if statistics::is_integer(index) {
            let column = table.optional_numbers(name)?;
            let float = |value: Option<u64>| value.map(|value| value as f64);
            column.iter().map(float).collect::<Vec<_>>()
        } else {
            table.floats(name)?.iter().collect()
        };
        for (row, value) in rows.iter_mut().zip(values) {
            row[index] = value.unwrap_or(f64::NAN);
        }
    }
    Ok(rows)
}

pub(crate) fn timing_rows(table: &Table<'_>) -> Result<Vec<Took>, ResultsError> {
    let wall = table.numbers("nanoseconds")?;
    let library = table.numbers("library_cpu_nanoseconds")?;
    let took = |(wall_ns, library_cpu_ns)| Took {
        wall_ns,
        library_cpu_ns,
    };
    Ok(wall.into_iter().zip(library).map(took).collect())
}

pub(crate) fn problems(table: &Table<'_>) -> Result<ProblemColumns, ResultsError> {
    let k = table.numbers("k")?;
    let s_max = table.chunked("s_max", Series::list)?.get_inner();
    let s_max: Option<Vec<u32>> = match s_max.u32() {
        Ok(values) => values.iter().collect(),
        Err(error) => return Err(table.damaged(error)),
    };
    let fee_micro = table.chunked("fee_micro", Series::list)?.get_inner();
    let fee_micro: Option<Vec<u64>> = match fee_micro.u64() {
        Ok(values) => values.iter().collect(),
        Err(error) => return Err(table.damaged(error)),
    };
    let columns = ProblemColumns {
        n: table.numbers("n")?,
        beta: table.numbers("beta")?,
        s_min: table.numbers("s_min")?,
        eligible: table.numbers("eligible")?,
        capacity: table.numbers("capacity")?,
        s_max: table.required(s_max, "s_max")?,
        fee_micro: table.required(fee_micro, "fee_micro")?,
        k,
    };
    let workers: u64 = columns.k.iter().sum();
    let listed = [columns.s_max.len() as u64, columns.fee_micro.len() as u64];
    if listed != [workers; 2] {
        return Err(table.damaged("expected as many s_max and fee_micro as k says"));
    }
    Ok(columns)
}
