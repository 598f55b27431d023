//! Workers and trainers that are killed or stopped, at any moment of a job.

use std::thread;
use std::time::Duration;

use crate::common::{signal, small};
use crate::job::Job;
use crate::{Attempt, Tried};

const BATCHES: u64 = 60;

pub(crate) fn kills(attempt: &Attempt<'_>) -> Result<Tried, String> {
    disturb(attempt, &["KILL"])
}

pub(crate) fn stops(attempt: &Attempt<'_>) -> Result<Tried, String> {
    disturb(attempt, &["STOP", "STOP", "CONT"])
}

fn disturb(attempt: &Attempt<'_>, names: &[&str]) -> Result<Tried, String> {
    let mut draws = attempt.draws();
    let mut args = small(BATCHES, &attempt.folder.join("run"));
    let seed = attempt.seed.to_string();
    let more = [
        ["--local", "3"],
        ["--throttles", "0.03,0.02,0.02"],
        ["--beta", "2"],
        ["--s-min", "5"],
        ["--cycles", "5"],
        ["--cycle-time", "2 s"],
        ["--set", "waits.gather=6 s"],
        ["--set", "waits.pause=3 s"],
        ["--seed", &seed],
    ];
    args.extend(more.concat().iter().map(|&word| word.to_owned()));
    let mut job = Job::start(&args, &attempt.folder, 0);
    let mut injected = 0;
    for _ in 0..draws.between(1, 3) {
        // From the first moments to after its usual end.
        let wait = Duration::from_millis(draws.between(0, 5_000));
        thread::sleep(wait);
        let (workers, trainers) = job.processes();
        let victims = match draws.between(0, 1) {
            0 => workers,
            _ => trainers,
        };
        if victims.is_empty() || job.has_ended() {
            continue;
        }
        let victim = victims[draws.between(0, victims.len() as u64 - 1) as usize];
        let name = names[draws.between(0, names.len() as u64 - 1) as usize];
        // It may have ended just now.
        if crate::common::is_alive(victim) {
            signal(name, victim);
            injected += 1;
        }
    }
    job.end()?.check(BATCHES).map(|()| injected.into())
}
