//! What asks the program to end: Ctrl-C, the SIGTERM of service managers, and the SIGHUP of a
//! terminal that is gone.
//!
//! **What it does not know:** how it ends.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often the user of an orchestrator asked it to stop.
static ASKED: AtomicU32 = AtomicU32::new(0);

/// How often it was asked to stop so far.
pub(crate) fn asked() -> u32 {
    ASKED.load(Ordering::Relaxed)
}

/// It was asked once more.
pub(crate) fn count() {
    ASKED.fetch_add(1, Ordering::Relaxed);
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Somebody at a terminal.
    CtrlC,
    /// A service manager, which takes another end than a clean one for a failure.
    Terminate,
}

/// From here on neither ends the process by itself.
#[derive(Debug)]
pub(crate) struct Interrupts {
    #[cfg(unix)]
    terminate: Signal,
    /// The terminal is gone. Under `nohup` that is nothing to end for.
    #[cfg(unix)]
    hangup: Option<Signal>,
}

/// Whether this program was started to survive its terminal.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 != 0) // of signal 1
}

impl Interrupts {
    /// Begins to listen.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
            #[cfg(unix)]
            hangup: match is_hangup_ignored() {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
        })
    }

    /// The next one.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Interrupt {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(()) = hangup => Interrupt::Terminate,
            Ok(()) = tokio::signal::ctrl_c() => Interrupt::CtrlC,
            Some(()) = self.terminate.recv() => Interrupt::Terminate,
            else => std::future::pending().await,
        }
    }

    /// The next one.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Interrupt {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Interrupt::CtrlC,
            Err(_) => std::future::pending().await,
        }
    }
}
