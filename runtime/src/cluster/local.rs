//! Local workers: processes of this very program.
//!
//! Each gets the token over its standard input, which stays open: a worker ends when it closes,
//! so none outlives the orchestrator, however that ends.
//!
//! **What it does not know:** what workers do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use console::note;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::data::DataSource;
use crate::files;
use crate::net::Token;
use crate::train::DeviceChoice;
use crate::trainer::TrainerCommand;
use crate::trainer::pace::Fraction;

/// How long workers have to end by themselves, all together.
const END_WITHIN: Duration = Duration::from_secs(1);

/// The worker processes of this machine. Those that are left are killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Locals {
    workers: Vec<Local>,
    /// Holds their keys; removed at the end.
    state: Scratch,
}

#[derive(Debug)]
struct Local {
    id: Option<u32>,
    stdin: ChildStdin,
    /// Sends the time by which the worker must have ended to the task that watches it.
    ends: oneshot::Sender<Instant>,
    watch: JoinHandle<()>,
}

/// The folder of this program's keys, to be removed however it ends.
static SCRATCH: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Removes what this program leaves to nobody: for an end without unwinding.
pub(crate) fn remove_scratch() {
    let mut scratch = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = scratch.take() {
        let _ = fs::remove_dir_all(path); // as below
    }
}

/// Removes the folders of keys that killed programs left behind.
pub(crate) fn remove_left_behind() {
    remove_those_of_the_dead(&std::env::temp_dir());
}

fn remove_those_of_the_dead(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| {
            let (id, attempt) = name.strip_prefix("allot-")?.split_once('-')?;
            let _: u32 = attempt.parse().ok()?;
            id.parse::<u32>().ok()
        });
        let is_dead =
            |id| Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{id}")).exists();
        // Its lock tells of a program that another container runs: its number is not known here.
        if id.is_some_and(is_dead) && matches!(files::lock_folder(&entry.path()), Ok(Some(_))) {
            // One of another user stays.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A folder for this run alone.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    _lock: fs::File,
}

impl Scratch {
    /// Makes one that no other user can read.
    pub(crate) fn new() -> io::Result<Self> {
        let base = std::env::temp_dir();
        for attempt in 0..1_000_u32 {
            let path = base.join(format!("allot-{}-{attempt}", std::process::id()));
            let mut builder = fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            match builder.create(&path) {
                Ok(()) => {
                    let Ok(Some(lock)) = files::lock_folder(&path) else {
                        continue; // somebody took it for one that was left behind
                    };
                    let mut scratch = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner);
                    *scratch = Some(path.clone());
                    return Ok(Self { path, _lock: lock });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's folder of temporary files.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The fraction of full speed of each worker by default: falling, so that the last runs at two fifths
/// of the first. Together they leave a tenth of the machine's cores idle, for the orchestrator, and
/// so that they do not wait for one another while they are measured.
pub(crate) fn throttles(count: u32, cores: usize) -> Vec<Fraction> {
    let last = f64::from(count.saturating_sub(1)).max(1.0);
    let falling = |place: u32| 1.0 - 0.6 * f64::from(place) / last;
    let all: f64 = (0..count).map(falling).sum();
    let there = cores as f64 * 0.9;
    let scale = f64::min(1.0, there / all);
    // Two places are enough, and easy to type.
    let throttle = |place| (falling(place) * scale * 100.0).round() / 100.0;
    (0..count)
        .map(|place| Fraction::of(f64::max(throttle(place), 0.01)))
        .collect()
}

impl Locals {
    /// Starts a worker for each name.
    pub(crate) async fn start(
        state: Scratch,
        names: &[String],
        throttles: &[Fraction],
        (device, trainer): (DeviceChoice, Option<&TrainerCommand>),
        data: Option<&DataSource>,
        token: &Token,
    ) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let mut workers = Vec::new();
        for (number, (name, throttle)) in names.iter().zip(throttles).enumerate() {
            let trainer = trainer.map(|trainer| format!("--trainer={trainer}"));
            let data = data.map(|data| format!("--data={data}"));
            let mut child = Command::new(&program)
                .args(["worker", "--with-parent", &format!("--name={name}")])
                .args(["--throttle", &throttle.to_string()])
                .args(["--device", &device.to_string()])
                .args(trainer)
                .args(data)
                .arg("--state")
                .arg(state.path().join(number.to_string())) // a name is no path
                .env_remove("ALLOT_JOIN")
                .env("OMP_NUM_THREADS", "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()?;
            let stdin = child.stdin.take();
            let mut stdin = stdin.ok_or_else(|| io::Error::other("a worker has no input"))?;
            stdin.write_all(format!("{token}\n").as_bytes()).await?;
            stdin.flush().await?;
            let (ends, told) = oneshot::channel();
            workers.push(Local {
                id: child.id(),
                stdin,
                ends,
                watch: tokio::spawn(watch(name.clone(), child, told)),
            });
        }
        Ok(Self { workers, state })
    }

    /// Their process ids, in the order of their names.
    pub(crate) fn ids(&self) -> Vec<Option<u32>> {
        self.workers.iter().map(|worker| worker.id).collect()
    }

    /// Waits until they end, and kills those that do not. Gives the folder of their keys.
    pub(crate) async fn end(self) -> Scratch {
        let until = Instant::now() + END_WITHIN;
        let mut watches = Vec::new();
        for worker in self.workers {
            let _ = worker.ends.send(until); // it may have ended
            drop(worker.stdin); // which tells it
            watches.push(worker.watch);
        }
        for watch in watches {
            let _ = watch.await;
        }
        self.state
    }
}

/// Waits for a worker's end, and says so if nobody wanted it.
async fn watch(name: String, mut child: Child, mut told: oneshot::Receiver<Instant>) {
    let until = tokio::select! {
        until = &mut told => until,
        ended = child.wait() => {
            let how = match ended {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            note!("{name}, a worker of this machine, has ended: {how}");
            return;
        }
    };
    let until = until.unwrap_or_else(|_| Instant::now());
    if timeout_at(until, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_dead_are_removed_and_no_others() {
        let base = tempfile::tempdir().expect("a folder");
        let own = format!("allot-{}-0", std::process::id());
        let dead = format!("allot-{}-3", u32::MAX); // more than any process has
        let locked = dead.replace("-3", "-4");
        for name in [&own, &dead, &locked, "allot-1x-0", "allot-1", "another"] {
            fs::create_dir(base.path().join(name)).expect("made");
        }
        let lock = files::lock_folder(&base.path().join(&locked)).expect("opens");
        remove_those_of_the_dead(base.path());
        let there = |name: &str| base.path().join(name).exists();
        assert!(there(&own) && there("allot-1x-0") && there("allot-1") && there("another"));
        assert!(
            lock.is_some() && there(&locked),
            "another container runs it"
        );
        assert!(!there(&dead) || !Path::new("/proc/self").exists());
    }

    #[test]
    fn workers_of_one_machine_leave_it_some_room() {
        let check = |count, cores, expected: &[&str]| {
            let found: Vec<String> = throttles(count, cores)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(found, expected, "{count} on {cores}");
        };
        check(1, 1, &["0.9"]);
        check(1, 8, &["1"]);
        check(4, 16, &["1", "0.8", "0.6", "0.4"]);
        check(4, 2, &["0.64", "0.51", "0.39", "0.26"]);
        check(2, 2, &["1", "0.4"]);
        assert!(
            throttles(64, 1)
                .iter()
                .all(|f| *f == Fraction::of(0.02) || *f == Fraction::of(0.01))
        );
    }
}
