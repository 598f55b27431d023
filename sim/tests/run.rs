//! `sim run` and `sim scenarios` through the command line.

mod common;

use common::sim;
use serde_json::Value;

fn lines(args: &[&str]) -> Vec<Value> {
    let run = sim(args);
    run.assert_done();
    let parse = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    run.stdout.lines().map(parse).collect()
}

#[test]
fn the_catalogue_is_listed_and_every_scenario_runs() {
    let list = sim(&["scenarios"]);
    list.assert_done();
    let names: Vec<&str> = list
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.contains(&"lab-8") && names.contains(&"churn"));
    for name in names {
        if name == "ten-thousand" {
            continue; // seconds each, even with few replicates
        }
        let runs = lines(&["run", name, "--replicates", "3", "--json"]);
        assert_eq!(runs.len(), 3, "{name}");
        for run in runs {
            assert!(
                run["ending"].is_string() && run["wall_s"].is_number(),
                "{run}"
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let args = [
        "run",
        "churn",
        "--replicates",
        "12",
        "--allocators",
        "heuristic,exact",
        "--json",
    ];
    let with = |more: &[&str]| {
        let run = sim(&[&args[..], more].concat());
        run.assert_done();
        run.stdout
    };
    let one = with(&["--threads", "1"]);
    assert_eq!(one, with(&["--threads", "2"]));
    assert_eq!(one, with(&["--threads", "3"]));
    assert_ne!(one, with(&["--seed", "2"]));
    // More replicates leave the first ones as they are.
    let more = sim(&[
        "run",
        "churn",
        "--replicates",
        "13",
        "--allocators",
        "heuristic",
        "--json",
    ]);
    let first = |text: &str| text.lines().take(12).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(first(&one), first(&more.stdout));
}

/// 92 batches fit into 15 s: 92 parts of data and 6.16 of parameters each way at 9.25 a second,
/// and 92 batches at 25.1 a second.
#[test]
fn dabs_worked_example_takes_what_it_says() {
    for run in lines(&["run", "dab", "--replicates", "1", "--json"]) {
        let expected = (92.0 + 2.0 * 6.16) / 9.25 + 92.0 / 25.1;
        let wall = run["wall_s"].as_f64().expect("a number");
        assert!(
            (wall - expected).abs() < 0.01,
            "{wall} s, expected {expected}"
        );
        assert_eq!(
            (&run["cycles_complete"], &run["missed"]),
            (&1.into(), &false.into())
        );
    }
    let too_many = lines(&[
        "run",
        "dab",
        "--replicates",
        "1",
        "--json",
        "--set",
        "job.batches=93",
    ]);
    assert_eq!(too_many[0]["ending"], "insufficient_capacity");
}

/// The recorded runs of the seven PCs took 2.1 s a cycle in the median; the scenario is made to
/// their speeds and their link, and overruns its limit as they did.
#[test]
fn the_seeds_lab_overruns_as_it_did() {
    for run in lines(&["run", "lab-7", "--replicates", "8", "--json"]) {
        assert_eq!(run["missed"], true, "{run}");
        let wall = run["wall_s"].as_f64().expect("a number");
        assert!((120.0..320.0).contains(&wall), "{wall} s for 80 cycles");
    }
}

/// 92 batches fit; of 95 on a capacity that sees computing alone, the limit leaves 92 and a bit.
/// They count, or nothing does.
#[test]
fn unfinished_shares_count_or_are_discarded() {
    let run = |partial: &str, billing: &str| {
        let (partial, billing) = (
            format!("job.partial={partial}"),
            format!("job.billing={billing}"),
        );
        let args = ["run", "dab", "--replicates", "1", "--json"];
        let sets = [
            "job.batches=95",
            "job.capacity=compute-only",
            &partial,
            &billing,
        ];
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let run = lines(&args.into_iter().chain(sets).collect::<Vec<_>>()).remove(0);
        let number = |key: &str| run[key].as_f64().unwrap_or_else(|| panic!("{run}"));
        (
            number("batches_lost"),
            number("fee"),
            number("cycles_failed"),
        )
    };
    let (lost, fee, failed) = run("accept", "computed");
    assert!(lost > 0.0 && lost < 20.0 && failed == 0.0, "{lost} lost");
    assert_eq!(fee, 95.0 - lost, "a fee of 1");
    assert_eq!(run("discard", "computed"), (95.0, 0.0, 1.0));
    assert_eq!(run("discard", "assigned"), (95.0, 95.0, 1.0));
}

/// What re-planning is for: with it nearly every cycle that could be complete is, without it not.
#[test]
fn adaptive_completes_what_static_loses() {
    let share = |scenario: &str, replan: &str| {
        let set = format!("job.replan={replan}");
        let runs = lines(&[
            "run",
            scenario,
            "--replicates",
            "300",
            "--json",
            "--set",
            &set,
        ]);
        let sum = |key: &str| runs.iter().filter_map(|run| run[key].as_u64()).sum::<u64>() as f64;
        assert!(sum("cycles_untouched") <= sum("cycles_feasible"));
        sum("cycles_untouched_complete") / sum("cycles_untouched")
    };
    for scenario in ["churn", "stragglers"] {
        let (adaptive, fixed) = (share(scenario, "adaptive"), share(scenario, "static"));
        assert!(adaptive >= 0.99, "{scenario}: {adaptive}");
        assert!(fixed < 0.95, "{scenario}: {fixed}");
    }
}

#[test]
fn an_infeasible_scenario_ends_with_its_reason() {
    for run in lines(&["run", "infeasible", "--replicates", "2", "--json"]) {
        assert_eq!(run["ending"], "insufficient_capacity");
        assert_eq!(run["fee"], 0.0);
    }
    let table = sim(&["run", "infeasible", "--replicates", "2"]);
    table.assert_done();
    let told = "2 runs ended early, left out of fee and wall time: insufficient_capacity";
    assert!(table.stdout.contains(told), "{}", table.stdout);
}

#[test]
fn what_cannot_be_run_is_explained() {
    sim(&["run", "nowhere"]).assert_fails(3, "there is no file nowhere and no scenario");
    sim(&["run", "dab", "--set", "job.batchs=3"]).assert_fails(3, "did you mean batches?");
    sim(&["run", "dab", "--set", "job.batches"]).assert_fails(2, "job.batches");
    sim(&["run", "dab", "--replicates", "0"]).assert_fails(2, "--replicates");
    sim(&["run", "dab", "--set", "job.allocator=magic"]).assert_fails(3, "no allocator is called");
    sim(&["scenarios", "nowhere"]).assert_fails(2, "expected a TOML file or one of lab-8");
}
