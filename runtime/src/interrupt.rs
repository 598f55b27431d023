//! What asks the program to end: Ctrl-C, and the SIGTERM of service managers.
//!
//! **What it does not know:** how it ends.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

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
    terminate: tokio::signal::unix::Signal,
}

impl Interrupts {
    /// Begins to listen.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    /// The next one.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Interrupt {
        tokio::select! {
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
