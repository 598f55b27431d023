//! The account of one run: how it ended, and what its records add up to.
//!
//! [`RunEnd`] is the one place that knows a run's wall time, its limit and whether it missed. Both
//! simulated and real runs make one at their end and ask it, instead of working these out again:
//!
//! ```
//! use results::runs::RunEnd;
//! use scheduler::machine::{Ending, Totals};
//! use scheduler::{Instant, Span};
//!
//! let end = RunEnd {
//!     ending: Ending::Completed,
//!     totals: Totals::default(), // from `Action::Finish`
//!     ended: Instant::START,
//!     limit: Span::from_secs(60), // `config.limit.total(cycles)`
//!     truth: None,                // a simulation knows more
//! };
//! assert!(!end.is_missed() && end.wall() <= end.limit);
//! ```
//!
//! [`RunSummary`] takes a run's records one by one, as [`RunRows`](super::RunRows) does (which has
//! one inside, see [`RunRows::summary`](super::RunRows::summary)), and keeps sums: its memory grows
//! with the number of workers, not with the number of cycles.
//!
//! **What it does not know:** tables, and how a summary is shown.

use scheduler::machine::{
    AssignmentRow, Departure, Ending, Fate, PlanRow, Record, ShareRow, Totals, WorkerId,
};
use scheduler::{Cost, Fee, Instant, Link, Span, Speed};

use super::forecast::{Beside, Forecast, Forecaster};
use super::plan::Job;
use crate::interval::Moments;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// Why.
    pub ending: Ending,
    /// What the scheduler counted.
    pub totals: Totals,
    /// When.
    pub ended: Instant,
    /// The time that all cycles together had.
    pub limit: Span,
    /// What only a simulation knows.
    pub truth: Option<Truth>,
}

impl RunEnd {
    /// From the first parameter byte of the first cycle to the last aggregation.
    pub fn wall(&self) -> Span {
        let begun = self.totals.first_cycle_at.unwrap_or(self.ended);
        let ended = self.totals.last_cycle_ended.unwrap_or(begun);
        ended.since(begun)
    }

    /// What came before: joining, benchmarks, planning, shipping.
    pub fn setup(&self) -> Span {
        let begun = self.totals.first_cycle_at.unwrap_or(self.ended);
        begun.since(Instant::START)
    }

    /// Whether the run took longer than its limit.
    pub fn is_over_limit(&self) -> bool {
        self.wall() > self.limit
    }

    /// Whether the job missed: it took too long, ended before its last cycle, or has a cycle in
    /// which not every batch was trained in time.
    pub fn is_missed(&self) -> bool {
        let whole = self.totals.truncated == 0 && self.totals.failed == 0;
        self.is_over_limit() || self.ending != Ending::Completed || !whole
    }
}

/// What only a simulation knows of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Cycles for which there was a plan with the workers' true speeds.
    pub feasible: u64,
    /// Of these, the number that were complete.
    pub feasible_complete: u64,
    /// Feasible cycles within which no fault began or ended.
    pub untouched: u64,
    /// Of these, the number that were complete.
    pub untouched_complete: u64,
    /// Shares that were ordered.
    pub orders: u64,
    /// Of these, the number that were not computed by the time at which their workers were to
    /// stop.
    pub overruns: u64,
}

/// Moves that are kept: a worker may come and go without end.
const MOST_MOVES: usize = 10_000;

/// What the records of one run add up to, with the plan that was taken last.
#[derive(Clone, Debug, Default)]
pub struct RunSummary {
    workers: Vec<WorkerTotals>,
    plan: Option<PlanRow>,
    shares: Vec<ShareRow>,
    cycles: u64,
    shipping: Span,
    incomplete: Option<AssignmentRow>,
    forecast: Option<Forecaster>,
    paces: Vec<Pace>,
    moves: Vec<Move>,
}

/// A worker that left or returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Who.
    pub worker: WorkerId,
    /// When.
    pub at: Instant,
    /// Whether it came back.
    pub returned: bool,
}

/// How fast a worker was in the cycles in which it did all of its share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    batches: u64,
    took: Span,
    /// Of the logarithm of the seconds per batch.
    logarithms: Moments,
}

impl Pace {
    /// Batches, and the time that they took; nothing if there were none.
    pub fn speed(&self) -> Option<Speed> {
        Speed::measured(self.batches, self.took)
    }

    /// The standard deviation of the logarithm of the time per batch over cycles, if there are two.
    pub fn jitter(&self) -> Option<f64> {
        self.logarithms.variance().map(f64::sqrt)
    }
}

impl RunSummary {
    /// Nothing of a run yet. It also compares the run's cycles with their prediction, as
    /// [`RunSummary::forecast`] says, and follows how fast workers are and when they leave; a summary
    /// by `default` does not.
    pub fn with_prediction(job: &Job) -> Self {
        Self {
            forecast: Some(Forecaster::new(job)),
            ..Self::default()
        }
    }

    /// Takes in a record and the time of the step that gave it.
    pub fn record(&mut self, at: Instant, record: &Record) {
        match *record {
            Record::Planned(row) => {
                self.plan = Some(row);
                self.shares.clear();
                if let Some(forecast) = &mut self.forecast {
                    forecast.planned();
                }
            }
            Record::Share(ref row) => {
                self.of(row.worker).link = Some(row.link());
                if let Some(forecast) = &mut self.forecast {
                    forecast.share(row);
                }
                self.shares.push(row.clone());
            }
            Record::Shipped { since, .. } => self.shipping = self.shipping + at.since(since),
            Record::Assignment(row) => {
                self.of(row.worker).add(&row);
                if let Some(forecast) = &mut self.forecast {
                    forecast.assignment(&row);
                    self.pace(&row);
                }
                // A cycle of a run that was broken off comes again.
                let again =
                    |first: &mut AssignmentRow| row.cycle <= first.cycle && row.plan > first.plan;
                self.incomplete.take_if(again);
                if row.fate != Fate::Complete {
                    self.incomplete.get_or_insert(row);
                }
            }
            Record::Cycle(row) => {
                self.cycles += 1;
                if let Some(forecast) = &mut self.forecast {
                    forecast.cycle(&row);
                }
            }
            Record::Joined { worker, fee, .. } => {
                let totals = self.of(worker);
                totals.fee.get_or_insert(fee);
                totals.joined.get_or_insert(at);
                totals.sessions += 1;
                if totals.departures > 0 {
                    self.moved(worker, at, true);
                }
            }
            Record::Benchmarked { worker, speed, .. } => {
                self.of(worker).benchmark.get_or_insert(speed);
            }
            Record::Departed { worker, why, .. } => {
                let totals = self.of(worker);
                totals.departures += 1;
                totals.last_departure = Some(why);
                self.moved(worker, at, false);
            }
            Record::NotPlanned { .. } | Record::Paused { .. } | Record::Ignored { .. } => {}
        }
    }

    /// What a worker's records add up to; nothing of one that no record names.
    pub fn worker(&self, worker: WorkerId) -> WorkerTotals {
        let known = self.workers.get(worker.get() as usize);
        known.copied().unwrap_or_default()
    }

    /// What each worker's records add up to, by its number.
    pub fn workers(&self) -> &[WorkerTotals] {
        &self.workers
    }

    /// The plan that was taken last.
    pub const fn last_plan(&self) -> Option<&PlanRow> {
        self.plan.as_ref()
    }

    /// What each candidate gets in the plan that was taken last.
    pub fn last_shares(&self) -> &[ShareRow] {
        &self.shares
    }

    /// The number of cycles that were run.
    pub const fn cycles(&self) -> u64 {
        self.cycles
    }

    /// The time spent shipping data, before the first cycle and between later ones.
    pub const fn shipping(&self) -> Span {
        self.shipping
    }

    /// The first share that was not done in full.
    pub const fn first_incomplete(&self) -> Option<&AssignmentRow> {
        self.incomplete.as_ref()
    }

    /// What was predicted of the cycles that were run, by what was known when each plan was made,
    /// beside what they took; nothing if no cycle is counted.
    pub fn forecast(&self) -> Option<Forecast> {
        self.forecast.as_ref()?.sums()
    }

    /// The same of a worker's computing.
    pub fn forecast_of(&self, worker: WorkerId) -> Option<Beside> {
        self.forecast.as_ref()?.worker(worker)
    }

    /// How fast a worker was in cycles.
    pub fn pace_of(&self, worker: WorkerId) -> Pace {
        let known = self.paces.get(worker.get() as usize);
        known.copied().unwrap_or_default()
    }

    /// The workers that left and returned, in the order of time: the first of very many.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    fn pace(&mut self, row: &AssignmentRow) {
        let seconds = row.computed.seconds_f64();
        if row.claimed < row.assigned || row.claimed == 0 || seconds <= 0.0 {
            return;
        }
        let worker = row.worker.get() as usize;
        if worker >= self.paces.len() {
            self.paces.resize(worker + 1, Pace::default());
        }
        let pace = &mut self.paces[worker];
        pace.batches += row.claimed;
        pace.took = pace.took + row.computed;
        pace.logarithms.add((seconds / row.claimed as f64).ln());
    }

    fn moved(&mut self, worker: WorkerId, at: Instant, returned: bool) {
        if self.forecast.is_some() && self.moves.len() < MOST_MOVES {
            self.moves.push(Move {
                worker,
                at,
                returned,
            });
        }
    }

    fn of(&mut self, worker: WorkerId) -> &mut WorkerTotals {
        let worker = worker.get() as usize;
        if worker >= self.workers.len() {
            self.workers.resize(worker + 1, WorkerTotals::default());
        }
        &mut self.workers[worker]
    }
}

/// What the records of one worker add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerTotals {
    /// What it is paid per batch.
    pub fee: Option<Fee>,
    /// When it was first admitted.
    pub joined: Option<Instant>,
    /// Its first benchmark.
    pub benchmark: Option<Speed>,
    /// Its connection as the last plan had it.
    pub link: Option<Link>,
    /// How often it was admitted.
    pub sessions: u64,
    /// How often it left or was excluded.
    pub departures: u64,
    /// Why it left last.
    pub last_departure: Option<Departure>,
    /// Cycles in which it was given orders.
    pub cycles: u64,
    /// Of these, the number in which it did all of its share.
    pub complete: u64,
    /// The batches of its shares.
    pub assigned: u64,
    /// Batches that count.
    pub accepted: u64,
    /// What it is paid in all.
    pub cost: Cost,
    /// The part of that which was charged for employing it.
    pub charges: Cost,
    /// How long the time model expected its shares to take.
    pub expected: Span,
    /// From orders to results.
    pub elapsed: Span,
    /// How long it says it computed.
    pub computed: Span,
}

impl WorkerTotals {
    fn add(&mut self, row: &AssignmentRow) {
        self.assigned += row.assigned;
        self.accepted += row.accepted;
        self.cost += row.cost;
        self.charges += row.charge;
        if row.fate == Fate::Absent {
            return;
        }
        self.cycles += 1;
        self.complete += u64::from(row.fate == Fate::Complete);
        self.expected = self.expected + row.expected;
        self.elapsed = self.elapsed + row.elapsed;
        self.computed = self.computed + row.computed;
    }
}
