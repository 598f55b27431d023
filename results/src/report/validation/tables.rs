//! The tables of a validation: its summaries, with the columns that a reader asks for.

use super::super::csv::Csv;
use super::super::table::{Cell, Column, Table};

/// A column of the summary tables: its name there, its title, and whether it is an estimate.
type Of = (&'static str, &'static str, bool);

fn picked(csv: &Csv, columns: &[Of], cell: fn(&str) -> Cell) -> Table {
    let heading = |(name, title, is_estimate): &Of| {
        if *is_estimate {
            Column::estimate(name, title)
        } else {
            Column::new(name, title)
        }
    };
    let mut table = Table::new(columns.iter().map(heading).collect());
    for row in &csv.rows {
        let of = |(name, _, is_estimate): &Of| {
            let value = csv.cell(row, name);
            if *is_estimate {
                let low = csv.cell(row, &format!("{name}_low"));
                let high = csv.cell(row, &format!("{name}_high"));
                Cell::read_estimate(value, low, high)
            } else if name.ends_with("_ns") {
                cell(value)
            } else {
                Cell::read(value)
            }
        };
        table.push(columns.iter().map(of).collect());
    }
    table
}

pub(super) fn comparison(summary: &Csv) -> Table {
    let columns: [Of; 13] = [
        ("family", "family", false),
        ("allocator", "allocator", false),
        ("tests", "tests", false),
        ("planned", "plans", false),
        ("optimal", "optimal", false),
        ("suboptimal", "above optimum", false),
        ("unproven", "no optimum known", false),
        ("infeasible", "infeasible", false),
        ("failed", "failed", false),
        ("suboptimal_percent", "above optimum, % of compared", true),
        (
            "mean_excess_suboptimal_percent",
            "by, mean of these, %",
            true,
        ),
        ("mean_excess_percent", "mean of all, %", true),
        ("worst_excess_percent", "worst, %", false),
    ];
    picked(summary, &columns, Cell::read)
}

pub(super) fn times(timings: &Csv) -> Table {
    let columns: [Of; 7] = [
        ("family", "family", false),
        ("allocator", "allocator", false),
        ("p50_ns", "median", false),
        ("p99_ns", "99th percentile", false),
        ("max_ns", "longest", false),
        ("mean_ns", "mean", false),
        ("total_ns", "all together", false),
    ];
    picked(timings, &columns, Cell::nanos)
}

pub(super) fn cycles(summary: &Csv) -> Table {
    let columns: [Of; 9] = [
        ("family", "family", false),
        ("allocator", "allocator", false),
        ("simulated", "cycles", false),
        ("missed_percent", "missed, %", true),
        ("mean_late_workers", "late workers", true),
        ("mean_makespan_ms", "makespan, ms", true),
        (
            "missed_points_above_exact",
            "missed above exact, % points",
            true,
        ),
        ("late_workers_above_exact", "late workers above exact", true),
        ("makespan_ms_above_exact", "makespan above exact, ms", true),
    ];
    picked(summary, &columns, Cell::read)
}

/// Rows of all families together, and those with something to say.
pub(super) fn checks(summary: &Csv, total: &str) -> Table {
    let columns: [Of; 6] = [
        ("family", "family", false),
        ("allocator", "allocator", false),
        ("feasibility_mismatches", "wrong about feasibility", false),
        ("cost_mismatches", "called optimal, but beaten", false),
        ("bound_mismatches", "lower bound above a plan", false),
        ("unverified", "plan does not verify", false),
    ];
    let is_said = |row: &&Vec<String>| {
        let mut counts = columns[2..]
            .iter()
            .map(|(name, ..)| summary.cell(row, name));
        summary.cell(row, "family") == total || counts.any(|count| count != "0")
    };
    let said = Csv {
        heading: summary.heading.clone(),
        rows: summary.rows.iter().filter(is_said).cloned().collect(),
    };
    picked(&said, &columns, Cell::read)
}
