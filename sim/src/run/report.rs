//! What came of simulated runs, as a table with confidence intervals or as JSON lines.

use results::{Estimate, Moments, share};
use serde_json::{Value, json};

use super::Setting;
use super::figures::{dash, fee, interval, lost_percent, mean, per_run, shown, wall};
use crate::world::RunTotals;

/// A line for each run, in order.
pub(super) fn lines(setting: &Setting, runs: &[Vec<RunTotals>]) -> String {
    let mut text = String::new();
    for (allocator, runs) in setting.allocators.iter().zip(runs) {
        for (replicate, run) in runs.iter().enumerate() {
            let line = json!({
                "allocator": allocator.name(),
                "seed": setting.seed,
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
pub(super) fn table(setting: &Setting, runs: &[Vec<RunTotals>], bold: bool) -> String {
    let heading = |text: String| {
        if bold {
            format!("\x1b[1m{text}\x1b[0m\n")
        } else {
            text + "\n"
        }
    };
    let job = setting.scenario().job();
    let replicates = runs.first().map_or(0, Vec::len);
    let mut text = heading(format!(
        "{} cycles of {} batches; {} workers; {replicates} replicates",
        job.cycles,
        job.batches,
        setting
            .scenario()
            .groups()
            .iter()
            .map(|group| group.count)
            .sum::<u64>(),
    ));
    text += &heading(format!(
        "{:<10}{:>22}{:>17}{:>9}{:>20}{:>9}{:>10}{:>7}",
        "allocator", "fee", "wall s", "limit s", "missed %", "complete", "truncated", "failed"
    ));
    for (allocator, runs) in setting.allocators.iter().zip(runs) {
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
    for (allocator, runs) in setting.allocators.iter().zip(runs) {
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
    if let Some((first, others)) = runs.split_first() {
        let names = setting.allocators.iter().map(|allocator| allocator.name());
        let base = setting.allocators[0].name();
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
