//! One row: what is known of a combination under an allocator.

use results::Estimate;
use results::runs::RunEnd;
use serde_json::{Value, json};
use solvers::AllocatorName;

use crate::run::figures::{fee, limit, lost_percent, mean, missed, wall};
use crate::run::{Runs, Setting};

/// The columns after those of the varied keys, in JSON and CSV.
pub(super) const COLUMNS: [&str; 19] = [
    "allocator",
    "seed",
    "replicates",
    "fee",
    "fee_low",
    "fee_high",
    "wall_s",
    "wall_s_low",
    "wall_s_high",
    "limit_s",
    "missed",
    "missed_low",
    "missed_high",
    "cycles_complete",
    "cycles_truncated",
    "cycles_failed",
    "lost_percent",
    "plans",
    "error",
];

/// No message about a scenario is this.
const INTERRUPTED: &str = "interrupted";

/// Whether a varied key of that name would make two columns of one name.
pub(super) fn is_column(key: &str) -> bool {
    COLUMNS.contains(&key)
}

pub(super) struct Row {
    /// Of the varied keys, as they were given.
    pub(super) values: Vec<String>,
    /// Unknown when the scenario was to say it and could not be read.
    pub(super) allocator: Option<AllocatorName>,
    /// What came of it, or why nothing did.
    pub(super) outcome: Result<Figures, String>,
}

/// Means a run, or shares of all runs.
pub(super) struct Figures {
    pub(super) seed: u64,
    pub(super) replicates: usize,
    pub(super) fee: Option<Estimate>,
    pub(super) wall: Option<Estimate>,
    pub(super) limit: Option<f64>,
    pub(super) missed: Option<Estimate>,
    pub(super) complete: Option<f64>,
    pub(super) truncated: Option<f64>,
    pub(super) failed: Option<f64>,
    pub(super) lost_percent: Option<f64>,
    pub(super) plans: Option<f64>,
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

    /// Of a combination that Ctrl-C left no time for.
    pub(super) fn interrupted(values: &[String], allocator: Option<AllocatorName>) -> Self {
        Self::new(values, allocator, Err(INTERRUPTED.to_owned()))
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.error() == Some(INTERRUPTED)
    }

    /// Of a setting's runs, for each of its allocators.
    #[expect(clippy::needless_pass_by_value, reason = "the runs end here")]
    pub(super) fn figures(setting: &Setting, runs: Runs) -> Vec<Figures> {
        runs.iter().map(|runs| figures(setting, runs)).collect()
    }

    pub(super) fn is_bad(&self) -> bool {
        self.outcome.is_err()
    }

    pub(super) fn error(&self) -> Option<&str> {
        self.outcome.as_ref().err().map(String::as_str)
    }

    /// What belongs into [`COLUMNS`], null where there is nothing to say.
    pub(super) fn cells(&self) -> [Value; COLUMNS.len()] {
        let known = self.outcome.as_ref().ok();
        let number = |of: &dyn Fn(&Figures) -> Option<f64>| json!(known.and_then(of));
        let estimate = |of: &dyn Fn(&Figures) -> Option<Estimate>| {
            let estimate = known.and_then(of);
            [
                json!(estimate.map(|e| e.value)),
                json!(estimate.and_then(|e| e.low)),
                json!(estimate.and_then(|e| e.high)),
            ]
        };
        let [fee, fee_low, fee_high] = estimate(&|f| f.fee);
        let [wall, wall_low, wall_high] = estimate(&|f| f.wall);
        let [missed, missed_low, missed_high] = estimate(&|f| f.missed);
        [
            json!(self.allocator.map(AllocatorName::name)),
            json!(known.map(|f| f.seed)),
            json!(known.map(|f| f.replicates)),
            fee,
            fee_low,
            fee_high,
            wall,
            wall_low,
            wall_high,
            number(&|f| f.limit),
            missed,
            missed_low,
            missed_high,
            number(&|f| f.complete),
            number(&|f| f.truncated),
            number(&|f| f.failed),
            number(&|f| f.lost_percent),
            number(&|f| f.plans),
            json!(self.error()),
        ]
    }
}

fn figures(setting: &Setting, runs: &[RunEnd]) -> Figures {
    let of = |of: &dyn Fn(&RunEnd) -> f64| mean(runs, of).map(|mean| mean.value);
    Figures {
        seed: setting.seed,
        replicates: runs.len(),
        fee: mean(runs, fee),
        wall: mean(runs, wall),
        limit: of(&limit),
        missed: missed(runs),
        complete: of(&|run| f64::from(run.totals.complete)),
        truncated: of(&|run| f64::from(run.totals.truncated)),
        failed: of(&|run| f64::from(run.totals.failed)),
        lost_percent: of(&lost_percent),
        plans: of(&|run| f64::from(run.totals.plans)),
    }
}
