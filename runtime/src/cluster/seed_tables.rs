//! The seed's four tables, under its headers, so that what reads them goes on working.
//!
//! | file | rows |
//! |---|---|
//! | `stats.csv` | one: settings, durations in seconds, the model before and after, costs |
//! | `workers.csv` | worker |
//! | `timing.csv` | cycle, with a column for each worker: seconds of computing, `N/A` if it gave no result |
//! | `model.csv` | cycle, from 0, before training |
//!
//! The seed's `accuracy` is the mean probability of the true class. Columns of our own stand after
//! the seed's. Lines have no comma at their end, which theirs had.
//!
//! **What it does not know:** the tables that simulations have too, which hold more.

use std::collections::BTreeMap;
use std::fmt::Write;

use scheduler::machine::{Fate, Limit, WorkerId};
use scheduler::{Cost, Span};

use super::summary::Outcome;
use crate::train::Evaluation;

/// Where there is nothing to say, as the seed has it.
const NONE: &str = "N/A";

/// The settings and the sums, in one row.
pub(crate) fn stats(outcome: &Outcome<'_>) -> String {
    let (report, setting) = (outcome.report, outcome.setting);
    let (config, job) = (&setting.config, setting.scenario.job());
    let (all, each) = match job.limit {
        Limit::Job { max_time, .. } => (max_time, max_time / u64::from(config.cycles)),
        Limit::Cycle(limit) => (limit * u64::from(config.cycles), limit),
    };
    let assigned: u64 = report.shares.iter().map(|share| share.batches).sum();
    let (first, last) = (report.judged.values().next(), outcome.judged());
    let loss = |judged: Option<&Evaluation>| number(judged.map(|judged| judged.loss));
    let accuracy =
        |judged: Option<&Evaluation>| number(judged.map(|judged| judged.true_class_probability));
    let per_cycle = report.plans.last().map_or(Cost::ZERO, |plan| plan.cost);
    let row = [
        ("BATCH_SIZE", job.batch_size.to_string()),
        ("NUM_GLOBAL_CYCLES", config.cycles.to_string()),
        ("NUM_BENCHMARK", config.benchmark.batches.to_string()),
        ("BETA", job.beta.to_string()),
        ("S_MIN", job.s_min.to_string()),
        ("MAX_TIME", seconds(all)),
        ("max_time_per_cycle", seconds(each)),
        ("FEE_TYPE", setting.scenario.fees().name().to_owned()),
        (
            "WEIGHT_TYPE",
            setting.scenario.training().weights.name().to_owned(),
        ),
        ("total_batches", config.batches.to_string()),
        ("send_data_duration", seconds(report.shipping)),
        ("total_batches_assigned", assigned.to_string()),
        ("model_pre_train_loss", loss(first)),
        ("model_pre_train_acc", accuracy(first)),
        ("model_post_train_loss", loss(last)),
        ("model_post_train_acc", accuracy(last)),
        ("training_duration", seconds(outcome.wall())),
        ("total_cost_per_cycle", per_cycle.to_string()),
        ("total_cost", outcome.ended.totals.cost.to_string()),
    ];
    let (names, values): (Vec<&str>, Vec<String>) = row.into_iter().unzip();
    format!("{}\n{}\n", names.join(","), values.join(","))
}

/// Everybody who was measured, with the share of the last plan and what was paid in all.
pub(crate) fn workers(outcome: &Outcome<'_>) -> String {
    let report = outcome.report;
    let batch_size = outcome.setting.scenario.job().batch_size;
    let mut text = "ip,benchmark_batches_per_sec,s_max,cost_per_batch,cost_per_cycle,total_cost,\
                    batches_assigned,samples_assigned,name,device,cores\n"
        .to_owned();
    for (worker, person) in &report.people {
        let share = report.shares.iter().find(|share| share.worker == *worker);
        let batches = share.map_or(0, |share| share.batches);
        let paid = report.lots.iter().filter(|lot| lot.worker == *worker);
        let paid = paid.fold(Cost::ZERO, |sum, lot| sum + lot.cost);
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "{},{},{},{},{},{paid},{batches},{},{},{},{}",
            quoted(&person.address),
            number(person.benchmark.map(|speed| speed.per_second_f64())),
            share.map_or(NONE.to_owned(), |share| share.s_max.to_string()),
            share.map_or(NONE.to_owned(), |share| share.fee.to_string()),
            share.map_or(Cost::ZERO, |share| share.fee.times(share.batches)),
            batches * batch_size,
            quoted(report.names.get(worker).map_or("", String::as_str)),
            quoted(&person.device),
            person.cores,
        );
    }
    text
}

/// How long each worker computed in each cycle.
pub(crate) fn timing(outcome: &Outcome<'_>) -> String {
    let report = outcome.report;
    let mut cells: BTreeMap<(u32, WorkerId), String> = BTreeMap::new();
    let mut columns: Vec<WorkerId> = Vec::new();
    for lot in &report.lots {
        columns.push(lot.worker);
        let computed = match lot.fate {
            Fate::Complete | Fate::Truncated => seconds(lot.computed),
            Fate::Late | Fate::Lost | Fate::Refused | Fate::Absent => NONE.to_owned(),
        };
        cells.insert((lot.cycle.get(), lot.worker), computed);
    }
    columns.sort_unstable();
    columns.dedup();
    let name = |worker: &WorkerId| quoted(report.names.get(worker).map_or("", String::as_str));
    let names: Vec<String> = columns.iter().map(name).collect();
    let mut text = names.join(",") + "\n";
    for cycle in cycles(outcome) {
        let cell = |worker: &WorkerId| cells.get(&(cycle, *worker)).map_or(NONE, String::as_str);
        let row: Vec<&str> = columns.iter().map(cell).collect();
        text += &(row.join(",") + "\n");
    }
    text
}

/// How good the model was before training and after each cycle.
pub(crate) fn models(outcome: &Outcome<'_>) -> String {
    let judged = &outcome.report.judged;
    let mut text = "loss,accuracy,cycle,argmax_accuracy\n".to_owned();
    for cycle in std::iter::once(0).chain(cycles(outcome)) {
        let judged = judged.get(&cycle);
        let _ = writeln!(
            text,
            "{},{},{cycle},{}",
            number(judged.map(|judged| judged.loss)),
            number(judged.map(|judged| judged.true_class_probability)),
            number(judged.map(|judged| judged.accuracy)),
        );
    }
    text
}

/// The cycles that were run.
fn cycles(outcome: &Outcome<'_>) -> impl Iterator<Item = u32> {
    outcome.report.cycles.iter().map(|row| row.cycle.get())
}

fn seconds(span: Span) -> String {
    format!("{:.6}", span.seconds_f64())
}

fn number(value: Option<f64>) -> String {
    value.map_or(NONE.to_owned(), |value| format!("{value:.6}"))
}

/// A text that may hold a comma, a quote or the end of a line.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}
