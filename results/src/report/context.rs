//! What a page about runs says beyond their tables: predictions, and what other limits would cost.

use scheduler::{Cost, Span};

/// What the tables of runs do not say by themselves.
#[derive(Clone, Debug, Default)]
pub struct ReportContext {
    /// What each limit of a cycle costs at least.
    pub frontier: Option<Frontier>,
    /// What was predicted of the runs.
    pub predicted: Vec<Predicted>,
    /// What else there is to know, a sentence each.
    pub notes: Vec<String>,
}

/// A curve of fees over limits.
#[derive(Clone, Debug)]
pub struct Frontier {
    /// Each limit from which on a plan is cheaper, and its fee; ascending.
    pub steps: Vec<(Span, Cost)>,
    /// The limit that the job has.
    pub now: Span,
}

/// The prediction of one run.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// Which run.
    pub run: String,
    /// How long its cycles take together.
    pub predicted: Span,
    /// How long they took.
    pub measured: Option<Span>,
    /// Its employed workers.
    pub workers: Vec<PredictedWorker>,
}

/// The prediction of a worker's computing in one cycle.
#[derive(Clone, Debug)]
pub struct PredictedWorker {
    /// Its name.
    pub name: String,
    /// How long it computes.
    pub predicted: Span,
    /// How long it did, in the mean.
    pub measured: Option<Span>,
}
