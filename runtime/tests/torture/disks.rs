//! Output that cannot be written: full and broken pipes and disks.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::program;
use crate::job::{Ended, Job};
use crate::resumes::{args, compare, undisturbed};
use crate::{Attempt, Tried};

/// Words that are lost change nothing else.
pub(crate) fn lose_words(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let (whole, plan) = undisturbed(attempt.shared)?;
    let folder = attempt.folder.join("run");
    let full = || fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = program();
    command
        .args(args(&folder, Some(&plan)))
        .stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let kind = attempt.draws().between(0, 3);
    if kind != 0 {
        command.stderr(full().map_err(|error| error.to_string())?);
    }
    if kind > 1 {
        command.stdout(full().map_err(|error| error.to_string())?);
    }
    if kind == 0 {
        // Nobody reads it.
        command.stderr(Stdio::piped());
    }
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let status = child.wait().map_err(|error| error.to_string())?;
    // Results that cannot be printed are a failure of the machine, other words are not.
    let expected = if kind > 1 { 5 } else { 0 };
    if status.code() != Some(expected) {
        return Err(format!("code {:?}, expected {expected}", status.code()));
    }
    let ended = Ended::of(Some(0));
    compare(&ended, &folder, &whole).map(|()| 1.into())
}

/// A small disk: what was written stays whole, and goes on once there is room. It needs a namespace of its
/// own, for which only root is sure to be let.
pub(crate) fn fill_disk(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let (whole, plan) = undisturbed(attempt.shared)?;
    let (disk, kept) = (attempt.folder.join("disk"), attempt.folder.join("run"));
    fs::create_dir(&disk).expect("a folder");
    let kilobytes = attempt.draws().between(8, 400);
    // The run waits for room, so it is stopped; then everything is copied to where there is room.
    let script = format!(
        "mount -t tmpfs -o size={kilobytes}k tmpfs \"$1\" || exit 99; d=$1; k=$2; shift 2; \
         timeout --preserve-status -s INT -k 30 12 \"$@\" >/dev/null 2>\"$k.errors\"; code=$?; \
         cp -r \"$d/run\" \"$k\" 2>/dev/null; exit $code"
    );
    let status = Command::new("unshare")
        .args(["-m", "sh", "-c", &script, "sh"])
        .args([&disk, &kept])
        .arg(program().get_program())
        .args(args(&disk.join("run"), Some(&plan)))
        .stdin(Stdio::null())
        .status();
    let errors = fs::read_to_string(attempt.folder.join("run.errors")).unwrap_or_default();
    if errors.contains("panicked") {
        return Err(format!("with {kilobytes} KB it panics: {errors}"));
    }
    match status.map_err(|error| error.to_string())?.code() {
        Some(1 | 99 | 125..=127) if errors.is_empty() => {
            return Ok(Tried::Not(
                "this system lets nobody mount a disk here".to_owned(),
            ));
        }
        Some(0 | 3 | 5 | 130) => {}
        code => {
            return Err(format!(
                "with {kilobytes} KB it ends with {code:?}: {errors}"
            ));
        }
    }
    if !whole_or_none(&kept.join("checkpoint.safetensors")) {
        return Err(format!("with {kilobytes} KB the checkpoint is not whole"));
    }
    let again = if kept.join("command.json").exists() {
        ["cluster", "--json", "--resume", &kept.display().to_string()]
            .map(str::to_owned)
            .to_vec()
    } else {
        let _ = fs::remove_dir_all(&kept);
        args(&kept, Some(&plan))
    };
    let ended = Job::start(&again, &attempt.folder, 0).end()?;
    let compared = compare(&ended, &kept, &whole).map(|()| 1.into());
    compared.map_err(|why| format!("with {kilobytes} KB, then room: {why}; {errors}"))
}

/// A safetensors file says how long it is.
fn whole_or_none(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else {
        return true;
    };
    safetensors::SafeTensors::deserialize(&bytes).is_ok()
}
