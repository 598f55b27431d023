//! What people pay, through the command line: plans and bills say what was paid for what, in exact
//! decimals, and every table says the same.

mod common;

use std::fs;

use common::{sim, sim_with_input};
use results::runs::RecordedFolder;
use scheduler::Cost;
use serde_json::Value;

/// An hour of computing is 3600 batches at `rented`, 7.2 units: 0.002 a batch. Energy: 65 W at 0.3 are
/// 0.0195 an hour; at 36,000 batches an hour 0.54 micro-units, rounded up to one.
const PAID: &str = r#"
[job]
batches = 100
cycles = 6
cycle_time = "36 s"
s_min = 1
replan = "static"
[benchmark]
batches = 5
[fees]
energy = 0.3
[[workers]]
name = "rented"
speed = "1 batches/s"
per_hour = 7.2
[[workers]]
name = "kept"
speed = "1 batches/s"
per_hour_employed = 2
most = "10 %"
[[workers]]
name = "own"
speed = "10 batches/s"
power = "65 W"
most = 30
[[workers]]
name = "hired"
speed = "10 batches/s"
fee = 0.002
tiers = [{ after = 20, fee = 0.001 }]
hire = 0.01
least = 25
"#;

fn plan(file: &str, more: &[&str]) -> Value {
    let args = [&["plan", file, "--json", "--replicates", "0"], more].concat();
    let run = sim(&args);
    run.assert_done();
    serde_json::from_str(&run.stdout).expect("a line of JSON")
}

/// Numbers as the line has them.
fn texts(line: &Value, key: &str) -> Vec<String> {
    let workers = line["workers"].as_array().expect("workers");
    let text = |worker: &Value| {
        let cost: Cost = worker[key].to_string().parse().expect("a decimal");
        cost.to_string()
    };
    workers.iter().map(text).collect()
}

#[test]
fn a_plan_says_what_is_paid_for_what() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("paid.toml");
    fs::write(&path, PAID).expect("a file");
    let file = path.to_str().expect("a plain name");
    let line = plan(file, &[]);
    assert_eq!(texts(&line, "fee"), ["0.002", "0", "0.000001", "0.002"]);
    assert_eq!(texts(&line, "charge"), ["0", "0.02", "0", "0.01"]);
    // 30 at 0.000001, 70 at 0.002 and then 0.001 with 0.01: the last of them cheaper than any of the rented.
    assert_eq!(texts(&line, "batches"), ["0", "0", "30", "70"]);
    assert_eq!(texts(&line, "cost"), ["0", "0", "0.00003", "0.1"]);
    assert_eq!(line["cost"].to_string(), "0.10003");
    assert_eq!(line["status"], "optimal");
    // A lot of its own that it cannot fill, beside the others: they do what they can.
    let line = plan(
        file,
        &["--set", "job.batches=70", "--set", "workers.hired.hire=9"],
    );
    assert_eq!(texts(&line, "batches"), ["33", "7", "30", "0"]);
    let page = sim(&["plan", file, "--replicates", "0"]);
    page.assert_done();
    let words: Vec<&str> = page.stdout.split_whitespace().collect();
    let text = words.join(" ");
    for part in [
        "charge",
        "0.01 of a cycle's is for employing workers",
        "no cheaper plan employs",
    ] {
        assert!(text.contains(part), "{part}: {}", page.stdout);
    }
    for allocator in ["heuristic", "lp"] {
        let refused = sim(&["run", file, "--allocators", allocator]);
        let expected = format!(
            "{allocator} takes a fee per batch and nothing else, not per_hour_employed of kept: use \
             --allocator exact"
        );
        assert!(
            refused.code != 0 && refused.stderr.contains(&expected),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn bills_add_up_in_every_table() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("paid.toml");
    fs::write(&path, PAID).expect("a file");
    let file = path.to_str().expect("a plain name");
    for (at, more) in [
        &[][..],
        &["job.billing=computed", "job.partial=discard"],
        &[
            "faults.dropout_every=60",
            "faults.return_after=20",
            "job.replan=adaptive",
        ],
        &[
            "fleet.jitter={dist='lognormal',sigma=0.5}",
            "job.billing=computed",
        ],
    ]
    .iter()
    .enumerate()
    {
        let out = dir.path().join(format!("out-{at}"));
        let out_text = out.to_str().expect("a plain name");
        let mut args = vec![
            "run",
            file,
            "--replicates",
            "5",
            "--json",
            "--out",
            out_text,
        ];
        args.extend(more.iter().flat_map(|set| ["--set", set]));
        let run = sim(&args);
        run.assert_done();
        let bills = RecordedFolder::open(&out)
            .expect("a folder")
            .bills()
            .expect("sums");
        assert_eq!(bills.len(), 5);
        for (line, bill) in run.stdout.lines().zip(&bills) {
            let line: Value = serde_json::from_str(line).expect("a line of JSON");
            let fee: Cost = line["fee"].to_string().parse().expect("a decimal");
            let charges: Cost = line["charges"].to_string().parse().expect("a decimal");
            assert_eq!((fee, charges), (bill.cost, bill.charges));
            assert!(charges > Cost::ZERO && charges < fee, "{more:?}: {line}");
        }
        if more.is_empty() {
            assert_eq!(bills[0].cost.to_string(), "0.60018");
            assert_eq!(bills[0].charges.to_string(), "0.06");
            // The tables hold all terms: a replay bills as the run did, and proves the same optimum.
            let replay = sim(&["replay", out_text, "--allocator", "exact", "--json"]);
            replay.assert_done();
            for line in replay.stdout.lines() {
                let line: Value = serde_json::from_str(line).expect("a line of JSON");
                for line in [&line, &line["recorded"]] {
                    assert_eq!(line["fee_per_cycle"].to_string(), "0.10003", "{line}");
                }
                assert_eq!(line["status"], "optimal");
            }
        }
    }
}

#[test]
fn what_does_not_go_together_is_told_with_its_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("paid.toml");
    let check = |from: &str, to: &str, expected: &str| {
        assert!(PAID.contains(from), "{from}");
        fs::write(&path, PAID.replacen(from, to, 1)).expect("a file");
        let run = sim(&["plan", path.to_str().expect("a plain name")]);
        assert!(
            run.code != 0 && run.stderr.contains(expected),
            "{to}: {}",
            run.stderr
        );
    };
    check(
        "energy = 0.3",
        "",
        "workers.2.power costs nothing here, expected fees.energy",
    );
    check(
        "power = \"65 W\"",
        "power = \"65 W\"\nidle_power = \"66 W\"",
        "workers.2.idle_power is \"66 W\", expected at most workers.2.power, which is \"65 W\"",
    );
    check(
        "tiers = [{ after = 20, fee = 0.001 }]",
        "tiers = [{ after = 20, fee = 0.001 }, { after = 20, fee = 1 }]",
        "workers.3.tiers are not in order",
    );
    check(
        "least = 25",
        "least = \"30 %\"\nmost = 29",
        "workers.3.least comes to 30 batches, expected at most workers.3.most, which comes to 29",
    );
    check(
        "most = \"10 %\"",
        "most = \"0.5 %\"",
        "workers.1.most comes to no batch",
    );
    check(
        "most = \"10 %\"",
        "most = \"101 %\"",
        "a share of all batches from \"0 %\" to \"100 %\"",
    );
}

#[test]
fn instances_have_charges_tiers_and_lots_of_their_own() {
    let text = r#"{"n":100,"beta":0,"s_min":1,"workers":[{"s_max":90,"fee":1,"hire":20},
        {"s_max":90,"fee":1.3,"least":30},{"name":"c","s_max":90,"fee":2,"tiers":[[10,0.5]]}]}"#;
    let text = text.replace('\n', "");
    let run = sim_with_input(&["solve"], text.as_bytes());
    run.assert_done();
    let line: Value = serde_json::from_str(&run.stdout).expect("a line of JSON");
    assert_eq!(line["batches"].to_string(), "[0,30,70]");
    assert_eq!(
        (line["cost"].to_string(), line["charges"].to_string()),
        ("89".into(), "0".into())
    );
    let table = sim_with_input(&["solve", "--format", "table"], text.as_bytes());
    assert!(table.stdout.contains("charge"), "{}", table.stdout);
    let refused = sim_with_input(&["solve", "--allocator", "lp"], text.as_bytes());
    let message = "lp takes a fee per batch and nothing else; exact takes all";
    assert!(refused.stdout.contains(message), "{}", refused.stdout);
}
