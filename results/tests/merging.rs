//! Shards merged: the bytes of a run in one piece, or one clear line.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use results::merge::merge;
use results::{MergeError, RUN_FILE, ResultsError, RunPlan, Shard};
use support::{assert_same_tables, plan, run};

const FAMILIES: [(&str, u64); 3] = [("thesis", 8_500), ("ties", 3), ("mixed", 700)];

fn shards(dir: &Path, of: u64, plan: impl Fn(Shard) -> RunPlan) -> Vec<PathBuf> {
    let run_one = |index| {
        let folder = dir.join(format!("{index}of{of}"));
        let shard = Shard::new(index, of).expect("in range");
        run(&plan(shard), &folder, 97 + index);
        folder
    };
    (1..=of).map(run_one).collect()
}

fn merged(dirs: &[PathBuf], out: &Path) -> Result<results::Report, ResultsError> {
    merge(dirs, out, false, |_, records| {
        let threads = records.iter().map(|record| record["threads"].clone());
        let all = serde_json::Value::from_iter(threads);
        serde_json::Map::from_iter([("shards".to_owned(), all)])
    })
}

#[test]
fn merged_shards_are_the_whole_run() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let whole = dir.path().join("whole");
    let report = run(&plan(&FAMILIES, Shard::WHOLE), &whole, 500);
    for of in [1, 2, 3, 7] {
        let mut dirs = shards(dir.path(), of, |shard| plan(&FAMILIES, shard));
        dirs.reverse();
        let out = dir.path().join(format!("merged{of}"));
        let merged = merged(&dirs, &out).expect("the shards fit together");
        assert_same_tables(&whole, &out);
        assert_eq!(merged.timings, report.timings);
        for file in ["timings.parquet", "timings_summary.csv"] {
            let read = |dir: &Path| fs::read(dir.join(file)).expect("the file is there");
            assert!(
                read(&whole) == read(&out),
                "{file}: made-up times are the same too"
            );
        }
        let record = fs::read_to_string(out.join(RUN_FILE)).expect("run.json is there");
        let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
        assert_eq!(record["complete"], true);
        assert_eq!(record["plan"]["shard"]["of"], 1);
        assert_eq!(record["shards"][0], 98, "in the order of the shards");
    }
}

/// More shards than tests: some hold none of a family.
#[test]
fn empty_shards_merge_too() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let families = [("ties", 3), ("mixed", 2)];
    let whole = dir.path().join("whole");
    run(&plan(&families, Shard::WHOLE), &whole, 1);
    let dirs = shards(dir.path(), 5, |shard| plan(&families, shard));
    let out = dir.path().join("out");
    merged(&dirs, &out).expect("the shards fit together");
    assert_same_tables(&whole, &out);
}

#[test]
fn what_does_not_fit_is_refused_in_one_line() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let families = [("ties", 9)];
    let dirs = shards(dir.path(), 3, |shard| plan(&families, shard));
    let out = dir.path().join("out");
    let refused = |dirs: &[PathBuf]| {
        let error = merged(dirs, &out).expect_err("refused").to_string();
        assert!(!error.contains('\n'), "{error}");
        assert!(!out.exists(), "nothing may be written");
        error.replace(&format!("{}/", dir.path().display()), "")
    };
    assert_eq!(refused(&[]), "expected at least one folder to merge");
    assert_eq!(refused(&dirs[1..]), "shard 1/3 is missing");
    assert_eq!(refused(&dirs[..1]), "shard 2/3 is missing (and 1 more)");
    let doubled = [dirs.clone(), vec![dirs[1].clone()]].concat();
    assert_eq!(refused(&doubled), "2of3 and 2of3 both hold shard 2/3");

    let other = |name: &str, change: &dyn Fn(&mut RunPlan)| {
        let mut plan = plan(&families, Shard::new(2, 3).expect("in range"));
        change(&mut plan);
        let folder = dir.path().join(name);
        run(&plan, &folder, 10);
        refused(&[dirs[0].clone(), folder, dirs[2].clone()])
    };
    assert_eq!(
        other("seed", &|plan| plan.seed = 6),
        "1of3 and seed differ in seed: 5 and 6"
    );
    assert_eq!(
        other("tests", &|plan| plan.families[0].n_tests = 10),
        "1of3 and tests differ in number of tests: 9 and 10"
    );
    assert_eq!(
        other("family", &|plan| plan.families[0].name = "mixed".to_owned()),
        "1of3 and family differ in families: ties and mixed"
    );
    assert_eq!(
        other("allocators", &|plan| plan.allocators.reverse()),
        "1of3 and allocators differ in allocators: heuristic,exact,cbc and cbc,exact,heuristic"
    );
    assert_eq!(
        other("source", &|plan| plan.source = "tests.jsonl".to_owned()),
        "1of3 and source differ in source: generated and tests.jsonl"
    );
    assert_eq!(
        other("count", &|plan| plan.shard =
            Shard::new(2, 4).expect("in range")),
        "1of3 and count differ in number of shards: 3 and 4"
    );

    let unfinished = dir.path().join("unfinished");
    fs::create_dir(&unfinished).expect("writable");
    assert_eq!(
        refused(&[dirs[0].clone(), unfinished, dirs[2].clone()]),
        "unfinished has no run.json: its run did not end, or it is no folder of results"
    );
}

#[test]
fn an_interrupted_shard_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let shard = |index| plan(&[("ties", 40)], Shard::new(index, 2).expect("in range"));
    let dirs = [dir.path().join("a"), dir.path().join("b")];
    run(&shard(1), &dirs[0], 10);
    let second = results::Validation::with_tables(shard(2), &dirs[1], false).expect("writable");
    support::feed(second, &shard(2), 10, 13);
    let error = merged(&dirs, &dir.path().join("out")).expect_err("refused");
    let ResultsError::Merge(MergeError::Incomplete {
        finished: 13,
        planned: 20,
        ..
    }) = error
    else {
        panic!("{error}");
    };
}

#[test]
fn damaged_shards_are_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dirs = shards(dir.path(), 2, |shard| plan(&[("ties", 40)], shard));
    let damage = |file: &str, content: Option<&[u8]>| {
        let path = dirs[1].join(file);
        let kept = fs::read(&path).expect("readable");
        match content {
            Some(content) => fs::write(&path, content).expect("writable"),
            None => fs::copy(dirs[0].join(file), &path)
                .map(|_| ())
                .expect("writable"),
        }
        let out = dir.path().join("out");
        let error = merged(&dirs, &out).expect_err(file);
        assert!(!out.join(RUN_FILE).exists(), "it must not look whole");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
        assert!(!error.to_string().contains('\n'), "{error}");
        fs::write(&path, kept).expect("writable");
    };
    damage("outcomes.parquet", Some(b"PAR1"));
    damage("stats.parquet", Some(b""));
    damage("run.json", Some(b"{}"));
    // The tables of the other shard: whole, but of other tests.
    for file in [
        "tests.parquet",
        "outcomes.parquet",
        "stats.parquet",
        "timings.parquet",
    ] {
        damage(file, None);
    }
    merged(&dirs, &dir.path().join("out")).expect("all is as it was");
}

#[test]
fn a_shard_is_never_overwritten() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dirs = shards(dir.path(), 2, |shard| plan(&[("ties", 40)], shard));
    let error = merge(&dirs, &dirs[0], true, |_, _| serde_json::Map::new()).expect_err("refused");
    assert!(
        error.to_string().contains("is one of the shards"),
        "{error}"
    );
    assert!(dirs[0].join(RUN_FILE).exists());
}
