//! The CPU time of calls into a solver library. Wall time would also count other processes.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Runs `call` and says how much CPU time this thread spent in it.
pub(crate) fn cpu_time_of<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let start = thread_cpu_time();
    let value = call();
    (value, thread_cpu_time().saturating_sub(start))
}

/// Zero on a system that does not count it: then nothing is reported, which is the truth.
fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
