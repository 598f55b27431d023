//! Comparisons of allocators: what the page says is what the tables say.

use std::collections::BTreeMap;

use results::Outcomes;

use super::common::sim;
use super::page::Csv;
use super::{assert_rows, ends, report, reported, with_ends};

#[test]
fn a_validation() {
    let dir = tempfile::tempdir().expect("a folder");
    let report = reported(
        dir.path(),
        &[
            "validate",
            "--n-tests",
            "400",
            "--seed",
            "5",
            "--allocators",
            "heuristic,exact,lp",
            "--family",
            "tight-lots",
        ],
    );
    let summary = Csv::read(&dir.path().join("summary.csv"));
    let [dearer, by, mean] = [
        "suboptimal_percent",
        "mean_excess_suboptimal_percent",
        "mean_excess_percent",
    ]
    .map(ends);
    let mut columns = vec![
        "tests",
        "planned",
        "optimal",
        "suboptimal",
        "unproven",
        "infeasible",
        "failed",
    ];
    columns.extend(with_ends("suboptimal_percent", &dearer));
    columns.extend(with_ends("mean_excess_suboptimal_percent", &by));
    columns.extend(with_ends("mean_excess_percent", &mean));
    columns.push("worst_excess_percent");
    assert_rows(
        &report,
        "Answers and excess over the optimum",
        &summary,
        &columns,
    );
    let timings = Csv::read(&dir.path().join("timings_summary.csv"));
    let columns = ["p50_ns", "p99_ns", "max_ns", "mean_ns", "total_ns"];
    assert_rows(
        &report,
        "Time of a solve, its verification included",
        &timings,
        &columns,
    );

    // Every answer, counted anew from the table of all.
    let mut excess: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in Outcomes::open(&dir.path().join("outcomes.parquet")).expect("the table") {
        let row = row.expect("a row");
        let values = excess.entry(row.allocator.to_string()).or_default();
        values.extend(row.excess.map(|excess| 100.0 * excess));
    }
    let drawn = report.csv("excess");
    for (allocator, values) in &excess {
        let (mut found, rows) = (0, drawn.of("allocator", allocator));
        for row in &rows {
            let (from, to) = (
                drawn.number(row, "from_percent"),
                drawn.number(row, "to_percent"),
            );
            let within = values
                .iter()
                .filter(|value| (from..to).contains(*value))
                .count();
            assert_eq!(
                drawn.number(row, "plans"),
                within as f64,
                "{allocator} {from}"
            );
            let share = 100.0 * within as f64 / values.len() as f64;
            assert!((drawn.number(row, "of_compared_percent") - share).abs() < 1e-9);
            found += within;
        }
        let above = values.iter().filter(|value| **value > 0.0).count();
        assert_eq!(
            found, above,
            "{allocator}: every plan above the optimum is in a bin"
        );
        let row = &summary.of("allocator", allocator)[0];
        assert_eq!(summary.number(row, "suboptimal"), above as f64);
    }
    assert!(drawn.rows.len() > 4, "the heuristic is often wrong here");
    assert!(drawn.of("allocator", "exact").is_empty());
    let latency = report.csv("latency");
    for allocator in ["heuristic", "exact", "lp"] {
        let rows = latency.of("allocator", allocator);
        let tests: f64 = rows.iter().map(|row| latency.number(row, "tests")).sum();
        assert_eq!(tests, 400.0);
        let last = rows.last().expect("there are some");
        assert_eq!(latency.number(last, "up_to_here_percent"), 100.0);
        // The median of the summary lies in the bin in which half of the tests are passed.
        let half = rows
            .iter()
            .find(|row| latency.number(row, "up_to_here_percent") >= 50.0);
        let half = half.expect("half of them");
        let row = &timings.of("allocator", allocator)[0];
        let median = timings.number(row, "p50_ns");
        let (from, to) = (
            latency.number(half, "from_ns"),
            latency.number(half, "to_ns"),
        );
        assert!(
            (0.99 * from..=1.01 * to).contains(&median),
            "{median} in {from} to {to}"
        );
    }
    let answers = report.csv("answers");
    for row in &answers.rows {
        let of = &summary.of("allocator", answers.cell(row, "allocator"))[0];
        for name in ["tests", "optimal", "suboptimal", "infeasible", "failed"] {
            assert_eq!(answers.cell(row, name), summary.cell(of, name));
        }
        let shares = ["optimal", "suboptimal", "unproven", "infeasible", "failed"];
        let sum: f64 = shares
            .iter()
            .map(|n| answers.number(row, &format!("{n}_percent")))
            .sum();
        assert!((sum - 100.0).abs() < 1e-9);
    }
}

#[test]
fn simulated_cycles_of_several_families_from_shards() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = |name: &str| dir.path().join(name).display().to_string();
    for shard in ["1/2", "2/2"] {
        let out = folder(&shard.replace('/', "of"));
        sim(&[
            "validate",
            "--family",
            "all",
            "--n-tests",
            "30",
            "--allocators",
            "heuristic,exact",
            "--simulate",
            "--shard",
            shard,
            "--out",
            &out,
        ])
        .assert_done();
    }
    let part = report(&dir.path().join("1of2"));
    assert!(part.html.contains("Shard 1 of 2"));
    sim(&[
        "merge",
        &folder("1of2"),
        &folder("2of2"),
        "--out",
        &folder("all"),
    ])
    .assert_done();
    let report = report(&dir.path().join("all"));
    let summary = Csv::read(&dir.path().join("all/summary.csv"));
    let names = [
        "missed_percent",
        "mean_late_workers",
        "mean_makespan_ms",
        "missed_points_above_exact",
        "late_workers_above_exact",
        "makespan_ms_above_exact",
    ];
    let all = names.map(|name| (name, ends(name)));
    let mut columns = vec!["simulated"];
    columns.extend(all.iter().flat_map(|(name, ends)| with_ends(name, ends)));
    assert_rows(
        &report,
        "Simulated cycles, one for each plan",
        &summary,
        &columns,
    );
    for (figure, name) in [
        ("excess-by-family", "mean_excess_percent"),
        ("missed-by-family", "missed_percent"),
    ] {
        let drawn = report.csv(figure);
        assert!(!drawn.rows.is_empty());
        for row in &drawn.rows {
            let same = |of: &&Vec<String>| {
                let key = ["family", "allocator"];
                key.iter()
                    .all(|name| summary.cell(of, name) == drawn.cell(row, name))
            };
            let of = summary.rows.iter().find(same).expect("the summary has it");
            for name in with_ends(name, &ends(name)) {
                assert_eq!(drawn.cell(row, name), summary.cell(of, name));
            }
        }
    }
    let makespan = report.csv("makespan");
    let exact = makespan.of("allocator", "exact");
    let cycles: f64 = exact.iter().map(|row| makespan.number(row, "cycles")).sum();
    let total = summary.of("family", "all");
    let total = total
        .iter()
        .find(|row| summary.cell(row, "allocator") == "exact");
    assert_eq!(
        cycles,
        summary.number(total.expect("all families"), "simulated")
    );
}

/// What is drawn is binned: ten times as many tests do not make a larger page.
#[test]
fn the_page_does_not_grow_with_the_tests() {
    let dir = tempfile::tempdir().expect("a folder");
    let size = |tests: &str| {
        let out = dir.path().join(tests);
        let args = [
            "validate",
            "--n-tests",
            tests,
            "--allocators",
            "heuristic,exact",
            "--seed",
            "2",
        ];
        reported(&out, &args).html.len()
    };
    let (few, many) = (size("1000"), size("20000"));
    assert!(many < 120_000 && many < few * 3 / 2, "{few} and {many}");
}
