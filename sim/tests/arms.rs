//! `sim run` with several arms: what is compared, and that the figures are right.

mod common;

use common::sim;
use serde_json::Value;

/// The lines of the runs and those of the figures.
fn lines(args: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let run = sim(args);
    run.assert_done();
    let parse = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    let lines: Vec<Value> = run.stdout.lines().map(parse).collect();
    lines.into_iter().partition(|line| line["figure"].is_null())
}

fn number(line: &Value, key: &str) -> f64 {
    line[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} of {line}"))
}

fn close(found: f64, expected: f64) {
    let error = (found - expected).abs();
    assert!(
        error <= 1e-9 * expected.abs().max(1.0),
        "{found} is not {expected}"
    );
}

/// What a run says of a figure: so much of so much.
type Part = dyn Fn(&Value) -> (f64, f64);

/// Some runs end early: a loss is waited for one second only.
const CHURN: [&str; 10] = [
    "run",
    "churn",
    "--replicates",
    "40",
    "--set",
    "job.beta=2",
    "--set",
    "waits.pause=1 s",
    "--against",
    "job.replan=static",
];

#[test]
fn every_figure_is_what_the_runs_say() {
    let (runs, figures) = lines(&[&CHURN[..], &["--json"]].concat());
    let (base, ours) = runs.split_at(40);
    assert!(base.iter().all(|run| run["arm"] == "exact"));
    assert!(
        ours.iter()
            .all(|run| run["arm"] == "exact job.replan=static")
    );
    let ratio = |runs: &[Value], part: &Part| {
        let sums = runs
            .iter()
            .map(part)
            .fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        sums.0 / sums.1
    };
    let of = |value: &'static str, of: &'static [&'static str]| {
        move |run: &Value| {
            let of = of.iter().map(|key| number(run, key)).sum();
            (number(run, value), of)
        }
    };
    let missed = |run: &Value| (f64::from(u8::from(run["missed"] == true)), 1.0);
    let all = |run: &Value| (number(run, "cycles_complete"), 60.0);
    let of_all: [(&str, Box<Part>); 6] = [
        (
            "fee_per_accepted_batch",
            Box::new(of("fee", &["batches_accepted"])),
        ),
        ("missed", Box::new(missed)),
        ("complete_of_all", Box::new(all)),
        (
            "complete_of_feasible",
            Box::new(of("cycles_feasible_complete", &["cycles_feasible"])),
        ),
        (
            "complete_of_untouched",
            Box::new(of("cycles_untouched_complete", &["cycles_untouched"])),
        ),
        (
            "lost_of_ordered",
            Box::new(of("batches_lost", &["batches_accepted", "batches_lost"])),
        ),
    ];
    let figure = |key: &str| {
        let mut found = figures.iter().filter(|line| line["figure"] == key);
        let line = found.next().expect("the figure is there");
        assert!(found.next().is_none(), "{key} is there twice");
        line
    };
    for (key, part) in of_all {
        let (line, value, against) = (figure(key), ratio(ours, &part), ratio(base, &part));
        close(number(line, "value"), value);
        close(number(line, "base"), against);
        close(number(line, "difference"), value - against);
        assert_eq!(line["pairs"], 40, "{line}");
        let (low, high) = (
            number(line, "difference_low"),
            number(line, "difference_high"),
        );
        assert!(low <= value - against && value - against <= high, "{line}");
        assert_eq!(number(line, "effect") > 0.0, value > against, "{line}");
    }
    // Fee and wall: of the pairs in which both reached the end, by Student with their number.
    let both: Vec<(&Value, &Value)> = ours
        .iter()
        .zip(base)
        .filter(|(a, b)| a["ending"] == "completed" && b["ending"] == "completed")
        .collect();
    assert!((20..40).contains(&both.len()), "{} pairs", both.len());
    for (key, column) in [("fee", "fee"), ("wall_s", "wall_s")] {
        let line = figure(key);
        assert_eq!(line["pairs"], both.len());
        let differences: Vec<f64> = both
            .iter()
            .map(|(a, b)| number(a, column) - number(b, column))
            .collect();
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
        let deviation = (squares / (n - 1.0)).sqrt();
        close(number(line, "difference"), mean);
        close(number(line, "effect"), mean / deviation);
        // The quantile of Student's t lies between 2.02 and 2.1 for 20 to 40 pairs.
        let half = (number(line, "difference_high") - mean) / (deviation / n.sqrt());
        assert!((2.02..2.1).contains(&half), "{half}");
    }
    assert_eq!(figures.len(), 8);
}

/// What the catalogue's `churn` and `stragglers` are there to show.
#[test]
fn replanning_completes_what_static_loses() {
    for scenario in ["churn", "stragglers"] {
        let (_, figures) = lines(&[
            "run",
            scenario,
            "--replicates",
            "40",
            "--against",
            "job.replan=static",
            "--json",
        ]);
        for key in ["complete_of_feasible", "complete_of_untouched"] {
            let line = figures.iter().find(|line| line["figure"] == key);
            let line = line.expect("the figure is there");
            assert!(number(line, "difference_high") < -0.02, "{line}");
        }
    }
}

/// An arm has the draws that a run of it alone has: that is what makes runs pairs.
#[test]
fn an_arm_is_what_it_would_be_alone() {
    let common = [
        "run",
        "stragglers",
        "--replicates",
        "5",
        "--seed",
        "9",
        "--json",
    ];
    let arms = ["--against", "job.replan=static,job.billing=computed"];
    let (together, _) = lines(&[&common[..], &arms].concat());
    let sets = [
        "--set",
        "job.replan=static",
        "--set",
        "job.billing=computed",
    ];
    let (mut alone, none) = lines(&[&common[..], &sets].concat());
    assert!(none.is_empty());
    for line in &mut alone {
        line["arm"] = "exact job.replan=static,job.billing=computed".into();
    }
    assert_eq!(together[5..], alone);
    assert_ne!(together[..5], alone);
}

#[test]
fn allocators_and_values_are_arms_alike() {
    let run = sim(&[
        "run",
        "mixed-lab",
        "--replicates",
        "3",
        "--allocators",
        "heuristic,exact",
        "--against",
        "job.risk=0.2",
    ]);
    run.assert_done();
    for arm in ["exact", "heuristic job.risk=0.2", "exact job.risk=0.2"] {
        let title = format!("\n{arm} against heuristic, paired\n");
        assert!(run.stdout.contains(&title), "{}", run.stdout);
    }
}

#[test]
fn arms_that_never_reach_the_end_have_no_fee_to_compare() {
    let run = sim(&[
        "run",
        "infeasible",
        "--replicates",
        "2",
        "--against",
        "job.beta=2",
    ]);
    run.assert_done();
    let row = |name: &str| {
        let row = run.stdout.lines().find(|line| line.starts_with(name));
        row.expect("the row is there")
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(row("wall s  ")[2..], ["-", "-", "-", "-", "0"]);
    assert_eq!(row("missed %  ")[2..4], ["100.00", "100.00"]);
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    for format in [&[][..], &["--json"][..]] {
        let with = |threads: &str| {
            let run = sim(&[&CHURN[..], &["--threads", threads], format].concat());
            run.assert_done();
            run.stdout
        };
        let one = with("1");
        assert_eq!(one, with("2"));
        assert_eq!(one, with("3"));
    }
}

#[test]
fn arms_that_make_no_sense_are_explained() {
    let against = |text: &str, code: i32, expected: &str| {
        let args = ["run", "churn", "--replicates", "1", "--against", text];
        let run = sim(&args);
        run.assert_fails(code, expected);
        assert_eq!(run.stdout, "");
    };
    against("job.replan", 2, "--against job.replan: expected key=value");
    against("run.seed=2", 2, "arms share their seed and replicates");
    against("job.replan=adaptive", 2, "that is another arm already");
    against(
        "job.beta=abc",
        3,
        "--against job.beta=abc: job.beta is \"abc\", expected",
    );
    against("job.bata=1", 3, "did you mean beta?");
    sim(&[
        "run",
        "churn",
        "--allocators",
        "exact",
        "--against",
        "job.allocator=lp",
    ])
    .assert_fails(2, "--allocators says who allocates");
}

/// A job keeps every limit at least as often as it was asked to.
#[test]
fn confidence_is_the_share_of_jobs_that_keep_every_limit() {
    for (scenario, more) in [
        ("mixed-lab", &[][..]),
        ("mixed-lab", &["--set", "job.replan=static"][..]),
    ] {
        for confidence in ["0.5", "0.9"] {
            let set = format!("job.confidence={confidence}");
            let args = [
                "run",
                scenario,
                "--replicates",
                "300",
                "--json",
                "--set",
                &set,
            ];
            let (runs, _) = lines(&[&args[..], more].concat());
            assert_eq!(runs.len(), 300);
            let missed = runs.iter().filter(|run| run["missed"] == true).count() as f64;
            let asked = 300.0 * (1.0 - confidence.parse::<f64>().expect("a number"));
            let chance = 3.0 * asked.sqrt(); // no more than chance would have it
            assert!(missed <= asked + chance, "{set}: {missed} of 300 missed");
        }
    }
}
