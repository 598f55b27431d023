//! What was predicted of a run's cycles, beside what they took.
//!
//! Each plan is predicted once, with what was known when it was made; a run is the sum of its cycles.
//! A cycle that failed, or in which a planned worker was missing, says nothing of its plan: it is left out
//! of both sums. `sim replay` of the run's folder comes to the same spans, since both ask
//! [`CycleModel::predict`](scheduler::CycleModel::predict) and leave out the same cycles.
//!
//! **What it does not know:** how it is shown.

use std::fmt;

use scheduler::machine::{AssignmentRow, CycleResult, CycleRow, Fate, ShareRow, WorkerId};
use scheduler::{CycleModel, Employed, Prediction, Span, TimeModel};

use super::plan::Job;

/// Predicted and measured spans of the same thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// What was predicted.
    pub predicted: Span,
    /// What it took.
    pub measured: Span,
}

impl Beside {
    /// By how much the prediction is off, in percent of what was measured.
    pub fn error_percent(&self) -> Option<f64> {
        let measured = self.measured.seconds_f64();
        (measured > 0.0).then(|| 100.0 * (self.predicted.seconds_f64() / measured - 1.0))
    }

    /// Adds more of it.
    pub fn add(&mut self, predicted: Span, measured: Span) {
        self.predicted = self.predicted + predicted;
        self.measured = self.measured + measured;
    }
}

/// In seconds, with the error in percent.
impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [predicted, measured] = [self.predicted, self.measured].map(Span::seconds_f64);
        write!(f, "{predicted:.3} s, measured {measured:.3} s")?;
        match self.error_percent() {
            Some(error) => write!(f, " ({error:+.1} %)"),
            None => Ok(()),
        }
    }
}

/// The cycles of a run, predicted and measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// All counted cycles together.
    pub cycles_took: Beside,
    /// Cycles that are counted.
    pub cycles: u64,
    /// Cycles that failed, or in which a planned worker was missing.
    pub left_out: u64,
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} cycles", self.cycles_took, self.cycles)?;
        match self.left_out {
            0 => Ok(()),
            1 => f.write_str("; one more, which failed or missed a worker, is left out"),
            count => write!(
                f,
                "; {count} more, which failed or missed a worker, are left out"
            ),
        }
    }
}

/// Whether the time of a cycle says nothing of its plan: it was broken off or came to nothing, or a worker
/// was not there all through it.
pub(super) fn says_nothing(cycle: &CycleRow, mut fates: impl Iterator<Item = Fate>) -> bool {
    cycle.result == CycleResult::Failed || fates.any(is_missing)
}

const fn is_missing(fate: Fate) -> bool {
    match fate {
        Fate::Complete | Fate::Truncated | Fate::Late | Fate::Refused => false,
        Fate::Lost | Fate::Absent => true,
    }
}

/// Follows a run and keeps sums.
#[derive(Clone, Debug)]
pub(super) struct Forecaster {
    cycle_model: CycleModel,
    time_model: TimeModel,
    /// The plan in force.
    workers: Vec<WorkerId>,
    employed: Vec<Employed>,
    prediction: Option<Prediction>,
    /// Of the cycle under way: how long those computed that did all of their share.
    computed: Vec<(WorkerId, Span)>,
    fates: Vec<Fate>,
    sums: Forecast,
    of_workers: Vec<Beside>,
}

impl Forecaster {
    pub(super) fn new(job: &Job) -> Self {
        Self {
            cycle_model: job.cycle_model,
            time_model: job.config.time_model,
            workers: Vec::new(),
            employed: Vec::new(),
            prediction: None,
            computed: Vec::new(),
            fates: Vec::new(),
            sums: Forecast::default(),
            of_workers: Vec::new(),
        }
    }

    /// Another plan is in force; its shares follow.
    pub(super) fn planned(&mut self) {
        self.workers.clear();
        self.employed.clear();
        self.prediction = None;
    }

    pub(super) fn share(&mut self, row: &ShareRow) {
        if let Some(employed) = row.employed() {
            self.workers.push(row.worker);
            self.employed.push(employed);
        }
    }

    pub(super) fn assignment(&mut self, row: &AssignmentRow) {
        self.fates.push(row.fate);
        if row.claimed >= row.assigned {
            self.computed.push((row.worker, row.computed));
        }
    }

    pub(super) fn cycle(&mut self, row: &CycleRow) {
        let computed = std::mem::take(&mut self.computed);
        if says_nothing(row, self.fates.drain(..)) {
            self.sums.left_out += 1;
            return;
        }
        let (cycle_model, time_model) = (&self.cycle_model, &self.time_model);
        let employed = &self.employed;
        let prediction = self
            .prediction
            .get_or_insert_with(|| cycle_model.predict(time_model, employed));
        self.sums.cycles += 1;
        let took = row.ended.since(row.started);
        self.sums.cycles_took.add(prediction.cycle, took);
        for (worker, took) in computed {
            let Ok(at) = self.workers.binary_search(&worker) else {
                continue; // shares come by number; one without a share is nobody's prediction
            };
            let place = worker.get() as usize;
            if place >= self.of_workers.len() {
                self.of_workers.resize(place + 1, Beside::default());
            }
            self.of_workers[place].add(prediction.computes[at], took);
        }
    }

    /// The sums, if any cycle is counted.
    pub(super) fn sums(&self) -> Option<Forecast> {
        (self.sums.cycles > 0).then_some(self.sums)
    }

    /// The computing of a worker in the counted cycles in which it did all of its share.
    pub(super) fn worker(&self, worker: WorkerId) -> Option<Beside> {
        let known = self.of_workers.get(worker.get() as usize).copied();
        known.filter(|beside| beside.measured > Span::ZERO)
    }
}
