//! The runs of a folder, one at a time: what was planned, and what was measured.

use std::sync::Arc;

use scheduler::machine::{AssignmentRow, CycleRow, ShareRow};
use scheduler::{Cost, Fee, Link, Span, Speed, Tier};

use super::columns::{QuestionRow, RunRow, WorkerRow};
use super::forecast::says_nothing;
use super::plan::RunKey;
use super::recorded::RecordedFolder;
use super::stream::Stream;
use crate::error::ResultsError;
use crate::files::{CYCLES, LOTS, PLANS, RUNS, SHARES, WORKERS};

/// A run: its plans in the order in which they were in force, those without a cycle left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    /// The replicate, from 0.
    pub replicate: u64,
    /// The allocator.
    pub allocator: String,
    /// The plans.
    pub periods: Vec<Period>,
}

/// The cycles of one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// The plan's number.
    pub plan: u64,
    /// The time that a cycle had when the plan was made.
    pub limit: Span,
    /// All workers that could have been employed, in the order of the plan.
    pub candidates: Vec<Candidate>,
    /// Cycles that did not fail, in which all employed workers were there from beginning to end.
    pub cycles: u64,
    /// Their times together.
    pub training: Span,
    /// The other cycles, whose times say nothing of the plan.
    pub left_out: u64,
}

/// A worker as the plan had it, and its computing times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub worker: u64,
    /// Its name.
    pub name: Arc<str>,
    /// What it is paid for a batch.
    pub fee: Fee,
    /// How fast it was thought to be: its benchmark, or what was learnt before this plan.
    pub speed: Speed,
    /// Its connection, as it was measured or stated.
    pub link: Link,
    /// The most that it could be given.
    pub s_max: u64,
    /// What it is given.
    pub batches: u64,
    /// What it is charged for in a cycle that employs it.
    pub charge: Cost,
    /// Other fees beyond its first batches.
    pub tiers: Vec<Tier>,
    /// The least that it takes if it is employed, if it asks for one of its own.
    pub least: u64,
    /// What its batches cost in a cycle, with the charge.
    pub cost: Cost,
    /// How long it computed in each counted cycle in which it did all of its share.
    pub computes: Vec<Span>,
}

impl RecordedFolder {
    /// The runs in order, one at a time: each is held whole, its assignments are not.
    ///
    /// # Errors
    /// When a table cannot be opened.
    pub fn runs(&self) -> Result<Runs<'_>, ResultsError> {
        Ok(Runs {
            keys: Box::new(self.keys(u64::MAX)),
            folder: self,
            runs: self.stream(RUNS)?,
            workers: self.stream(WORKERS)?,
            plans: self.stream(PLANS)?,
            shares: self.stream(SHARES)?,
            cycles: self.stream(CYCLES)?,
            lots: self.stream(LOTS)?,
        })
    }
}

/// The runs of a folder.
pub struct Runs<'a> {
    folder: &'a RecordedFolder,
    keys: Box<dyn Iterator<Item = RunKey>>,
    runs: Stream<'a, RunRow>,
    workers: Stream<'a, WorkerRow>,
    plans: Stream<'a, QuestionRow>,
    shares: Stream<'a, ShareRow>,
    cycles: Stream<'a, CycleRow>,
    lots: Stream<'a, AssignmentRow>,
}

impl Runs<'_> {
    fn run(&mut self, key: RunKey) -> Result<RecordedRun, ResultsError> {
        self.runs.one_of(key)?;
        let workers = self.workers.all_of(key)?;
        let mut periods: Vec<Period> = Vec::new();
        for row in self.plans.all_of(key)? {
            if let Some(limit) = row.limit {
                periods.push(Period {
                    plan: row.plan.get().into(),
                    limit,
                    candidates: Vec::new(),
                    cycles: 0,
                    training: Span::ZERO,
                    left_out: 0,
                });
            }
        }
        while let Some(share) = self.shares.next_of(key)? {
            let plan = u64::from(share.plan.get());
            let Some(period) = periods.iter_mut().rev().find(|period| period.plan == plan) else {
                return Err(self
                    .shares
                    .damaged(format!("plan {plan} is not in {PLANS}")));
            };
            let Some(worker) = workers.get(share.worker.get() as usize) else {
                let worker = share.worker;
                return Err(self
                    .shares
                    .damaged(format!("worker {worker} is not in {WORKERS}")));
            };
            period.candidates.push(Candidate {
                worker: share.worker.get().into(),
                name: Arc::clone(&worker.name),
                fee: share.fee,
                speed: share.speed,
                link: share.link(),
                s_max: share.s_max,
                batches: share.batches,
                charge: share.charge,
                tiers: share.tiers,
                least: share.least,
                cost: share.cost,
                computes: Vec::new(),
            });
        }
        // Candidates come by number, so that a lot finds its own by halving.
        for period in &mut periods {
            if !period
                .candidates
                .is_sorted_by_key(|candidate| candidate.worker)
            {
                let message = format!("the workers of plan {} are not in order", period.plan);
                return Err(self.shares.damaged(message));
            }
        }
        let mut lots = Vec::new();
        while let Some(cycle) = self.cycles.next_of(key)? {
            let plan = u64::from(cycle.plan.get());
            let Some(period) = periods.iter_mut().rev().find(|period| period.plan == plan) else {
                return Err(self
                    .cycles
                    .damaged(format!("plan {plan} is not in {PLANS}")));
            };
            lots.clear();
            while let Some(lot) = self.lots.next_if(key, |lot| is_of(lot, &cycle))? {
                lots.push(lot);
            }
            if says_nothing(&cycle, lots.iter().map(|lot: &AssignmentRow| lot.fate)) {
                period.left_out += 1;
                continue;
            }
            period.cycles += 1;
            period.training = period.training + cycle.ended.since(cycle.started);
            for lot in &lots {
                let worker = u64::from(lot.worker.get());
                let found = period
                    .candidates
                    .binary_search_by_key(&worker, |c| c.worker);
                let Ok(at) = found else {
                    let message = format!("worker {worker} has no share of plan {plan}");
                    return Err(self.lots.damaged(message));
                };
                if lot.claimed >= lot.assigned {
                    period.candidates[at].computes.push(lot.computed);
                }
            }
        }
        if self.lots.next_of(key)?.is_some() {
            return Err(self
                .lots
                .damaged(format!("a lot is of no cycle in {CYCLES}")));
        }
        periods.retain(|period| period.cycles + period.left_out > 0);
        Ok(RecordedRun {
            replicate: key.replicate,
            allocator: self.folder.plan.allocators[key.allocator].clone(),
            periods,
        })
    }
}

/// A cycle that was broken off is run again by another plan.
pub(crate) fn is_of(lot: &AssignmentRow, cycle: &CycleRow) -> bool {
    lot.cycle == cycle.cycle && lot.plan == cycle.plan
}

impl Iterator for Runs<'_> {
    type Item = Result<RecordedRun, ResultsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.keys.next()?;
        let run = self.run(key);
        if run.is_err() {
            self.keys = Box::new(std::iter::empty()); // nothing that follows can be trusted
        }
        Some(run)
    }
}
