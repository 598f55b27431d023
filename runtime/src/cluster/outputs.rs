//! What a run leaves in its folder at its end.
//!
//! **What it does not know:** the terminal.

use std::fmt::Write;
use std::io;

use results::{WholeFile, plan_line};
use scheduler::{Outcome as Solved, Plan, Planned};

use super::summary::{self, Outcome};
use crate::model::save_model;

/// Writes everything; each file is there only once it is whole, `run.json` last.
pub(crate) fn write(outcome: &Outcome<'_>, allocator: &str) -> io::Result<()> {
    let layout = outcome.setting.model.layout();
    let model = outcome.folder.join("model.safetensors");
    save_model(&model, &layout, &outcome.ended.model).map_err(io::Error::other)?;
    if let Some(line) = plan(outcome, allocator)? {
        file(outcome, "plan.json", &(line + "\n"))?;
    }
    file(outcome, "stats.csv", &stats(outcome))?;
    file(outcome, "workers.csv", &workers(outcome))?;
    file(outcome, "timing.csv", &timing(outcome))?;
    file(outcome, "model.csv", &models(outcome))?;
    file(outcome, "run.json", &summary::json(outcome))
}

fn file(outcome: &Outcome<'_>, name: &str, text: &str) -> io::Result<()> {
    WholeFile::create(&outcome.folder.join(name))?.publish(text)
}

/// The last plan as a line of `sim solve`, to be run again.
fn plan(outcome: &Outcome<'_>, allocator: &str) -> io::Result<Option<String>> {
    let report = outcome.report;
    let Some(row) = report.plans.last() else {
        return Ok(None);
    };
    let names: Vec<Option<String>> = report
        .shares
        .iter()
        .map(|share| report.names.get(&share.worker).cloned())
        .collect();
    let planned = Solved::Planned(Planned {
        plan: Plan {
            batches: report.shares.iter().map(|share| share.batches).collect(),
            cost: row.cost,
        },
        status: row.status,
        lower_bound: row.lower_bound,
        certificate: row.certificate,
    });
    let context = plan_line::Context {
        id: "0",
        allocator,
        names: &names,
        repairs: "",
    };
    plan_line::write(context, &planned).map(Some).map_err(io::Error::other)
}

fn stats(outcome: &Outcome<'_>) -> String {
    let mut text = "cycle,result,workers,accepted,lost,cost,seconds,limit\n".to_owned();
    for row in &outcome.report.cycles {
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{:.6},{:.6}",
            row.cycle,
            row.result.name(),
            row.workers,
            row.accepted,
            row.lost,
            row.cost,
            row.ended.since(row.started).seconds_f64(),
            row.limit.seconds_f64()
        );
    }
    text
}

fn workers(outcome: &Outcome<'_>) -> String {
    let report = outcome.report;
    let mut text = "name,address,device,cores,benchmark_batches_per_s,s_max,fee,batches\n".to_owned();
    for (worker, person) in &report.people {
        let share = report.shares.iter().find(|share| share.worker == *worker);
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{}",
            quoted(report.names.get(worker).map_or("", String::as_str)),
            person.address,
            person.device,
            person.cores,
            person.benchmark.map_or(String::new(), |speed| format!("{:.3}", speed.per_second_f64())),
            share.map_or(String::new(), |share| share.s_max.to_string()),
            share.map_or(String::new(), |share| share.fee.to_string()),
            share.map_or(0, |share| share.batches)
        );
    }
    text
}

fn timing(outcome: &Outcome<'_>) -> String {
    let report = outcome.report;
    let mut text =
        "cycle,name,fate,assigned,accepted,elapsed_s,computed_s,expected_s,cost\n".to_owned();
    for lot in &report.lots {
        let _ = writeln!(
            text,
            "{},{},{},{},{},{:.6},{:.6},{:.6},{}",
            lot.cycle,
            quoted(report.names.get(&lot.worker).map_or("", String::as_str)),
            lot.fate.name(),
            lot.assigned,
            lot.accepted,
            lot.elapsed.seconds_f64(),
            lot.computed.seconds_f64(),
            lot.expected.seconds_f64(),
            lot.cost
        );
    }
    text
}

fn models(outcome: &Outcome<'_>) -> String {
    let mut text = "cycle,accuracy,true_class_probability,loss\n".to_owned();
    for (cycle, judged) in &outcome.report.judged {
        let _ = writeln!(
            text,
            "{cycle},{:.6},{:.6},{:.6}",
            judged.accuracy, judged.true_class_probability, judged.loss
        );
    }
    text
}

/// A name that may hold a comma or a quote.
fn quoted(name: &str) -> String {
    if name.contains([',', '"']) {
        return format!("\"{}\"", name.replace('"', "\"\""));
    }
    name.to_owned()
}
