//! `sim published`: the problems of two papers, through the command line.

mod common;

use common::sim;
use serde_json::Value;

/// Tasks, resources, optimum.
type Optimum = (u64, u64, f64);

/// The first and the last of each series, as the papers have them.
const PUBLISHED: [(&str, [Optimum; 2]); 7] = [
    (
        "constant_marginal_costs",
        [
            (1000, 10, 2486.498916533192),
            (5000, 100, 7760.353293063408),
        ],
    ),
    (
        "constant_marginal_costs_no_upper_limit",
        [
            (1000, 10, 1299.2439819770243),
            (5000, 100, 7946.94145753822),
        ],
    ),
    (
        "increasing_marginal_costs",
        [
            (1000, 10, 16504.237737296917),
            (5000, 100, 54278.69028364971),
        ],
    ),
    (
        "decreasing_marginal_costs",
        [
            (1000, 10, 191.83661231269497),
            (5000, 100, 1468.3517893567785),
        ],
    ),
    (
        "random_costs",
        [
            (1000, 10, 219.12269425142705),
            (5000, 100, 4052.209214948088),
        ],
    ),
    (
        "olar_linear_costs",
        [
            (1000, 10, 370.44438892391184),
            (10000, 100, 384.3938560089303),
        ],
    ),
    (
        "olar_linear_costs_and_limits",
        [
            (1000, 10, 362.14234868932004),
            (10000, 100, 435.7291100173482),
        ],
    ),
];

fn lines(args: &[&str]) -> Vec<Value> {
    let run = sim(&[&["published", "--json"], args].concat());
    run.assert_done();
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn printed_optima_are_met_and_proved() {
    let lines = lines(&[]);
    assert_eq!(lines.len(), 394);
    assert!(
        lines
            .iter()
            .all(|line| line["status"] == "optimal" && line["certificate"].is_string())
    );
    for (experiment, optima) in PUBLISHED {
        for (tasks, resources, optimum) in optima {
            let same = |line: &&Value| {
                line["experiment"] == experiment
                    && line["tasks"] == tasks
                    && line["resources"] == resources
            };
            let line = lines.iter().find(same).expect("a line");
            let cost = line["cost"].as_f64().expect("a cost");
            let most = if experiment.starts_with("olar") {
                1.0
            } else {
                resources as f64
            };
            assert!(
                (cost - optimum).abs() <= most * 1e-6,
                "{experiment}: {cost}, not {optimum}"
            );
        }
    }
}

#[test]
fn a_file_of_optima_is_compared_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("optima.json");
    let write = |optimum: &str| {
        let text = format!(
            r#"{{"experiments":[{{"experiment":"random_costs","optima":[[1000,10,{optimum}]]}}]}}"#
        );
        std::fs::write(&file, text).expect("a file");
        sim(&[
            "published",
            file.to_str().expect("UTF-8"),
            "--experiment",
            "random_costs",
        ])
    };
    let run = write("219.12269425142705");
    run.assert_done();
    write("219.1228").assert_fails(
        4,
        "1 published optima are not met, the first of random_costs",
    );
    std::fs::write(&file, "{}").expect("a file");
    sim(&["published", file.to_str().expect("UTF-8")])
        .assert_fails(3, "expected {\"experiments\":");
    sim(&["published", "--experiment", "none"])
        .assert_fails(2, "expected one of constant_marginal");
}

/// All optima of a file, where `ALLOT_PUBLISHED_OPTIMA` names one.
#[test]
fn all_optima_are_met() {
    let Some(file) = std::env::var_os("ALLOT_PUBLISHED_OPTIMA") else {
        return;
    };
    let run = sim(&["published", file.to_str().expect("UTF-8")]);
    run.assert_done();
}

#[test]
fn rules_of_the_papers_are_compared_in_one_table() {
    let allocators = "exact,equal,proportional,marin,marco,mardec,olar";
    let lines = lines(&[
        "--experiment",
        "increasing_marginal_costs",
        "--allocators",
        allocators,
    ]);
    assert_eq!(lines.len(), 42 * 7);
    let cost = |at: usize, allocator: &str| {
        let line = &lines[at * 7..][..7]
            .iter()
            .find(|line| line["allocator"] == allocator);
        line.expect("an answer")["cost"].as_f64().expect("a plan")
    };
    for at in 0..42 {
        // Rounded costs are convex but for a micro-unit.
        assert!((cost(at, "marin") - cost(at, "exact")).abs() < 1e-3);
        assert!(cost(at, "equal") > cost(at, "exact"));
        assert!(cost(at, "olar") >= cost(at, "exact"));
    }
}
