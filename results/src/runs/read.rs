//! A run folder read back, a run at a time: what was planned, and what was measured.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scheduler::machine::{CycleId, Fate, PlanId, ShareRow, WorkerId};
use scheduler::{Fee, Span, Speed};
use serde_json::{Map, Value};

use super::folder::{
    CYCLES, FORMAT, JOB, LOTS, PLANS, RUNS, RunRecord, SCENARIO, SHARES, VERSION, WORKERS,
};
use super::{Job, RunKey, RunsPlan};
use crate::error::{Action, ResultsError};
use crate::read::{Groups, Table};
use crate::validation::RUN_FILE;

/// A folder of runs.
pub struct RecordedFolder {
    pub(super) dir: PathBuf,
    pub(super) plan: RunsPlan,
    job: Job,
    finished: u64,
    details: Map<String, Value>,
}

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
    /// Everybody who could have been employed, in the order of the plan.
    pub candidates: Vec<Candidate>,
    /// Cycles in which everybody who is employed was there from beginning to end.
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
    /// The most that it could be given.
    pub s_max: u64,
    /// What it is given.
    pub batches: u64,
    /// How long it computed in each counted cycle in which it did all of its share.
    pub computes: Vec<Span>,
}

impl RecordedFolder {
    /// Reads what the folder says of itself.
    ///
    /// # Errors
    /// When it is no folder of runs, is not whole, or is of another version.
    pub fn open(dir: &Path) -> Result<Self, ResultsError> {
        let path = dir.join(RUN_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                let dir = dir.to_owned();
                return Err(ResultsError::Unfinished { dir });
            }
            Err(cause) => return Err(ResultsError::io(Action::Read, &path, cause)),
        };
        let damaged = |message: &dyn std::fmt::Display| ResultsError::damaged(&path, message);
        let value: Value = serde_json::from_slice(&text).map_err(|error| damaged(&error))?;
        if value.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(damaged(&format!(
                "expected the folder of a run, \"format\": \"{FORMAT}\""
            )));
        }
        if value.get("format_version") != Some(&VERSION.into()) {
            let stated = value
                .get("format_version")
                .map_or("none".to_owned(), ToString::to_string);
            return Err(damaged(&format!(
                "its format_version is {stated}, expected {VERSION}: read it with the sim that wrote it"
            )));
        }
        let record: RunRecord = serde_json::from_value(value).map_err(|error| damaged(&error))?;
        if record.finished_replicates > record.plan.replicates || record.plan.allocators.is_empty()
        {
            return Err(damaged(
                &"expected no more runs than planned, and an allocator",
            ));
        }
        let path = dir.join(JOB);
        let text = fs::read(&path);
        let text = text.map_err(|cause| ResultsError::io(Action::Read, &path, cause))?;
        let job: Result<Job, _> = serde_json::from_slice(&text);
        let job = job.map_err(|error| ResultsError::damaged(&path, error))?;
        let checked = job.config.check();
        checked.map_err(|error| ResultsError::damaged(&path, format!("config: {error}")))?;
        Ok(Self {
            dir: dir.to_owned(),
            plan: record.plan,
            job,
            finished: record.finished_replicates,
            details: record.details,
        })
    }

    /// Which runs were planned.
    pub const fn plan(&self) -> &RunsPlan {
        &self.plan
    }

    /// What they have in common.
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// Replicates that are there, fewer than planned if it was interrupted.
    pub const fn finished(&self) -> u64 {
        self.finished
    }

    /// What else was said of how it was made.
    pub const fn details(&self) -> &Map<String, Value> {
        &self.details
    }

    /// The scenario with every value, as the folder has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn scenario(&self) -> Result<String, ResultsError> {
        let path = self.dir.join(SCENARIO);
        let text = fs::read_to_string(&path);
        text.map_err(|cause| ResultsError::io(Action::Read, &path, cause))
    }

    /// The runs in order, one at a time: each is held whole, its lots are not.
    ///
    /// # Errors
    /// When a table cannot be opened.
    pub fn runs(&self) -> Result<Runs<'_>, ResultsError> {
        let allocators = &self.plan.allocators;
        let open = |name: &str| Groups::open(&self.dir.join(name));
        Ok(Runs {
            folder: self,
            next: 0,
            runs: Stream::new(open(RUNS)?, allocators, |_, rows| Ok(vec![(); rows])),
            workers: Stream::new(open(WORKERS)?, allocators, read_names),
            plans: Stream::new(open(PLANS)?, allocators, read_plans),
            shares: Stream::new(open(SHARES)?, allocators, read_shares),
            cycles: Stream::new(open(CYCLES)?, allocators, read_cycles),
            lots: Stream::new(open(LOTS)?, allocators, read_lots),
        })
    }
}

/// The runs of a folder.
pub struct Runs<'a> {
    folder: &'a RecordedFolder,
    next: u64,
    runs: Stream<'a, ()>,
    workers: Stream<'a, Arc<str>>,
    plans: Stream<'a, PlanCell>,
    shares: Stream<'a, ShareRow>,
    cycles: Stream<'a, CycleCell>,
    lots: Stream<'a, LotCell>,
}

/// A plan: its number and its time limit, if it was taken.
#[derive(Clone, Copy)]
struct PlanCell {
    plan: PlanId,
    limit: Option<Span>,
}

struct CycleCell {
    cycle: CycleId,
    plan: PlanId,
    took: Span,
}

struct LotCell {
    cycle: CycleId,
    worker: WorkerId,
    fate: Fate,
    is_whole: bool,
    computed: Span,
}

impl Runs<'_> {
    fn run(&mut self, key: RunKey) -> Result<RecordedRun, ResultsError> {
        if self.runs.next_of(key)?.is_none() {
            let (replicate, name) = (key.replicate, self.folder.name(key));
            let message = format!("expected a row for replicate {replicate} under {name}");
            return Err(self.runs.damaged(message));
        }
        let names = self.workers.all_of(key)?;
        let mut periods: Vec<Period> = Vec::new();
        for cell in self.plans.all_of(key)? {
            if let Some(limit) = cell.limit {
                periods.push(Period {
                    plan: cell.plan.get().into(),
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
            let Some(name) = names.get(share.worker.get() as usize) else {
                let worker = share.worker;
                return Err(self
                    .shares
                    .damaged(format!("worker {worker} is not in {WORKERS}")));
            };
            period.candidates.push(Candidate {
                worker: share.worker.get().into(),
                name: Arc::clone(name),
                fee: share.fee,
                speed: share.speed,
                s_max: share.s_max,
                batches: share.batches,
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
            while let Some(lot) = self.lots.next_if(key, |lot| lot.cycle == cycle.cycle)? {
                lots.push(lot);
            }
            if !lots.iter().all(|lot| was_there(lot.fate)) {
                period.left_out += 1;
                continue;
            }
            period.cycles += 1;
            period.training = period.training + cycle.took;
            for lot in &lots {
                let worker = u64::from(lot.worker.get());
                let found = period
                    .candidates
                    .binary_search_by_key(&worker, |c| c.worker);
                let Ok(at) = found else {
                    let message = format!("worker {worker} has no share of plan {plan}");
                    return Err(self.lots.damaged(message));
                };
                if lot.is_whole {
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
            allocator: self.folder.name(key).to_owned(),
            periods,
        })
    }
}

impl Iterator for Runs<'_> {
    type Item = Result<RecordedRun, ResultsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let allocators = self.folder.plan.allocators.len() as u64;
        let key = RunKey {
            replicate: self.next / allocators,
            allocator: (self.next % allocators) as usize,
        };
        if key.replicate >= self.folder.finished {
            return None;
        }
        self.next += 1;
        let run = self.run(key);
        if run.is_err() {
            self.next = u64::MAX; // nothing that follows can be trusted
        }
        Some(run)
    }
}

impl RecordedFolder {
    pub(super) fn name(&self, key: RunKey) -> &str {
        &self.plan.allocators[key.allocator]
    }
}

/// Whether a worker was there all through a cycle, and its result came.
const fn was_there(fate: Fate) -> bool {
    match fate {
        Fate::Complete | Fate::Truncated | Fate::Late | Fate::Refused => true,
        Fate::Lost | Fate::Absent => false,
    }
}

/// Reads the rows of a row group.
pub(crate) type Reader<T> = fn(&Table<'_>, usize) -> Result<Vec<T>, ResultsError>;

/// The rows of a table in order, one row group at a time.
pub(crate) struct Stream<'a, T> {
    groups: Groups,
    allocators: &'a [String],
    read: Reader<T>,
    rows: VecDeque<(RunKey, T)>,
}

impl<'a, T> Stream<'a, T> {
    pub(crate) const fn new(groups: Groups, allocators: &'a [String], read: Reader<T>) -> Self {
        Self {
            groups,
            allocators,
            read,
            rows: VecDeque::new(),
        }
    }

    /// The next row, if it is of this run and is wanted.
    fn next_if(
        &mut self,
        key: RunKey,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, ResultsError> {
        while self.rows.is_empty() {
            let Some(frame) = self.groups.next_group()? else {
                return Ok(None);
            };
            let table = Table {
                path: &self.groups.path,
                frame: &frame,
            };
            let (replicates, names) = (table.numbers("replicate")?, table.texts("allocator")?);
            let rows = (self.read)(&table, replicates.len())?;
            for ((replicate, name), row) in replicates.into_iter().zip(names.iter()).zip(rows) {
                let known = self
                    .allocators
                    .iter()
                    .position(|a| Some(a.as_str()) == name);
                let Some(allocator) = known else {
                    let name = name.unwrap_or("null");
                    return Err(table.damaged(format!("allocator {name} is not in {RUN_FILE}")));
                };
                let key = RunKey {
                    replicate,
                    allocator,
                };
                self.rows.push_back((key, row));
            }
        }
        match self.rows.front() {
            Some((of, row)) if *of == key && wanted(row) => {
                Ok(self.rows.pop_front().map(|(_, row)| row))
            }
            Some((of, _)) if *of < key => Err(self.damaged("expected the rows of a run together")),
            _ => Ok(None),
        }
    }

    pub(crate) fn next_of(&mut self, key: RunKey) -> Result<Option<T>, ResultsError> {
        self.next_if(key, |_| true)
    }

    pub(crate) fn all_of(&mut self, key: RunKey) -> Result<Vec<T>, ResultsError> {
        let mut rows = Vec::new();
        while let Some(row) = self.next_of(key)? {
            rows.push(row);
        }
        Ok(rows)
    }

    pub(crate) fn damaged(&self, message: impl std::fmt::Display) -> ResultsError {
        ResultsError::damaged(&self.groups.path, message)
    }
}

fn read_names(table: &Table<'_>, rows: usize) -> Result<Vec<Arc<str>>, ResultsError> {
    let names = table.texts("name")?;
    let name = |row| Ok(table.required(names.get(row), "name")?.into());
    (0..rows).map(name).collect()
}

fn read_plans(table: &Table<'_>, rows: usize) -> Result<Vec<PlanCell>, ResultsError> {
    let (plans, limits) = (table.ids("plan")?, table.optional_numbers("limit_ns")?);
    let row = |row: usize| PlanCell {
        plan: PlanId::new(plans[row]),
        limit: limits.get(row).map(Span::from_nanos),
    };
    Ok((0..rows).map(row).collect())
}

fn read_shares(table: &Table<'_>, rows: usize) -> Result<Vec<ShareRow>, ResultsError> {
    let (plans, workers) = (table.ids("plan")?, table.ids("worker")?);
    let (speed_batches, speed_ns) = (table.numbers("speed_batches")?, table.numbers("speed_ns")?);
    let (fees, s_max) = (table.numbers("fee_micro")?, table.numbers("s_max")?);
    let batches = table.numbers("batches")?;
    let row = |row: usize| {
        let speed = Speed::measured(speed_batches[row], Span::from_nanos(speed_ns[row]));
        let wrong = |what, value: u64| table.damaged(format!("{value} is no {what}"));
        Ok(ShareRow {
            plan: PlanId::new(plans[row]),
            worker: WorkerId::new(workers[row]),
            fee: Fee::from_micros(fees[row]).ok_or_else(|| wrong("fee_micro", fees[row]))?,
            speed: speed.ok_or_else(|| wrong("speed_ns", speed_ns[row]))?,
            s_max: s_max[row],
            batches: batches[row],
        })
    };
    (0..rows).map(row).collect()
}

fn read_cycles(table: &Table<'_>, rows: usize) -> Result<Vec<CycleCell>, ResultsError> {
    let (cycles, plans) = (table.ids("cycle")?, table.ids("plan")?);
    let (started, ended) = (table.numbers("started_ns")?, table.numbers("ended_ns")?);
    let row = |row: usize| CycleCell {
        cycle: CycleId::new(cycles[row]),
        plan: PlanId::new(plans[row]),
        took: Span::from_nanos(ended[row].saturating_sub(started[row])),
    };
    Ok((0..rows).map(row).collect())
}

fn read_lots(table: &Table<'_>, rows: usize) -> Result<Vec<LotCell>, ResultsError> {
    let (cycles, workers) = (table.ids("cycle")?, table.ids("worker")?);
    let (fates, computed) = (table.texts("fate")?, table.numbers("computed_ns")?);
    let (assigned, claimed) = (table.numbers("assigned")?, table.numbers("claimed")?);
    let row = |row: usize| {
        let name = table.required(fates.get(row), "fate")?;
        Ok(LotCell {
            cycle: CycleId::new(cycles[row]),
            worker: WorkerId::new(workers[row]),
            fate: Fate::from_name(name)
                .ok_or_else(|| table.damaged(format!("\"{name}\" is no fate of an assignment")))?,
            is_whole: claimed[row] >= assigned[row],
            computed: Span::from_nanos(computed[row]),
        })
    };
    (0..rows).map(row).collect()
}
