//! The four tables of the thesis, under its headers, so that what reads them goes on working.
//!
//! | file | rows |
//! |---|---|
//! | `stats.csv` | one: settings, durations in seconds, the model before and after, costs |
//! | `workers.csv` | worker |
//! | `timing.csv` | cycle, with a column for each worker: seconds of computing, `N/A` if it gave no result |
//! | `model.csv` | cycle, from 0, before training |
//!
//! The thesis' `accuracy` is the mean probability of the true class. Columns of our own stand after
//! those of the thesis. Lines have no comma at their end, which those of its program had.
//!
//! **What it does not know:** the tables that simulations have too, which hold more.

use std::io::{self, Write};

use scheduler::{Cost, Span};

use super::summary::Ran;
use crate::train::Evaluation;

/// Where there is no value, as the thesis has it.
const NONE: &str = "N/A";

/// The settings and the sums, in one row.
pub(crate) fn stats(ran: &Ran<'_>, out: &mut impl Write) -> io::Result<()> {
    let (summary, setting) = (&ran.report.summary, ran.setting);
    let (config, job) = (&setting.config, setting.scenario.job());
    let all = ran.end.limit;
    let each = all / u64::from(config.cycles);
    let shares = summary.last_shares();
    let assigned: u64 = shares.iter().map(|share| share.batches).sum();
    let judgements = &ran.kept.judgements;
    let (first, last) = (judgements.first(), judgements.last());
    let loss = |judged: Option<&Evaluation>| number(judged.map(|judged| judged.loss));
    let accuracy =
        |judged: Option<&Evaluation>| number(judged.map(|judged| judged.true_class_probability));
    let per_cycle = summary.last_plan().map_or(Cost::ZERO, |plan| plan.cost);
    let training = setting.scenario.training();
    let benchmark = match config.benchmark.until {
        None => config.benchmark.batches.to_string(),
        Some(_) => NONE.to_owned(), // until the speed was known
    };
    let row = [
        ("BATCH_SIZE", job.batch_size.to_string()),
        ("NUM_GLOBAL_CYCLES", config.cycles.to_string()),
        ("NUM_BENCHMARK", benchmark),
        ("BETA", job.beta.to_string()),
        ("S_MIN", job.s_min.to_string()),
        ("MAX_TIME", seconds(all)),
        ("max_time_per_cycle", seconds(each)),
        ("FEE_TYPE", setting.scenario.fees().kind.name().to_owned()),
        ("WEIGHT_TYPE", training.weights.name().to_owned()),
        ("total_batches", config.batches.to_string()),
        ("send_data_duration", seconds(summary.shipping())),
        ("total_batches_assigned", assigned.to_string()),
        ("model_pre_train_loss", loss(first)),
        ("model_pre_train_acc", accuracy(first)),
        ("model_post_train_loss", loss(last)),
        ("model_post_train_acc", accuracy(last)),
        ("training_duration", seconds(ran.end.wall())),
        ("total_cost_per_cycle", per_cycle.to_string()),
        ("total_cost", ran.end.totals.cost.to_string()),
    ];
    let (names, values): (Vec<&str>, Vec<String>) = row.into_iter().unzip();
    writeln!(out, "{}\n{}", names.join(","), values.join(","))
}

/// Every worker that was measured, with its share of the last plan and what it was paid in all.
pub(crate) fn workers(ran: &Ran<'_>, out: &mut impl Write) -> io::Result<()> {
    let summary = &ran.report.summary;
    let batch_size = ran.setting.scenario.job().batch_size;
    writeln!(
        out,
        "ip,benchmark_batches_per_sec,s_max,cost_per_batch,cost_per_cycle,total_cost,\
         batches_assigned,samples_assigned,name,device,cores"
    )?;
    for (worker, info) in &ran.report.workers {
        let mut shares = summary.last_shares().iter();
        let share = shares.find(|share| share.worker == *worker);
        let batches = share.map_or(0, |share| share.batches);
        let totals = summary.worker(*worker);
        writeln!(
            out,
            "{},{},{},{},{},{},{batches},{},{},{},{}",
            quoted(&info.address),
            number(totals.benchmark.map(|speed| speed.per_second_f64())),
            share.map_or(NONE.to_owned(), |share| share.s_max.to_string()),
            share.map_or(NONE.to_owned(), |share| share.fee.to_string()),
            share.map_or(Cost::ZERO, |share| share.cost),
            totals.cost,
            batches * batch_size,
            quoted(ran.name(*worker)),
            quoted(&info.device),
            info.cores,
        )?;
    }
    Ok(())
}

/// How long each worker computed in each cycle.
pub(crate) fn timing(ran: &Ran<'_>, out: &mut impl Write) -> io::Result<()> {
    let times = &ran.kept.times;
    let workers: Vec<_> = times.workers().iter().copied().collect();
    let names: Vec<String> = workers
        .iter()
        .map(|worker| quoted(ran.name(*worker)))
        .collect();
    writeln!(out, "{}", names.join(","))?;
    times.each(|cycle| {
        let cell = |worker| {
            cycle
                .get(worker)
                .map_or(NONE.to_owned(), |span| seconds(*span))
        };
        let cells: Vec<String> = workers.iter().map(cell).collect();
        writeln!(out, "{}", cells.join(","))
    })
}

/// How good the model was before training and after each cycle.
pub(crate) fn models(ran: &Ran<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "loss,accuracy,cycle,argmax_accuracy")?;
    each_model(ran, |cycle, judged| {
        writeln!(
            out,
            "{},{},{cycle},{}",
            number(judged.as_ref().map(|judged| judged.loss)),
            number(judged.as_ref().map(|judged| judged.true_class_probability)),
            number(judged.map(|judged| judged.accuracy)),
        )
    })
}

/// Goes through the model before training and after each cycle.
pub(crate) fn each_model(
    ran: &Ran<'_>,
    take: impl FnMut(u32, Option<Evaluation>) -> io::Result<()>,
) -> io::Result<()> {
    let cycles = ran.kept.times.cycles().map(|(first, last)| first..=last);
    let cycles = std::iter::once(0).chain(cycles.into_iter().flatten());
    ran.kept.judgements.each(cycles, take)
}

fn seconds(span: Span) -> String {
    format!("{:.6}", span.seconds_f64())
}

fn number(value: Option<f64>) -> String {
    let value = value.filter(|value| !value.is_nan()); // a program did not say it
    value.map_or(NONE.to_owned(), |value| format!("{value:.6}"))
}

/// A text that may hold a comma, a quote or the end of a line.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}
