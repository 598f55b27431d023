//! A run folder as recorded runs: each plan of each run is one, with the cycles that did not fail and in which
//! no worker was missing. Only what a real run's folder holds too is read.

use std::path::Path;

use console::Stop;
use results::runs::{Job as FolderJob, Period, RecordedFolder};
use scenarios::calibration::Calibration;
use scenarios::recorded::{Measured, RecordedJob, RecordedRun};
use scheduler::{Problem, Terms, Worker};

/// What a folder holds.
pub(super) struct Folder {
    pub(super) runs: Vec<RecordedRun>,
    /// The runs that these are the plans of, in their order.
    pub(super) wholes: Vec<Whole>,
    /// The times that a cycle has besides computing, by the folder's own link and model.
    pub(super) calibration: Calibration,
    /// How much of what was planned is there, if it is not all.
    pub(super) interrupted: Option<String>,
    /// What of it is not predicted, a line each.
    pub(super) notes: Vec<String>,
}

/// A run with all its plans.
pub(super) struct Whole {
    pub(super) name: String,
    /// The plans, each with cycles that count.
    pub(super) plans: usize,
    /// Cycles that do not.
    pub(super) left_out: u64,
}

/// Reads a folder.
pub(super) fn read(path: &Path) -> Result<Folder, Stop> {
    let folder = RecordedFolder::open(path).map_err(crate::folder::stop)?;
    let (shown, plan, job) = (path.display(), folder.plan(), folder.job());
    let interrupted = (folder.finished() < plan.replicates).then(|| {
        let (finished, planned) = (folder.finished(), plan.replicates);
        format!("{shown} was interrupted: {finished} of {planned} replicates are there")
    });
    let mut notes = Vec::new();
    let (mut runs, mut cycles, mut left_out) = (Vec::new(), 0, 0);
    let mut wholes = Vec::new();
    for run in folder.runs().map_err(crate::folder::stop)? {
        let run = run.map_err(crate::folder::stop)?;
        let several = run.periods.len() > 1;
        let mut whole = Whole {
            name: format!("{}-{}", run.replicate, run.allocator),
            plans: 0,
            left_out: 0,
        };
        for period in run.periods {
            cycles += period.cycles + period.left_out;
            left_out += period.left_out;
            whole.left_out += period.left_out;
            if period.cycles == 0 {
                continue;
            }
            whole.plans += 1;
            let mut id = whole.name.clone();
            if several {
                id += &format!("-plan{}", period.plan);
            }
            runs.push(
                recorded(&id, period, job)
                    .map_err(|message| Stop::bad(format!("{shown}: run {id}: {message}")))?,
            );
        }
        wholes.push(whole);
    }
    if left_out > 0 {
        notes.push(format!(
            "{left_out} of {cycles} cycles are left out, as they failed or a worker was missing in them"
        ));
    }
    if runs.is_empty() {
        notes.push("no cycle was run, there is nothing to predict".to_owned());
    }
    Ok(Folder {
        runs,
        wholes,
        calibration: Calibration {
            evaluation_ns: job.cycle_model.evaluation.nanos(),
            down_ns: job.cycle_model.down.nanos(),
            up_ns: job.cycle_model.up.nanos(),
            parameter_bytes: job.parameter_bytes,
            fitted_on: Vec::new(),
            left_out: Vec::new(),
            mean_error_percent: 0.0,
            command: String::new(),
            service: job.cycle_model.service,
        },
        interrupted,
        notes,
    })
}

fn recorded(id: &str, period: Period, job: &FolderJob) -> Result<RecordedRun, String> {
    let config = &job.config;
    let candidates = &period.candidates;
    let worker = |candidate: &results::runs::Candidate| Worker {
        s_max: candidate.s_max,
        fee: candidate.fee,
    };
    let workers = candidates.iter().map(worker).collect();
    let problem = Problem::new(config.batches, config.s_min, config.beta, workers);
    let terms = candidates.iter().map(|candidate| Terms {
        charge: candidate.charge,
        tiers: candidate.tiers.clone(),
        least: candidate.least,
    });
    Ok(RecordedRun {
        id: serde_json::Value::from(id).to_string(),
        names: candidates.iter().map(|c| c.name.to_string()).collect(),
        job: RecordedJob {
            problem: problem
                .map_err(|error| error.to_string())?
                .with_terms(terms.collect()),
            speeds: candidates.iter().map(|c| c.speed).collect(),
            links: candidates.iter().map(|c| c.link).collect(),
            time_model: config.time_model,
            batches: candidates.iter().map(|c| c.batches).collect(),
            cycles: period.cycles,
            limit: Some(period.limit * period.cycles),
        },
        measured: Measured {
            training: Some(period.training),
            computes: period.candidates.into_iter().map(|c| c.computes).collect(),
        },
    })
}
