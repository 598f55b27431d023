//! What this process and its children have used of the machine.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Map, Value, json};

/// How often memory is looked at: adding up the pages of a process takes the kernel a while.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// When a command began, on every clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    clock: Instant,
    date: SystemTime,
    cpu: CpuWatch,
}

impl Started {
    pub(crate) fn now() -> Self {
        Self {
            clock: Instant::now(),
            date: SystemTime::now(),
            cpu: CpuWatch::start(),
        }
    }

    pub(crate) fn wall(&self) -> Duration {
        self.clock.elapsed()
    }

    pub(crate) fn cpu(&self) -> Duration {
        self.cpu.elapsed()
    }

    /// What `run.json` says of every command: enough to run the same again, and what it took.
    pub(crate) fn record(&self, threads: usize, memory: &MemoryWatch) -> Map<String, Value> {
        let seconds = |duration: Duration| (duration.as_secs_f64() * 1e3).round() / 1e3;
        let date = self.date.duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = json!({
            "command_line": console::command_line(),
            "version": env!("CARGO_PKG_VERSION"),
            "machine": results::machine(),
            "threads": threads,
            "started_unix_s": date.as_secs(),
            "wall_s": seconds(self.wall()),
            "cpu_s": seconds(self.cpu()),
            "peak_memory_bytes": memory.peak(),
        });
        record.as_object().cloned().unwrap_or_default()
    }
}

/// CPU time from a moment on.
///
/// What the process has on its account when it starts is not ours: a script that compiles us and
/// then becomes us leaves its children's time behind.
#[derive(Clone, Copy, Debug)]
struct CpuWatch(Duration);

impl CpuWatch {
    fn start() -> Self {
        Self(cpu_time())
    }

    /// Since the start, of this process and of the children that have ended.
    fn elapsed(self) -> Duration {
        cpu_time().saturating_sub(self.0)
    }
}

fn cpu_time() -> Duration {
    let of = |who| {
        getrusage(who).map_or(0, |usage| {
            (usage.user_time() + usage.system_time()).num_microseconds()
        })
    };
    let micros = of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN);
    Duration::from_micros(micros.try_into().unwrap_or(0))
}

/// Watches the memory of this process and its children together, until it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MemoryWatch {
    pub(crate) fn start() -> Self {
        let peak = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("memory-watch".into()).spawn({
            let (peak, stop) = (Arc::clone(&peak), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    peak.fetch_max(proportional_set_size(), Ordering::Relaxed);
                    thread::park_timeout(SAMPLE_EVERY);
                }
            }
        });
        Self {
            peak,
            stop,
            thread: thread.ok(), // without it there is no figure, and the run goes on
        }
    }

    /// The most bytes seen at once; `None` where the system does not tell.
    pub(crate) fn peak(&self) -> Option<u64> {
        self.peak
            .fetch_max(proportional_set_size(), Ordering::Relaxed);
        match self.peak.load(Ordering::Relaxed) {
            0 => None,
            peak => Some(peak),
        }
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It holds nothing that could be lost if it panicked.
            let _ = thread.join();
        }
    }
}

/// Bytes of this process and its children, shared pages counted once in all.
fn proportional_set_size() -> u64 {
    let own = std::process::id();
    let of = |pid: u32| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find(|line| line.starts_with("Pss:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        1024 * kibibytes.unwrap_or(0_u64)
    };
    of(own) + children(own).into_iter().map(of).sum::<u64>()
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        // The name in parentheses may hold anything; state and parent follow it.
        fs::read_to_string(format!("/proc/{pid}/stat"))
            .ok()
            .and_then(|stat| {
                let (_, after_name) = stat.rsplit_once(')')?;
                after_name.split_whitespace().nth(1)?.parse::<u32>().ok()
            })
            == Some(parent)
    })
    .collect()
}
