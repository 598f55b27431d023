//! Folders that are no results, names that mean harm, and reports that are there already.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::common::sim;
use super::page::Report;
use super::{report, reported};

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

/// Every file of a report, by its name.
fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir.join("report")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let content = fs::read(&path).expect("a file");
        all.insert(path.display().to_string(), content);
    }
    let page = fs::read(dir.join("report.html")).expect("the page");
    all.insert("page".to_owned(), page);
    all
}

#[test]
fn what_is_no_result_is_refused_in_one_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused = |path: &Path, expected: &str| {
        sim(&["report", text(path)]).assert_fails(3, expected);
        assert!(!path.join("report.html").exists() && !path.join("report").exists());
    };
    let with = |name: &str, files: &[(&str, &str)]| {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).expect("room");
        for (file, content) in files {
            fs::write(folder.join(file), content).expect("room");
        }
        folder
    };
    refused(&dir.path().join("nowhere"), "no run.json");
    refused(&with("empty", &[]), "no run.json");
    refused(
        &with("torn", &[("run.json", "{\"format\":")]),
        "does not read as results",
    );
    refused(
        &with("foreign", &[("run.json", "{\"format\":\"other\"}")]),
        "expected the folder of",
    );
    refused(
        &with("list", &[("run.json", "[1]")]),
        "expected the folder of",
    );
    let newer = "{\"format\":\"allot-runs\",\"format_version\":7}";
    refused(
        &with("newer", &[("run.json", newer)]),
        "format_version is 7",
    );
    let newer = "{\"format\":\"allot-sweep\",\"format_version\":7,\"keys\":[]}";
    refused(
        &with("newer-sweep", &[("run.json", newer)]),
        "format_version is 7, expected 2",
    );
    // As validations were written before their tables had a version.
    let older = "{\"plan\":{\"seed\":1},\"complete\":true,\"finished_tests\":3}";
    let older = with("older-validation", &[("run.json", older)]);
    let says = "its format_version is none, expected 2: read it with the sim that wrote it";
    refused(&older, says);
    sim(&["compare", text(&older), text(&older)]).assert_fails(3, says);
    let merged = dir.path().join("merged");
    sim(&["merge", text(&older), "--out", text(&merged)]).assert_fails(3, says);
    let keys = "{\"format\":\"allot-sweep\",\"format_version\":2,\"keys\":[\"job.tau\"]}";
    refused(&with("no-table", &[("run.json", keys)]), "sweep.csv");
    let other = [("run.json", keys), ("sweep.csv", "a,b\n1,2\n")];
    refused(&with("no-column", &other), "no column job.tau");
    refused(
        &with("half", &[("run.json", keys), ("sweep.csv", "job.tau\n1")]),
        "whole last line",
    );
    refused(
        &with("dump", &[("dump.json", "{\"a\":1}")]),
        "expected a list",
    );
    let file = dir.path().join("file");
    fs::write(&file, "x").expect("room");
    sim(&["report", text(&file)]).assert_fails(3, "no run.json");
    sim(&["report"]).assert_fails(2, "<DIR>");
}

#[test]
fn damaged_tables_leave_no_page() {
    let dir = tempfile::tempdir().expect("a folder");
    let damage = |folder: &Path, file: &str| {
        let path = folder.join(file);
        let content = fs::read(&path).expect("it is there");
        fs::write(&path, &content[..content.len() * 2 / 3]).expect("room");
        sim(&["report", text(folder)]).assert_fails(3, file);
        assert!(!folder.join("report.html").exists(), "{file}");
        fs::remove_file(&path).expect("it is there");
        sim(&["report", text(folder)]).assert_fails(3, file);
        fs::write(&path, &content).expect("room");
    };
    let folder = dir.path().join("v");
    let args = [
        "validate",
        "--n-tests",
        "50",
        "--allocators",
        "heuristic,exact",
        "--out",
    ];
    sim(&[&args[..], &[text(&folder)]].concat()).assert_done();
    for file in [
        "outcomes.parquet",
        "timings.parquet",
        "summary.csv",
        "timings_summary.csv",
    ] {
        damage(&folder, file);
    }
    report(&folder);
    let folder = dir.path().join("r");
    let args = [
        "run",
        "lab-8",
        "--replicates",
        "2",
        "--cycles",
        "3",
        "--out",
    ];
    sim(&[&args[..], &[text(&folder)]].concat()).assert_done();
    for file in [
        "runs.parquet",
        "cycles.parquet",
        "lots.parquet",
        "workers.parquet",
        "job.json",
    ] {
        damage(&folder, file);
    }
    report(&folder);
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("r");
    let args = ["run", "lab-8", "--replicates", "4", "--cycles", "3"];
    reported(&folder, &args);
    let first = bytes(&folder);
    // Figures that an earlier report had go; files of others stay.
    let (old, own) = (
        folder.join("report/old.svg"),
        folder.join("report/notes.txt"),
    );
    fs::write(&old, "<svg/>").expect("room");
    fs::write(&own, "mine").expect("room");
    report(&folder);
    assert!(!old.exists() && own.exists());
    fs::remove_file(own).expect("it is there");
    assert_eq!(bytes(&folder), first);
    // Wherever it lies.
    let moved = dir.path().join("moved");
    fs::rename(&folder, &moved).expect("room");
    report(&moved);
    let names = |all: BTreeMap<String, Vec<u8>>| all.into_values().collect::<Vec<_>>();
    assert_eq!(names(bytes(&moved)), names(first));
}

#[test]
fn pages_of_others_are_kept_and_stale_reports_go() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = text(dir.path());
    let args = [
        "validate",
        "--n-tests",
        "40",
        "--allocators",
        "heuristic,exact",
    ];
    sim(&[&args[..], &["--out", out]].concat()).assert_done();
    let page = dir.path().join("report.html");
    fs::write(&page, "<p>my own page</p>").expect("room");
    sim(&["report", out]).assert_fails(2, "report.html");
    assert_eq!(
        fs::read_to_string(&page).expect("still there"),
        "<p>my own page</p>"
    );
    // Other results do not take it away either.
    sim(&[&args[..], &["--out", out, "--overwrite"]].concat()).assert_done();
    assert!(page.exists());
    sim(&["report", out, "--overwrite"]).assert_done();
    Report::read(dir.path()).assert_sound();
    // Results that are written anew take the report of the old ones with them.
    sim(&[&args[..], &["--out", out, "--overwrite"]].concat()).assert_done();
    assert!(!page.exists());
    let args = [
        "run",
        "lab-8",
        "--replicates",
        "1",
        "--cycles",
        "2",
        "--out",
        out,
        "--overwrite",
    ];
    sim(&args).assert_done();
    report(dir.path());
    sim(&args).assert_done();
    assert!(!page.exists());
}

/// Values of a sweep are whatever the command line says, and so are the errors about them.
#[test]
fn hostile_values_are_words_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let hostile = "fees.type=constant,\"</td><script>alert(1)</script>\",\"=cmd&'x'\"";
    let args = [
        "sweep",
        "lab-8",
        "--vary",
        hostile,
        "--vary",
        "job.tau=1,2",
        "--replicates",
        "2",
        "--cycles",
        "2",
        "--out",
        text(dir.path()),
    ];
    let made = sim(&args);
    assert_eq!(made.code, 3, "two values are wrong: {}", made.stderr);
    let report = report(dir.path());
    assert!(!report.html.contains("<script") && !report.html.contains("</td><s"));
    assert!(
        report
            .html
            .contains("&lt;script&gt;alert(1)&lt;/script&gt;")
    );
    assert!(report.html.contains("Not complete"));
}

#[test]
fn interrupted_runs_say_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let args = [
        "run",
        "lab-8",
        "--replicates",
        "2",
        "--cycles",
        "2",
        "--out",
        text(dir.path()),
    ];
    sim(&args).assert_done();
    let path = dir.path().join("run.json");
    let record = fs::read_to_string(&path).expect("it is there");
    let record = record.replace("\"checksum\":", "\"before\":");
    let record = record.replace("\"replicates\": 2", "\"replicates\": 5");
    fs::write(
        &path,
        record.replace("\"complete\": true", "\"complete\": false"),
    )
    .expect("room");
    assert!(report(dir.path()).html.contains("2 of 5 replicates"));
}
