//! What came of a run, in a box for a reader or as one line of JSON.
//!
//! **What it does not know:** files, and how the run went on.

use std::fmt::Write;
use std::path::Path;

use results::runs::RunEnd;
use results::text::broken;
use scheduler::Cost;
use scheduler::machine::{Replan, ShareRow, WorkerId};
use serde_json::{Value, json};

use super::keeper::Kept;
use super::report::Account;
use super::settings::Setting;
use crate::orchestrator::Ended;
use crate::train::Evaluation;

/// A run that is over.
pub(crate) struct Ran<'a> {
    pub(crate) setting: &'a Setting,
    pub(crate) ended: &'a Ended,
    pub(crate) end: RunEnd,
    pub(crate) report: &'a Account,
    pub(crate) kept: &'a Kept,
    pub(crate) given_plan: bool,
    pub(crate) folder: &'a Path,
}

impl<'a> Ran<'a> {
    /// Puts together what is known of it.
    pub(crate) fn new(
        setting: &'a Setting,
        ended: &'a Ended,
        report: &'a Account,
        kept: &'a Kept,
        given_plan: bool,
        folder: &'a Path,
    ) -> Self {
        // The time that all of it had: the configuration of a resumed run has only the rest.
        let limit = setting.scenario.job().limit().total(setting.config.cycles);
        let end = RunEnd {
            ending: ended.ending,
            totals: ended.totals,
            ended: ended.at,
            limit,
            truth: None,
        };
        Self {
            setting,
            ended,
            end,
            report,
            kept,
            given_plan,
            folder,
        }
    }

    /// The name of a worker.
    pub(crate) fn name(&self, worker: WorkerId) -> &'a str {
        let name = self.ended.names.get(worker.get() as usize);
        name.map_or("", String::as_str)
    }

    /// Why another run may give another model; none if it would give the same to the last bit.
    fn differs(&self) -> Option<String> {
        let summary = &self.report.summary;
        if summary.last_plan().is_none() {
            return Some("no plan was made".to_owned());
        }
        if !self.given_plan {
            let plan = self.folder.join("plan.json");
            let plan = plan.display();
            return Some(format!(
                "the plan follows measured speeds; --plan {plan} runs it again"
            ));
        }
        if self.setting.config.replan != Replan::Static {
            return Some("the plan may change within the run".to_owned());
        }
        let workers = || self.report.workers.values();
        if workers().any(|worker| worker.threads > 1) {
            return Some("workers train with several threads".to_owned());
        }
        if workers().any(|worker| worker.device.starts_with("cuda")) {
            return Some("workers train on GPUs".to_owned());
        }
        let mut cpus: Vec<&str> = workers().map(|worker| worker.cpu.as_str()).collect();
        cpus.sort_unstable();
        cpus.dedup();
        if cpus.len() > 1 {
            let cpus = cpus.join(", ");
            return Some(format!("the workers' processors differ: {cpus}"));
        }
        if let Some(row) = summary.first_incomplete() {
            let (cycle, name, fate) = (row.cycle, self.name(row.worker), row.fate.name());
            return Some(format!("in cycle {cycle} the share of {name} was {fate}"));
        }
        (summary.cycles() == 0).then(|| "no cycle was run".to_owned())
    }
}

/// A plan that is not run, in a box: what it costs, and how sure it is.
pub(crate) fn planned(ran: &Ran<'_>, width: Option<usize>) -> String {
    let (setting, summary) = (ran.setting, &ran.report.summary);
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |key: &str, value: String| rows.push((key.to_owned(), value));
    match summary.last_plan() {
        None => row("ended", format!("no plan was made: {}", ran.end.ending)),
        Some(plan) => {
            let config = &setting.config;
            let all: Cost = (0..config.cycles).map(|_| plan.cost).sum();
            row(
                "fee",
                format!("{} per cycle, {all} for all cycles", plan.cost),
            );
            let model = setting.scenario.cycle_model();
            let employed = summary.last_shares().iter();
            let employed: Vec<_> = employed.filter_map(ShareRow::employed).collect();
            let cycle = model.predict(&config.time_model, &employed).cycle;
            row(
                "time",
                format!("{cycle} per cycle predicted, which has {}", plan.limit),
            );
            row("chance", chance(setting));
        }
    }
    shares(ran, &mut rows);
    given(ran, &mut rows);
    row_of(&mut rows, "files", ran.folder.display().to_string());
    framed(&rows, width)
}

/// How sure a plan's limits are.
fn chance(setting: &Setting) -> String {
    let job = setting.scenario.job();
    let sure = match job.risk {
        Some(risk) => format!(
            "{} % for each full worker to overrun a cycle (job.risk)",
            100.0 * risk.as_f64()
        ),
        None => format!(
            "{} % that every cycle keeps its limit (job.confidence)",
            100.0 * job.confidence().as_f64()
        ),
    };
    match &job.assumed_errors {
        None => sure,
        Some(assumed) => format!(
            "{sure}, if benchmarks err by {} % and cycles by {} %",
            100.0 * assumed.benchmark.as_f64(),
            100.0 * assumed.jitter.as_f64()
        ),
    }
}

/// In a box.
pub(crate) fn boxed(ran: &Ran<'_>, width: Option<usize>) -> String {
    let (end, summary) = (&ran.end, &ran.report.summary);
    let totals = &end.totals;
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |key: &str, value: String| rows.push((key.to_owned(), value));
    let because = ran.ended.because.as_ref();
    let because = because.map(|why| format!(" ({why})")).unwrap_or_default();
    row("ended", format!("{}{because}", end.ending));
    if let Some(judged) = ran.kept.judgements.last() {
        row("model", quality(judged));
    }
    row(
        "cycles",
        format!(
            "{} complete, {} truncated, {} failed; {} batches accepted, {} lost",
            totals.complete, totals.truncated, totals.failed, totals.accepted, totals.lost
        ),
    );
    let (wall, limit) = (end.wall().seconds_f64(), end.limit.seconds_f64());
    let setup = totals.first_cycle_at.unwrap_or_default().nanos() as f64 / 1e9;
    row(
        "wall time",
        format!("{wall:.3} s of {limit:.3} s; set-up {setup:.3} s before"),
    );
    row(
        "longest stall",
        format!(
            "{:.1} ms in the orchestrator, beyond a tick of 5",
            ran.ended.longest_stall.seconds_f64() * 1e3
        ),
    );
    if let Some(forecast) = summary.forecast() {
        row("predicted", forecast.to_string());
    }
    row(
        "fee",
        format!(
            "{} in all{}, {}",
            totals.cost,
            of_it(totals.charges),
            match totals.plans {
                0 => "no plan was made".to_owned(),
                1 => "one plan".to_owned(),
                plans => format!("{plans} plans"),
            }
        ),
    );
    if let Some(budget) = ran.setting.scenario.job().budget {
        let left = budget.checked_sub(totals.cost).unwrap_or_default();
        row("budget", format!("{budget}, of which {left} is left"));
    }
    if let Some(plan) = summary.last_plan() {
        let bound = match plan.lower_bound {
            Some(bound) => format!(", no plan below {bound}"),
            None => String::new(),
        };
        row(
            "last plan",
            format!("{} per cycle, {}{bound}", plan.cost, plan.status.name()),
        );
    }
    shares(ran, &mut rows);
    match ran.differs() {
        None => row_of(&mut rows, "reproducible", "true".to_owned()),
        Some(why) => row_of(&mut rows, "reproducible", format!("false: {why}")),
    }
    given(ran, &mut rows);
    row_of(&mut rows, "files", ran.folder.display().to_string());
    framed(&rows, width)
}

fn row_of(rows: &mut Vec<(String, String)>, key: &str, value: String) {
    rows.push((key.to_owned(), value));
}

/// What each worker got in the last plan.
fn shares(ran: &Ran<'_>, rows: &mut Vec<(String, String)>) {
    let summary = &ran.report.summary;
    for share in summary.last_shares() {
        let computing = summary.forecast_of(share.worker);
        let computing = computing.map(|own| format!("; computing {own}"));
        let text = format!(
            "{} of at most {} batches at {} each{}, {:.0} batches/s{}",
            share.batches,
            share.s_max,
            share.fee,
            beside_fee(share),
            share.speed.per_second_f64(),
            computing.unwrap_or_default()
        );
        row_of(rows, ran.name(share.worker), text);
    }
}

/// Where settings came from.
fn given(ran: &Ran<'_>, rows: &mut Vec<(String, String)>) {
    let provenance = &ran.setting.provenance;
    for given in &provenance.given {
        let value = format!("{} = {} ({})", given.key, given.value, given.from);
        row_of(rows, "setting", value);
    }
    for unused in &provenance.unused {
        row_of(rows, "setting", unused.clone());
    }
}

/// The part of a sum that is charges, where there is one.
fn of_it(charges: Cost) -> String {
    match charges {
        Cost::ZERO => String::new(),
        charges => format!(", {charges} of it for employing workers"),
    }
}

/// What a share costs beside the fee of its first batches, if anything.
fn beside_fee(share: &ShareRow) -> String {
    let of_batches = share.cost.checked_sub(share.charge).unwrap_or_default();
    let tiers = if of_batches == share.fee.times(share.batches) {
        String::new()
    } else {
        format!(" at first, {of_batches} for all")
    };
    match share.charge {
        _ if share.batches == 0 => String::new(),
        Cost::ZERO => tiers,
        charge => format!("{tiers}, {charge} for employing it"),
    }
}

/// Rows in a frame. On a terminal, values are broken so that it fits, but for paths and their like.
fn framed(rows: &[(String, String)], width: Option<usize>) -> String {
    let size = |text: &str| text.chars().count();
    let keys = rows.iter().map(|(key, _)| size(key)).max().unwrap_or(0);
    let most = width.map_or(usize::MAX, |width| width.saturating_sub(keys + 6).max(20));
    let broken = rows.iter().map(|(key, value)| (key, broken(value, most)));
    let rows: Vec<(&String, Vec<String>)> = broken.collect();
    let lines = rows.iter().flat_map(|(_, lines)| lines);
    let fit = lines.map(|line| size(line)).filter(|size| *size <= most);
    let values = fit.max().unwrap_or(0);
    let line = "─".repeat(keys + values + 4);
    let mut text = format!("┌{line}┐\n");
    for (key, lines) in &rows {
        for (at, value) in lines.iter().enumerate() {
            let key = if at == 0 { key.as_str() } else { "" };
            let left = " ".repeat(keys - size(key));
            // Writing to a text does not fail.
            let _ = match values.checked_sub(size(value)) {
                Some(right) => {
                    let right = " ".repeat(right);
                    writeln!(text, "│ {key}{left}  {value}{right} │")
                }
                None => writeln!(text, "│ {key}{left}  {value}"),
            };
        }
    }
    text + &format!("└{line}┘\n")
}

/// What is known of a model.
fn quality(judged: &Evaluation) -> String {
    let known = [
        ("accuracy", judged.accuracy, " (argmax)"),
        ("true-class probability", judged.true_class_probability, ""),
        ("loss", judged.loss, ""),
    ];
    let others = judged.others.iter();
    let others = others.map(|(name, value)| (name.as_str(), *value, ""));
    let told = known.into_iter().filter(|(_, value, _)| !value.is_nan());
    let all = told.chain(others);
    let words: Vec<String> = all
        .map(|(name, value, note)| format!("{name} {value:.4}{note}"))
        .collect();
    words.join(", ")
}

/// As an event.
pub(crate) fn json(ran: &Ran<'_>) -> Value {
    let (end, report) = (&ran.end, ran.report);
    let totals = &end.totals;
    let judged = ran.kept.judgements.last();
    let differs = ran.differs();
    let forecast = report.summary.forecast();
    let took = forecast.map(|forecast| forecast.cycles_took);
    json!({
        "event": "ended",
        "ending": end.ending.reason(),
        "because": ran.ended.because,
        "accuracy": judged.map(|judged| judged.accuracy),
        "true_class_probability": judged.map(|judged| judged.true_class_probability),
        "loss": judged.map(|judged| judged.loss),
        "others": judged.map(|judged| &judged.others),
        "wall_s": end.wall().seconds_f64(),
        "limit_s": end.limit.seconds_f64(),
        "setup_s": totals.first_cycle_at.map(|at| at.nanos() as f64 / 1e9),
        "longest_stall_s": ran.ended.longest_stall.seconds_f64(),
        "predicted_s": took.map(|took| took.predicted.seconds_f64()),
        "measured_s": took.map(|took| took.measured.seconds_f64()),
        "error_percent": took.and_then(|took| took.error_percent()),
        "cycles_not_predicted": forecast.map(|forecast| forecast.left_out),
        "fee": totals.cost.to_string(),
        "budget": ran.setting.scenario.job().budget.map(|budget| budget.to_string()),
        "charges": totals.charges.to_string(),
        "cycles_complete": totals.complete,
        "cycles_truncated": totals.truncated,
        "cycles_failed": totals.failed,
        "batches_accepted": totals.accepted,
        "batches_lost": totals.lost,
        "plans": totals.plans,
        "reproducible": differs.is_none(),
        "differs_because": differs,
        "folder": ran.folder.display().to_string(),
    })
}
