//! How long each worker computed in each cycle: the rows of a table whose columns are known only at
//! the end, since workers may come at any time. They wait in a file beside it.
//!
//! **What it does not know:** names, and where the table goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use results::{Patience, PatientFile};
use scheduler::Span;
use scheduler::machine::{Fate, Record, WorkerId};

/// What the rows are called while they wait. A run that is resumed makes them again from its logs.
const FILE: &str = "timing.rows.partial";

/// The rows so far.
#[derive(Debug)]
pub(crate) struct ComputeTimes {
    rows: BufWriter<PatientFile>,
    path: PathBuf,
    workers: BTreeSet<WorkerId>,
    /// The cells of the cycle whose record comes next.
    cells: String,
    /// The first and the last cycle.
    cycles: Option<(u32, u32)>,
}

impl ComputeTimes {
    /// Begins with none.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn create(folder: &Path, patience: &Patience) -> io::Result<Self> {
        let path = folder.join(FILE);
        let file = PatientFile::new(File::create(&path)?, &path, patience);
        Ok(Self {
            rows: BufWriter::new(file),
            path,
            workers: BTreeSet::new(),
            cells: String::new(),
            cycles: None,
        })
    }

    /// Takes in a record: assignments, then their cycle.
    ///
    /// # Errors
    /// When a cycle cannot be written.
    pub(crate) fn record(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Assignment(row) => {
                self.workers.insert(row.worker);
                if let Fate::Complete | Fate::Truncated = row.fate {
                    let nanos = row.computed.nanos();
                    self.cells += &format!("{}={nanos},", row.worker);
                }
            }
            Record::Cycle(row) => {
                let number = row.cycle.get();
                let (first, _) = self.cycles.unwrap_or((number, number));
                self.cycles = Some((first, number));
                writeln!(self.rows, "{}", self.cells)?;
                self.cells.clear();
            }
            Record::Joined { .. }
            | Record::Benchmarked { .. }
            | Record::Departed { .. }
            | Record::Planned(_)
            | Record::Share(_)
            | Record::NotPlanned { .. }
            | Record::Shipped { .. }
            | Record::Paused { .. }
            | Record::Ignored { .. } => {}
        }
        Ok(())
    }

    /// The first and the last cycle, if there is any.
    pub(crate) fn cycles(&self) -> Option<(u32, u32)> {
        self.cycles
    }

    /// Every worker that had a share in some cycle, in order: the columns.
    pub(crate) fn workers(&self) -> &BTreeSet<WorkerId> {
        &self.workers
    }

    /// Before the rows are read.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.rows.flush()
    }

    /// Goes through the cycles in order: the time of each worker that gave a result.
    ///
    /// # Errors
    /// When the file cannot be read, or what is called fails.
    pub(crate) fn each(
        &self,
        mut take: impl FnMut(&BTreeMap<WorkerId, Span>) -> io::Result<()>,
    ) -> io::Result<()> {
        for line in BufReader::new(File::open(&self.path)?).lines() {
            let line = line?;
            let cell = |cell: &str| {
                let (worker, nanos) = cell.split_once('=')?;
                let span = Span::from_nanos(nanos.parse().ok()?);
                Some((WorkerId::new(worker.parse().ok()?), span))
            };
            take(&line.split(',').filter_map(cell).collect())?;
        }
        Ok(())
    }
}

impl Drop for ComputeTimes {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // its name says that it is of no use
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use scheduler::machine::{AssignmentRow, CycleId, CycleResult, CycleRow, PlanId, SessionId};
    use scheduler::{Cost, Fee, Instant};

    use super::*;

    fn assignment(cycle: u32, worker: u32, fate: Fate) -> Record {
        Record::Assignment(AssignmentRow {
            cycle: CycleId::new(cycle),
            plan: PlanId::new(1),
            worker: WorkerId::new(worker),
            session: SessionId::new(1),
            fate,
            assigned: 10,
            claimed: 10,
            accepted: 10,
            fee: Fee::from_micros(1).expect("small"),
            charge: Cost::ZERO,
            cost: Cost::ZERO,
            expected: Span::ZERO,
            elapsed: Span::ZERO,
            computed: Span::from_nanos(u64::from(100 * cycle + worker)),
        })
    }

    fn cycle(number: u32) -> Record {
        Record::Cycle(CycleRow {
            cycle: CycleId::new(number),
            plan: PlanId::new(1),
            result: CycleResult::Complete,
            started: Instant::START,
            limit: Span::ZERO,
            results_at: Instant::START,
            ended: Instant::START,
            workers: 2,
            accepted: 20,
            lost: 0,
            cost: Cost::ZERO,
        })
    }

    #[test]
    fn what_is_held_does_not_grow_with_the_number_of_cycles() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut times = ComputeTimes::create(folder.path(), &Patience::NONE).expect("a file");
        let mut held = |cycles: RangeInclusive<u32>| {
            for number in cycles {
                let fate = if number == 3 {
                    Fate::Late
                } else {
                    Fate::Complete
                };
                let second = assignment(number, 2, Fate::Complete);
                for record in [second, assignment(number, 1, fate), cycle(number)] {
                    times.record(&record).expect("it is written");
                }
            }
            (times.workers.len(), times.cells.len())
        };
        assert_eq!(held(1..=10), held(11..=50_000));
        times.flush().expect("it is written");
        assert_eq!(times.cycles(), Some((1, 50_000)));
        let mut rows = 0_u64;
        let check = |cells: &BTreeMap<WorkerId, Span>| {
            rows += 1;
            let workers = if rows == 3 { 2..=2 } else { 1..=2 };
            let expected = workers.map(|worker| (worker, 100 * rows + u64::from(worker)));
            let found = cells
                .iter()
                .map(|(worker, span)| (worker.get(), span.nanos()));
            assert!(found.eq(expected), "{rows}: {cells:?}");
            Ok(())
        };
        times.each(check).expect("it is read");
        assert_eq!(rows, 50_000);
        drop(times);
        let left = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 0, "nothing is left");
    }
}
