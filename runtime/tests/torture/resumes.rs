//! An orchestrator that is killed at any moment, again and again, and resumed until it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use results::runs::RecordedFolder;
use serde_json::Value;

use crate::common::{signal, small};
use crate::job::{Ended, Job};
use crate::{Attempt, Tried};

const CYCLES: u64 = 4;
const MOST_KILLS: u64 = 3;

pub(crate) fn args(folder: &Path, plan: Option<&Path>) -> Vec<String> {
    let mut args = small(60, folder);
    let more = [
        ["--local", "2"],
        ["--throttles", "0.03,0.02"],
        ["--beta", "2"],
        ["--s-min", "20"],
        ["--cycles", "4"],
        ["--cycle-time", "20 s"],
        ["--seed", "11"],
    ];
    args.extend(more.concat().iter().map(|&word| word.to_owned()));
    if let Some(plan) = plan {
        args.extend(["--plan".to_owned(), plan.display().to_string()]);
    }
    args
}

/// The run that nobody disturbs, and its plan: made once.
pub(crate) fn undisturbed(shared: &Path) -> Result<(PathBuf, PathBuf), String> {
    undisturbed_by(shared, args)
}

/// The same for other arguments.
pub(crate) fn undisturbed_by(
    shared: &Path,
    args: fn(&Path, Option<&Path>) -> Vec<String>,
) -> Result<(PathBuf, PathBuf), String> {
    static ONCE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _once = ONCE.lock().expect("nobody panics here");
    let (first, whole) = (shared.join("first"), shared.join("whole"));
    let plan = first.join("plan.json");
    if !whole.join("run.json").exists() {
        for (folder, plan) in [(&first, None), (&whole, Some(plan.as_path()))] {
            let ended = Job::start(&args(folder, plan), shared, 0).end()?;
            if ended.code != Some(0) {
                return Err(format!("without a fault: {}", ended.errors));
            }
        }
    }
    Ok((whole, plan))
}

pub(crate) fn kill_and_resume(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let (whole, plan) = undisturbed(attempt.shared)?;
    let mut draws = attempt.draws();
    let folder = attempt.folder.join("run");
    let kills = draws.between(1, MOST_KILLS);
    let mut injected = 0;
    for number in 0.. {
        // What was not begun is begun; everything else goes on.
        let args = if folder.join("command.json").exists() {
            let folder = folder.display().to_string();
            ["cluster", "--json", "--resume", &folder]
                .map(str::to_owned)
                .to_vec()
        } else {
            args(&folder, Some(&plan))
        };
        let mut job = Job::start(&args, &attempt.folder, number);
        if injected < kills {
            // Now and then right behind the last cycle, when all is written.
            let last = draws.between(0, 3) == 0;
            let wait = draws.between(0, if last { 40 } else { 6_000 });
            while last && !job.has_ended() && !has_last(&job.events()) {
                thread::sleep(Duration::from_millis(2));
            }
            thread::sleep(Duration::from_millis(wait));
            job.processes();
            if !job.has_ended() {
                signal("KILL", job.pid());
                injected += 1;
                job.end()?;
                continue;
            }
        }
        let ended = job.end()?;
        return compare(&ended, &folder, &whole).map(|()| injected.into());
    }
    Ok(injected.into())
}

fn has_last(events: &[Value]) -> bool {
    let is_last = |event: &Value| event["event"] == "cycle" && event["cycle"] == CYCLES;
    events.iter().any(is_last)
}

/// The bits of the model, the fees and the cycles.
pub(crate) fn compare(ended: &Ended, folder: &Path, whole: &Path) -> Result<(), String> {
    if ended.code != Some(0) {
        return Err(format!("code {:?}: {}", ended.code, ended.errors.trim()));
    }
    let read = |folder: &Path, name: &str| {
        fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"))
    };
    if read(folder, "model.safetensors")? != read(whole, "model.safetensors")? {
        return Err("another model".to_owned());
    }
    // Each cycle counts once, and those that were broken off are owed as well.
    let account = |folder: &Path| -> Result<[u128; 3], String> {
        let run: Value = serde_json::from_slice(&read(folder, "run.json")?)
            .map_err(|error| format!("run.json: {error}"))?;
        let count = |key: &str| run[key].as_u64().ok_or(format!("run.json has no {key}"));
        let folder = RecordedFolder::open(folder).map_err(|error| error.to_string())?;
        let bills = folder.bills().map_err(|error| error.to_string())?;
        let cost = bills.first().ok_or("it has no run")?.cost;
        if run["fee"] != cost.to_string() {
            return Err(format!("the fee is {}, the tables have {cost}", run["fee"]));
        }
        let (complete, failed) = (count("cycles_complete")?, count("cycles_failed")?);
        let cycles = u128::from(complete + failed);
        let accepted = count("batches_accepted")?;
        Ok([
            complete.into(),
            accepted.into(),
            cost.micros() * 1_000 / cycles,
        ])
    };
    let (found, expected) = (account(folder)?, account(whole)?);
    if found != expected {
        return Err(format!(
            "cycles, batches, thousandths of micro-units per cycle: {found:?}, expected {expected:?}"
        ));
    }
    Ok(())
}
