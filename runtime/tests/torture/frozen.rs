//! Output that nobody takes: words that nobody reads for half a minute, and a file system that stands still.

use std::fs;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::common::{program, small};
use crate::job::Ended;
use crate::{Attempt, Tried};

const BATCHES: u64 = 60;
/// Nobody reads for this long.
const UNREAD: Duration = Duration::from_secs(30);

fn args(attempt: &Attempt<'_>, folder: &std::path::Path, cycles: u32) -> Vec<String> {
    let mut args = small(BATCHES, folder);
    let more = format!(
        "--local 3 --throttles 0.02,0.015,0.015 --beta 2 --s-min 5 --cycles {cycles} --cycle-time 2 --seed {}",
        attempt.seed
    );
    args.extend(more.split(' ').map(str::to_owned));
    args
}

/// A small pipe under both outputs, of which nobody reads for half a minute.
pub(crate) fn unread(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let (mut read, write) = io::pipe().map_err(|error| error.to_string())?;
    rustix::pipe::fcntl_setpipe_size(&write, 4096).map_err(|error| error.to_string())?;
    let error = |error: io::Error| error.to_string();
    let other = write.try_clone().map_err(error)?;
    let mut child = program()
        .args(args(attempt, &attempt.folder.join("run"), 26))
        .stdin(Stdio::null())
        .stdout(write)
        .stderr(other)
        .spawn()
        .map_err(error)?;
    thread::sleep(UNREAD);
    let unread = !matches!(child.try_wait(), Ok(Some(_)));
    let mut text = String::new();
    read.read_to_string(&mut text).map_err(error)?;
    let status = child.wait().map_err(error)?;
    if !unread {
        return Err("it ended before anybody read".to_owned());
    }
    Ended::said(status.code(), &text).check(BATCHES)?;
    Ok(1.into())
}

/// The file system of the output stands still for up to ten seconds, in a namespace of its own.
pub(crate) fn freeze(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let mut draws = attempt.draws();
    let (image, disk) = (attempt.folder.join("image"), attempt.folder.join("disk"));
    fs::create_dir(&disk).expect("a folder");
    let (wait, time) = (draws.between(500, 9_000), draws.between(2_000, 10_000));
    // However it ends, the file system thaws: what waits for it could not even be killed.
    let script = format!(
        "i=$1; d=$2; o=$3; shift 3; \
         truncate -s 32M \"$i\" && mkfs.ext4 -q \"$i\" && mount -o loop \"$i\" \"$d\" || exit 99; \
         trap 'fsfreeze -u \"$d\" 2>/dev/null; wait; umount \"$d\"' EXIT; trap 'exit 98' TERM INT HUP; \
         fsfreeze -f \"$d\" && fsfreeze -u \"$d\" || exit 99; \
         \"$@\" >\"$o\" 2>\"$o.errors\" & p=$!; \
         sleep {:.3}; fsfreeze -f \"$d\"; kill -0 $p && touch \"$o.frozen\"; sleep {:.3}; fsfreeze -u \"$d\"; wait $p",
        wait as f64 / 1e3,
        time as f64 / 1e3,
    );
    let out = attempt.folder.join("out");
    let output = Command::new("unshare")
        .args(["-m", "bash", "-c", &script, "bash"])
        .args([&image, &disk, &out])
        .arg(program().get_program())
        .args(args(attempt, &disk.join("run"), 12))
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let read = |name: &str| fs::read_to_string(attempt.folder.join(name)).unwrap_or_default();
    let (said, errors) = (read("out"), read("out.errors"));
    match output.status.code() {
        Some(1 | 99 | 126 | 127) if said.is_empty() => {
            let why = String::from_utf8_lossy(&output.stderr);
            let why = why.lines().next().unwrap_or("mount or fsfreeze failed");
            return Ok(Tried::Not(format!(
                "no file system can be frozen here: {why}"
            )));
        }
        _ => {}
    }
    let ended = Ended::said(output.status.code(), &format!("{said}{errors}"));
    let checked = ended.check(BATCHES);
    checked.map_err(|why| format!("frozen for {time} ms after {wait} ms: {why}"))?;
    // It may have ended before.
    Ok(u64::from(attempt.folder.join("out.frozen").exists()).into())
}
