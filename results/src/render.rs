//! The comparison as a table for a terminal, at most 100 columns wide.

use std::fmt::Write;

use scheduler::{Cost, Span};

use crate::assess::Kind;
use crate::cycles::Cycles;
use crate::interval::Estimate;
use crate::tally::{Discrepancy, Report, Summary, SummaryRow, TimingRow};

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Headings in bold, for terminals that are asked for it.
    pub bold: bool,
}

/// Prints the comparison: a table for each family, what does not match, and the worst
/// discrepancies with the command that replays each.
pub fn render(report: &Report, style: Style) -> String {
    let mut text = String::new();
    print(report, style, &mut text).expect("writing to a string cannot fail");
    text
}

const WIDTHS: [usize; 10] = [9, 8, 8, 10, 16, 8, 8, 8, 8, 8];

const HEADINGS: [&str; WIDTHS.len()] = [
    "allocator",
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

fn print(report: &Report, style: Style, text: &mut String) -> std::fmt::Result {
    let rows = || report.summary.rows.iter().zip(&report.timings);
    let mut family = None;
    for (row, timing) in rows() {
        if family != Some(&row.family) {
            if family.is_some() {
                writeln!(text)?;
            }
            family = Some(&row.family);
            let tests = row.counts.tests;
            writeln!(
                text,
                "{}",
                style.bold(&format!("{}: {tests} tests", row.family))
            )?;
            let headings = line(&HEADINGS.map(str::to_owned), &WIDTHS);
            writeln!(text, "{}", style.bold(&headings))?;
        }
        writeln!(text, "{}", line(&cells(row, timing), &WIDTHS))?;
    }
    simulated(&report.summary, style, text)?;
    // The last family is the total if there are several.
    let last = rows().filter(|(row, _)| Some(&row.family) == family);
    let last: Vec<&SummaryRow> = last.map(|(row, _)| row).collect();
    writeln!(text)?;
    for note in last.iter().filter_map(|row| suboptimal(row)) {
        writeln!(text, "{note}")?;
    }
    for (allocators, what) in unplanned(&last) {
        writeln!(text, "{}: {what}", allocators.join(", "))?;
    }
    writeln!(
        text,
        "± and [ ] are 95 % confidence intervals; times are wall time a solve, verification included"
    )?;
    if last.iter().any(|row| row.cycles.is_some()) {
        writeln!(
            text,
            "late workers need longer than a cycle has; a makespan ends with the last worker, cut off nowhere"
        )?;
    }
    mismatches(report, style, text)?;
    worst(report, style, text)
}

fn cells(row: &SummaryRow, timing: &TimingRow) -> [String; 10] {
    let time = |nanos| Span::from_nanos(nanos).to_string();
    [
        row.allocator.clone(),
        row.counts.planned.to_string(),
        row.counts.optimal.to_string(),
        row.counts.suboptimal.to_string(),
        plus_minus_or_dash(row.mean_excess_percent, 4),
        row.worst_excess_percent
            .map_or_else(dash, |w| format!("{w:.4}")),
        time(timing.p50_ns),
        time(timing.p99_ns),
        time(timing.max_ns),
        time(timing.total_ns),
    ]
}

/// The interval of a mean is symmetric.
fn plus_minus(estimate: Estimate, places: usize) -> String {
    let value = fixed(estimate.value, places);
    match estimate.high {
        Some(high) => format!("{value} ± {:.places$}", high - estimate.value),
        None => value,
    }
}

/// Rounded to so many places, zero without a sign.
fn fixed(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    match text.strip_prefix('-') {
        Some(size) if size.chars().all(|c| matches!(c, '0' | '.')) => size.to_owned(),
        _ => text,
    }
}

fn dash() -> String {
    "-".to_owned()
}

/// Pads the first cell on the right, the others on the left.
fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
        match index {
            0 => line.extend([cell.as_str(), padding.as_str()]),
            _ => line.extend([" ", padding.as_str(), cell.as_str()]),
        }
    }
    line.truncate(line.trim_end().len());
    line
}

const CYCLE_WIDTHS: [usize; 6] = [10, 9, 8, 24, 16, 18];

/// What became of the plans in simulated cycles: a table of all families, then the differences.
fn simulated(summary: &Summary, style: Style, text: &mut String) -> std::fmt::Result {
    let with_cycles = || {
        let rows = summary.rows.iter();
        rows.filter_map(|row| Some((row, row.cycles.as_ref()?)))
    };
    if with_cycles().next().is_none() {
        return Ok(());
    }
    let name = |row: &SummaryRow| [row.family.clone(), row.allocator.clone()];
    let mut table = |title: &str, headings: [&str; 4], lines: Vec<Vec<String>>| {
        let headings = ["family", "allocator"].into_iter().chain(headings);
        let headings: Vec<String> = headings.map(str::to_owned).collect();
        writeln!(text, "\n{}", style.bold(title))?;
        writeln!(text, "{}", style.bold(&line(&headings, &CYCLE_WIDTHS)))?;
        for cells in lines {
            writeln!(text, "{}", line(&cells, &CYCLE_WIDTHS))?;
        }
        Ok(())
    };
    let cells = |(row, cycles): (&SummaryRow, &Cycles)| {
        let figures = [
            cycles.simulated.to_string(),
            cycles.missed_percent.map_or_else(dash, interval),
            plus_minus_or_dash(cycles.mean_late_workers, 3),
            plus_minus_or_dash(cycles.mean_makespan_ms, 2),
        ];
        name(row).into_iter().chain(figures).collect()
    };
    let headings = ["cycles", "missed %", "late workers", "makespan ms"];
    let lines = with_cycles().map(cells).collect();
    table("simulated cycles, one for each plan", headings, lines)?;
    let cells = |(row, cycles): (&SummaryRow, &Cycles)| {
        let against = cycles.against_exact?;
        let figures = [
            against.pairs.to_string(),
            against.missed_points.map_or_else(dash, interval),
            plus_minus_or_dash(against.late_workers, 3),
            plus_minus_or_dash(against.makespan_ms, 2),
        ];
        Some(name(row).into_iter().chain(figures).collect())
    };
    let differences: Vec<_> = with_cycles().filter_map(cells).collect();
    if differences.is_empty() {
        return Ok(());
    }
    let headings = ["pairs", "missed, % points", "late workers", "makespan ms"];
    let title = "more than exact, test by test, at the same true speeds";
    table(title, headings, differences)
}

fn plus_minus_or_dash(estimate: Option<Estimate>, places: usize) -> String {
    estimate.map_or_else(dash, |estimate| plus_minus(estimate, places))
}

/// An interval that need not be symmetric.
fn interval(estimate: Estimate) -> String {
    let shown = |value| fixed(value, 2);
    let value = shown(estimate.value);
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!("{value} [{}, {}]", shown(low), shown(high)),
        _ => value,
    }
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
        note += &format!("; by {} % on average", plus_minus(mean, 4));
    }
    Some(note)
}

/// What became of the tests without a proven plan; allocators of which the same is true together.
fn unplanned<'a>(rows: &[&'a SummaryRow]) -> Vec<(Vec<&'a str>, String)> {
    let mut groups: Vec<(Vec<&str>, String)> = Vec::new();
    for row in rows {
        let counts = &row.counts;
        let told: Vec<String> = [
            (counts.infeasible, "infeasible"),
            (counts.failed, "failed"),
            (counts.unverified, "of those did not verify"),
            (counts.bounded, "bounded"),
            (counts.unproven, "with no proven optimum to compare with"),
            (counts.excess_undefined, "dearer than a free optimum"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        if told.is_empty() {
            continue;
        }
        let told = told.join(", ");
        match groups.iter_mut().find(|(_, text)| *text == told) {
            Some((allocators, _)) => allocators.push(&row.allocator),
            None => groups.push((vec![&row.allocator], told)),
        }
    }
    groups
}

fn mismatches(report: &Report, style: Style, text: &mut String) -> std::fmt::Result {
    let totals = report.summary.totals();
    let sum = |get: fn(&SummaryRow) -> u64| totals.iter().map(get).sum::<u64>();
    writeln!(text)?;
    writeln!(
        text,
        "mismatches: {} of feasibility, {} of cost, {} of lower bounds",
        sum(|row| row.counts.feasibility_mismatches),
        sum(|row| row.counts.cost_mismatches),
        sum(|row| row.counts.bound_mismatches),
    )?;
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
                writeln!(text, "  {}: {count} {what}", row.allocator)?;
            }
        }
    }
    if report.summary.exact_beaten > 0 {
        let beaten = report.summary.exact_beaten;
        let alarm = format!("exact was beaten on {beaten} tests: this is a bug, please report it");
        writeln!(text, "{}", style.bold(&alarm))?;
    }
    Ok(())
}

fn worst(report: &Report, style: Style, text: &mut String) -> std::fmt::Result {
    if report.worst.is_empty() {
        return Ok(());
    }
    let all = report.summary.discrepancies;
    let heading = format!("worst {} of {all} discrepancies", report.worst.len());
    writeln!(text, "\n{}", style.bold(&heading))?;
    for discrepancy in &report.worst {
        writeln!(text, "  {}", describe(discrepancy))?;
        writeln!(text, "    {}", discrepancy.replay)?;
    }
    Ok(())
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
        Kind::Suboptimal => {
            let excess = d
                .excess
                .map_or_else(dash, |e| format!("{:.4} %", 100.0 * e));
            format!(
                "costs {} instead of {} (+{excess})",
                cost(d.cost),
                cost(d.optimum)
            )
        }
        Kind::Unproven => format!(
            "costs {}, the cheapest plan {}, nothing is proved optimal",
            cost(d.cost),
            cost(d.cheapest)
        ),
    };
    format!("{} test {}: {} {what}", d.family, d.test, d.allocator)
}

impl Style {
    fn bold(self, text: &str) -> String {
        if self.bold {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
