//! `sim sweep` through the command line.

mod common;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{program, shell, sim};
use serde_json::Value;

fn rows(text: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    text.lines().map(parse).collect()
}

/// A CSV file as its cells, by the rules and not by our writer.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut chars, mut is_quoted) = (text.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => record.push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            c => cell.push(c),
        }
    }
    assert!(!is_quoted && cell.is_empty() && record.is_empty());
    records
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

#[test]
fn every_combination_and_allocator_has_a_row_in_order() {
    let run = sim(&[
        "sweep",
        "dab",
        "--vary",
        "job.batches=90,92,93",
        "--vary",
        "job.tau=1, 2",
        "--allocators",
        "heuristic,exact",
        "--replicates",
        "2",
        "--json",
    ]);
    run.assert_done();
    let rows = rows(&run.stdout);
    let mut expected = Vec::new();
    for batches in ["90", "92", "93"] {
        for tau in ["1", "2"] {
            expected.extend(["heuristic", "exact"].map(|name| (batches, tau, name)));
        }
    }
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            let cell = |key: &str| row[key].as_str().expect("a text");
            (cell("job.batches"), cell("job.tau"), cell("allocator"))
        })
        .collect();
    assert_eq!(found, expected);
    // 92 batches fit once into the limit, 93 do not (tests/run.rs has the sum).
    for row in &rows {
        let fits = row["job.tau"] == "1" && row["job.batches"] != "93";
        assert_eq!(
            row["missed_percent"],
            if fits { 0.0 } else { 100.0 },
            "{row}"
        );
        assert_eq!(
            (&row["replicates"], &row["error"]),
            (&2.into(), &Value::Null)
        );
    }
}

/// A combination has the draws that `sim run` of it has.
#[test]
fn a_row_says_what_run_says() {
    let common = ["--replicates", "5", "--seed", "7", "--json"];
    let sweep = sim(&[
        &["sweep", "churn", "--vary", "job.replan=static,adaptive"],
        &common[..],
    ]
    .concat());
    sweep.assert_done();
    let rows = rows(&sweep.stdout);
    assert_eq!(rows.len(), 2);
    for row in &rows {
        let set = format!("job.replan={}", row["job.replan"].as_str().expect("text"));
        let run = sim(&[&["run", "churn", "--set", &set], &common[..]].concat());
        run.assert_done();
        let runs: Vec<Value> = run
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect();
        for key in ["fee", "wall_s"] {
            let values = runs.iter().map(|run| run[key].as_f64().expect("a number"));
            let mean = values.sum::<f64>() / 5.0;
            let found = row[key].as_f64().expect("a number");
            assert!((found - mean).abs() <= 1e-9 * mean, "{found} is not {mean}");
        }
        assert!(row["wall_s_low"].as_f64() < row["wall_s"].as_f64(), "{row}");
    }
    assert_ne!(rows[0]["wall_s"], rows[1]["wall_s"]);
}

/// Runs that ended early are counted, and left out of the means of fee and time.
#[test]
fn runs_that_ended_early_are_in_a_column_of_their_own() {
    let common = ["--replicates", "20", "--json"];
    let sweep = sim(&[
        &["sweep", "mixed-lab", "--vary", "job.budget=50000"],
        &common[..],
    ]
    .concat());
    let run = sim(&[
        &["run", "mixed-lab", "--set", "job.budget=50000"],
        &common[..],
    ]
    .concat());
    let (row, runs) = (&rows(&sweep.stdout)[0], rows(&run.stdout));
    let whole = runs.iter().filter(|run| run["ending"] == "completed");
    let fees: Vec<f64> = whole
        .map(|run| run["fee"].as_f64().expect("a fee"))
        .collect();
    assert!(fees.len() < 20, "none ended early");
    assert_eq!(row["ended_early"], 20 - fees.len());
    let mean = fees.iter().sum::<f64>() / fees.len() as f64;
    let found = row["fee"].as_f64().expect("a mean");
    assert!((found - mean).abs() <= 1e-9 * mean, "{found} is not {mean}");
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    for format in [&[][..], &["--json"][..]] {
        let with = |threads: &str| {
            let args = [
                "sweep",
                "churn",
                "--vary",
                "job.replan=static,adaptive",
                "--vary",
                "job.allocator=exact,heuristic",
                "--vary",
                "run.seed=1,2,none",
                "--replicates",
                "5",
                "--threads",
                threads,
            ];
            let run = sim(&[&args[..], format].concat());
            assert_eq!(run.code, 3, "{}", run.stderr);
            run.stdout
        };
        let one = with("1");
        assert_eq!(one, with("2"));
        assert_eq!(one, with("5"));
    }
}

#[test]
fn a_bad_combination_is_a_row_with_its_error() {
    let args = [
        "sweep",
        "dab",
        "--vary",
        "job.batches=-1,92",
        "--vary",
        "job.allocator=exact,magic",
        "--json",
    ];
    let run = sim(&args);
    run.assert_fails(3, "3 of 4 rows could not be simulated");
    let rows = rows(&run.stdout);
    let errors: Vec<Option<&str>> = rows.iter().map(|row| row["error"].as_str()).collect();
    assert_eq!(rows.len(), 4);
    for at in [0, 1] {
        let error = errors[at].expect("an error");
        assert!(error.contains("job.batches is -1, expected"), "{error}");
        assert!(!error.contains('\n') && rows[at]["fee"].is_null());
    }
    assert_eq!(errors[2], None);
    assert!(rows[2]["fee"].is_number());
    let error = errors[3].expect("an error");
    assert!(error.contains("no allocator is called"), "{error}");

    let unknown = sim(&["sweep", "dab", "--vary", "job.allocator=magic,exact"]);
    unknown.assert_fails(3, "1 of 2 rows could not be simulated");
    assert!(unknown.stdout.contains("no allocator is called"));
    let lines: Vec<&str> = unknown.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", unknown.stdout); // two below the table
    assert!(lines[0].ends_with("error") && lines[2].starts_with("exact"));
}

#[test]
fn the_csv_file_reads_back_as_the_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("rows.csv");
    let args = [
        "sweep",
        "dab",
        "--vary",
        "job.batches=92,\"a,\"\"b\"",
        "--vary",
        "workers.learner.fee=1,2",
        "--replicates",
        "3",
        "--json",
        "--out",
        text(&out),
    ];
    let run = sim(&args);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let written = fs::read_to_string(&out).expect("the file is there");
    let records = records(&written);
    let (heading, records) = records.split_first().expect("a heading");
    assert_eq!(
        heading[..3],
        ["job.batches", "workers.learner.fee", "allocator"]
    );
    let rows = rows(&run.stdout);
    assert_eq!(records.len(), rows.len());
    for (record, row) in records.iter().zip(&rows) {
        assert_eq!(record.len(), heading.len());
        assert_eq!(row.as_object().expect("an object").len(), heading.len());
        for (name, cell) in heading.iter().zip(record) {
            match &row[name] {
                Value::Null => assert_eq!(cell, ""),
                Value::String(text) => assert_eq!(cell, text),
                number => assert_eq!(*cell, number.to_string()),
            }
        }
    }
    let names: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(names.len(), 1, "nothing partial stays");

    let before = written;
    sim(&args).assert_fails(2, "is there already, expected another name or --overwrite");
    assert_eq!(fs::read_to_string(&out).expect("still there"), before);
    let again = sim(&[&args[..], &["--overwrite"]].concat());
    assert_eq!(again.code, 3, "{}", again.stderr);
    assert_eq!(fs::read_to_string(&out).expect("there again"), before);
}

#[test]
fn a_folder_has_the_file_and_how_it_was_made() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, file) = (dir.path().join("sweep"), dir.path().join("rows.csv"));
    let args = [
        "sweep",
        "dab",
        "--vary",
        "job.tau=1,2",
        "--replicates",
        "2",
        "--seed",
        "4",
        "--out",
    ];
    sim(&[&args[..], &[text(&folder)]].concat()).assert_done();
    sim(&[&args[..], &[text(&file)]].concat()).assert_done();
    let read = |path: &Path| fs::read_to_string(path).expect("it is there");
    assert_eq!(read(&folder.join("sweep.csv")), read(&file));
    let differences = results::dictionary::differences(&folder);
    assert_eq!(differences.expect("tables"), [""; 0]);
    let record: Value = serde_json::from_str(&read(&folder.join("run.json"))).expect("JSON");
    assert_eq!(record["format"], "allot-sweep");
    assert_eq!(record["complete"], true);
    assert_eq!(record["keys"], serde_json::json!(["job.tau"]));
    assert_eq!(record["scenario"], "dab");
    assert_eq!(record["command_line"][4], "job.tau=1,2");
    assert!(record["machine"]["cores"].is_u64() && record["version"].is_string());
    sim(&[&args[..], &[text(&folder)]].concat()).assert_fails(2, "already holds results");
    let again = sim(&[&args[..], &[text(&folder), "--overwrite"]].concat());
    again.assert_done();
    // A combination that is wrong is a row, and the folder says that it is not complete.
    let wrong = [
        "sweep",
        "dab",
        "--vary",
        "job.tau=1,x",
        "--replicates",
        "2",
        "--out",
        text(&folder),
        "--overwrite",
    ];
    assert_eq!(sim(&wrong).code, 3);
    let record: Value = serde_json::from_str(&read(&folder.join("run.json"))).expect("JSON");
    assert_eq!(record["complete"], false);
}

#[test]
fn a_file_that_cannot_be_written_is_told_in_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = |out: &str, code: i32, expected: &str| {
        let args = ["sweep", "dab", "--vary", "job.tau=1,2", "--out", out];
        let run = sim(&[&args[..], &["--overwrite"]].concat());
        run.assert_fails(code, expected);
        assert_eq!(run.stdout, "", "nothing is simulated in vain");
    };
    let nowhere = folder.path().join("nowhere/rows.csv");
    out(text(&nowhere), 2, "cannot write");
    out("/dev/null", 2, "no plain file");
    let other = tempfile::tempdir().expect("a folder");
    let (taken, plain) = (other.path().join("rows.csv"), other.path().join("rows"));
    fs::create_dir(&taken).expect("room");
    fs::write(&plain, "mine").expect("room");
    out(text(&taken), 2, "no plain file");
    out(text(&plain), 2, "is a file, expected a folder");

    // No file may have any bytes: the rows are printed all the same.
    let file = folder.path().join("rows.csv");
    let run = shell(&format!(
        "trap '' XFSZ; ulimit -f 0; sim sweep dab --vary job.tau=1,2 --out '{}'",
        text(&file)
    ));
    run.assert_fails(5, "cannot write");
    assert!(run.stdout.starts_with("job.tau"), "{}", run.stdout);
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "nothing half written stays");
}

#[test]
fn ctrl_c_keeps_finished_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("rows.csv");
    // The second combination alone would take minutes.
    let args = [
        "sweep",
        "churn",
        "--vary",
        "job.cycles=1,100000",
        "--replicates",
        "400",
        "--threads",
        "2",
        "--json",
        "--out",
        text(&out),
    ];
    let mut child = program()
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // It has begun once it has introduced itself.
    let stderr = child.stderr.as_mut().expect("it was asked for");
    stderr.read_exact(&mut [0]).expect("it says something");
    std::thread::sleep(Duration::from_secs(4));
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()));
    let run = common::run(child.wait_with_output().expect("it ends"));
    assert_eq!(run.code, 130, "{}", run.stderr);
    let expected = "interrupted: 1 of 2 rows are finished and kept";
    assert!(run.stderr.contains(expected), "{}", run.stderr);
    let rows = rows(&run.stdout);
    assert_eq!(rows.len(), 1);
    // What is kept is what it would have been.
    let one = [&["sweep", "churn", "--vary", "job.cycles=1"], &args[4..9]].concat();
    assert_eq!(sim(&one).stdout, run.stdout);
    // The file has a row for what is missing too.
    let written = fs::read_to_string(&out).expect("the file is there");
    let errors: Vec<String> = records(&written)
        .into_iter()
        .filter_map(|mut record| record.pop())
        .collect();
    assert_eq!(errors, ["error", "", "interrupted"]);
}

#[test]
fn what_cannot_be_swept_is_explained() {
    sim(&["sweep", "dab"]).assert_fails(2, "--vary");
    let vary = |vary: &[&str], expected: &str| {
        let flags: Vec<&str> = vary.iter().flat_map(|text| ["--vary", text]).collect();
        sim(&[&["sweep", "dab"], &flags[..]].concat()).assert_fails(2, expected);
    };
    vary(&["job.tau"], "--vary job.tau: expected key=value,value");
    vary(&["job.tau=1,,2"], "expected key=value,value");
    vary(&["job.tau=1", "job.tau=2"], "--vary job.tau is given twice");
    vary(&["fee=1,2"], "--vary fee is no key of a scenario");
    let many = (0..400)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let many = ["job.tau", "job.batches"].map(|key| format!("{key}={many}"));
    vary(&[&many[0], &many[1]], "expected at most 100000");
    sim(&["sweep", "nowhere", "--vary", "job.tau=1"]).assert_fails(3, "there is no file nowhere");
    sim(&["sweep", "dab", "--vary", "job.tau=1", "--set", "x"]).assert_fails(2, "--set x");
    sim(&["sweep", "dab", "--vary", "job.tau=1", "--overwrite"]).assert_fails(2, "--out");
}
