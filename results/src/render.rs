//! The comparison of a validation as text.

use scheduler::{Cost, Span};

use crate::assess::Kind;
use crate::cycles::Cycles;
use crate::tally::{Discrepancy, Report, Summary, SummaryRow, TimingRow};
use crate::text::{Style, Table, dash, interval, number, plus_minus};

/// Prints the comparison: a table for each family, what does not match, and the worst
/// discrepancies with the command that replays each.
pub fn render(report: &Report, style: Style) -> String {
    let rows = || report.summary.rows.iter().zip(&report.timings);
    let numbers = [
        "feasible",
        "optimal",
        "suboptimal",
        "mean excess %",
        "worst %",
        "p50",
        "p99",
        "max",
        "total",
    ];
    let mut table = Table::new(["allocator"], numbers);
    let mut family = None;
    for (row, timing) in rows() {
        if family != Some(&row.family) {
            family = Some(&row.family);
            table.section(format!("{}: {} tests", row.family, row.counts.tests));
        }
        table.row(cells(row, timing));
    }
    let mut text = table.render(style) + &simulated(&report.summary, style);
    // The last family is the total if there are several.
    let last = rows().filter(|(row, _)| Some(&row.family) == family);
    let last: Vec<&SummaryRow> = last.map(|(row, _)| row).collect();
    text.push('\n');
    for note in last.iter().filter_map(|row| suboptimal(row)) {
        text += &(note + "\n");
    }
    for (allocators, what) in unplanned(&last) {
        text += &format!("{}: {what}\n", allocators.join(", "));
    }
    text += "± and [ ] are 95 % confidence intervals; times are wall time per solve, verification \
             included\n";
    if last.iter().any(|row| row.cycles.is_some()) {
        text += "late workers need longer than a cycle has; a makespan ends with the last worker, \
                 cut off nowhere\n";
    }
    text + &mismatches(report, style) + &worst(report, style)
}

fn cells(row: &SummaryRow, timing: &TimingRow) -> [String; 10] {
    let time = |nanos| Span::from_nanos(nanos).to_string();
    [
        row.allocator.clone(),
        row.counts.planned.to_string(),
        row.counts.optimal.to_string(),
        row.counts.suboptimal.to_string(),
        plus_minus(row.mean_excess_percent, 4),
        number(row.worst_excess_percent, 4),
        time(timing.p50_ns),
        time(timing.p99_ns),
        time(timing.max_ns),
        time(timing.total_ns),
    ]
}

/// What became of the plans in simulated cycles: a table of all families, then the differences.
fn simulated(summary: &Summary, style: Style) -> String {
    let rows = summary.rows.iter();
    let with_cycles: Vec<(&SummaryRow, &Cycles)> = rows
        .filter_map(|row| Some((row, row.cycles.as_ref()?)))
        .collect();
    if with_cycles.is_empty() {
        return String::new();
    }
    let names = ["family", "allocator"];
    let mut cycles_of = Table::new(names, ["cycles", "missed %", "late workers", "makespan ms"]);
    cycles_of.section("simulated cycles, one for each plan");
    let mut differences = Table::new(
        names,
        ["pairs", "missed, % points", "late workers", "makespan ms"],
    );
    differences.section("more than exact, test by test, at the same true speeds");
    let mut is_compared = false;
    for (row, cycles) in with_cycles {
        cycles_of.row([
            row.family.clone(),
            row.allocator.clone(),
            cycles.simulated.to_string(),
            interval(cycles.missed_percent, 2),
            plus_minus(cycles.mean_late_workers, 3),
            plus_minus(cycles.mean_makespan_ms, 2),
        ]);
        if let Some(against) = cycles.against_exact {
            is_compared = true;
            differences.row([
                row.family.clone(),
                row.allocator.clone(),
                against.pairs.to_string(),
                interval(against.missed_points, 2),
                plus_minus(against.late_workers, 3),
                plus_minus(against.makespan_ms, 2),
            ]);
        }
    }
    let mut text = format!("\n{}", cycles_of.render(style));
    if is_compared {
        text += &format!("\n{}", differences.render(style));
    }
    text
}

/// How often and by how much an allocator's plans are not the cheapest.
fn suboptimal(row: &SummaryRow) -> Option<String> {
    let share = row
        .suboptimal_percent
        .filter(|_| row.counts.suboptimal > 0)?;
    let mut note = format!(
        "{}: {:.3} % of the plans compared are suboptimal",
        row.allocator, share.value
    );
    if let (Some(low), Some(high)) = (share.low, share.high) {
        note += &format!(" [{low:.3}, {high:.3}]");
    }
    if let Some(mean) = row.mean_excess_suboptimal_percent {
        note += &format!("; by {} % on average", plus_minus(Some(mean), 4));
    }
    Some(note)
}

/// What became of the tests without a proven plan; allocators of which the same is true together.
fn unplanned<'a>(rows: &[&'a SummaryRow]) -> Vec<(Vec<&'a str>, String)> {
    let mut groups: Vec<(Vec<&str>, String)> = Vec::new();
    for row in rows {
        let counts = &row.counts;
        let parts: Vec<String> = [
            (counts.infeasible, "infeasible"),
            (counts.failed, "failed"),
            (counts.unverified, "of those did not verify"),
            (counts.bounded, "bounded"),
            (counts.unproven, "with no proven optimum to compare with"),
            (
                counts.excess_undefined,
                "more expensive than a free optimum",
            ),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        if parts.is_empty() {
            continue;
        }
        let parts = parts.join(", ");
        match groups.iter_mut().find(|(_, text)| *text == parts) {
            Some((allocators, _)) => allocators.push(&row.allocator),
            None => groups.push((vec![&row.allocator], parts)),
        }
    }
    groups
}

fn mismatches(report: &Report, style: Style) -> String {
    let totals = report.summary.totals();
    let sum = |get: fn(&SummaryRow) -> u64| totals.iter().map(get).sum::<u64>();
    let mut text = format!(
        "\nmismatches: {} of feasibility, {} of cost, {} of lower bounds\n",
        sum(|row| row.counts.feasibility_mismatches),
        sum(|row| row.counts.cost_mismatches),
        sum(|row| row.counts.bound_mismatches),
    );
    for row in totals {
        let counts = &row.counts;
        for (count, what) in [
            (
                counts.feasibility_mismatches,
                "wrong or differing answers about feasibility",
            ),
            (
                counts.cost_mismatches,
                "plans called optimal that a verified plan beats",
            ),
            (
                counts.bound_mismatches,
                "lower bounds above the cost of a verified plan",
            ),
        ] {
            if count > 0 {
                text += &format!("  {}: {count} {what}\n", row.allocator);
            }
        }
    }
    if report.summary.exact_beaten > 0 {
        let beaten = report.summary.exact_beaten;
        let alarm = format!("exact was beaten on {beaten} tests: this is a bug, please report it");
        text += &(style.heading(&alarm) + "\n");
    }
    text
}

fn worst(report: &Report, style: Style) -> String {
    if report.worst.is_empty() {
        return String::new();
    }
    let all = report.summary.discrepancies;
    let heading = format!("worst {} of {all} discrepancies", report.worst.len());
    let mut text = format!("\n{}\n", style.heading(&heading));
    for discrepancy in &report.worst {
        let (what, replay) = (describe(discrepancy), &discrepancy.replay);
        text += &format!("  {what}\n    {replay}\n");
    }
    text
}

fn describe(d: &Discrepancy) -> String {
    let cost = |cost: Option<Cost>| cost.map_or_else(dash, |cost| cost.to_string());
    let what = match d.kind {
        Kind::Cost => format!(
            "calls {} optimal, a verified plan costs {}",
            cost(d.cost),
            cost(d.cheapest)
        ),
        Kind::Bound => format!(
            "has a lower bound above a verified plan that costs {}",
            cost(d.cheapest)
        ),
        Kind::Feasibility => format!(
            "says {}, but there is a plan that costs {}",
            d.reason.unwrap_or("infeasible"),
            cost(d.cheapest)
        ),
        Kind::Reason => format!(
            "says {}, unlike the others",
            d.reason.unwrap_or("infeasible")
        ),
        Kind::Failed => format!("failed: {}", d.reason.unwrap_or("no reason given")),
        Kind::Suboptimal => format!(
            "costs {} instead of {} (+{} %)",
            cost(d.cost),
            cost(d.optimum),
            number(d.excess.map(|excess| 100.0 * excess), 4)
        ),
        Kind::Unproven => format!(
            "costs {}, the cheapest plan {}, nothing is proved optimal",
            cost(d.cost),
            cost(d.cheapest)
        ),
    };
    format!("{} test {}: {} {what}", d.family, d.test, d.allocator)
}
