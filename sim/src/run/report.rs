//! What came of simulated runs, as a table with confidence intervals or as JSON lines.

use results::paired::{Part, Scale, estimate};
use results::share;
use serde_json::{Value, json};

use super::Setting;
use super::arm::Arm;
use super::compare;
use super::figures::{dash, fee, interval, lost_percent, mean, per_run, share_of, shown, wall};
use super::simulate::Run;

/// A line for each run, in order.
pub(super) fn lines(arms: &[Arm<'_>]) -> String {
    let mut text = String::new();
    for arm in arms {
        for (replicate, run) in arm.runs.iter().enumerate() {
            let line = json!({
                "arm": arm.name,
                "allocator": arm.allocator.name(),
                "seed": arm.setting.seed,
                "replicate": replicate,
                "ending": run.totals.ending.reason(),
                "missed": run.totals.is_missed(),
                "wall_s": run.totals.wall.seconds_f64(),
                "limit_s": run.totals.limit.seconds_f64(),
                "setup_s": run.totals.setup.seconds_f64(),
                "fee": decimal(&run.totals.scheduled.cost.to_string()),
                "cycles_complete": run.totals.scheduled.complete,
                "cycles_truncated": run.totals.scheduled.truncated,
                "cycles_failed": run.totals.scheduled.failed,
                "batches_accepted": run.totals.scheduled.accepted,
                "batches_lost": run.totals.scheduled.lost,
                "batches_moved": run.totals.scheduled.moved,
                "plans": run.totals.scheduled.plans,
                "cycles_feasible": run.judged.feasible,
                "cycles_feasible_complete": run.judged.feasible_complete,
                "cycles_untouched": run.judged.untouched,
                "cycles_untouched_complete": run.judged.untouched_complete,
                "orders": run.totals.orders,
                "overruns": run.totals.overruns,
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

/// A row for each arm, then paired differences from the first.
pub(super) fn table(arms: &[Arm<'_>], bold: bool) -> String {
    let heading = |text: String| {
        if bold {
            format!("\x1b[1m{text}\x1b[0m\n")
        } else {
            text + "\n"
        }
    };
    let Some(first) = arms.first() else {
        return String::new();
    };
    let job = first.setting.scenario().job();
    let groups = first.setting.scenario().groups();
    let mut text = heading(format!(
        "{} cycles of {} batches; {} workers; {} replicates",
        job.cycles,
        job.batches,
        groups.iter().map(|group| group.count).sum::<u64>(),
        first.runs.len(),
    ));
    text += &given(first.setting, |_| true);
    text.push('\n');
    let longest = arms.iter().map(|arm| arm.name.chars().count()).max();
    let width = longest.unwrap_or(0).max("allocator".len()) + 1;
    text += &heading(format!(
        "{:<width$}{:>22}{:>17}{:>9}{:>20}{:>9}{:>10}{:>7}",
        "allocator", "fee", "wall s", "limit s", "missed %", "complete", "truncated", "failed"
    ));
    for Arm { name, runs, .. } in arms {
        let missed = runs.iter().filter(|run| run.totals.is_missed()).count() as u64;
        let limit = mean(runs, |run| run.totals.limit.seconds_f64());
        text += &format!(
            "{name:<width$}{:>22}{:>17}{:>9}{:>20}{:>9}{:>10}{:>7}\n",
            shown(mean(runs, fee), 2),
            shown(mean(runs, wall), 2),
            limit.map_or_else(dash, |limit| format!("{:.1}", limit.value)),
            interval(share(missed, runs.len() as u64)),
            per_run(runs, |run| f64::from(run.totals.scheduled.complete)),
            per_run(runs, |run| f64::from(run.totals.scheduled.truncated)),
            per_run(runs, |run| f64::from(run.totals.scheduled.failed)),
        );
    }
    text.push('\n');
    for Arm { name, runs, .. } in arms {
        text += &format!(
            "{name}: of all batches ordered {} % lost; {} moved to other workers and {} plans a \
             run\n",
            shown(mean(runs, lost_percent), 3),
            per_run(runs, |run| run.totals.scheduled.moved as f64),
            per_run(runs, |run| f64::from(run.totals.scheduled.plans)),
        );
        let of = |part: fn(&Run) -> Part| {
            let parts: Vec<Part> = runs.iter().map(part).collect();
            interval(estimate(&parts, Scale::Share))
        };
        text += &format!(
            "{name}: {} % of the feasible cycles complete; {} % of those without a fault within\n",
            of(|run| share_of(run.judged.feasible_complete, run.judged.feasible)),
            of(|run| share_of(run.judged.untouched_complete, run.judged.untouched)),
        );
        for (reason, example, count) in endings(runs) {
            text += &format!("{name}: {count} runs ended early: {reason}, such as: {example}\n");
        }
    }
    text += &compare::tables(arms, heading);
    text + "± and [ ] are 95 % confidence intervals; cycles are means a run; a cycle is feasible if \
            the\ntrue speeds of the workers that were there all through it allow for a plan\n"
}

/// Each value that is not left to its default, and where it came from.
pub(crate) fn given(setting: &Setting, is_wanted: impl Fn(&str) -> bool) -> String {
    let given = setting.provenance.given.iter();
    given
        .filter(|given| is_wanted(&given.key))
        .map(|given| format!("  {:<20}{:<12} {}\n", given.key, given.value, given.from))
        .collect()
}

/// Why runs did not reach their last cycle, in the words of the first of each kind; the most
/// frequent first.
fn endings(runs: &[Run]) -> Vec<(&'static str, String, usize)> {
    let mut counts: Vec<(&'static str, String, usize)> = Vec::new();
    for run in runs {
        if run.totals.ending.reason() == "completed" {
            continue;
        }
        let reason = run.totals.ending.reason();
        match counts.iter_mut().find(|(known, ..)| *known == reason) {
            Some((.., count)) => *count += 1,
            None => counts.push((reason, run.totals.ending.to_string(), 1)),
        }
    }
    counts.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
    counts
}
