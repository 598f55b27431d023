//! Output that nobody takes changes nothing but the words that are lost.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::common::{Daemon, Run, program, signal, small};

/// More than the program waits for anything.
const PATIENCE: u32 = 1_200;

/// Waits until a file is there.
fn await_file(path: &Path) {
    for _ in 0..PATIENCE {
        if path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{} does not come", path.display());
}

fn full() -> File {
    File::options()
        .write(true)
        .open("/dev/full")
        .expect("it is on every Linux")
}

/// The smallest pipe takes a part of what is written; nobody reads until the run has ended.
#[test]
fn a_reader_that_reads_nothing_holds_no_cycle_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let (mut read, write) = io::pipe().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(&write, 4096).expect("it can be small");
    let mut child = program()
        .args(small(60, &out))
        .args(["--local", "3", "--throttles", "0.02,0.02,0.02"])
        .args(["--beta", "2", "--s-min", "5", "--cycles", "8"])
        .args(["--cycle-time", "2 s"])
        .stdin(Stdio::null())
        .stderr(write.try_clone().expect("another end"))
        .stdout(write)
        .spawn()
        .expect("the program starts");
    await_file(&out.join("run.json"));
    let mut text = String::new();
    read.read_to_string(&mut text).expect("it is text");
    assert!(child.wait().expect("it ends").success(), "{text}");
    assert!(text.len() > 4096, "nobody could have waited: {text}");
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let cycles = events.iter().filter(|event| event["event"] == "cycle");
    let took = cycles.map(|cycle| cycle["took_s"].as_f64().expect("seconds"));
    let took: Vec<f64> = took.collect();
    assert_eq!(took.len(), 8, "every line is there: {text}");
    assert!(took.iter().all(|took| *took <= 3.0), "{took:?}");
    assert!(events.iter().any(|event| event["event"] == "ended"));
}

#[test]
fn a_full_disk_under_the_messages_ends_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let state = folder.path().join("state");
    let mut child = program()
        .args(small(60, &out))
        .args(["--listen", "127.0.0.1:0", "--no-discovery", "--expect", "1"])
        .args(["--cycles", "4", "--cycle-time", "4 s", "--beta", "1"])
        .arg("--state")
        .arg(&state)
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(full())
        .spawn()
        .expect("the program starts");
    let list = state.join("orchestrator/admission.json");
    await_file(&list);
    // Its own token is in words that are lost; this makes another one.
    let token = program()
        .args(["token", "--state"])
        .arg(&state)
        .output()
        .expect("the program runs");
    let token = String::from_utf8(token.stdout).expect("text");
    let mut worker = program()
        .args(["worker", "--once", "--join", token.trim(), "--name", "pc1"])
        .arg("--state")
        .arg(folder.path().join("worker"))
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(full())
        .stderr(full())
        .spawn()
        .expect("the program starts");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(worker.wait().expect("it ends").code(), Some(0));
    assert!(out.join("run.json").exists());
}

/// A file system without room: the run goes on, waits at its end, and loses nothing once there is
/// room again; it says why it waits.
#[test]
fn a_disk_that_is_full_for_a_while_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    let log = folder.path().join("log");
    // A namespace of its own, so that nothing of it outlives the test.
    let script = format!(
        "mount -t tmpfs -o size=2M none {disk} || exit 77\n\
         {program} cluster --model linear --json --benchmark-batches 40 \
           --data synthetic:train=1920,test=500 --out {disk}/run --local 2 \
           --throttles 0.05,0.05 --beta 1 --s-min 5 --cycles 6 --cycle-time '1 s' 2>{log} &\n\
         while ! [ -e {disk}/run/checkpoint.safetensors ]; do sleep 0.05; done\n\
         dd if=/dev/zero of={disk}/fill bs=4k 2>/dev/null\n\
         while ! grep -q 'free some space' {log}; do sleep 0.05; done\n\
         sleep 1\n\
         rm {disk}/fill\n\
         wait $!; code=$?\n\
         cp -r {disk}/run {copy}\n\
         exit $code",
        disk = disk.display(),
        log = log.display(),
        copy = folder.path().join("copy").display(),
        program = env!("CARGO_BIN_EXE_runtime"),
    );
    let output = Command::new("unshare")
        .args(["-rm", "bash", "-c", &script])
        .env("RUST_LOG", "warn")
        .output()
        .expect("it runs");
    let said = fs::read_to_string(&log).unwrap_or_default();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || stderr.contains("unshare failed") {
        console::note!("not tested: this system allows no mount namespaces");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{said}\n{stderr}");
    let told = said.matches("free some space").count();
    assert_eq!(told, 1, "it is said once: {said}");
    let copy = folder.path().join("copy");
    for file in ["run.json", "model.safetensors", "events/0-exact.jsonl"] {
        assert!(copy.join(file).exists(), "{file}");
    }
    let run = fs::read_to_string(copy.join("run.json")).expect("a record");
    let run: Value = serde_json::from_str(&run).expect("JSON");
    assert_eq!(run["cycles_complete"], 6, "{run}");
    let rows = results::event_log::EventReader::open(&copy.join("events/0-exact.jsonl"));
    let mut events = 0;
    for row in rows.expect("a log") {
        row.expect("it is whole");
        events += 1;
    }
    assert!(events > 20, "the log is whole: {events} events");
}

/// A folder that is removed while a run goes on cannot take its model.
#[test]
fn a_model_without_a_place_goes_to_the_spare_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, spare) = (folder.path().join("run"), folder.path().join("spare"));
    fs::create_dir(&spare).expect("a folder");
    fs::write(spare.join("run-model.safetensors"), "of another run").expect("room");
    let place = spare.display().to_string();
    let args = ["--local", "2", "--cycles", "6", "--spare", &place];
    let mut run = Run::start(&small(60, &out), &args);
    run.until("cycle", |cycle| cycle["cycle"] == 2);
    fs::remove_dir_all(&out).expect("it is there");
    fs::write(&out, "no folder").expect("room");
    let end = run.end();
    assert_eq!(end.code, Some(5), "{}", end.stderr);
    let path = spare.join("run-2-model.safetensors");
    let said = format!("the model is in {}", path.display());
    assert!(end.stderr.contains(&said), "{}", end.stderr);
    let model = fs::read(&path).expect("it is there");
    assert!(model.len() > 31_000, "{} bytes", model.len());
    let other = fs::read_to_string(spare.join("run-model.safetensors"));
    assert_eq!(other.expect("it is there"), "of another run");

    // One that cannot be made is no place, which is said before anything is run.
    let bad = out.join("inside").display().to_string();
    let run = Run::start(
        &small(60, &folder.path().join("again")),
        &["--local", "2", "--spare", &bad],
    );
    let end = run.end();
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    assert!(end.stderr.contains("--spare"), "{}", end.stderr);
    assert!(!folder.path().join("again").exists());
}

/// Messages cannot be written, and a worker is killed, which is worth a message.
#[test]
fn a_lost_worker_is_done_without_where_messages_are_lost_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state").display().to_string();
    let more = [
        "--listen",
        "127.0.0.1:0",
        "--state",
        &state,
        "--expect",
        "2",
    ];
    let more = [&more[..], &["--cycles", "4", "--cycle-time", "4 s"]].concat();
    let mut run =
        Run::start_with_stderr(&small(60, &folder.path().join("run")), &more, full().into());
    let listening = run.until("listening", |_| true);
    let token = listening["token"].as_str().expect("a token").to_owned();
    let _stays = Daemon::start(&token, "stays", folder.path(), &[]);
    let goes = Daemon::start(&token, "goes", folder.path(), &[]);
    run.until("cycle", |_| true);
    signal("KILL", goes.pid());
    let end = run.end();
    end.completed();
}

/// What the box says of a run that planned anew, `sim replay` says of its folder, to the digit; and
/// `run.json` has the same number.
#[test]
fn the_box_and_replay_say_the_same_of_a_run_that_planned_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let mut args = small(60, &out);
    args.retain(|arg| arg != "--json");
    let more = "--local 3 --throttles 0.2:0.001@3,0.2,0.2 --fee-type linear --cycles 6 --cycle-time 6 \
                --beta 2 --s-min 5 --set job.replan=adaptive";
    let output = program()
        .args(args)
        .args(more.split(' '))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).expect("text");
    let row = |key: &str| {
        let rows = said.lines().filter_map(|line| line.strip_prefix("│ "));
        let row = rows.filter_map(|row| row.strip_prefix(key)).next();
        let row = row.unwrap_or_else(|| panic!("no {key}: {said}"));
        row.trim_end_matches('│').trim().to_owned()
    };
    assert!(!row("fee ").contains("one plan"), "it planned anew: {said}");
    let sim = Path::new(env!("CARGO_BIN_EXE_runtime")).with_file_name("sim");
    let replayed = Command::new(sim).arg("replay").arg(&out).output();
    let replayed = replayed.expect("sim is built beside it");
    let replayed = String::from_utf8(replayed.stdout).expect("text");
    let last = replayed.lines().last().unwrap_or_default();
    let (_, predicted) = last.split_once(": predicted ").expect(last);
    assert_eq!(row("predicted "), predicted);
    let run: Value =
        serde_json::from_slice(&fs::read(out.join("run.json")).expect("a run")).expect("JSON");
    let of_run = run["predicted_s"].as_f64().expect("a number");
    assert!(
        predicted.starts_with(&format!("{of_run:.3} s, ")),
        "{predicted} {of_run}"
    );
}

/// Where no terminal is, a line says every few seconds where a run stands, and a table ends a sweep.
#[test]
fn a_sweep_says_where_its_runs_stand_and_ends_with_a_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = program()
        .args(["sweep", "--model", "linear", "--local", "2"])
        .args(["--data", "synthetic:train=1920,test=500"])
        .args(["--throttles", "0.02,0.02", "--benchmark-batches", "40"])
        .args(["--cycles", "30", "--cycle-time", "4 s"])
        .args(["--set", "job.batches=60", "--vary", "job.s_min=1,61"])
        .arg("--out")
        .arg(folder.path().join("sweep"))
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let stdout = String::from_utf8_lossy(&run.stdout);
    let stderr = String::from_utf8_lossy(&run.stderr);
    let is_standing = |line: &&str| line.starts_with("cycle ") && line.contains(" of 30 done: ");
    let standing = stderr.lines().find(is_standing);
    let standing = standing.unwrap_or_else(|| panic!("no line: {stderr}"));
    assert!(standing.contains(" left, fee "), "{standing}");
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let table: Vec<Vec<String>> = stdout.lines().rev().take(3).map(words).collect();
    let [none, done, heading] = table.as_slice() else {
        panic!("no table: {stdout}");
    };
    assert_eq!(heading[..2], ["job.s_min", "fee"]);
    assert_eq!(
        done[..2],
        ["1", "1800"],
        "30 cycles of 60 batches at 1 each"
    );
    assert_eq!(done.last().map(String::as_str), Some("completed"));
    assert_eq!(none[..2], ["61", "-"]);
}
