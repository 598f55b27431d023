//! The fault suite: faults at random on whole programs, each by its seed, and what each promise came to.
//!
//! `./allot torture` runs a short part, as continuous integration does, and `./allot long` all of it.
//!
//! ```text
//! ./allot torture --only R2 --seed 17 --count 1    one fault again; --keep leaves its folder
//! ./allot torture --all                            some minutes
//! ```
//!
//! A fault is survived if the program keeps what it promises: it ends, in time, with a result or the right
//! reason; it leaves no process and no key behind; and it never says one thing for another.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

#[path = "../cluster/common.rs"]
#[expect(dead_code, reason = "jobs here are followed by files")]
mod common;
mod decoders;
mod disks;
mod ends;
mod files;
mod floods;
mod frozen;
mod job;
mod links;
mod members;
mod relay;
mod resumes;
mod signals;
mod spaces;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use scenarios::Draws;

/// What is promised, how it is tried, and how often: in short, and in whole.
struct Promise {
    name: &'static str,
    says: &'static str,
    counts: (u64, u64),
    /// How many at once: jobs wait most of the time.
    at_once: usize,
    attempt: fn(&Attempt) -> Result<Tried, String>,
}

const PROMISES: [Promise; 18] = [
    Promise {
        name: "R1",
        says: "stopped workers and trainers: every cycle ends by its limit, a stall and 50 ms",
        counts: (0, 100),
        at_once: 6,
        attempt: signals::stops,
    },
    Promise {
        name: "R1-flood",
        says: "members that flood any report: the same, 64 MB and 1 MB/s of disk at most",
        counts: (1, 30),
        at_once: 1,
        attempt: floods::members,
    },
    Promise {
        name: "R1-words",
        says: "output that nobody reads for 30 s: the same",
        counts: (0, 8),
        at_once: 4,
        attempt: frozen::unread,
    },
    Promise {
        name: "R1-freeze",
        says: "a file system that stands still for 2 to 10 s: the same",
        counts: (1, 12),
        at_once: 3,
        attempt: frozen::freeze,
    },
    Promise {
        name: "R2",
        says: "killed workers and trainers: a result or the right reason, and nothing is left",
        counts: (2, 200),
        at_once: 4,
        attempt: signals::kills,
    },
    Promise {
        name: "R3",
        says: "a link that goes down: its worker is out in three beats, back within a second, and sent nothing twice",
        counts: (0, 20),
        at_once: 4,
        attempt: links::stall,
    },
    Promise {
        name: "R4",
        says: "a killed orchestrator: its run goes on to the same bits, fees and cycles",
        counts: (1, 100),
        at_once: 4,
        attempt: resumes::kill_and_resume,
    },
    Promise {
        name: "R6",
        says: "20 % lost or sent twice, 200 ms, any order: the same bits, fees and cycles, and data is sent once",
        counts: (0, 20),
        at_once: 6,
        attempt: links::lossy,
    },
    Promise {
        name: "R7",
        says: "one or two of five cut off for up to 12 s: the job goes on, and they come back",
        counts: (0, 50),
        at_once: 4,
        attempt: links::partition,
    },
    Promise {
        name: "R8-words",
        says: "output that is full or that nobody reads: the same bits, fees and cycles",
        counts: (1, 20),
        at_once: 4,
        attempt: disks::lose_words,
    },
    Promise {
        name: "R8-disk",
        says: "a disk of 8 to 400 KB: what was written is whole, and with room the run goes on to the same end",
        counts: (0, 40),
        at_once: 4,
        attempt: disks::fill_disk,
    },
    Promise {
        name: "R10",
        says: "damaged files: one line, or what the whole ones give",
        counts: (60, 20_000),
        at_once: 2,
        attempt: files::damage,
    },
    Promise {
        name: "R10-door",
        says: "one machine of strangers at the door: honest workers join within 2 s, and it costs no more",
        counts: (1, 12),
        at_once: 1,
        attempt: floods::strangers,
    },
    Promise {
        name: "twins",
        says: "a key, a name or a state folder that comes twice: the job goes on, the second ends with a line",
        counts: (3, 12),
        at_once: 3,
        attempt: ends::twins,
    },
    Promise {
        name: "ends",
        says: "12 workers stopped behind the last cycle: it ends within 2 s of its summary",
        counts: (1, 10),
        at_once: 2,
        attempt: ends::stopped,
    },
    Promise {
        name: "signals",
        says: "any signal at any moment: no key, process or unfinished file is left; after KILL the next run removes them",
        counts: (4, 80),
        at_once: 4,
        attempt: ends::signals,
    },
    Promise {
        name: "many",
        says: "200 workers on this machine: none is excluded because it is busy",
        counts: (0, 3),
        at_once: 1,
        attempt: ends::many,
    },
    Promise {
        name: "decoders",
        says: "inputs of every decoder changed at random: read or refused, and no panic",
        counts: (7, 700),
        at_once: 2,
        attempt: decoders::mutate,
    },
];

/// What became of an attempt of which nothing was lost.
pub(crate) enum Tried {
    /// The number of faults.
    Injected(u64),
    /// This machine does not let it be tried, for this reason.
    Not(String),
}

impl From<u64> for Tried {
    fn from(faults: u64) -> Self {
        Self::Injected(faults)
    }
}

/// One fault to be tried.
pub(crate) struct Attempt<'a> {
    pub(crate) seed: u64,
    /// A folder of its own.
    pub(crate) folder: PathBuf,
    /// What all attempts of a promise share.
    pub(crate) shared: &'a Path,
}

impl Attempt<'_> {
    pub(crate) fn draws(&self) -> Draws {
        Draws::of_key([self.seed, 0, 0, 0x7], 0)
    }
}

/// What is asked for.
#[derive(Default)]
struct Asked {
    only: Option<String>,
    seed: u64,
    count: Option<u64>,
    all: bool,
    /// The folders of what is lost stay.
    keep: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [stranger, kind, token, folder] = &words[..]
        && stranger == "--stranger"
    {
        return match floods::be_stranger(kind, token, Path::new(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                println!("{why}");
                ExitCode::FAILURE
            }
        };
    }
    let asked = match asked(words.into_iter()) {
        Ok(Some(asked)) => asked,
        Ok(None) => return ExitCode::SUCCESS,
        Err(why) => {
            println!("{why}");
            return ExitCode::from(2);
        }
    };
    let known = asked.only.as_ref().is_none_or(|only| {
        let is_it = |promise: &Promise| promise.name == only;
        PROMISES.iter().any(is_it)
    });
    if !known {
        let names = PROMISES.map(|promise| promise.name).join(", ");
        println!("--only: expected one of {names}");
        return ExitCode::from(2);
    }
    let mut lost = 0;
    println!("| promise | tried | injected | survived | lost | time |");
    println!("|---|---|---|---|---|---|");
    for promise in &PROMISES {
        if asked.only.as_ref().is_some_and(|only| only != promise.name) {
            continue;
        }
        let (short, whole) = promise.counts;
        let usual = if asked.all { whole } else { short };
        let count = asked.count.unwrap_or(usual);
        if count > 0 {
            lost += attempts(promise, &asked, count);
        }
    }
    if lost > 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Nothing if it is only asked what there is, as test runners do.
fn asked(mut words: impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
    let mut asked = Asked::default();
    while let Some(word) = words.next() {
        let mut number = |of: &str| {
            let text = words.next().unwrap_or_default();
            let parsed = text.parse::<u64>();
            parsed.map_err(|_| format!("{of} '{text}': expected a number"))
        };
        match word.as_str() {
            "--all" => asked.all = true,
            "--keep" => asked.keep = true,
            "--seed" => asked.seed = number("--seed")?,
            "--count" => asked.count = Some(number("--count")?),
            "--only" => asked.only = words.next(),
            "--list" => return Ok(None),
            // A filter of tests, which this is not one of.
            other if !other.starts_with('-') && !"torture".contains(other) => return Ok(None),
            _ => {}
        }
    }
    Ok(Some(asked))
}

/// Tries a promise with seeds from the first one on, and prints its row. Gives how many were lost.
fn attempts(promise: &Promise, asked: &Asked, count: u64) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let shared = folder.path().join("shared");
    std::fs::create_dir(&shared).expect("a folder");
    let began = Instant::now();
    let (next, injected) = (AtomicU64::new(0), AtomicU64::new(0));
    let lost: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let untried: Mutex<Vec<String>> = Mutex::default();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let seed = asked.seed + number;
            let attempt = Attempt {
                seed,
                folder: folder.path().join(seed.to_string()),
                shared: &shared,
            };
            std::fs::create_dir(&attempt.folder).expect("a folder");
            let tried = catch_unwind(AssertUnwindSafe(|| (promise.attempt)(&attempt)));
            let tried = tried.unwrap_or_else(|_| Err("the suite itself panicked".to_owned()));
            match tried {
                Ok(tried) => {
                    match tried {
                        Tried::Injected(faults) => {
                            injected.fetch_add(faults, Ordering::Relaxed);
                        }
                        Tried::Not(why) => untried.lock().expect("nobody panics here").push(why),
                    }
                    let _ = std::fs::remove_dir_all(&attempt.folder);
                }
                Err(why) => {
                    lost.lock().expect("nobody panics here").insert(seed, why);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..promise.at_once {
            scope.spawn(work);
        }
    });
    let lost = lost.into_inner().expect("nobody panics here");
    let untried = untried.into_inner().expect("nobody panics here");
    let (name, says) = (promise.name, promise.says);
    let tried = count - untried.len() as u64;
    let not = match (untried.first(), tried) {
        (None, _) => String::new(),
        (Some(why), 0) => format!(" (not tried: {why})"),
        (Some(why), _) => format!(" ({} not tried: {why})", untried.len()),
    };
    println!(
        "| {name}: {says}{not} | {tried} | {} | {} | {} | {:.0} s |",
        injected.into_inner(),
        tried - lost.len() as u64,
        lost.len(),
        began.elapsed().as_secs_f64(),
    );
    for (seed, why) in &lost {
        println!(
            "\n{name}, seed {seed}: {why}\n  again: ./allot torture --only {name} --seed {seed} --count 1"
        );
    }
    if asked.keep && !lost.is_empty() {
        println!("\nwhat is left of them: {}", folder.keep().display());
    }
    lost.len()
}
