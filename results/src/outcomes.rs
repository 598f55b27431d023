//! The rows of `outcomes.parquet`, one after the other, for other programs and tests.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use scheduler::Cost;

use crate::error::ResultsError;
use crate::read::{Groups, Table};
use crate::row::OutcomeRow;
use crate::schema::{Field, Row};

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

/// The rows in order. It holds one row group at a time.
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
        if let Some(table) = self.groups.next_group()? {
            self.rows.extend(records(&table)?);
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

fn records(table: &Table<'_>) -> Result<Vec<OutcomeRecord>, ResultsError> {
    let mut test = u64::read(table, "test")?.into_iter();
    let mut family = Arc::<str>::read(table, "family")?.into_iter();
    let mut allocator = Arc::<str>::read(table, "allocator")?.into_iter();
    let mut excess = Option::<f64>::read(table, "excess")?.into_iter();
    let mut excess_cost = Option::<Cost>::read(table, "excess_cost_micro")?.into_iter();
    let rows = if table.has("makespan_ns") {
        OutcomeRow::read_simulated(table)?
    } else {
        OutcomeRow::read(table)?
    };
    let record = |row| {
        Some(OutcomeRecord {
            test: test.next()?,
            family: family.next()?,
            allocator: allocator.next()?,
            row,
            excess: excess.next()?,
            excess_cost: excess_cost.next()?,
        })
    };
    Ok(rows.into_iter().map_while(record).collect())
}
