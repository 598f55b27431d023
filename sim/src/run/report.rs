//! What came of simulated runs, as a table with confidence intervals or as JSON lines.

use results::paired::{Part, Scale, estimate};
use results::text::{Style, Table, number, plus_minus};
use serde_json::{Value, json};

use super::arm::Arm;
use super::compare;
use super::figures::{fee, limit, lost_percent, mean, missed, per_run, percent, wall};
use super::setting::Setting;
use super::simulate::{Judged, Run};

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
pub(super) fn table(arms: &[Arm<'_>], style: Style) -> String {
    let Some(first) = arms.first() else {
        return String::new();
    };
    let job = first.setting.scenario().job();
    let groups = first.setting.scenario().groups();
    let title = format!(
        "{} cycles of {} batches; {} workers; {} replicates",
        job.cycles,
        job.batches,
        groups.iter().map(|group| group.count).sum::<u64>(),
        first.runs.len(),
    );
    let numbers = [
        "fee",
        "wall s",
        "limit s",
        "missed %",
        "complete",
        "truncated",
        "failed",
    ];
    let mut table = Table::new(["allocator"], numbers);
    let mut more = String::new();
    for Arm { name, runs, .. } in arms {
        table.row([
            name.clone(),
            plus_minus(mean(runs, fee), 2),
            plus_minus(mean(runs, wall), 2),
            number(mean(runs, limit).map(|limit| limit.value), 1),
            percent(missed(runs)),
            per_run(runs, |run| f64::from(run.totals.scheduled.complete)),
            per_run(runs, |run| f64::from(run.totals.scheduled.truncated)),
            per_run(runs, |run| f64::from(run.totals.scheduled.failed)),
        ]);
        more += &format!(
            "{name}: of all batches ordered {} % lost; {} moved to other workers and {} plans per \
             run\n",
            plus_minus(mean(runs, lost_percent), 3),
            per_run(runs, |run| run.totals.scheduled.moved as f64),
            per_run(runs, |run| f64::from(run.totals.scheduled.plans)),
        );
        let of = |part: fn(&Judged) -> (u64, u64)| {
            let parts = runs.iter().map(|run| part(&run.judged));
            let parts: Vec<Part> = parts
                .map(|(count, of)| Part {
                    value: count as f64,
                    of: of as f64,
                })
                .collect();
            percent(estimate(&parts, Scale::Share))
        };
        more += &format!(
            "{name}: {} % of the feasible cycles complete; {} % of those without a fault within\n",
            of(|judged| (judged.feasible_complete, judged.feasible)),
            of(|judged| (judged.untouched_complete, judged.untouched)),
        );
        for (reason, example, count) in endings(runs) {
            more += &format!("{name}: {count} runs ended early: {reason}, such as: {example}\n");
        }
    }
    let legend = "± and [ ] are 95 % confidence intervals; cycles are means per run; a cycle is \
                  feasible if the true speeds of the workers that were there all through it allow \
                  for a plan";
    format!(
        "{}\n{}\n{}\n{more}{}{}",
        style.heading(&title),
        given(first.setting, |_| true),
        table.render(style),
        compare::tables(arms, style),
        style.paragraph(legend, 0),
    )
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
