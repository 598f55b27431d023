//! Standard output and error for a program that must never wait for their readers.
//!
//! A terminal that is stopped with Ctrl-S, a pipe whose reader is busy, a disk that hangs: each makes
//! a write wait for as long as it likes. After [`never_wait`] both streams have a queue and a thread
//! of their own. A line for which the queue has no room is dropped and counted, and the next one that
//! is written stands behind a line that says how many are missing.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Pieces of text that may wait.
const WAITING: usize = 1 << 14;

static OUT: OnceLock<Lines> = OnceLock::new();
static ERR: OnceLock<Lines> = OnceLock::new();

/// From here on nothing that is printed or noted waits for a reader. [`finish`] does.
///
/// # Errors
/// When a thread cannot be started.
pub fn never_wait() -> io::Result<()> {
    // Standard output is for lines of JSON wherever lines come one by one.
    let missing = |lines| format!("{{\"event\":\"lines_lost\",\"lines\":{lines}}}\n");
    let out = Lines::start("standard output", io::stdout(), WAITING, missing)?;
    let missing = |lines| {
        format!("{lines} messages are missing here: standard error took none for a while\n")
    };
    let err = Lines::start("standard error", io::stderr(), WAITING, missing)?;
    let _ = (OUT.set(out), ERR.set(err)); // a second call changes nothing
    Ok(())
}

/// Waits until everything is written; of standard error, for this time at most.
///
/// # Errors
/// The first error of standard output.
pub fn finish(messages_within: Duration) -> io::Result<()> {
    let written = OUT.get().map_or(Ok(()), |out| out.finish(None));
    if let Some(err) = ERR.get() {
        let _ = err.finish(Some(messages_within)); // there is nobody to tell
    }
    written
}

/// The queue of standard output, if there is one.
pub(crate) fn out() -> Option<&'static Lines> {
    OUT.get()
}

/// The queue of standard error, if there is one.
pub(crate) fn err() -> Option<&'static Lines> {
    ERR.get()
}

/// A stream behind a queue.
pub(crate) struct Lines {
    queue: SyncSender<Vec<u8>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Pieces for which there was no room, and that no line has told of yet.
    lost: AtomicU64,
    progress: Mutex<Progress>,
    moved: Condvar,
}

#[derive(Default)]
struct Progress {
    /// Pieces that were put into the queue and not yet written.
    waiting: u64,
    failed: Option<io::Error>,
}

impl State {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn start(
        name: &str,
        to: impl Write + Send + 'static,
        room: usize,
        missing: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, pieces) = sync_channel(room);
        let state = Arc::new(State::default());
        let of = Arc::clone(&state);
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || write(&pieces, to, &of, &missing))?;
        Ok(Self { queue, state })
    }

    /// Adds a piece of text, if there is room.
    pub(crate) fn offer(&self, piece: &[u8]) {
        self.state.progress().waiting += 1;
        match self.queue.try_send(piece.to_vec()) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.state.progress().waiting -= 1;
                self.state.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Adds a piece of text that must not be lost: waits until there is room.
    pub(crate) fn insist(&self, piece: &[u8]) {
        self.state.progress().waiting += 1;
        if self.queue.send(piece.to_vec()).is_err() {
            self.state.progress().waiting -= 1;
        }
    }

    fn finish(&self, within: Option<Duration>) -> io::Result<()> {
        let until = within.map(|within| Instant::now() + within);
        let mut progress = self.state.progress();
        while progress.waiting > 0 {
            let left = match until {
                None => Duration::from_secs(1),
                Some(until) => until.saturating_duration_since(Instant::now()),
            };
            if left.is_zero() {
                break;
            }
            let waited = self.state.moved.wait_timeout(progress, left);
            progress = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        progress.failed.take().map_or(Ok(()), Err)
    }
}

/// The thread of a stream.
fn write(
    pieces: &Receiver<Vec<u8>>,
    mut to: impl Write,
    state: &State,
    missing: &impl Fn(u64) -> String,
) {
    while let Ok(piece) = pieces.recv() {
        let lost = state.lost.swap(0, Ordering::Relaxed);
        let told = if lost > 0 {
            to.write_all(missing(lost).as_bytes())
        } else {
            Ok(())
        };
        let written = told
            .and_then(|()| to.write_all(&piece))
            .and_then(|()| to.flush());
        let mut progress = state.progress();
        progress.waiting -= 1;
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            progress.failed.get_or_insert(error);
        }
        drop(progress);
        state.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// Accepts one write for each turn that the test gives it.
    struct Reader {
        turns: Receiver<()>,
        taken: Sender<String>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Without turns it takes everything.
            let _ = self.turns.recv();
            let _ = self.taken.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_that_does_not_read_and_what_is_lost_is_counted() {
        let (turn, turns) = channel();
        let (taken, read) = channel();
        let reader = Reader { turns, taken };
        let missing = |lost| format!("{lost} lost\n");
        let lines = Lines::start("a test", reader, 4, missing).expect("a thread");
        for number in 0..100 {
            lines.offer(format!("{number}\n").as_bytes());
        }
        // The reader holds one piece and the queue four: this is what there is room for.
        let kept = lines.state.progress().waiting;
        assert!((4..=5).contains(&kept), "{kept}");
        let impatient = lines.finish(Some(Duration::ZERO));
        impatient.expect("nothing failed");
        drop(turn);
        lines.finish(None).expect("nothing failed");
        lines.offer(b"last\n");
        lines.finish(None).expect("nothing failed");
        let read: Vec<String> = read.try_iter().collect();
        let lost = format!("{} lost\n", 100 - kept);
        assert_eq!(
            read.iter().filter(|line| **line == lost).count(),
            1,
            "{read:?}"
        );
        let kept: Vec<&String> = read.iter().filter(|line| **line != lost).collect();
        assert_eq!(kept[0], "0\n");
        assert_eq!(kept[kept.len() - 1], "last\n");
        assert_eq!(lines.state.progress().waiting, 0);
    }

    #[test]
    fn what_must_not_be_lost_waits_for_room_and_an_error_is_reported_once() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::start("a test", Full, 1, |_| String::new()).expect("a thread");
        for _ in 0..10 {
            lines.insist(b"a line\n");
        }
        let failed = lines.finish(None).expect_err("the disk is full");
        assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
        assert!(lines.finish(None).is_ok(), "it was said");
    }
}
