//! `sim solve` and `sim generate` through the command line.

mod common;

use std::process::Command;

use common::{shell, sim, sim_with_input};
use serde_json::Value;

const GOOD: &str = r#"{"n":14,"beta":0,"s_min":5,"workers":[{"s_max":5,"fee":1},{"s_max":8,"fee":2},{"s_max":8,"fee":3},{"s_max":11,"fee":10}]}"#;

#[test]
fn a_plan_is_one_line_with_its_proof() {
    let run = sim_with_input(&["solve"], GOOD.as_bytes());
    run.assert_done();
    let expected = r#"{"id":0,"allocator":"exact","status":"optimal","batches":[0,8,6,0],"cost":34,"lower_bound":34,"workers_employed":2,"certificate":"search","reason":null,"message":null}"#;
    let plan: Value = serde_json::from_str(&run.stdout).expect("a line of JSON");
    let wanted: Value = serde_json::from_str(expected).expect("JSON");
    for key in [
        "id",
        "allocator",
        "status",
        "batches",
        "cost",
        "lower_bound",
        "workers_employed",
        "reason",
        "message",
    ] {
        assert_eq!(plan[key], wanted[key], "{key} in {}", run.stdout);
    }
    assert_eq!(run.stderr, "");
}

/// An instance has no clock: the quickest plan is the one with the least largest part of a capacity.
#[test]
fn objectives_of_instances() {
    let solve = |line: &str, objective: &str| {
        let run = sim_with_input(&["solve", "--objective", objective], line.as_bytes());
        run.assert_done();
        let plan: Value = serde_json::from_str(&run.stdout).expect("a line of JSON");
        (plan["cost"].as_f64(), plan["batches"].to_string())
    };
    let line = r#"{"n":12,"beta":0,"s_min":1,"workers":[{"s_max":12,"fee":1},{"s_max":24,"fee":1},{"s_max":36,"fee":2}]}"#;
    let check = |line, objective, cost, batches: &str| {
        let expected = (Some(cost), batches.to_owned());
        assert_eq!(solve(line, objective), expected, "{objective}");
    };
    check(line, "cheapest", 12.0, "[0,12,0]");
    check(line, "cheapest-then-quickest", 12.0, "[4,8,0]");
    check(line, "quickest", 18.0, "[2,4,6]");
    let limited = line.replacen("{", r#"{"most_employed":1,"#, 1);
    check(&limited, "cheapest-then-quickest", 12.0, "[0,12,0]");
    check(&limited, "quickest", 24.0, "[0,0,12]");
    let run = sim_with_input(&["solve", "--objective", "best"], line.as_bytes());
    let expected = "expected one of cheapest, cheapest-then-quickest, quickest";
    assert!(run.stderr.contains(expected), "{}", run.stderr);
}

#[test]
fn every_allocator_answers() {
    for (allocator, cost) in [("heuristic", 95), ("exact", 34), ("cbc", 34)] {
        let run = sim_with_input(&["solve", "--allocator", allocator], GOOD.as_bytes());
        run.assert_done();
        let plan: Value = serde_json::from_str(&run.stdout).expect("a line of JSON");
        assert_eq!(plan["cost"], cost, "{allocator}");
    }
    let run = sim_with_input(&["solve", "--allocator", "lp"], GOOD.as_bytes());
    run.assert_done();
    let plan: Value = serde_json::from_str(&run.stdout).expect("a line of JSON");
    assert!(plan["lower_bound"].as_f64() <= Some(34.0), "{}", run.stdout);
}

#[test]
fn money_is_never_rounded() {
    // Beyond 2^53 micro-units, with all six decimals.
    let line = r#"{"id":"big","n":1000000000,"beta":0,"s_min":0,"workers":[{"s_max":1e9,"fee":999999.999999,"name":"dear"}]}"#;
    let run = sim_with_input(&["solve"], line.as_bytes());
    run.assert_done();
    assert!(
        run.stdout.contains(r#""cost":999999999999000,"#),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains(r#""id":"big""#) && run.stdout.contains(r#""names":["dear"]"#));
}

#[test]
fn infeasible_is_an_answer_and_says_what_would_help() {
    let line = r#"{"n":11,"beta":0,"s_min":4,"workers":[{"s_max":5,"fee":1},{"s_max":5,"fee":1},{"s_max":5,"fee":1}]}"#;
    for allocator in ["heuristic", "exact", "cbc", "lp"] {
        let run = sim_with_input(&["solve", "--allocator", allocator], line.as_bytes());
        run.assert_done();
        let plan: Value = serde_json::from_str(&run.stdout).expect("a line of JSON");
        assert_eq!(plan["status"], "infeasible");
        assert_eq!(plan["reason"], "cardinality_gap");
        assert_eq!(
            (&plan["batches"], &plan["cost"]),
            (&Value::Null, &Value::Null)
        );
        let message = plan["message"].as_str().expect("a message");
        assert!(message.contains("lower s_min to 3"), "{message}");
    }
}

#[test]
fn a_bad_line_does_not_stop_the_others() {
    let input = format!("{GOOD}\n{{\"n\":1}}\n{GOOD}\n");
    let run = sim_with_input(&["solve"], input.as_bytes());
    run.assert_fails(3, "standard input, line 2: missing field");
    assert_eq!(run.stdout.lines().count(), 2);
    assert!(
        run.stdout
            .lines()
            .nth(1)
            .is_some_and(|line| line.starts_with(r#"{"id":2,"#))
    );
}

/// Another problem would be solved, and proved, without what the key says.
#[test]
fn a_key_that_is_not_known_is_refused() {
    let line = r#"{"n":1000,"beta":0,"s_min":5,"budget":3,"workers":[{"s_max":500,"fee":1,"s_min":100},{"s_max":700,"fee":2,"fixed":2}]}"#;
    let run = sim_with_input(&["solve"], line.as_bytes());
    run.assert_fails(
        3,
        "standard input, line 1: there is no key \"budget\", expected one of",
    );
    assert_eq!(run.stdout, "");
    for (from, to, nearest) in [("beta", "betta", "beta"), ("fee", "Fee", "fee")] {
        let run = sim_with_input(&["solve"], GOOD.replace(from, to).as_bytes());
        run.assert_fails(3, &format!("no key \"{to}\", did you mean {nearest}?"));
    }
    let free = GOOD.replace("\"fee\"", "\"x-note\":[1],\"fee\"");
    let run = sim_with_input(&["solve"], free.as_bytes());
    run.assert_done();
    assert!(run.stdout.contains("\"cost\":34,"), "{}", run.stdout);
}

const CURVES: &str = r#"{"n":14,"beta":0,"workers":[{"name":"tiers","costs":[[1,1.5],[5,5.5],[9,6.3]]},{"costs":[[4,1],[8,3]],"may_idle":false},{"s_max":11,"fee":1}]}"#;

#[test]
fn costs_by_points_are_solved_with_their_proof() {
    let run = sim_with_input(&["solve"], CURVES.as_bytes());
    run.assert_done();
    let plan: Value = serde_json::from_str(&run.stdout).expect("a line of JSON");
    assert_eq!(
        plan["batches"],
        serde_json::json!([9, 5, 0]),
        "{}",
        run.stdout
    );
    assert_eq!(
        (&plan["status"], &plan["cost"]),
        (&"optimal".into(), &7.8.into())
    );
    assert_eq!(plan["lower_bound"], 7.8);
    assert!(plan["certificate"].is_string());

    let run = sim_with_input(&["solve", "--format", "table"], CURVES.as_bytes());
    assert!(
        run.says("0 to 3 of 3 workers, costs by points"),
        "{}",
        run.stdout
    );
    assert!(run.says("0 tiers 1 9 9 6.3"), "{}", run.stdout);

    let run = sim_with_input(&["solve", "--allocator", "cbc"], CURVES.as_bytes());
    assert!(
        run.stdout.contains("\"reason\":\"unsupported\""),
        "{}",
        run.stdout
    );

    let few = CURVES.replace("\"beta\":0", "\"beta\":0,\"most_employed\":1");
    let run = sim_with_input(&["solve"], few.as_bytes());
    assert!(
        run.stdout.contains("\"reason\":\"insufficient_capacity\""),
        "{}",
        run.stdout
    );
    let one = GOOD.replace("\"beta\":0", "\"beta\":0,\"most_employed\":1");
    let run = sim_with_input(&["solve"], one.as_bytes());
    assert!(
        run.stdout.contains("\"status\":\"infeasible\""),
        "{}",
        run.stdout
    );
    let wrong = CURVES.replace("[5,5.5]", "[5,5.500001]");
    sim_with_input(&["solve"], wrong.as_bytes()).assert_fails(
        3,
        "costs of worker 0: from 1 to 5 batches the cost changes by 4000001",
    );
}

/// A solver of the user's own is asked for by name only, and says what it lacks in one line.
#[test]
fn a_solver_that_is_not_installed_says_how_to_get_it() {
    for (allocator, package) in [("highs", "highspy"), ("gurobi", "gurobipy")] {
        for command in [["solve", "-"], ["validate", "--n-tests=1"]] {
            let flag = if command[0] == "solve" {
                "--allocator"
            } else {
                "--allocators"
            };
            let output = common::program()
                .args(command)
                .args([flag, allocator])
                .env("ALLOT_PYTHON", "/no/such/python")
                .stdin(std::process::Stdio::null())
                .output()
                .expect("it runs");
            let expected = format!("{allocator} needs Python with {package}, but /no/such/python");
            common::run(output).assert_fails(2, &expected);
        }
    }
}

/// Solvers that Python has (`ALLOT_PYTHON` names another one) agree with `exact`.
#[test]
fn solvers_that_are_installed_agree_with_exact() {
    let python = std::env::var_os("ALLOT_PYTHON").unwrap_or_else(|| "python3".into());
    let has = |package: &str| {
        let import = Command::new(&python)
            .args(["-c", &format!("import {package}")])
            .output();
        import.is_ok_and(|output| output.status.success())
    };
    let installed = [("highs", "highspy"), ("gurobi", "gurobipy")].map(|(name, package)| {
        let is_there = has(package);
        if !is_there {
            console::note!(
                "NOT CHECKED: {name}, as {} has no {package}",
                python.display()
            );
        }
        is_there.then_some(name)
    });
    let is_required = std::env::var_os("ALLOT_REQUIRE_PYTHON").is_some();
    assert!(
        installed[0].is_some() || !is_required,
        "HiGHS is free to be installed"
    );
    let installed: Vec<&str> = installed.into_iter().flatten().collect();
    if installed.is_empty() {
        return;
    }
    for family in ["thesis", "forced-lot", "ties", "mixed"] {
        let allocators = format!("exact,{}", installed.join(","));
        let run = sim(&[
            "validate",
            "--family",
            family,
            "--n-tests",
            "10",
            "--allocators",
            &allocators,
        ]);
        run.assert_done();
        let clean = "mismatches: 0 of feasibility, 0 of cost, 0 of lower bounds";
        assert!(run.says(clean), "{}", run.stdout);
    }
}

#[test]
fn input_that_is_not_there_is_named() {
    sim(&["solve", "no/such/file"]).assert_fails(3, "cannot read no/such/file: ");
    sim(&["solve", "/"]).assert_fails(3, "cannot read /: is a directory");
    sim(&["solve"]).assert_fails(3, "standard input holds no instance");
}

#[test]
fn wrong_arguments_are_explained() {
    sim(&["solve", "--allocator", "glpk"]).assert_fails(
        2,
        "no allocator is called \"glpk\", expected one of heuristic, exact",
    );
    sim(&["generate", "--family", "thesys"]).assert_fails(2, "no family is called \"thesys\"");
    sim(&["generate", "--n-tests", "-1"]).assert_fails(2, "invalid value '-1' for '--n-tests <N>'");
    sim(&["generate", "--first", "18446744073709551615"]).assert_fails(2, "beyond the last test");
    sim(&["allocate"]).assert_fails(2, "allocate");
}

#[test]
fn generated_instances_do_not_depend_on_how_many_there_are() {
    let all = sim(&[
        "generate",
        "--family",
        "mixed",
        "--n-tests",
        "5",
        "--seed",
        "9",
    ]);
    let one = sim(&[
        "generate", "--family", "mixed", "--seed", "9", "--first", "3",
    ]);
    all.assert_done();
    assert_eq!(all.stdout.lines().nth(3), one.stdout.lines().next());
    assert!(one.stdout.starts_with(r#"{"id":3,"n":"#));
}

#[test]
fn generated_instances_can_be_solved_and_skipped_to() {
    let run = shell(
        "sim generate --family forced-lot --n-tests 4 | sim solve --first 2 --n-tests 1 --format table",
    );
    run.assert_done();
    assert!(run.stdout.starts_with("instance 2: "), "{}", run.stdout);
    assert!(
        run.stdout.contains("exact: optimal, cost "),
        "{}",
        run.stdout
    );
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let run = shell("sim generate --family thesis --n-tests 5000 | head -n 1 | wc -l");
    run.assert_done();
    assert_eq!((run.stdout.trim(), run.stderr.as_str()), ("1", ""));
}

#[test]
fn a_full_disk_is_said() {
    let run = shell("sim generate --n-tests 100 > /dev/full");
    run.assert_fails(5, "cannot write to standard output: ");
}

/// A standard error that cannot be written loses messages, and neither the answer nor the code.
#[test]
fn a_full_standard_error_ends_nothing() {
    let run = shell("sim run lab-8 --replicates 1 --set job.cycles=2 2> /dev/full");
    run.assert_done();
    assert!(run.stdout.contains("allocator"), "{}", run.stdout);
    let run = shell("echo nonsense | sim solve 2> /dev/full");
    assert_eq!(run.code, 3);
}
