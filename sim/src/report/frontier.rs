//! What each limit would have cost: the exact curve of the first question that a folder's
//! scheduler asked.
//!
//! Of a simulation that question comes from the scenario and the seed, as for `sim plan`; of a
//! real run from its log of events, which replays it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use results::event_log::EventReader;
use results::report::Frontier;
use results::runs::{RecordedFolder, RunsPlan};
use scenarios::Overrides;
use scheduler::machine::{Action, Scheduler};
use scheduler::{PlanRequest, Span};
use solvers::Exact;
use solvers::frontier::{self, Effort};

use crate::cli::ReplicateArgs;
use crate::environment::SettingArgs;
use crate::plan::question;
use crate::run::{Setting, Source};

/// A second or two; who wants a longer curve asks `sim plan` for it.
const BUDGET: u64 = 50_000_000;

/// The curve; none if no limit has a plan.
///
/// # Errors
/// Why there is none, in words.
pub(super) fn of(dir: &Path) -> Result<Option<Frontier>, String> {
    let folder = RecordedFolder::open(dir).map_err(|error| error.to_string())?;
    let request = if folder.plan().mode == "real" {
        replayed(dir, folder.plan())?
    } else {
        simulated(dir, folder.plan())?
    };
    let exact = &mut Exact::default();
    let all = (Span::ZERO, Span::from_nanos(u64::MAX));
    let effort = Effort {
        budget: BUDGET,
        progress: &mut |_| {},
    };
    let curve = frontier::over_time(&request, exact, all, effort);
    if !curve.is_whole {
        return Err("it has too many steps for a page, see sim plan --frontier time".to_owned());
    }
    let steps: Vec<_> = curve
        .points
        .iter()
        .map(|point| (point.limit, point.cost))
        .collect();
    Ok((!steps.is_empty()).then(|| Frontier {
        steps,
        now: request.limit(),
    }))
}

/// What is asked first in the first replicate of the folder's scenario.
fn simulated(dir: &Path, plan: &RunsPlan) -> Result<PlanRequest, String> {
    let path = dir.join("scenario.toml");
    if !path.is_file() {
        return Err("the folder has no scenario.toml".to_owned());
    }
    // A path that is no text is no name of the catalogue either.
    let source = Source::open(&path.to_string_lossy());
    let source = source.map_err(|_| "its scenario.toml cannot be read".to_owned())?;
    let args = ReplicateArgs {
        scenario: plan.scenario.clone(),
        set: Vec::new(),
        settings: SettingArgs::default(),
        replicates: Some(1),
        seed: Some(plan.seed),
        allocators: Vec::new(),
        threads: None,
    };
    let setting = Setting::new(&source, &Overrides::default(), &args);
    let setting = setting.map_err(|lines| lines.join("; "))?;
    Ok(question::of(&setting))
}

/// What a real run's scheduler asked first.
fn replayed(dir: &Path, plan: &RunsPlan) -> Result<PlanRequest, String> {
    let path = dir
        .join("events")
        .join(format!("0-{}.jsonl", plan.allocators[0]));
    if fs::metadata(&path).is_err() {
        return Err("the folder has no log of events".to_owned());
    }
    let mut events = EventReader::open(&path).map_err(|error| error.to_string())?;
    let mut scheduler = Scheduler::new(events.config().clone());
    let mut actions = Vec::new();
    for event in &mut events {
        let (now, event) = event.map_err(|error| error.to_string())?;
        // What it asks to be woken for is in the log.
        let _ = scheduler.step(now, event, &mut actions);
        for action in actions.drain(..) {
            if let Action::Solve { request, .. } = action {
                return Ok(Arc::unwrap_or_clone(request));
            }
        }
    }
    Err("no plan was ever asked for".to_owned())
}
