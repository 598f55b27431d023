//! `sim plan` through the command line: it says what `sim run` does, and what it offers works.

mod common;

use std::fs;

use common::{Run, sim};
use results::plan_line;
use serde_json::Value;

/// Nothing is drawn but what is stated as a distribution of the fleet.
const CERTAIN: [&str; 6] = [
    "--set",
    "fleet.benchmark_error=none",
    "--set",
    "fleet.jitter=none",
    "--set",
    "fleet.drift=0",
];

fn lines(args: &[&str]) -> Vec<Value> {
    let run = sim(args);
    run.assert_done();
    let parse = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    run.stdout.lines().map(parse).collect()
}

fn plan(scenario: &str, args: &[&str]) -> Value {
    let args = [&["plan", scenario, "--json"], args].concat();
    let mut lines = lines(&args);
    assert_eq!(lines.len(), 1, "one line");
    lines.remove(0)
}

/// Without simulated runs.
fn quick(scenario: &str, args: &[&str]) -> Value {
    plan(scenario, &[&["--replicates", "0"], args].concat())
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is a number"))
}

fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is whole"))
}

fn mean(runs: &[Value], key: &str) -> f64 {
    runs.iter().map(|run| number(&run[key])).sum::<f64>() / runs.len() as f64
}

#[test]
fn it_says_what_sim_run_says_on_the_same_seed() {
    for (scenario, seed, static_plan) in [
        ("lab-8", "1", true),
        ("lab-8", "5", true),
        ("mixed-lab", "3", true),
        ("churn", "2", false),
        ("slow-uplink", "4", true),
        ("dab", "1", true),
    ] {
        let mut args = vec!["--seed", seed, "--replicates", "20"];
        if static_plan {
            args.extend(["--set", "job.replan=static"]);
        }
        let plan = plan(scenario, &args);
        let runs = lines(&[&["run", scenario, "--json"], &args[..]].concat());
        assert_eq!(runs.len(), 20);
        let simulated = &plan["simulated"];
        let missed = runs.iter().filter(|run| run["missed"] == true).count();
        let near = |found: &Value, expected: f64| {
            let found = number(found);
            assert!(
                (found - expected).abs() <= 1e-9 * expected.abs(),
                "{scenario} {seed}: {found}, expected {expected}"
            );
        };
        near(&simulated["missed"]["value"], missed as f64 / 20.0);
        // What a run that ended early would still have paid is unknown.
        let whole = runs.iter().filter(|run| run["ending"] == "completed");
        let whole: Vec<Value> = whole.cloned().collect();
        near(&simulated["fee"]["value"], mean(&whole, "fee"));
        near(&simulated["wall_s"]["value"], mean(&whole, "wall_s"));
        // A plan that is never made again is that of every cycle of the first run.
        if static_plan && runs[0]["ending"] == "completed" {
            let fee = number(&plan["cost"]) * number(&plan["cycles"]);
            near(&runs[0]["fee"], fee);
        }
        if static_plan && runs[0]["ending"] != "completed" {
            assert_eq!(plan["reason"], runs[0]["ending"], "{scenario} {seed}");
        }
    }
}

/// In a world without luck a run takes what was predicted.
#[test]
fn the_predicted_time_is_that_of_a_run_without_luck() {
    for (scenario, service, tolerance) in [
        ("dab", "shared", 1e-6),
        ("lab-8", "last-first", 0.002),
        ("lab-8", "ordered", 0.002),
        ("lab-8", "shared", 0.002),
        ("slow-uplink", "last-first", 0.01),
        ("slow-uplink", "ordered", 0.01),
        ("slow-uplink", "shared", 0.01),
    ] {
        let service = format!("link.service={service}");
        let args = [&CERTAIN[..], &["--set", "job.replan=static"]].concat();
        let args = if scenario == "dab" { Vec::new() } else { args };
        let args = [&args[..], &["--set", &service]].concat();
        let plan = plan(scenario, &[&args[..], &["--replicates", "1"]].concat());
        let predicted = whole(&plan["predicted_job_ns"]) as f64 / 1e9;
        let wall = number(&plan["simulated"]["wall_s"]["value"]);
        assert!(
            (wall - predicted).abs() <= tolerance * wall,
            "{scenario}, {service}: {wall} s, predicted {predicted} s"
        );
        let workers = plan["workers"].as_array().expect("a list");
        let last = workers
            .iter()
            .filter_map(|worker| worker["predicted_ns"].as_u64());
        assert_eq!(last.max(), plan["predicted_cycle_ns"].as_u64());
    }
}

#[test]
fn the_line_is_a_plan_and_can_be_written_into_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("plan.json");
    let path = path.to_str().expect("UTF-8");
    let args = [
        "plan",
        "mixed-lab",
        "--replicates",
        "0",
        "--json",
        "--out",
        path,
    ];
    let run = sim(&args);
    run.assert_done();
    assert_eq!(fs::read_to_string(path).expect("it is there"), run.stdout);
    let line = plan_line::read(run.stdout.trim_end()).expect("a plan");
    let planned = line.plan.expect("feasible");
    assert_eq!(planned.batches.iter().sum::<u64>(), 1875);
    assert_eq!(planned.batches.len(), 18);
    assert_eq!(line.names[0].as_deref(), Some("server-1"));
    assert_eq!(line.names[17].as_deref(), Some("pi-8"));
    sim(&args).assert_fails(2, "is there already");
    sim(&[&args[..], &["--overwrite"]].concat()).assert_done();

    // Late joiners have their place, and nothing to do.
    let plan = quick("churn", &[]);
    let names = plan["names"].as_array().expect("a list");
    let late = names
        .iter()
        .position(|name| name == "late-1")
        .expect("it is named");
    assert_eq!(plan["batches"][late], 0);
    let why = plan["workers"][late]["idle"].as_str().expect("told");
    assert!(why.contains("after the plan is made"), "{why}");
}

/// What costs more or nothing at all just below each limit that is printed.
#[test]
fn limits_are_exact_to_a_nanosecond() {
    for (scenario, seed, also) in [
        ("slow-uplink", "1", "job.tau=1"),
        ("mixed-lab", "2", "job.s_min=90"),
        ("mixed-lab", "2", "job.counts_setup=true"),
        ("lab-7", "1", "job.risk=0.05"),
        ("churn", "1", "job.risk=0.05"),
    ] {
        let args = ["--seed", seed, "--set", also];
        let told = quick(scenario, &args);
        let at = |nanos: u64| {
            let key = told["stated"].as_str().expect("a key");
            let set = format!("{key}={nanos} ns");
            quick(scenario, &[&args[..], &["--set", &set]].concat())
        };
        let step = if told["stated"] == "job.max_time" {
            whole(&told["cycles"])
        } else {
            1
        };
        let below = |nanos: u64| at(nanos - step);
        let cost = |plan: &Value| plan["cost"].as_f64();
        for key in ["least_limit", "least_fee", "same_from", "cheaper_from"] {
            let point = &told[key];
            if point.is_null() {
                continue;
            }
            let limit = whole(&point["stated_ns"]);
            let expected = number(&point["cost"]);
            assert_eq!(cost(&at(limit)), Some(expected), "{scenario} {key}");
            let less = cost(&below(limit));
            assert!(less.is_none_or(|less| less > expected), "{scenario} {key}");
            assert_eq!(less.is_none(), key == "least_limit", "{scenario} {key}");
        }
        let second = whole(&told["stated_ns"]) + 1_000_000_000;
        assert_eq!(cost(&at(second)), told["one_second_more"].as_f64());
        let second = whole(&told["stated_ns"]) - 1_000_000_000;
        assert_eq!(cost(&at(second)), told["one_second_less"].as_f64());
    }
}

#[test]
fn frontiers_are_plans_at_each_of_their_points() {
    let frontier = |over: &str, args: &[&str]| {
        lines(&[&["plan", "slow-uplink", "--json", "--frontier", over], args].concat())
    };
    let points = frontier("time", &[]);
    assert!(points.len() > 500, "{} points", points.len());
    for pair in points.windows(2) {
        assert!(whole(&pair[0]["limit_ns"]) < whole(&pair[1]["limit_ns"]));
        assert!(number(&pair[0]["cost"]) > number(&pair[1]["cost"]));
    }
    for at in [0, 1, points.len() / 3, points.len() / 2, points.len() - 1] {
        let set = |nanos| format!("job.cycle_time={nanos} ns");
        let limit = whole(&points[at]["stated_ns"]);
        let plan = quick("slow-uplink", &["--set", &set(limit)]);
        assert_eq!(plan["cost"], points[at]["cost"]);
        let below = quick("slow-uplink", &["--set", &set(limit - 1)]);
        match at.checked_sub(1) {
            Some(before) => assert_eq!(below["cost"], points[before]["cost"]),
            None => assert_eq!(below["status"], "infeasible"),
        }
    }
    for (over, last) in [("beta", 20), ("s_min", 8)] {
        let steps = frontier(over, &["--set", "job.batches=600"]);
        for value in 0..last {
            let set = format!("job.{over}={value}");
            let plan = quick("slow-uplink", &["--set", "job.batches=600", "--set", &set]);
            let step = steps
                .iter()
                .find(|step| (whole(&step["from"])..=whole(&step["upto"])).contains(&value));
            let cost = step.map_or(&Value::Null, |step| &step["cost"]);
            assert_eq!(&plan["cost"], cost, "{over} {value}");
        }
    }
}

const BOARDS: &str = "\
[job]
batches = 100
cycles = 4
max_time = '8 s'

[benchmark]
batches = 10

[fleet]
speed = '10 batches/s'

[[workers]]
name = 'board'
count = 3
";

/// Each of the four reasons, and a limit too short: what is offered is typed in, and works; a
/// little less of it does not.
#[test]
fn what_would_do_does() {
    what_would_do(BOARDS, "job.s_min=19");
}

/// The same where 0.16 s of each employed worker's parameters go through the orchestrator's link,
/// one after the other: three boards take 18, 16 and 15 batches as one, two or three are employed.
#[test]
fn what_would_do_does_on_a_shared_link() {
    let link = "[link]\nbandwidth = '10 MB/s'\n\n";
    let boards = BOARDS.replace("[fleet]", &format!("{link}[fleet]"));
    what_would_do(&boards, "job.s_min=16");
}

/// A cheap slow worker that shares the link takes nothing away from a fast one that could do it alone.
#[test]
fn a_slow_worker_makes_no_job_impossible() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("two.toml");
    let text = "\
[job]
batches = 10
cycles = 1
cycle_time = '950 ms'
beta = 1
s_min = 1

[benchmark]
batches = 10

[model]
parameters = '100 kB'

[link]
bandwidth = '16 Mbit/s'

[[workers]]
name = 'a'
speed = '12 batches/s'
fee = 2

[[workers]]
name = 'b'
speed = '1.25 batches/s'
fee = 1
";
    fs::write(&path, text).expect("written");
    let two = path.to_str().expect("UTF-8");
    let plan = quick(two, &[]);
    assert_eq!(plan["status"], "optimal");
    assert_eq!(plan["batches"], serde_json::json!([10, 0]));
    assert_eq!(number(&plan["cost"]), 20.0);
    // 0.1 s of the link and 10 / 12 s of computing.
    let least = whole(&plan["least_limit"]["limit_ns"]);
    assert_eq!(least.div_ceil(1_000_000), 934);
    let below = format!("job.cycle_time={} ns", least - 1);
    assert_eq!(quick(two, &["--set", &below])["reason"], "count_limit");
}

/// Four equal machines at one fee: any division costs the same, and an equal one is done first.
#[test]
fn of_the_cheapest_plans_the_quickest() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("four.toml");
    let text = "\
[job]
batches = 1000
cycles = 1
max_time = '300 s'

[benchmark]
batches = 10

[fleet]
speed = '5 batches/s'

[[workers]]
name = 'pc'
count = 4
";
    fs::write(&path, text).expect("written");
    let four = path.to_str().expect("UTF-8");
    let plan = |set: &str, allocator: &str| {
        let args = ["--set", set, "--allocator", allocator];
        let plan = quick(four, &args);
        assert_eq!(number(&plan["cost"]), 1000.0);
        assert_eq!(plan["objective"], set.trim_start_matches("job.objective="));
        plan["batches"].clone()
    };
    let alone = serde_json::json!([1000, 0, 0, 0]);
    let equal = serde_json::json!([250, 250, 250, 250]);
    assert_eq!(plan("job.objective=cheapest", "exact"), alone);
    assert_eq!(plan("job.objective=cheapest-then-quickest", "exact"), equal);
    assert_eq!(plan("job.objective=quickest", "exact"), equal);
    // Other allocators look at the fee alone, and the plan says so.
    let other = quick(
        four,
        &[
            "--set",
            "job.objective=quickest",
            "--allocator",
            "heuristic",
        ],
    );
    assert_eq!(
        (&other["batches"], &other["objective"]),
        (&alone, &"cheapest".into())
    );
}

fn what_would_do(boards_text: &str, gap: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let boards = write("boards.toml", boards_text);
    let mut kinds = Vec::new();
    for (sets, reason) in [
        (
            &["job.batches=9", "job.s_min=5", "job.beta=2"][..],
            "insufficient_data",
        ),
        (&["job.batches=30", "job.s_min=25"], "insufficient_workers"),
        (
            &["job.batches=40", "job.s_min=5", "job.beta=5"],
            "insufficient_workers",
        ),
        (&["job.batches=100"], "insufficient_capacity"),
        (&["job.batches=41", gap, "job.beta=2"], "cardinality_gap"),
        (
            &["job.batches=30", "job.max_time=1 ms"],
            "insufficient_workers",
        ),
    ] {
        let args: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        let told = quick(&boards, &args);
        assert_eq!(told["reason"], reason, "{sets:?}");
        assert_eq!(told["status"], "infeasible");
        let changes = told["changes"].as_array().expect("a list");
        assert!(!changes.is_empty(), "{sets:?}");
        for change in changes {
            let kind = change["change"].as_str().expect("a name");
            kinds.push(kind.to_owned());
            let is_plan = |file: &str, set: Option<String>| {
                let set = set.iter().flat_map(|set| ["--set", set.as_str()]);
                let args: Vec<&str> = args.iter().copied().chain(set).collect();
                quick(file, &args)["status"] == "optimal"
            };
            let (works, fails) = if kind == "workers" {
                let to = (number(&change["to"]) * 1e3).round() as u64;
                let with = |count: u64, thousandths: u64| {
                    let (whole, rest) = (thousandths / 1000, thousandths % 1000);
                    let more = format!(
                        "\n[[workers]]\nname = 'new'\ncount = {count}\n\
                         speed = '{whole}.{rest:03} batches/s'\n"
                    );
                    is_plan(&write("more.toml", &(boards_text.to_owned() + &more)), None)
                };
                let count = whole(&change["count"]);
                // A benchmark is measured in whole nanoseconds.
                (with(count, to + 1), with(count, to - 1))
            } else {
                let to = whole(&change["to"]);
                let with = |to: u64| match kind {
                    "time" => is_plan(&boards, Some(format!("job.max_time={to} ns"))),
                    key => is_plan(&boards, Some(format!("job.{key}={to}"))),
                };
                (with(to), with(if kind == "time" { to - 4 } else { to + 1 }))
            };
            assert!(works, "{sets:?}: {change}");
            assert!(!fails, "{sets:?}: less than {change} is enough");
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["beta", "s_min", "time", "workers"]);
}

#[test]
fn the_page_says_it_all_without_colour() {
    let page = |args: &[&str]| {
        let Run { code, stdout, .. } = sim(args);
        assert_eq!(code, 0, "{stdout}");
        assert!(!stdout.contains('\x1b'), "{stdout}");
        for line in stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        stdout
    };
    let planned = page(&["plan", "mixed-lab", "--replicates", "30"]);
    for word in [
        "laptop-3",
        "█",
        "│",
        "fee  ",
        "no plan is cheaper: by a formula",
        "more expensive",
        "least time",
        "least fee",
        "1 s more",
        "1 s less",
        "simulated runs",
    ] {
        assert!(planned.contains(word), "{word} is not in\n{planned}");
    }
    let none = page(&["plan", "infeasible", "--replicates", "0"]);
    for word in [
        "eligible workers can take",
        "would do",
        "--set job.cycle_time=",
    ] {
        assert!(none.contains(word), "{word} is not in\n{none}");
    }
    let heuristic = page(&["plan", "lab-8", "--replicates", "0"]);
    assert!(
        heuristic.contains("heuristic proves nothing of it; exact proves"),
        "{heuristic}"
    );
    let time = page(&["plan", "mixed-lab", "--frontier", "time"]);
    assert!(
        time.contains("\n>  ") && time.contains("see --json"),
        "{time}"
    );
    page(&["plan", "mixed-lab", "--frontier", "beta"]);
    page(&["plan", "mixed-lab", "--frontier", "s_min"]);
    assert!(page(&["plan", "infeasible", "--frontier", "beta"]).contains("no beta has a plan"));
    let short = page(&["plan", "infeasible", "--frontier", "time"]);
    for word in ["1 step\n", "now it is 2.000 s, which has no plan"] {
        assert!(short.contains(word), "{word} is not in\n{short}");
    }
    let many = ["plan", "dab", "--frontier", "beta", "--beta", "99"];
    assert!(page(&many).contains("beta is 99 now, which has no plan"));
    let none = sim(&["plan", "infeasible", "--frontier", "beta", "--json"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    assert!(
        none.stderr.contains("no beta has a plan"),
        "{}",
        none.stderr
    );
}

#[test]
fn what_cannot_be_planned_is_explained() {
    sim(&["plan", "nowhere"]).assert_fails(3, "there is no file nowhere and no scenario");
    sim(&["plan", "dab", "--set", "job.batchs=3"]).assert_fails(3, "did you mean batches?");
    sim(&["plan", "dab", "--frontier", "space"]).assert_fails(2, "time, beta, s_min");
    sim(&["plan", "dab", "--allocator", "magic"]).assert_fails(2, "no allocator is called");
    sim(&["plan", "dab", "--overwrite"]).assert_fails(2, "--out");
    let nowhere = [
        "plan",
        "dab",
        "--out",
        "/nowhere/plan.json",
        "--replicates",
        "0",
    ];
    sim(&nowhere).assert_fails(2, "cannot write /nowhere/plan.json");
}

/// Within a budget the plan is the quickest that it pays for; where it pays for none, the least that would do is named.
#[test]
fn a_budget_buys_time() {
    let plan = quick("mixed-lab", &["--budget", "60000"]);
    assert_eq!(plan["objective"], "quickest");
    assert_eq!(number(&plan["budget"]), 60_000.0);
    let spent = 20.0 * number(&plan["cost"]);
    assert!((59_000.0..=60_000.0).contains(&spent), "{spent}");
    let cheapest = quick("mixed-lab", &[]);
    assert!(whole(&plan["predicted_cycle_ns"]) < whole(&cheapest["predicted_cycle_ns"]));
    // A nanosecond less of the job is too little.
    let least = whole(&plan["affordable_from"]["stated_ns"]);
    let asked = |nanos: u64| {
        let time = format!("job.max_time={nanos} ns");
        quick("mixed-lab", &["--budget", "60000", "--set", &time])
    };
    assert_eq!(number(&asked(least)["cost"]), number(&plan["cost"]));
    let none = asked(least - 20);
    assert_eq!(none["reason"], "insufficient_budget");
    assert_eq!(whole(&none["changes"][1]["to"]), least);
    // Too little for any plan within the limit.
    let none = quick("mixed-lab", &["--budget", "100"]);
    let words = none["changes"][0]["words"].as_str().expect("words");
    let to = words
        .rsplit(' ')
        .next()
        .expect("a word")
        .trim_end_matches(')');
    assert_eq!(words, format!("raise the budget to {to} (--budget {to})"));
    assert_eq!(
        number(&cheapest["cost"]),
        to.parse::<f64>().expect("a number") / 20.0
    );
    let enough = quick("mixed-lab", &["--budget", to]);
    assert_eq!(number(&enough["cost"]), number(&cheapest["cost"]));
    // An objective that is given holds, within the budget.
    let given = ["--budget", "60000", "--objective", "cheapest-then-quickest"];
    assert_eq!(quick("mixed-lab", &given)["batches"], cheapest["batches"]);
    // Simulated runs never cost more.
    for run in lines(&[
        "run",
        "churn",
        "--budget",
        "40000",
        "--replicates",
        "20",
        "--json",
    ]) {
        assert!(number(&run["fee"]) <= 40_000.0, "{run}");
    }
}
