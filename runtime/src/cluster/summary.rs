//! What came of a run, in a box for a person or as one line of JSON.
//!
//! **What it does not know:** files, and how the run went on.

use std::fmt::Write;
use std::path::Path;

use scheduler::machine::{Fate, Limit, Replan};
use scheduler::{CycleModel, Span};
use serde_json::{Value, json};

use super::report::Report;
use super::settings::Setting;
use super::shown;
use crate::orchestrator::Ended;
use crate::train::Evaluation;

/// All that there is to say.
pub(crate) struct Outcome<'a> {
    pub(crate) setting: &'a Setting,
    pub(crate) ended: &'a Ended,
    pub(crate) report: &'a Report,
    pub(crate) given_plan: bool,
    pub(crate) folder: &'a Path,
}

impl Outcome<'_> {
    /// From the first parameter byte to the last aggregation.
    pub(crate) fn wall(&self) -> Span {
        let totals = &self.ended.totals;
        match (totals.first_cycle_at, totals.last_cycle_ended) {
            (Some(began), Some(ended)) => ended.since(began),
            _ => Span::ZERO,
        }
    }

    /// The time that all of it had, of which the configuration of a resumed run has the rest.
    pub(crate) fn limit(&self) -> Span {
        match self.setting.scenario.job().limit {
            Limit::Job { max_time, .. } => max_time,
            Limit::Cycle(limit) => limit * u64::from(self.setting.config.cycles),
        }
    }

    /// How good the last model is.
    pub(crate) fn judged(&self) -> Option<&Evaluation> {
        self.report.judged.values().next_back()
    }

    /// What the time model of the simulator says of the cycles that were run: the benchmarks and the
    /// measured connections, and nothing that was seen later.
    pub(crate) fn predicted(&self) -> Option<Span> {
        let report = self.report;
        let mut total = Span::ZERO;
        for cycle in &report.cycles {
            let lots = report.lots.iter().filter(|lot| lot.cycle == cycle.cycle);
            let (mut computes, mut transfer, mut employed) = (Vec::new(), Span::ZERO, 0);
            for lot in lots {
                let person = report.people.get(&lot.worker)?;
                let passes = u64::from(self.setting.config.time_model.passes);
                computes.push(person.benchmark?.time_for(lot.assigned * passes));
                transfer = transfer + person.link.transfer + person.link.latency;
                employed += 1;
            }
            let one_way = transfer / (2 * u64::max(employed, 1));
            let cycle_model = CycleModel {
                evaluation: Span::ZERO, // it runs beside the next cycle
                down: one_way,
                up: one_way,
            };
            total = total + cycle_model.cycle(&computes);
        }
        (!report.cycles.is_empty()).then_some(total)
    }

    /// Why another run may give another model; none if it would give the same to the last bit.
    pub(crate) fn differs(&self) -> Option<String> {
        let report = self.report;
        if !self.given_plan {
            let plan = shown(&self.folder.join("plan.json"));
            return Some(format!(
                "the plan follows measured speeds; --plan {plan} runs it again"
            ));
        }
        if self.setting.config.replan != Replan::Static {
            return Some("the plan may change within the run".to_owned());
        }
        let people = || report.people.values();
        if people().any(|person| person.threads > 1) {
            return Some("workers train with several threads".to_owned());
        }
        if people().any(|person| person.device.starts_with("cuda")) {
            return Some("workers train on GPUs".to_owned());
        }
        let mut cpus: Vec<&str> = people().map(|person| person.cpu.as_str()).collect();
        cpus.sort_unstable();
        cpus.dedup();
        if cpus.len() > 1 {
            return Some(format!(
                "the workers' processors differ: {}",
                cpus.join(", ")
            ));
        }
        let incomplete = report.lots.iter().find(|lot| lot.fate != Fate::Complete);
        if let Some(lot) = incomplete {
            let name = report.names.get(&lot.worker).map_or("", String::as_str);
            return Some(format!(
                "in cycle {} the share of {name} was {}",
                lot.cycle,
                lot.fate.name()
            ));
        }
        if report.cycles.is_empty() {
            return Some("no cycle was run".to_owned());
        }
        None
    }
}

/// In a box.
pub(crate) fn boxed(outcome: &Outcome<'_>) -> String {
    let (totals, report) = (&outcome.ended.totals, outcome.report);
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |key: &str, value: String| rows.push((key.to_owned(), value));
    let because = outcome.ended.because.as_ref();
    let because = because.map(|why| format!(" ({why})")).unwrap_or_default();
    row("ended", format!("{}{because}", outcome.ended.ending));
    if let Some(judged) = outcome.judged() {
        row(
            "model",
            format!(
                "accuracy {:.4} (argmax), true-class probability {:.4}, loss {:.4}",
                judged.accuracy, judged.true_class_probability, judged.loss
            ),
        );
    }
    let cycles = format!(
        "{} complete, {} truncated, {} failed; {} batches accepted, {} lost",
        totals.complete, totals.truncated, totals.failed, totals.accepted, totals.lost
    );
    row("cycles", cycles);
    row(
        "wall time",
        format!(
            "{:.3} s of {:.3} s; set-up {:.3} s before",
            outcome.wall().seconds_f64(),
            outcome.limit().seconds_f64(),
            totals.first_cycle_at.unwrap_or_default().nanos() as f64 / 1e9,
        ),
    );
    row(
        "longest stall",
        format!(
            "{:.1} ms in the orchestrator, beyond a tick of 5",
            outcome.ended.longest_stall.seconds_f64() * 1e3
        ),
    );
    if let Some(predicted) = outcome.predicted() {
        let (predicted, measured) = (predicted.seconds_f64(), outcome.wall().seconds_f64());
        row(
            "predicted",
            format!(
                "{predicted:.3} s by benchmarks and connections, measured {measured:.3} s ({:+.1} %)",
                100.0 * (measured / predicted - 1.0)
            ),
        );
    }
    row(
        "fee",
        format!("{} in all, {} plans", totals.cost, totals.plans),
    );
    if let Some(plan) = report.plans.last() {
        let bound = match plan.lower_bound {
            Some(bound) => format!(", no plan below {bound}"),
            None => String::new(),
        };
        row(
            "last plan",
            format!("{} a cycle, {}{bound}", plan.cost, plan.status.name()),
        );
    }
    for share in report.shares.iter() {
        let name = report.names.get(&share.worker).map_or("", String::as_str);
        row(
            name,
            format!(
                "{} of at most {} batches at {} each, {:.0} batches/s",
                share.batches,
                share.s_max,
                share.fee,
                share.speed.per_second_f64()
            ),
        );
    }
    match outcome.differs() {
        None => row("reproducible", "true".to_owned()),
        Some(why) => row("reproducible", format!("false: {why}")),
    }
    for given in &outcome.setting.provenance.given {
        row(
            "setting",
            format!("{} = {} ({})", given.key, given.value, given.from),
        );
    }
    for unused in &outcome.setting.provenance.unused {
        row("setting", unused.clone());
    }
    row("files", shown(outcome.folder));
    framed(&rows)
}

fn framed(rows: &[(String, String)]) -> String {
    let width = |text: &str| text.chars().count();
    let keys = rows.iter().map(|(key, _)| width(key)).max().unwrap_or(0);
    let values = rows
        .iter()
        .map(|(_, value)| width(value))
        .max()
        .unwrap_or(0);
    let line = "─".repeat(keys + values + 4);
    let mut text = format!("┌{line}┐\n");
    for (key, value) in rows {
        let (left, right) = (keys - width(key), values - width(value));
        let (left, right) = (" ".repeat(left), " ".repeat(right));
        // Writing to a text does not fail.
        let _ = writeln!(text, "│ {key}{left}  {value}{right} │");
    }
    text + &format!("└{line}┘\n")
}

/// As an event.
pub(crate) fn json(outcome: &Outcome<'_>) -> Value {
    let totals = &outcome.ended.totals;
    let judged = outcome.judged();
    json!({
        "event": "ended",
        "ending": outcome.ended.ending.reason(),
        "because": outcome.ended.because,
        "accuracy": judged.map(|judged| judged.accuracy),
        "true_class_probability": judged.map(|judged| judged.true_class_probability),
        "loss": judged.map(|judged| judged.loss),
        "wall_s": outcome.wall().seconds_f64(),
        "limit_s": outcome.limit().seconds_f64(),
        "setup_s": totals.first_cycle_at.map(|at| at.nanos() as f64 / 1e9),
        "longest_stall_s": outcome.ended.longest_stall.seconds_f64(),
        "predicted_s": outcome.predicted().map(Span::seconds_f64),
        "fee": totals.cost.to_string(),
        "cycles_complete": totals.complete,
        "cycles_truncated": totals.truncated,
        "cycles_failed": totals.failed,
        "batches_accepted": totals.accepted,
        "batches_lost": totals.lost,
        "plans": totals.plans,
        "reproducible": outcome.differs().is_none(),
        "differs_because": outcome.differs(),
        "folder": shown(outcome.folder),
    })
}
