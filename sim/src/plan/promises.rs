//! What each confidence costs: the margins that it asks for, the fee and the least limit that follow,
//! and how many simulated jobs keep every limit.

use results::Estimate;
use results::plan_line::decimal;
use results::runs::RunEnd;
use results::text::{Style, Table, number};
use scenarios::scenario::Ratio;
use scheduler::{Cost, Span};
use serde::Serialize;
use serde_json::value::RawValue;
use solvers::frontier::least_limit;
use solvers::{Allocator, Exact};

use super::answer::Stated;
use super::question;
use super::words::seconds;
use crate::run::figures::{missed, percent};
use crate::run::{Runs, Setting};

/// The confidences that are compared, in millionths.
const CONFIDENCES: [u64; 4] = [500_000, 900_000, 950_000, 990_000];

/// A confidence and what follows from it.
pub(super) struct Promise {
    confidence: Ratio,
    /// The least fee of a cycle, if there is a plan.
    fee: Option<Cost>,
    /// The least limit with a plan, as the scenario states limits.
    least: Option<Span>,
    /// Simulated jobs that keep every limit, of those that had a plan: the others cost nothing.
    kept: Option<Estimate>,
}

/// Whether the scenario states anything that could make a cycle late: without errors no margin is
/// added.
pub(super) fn is_certain(setting: &Setting) -> bool {
    !setting.scenario().states_errors()
}

/// The settings of a scenario, one for each confidence that is compared.
pub(super) fn settings(setting: &Setting) -> Vec<Setting> {
    if is_certain(setting) {
        return Vec::new();
    }
    let confidences = CONFIDENCES.map(Ratio::from_micros);
    confidences.map(|c| setting.with_confidence(c)).into()
}

/// What follows from each, with the runs that were simulated of it.
pub(super) fn of(settings: &[Setting], runs: &[Runs]) -> Vec<Promise> {
    let exact = &mut Exact::default();
    let promise = |(setting, runs): (&Setting, &Runs)| {
        let request = question::of(setting);
        let stated = Stated::of_setting(setting, &request);
        let best = request.cheapest(|problem| exact.measure(problem).outcome);
        let least = least_limit(&request, exact, None);
        let runs = runs.first().map_or(&[][..], Vec::as_slice);
        Promise {
            confidence: setting.scenario().job().confidence(),
            fee: best.outcome.planned().map(|planned| planned.plan.cost),
            least: least.map(|point| stated.of(point.limit)),
            kept: missed(&begun(runs)).map(kept),
        }
    };
    settings.iter().zip(runs).map(promise).collect()
}

/// The runs that had a plan to begin with.
fn begun(runs: &[RunEnd]) -> Vec<RunEnd> {
    let begun = runs.iter().filter(|run| run.totals.plans > 0);
    begun.copied().collect()
}

/// The share of the others.
fn kept(missed: Estimate) -> Estimate {
    Estimate {
        value: 1.0 - missed.value,
        low: missed.high.map(|high| 1.0 - high),
        high: missed.low.map(|low| 1.0 - low),
    }
}

/// As a table, under the page.
pub(super) fn text(promises: &[Promise], stated: &str, style: Style) -> String {
    if promises.is_empty() {
        return String::new();
    }
    let least = format!("least {}", stated.trim_start_matches("job."));
    let numbers = ["job.confidence", "fee per cycle", &least, "jobs kept %"];
    let mut table = Table::new([""; 0], numbers);
    for promise in promises {
        let dash = || "-".to_owned();
        table.row([
            number(Some(promise.confidence.as_f64()), 2),
            promise.fee.map_or_else(dash, |fee| fee.to_string()),
            promise.least.map_or_else(dash, seconds),
            percent(promise.kept),
        ]);
    }
    format!("\n{}", table.render(style))
}

/// As a part of the line for scripts.
#[derive(Serialize)]
pub(super) struct Line {
    confidence: f64,
    fee: Option<Box<RawValue>>,
    least_limit_ns: Option<u64>,
    kept: Option<Estimate>,
}

impl From<&Promise> for Line {
    fn from(promise: &Promise) -> Self {
        Self {
            confidence: promise.confidence.as_f64(),
            fee: promise.fee.map(decimal),
            least_limit_ns: promise.least.map(Span::nanos),
            kept: promise.kept,
        }
    }
}
