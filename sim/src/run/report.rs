//! What came of simulated runs, as a table with confidence intervals or as JSON lines.

use results::paired::{Part, Scale, estimate};
use results::plan_line::decimal;
use results::runs::{RunEnd, Truth};
use results::text::{Style, Table, plus_minus};
use serde::Serialize;
use serde_json::value::RawValue;

use super::arm::Arm;
use super::compare;
use super::figures::{COLUMNS, lost_percent, mean, per_run, percent};
use super::setting::Setting;

#[derive(Serialize)]
struct RunLine<'a> {
    arm: &'a str,
    allocator: &'a str,
    seed: u64,
    replicate: usize,
    ending: &'a str,
    missed: bool,
    wall_s: f64,
    limit_s: f64,
    setup_s: f64,
    fee: Box<RawValue>,
    charges: Box<RawValue>,
    cycles_complete: u32,
    cycles_truncated: u32,
    cycles_failed: u32,
    batches_accepted: u64,
    batches_lost: u64,
    batches_moved: u64,
    plans: u32,
    cycles_feasible: u64,
    cycles_feasible_complete: u64,
    cycles_untouched: u64,
    cycles_untouched_complete: u64,
    orders: u64,
    overruns: u64,
}

/// A line for each run, in order.
pub(super) fn lines(arms: &[Arm<'_>]) -> String {
    let mut text = String::new();
    for arm in arms {
        for (replicate, run) in arm.runs.iter().enumerate() {
            let (totals, truth) = (&run.totals, run.truth.unwrap_or_default());
            let line = RunLine {
                arm: &arm.name,
                allocator: arm.allocator.name(),
                seed: arm.setting.seed,
                replicate,
                ending: run.ending.reason(),
                missed: run.is_missed(),
                wall_s: run.wall().seconds_f64(),
                limit_s: run.limit.seconds_f64(),
                setup_s: run.setup().seconds_f64(),
                fee: decimal(totals.cost),
                charges: decimal(totals.charges),
                cycles_complete: totals.complete,
                cycles_truncated: totals.truncated,
                cycles_failed: totals.failed,
                batches_accepted: totals.accepted,
                batches_lost: totals.lost,
                batches_moved: totals.moved,
                plans: totals.plans,
                cycles_feasible: truth.feasible,
                cycles_feasible_complete: truth.feasible_complete,
                cycles_untouched: truth.untouched,
                cycles_untouched_complete: truth.untouched_complete,
                orders: truth.orders,
                overruns: truth.overruns,
            };
            text += &(serde_json::to_string(&line).expect("numbers and names are JSON") + "\n");
        }
    }
    text
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
    // What is lost and planned is said below the table.
    let columns = &COLUMNS[..7];
    let numbers = columns.iter().map(|column| column.heading);
    let mut table = Table::new(["allocator"], numbers);
    let mut more = String::new();
    for Arm { name, runs, .. } in arms {
        let cells = columns.iter().map(|column| column.text(column.of(runs)));
        table.row([name.clone()].into_iter().chain(cells));
        more += &format!(
            "{name}: of all batches ordered {} % lost; {} moved to other workers and {} plans per \
             run\n",
            plus_minus(mean(runs, lost_percent), 3),
            per_run(runs, |run| run.totals.moved as f64),
            per_run(runs, |run| f64::from(run.totals.plans)),
        );
        let of = |part: fn(&Truth) -> (u64, u64)| {
            let parts = runs.iter().map(|run| part(&run.truth.unwrap_or_default()));
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
            of(|truth| (truth.feasible_complete, truth.feasible)),
            of(|truth| (truth.untouched_complete, truth.untouched)),
        );
        for (reason, example, count) in endings(runs) {
            more += &format!(
                "{name}: {count} runs ended early, left out of fee and wall time: {reason}, such as: {example}\n"
            );
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
fn endings(runs: &[RunEnd]) -> Vec<(&'static str, String, usize)> {
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
