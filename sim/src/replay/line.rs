//! The JSON line of a replayed run.
//!
//! `predicted_s` is the time of the allocation that was asked for. With `--allocator` that is
//! another run than the recorded one, so `error_percent` is null unless both allocations are the
//! same, and what is predicted of the recorded one stands in `recorded`. Fees are plain decimals
//! that never go through a float.

use results::plan_line::decimal;
use scenarios::calibration::error_percent;
use scheduler::{Plan, Span};
use serde::Serialize;
use serde_json::value::RawValue;

use super::replayed::Replay;

/// The line, without its end.
pub(super) fn of(replay: &Replay<'_>) -> String {
    let run = replay.run;
    let recorded_plan = replay.recorded_plan();
    let (plan, predicted, error) = match &replay.other {
        None => (
            Some(&recorded_plan),
            Some(replay.predicted),
            replay.error_percent(),
        ),
        Some(other) => {
            let plan = other.plan();
            let is_same = plan.is_some_and(|plan| plan.batches == recorded_plan.batches);
            let error = replay.error_percent().filter(|_| is_same);
            (plan, other.predicted, error)
        }
    };
    let line = Line {
        run: RawValue::from_string(run.id.clone()).expect("ids were read as JSON"),
        measured_s: run.measured.training.map(Span::seconds_f64),
        predicted_s: predicted.map(Span::seconds_f64),
        error_percent: error,
        outlier: run.job.is_outlier(),
        benchmark_ratio: run.job.benchmark_ratio(),
        limit_s: run.job.limit.map(Span::seconds_f64),
        cycles: run.job.cycles,
        workers_employed: plan.map(Plan::workers_employed),
        fee_per_cycle: plan.map(|plan| decimal(plan.cost)),
        loo: replay.left_out.map(|left_out| LeftOut {
            loo_predicted_s: left_out.seconds_f64(),
            loo_error_percent: run
                .measured
                .training
                .map(|time| error_percent(left_out, time)),
        }),
        other: replay.other.as_ref().map(|other| OtherLine {
            allocator: other.allocator,
            status: other.outcome.status(),
            reason: other.outcome.reason(),
            recorded: Recorded {
                predicted_s: replay.predicted.seconds_f64(),
                error_percent: replay.error_percent(),
                workers_employed: recorded_plan.workers_employed(),
                fee_per_cycle: decimal(recorded_plan.cost),
                batches: &recorded_plan.batches,
            },
        }),
        batches: plan.map(|plan| plan.batches.as_slice()),
        workers: plan.map(|plan| workers(replay, plan)).unwrap_or_default(),
    };
    serde_json::to_string(&line).expect("numbers and strings are JSON")
}

fn workers<'a>(replay: &'a Replay<'_>, plan: &Plan) -> Vec<WorkerLine<'a>> {
    let employed = plan.batches.iter().enumerate().filter(|&(_, &x)| x > 0);
    let line = |(worker, &batches): (usize, &u64)| {
        let (predicted, recorded) = replay.compute(worker, batches);
        WorkerLine {
            name: &replay.run.names[worker],
            batches,
            predicted_cycle_s: predicted.seconds_f64(),
            recorded_cycle_s: recorded.map(Span::seconds_f64),
            error_percent: recorded.map(|recorded| error_percent(predicted, recorded)),
        }
    };
    employed.map(line).collect()
}

#[derive(Serialize)]
struct Line<'a> {
    run: Box<RawValue>,
    measured_s: Option<f64>,
    predicted_s: Option<f64>,
    error_percent: Option<f64>,
    outlier: bool,
    benchmark_ratio: f64,
    limit_s: Option<f64>,
    cycles: u64,
    workers_employed: Option<u64>,
    fee_per_cycle: Option<Box<RawValue>>,
    #[serde(flatten)]
    loo: Option<LeftOut>,
    #[serde(flatten)]
    other: Option<OtherLine<'a>>,
    batches: Option<&'a [u64]>,
    workers: Vec<WorkerLine<'a>>,
}

#[derive(Serialize)]
struct LeftOut {
    loo_predicted_s: f64,
    loo_error_percent: Option<f64>,
}

#[derive(Serialize)]
struct OtherLine<'a> {
    allocator: &'static str,
    status: &'static str,
    reason: Option<&'static str>,
    recorded: Recorded<'a>,
}

/// The recorded allocation beside another one.
#[derive(Serialize)]
struct Recorded<'a> {
    predicted_s: f64,
    error_percent: Option<f64>,
    workers_employed: u64,
    fee_per_cycle: Box<RawValue>,
    batches: &'a [u64],
}

/// An employed worker: how long it computes in a cycle, predicted and recorded.
#[derive(Serialize)]
struct WorkerLine<'a> {
    name: &'a str,
    batches: u64,
    predicted_cycle_s: f64,
    recorded_cycle_s: Option<f64>,
    error_percent: Option<f64>,
}
