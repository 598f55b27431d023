//! The ends of a folder's runs read back: what runs are compared by.

use scheduler::Span;
use scheduler::machine::Ending;

use super::folder::RUNS;
use super::read::Stream;
use super::{RecordedFolder, RunKey, Said, Truth};
use crate::error::ResultsError;
use crate::read::{Groups, Table};

impl RecordedFolder {
    /// What each run says of itself, by allocator and then by replicate: of the first so many
    /// replicates, which are there.
    ///
    /// # Errors
    /// When the table cannot be read or misses a run.
    pub fn said(&self, replicates: u64) -> Result<Vec<Vec<Said>>, ResultsError> {
        let allocators = &self.plan.allocators;
        let groups = Groups::open(&self.dir.join(RUNS))?;
        let mut rows = Stream::new(groups, allocators, read);
        let mut all = vec![Vec::new(); allocators.len()];
        for replicate in 0..replicates.min(self.finished()) {
            for (allocator, said) in all.iter_mut().enumerate() {
                let key = RunKey {
                    replicate,
                    allocator,
                };
                let Some(row) = rows.next_of(key)? else {
                    let name = self.name(key);
                    let message = format!("expected a row for replicate {replicate} under {name}");
                    return Err(rows.damaged(message));
                };
                said.push(Said {
                    cycles: self.job().config.cycles.into(),
                    ..row
                });
            }
        }
        Ok(all)
    }
}

fn read(table: &Table<'_>, rows: usize) -> Result<Vec<Said>, ResultsError> {
    let (ending, missed) = (table.texts("ending")?, table.flags("missed")?);
    let (wall, setup) = (table.numbers("wall_ns")?, table.numbers("setup_ns")?);
    let complete = table.numbers("cycles_complete")?;
    let accepted = table.numbers("batches_accepted")?;
    let lost = table.numbers("batches_lost")?;
    let plans = table.numbers("plans")?;
    let cost = table.costs("cost_micro")?;
    let known = |name| table.optional_numbers(name);
    let truth = [
        known("feasible")?,
        known("feasible_complete")?,
        known("untouched")?,
        known("untouched_complete")?,
        known("orders")?,
        known("overruns")?,
    ];
    let row = |row: usize| {
        let ending = table.required(ending.get(row), "ending")?;
        let truth = || {
            Some(Truth {
                feasible: truth[0].get(row)?,
                feasible_complete: truth[1].get(row)?,
                untouched: truth[2].get(row)?,
                untouched_complete: truth[3].get(row)?,
                orders: truth[4].get(row)?,
                overruns: truth[5].get(row)?,
            })
        };
        Ok(Said {
            reached_end: ending == Ending::Completed.reason(),
            missed: table.required(missed.get(row), "missed")?,
            cost: table.required(cost[row], "cost_micro")?,
            wall: Span::from_nanos(wall[row]),
            setup: Span::from_nanos(setup[row]),
            cycles: 0, // the job says how many
            complete: complete[row],
            accepted: accepted[row],
            lost: lost[row],
            plans: plans[row],
            truth: truth(),
        })
    };
    (0..rows).map(row).collect()
}
