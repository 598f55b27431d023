//! Links that lose, delay, reorder and duplicate what is sent, and links that go down.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{program, small};
use crate::job::{Ended, Job};
use crate::members::{Worker, address_of, at_address};
use crate::relay::{Harm, Relay};
use crate::resumes::{compare, undisturbed_by};
use crate::spaces::{Network, address};
use crate::{Attempt, Tried};

/// Of the run behind a relay.
const SHARES: u64 = 60;
/// With 20 % of all datagrams lost and 400 ms for a round trip, 380 kB take a while.
const RELAYED_WITHIN: Duration = Duration::from_secs(400);

/// Beats are this far apart at most for these workers, and three may be missed; with what a busy machine adds.
const OUT_WITHIN: f64 = 1.5 + 0.5;
/// From the return of a link to that of its worker.
const BACK_WITHIN: f64 = 1.0;
const BACK_ELSEWHERE_WITHIN: f64 = 12.0;

/// Batches of 8 samples for two workers, a minute for each cycle.
fn relayed(folder: &Path, plan: Option<&Path>) -> Vec<String> {
    let mut args = small(SHARES / 4, folder);
    let more = "--batch-size 8 --beta 2 --s-min 20 --cycles 3 --seed 11 --cycle-time";
    args.extend(more.split(' ').map(str::to_owned));
    args.push("60 s".to_owned());
    match plan {
        None => args.extend(
            "--local 2 --throttles 0.03,0.02"
                .split(' ')
                .map(str::to_owned),
        ),
        Some(plan) => args.extend(["--plan".to_owned(), plan.display().to_string()]),
    }
    args
}

/// The same plan, first without and then with a network that harms what is sent.
pub(crate) fn lossy(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let (whole, plan) = undisturbed_by(attempt.shared, |folder, plan| {
        let mut args = relayed(folder, plan);
        if plan.is_some() {
            args.extend(
                "--local 2 --throttles 0.03,0.02"
                    .split(' ')
                    .map(str::to_owned),
            );
        }
        args
    })?;
    let mut draws = attempt.draws();
    let most_delay = draws.between(0, 200_000);
    let harm = Harm {
        lost: draws.between(0, 200_000),
        twice: draws.between(0, 200_000),
        least_delay: draws.between(0, most_delay),
        most_delay,
        only: None,
        deaf: false,
    };
    let folder = attempt.folder.join("run");
    let mut args = relayed(&folder, Some(&plan));
    args.extend(listening(&attempt.folder, "127.0.0.1:0"));
    args.extend(["--set", "waits.gather=\"200 s\""].map(str::to_owned));
    let mut job = Job::start(&args, &attempt.folder, 0);
    let token = job.token()?;
    let relay = Relay::start(address_of(&token)?, harm, draws).map_err(|why| why.to_string())?;
    let token = at_address(&token, relay.address)?;
    let _workers = [("local-1", "0.03"), ("local-2", "0.02")].map(|(name, throttle)| {
        let more = ["--throttle", throttle];
        Worker::start(program(), &token, name, &attempt.folder, &more)
    });
    let ended = job
        .end_within(RELAYED_WITHIN)
        .map_err(|why| format!("{harm:?}: {why}"))?;
    let departed: Vec<_> = ended.all("departed").collect();
    compare(&ended, &folder, &whole).map_err(|why| format!("{harm:?}: {why}; {departed:?}"))?;
    if ended.shipped() != SHARES {
        let shipped = ended.shipped();
        return Err(format!(
            "{harm:?}: {shipped} batches were sent, of {SHARES}: {departed:?}"
        ));
    }
    Ok(relay.harmed().into())
}

/// Where an orchestrator listens, with its keys in this folder.
pub(crate) fn listening(folder: &Path, at: &str) -> Vec<String> {
    let state = folder.join("keys").display().to_string();
    ["--listen", at, "--no-discovery", "--state", &state]
        .map(str::to_owned)
        .to_vec()
}

/// Four workers that are all needed, some two seconds of each cycle at work.
const BATCHES: u64 = 240;
/// Each has a quarter of them, and is sent some 300 kB of models beside it.
const SHARE_BYTES: u64 = BATCHES / 4 * 32 * 785;
const FOUR: &str = "0.02,0.02,0.02,0.02";

fn needed(folder: &Path, plan: Option<&Path>) -> Vec<String> {
    let mut args = small(BATCHES, folder);
    let more = "--beta 4 --s-min 40 --cycles 7 --seed 5 --set waits.pause=30 --cycle-time";
    args.extend(more.split(' ').map(str::to_owned));
    args.push("8 s".to_owned());
    if let Some(plan) = plan {
        args.extend(["--plan".to_owned(), plan.display().to_string()]);
    }
    args
}

/// A link that went down and came back.
struct Outage {
    worker: String,
    down: Instant,
    up: Instant,
    moved: bool,
}

/// One link at a time goes down and comes back, at any moment of a job that needs all of its workers.
pub(crate) fn stall(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let network = match Network::make(5) {
        Ok(network) => network,
        Err(why) => return Ok(Tried::Not(why)),
    };
    let (_, plan) = undisturbed_by(attempt.shared, |folder, plan| {
        let mut args = needed(folder, plan);
        args.extend(["--local", "4", "--throttles", FOUR].map(str::to_owned));
        args
    })?;
    let mut draws = attempt.draws();
    let args = needed(&attempt.folder.join("run"), Some(&plan));
    let (mut job, _workers) = start(&network, attempt, args, 4)?;
    let mut outages = Vec::new();
    for _ in 0..draws.between(1, 2) {
        job.follow(Duration::from_millis(draws.between(0, 7_000)));
        let victim = draws.between(1, 4) as usize;
        let (down, moved) = (draws.between(1_800, 6_000), draws.between(0, 3) == 0);
        if job.has_ended() {
            break;
        }
        outages.push(outage(&network, &mut job, &[victim], down, moved)?.remove(0));
        // So that what comes of one is not taken for what comes of the next one.
        job.follow(Duration::from_secs(if moved { 13 } else { 3 }));
    }
    let ended = job.end()?;
    for outage in &outages {
        follow(&ended, outage)?;
    }
    ended.check(BATCHES)?;
    if ended.code != Some(0) {
        return Err(format!("code {:?}: {}", ended.code, ended.errors.trim()));
    }
    for worker in 1..=4 {
        let (sent, share) = (network.sent_to(worker)?, SHARE_BYTES);
        if sent > share * 7 / 4 {
            return Err(format!(
                "local-{worker} was sent {sent} bytes for a share of {share}"
            ));
        }
    }
    Ok((outages.len() as u64).into())
}

/// A minority is cut off for a while, at any moment of a job that can do without it.
pub(crate) fn partition(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let network = match Network::make(6) {
        Ok(network) => network,
        Err(why) => return Ok(Tried::Not(why)),
    };
    let mut draws = attempt.draws();
    let mut args = small(BATCHES, &attempt.folder.join("run"));
    let more = "--beta 3 --s-min 10 --expect 5 --cycles 14 --set waits.pause=15 --cycle-time";
    args.extend(more.split(' ').map(str::to_owned));
    args.push("6 s".to_owned());
    args.extend(["--seed".to_owned(), attempt.seed.to_string()]);
    let (mut job, _workers) = start(&network, attempt, args, 5)?;
    job.follow(Duration::from_millis(draws.between(0, 12_000)));
    let first = draws.between(1, 5) as usize;
    let second = (first + draws.between(1, 4) as usize - 1) % 5 + 1;
    let victims = if draws.between(0, 1) == 0 {
        vec![first]
    } else {
        vec![first, second]
    };
    let (down, moved) = (draws.between(1_000, 12_000), draws.between(0, 4) == 0);
    if job.has_ended() {
        return Err(format!("it ended too early: {}", job.last_words()));
    }
    let outages = outage(&network, &mut job, &victims, down, moved)?;
    let ended = job.end()?;
    ended.check(BATCHES)?;
    if ended.code != Some(0) {
        return Err(format!("code {:?}: {}", ended.code, ended.errors.trim()));
    }
    // A worker that the job went on without is back, if it took long enough after that.
    let at = |event: &Value| event["at_s"].as_f64().unwrap_or_default();
    let over = ended.all("cycle").last().map_or(0.0, at);
    for outage in &outages {
        let (down, up) = (ended.seconds(outage.down), ended.seconds(outage.up));
        let of = |event: &&Value| event["worker"] == outage.worker.as_str() && at(event) >= down;
        let gone = ended.all("departed").find(of).map(at);
        let back = ended.all("joined").filter(of).any(|event| at(event) >= up);
        if gone.is_some() && !back && over > up + BACK_ELSEWHERE_WITHIN {
            let worker = &outage.worker;
            return Err(format!(
                "{worker} is not back {} s after the heal",
                over - up
            ));
        }
    }
    Ok((outages.len() as u64).into())
}

/// An orchestrator and workers, each on a machine of its own.
fn start(
    network: &Network,
    attempt: &Attempt<'_>,
    mut args: Vec<String>,
    workers: usize,
) -> Result<(Job, Vec<Worker>), String> {
    args.extend(listening(&attempt.folder, &format!("{}:9317", address(0))));
    let mut job = Job::of(network.program(0), &args, &attempt.folder, 0);
    let token = job.token()?;
    let start = |machine: usize| {
        Worker::start(
            network.program(machine),
            &token,
            &format!("local-{machine}"),
            &attempt.folder,
            &["--throttle", "0.02"],
        )
    };
    let workers: Vec<Worker> = (1..=workers).map(start).collect();
    Ok((job, workers))
}

/// Takes links down for some milliseconds.
fn outage(
    network: &Network,
    job: &mut Job,
    victims: &[usize],
    millis: u64,
    moved: bool,
) -> Result<Vec<Outage>, String> {
    let down = Instant::now();
    for victim in victims {
        network.link(*victim, false)?;
    }
    job.follow(Duration::from_millis(millis));
    for victim in victims {
        if moved {
            network.move_away(*victim)?;
        }
        network.link(*victim, true)?;
    }
    let up = Instant::now();
    thread::sleep(Duration::from_millis(10));
    let of = |victim: &usize| Outage {
        worker: format!("local-{victim}"),
        down,
        up,
        moved,
    };
    Ok(victims.iter().map(of).collect())
}

/// A worker whose beats were missed was out in time, and is back in time.
fn follow(ended: &Ended, outage: &Outage) -> Result<(), String> {
    let (down, up) = (ended.seconds(outage.down), ended.seconds(outage.up));
    let at = |event: &Value| event["at_s"].as_f64().unwrap_or_default();
    let of = |event: &&Value| event["worker"] == outage.worker.as_str();
    let is_gone = |event: &&Value| of(event) && at(event) >= down && at(event) < up + 2.0;
    let Some(gone) = ended.all("departed").find(is_gone) else {
        return Ok(()); // nothing was expected of it while its link was down
    };
    let stall = ended.all("ended").last().map_or(0.0, |summary| {
        summary["longest_stall_s"].as_f64().unwrap_or_default()
    });
    if gone["why"] == "missed_beats" {
        // A cycle that began meanwhile counts from its beginning.
        let cycles = ended.all("cycle").map(at).filter(|end| *end < at(gone));
        let since = cycles.last().unwrap_or_default().max(down);
        let out = at(gone) - since;
        if out > OUT_WITHIN + stall {
            return Err(format!("it was out after {out:.2} s: {gone}"));
        }
    }
    let within = if outage.moved {
        BACK_ELSEWHERE_WITHIN
    } else {
        BACK_WITHIN
    };
    let last = ended.all("cycle").last().map_or(0.0, at);
    let back = ended
        .all("joined")
        .filter(of)
        .map(at)
        .find(|back| *back > at(gone));
    match back {
        Some(back) if back - up > within + stall => Err(format!(
            "it was back {:.2} s after the heal: {gone}, down for {:.2} s, moved: {}",
            back - up,
            up - down,
            outage.moved
        )),
        None if last > up + within => Err(format!("it is not back: {gone}")),
        Some(_) | None => Ok(()),
    }
}
