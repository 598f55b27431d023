//! Validations whose plans are simulated: the same bytes however they came about, never mixed with
//! others, and sums that a plain recomputation gives too.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use results::Outcomes;
use results::dictionary::differences;
use results::text::Style;
use results::{Chunk, Detail, Estimate, ResultsError, RunPlan, Shard};
use results::{Simulated, SummaryRow, Took, Validation};
use scheduler::{Plan, PlanStatus};
use support::{ALLOCATORS, answered, assert_same_tables, run, simulated_as};

const FAMILIES: [(&str, u64); 2] = [("thesis", 8_300), ("mixed", 120)];

fn plan(shard: Shard) -> RunPlan {
    RunPlan {
        simulate: true,
        ..support::plan(&FAMILIES, shard)
    }
}

fn merged(dirs: &[PathBuf], out: &Path) -> Result<results::Report, ResultsError> {
    results::merge::merge(dirs, out, false, |_, _| serde_json::Map::new())
}

#[test]
fn bytes_do_not_depend_on_chunks_or_shards() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let whole = dir.path().join("whole");
    run(&plan(Shard::WHOLE), &whole, 256);
    let other = dir.path().join("other");
    run(&plan(Shard::WHOLE), &other, 999);
    assert_same_tables(&whole, &other);
    let shards = [1, 2, 3].map(|index| {
        let folder = dir.path().join(format!("shard{index}"));
        run(
            &plan(Shard::new(index, 3).expect("in range")),
            &folder,
            90 + index,
        );
        folder
    });
    let out = dir.path().join("merged");
    merged(&shards, &out).expect("the shards fit together");
    assert_same_tables(&whole, &out);
}

#[test]
fn rows_read_back_as_they_were() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    run(&plan(Shard::WHOLE), dir.path(), 500);
    assert_eq!(differences(dir.path()).expect("tables"), [""; 0]);
    let outcomes = Outcomes::open(&dir.path().join("outcomes.parquet")).expect("opens");
    let mut found = 0;
    for record in outcomes {
        let record = record.expect("reads");
        let family = usize::from(&*record.family == "mixed");
        let allocator = ALLOCATORS.iter().position(|a| *a == &*record.allocator);
        let allocator = allocator.expect("one of the allocators");
        let made_up = simulated_as(family, record.test, allocator);
        let expected = record.row.cost.map(|_| made_up);
        assert_eq!(record.row.simulated, expected);
        found += u64::from(expected.is_some());
    }
    assert!(found > 20_000);
}

#[test]
fn what_is_not_simulated_has_no_word_of_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    run(&support::plan(&FAMILIES, Shard::WHOLE), dir.path(), 500);
    let mut outcomes = Outcomes::open(&dir.path().join("outcomes.parquet")).expect("opens");
    assert!(outcomes.all(|record| record.expect("reads").row.simulated.is_none()));
    for file in ["summary.csv", "summary.json"] {
        let text = fs::read_to_string(dir.path().join(file)).expect("is there");
        assert!(
            !text.contains("makespan") && !text.contains("cycles"),
            "{text}"
        );
    }
}

#[test]
fn simulated_and_other_shards_do_not_mix() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [first, second] = [1, 2].map(|index| Shard::new(index, 2).expect("in range"));
    let dirs = [dir.path().join("with"), dir.path().join("without")];
    run(&plan(first), &dirs[0], 300);
    run(&support::plan(&FAMILIES, second), &dirs[1], 300);
    let out = dir.path().join("out");
    let error = merged(&dirs, &out).expect_err("refused").to_string();
    let error = error.replace(&format!("{}/", dir.path().display()), "");
    assert_eq!(
        error,
        "with and without differ in what is simulated: cycles and none"
    );
    assert!(!out.exists(), "nothing may be written");

    // A table without the columns that its run.json speaks of.
    let record = dirs[1].join("run.json");
    let text = fs::read_to_string(&record).expect("is there");
    let text = text.replace(r#""simulate": false"#, r#""simulate": true"#);
    let text = text.replace(r#""checksum":"#, r#""before":"#);
    fs::write(&record, text).expect("writable");
    let error = merged(&dirs, &out).expect_err("refused").to_string();
    let table = dirs[1].join("outcomes.parquet");
    assert!(error.contains(&table.display().to_string()), "{error}");
    assert!(!error.contains('\n'), "{error}");
    assert!(!out.join("run.json").exists(), "it must not look whole");
}

/// Mean and half width, in two passes and with the normal quantile: of thousands of values the
/// same as Student's to three digits.
fn mean_of(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, 1.959_964 * (variance / n).sqrt())
}

fn assert_is(found: Option<Estimate>, (mean, half): (f64, f64)) {
    let found = found.expect("there are tests");
    let close = |a: f64, b: f64| (a - b).abs() < 1e-3 * half + 1e-9;
    assert!(close(found.value, mean), "{found:?}, expected {mean}");
    let (low, high) = (found.low.expect("given"), found.high.expect("given"));
    assert!(
        close(low, mean - half) && close(high, mean + half),
        "{found:?} ± {half}"
    );
}

#[test]
fn sums_are_those_of_a_plain_recomputation() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let report = run(&plan(Shard::WHOLE), dir.path(), 500);
    let rows: &[SummaryRow] = report.summary.totals();
    assert_eq!(rows.len(), ALLOCATORS.len());
    for (allocator, row) in rows.iter().enumerate() {
        let (mut own, mut pairs): (Vec<Simulated>, Vec<[Simulated; 2]>) = Default::default();
        for (family, (_, tests)) in FAMILIES.into_iter().enumerate() {
            for test in 0..tests {
                let (_, answers) = answered(family, test);
                let became = |allocator: usize| {
                    let planned = answers[allocator].planned();
                    planned.map(|_| simulated_as(family, test, allocator))
                };
                own.extend(became(allocator));
                if let (Some(own), Some(exact)) = (became(allocator), became(1)) {
                    pairs.push([own, exact]);
                }
            }
        }
        let cycles = row.cycles.expect("simulated");
        assert_eq!(cycles.simulated, own.len() as u64);
        let missed = own.iter().filter(|s| s.missed).count() as u64;
        let share = results::share(missed, own.len() as u64).expect("some");
        assert_eq!(
            cycles.missed_percent.map(|s| s.value),
            Some(100.0 * share.value)
        );
        assert_eq!(
            cycles.missed_percent.and_then(|s| s.low),
            share.low.map(|l| 100.0 * l)
        );
        let late: Vec<f64> = own.iter().map(|s| s.late_workers as f64).collect();
        assert_is(cycles.mean_late_workers, mean_of(&late));
        let makespan: Vec<f64> = own.iter().map(|s| s.makespan_ns as f64 / 1e6).collect();
        assert_is(cycles.mean_makespan_ms, mean_of(&makespan));

        let Some(against) = cycles.against_exact else {
            assert_eq!(row.allocator, "exact");
            continue;
        };
        assert_ne!(row.allocator, "exact");
        assert_eq!(against.pairs, pairs.len() as u64);
        assert!(against.pairs < cycles.simulated || row.counts.failed + row.counts.infeasible > 0);
        let alone = |one: usize| {
            let alone = |pair: &&[Simulated; 2]| pair[one].missed && !pair[1 - one].missed;
            pairs.iter().filter(alone).count() as u64
        };
        assert_eq!(
            (against.missed_alone, against.exact_missed_alone),
            (alone(0), alone(1))
        );
        let points = 100.0 * (alone(0) as f64 - alone(1) as f64) / pairs.len() as f64;
        let found = against.missed_points.expect("pairs");
        assert!((found.value - points).abs() < 1e-9);
        assert!(found.low < Some(points) && found.high > Some(points));
        let late: Vec<f64> = pairs
            .iter()
            .map(|[own, exact]| own.late_workers as f64 - exact.late_workers as f64)
            .collect();
        assert_is(against.late_workers, mean_of(&late));
        let longer: Vec<f64> = pairs
            .iter()
            .map(|[own, exact]| (own.makespan_ns as f64 - exact.makespan_ns as f64) / 1e6)
            .collect();
        assert_is(against.makespan_ms, mean_of(&longer));
    }
}

/// Allocators that miss as often, and are late by as much: none is a little less than nothing.
#[test]
fn nothing_has_no_sign() {
    let plan = RunPlan {
        simulate: true,
        ..support::plan(&[("ties", 2)], Shard::WHOLE)
    };
    let mut chunk = Chunk::new(0, 0, ALLOCATORS.len(), Detail::Summary);
    for test in 0..2 {
        let (problem, _) = answered(0, test);
        let outcome = support::planned(
            Plan::costed(&problem, vec![0; problem.workers().len()]),
            PlanStatus::Optimal,
        );
        let answer = |allocator: u64| {
            let simulated = Simulated {
                makespan_ns: 900_000_000 - allocator,
                missed: false,
                late_workers: 0,
            };
            (&outcome, Took::default(), Some(simulated))
        };
        chunk.push_simulated(&problem, (0..3).map(answer));
    }
    let mut validation = Validation::new(plan);
    validation.push(&chunk).expect("no files");
    let text = results::render(&validation.report(), Style::PLAIN);
    assert!(text.contains(" 0.000 ± 0.000  0.00 ± 0.00\n"), "{text}");
    assert!(!text.contains("-0.00 "), "{text}");
}

#[test]
fn the_printed_tables_fit_and_tell() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let plan = RunPlan {
        simulate: true,
        ..support::plan(&[("correlated", 3)], Shard::WHOLE)
    };
    let text = results::render(&run(&plan, dir.path(), 2), Style::PLAIN);
    for line in text.lines().filter(|line| !line.contains("sim generate")) {
        assert!(line.chars().count() <= 110, "{line}");
    }
    let tables: Vec<&str> = text.lines().skip(6).take(10).collect();
    let expected = "\
simulated cycles, one for each plan
family      allocator  cycles                missed %   late workers       makespan ms
correlated  heuristic       3    66.67 [20.77, 93.85]  1.667 ± 3.795   996.61 ± 321.59
correlated  exact           3  100.00 [43.85, 100.00]  2.000 ± 2.484  1086.79 ± 402.08
correlated  cbc             3    66.67 [20.77, 93.85]  1.333 ± 3.795  1002.48 ± 384.73

more than exact, test by test, at the same true speeds
family      allocator  pairs        missed, % points    late workers      makespan ms
correlated  heuristic      3  -33.33 [-85.59, 45.59]  -0.333 ± 5.171  -90.17 ± 609.77
correlated  cbc            3  -33.33 [-85.59, 45.59]  -0.667 ± 5.737  -84.31 ± 696.75";
    assert_eq!(tables.join("\n"), expected);
}
