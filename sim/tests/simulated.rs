//! `sim validate --simulate` through the command line, against draws and cycles worked out here.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{shell, sim};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use results::Simulated;
use results::{OutcomeRecord, Outcomes};
use scenarios::Family;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

const REPRODUCIBLE: [&str; 6] = [
    "tests.parquet",
    "outcomes.parquet",
    "stats.parquet",
    "summary.csv",
    "summary.json",
    "discrepancies.csv",
];

fn validate(dir: &Path, name: &str, args: &str) -> PathBuf {
    let out = dir.join(name);
    let words = args.split_whitespace();
    let mut all = vec!["validate", "--simulate", "--seed", "3", "--out"];
    all.push(out.to_str().expect("temporary paths are UTF-8"));
    all.extend(words);
    sim(&all).assert_done();
    out
}

fn records(dir: &Path) -> Vec<OutcomeRecord> {
    let outcomes = Outcomes::open(&dir.join("outcomes.parquet")).expect("the table is there");
    outcomes.map(|record| record.expect("it reads")).collect()
}

/// The share of a standard normal distribution below `z`, by its series.
fn below(z: f64) -> f64 {
    let (mut term, mut sum, mut k) = (z, 0.0, 1.0);
    while sum + term != sum {
        sum += term;
        k += 2.0;
        term *= z * z / k;
    }
    0.5 + sum * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// How much faster than thought each worker of a test is: as it is defined, in other words.
fn factors(seed: u64, family: &str, test: u64, workers: usize) -> Vec<f64> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&xxh3_64(family.as_bytes()).to_le_bytes());
    key[24..].copy_from_slice(b"allotval");
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(test);
    let factor = |_| {
        let uniform = ((rng.next_u64() >> 11) as f64 + 0.5) / 2_f64.powi(53);
        let (mut low, mut high) = (-8.0, 8.0);
        for _ in 0..80 {
            let middle = (low + high) / 2.0;
            if below(middle) < uniform {
                low = middle;
            } else {
                high = middle;
            }
        }
        (0.1 * low).exp()
    };
    (0..workers).map(factor).collect()
}

/// Every figure of every plan, from the printed plans and the draws.
#[test]
fn outcomes_are_what_the_draws_say() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let args = "--family all --n-tests 25 --allocators heuristic,exact,lp";
    let out = validate(dir.path(), "out", args);
    let (mut simulated, mut missed, mut late) = (0, 0, 0);
    for family in Family::ALL {
        let name = family.name();
        let plans = |allocator: &str| -> Vec<Value> {
            let script = format!(
                "sim generate --family {name} --seed 3 --n-tests 25 | \
                 sim solve --allocator {allocator}"
            );
            let result = shell(&script);
            result.assert_done();
            let lines = result.stdout.lines();
            lines
                .map(|line| serde_json::from_str(line).expect("a plan"))
                .collect()
        };
        for allocator in ["heuristic", "exact", "lp"] {
            let plans = plans(allocator);
            for record in records(&out) {
                if &*record.family != name || &*record.allocator != allocator {
                    continue;
                }
                let plan = plans[record.test as usize]["batches"].as_array();
                assert_eq!(record.row.simulated.is_some(), plan.is_some());
                let (Some(found), Some(plan)) = (record.row.simulated, plan) else {
                    continue;
                };
                let problem = family.problem(3, record.test);
                let factors = factors(3, name, record.test, plan.len());
                let seconds = |index: usize| {
                    let x = plan[index].as_u64().expect("batches") as f64;
                    let speed = problem.workers()[index].s_max as f64 * factors[index];
                    if x == 0.0 { 0.0 } else { x / speed }
                };
                let makespan = (0..plan.len()).map(seconds).fold(0.0, f64::max);
                let overran = (0..plan.len()).filter(|i| seconds(*i) > 1.0).count() as u64;
                let error = found.makespan_ns as f64 / 1e9 - makespan;
                assert!(error.abs() < 1e-7, "{record:?}: {makespan} s");
                assert_eq!(found.late_workers, overran, "{record:?}");
                assert_eq!(found.missed, overran > 0, "{record:?}");
                simulated += 1;
                missed += u64::from(found.missed);
                late += found.late_workers;
            }
        }
    }
    assert!(simulated > 400 && missed > 0 && missed < simulated && late > missed);
}

#[test]
fn tables_do_not_depend_on_threads_or_shards() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let args = "--family all --n-tests 60 --allocators heuristic,exact,lp";
    let run = |name: &str, more: &str| validate(dir.path(), name, &format!("{args} {more}"));
    let one = run("one", "--threads 1");
    let same = |other: &Path| {
        for name in REPRODUCIBLE {
            let read = |dir: &Path| fs::read(dir.join(name)).expect("the table is there");
            assert!(read(&one) == read(other), "{name} differs in {other:?}");
        }
    };
    same(&run("two", "--threads 2"));
    let shards = [2, 3, 1].map(|i| run(&format!("shard{i}"), &format!("--shard {i}/3")));
    let merged = dir.path().join("merged");
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let mut words = vec!["merge".to_owned()];
    words.extend(shards.iter().map(|shard| path(shard)));
    words.extend(["--out".to_owned(), path(&merged)]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = sim(&words);
    result.assert_done();
    assert!(
        result.stdout.contains("simulated cycles"),
        "{}",
        result.stdout
    );
    same(&merged);
}

/// A plan's luck is that of its test: not of who else is compared, nor of how many tests there are.
#[test]
fn all_plans_of_a_test_meet_the_same_speeds() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let simulated = |name: &str, args: &str, allocator: &str| -> Vec<Option<Simulated>> {
        let records = records(&validate(dir.path(), name, args));
        let own = records.into_iter().filter(|r| &*r.allocator == allocator);
        own.map(|record| record.row.simulated).collect()
    };
    let many = "--family tight-lots --n-tests 200 --allocators heuristic,exact";
    let exact = simulated("many", many, "exact");
    let few = "--family tight-lots --n-tests 70 --allocators exact";
    assert_eq!(simulated("few", few, "exact"), exact[..70]);
    let turned = "--family tight-lots --n-tests 200 --allocators exact,lp,heuristic";
    assert_eq!(simulated("turned", turned, "exact"), exact);

    // The same instances from a file are another family, with other luck.
    let generate = ["generate", "--family", "tight-lots", "--seed", "3"];
    let instances = sim(&[&generate[..], &["--n-tests", "200"]].concat()).stdout;
    let file = dir.path().join("mine.jsonl");
    fs::write(&file, instances).expect("a writable folder");
    let file = format!("--instances {} --allocators exact", file.display());
    let of_file = simulated("file", &file, "exact");
    assert_eq!(of_file.len(), 200);
    assert_ne!(of_file, exact);
}

#[test]
fn simulated_shards_are_not_merged_with_others() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let args = "--n-tests 10 --allocators exact --shard";
    let with = validate(dir.path(), "with", &format!("{args} 1/2"));
    let without = dir.path().join("without");
    let paths = [&with, &without].map(|path| path.to_str().expect("UTF-8"));
    let words = format!("validate --seed 3 {args} 2/2 --out {}", paths[1]);
    sim(&words.split_whitespace().collect::<Vec<_>>()).assert_done();
    let out = dir.path().join("out");
    let out = out.to_str().expect("UTF-8");
    let result = sim(&["merge", paths[0], paths[1], "--out", out]);
    result.assert_fails(3, "differ in what is simulated: cycles and none");
}
