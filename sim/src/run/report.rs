//! What came of simulated runs, as a table with confidence intervals or as JSON lines.

use results::{Estimate, Moments, share};
use serde_json::{Value, json};

use super::Simulated;
use crate::world::RunTotals;

/// A line for each run, in order.
pub(super) fn lines(simulated: &Simulated) -> String {
    let mut text = String::new();
    for (allocator, runs) in simulated.allocators.iter().zip(&simulated.runs) {
        for (replicate, run) in runs.iter().enumerate() {
            let line = json!({
                "allocator": allocator.name(),
                "seed": simulated.seed,
                "replicate": replicate,
                "ending": run.ending.reason(),
                "missed": run.is_missed(),
                "wall_s": run.wall.seconds_f64(),
                "limit_s": run.limit.seconds_f64(),
                "setup_s": run.setup.seconds_f64(),
                "fee": decimal(&run.scheduled.cost.to_string()),
                "cycles_complete": run.scheduled.complete,
                "cycles_truncated": run.scheduled.truncated,
                "cycles_failed": run.scheduled.failed,
                "batches_accepted": run.scheduled.accepted,
                "batches_lost": run.scheduled.lost,
                "batches_moved": run.scheduled.moved,
                "plans": run.scheduled.plans,
                "orders": run.orders,
                "overruns": run.overruns,
            });
            text += &format!("{line}\n");
        }
    }
    text
}

/// Money as a JSON number with all of its digits where a float has them, else as text.
fn decimal(text: &str) -> Value {
    match text.parse::<f64>() {
        Ok(value) if value.to_string() == text => json!(value),
        _ => json!(text),
    }
}

/// A row for each allocator, then paired differences from the first.
pub(super) fn table(simulated: &Simulated, bold: bool) -> String {
    let heading = |text: String| {
        if bold {
            format!("\x1b[1m{text}\x1b[0m\n")
        } else {
            text + "\n"
        }
    };
    let job = simulated.scenario.job();
    let replicates = simulated.runs.first().map_or(0, Vec::len);
    let mut text = heading(format!(
        "{} cycles of {} batches; {} workers; {replicates} replicates",
        job.cycles,
        job.batches,
        simulated
            .scenario
            .groups()
            .iter()
            .map(|group| group.count)
            .sum::<u64>(),
    ));
    text += &heading(format!(
        "{:<10}{:>22}{:>17}{:>9}{:>20}{:>9}{:>10}{:>7}",
        "allocator", "fee", "wall s", "limit s", "missed %", "complete", "truncated", "failed"
    ));
    for (allocator, runs) in simulated.allocators.iter().zip(&simulated.runs) {
        let missed = runs.iter().filter(|run| run.is_missed()).count() as u64;
        let limit = mean(runs, |run| run.limit.seconds_f64());
        text += &format!(
            "{:<10}{:>22}{:>17}{:>9}{:>20}{:>9}{:>10}{:>7}\n",
            allocator.name(),
            shown(mean(runs, fee), 2),
            shown(mean(runs, wall), 2),
            limit.map_or_else(dash, |limit| format!("{:.1}", limit.value)),
            interval(share(missed, runs.len() as u64)),
            per_run(runs, |run| f64::from(run.scheduled.complete)),
            per_run(runs, |run| f64::from(run.scheduled.truncated)),
            per_run(runs, |run| f64::from(run.scheduled.failed)),
        );
    }
    text.push('\n');
    for (allocator, runs) in simulated.allocators.iter().zip(&simulated.runs) {
        text += &format!(
            "{}: of all batches ordered {} % lost; {} moved to other workers and {} plans a run\n",
            allocator.name(),
            shown(mean(runs, lost_percent), 3),
            per_run(runs, |run| run.scheduled.moved as f64),
            per_run(runs, |run| f64::from(run.scheduled.plans)),
        );
        for (reason, example, count) in endings(runs) {
            let name = allocator.name();
            text += &format!("{name}: {count} runs ended early: {reason}, such as: {example}\n");
        }
    }
    if let Some((first, others)) = simulated.runs.split_first() {
        let names = simulated
            .allocators
            .iter()
            .map(|allocator| allocator.name());
        let base = simulated.allocators[0].name();
        for (name, runs) in names.skip(1).zip(others) {
            text += &format!(
                "{name} against {base}, paired: fee {}, wall {} s\n",
                shown(difference(runs, first, fee), 3),
                shown(difference(runs, first, wall), 3),
            );
        }
    }
    text + "± and [ ] are 95 % confidence intervals; cycles are means a run\n"
}

fn fee(run: &RunTotals) -> f64 {
    run.scheduled.cost.units_f64()
}

fn wall(run: &RunTotals) -> f64 {
    run.wall.seconds_f64()
}

fn lost_percent(run: &RunTotals) -> f64 {
    let (accepted, lost) = (run.scheduled.accepted as f64, run.scheduled.lost as f64);
    100.0 * lost / (accepted + lost).max(1.0)
}

fn mean(runs: &[RunTotals], of: impl Fn(&RunTotals) -> f64) -> Option<Estimate> {
    let mut moments = Moments::default();
    runs.iter().for_each(|run| moments.add(of(run)));
    moments.mean()
}

/// The mean of the differences, replicate by replicate.
fn difference(
    runs: &[RunTotals],
    base: &[RunTotals],
    of: impl Fn(&RunTotals) -> f64,
) -> Option<Estimate> {
    let mut moments = Moments::default();
    for (run, base) in runs.iter().zip(base) {
        moments.add(of(run) - of(base));
    }
    moments.mean()
}

fn per_run(runs: &[RunTotals], of: impl Fn(&RunTotals) -> f64) -> String {
    mean(runs, of).map_or_else(dash, |mean| format!("{:.2}", mean.value))
}

fn shown(estimate: Option<Estimate>, places: usize) -> String {
    match estimate {
        Some(Estimate {
            value,
            high: Some(high),
            ..
        }) => format!("{value:.places$} ± {:.places$}", high - value),
        Some(Estimate { value, .. }) => format!("{value:.places$}"),
        None => dash(),
    }
}

/// A share in percent with its interval, which need not be symmetric.
fn interval(estimate: Option<Estimate>) -> String {
    match estimate {
        Some(Estimate {
            value,
            low: Some(low),
            high: Some(high),
        }) => format!(
            "{:.1} [{:.1}, {:.1}]",
            100.0 * value,
            100.0 * low,
            100.0 * high
        ),
        Some(Estimate { value, .. }) => format!("{:.1}", 100.0 * value),
        None => dash(),
    }
}

/// Why runs did not reach their last cycle, in the words of the first of each kind; the most
/// frequent first.
fn endings(runs: &[RunTotals]) -> Vec<(&'static str, String, usize)> {
    let mut counts: Vec<(&'static str, String, usize)> = Vec::new();
    for run in runs {
        if run.ending.reason() == "completed" {
            continue;
        }
        let reason = run.ending.reason();
        match counts.iter_mut().find(|(known, ..)| *known == reason) {
            Some((.., count)) => *count += 1,
            None => counts.push((reason, run.ending.to_string(), 1)),
        }
    }
    counts.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
    counts
}

fn dash() -> String {
    "-".to_owned()
}
