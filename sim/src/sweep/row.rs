//! One row: what is known of a combination under an allocator.

use results::Estimate;
use results::runs::RunEnd;
use serde_json::{Value, json};
use solvers::AllocatorName;

use crate::run::figures::COLUMNS;
use crate::run::{Runs, Setting};

/// No message about a scenario is this.
const INTERRUPTED: &str = "interrupted";

/// The columns after those of the varied keys, in JSON and CSV.
pub(super) fn columns() -> Vec<String> {
    let mut columns = ["allocator", "seed", "replicates"]
        .map(str::to_owned)
        .to_vec();
    columns.extend(COLUMNS.iter().flat_map(|column| column.keys()));
    columns.push("error".to_owned());
    columns
}

pub(super) struct Row {
    /// Of the varied keys, as they were given.
    pub(super) values: Vec<String>,
    /// Unknown when the scenario was to name it and could not be read.
    pub(super) allocator: Option<AllocatorName>,
    /// What came of it, or why nothing did.
    pub(super) outcome: Result<Figures, String>,
}

/// What came of all runs of a row.
pub(super) struct Figures {
    seed: u64,
    pub(super) replicates: usize,
    /// One for each of [`COLUMNS`].
    pub(super) estimates: Vec<Option<Estimate>>,
}

impl Row {
    pub(super) fn new(
        values: &[String],
        allocator: Option<AllocatorName>,
        outcome: Result<Figures, String>,
    ) -> Self {
        Self {
            values: values.to_vec(),
            allocator,
            outcome,
        }
    }

    /// Of a combination that was not simulated before Ctrl-C.
    pub(super) fn interrupted(values: &[String], allocator: Option<AllocatorName>) -> Self {
        Self::new(values, allocator, Err(INTERRUPTED.to_owned()))
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.error() == Some(INTERRUPTED)
    }

    /// Of a setting's runs, for each of its allocators.
    #[expect(clippy::needless_pass_by_value, reason = "the runs end here")]
    pub(super) fn figures(setting: &Setting, runs: Runs) -> Vec<Figures> {
        let figures = |runs: &Vec<RunEnd>| Figures {
            seed: setting.seed,
            replicates: runs.len(),
            estimates: COLUMNS.iter().map(|column| column.of(runs)).collect(),
        };
        runs.iter().map(figures).collect()
    }

    pub(super) fn is_bad(&self) -> bool {
        self.outcome.is_err()
    }

    pub(super) fn error(&self) -> Option<&str> {
        self.outcome.as_ref().err().map(String::as_str)
    }

    /// What belongs into [`columns`], null where there is nothing to say.
    pub(super) fn cells(&self) -> Vec<Value> {
        let figures = self.outcome.as_ref().ok();
        let mut cells = vec![
            json!(self.allocator.map(AllocatorName::name)),
            json!(figures.map(|figures| figures.seed)),
            json!(figures.map(|figures| figures.replicates)),
        ];
        for (at, column) in COLUMNS.iter().enumerate() {
            cells.extend(column.values(figures.and_then(|figures| figures.estimates[at])));
        }
        cells.push(json!(self.error()));
        cells
    }
}
