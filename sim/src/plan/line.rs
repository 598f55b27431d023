//! The line for a script: a plan as `sim solve` prints it, with more keys after it.

use results::Estimate;
use results::plan_line::{self, Context, LineError, decimal};
use results::runs::RunEnd;
use scheduler::Span;
use serde::Serialize;
use serde_json::value::RawValue;
use solvers::changes::Change;
use solvers::frontier::Point;

use super::answer::{Answer, Stated};
use super::promises::{self, Promise};
use super::words::{why, words_of};
use crate::run::Setting;
use crate::run::figures::{fee, mean_of_whole, missed, wall};

/// Times are in nanoseconds, as whole numbers; money is in units, as exact decimals.
#[derive(Serialize)]
struct More<'a> {
    seed: u64,
    cycles: u32,
    limit_ns: u64,
    stated: &'static str,
    stated_ns: u64,
    capacities_for: u64,
    /// What the exact allocator's plan costs.
    optimum: Option<Box<RawValue>>,
    /// What the plan is chosen by.
    objective: &'static str,
    /// What all cycles together may cost.
    budget: Option<Box<RawValue>>,
    /// The least limit of a plan that the budget pays for.
    affordable_from: Option<At>,
    predicted_cycle_ns: Option<u64>,
    predicted_job_ns: Option<u64>,
    least_fee: Option<At>,
    least_limit: Option<At>,
    same_from: Option<At>,
    cheaper_from: Option<At>,
    one_second_more: Option<Box<RawValue>>,
    one_second_less: Option<Box<RawValue>>,
    changes: Vec<ChangeLine>,
    simulated: Option<Simulated>,
    /// What each confidence would cost, and how many jobs would keep every limit.
    confidences: Vec<promises::Line>,
    workers: Vec<Worker<'a>>,
}

/// A limit and what a plan costs at it.
#[derive(Serialize)]
pub(super) struct At {
    limit_ns: u64,
    stated_ns: u64,
    cost: Box<RawValue>,
    workers_employed: u64,
}

impl At {
    pub(super) fn new(point: &Point, stated: &Stated) -> Self {
        Self {
            limit_ns: point.limit.nanos(),
            stated_ns: stated.of(point.limit).nanos(),
            cost: decimal(point.cost),
            workers_employed: point.workers_employed,
        }
    }
}

#[derive(Serialize)]
struct ChangeLine {
    change: &'static str,
    /// The value that works; for new workers, their least speed in batches per second.
    to: serde_json::Value,
    count: Option<u64>,
    words: String,
}

#[derive(Serialize)]
struct Simulated {
    replicates: usize,
    missed: Option<Estimate>,
    fee: Option<Estimate>,
    wall_s: Option<Estimate>,
}

#[derive(Serialize)]
struct Worker<'a> {
    name: &'a str,
    fee: Box<RawValue>,
    charge: Box<RawValue>,
    batches: u64,
    cost: Box<RawValue>,
    s_max: Option<u64>,
    expected_ns: Option<u64>,
    predicted_ns: Option<u64>,
    idle: Option<String>,
}

pub(super) fn of(
    setting: &Setting,
    answer: &Answer,
    runs: &[RunEnd],
    promises: &[Promise],
) -> Result<String, LineError> {
    let repairs: Vec<String> = answer
        .changes
        .iter()
        .map(|c| words_of(answer, *c))
        .collect();
    let repairs = repairs.join(", or ");
    let names: Vec<Option<String>> = answer
        .workers
        .iter()
        .map(|worker| Some(worker.name.clone()))
        .collect();
    let context = Context {
        id: "0",
        allocator: answer.allocator.name(),
        names: &names,
        repairs: &repairs,
    };
    let (prices, stated) = (&answer.prices, &answer.stated);
    let at = |point: Option<Point>| point.map(|point| At::new(&point, stated));
    let more = More {
        seed: setting.seed,
        cycles: stated.cycles,
        limit_ns: answer.request.limit().nanos(),
        stated: stated.key(),
        stated_ns: stated.now().nanos(),
        capacities_for: answer.response.employed,
        optimum: answer.optimum().map(decimal),
        objective: answer.objective.name(),
        budget: answer.stated.budget.map(decimal),
        affordable_from: at(prices.affordable_from),
        predicted_cycle_ns: answer.cycle.map(Span::nanos),
        predicted_job_ns: answer
            .cycle
            .map(|cycle| (cycle * u64::from(stated.cycles)).nanos()),
        least_fee: at(prices.least_fee),
        least_limit: at(prices.least_limit),
        same_from: at(prices.same_from),
        cheaper_from: at(prices.cheaper_from),
        one_second_more: prices.longer.map(decimal),
        one_second_less: prices.shorter.map(decimal),
        changes: answer
            .changes
            .iter()
            .map(|c| change_line(answer, *c))
            .collect(),
        simulated: (!runs.is_empty()).then(|| simulated(runs)),
        confidences: promises.iter().map(promises::Line::from).collect(),
        workers: answer
            .workers
            .iter()
            .map(|worker| Worker {
                name: &worker.name,
                fee: decimal(worker.fee.times(1)),
                charge: decimal(worker.charge),
                batches: worker.batches,
                cost: decimal(worker.cost),
                s_max: worker.s_max,
                expected_ns: worker.expected.map(Span::nanos),
                predicted_ns: worker.predicted.map(Span::nanos),
                idle: worker.idle.map(|idle| why(answer, idle, true)),
            })
            .collect(),
    };
    let line = plan_line::write_with(context, &answer.for_all_workers(), &more)?;
    Ok(line + "\n")
}

fn change_line(answer: &Answer, change: Change) -> ChangeLine {
    let (name, to, count) = match change {
        Change::Limit { to } => ("time", answer.stated.of(to).nanos().into(), None),
        Change::Beta { to } => ("beta", to.into(), None),
        Change::SMin { to } => ("s_min", to.into(), None),
        Change::Budget { to } => ("budget", to.units_f64().into(), None),
        Change::Workers { count, speed, .. } => {
            ("workers", speed.per_second_f64().into(), Some(count))
        }
    };
    ChangeLine {
        change: name,
        to,
        count,
        words: words_of(answer, change),
    }
}

fn simulated(runs: &[RunEnd]) -> Simulated {
    Simulated {
        replicates: runs.len(),
        missed: missed(runs),
        fee: mean_of_whole(runs, fee),
        wall_s: mean_of_whole(runs, wall),
    }
}
