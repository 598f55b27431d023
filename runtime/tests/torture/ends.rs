//! Ends: what is left of a program that was asked to end, and how quickly it does.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{is_alive, program, signal, small};
use crate::job::Job;
use crate::links::listening;
use crate::members::Worker;
use crate::{Attempt, Tried};

const LOCAL: u32 = 12;
/// From the summary to the end of the program.
const EXITS_WITHIN: Duration = Duration::from_secs(2);
/// From a signal to the end of the program: what is under way is written first.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
const CYCLES: u64 = 3;

fn args(folder: &Path, local: u32) -> Vec<String> {
    let mut args = small(120, folder);
    let more = format!(
        "--local {local} --throttles {} --beta 2 --s-min 5 --cycles {CYCLES} --cycle-time 4 \
         --set waits.gather=60",
        vec!["0.02"; local as usize].join(",")
    );
    args.extend(more.split(' ').map(str::to_owned));
    args
}

/// All workers are stopped when the last cycle is over.
pub(crate) fn stopped(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let mut job = Job::start(
        &args(&attempt.folder.join("run"), LOCAL),
        &attempt.folder,
        0,
    );
    let minutes = Duration::from_secs(120);
    let is_last = |event: &serde_json::Value| event["event"] == "cycle" && event["cycle"] == CYCLES;
    job.until(minutes, is_last)?;
    let (workers, _) = job.processes();
    let mut injected = 0;
    for worker in &workers {
        if is_alive(*worker) {
            signal("STOP", *worker);
            injected += 1;
        }
    }
    job.until(minutes, |event| event["event"] == "ended")?;
    let since = Instant::now();
    while !job.has_ended() {
        if since.elapsed() > EXITS_WITHIN {
            let words = job.last_words();
            return Err(format!(
                "it is there {EXITS_WITHIN:?} after its summary, with {injected} stopped workers: {words}"
            ));
        }
        thread::sleep(Duration::from_millis(10));
    }
    let ended = job.end()?;
    if ended.code != Some(0) {
        return Err(format!("code {:?}: {}", ended.code, ended.errors));
    }
    Ok(injected.into())
}

/// Those that a process can hear and that end one which does not.
const SIGNALS: [&str; 8] = ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "ALRM", "KILL"];

/// A signal at any moment; of a killed program the next one removes what is left.
pub(crate) fn signals(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let mut draws = attempt.draws();
    let name = SIGNALS[attempt.seed as usize % SIGNALS.len()];
    let run = attempt.folder.join("run");
    let mut job = Job::start(&args(&run, 3), &attempt.folder, 0);
    let wait = draws.between(0, 7_000);
    job.follow(Duration::from_millis(wait));
    job.processes();
    if job.has_ended() {
        job.end()?;
        return Ok(0.into());
    }
    signal(name, job.pid());
    let ended = job.end_within(ENDS_WITHIN);
    let ended = ended.map_err(|why| format!("{name} after {wait} ms: {why}"))?;
    let scratch = attempt.folder.join("tmp");
    let left = unfinished(&run);
    if name != "KILL" {
        let (code, keys) = (ended.code, keys(&scratch));
        if !keys.is_empty() || !left.is_empty() {
            return Err(format!(
                "{name} after {wait} ms: code {code:?}, left are {keys:?} {left:?}: {}",
                ended.errors.trim()
            ));
        }
        return Ok(1.into());
    }
    // The next program, whatever it does, removes the keys; the next run in the folder the rest.
    let again = if run.join("command.json").exists() {
        ["cluster", "--json", "--resume", &run.display().to_string()]
            .map(str::to_owned)
            .to_vec()
    } else {
        args(&run, 3)
    };
    let ended = Job::start(&again, &attempt.folder, 1).end()?;
    let left = unfinished(&run);
    if ended.code != Some(0) || !left.is_empty() {
        let code = ended.code;
        return Err(format!(
            "after KILL at {wait} ms: code {code:?}, left are {left:?}: {}",
            ended.errors.trim()
        ));
    }
    Ok(1.into())
}

/// The folders of keys in a folder of temporary files.
fn keys(scratch: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(scratch).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Files whose names say that they are not whole; the log of a run that goes on has its own.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(unfinished(&path));
        } else if name.ends_with(".partial") || name.ends_with(".new") {
            found.push(path);
        }
    }
    found
}

/// What comes twice: a key, a name, a state folder. The job goes on, and the second one ends with a line.
pub(crate) fn twins(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let mut draws = attempt.draws();
    let kind = attempt.seed % 3;
    let mut args = small(120, &attempt.folder.join("run"));
    let more = "--expect 2 --beta 1 --s-min 5 --cycles 6 --cycle-time 4 --set waits.gather=30";
    args.extend(more.split(' ').map(str::to_owned));
    args.extend(listening(&attempt.folder, "127.0.0.1:0"));
    let mut job = Job::start(&args, &attempt.folder, 0);
    let token = job.token()?;
    let start = |name: &str, state: &Path| {
        let more = ["--throttle", "0.02"];
        Worker::with_state(program(), &token, name, state, &more)
    };
    let state = |name: &str| attempt.folder.join(name);
    let mut first = start("one", &state("one"));
    let _other = start("other", &state("other"));
    for name in ["one", "other"] {
        let is_it =
            |event: &serde_json::Value| event["event"] == "joined" && event["worker"] == name;
        job.until(Duration::from_secs(60), is_it)?;
    }
    job.follow(Duration::from_millis(draws.between(0, 6_000)));
    if job.has_ended() {
        return Err(format!("it ended too early: {}", job.last_words()));
    }
    let (what, mut second, expected) = match kind {
        0 => (
            "a key",
            start("one", &state("one")),
            "another worker runs with the key",
        ),
        1 => (
            "a name",
            start("one", &state("two")),
            "another worker on the orchestrator's list has this name",
        ),
        _ => {
            copy(&state("one"), &state("clone"));
            (
                "a cloned state",
                start("one", &state("clone")),
                "is it running twice?",
            )
        }
    };
    let until = Instant::now() + Duration::from_secs(20);
    let ends = loop {
        // Of a clone either may stay.
        if second.code().is_some() {
            break Some(second.said());
        }
        if kind == 2 && first.code().is_some() {
            break Some(first.said());
        }
        if Instant::now() > until || job.has_ended() {
            break None;
        }
        job.follow(Duration::from_millis(20));
    };
    let ended = job.end()?;
    let joins = ended.all("joined").filter(|event| event["worker"] == "one");
    let joins = joins.count();
    let Some(said) = ends else {
        return Err(format!(
            "{what} twice: the second one does not end: {}",
            second.said()
        ));
    };
    let told = said
        .lines()
        .filter(|line| line.starts_with("error: ") && line.contains(expected));
    let told = told.count();
    if told != 1 {
        return Err(format!("{what} twice: {told} lines say so: {said}"));
    }
    if joins > 2 {
        return Err(format!("{what} twice: it joined {joins} times"));
    }
    ended.check(120)?;
    if ended.code != Some(0) {
        return Err(format!(
            "{what} twice: code {:?}: {}",
            ended.code,
            ended.errors.trim()
        ));
    }
    Ok(1.into())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            let _ = fs::copy(entry.path(), target).expect("room");
        }
    }
}

/// Workers of one machine, far more than it has cores.
const MANY: u32 = 200;
const MANY_BATCHES: u64 = 1_000;

/// Nobody healthy is excluded because the machine is busy.
pub(crate) fn many(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let mut args = small(MANY_BATCHES, &attempt.folder.join("run"));
    let more = format!(
        "--expect {MANY} --uses {MANY} --beta {MANY} --s-min 1 --cycles 4 --cycle-time 60 \
         --set waits.gather=200 --seed {}",
        attempt.seed
    );
    args.extend(more.split(' ').map(str::to_owned));
    args.extend(listening(&attempt.folder, "127.0.0.1:0"));
    let mut job = Job::start(&args, &attempt.folder, 0);
    let token = job.token()?;
    let workers: Vec<Worker> = (0..MANY)
        .map(|number| {
            let name = format!("w{number}");
            let more = ["--throttle", "0.02"];
            Worker::start(program(), &token, &name, &attempt.folder, &more)
        })
        .collect();
    let ended = job.end_within(Duration::from_secs(500))?;
    drop(workers);
    ended.check(MANY_BATCHES)?;
    let departed: Vec<_> = ended.all("departed").collect();
    if ended.code != Some(0) || !departed.is_empty() {
        let (code, many) = (ended.code, departed.len());
        let first = departed.first();
        return Err(format!(
            "code {code:?}, {many} were excluded, such as {first:?}: {:.600}",
            ended.errors
        ));
    }
    let lost: u64 = ended
        .all("cycle")
        .filter_map(|cycle| cycle["lost"].as_u64())
        .sum();
    if lost > 0 {
        return Err(format!("{lost} batches were lost"));
    }
    Ok(u64::from(MANY).into())
}
