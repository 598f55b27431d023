//! `sim risk` through the command line.

mod common;

use common::sim;
use serde_json::Value;

fn lines(args: &[&str]) -> Vec<Value> {
    let run = sim(&[&["risk"], args, &["--json"]].concat());
    run.assert_done();
    let parse = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    run.stdout.lines().map(parse).collect()
}

fn number(line: &Value, key: &str) -> f64 {
    line[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} of {line}"))
}

/// The bar: within a third of the risk that was asked for, over 50,000 workers at their s_max.
#[test]
fn risks_are_what_was_asked_for() {
    let lines = lines(&["--worker-runs", "50000"]);
    let risks: Vec<f64> = lines.iter().map(|line| number(line, "risk")).collect();
    assert_eq!(risks, [0.5, 0.2, 0.05, 0.01]);
    for line in &lines {
        let (risk, overran) = (number(line, "risk"), number(line, "overran"));
        assert_eq!(line["worker_runs"], 50_000);
        assert!((overran / risk - 1.0).abs() < 1.0 / 3.0, "{line}");
        assert!(number(line, "overran_low") < overran && overran < number(line, "overran_high"));
        // Workers of the study share nothing, so a cycle's chance follows from theirs.
        let any = 1.0 - (1.0 - risk).powi(10);
        assert!(
            (number(line, "any_of_independent") - any).abs() < 1e-12,
            "{line}"
        );
        assert!(
            (number(line, "cycles_missed") / any - 1.0).abs() < 0.1,
            "{line}"
        );
        assert!(
            number(line, "jobs_missed") >= number(line, "cycles_missed"),
            "{line}"
        );
        // The time model of the thesis leaves no time for a tenth of the cycle: e^-0.105 is 0.44 sigma slower,
        // and the chance of that to be too much is 0.67, whatever is asked for.
        assert!(
            (number(line, "compute_only_overran") - 0.67).abs() < 0.02,
            "{line}"
        );
    }
}

#[test]
fn a_scenario_has_its_own_workers_links_and_errors() {
    let common = ["--worker-runs", "4000", "--risk", "0.05"];
    let lab = &lines(&[&["churn"][..], &common].concat())[0];
    assert_eq!((&lab["workers"], &lab["cycles"]), (&16.into(), &60.into()));
    assert!(number(lab, "worker_runs") >= 4_000.0, "{lab}");
    // The margin is the errors' own, and the time model is never too short for the link.
    assert!((0.001..0.06).contains(&number(lab, "overran")), "{lab}");
    // Its margins for hardly any error at all would not hold for these.
    let sure = ["--set", "fleet.benchmark_error={ sigma = 0.3 }"];
    let unsure = &lines(&[&["churn"][..], &common, &sure].concat())[0];
    assert_ne!(unsure["overruns"], lab["overruns"]);
    assert!(
        (0.001..0.06).contains(&number(unsure, "overran")),
        "{unsure}"
    );
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    for args in [
        &["--worker-runs", "2000"][..],
        &["mixed-lab", "--worker-runs", "900"],
    ] {
        for format in [&[][..], &["--json"]] {
            let with = |threads: &str| {
                let run = sim(&[&["risk"], args, format, &["--threads", threads]].concat());
                run.assert_done();
                run.stdout
            };
            let one = with("1");
            assert_eq!(one, with("2"));
            assert_eq!(one, with("3"));
            let other = sim(&[&["risk"], args, format, &["--seed", "2"]].concat());
            assert_ne!(one, other.stdout);
        }
    }
}

#[test]
fn what_makes_no_sense_is_explained() {
    sim(&["risk", "--risk", "x"]).assert_fails(2, "--risk x: expected a number from 0.0001");
    sim(&["risk", "--risk", "0.5,1"]).assert_fails(2, "--risk 1: expected");
    sim(&["risk", "lab-8", "--risk", "2"]).assert_fails(3, "--risk job.risk=2: job.risk is 2");
    sim(&["risk", "--worker-runs", "0"]).assert_fails(2, "--worker-runs");
    sim(&["risk", "--set", "job.beta=1"]).assert_fails(2, "<SCENARIO>");
    sim(&["risk", "nowhere"]).assert_fails(3, "there is no file nowhere");
    sim(&["risk", "dab"]).assert_fails(3, "job.ship = \"each-cycle\"");
    let short = [
        "risk",
        "churn",
        "--worker-runs",
        "20",
        "--set",
        "job.cycle_time=1 ms",
    ];
    sim(&short).assert_fails(3, "no worker can do a batch");
}
