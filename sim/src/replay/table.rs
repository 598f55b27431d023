//! Replayed runs as text: one row a run, then how far predictions are off in all.

use std::fmt::Write;

use scenarios::calibration::{Calibration, Errors, error_percent};
use scheduler::{Cost, Plan, Span};

use super::{Replay, over_cycles};

/// Everything there is to read.
pub(super) fn render(
    replays: &[Replay<'_>],
    calibration: &Calibration,
    source: &str,
    with_workers: bool,
) -> String {
    let mut text = String::new();
    let cycle_model = calibration.cycle_model();
    say(
        &mut text,
        format_args!(
            "calibration: {source}\na cycle takes {} besides; the parameters of a worker ({} bytes) {} down and {} up\n",
            cycle_model.evaluation, calibration.parameter_bytes, cycle_model.down, cycle_model.up
        ),
    );
    if replays.iter().any(|replay| replay.other.is_some()) {
        other_rows(&mut text, replays);
    } else {
        rows(&mut text, replays);
    }
    if with_workers {
        worker_rows(&mut text, replays);
    }
    totals(&mut text, replays);
    text
}

/// The recorded allocation: measured and predicted.
fn rows(text: &mut String, replays: &[Replay<'_>]) {
    let wide = id_width(replays);
    let with_left_out = replays.iter().any(|replay| replay.left_out.is_some());
    let left_out = if with_left_out { "left out %" } else { "" };
    say(
        text,
        format_args!(
            "{:>wide$}{:>8}{:>10}{:>12}{:>10}{:>12}{:>13}{:>9}{left_out:>12}",
            "run",
            "cycles",
            "employed",
            "fee/cycle",
            "limit s",
            "measured s",
            "predicted s",
            "error %",
        ),
    );
    for replay in replays {
        let (run, plan) = (replay.run, replay.recorded_plan());
        let left_out = replay.left_out.zip(run.measured.training);
        let left_out = left_out.map(|(left_out, measured)| error_percent(left_out, measured));
        say(
            text,
            format_args!(
                "{:>wide$}{:>8}{:>10}{:>12}{:>10}{:>12}{:>13}{:>9}{:>12}{}",
                id(replay),
                run.job.cycles,
                plan.workers_employed(),
                plan.cost,
                seconds(run.job.limit),
                seconds(run.measured.training),
                seconds(Some(replay.predicted)),
                percent(replay.error_percent()),
                if with_left_out {
                    percent(left_out)
                } else {
                    String::new()
                },
                mark(replay),
            ),
        );
    }
}

/// The recorded allocation beside another: fees, and predicted times of both.
fn other_rows(text: &mut String, replays: &[Replay<'_>]) {
    let wide = id_width(replays);
    say(
        text,
        format_args!(
            "{:>wide$}{:>8} |{:>10}{:>12}{:>12}{:>13} |{:>10}{:>12}{:>13}{:>9}{:>9}",
            "",
            "",
            "recorded",
            "",
            "",
            "",
            name(replays),
            "",
            "",
            "",
            ""
        ),
    );
    say(
        text,
        format_args!(
            "{:>wide$}{:>8} |{:>10}{:>12}{:>12}{:>13} |{:>10}{:>12}{:>13}{:>9}{:>9}",
            "run",
            "cycles",
            "employed",
            "fee/cycle",
            "measured s",
            "predicted s",
            "employed",
            "fee/cycle",
            "predicted s",
            "fee %",
            "time %",
        ),
    );
    let (mut before, mut after) = (Sum::default(), Sum::default());
    for replay in replays {
        let Some(other) = &replay.other else { continue };
        let (run, recorded) = (replay.run, replay.recorded_plan());
        let head = format!(
            "{:>wide$}{:>8} |{:>10}{:>12}{:>12}{:>13} |",
            id(replay),
            run.job.cycles,
            recorded.workers_employed(),
            recorded.cost,
            seconds(run.measured.training),
            seconds(Some(replay.predicted)),
        );
        let Some((plan, predicted)) = other.plan().zip(other.predicted) else {
            let reason = other.outcome.reason().unwrap_or_default();
            say(
                text,
                format_args!("{head}  {}: {reason}", other.outcome.status()),
            );
            continue;
        };
        before.add(&recorded, replay.predicted, run.job.cycles);
        after.add(plan, predicted, run.job.cycles);
        say(
            text,
            format_args!(
                "{head}{:>10}{:>12}{:>13}{:>9}{:>9}{}",
                plan.workers_employed(),
                plan.cost,
                seconds(Some(predicted)),
                change(recorded.cost.units_f64(), plan.cost.units_f64()),
                change(replay.predicted.seconds_f64(), predicted.seconds_f64()),
                mark(replay),
            ),
        );
    }
    say(
        text,
        format_args!(
            "\n{} runs with a plan, all cycles: fee {} as recorded, {} by {} ({} %); predicted time {} s and {} s ({} %)",
            after.runs,
            before.fee,
            after.fee,
            name(replays),
            change(before.fee.units_f64(), after.fee.units_f64()),
            seconds(Some(before.time)),
            seconds(Some(after.time)),
            change(before.time.seconds_f64(), after.time.seconds_f64()),
        ),
    );
}

/// Fees and times of all cycles of several runs.
#[derive(Default)]
struct Sum {
    runs: usize,
    fee: Cost,
    time: Span,
}

impl Sum {
    fn add(&mut self, plan: &Plan, predicted: Span, cycles: u64) {
        self.runs += 1;
        self.fee += over_cycles(plan.cost, cycles);
        self.time = self.time + predicted;
    }
}

/// A run's identity, which is JSON, as a person reads it.
fn id<'a>(replay: &Replay<'a>) -> &'a str {
    replay.run.id.trim_matches('"')
}

/// As wide as the longest id.
fn id_width(replays: &[Replay<'_>]) -> usize {
    let widths = replays.iter().map(|replay| id(replay).chars().count());
    widths.max().unwrap_or(0).max(8)
}

fn name(replays: &[Replay<'_>]) -> &'static str {
    let mut others = replays.iter().filter_map(|replay| replay.other.as_ref());
    others.next().map_or("", |other| other.allocator)
}

/// Each employed worker's computing time in a cycle of the allocation that was asked for.
fn worker_rows(text: &mut String, replays: &[Replay<'_>]) {
    let wide = id_width(replays);
    say(
        text,
        format_args!(
            "\n{:>wide$}  {:<16}{:>10}{:>14}{:>13}{:>12}{:>9}",
            "run", "worker", "batches", "benchmark/s", "predicted s", "recorded s", "error %"
        ),
    );
    for replay in replays {
        let batches = match &replay.other {
            None => Some(replay.run.job.batches.as_slice()),
            Some(other) => other.plan().map(|plan| plan.batches.as_slice()),
        };
        let workers = batches.unwrap_or_default().iter().enumerate();
        for (worker, &batches) in workers.filter(|&(_, &batches)| batches > 0) {
            let (predicted, recorded) = replay.compute(worker, batches);
            let error = recorded.map(|recorded| error_percent(predicted, recorded));
            say(
                text,
                format_args!(
                    "{:>wide$}  {:<16}{batches:>10}{:>14.1}{:>13.3}{:>12}{:>9}",
                    id(replay),
                    replay.run.names[worker],
                    replay.run.job.speeds[worker].per_second_f64(),
                    predicted.seconds_f64(),
                    recorded.map_or("-".to_owned(), |s| format!("{:.3}", s.seconds_f64())),
                    percent(error),
                ),
            );
        }
    }
}

/// How far predictions of the recorded allocations are off, and which runs are outliers.
fn totals(text: &mut String, replays: &[Replay<'_>]) {
    let passing = |replay: &&Replay<'_>| !replay.run.job.is_outlier();
    let run = |replay: &Replay<'_>| Some((replay.predicted, replay.run.measured.training?));
    let left_out = |replay: &Replay<'_>| Some((replay.left_out?, replay.run.measured.training?));
    let worker = |replay: &Replay<'_>| -> Vec<(Span, Span)> {
        let batches = replay.run.job.batches.iter().enumerate();
        let employed = batches.filter(|&(_, &batches)| batches > 0);
        let pair = |(worker, &batches): (usize, &u64)| {
            let (predicted, recorded) = replay.compute(worker, batches);
            Some((predicted, recorded?))
        };
        employed.filter_map(pair).collect()
    };
    let all = || replays.iter();
    let rows = [
        (
            "predicted, runs that pass",
            Errors::of(all().filter(passing).filter_map(run)),
        ),
        ("predicted, all runs", Errors::of(all().filter_map(run))),
        (
            "left out, runs that pass",
            Errors::of(all().filter(passing).filter_map(left_out)),
        ),
        ("left out, all runs", Errors::of(all().filter_map(left_out))),
        (
            "a worker's cycle, runs that pass",
            Errors::of(all().filter(passing).flat_map(worker)),
        ),
        (
            "a worker's cycle, all runs",
            Errors::of(all().flat_map(worker)),
        ),
    ];
    say(
        text,
        format_args!(
            "\n{:<34}{:>6}{:>12}{:>11}{:>8}{:>10}",
            "errors, as recorded", "count", "mean abs %", "median %", "p90 %", "total %"
        ),
    );
    for (label, errors) in rows {
        let Some(errors) = errors else { continue };
        say(
            text,
            format_args!(
                "{label:<34}{:>6}{:>12.2}{:>11.2}{:>8.2}{:>+10.2}",
                errors.count,
                errors.mean_percent,
                errors.median_percent,
                errors.p90_percent,
                errors.total_percent
            ),
        );
    }
    let outliers = all().filter(|replay| replay.run.job.is_outlier());
    let named: Vec<String> = outliers
        .map(|replay| {
            format!(
                "run {} ({:.3})",
                id(replay),
                replay.run.job.benchmark_ratio()
            )
        })
        .collect();
    say(
        text,
        format_args!(
            "outliers, whose slowest employed worker has a benchmark below 1/3 of the median: {}",
            if named.is_empty() {
                "none".to_owned()
            } else {
                named.join(", ")
            }
        ),
    );
}

fn mark(replay: &Replay<'_>) -> &'static str {
    if replay.run.job.is_outlier() {
        "  outlier"
    } else {
        ""
    }
}

fn seconds(span: Option<Span>) -> String {
    span.map_or("-".to_owned(), |span| format!("{:.1}", span.seconds_f64()))
}

fn percent(value: Option<f64>) -> String {
    // Adding zero turns the -0 that rounding may leave into 0.
    let rounded = value.map(|value| (value * 10.0).round() / 10.0 + 0.0);
    rounded.map_or("-".to_owned(), |value| format!("{value:+.1}"))
}

fn change(before: f64, after: f64) -> String {
    if before > 0.0 {
        percent(Some(100.0 * (after / before - 1.0)))
    } else {
        percent(None)
    }
}

/// One line; without the blanks at its end.
fn say(text: &mut String, line: std::fmt::Arguments<'_>) {
    let start = text.len();
    writeln!(text, "{line}").expect("memory takes everything");
    let kept = text[start..].trim_end_matches(['\n', ' ']).len();
    let line_end = text[start..].ends_with("\n\n");
    text.truncate(start + kept);
    text.push_str(if line_end { "\n\n" } else { "\n" });
}
