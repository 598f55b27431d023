//! What asks the program to end: Ctrl-C, the SIGTERM of service managers, the SIGHUP of a terminal that
//! is gone, and the other signals that end a program.
//!
//! **What it does not know:** how it ends.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};
#[cfg(unix)]
use tokio::sync::mpsc;

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
    /// A service manager, which takes another end than a clean one for a failure, or another signal.
    Terminate,
}

/// From here on none of these ends the process by itself.
#[derive(Debug)]
pub(crate) struct Interrupts {
    /// Signals that ask for an end.
    #[cfg(unix)]
    ends: mpsc::Receiver<()>,
}

/// Signals that end a program which does not listen: what it holds, such as keys, would be left behind.
#[cfg(unix)]
const ENDS: [fn() -> SignalKind; 6] = [
    SignalKind::terminate,
    SignalKind::hangup,
    SignalKind::quit,
    SignalKind::user_defined1,
    SignalKind::user_defined2,
    SignalKind::alarm,
];

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
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        let (tell, ends) = mpsc::channel(8);
        for kind in ENDS.map(|kind| kind()) {
            // Under `nohup` a terminal that is gone is nothing to end for.
            if kind == SignalKind::hangup() && is_hangup_ignored() {
                continue;
            }
            let (mut signal, tell) = (signal(kind)?, tell.clone());
            tokio::spawn(async move {
                while signal.recv().await.is_some() && tell.send(()).await.is_ok() {}
            });
        }
        Ok(Self { ends })
    }

    /// Begins to listen.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The next one.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Interrupt {
        tokio::select! {
            Some(()) = self.ends.recv() => Interrupt::Terminate,
            Ok(()) = tokio::signal::ctrl_c() => Interrupt::CtrlC,
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
