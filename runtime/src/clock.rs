//! The one clock of a run: nanoseconds since it began, from the machine's monotonic clock.
//!
//! **What it does not know:** what time of day it is, and other machines' clocks.

use std::time::{Duration, Instant as Moment};

use scheduler::{Instant, Span};

/// When a run began, on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: Moment,
}

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self {
            began: Moment::now(),
        }
    }

    /// Time since the run began.
    pub(crate) fn now(&self) -> Instant {
        Instant::from_nanos(nanos(self.began.elapsed()))
    }

    /// When to wake for a moment of the run: then, or in an hour, since the machine's clock ends
    /// before the run's does. The caller that wakes early waits again.
    pub(crate) fn wake(&self, at: Instant) -> tokio::time::Instant {
        let left = at.since(self.now()).nanos();
        tokio::time::Instant::now() + Duration::from_nanos(left.min(3_600_000_000_000))
    }
}

/// The time that all threads of this process have had on processors.
pub(crate) fn processor_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

/// A duration in nanoseconds; the largest there is after 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A duration as the scheduler counts it.
pub(crate) fn span(duration: Duration) -> Span {
    Span::from_nanos(nanos(duration))
}
