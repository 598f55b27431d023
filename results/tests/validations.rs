//! The files of a validation: the same bytes however the tests arrived, and nothing that looks
//! whole when it is not.

mod support;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use results::Outcomes;
use results::dictionary::differences;
use results::{
    Chunk, Detail, OutcomeRow, RUN_FILE, ResultsError, Shard, Took, VALIDATION_FILES, Validation,
};
use scheduler::{Fee, Infeasible, Outcome, Problem, Worker};
use support::{ALLOCATORS, answered, assert_same_tables, feed, plan, run};

const FAMILIES: [(&str, u64); 3] = [("thesis", 9_000), ("ties", 0), ("mixed", 300)];

#[test]
fn bytes_do_not_depend_on_chunks() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let plan = plan(&FAMILIES, Shard::WHOLE);
    let reference = dir.path().join("reference");
    run(&plan, &reference, 256);
    for chunk_tests in [1_u64, 999, 100_000] {
        let other = dir.path().join(chunk_tests.to_string());
        run(&plan, &other, chunk_tests);
        assert_same_tables(&reference, &other);
    }
}

#[test]
fn rows_read_back_as_they_were() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let plan = plan(&[("ties", 120), ("mixed", 50)], Shard::WHOLE);
    run(&plan, dir.path(), 64);
    let outcomes = Outcomes::open(&dir.path().join("outcomes.parquet")).expect("opens");
    let mut records = outcomes.map(|record| record.expect("reads"));
    for (family, name, tests) in [(0, "ties", 120), (1, "mixed", 50)] {
        for test in 0..tests {
            let (_, answers) = answered(family, test);
            for (allocator, outcome) in ALLOCATORS.iter().zip(&answers) {
                let record = records.next().expect("a row for every answer");
                assert_eq!(record.row, OutcomeRow::from(outcome));
                assert_eq!(
                    (record.test, &*record.family, &*record.allocator),
                    (test, name, *allocator)
                );
                assert_eq!(record.excess.is_some(), record.excess_cost.is_some());
            }
        }
    }
    assert!(records.next().is_none());
}

#[test]
fn run_json_comes_last_and_says_whether_it_is_complete() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let plan = plan(&[("ties", 40), ("mixed", 40)], Shard::WHOLE);
    let record = |dir: &Path| -> serde_json::Value {
        let text = fs::read_to_string(dir.join(RUN_FILE)).expect("run.json is there");
        serde_json::from_str(&text).expect("JSON")
    };
    let whole = dir.path().join("whole");
    run(&plan, &whole, 16);
    assert_eq!(record(&whole)["complete"], true);
    assert_eq!(record(&whole)["finished_tests"], 80);
    assert_eq!(record(&whole)["threads"], 16);
    assert_eq!(record(&whole)["plan"]["seed"], 5);
    for file in VALIDATION_FILES {
        assert!(whole.join(file).exists(), "{file}");
        assert!(!whole.join(format!("{file}.partial")).exists(), "{file}");
    }

    let interrupted = dir.path().join("interrupted");
    let validation = Validation::with_tables(plan.clone(), &interrupted, false).expect("writable");
    let report = feed(validation, &plan, 16, 50);
    assert_eq!(report.summary.tests, 50);
    assert_eq!(record(&interrupted)["complete"], false);
    assert_eq!(record(&interrupted)["finished_tests"], 50);
    let rows = Outcomes::open(&interrupted.join("outcomes.parquet")).expect("opens");
    assert_eq!(rows.count(), 150);
}

#[test]
fn results_are_not_overwritten_unasked() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let plan = plan(&[("ties", 10)], Shard::WHOLE);
    run(&plan, dir.path(), 16);
    let refused = Validation::with_tables(plan.clone(), dir.path(), false).err();
    assert!(
        matches!(refused, Some(ResultsError::Occupied { file: RUN_FILE, .. })),
        "{refused:?}"
    );
    let again = Validation::with_tables(plan.clone(), dir.path(), true).expect("asked for");
    assert!(
        !dir.path().join(RUN_FILE).exists(),
        "it must not look whole"
    );
    feed(again, &plan, 16, u64::MAX);
    assert!(dir.path().join(RUN_FILE).exists());
}

#[test]
fn an_abandoned_validation_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let plan = plan(&[("ties", 10)], Shard::WHOLE);
    let mut validation =
        Validation::with_tables(plan.clone(), dir.path(), false).expect("writable");
    let chunk = support::chunk(&validation, &plan, 0, 0..10);
    validation.push(&chunk).expect("writes");
    drop(validation);
    assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 0);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("writable");
    let plan = plan(&[("ties", 10)], Shard::WHOLE);
    let below = file.join("out");
    let error = Validation::with_tables(plan, &below, false)
        .err()
        .expect("below a file");
    let text = error.to_string();
    assert!(text.starts_with("cannot create "), "{text}");
    assert!(text.contains(&below.display().to_string()), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

/// Every file in turn stands for a device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    for full in VALIDATION_FILES {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let partial = dir.path().join(format!("{full}.partial"));
        std::os::unix::fs::symlink("/dev/full", &partial).expect("links are possible");
        let plan = plan(&[("ties", 200)], Shard::WHOLE);
        let result = (|| {
            let mut validation = Validation::with_tables(plan.clone(), dir.path(), false)?;
            let chunk = support::chunk(&validation, &plan, 0, 0..200);
            validation.push(&chunk)?;
            validation.finish(|_| serde_json::Map::new())
        })();
        let error = result.expect_err(full);
        let ResultsError::Io { path, cause, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(path, &dir.path().join(full));
        assert_eq!(cause.kind(), ErrorKind::StorageFull, "{error}");
        let text = error.to_string();
        assert!(
            text.ends_with("free some space or choose another folder"),
            "{text}"
        );
        assert!(
            !dir.path().join(RUN_FILE).exists(),
            "{full}: it must not look whole"
        );
        if full != RUN_FILE {
            let left = fs::read_dir(dir.path()).expect("readable").count();
            assert_eq!(left, 0, "{full}: partial files must go");
        }
    }
}

#[test]
fn without_tables_the_summary_is_the_same() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let plan = plan(&[("ties", 500), ("mixed", 100)], Shard::WHOLE);
    let with = run(&plan, dir.path(), 64);
    let validation = Validation::new(plan.clone());
    assert_eq!(validation.detail(), Detail::Summary);
    let without = feed(validation, &plan, 17, u64::MAX);
    let json = |report: &results::Report| serde_json::to_string(&report.summary).expect("JSON");
    assert_eq!(json(&with), json(&without));
    assert_eq!(with.timings, without.timings);
    assert_eq!(with.worst, without.worst);
}

/// A row group of `tests.parquet` ends early when its workers become many; that too must not
/// depend on chunks or shards.
#[test]
fn problems_with_many_workers_keep_their_bytes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let worker = |s_max| Worker {
        s_max,
        fee: Fee::ZERO,
    };
    let problem = |test: u64| {
        let workers = (0..300_000 + test).map(|index| worker(index % 50));
        Problem::new(1, 0, 0, workers.collect()).expect("within bounds")
    };
    let answer = Outcome::Infeasible(Infeasible::InsufficientData { n: 1, needed: 2 });
    let run = |shard: Shard, name: &str, chunk_tests: u64| {
        let (mut plan, folder) = (plan(&[("large", 5)], shard), dir.path().join(name));
        plan.allocators.truncate(1);
        let mut validation =
            Validation::with_tables(plan.clone(), &folder, false).expect("writable");
        let tests = plan.tests(0);
        while validation.finished() < tests.end - tests.start {
            let first = tests.start + validation.finished();
            let mut chunk = Chunk::new(0, first, 1, Detail::Tables);
            for test in first..tests.end.min(first + chunk_tests) {
                chunk.push(&problem(test), [(&answer, Took::default())]);
            }
            validation.push(&chunk).expect("the disk has space");
        }
        let finished = validation.finish(|_| serde_json::Map::new());
        finished.expect("the disk has space");
        folder
    };
    let whole = run(Shard::WHOLE, "whole", 5);
    assert_same_tables(&whole, &run(Shard::WHOLE, "one by one", 1));
    let halves = [1, 2].map(|index| {
        let shard = Shard::new(index, 2).expect("in range");
        run(shard, &format!("half {index}"), 2)
    });
    let merged = dir.path().join("merged");
    results::merge::merge(&halves, &merged, false, |_, _| serde_json::Map::new())
        .expect("the shards fit together");
    assert_same_tables(&whole, &merged);
}

#[test]
#[should_panic(expected = "chunks must arrive in canonical order")]
fn a_gap_between_chunks_is_a_bug() {
    let plan = plan(&[("ties", 20)], Shard::WHOLE);
    let mut validation = Validation::new(plan.clone());
    let chunk = support::chunk(&validation, &plan, 0, 5..10);
    let _ = validation.push(&chunk);
}

#[test]
fn validations_have_the_declared_columns() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    run(&plan(&[("ties", 40)], Shard::WHOLE), dir.path(), 16);
    assert_eq!(differences(dir.path()).expect("tables"), [""; 0]);
    // Another heading is found.
    let path = dir.path().join("timings_summary.csv");
    let text = fs::read_to_string(&path).expect("there");
    fs::write(&path, text.replacen("tests", "test", 1)).expect("room");
    let found = differences(dir.path()).expect("tables");
    assert!(
        found.len() == 1 && found[0].starts_with("timings_summary.csv has"),
        "{found:?}"
    );
}
