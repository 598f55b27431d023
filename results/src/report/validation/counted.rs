//! The large tables of a validation, read a row group at a time and counted in bins.

use std::path::Path;

use super::super::bins::{Bins, Steps};
use crate::error::ResultsError;
use crate::files::{OUTCOMES, TIMINGS};
use crate::read::Groups;
use crate::row::Took;
use crate::schema::{Field, Row};
use crate::test_keys;

/// What the large tables hold, counted.
pub(super) struct Counted {
    /// Excess above zero, in percent, by allocator.
    pub(super) excess: Vec<Bins>,
    /// Plans with a known excess.
    pub(super) compared: Vec<u64>,
    pub(super) makespan: Vec<Bins>,
    pub(super) times: Vec<Bins>,
}

/// Reads the tables.
pub(super) fn count(
    dir: &Path,
    allocators: &[String],
    is_simulated: bool,
) -> Result<Counted, ResultsError> {
    let bins = |steps| vec![Bins::new(steps); allocators.len()];
    let mut counted = Counted {
        excess: bins(Steps::Coarse),
        compared: vec![0; allocators.len()],
        makespan: bins(Steps::Even(100)),
        times: bins(Steps::Even(20)),
    };
    let mut groups = Groups::open(&dir.join(OUTCOMES))?;
    while let Some(table) = groups.next_group()? {
        test_keys::read(&table, allocators)?;
        for (row, excess) in Option::<f64>::read(&table, "excess")?
            .into_iter()
            .enumerate()
        {
            let at = row % allocators.len();
            if let Some(excess) = excess {
                counted.compared[at] += 1;
                if excess > 0.0 {
                    counted.excess[at].add(100.0 * excess);
                }
            }
        }
        if is_simulated {
            let makespan = Option::<u64>::read(&table, "makespan_ns")?;
            for (row, nanos) in makespan.into_iter().enumerate() {
                if let Some(nanos) = nanos.filter(|nanos| *nanos > 0) {
                    counted.makespan[row % allocators.len()].add(nanos as f64);
                }
            }
        }
    }
    let mut groups = Groups::open(&dir.join(TIMINGS))?;
    while let Some(table) = groups.next_group()? {
        test_keys::read(&table, allocators)?;
        for (row, took) in Took::read(&table)?.into_iter().enumerate() {
            counted.times[row % allocators.len()].add(took.wall_ns.max(1) as f64);
        }
    }
    Ok(counted)
}
