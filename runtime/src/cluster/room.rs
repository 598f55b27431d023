//! What a run does while its disk is full: it waits for room, and says so once.
//!
//! While cycles run, what is to be written waits in its queue, for as long as there is no room. After
//! the end the results are waited for in bounded time, or until the user asks to stop.
//!
//! **What it does not know:** what is written.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use console::note;
use results::Patience;

use crate::interrupt;

/// Between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// After the end of a run. Somebody may be called to free space, or come back from lunch.
const WITHIN: Duration = Duration::from_secs(15 * 60);

/// Whether the disk of a run has room, as its writers see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The user was told that there is none.
    is_told: bool,
    /// When the run was over, and how often the user had asked to stop by then.
    over: Option<(Instant, u32)>,
}

impl Room {
    /// For writers: they try again while there may be room.
    pub(crate) fn patience(&self) -> Patience {
        let room = self.clone();
        Patience::new(move |path, error| room.may_come(path, error))
    }

    /// The run is over: from now on patience is bounded.
    pub(crate) fn is_over(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.over = Some((Instant::now(), interrupt::asked()));
    }

    fn may_come(&self, path: &Path, error: &io::Error) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        if !full.contains(&error.kind()) {
            return false;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, asked)) = state.over
            && (since.elapsed() > WITHIN || interrupt::asked() > asked)
        {
            return false;
        }
        if !state.is_told {
            state.is_told = true;
            let path = path.display();
            note!("{path} cannot be written: {error}; free some space, it is tried again");
        }
        drop(state);
        thread::sleep(AGAIN_AFTER);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_disk_is_worth_waiting_for() {
        let room = Room::default();
        let path = Path::new("a-file");
        assert!(room.may_come(path, &io::ErrorKind::StorageFull.into()));
        assert!(!room.may_come(path, &io::ErrorKind::PermissionDenied.into()));
        room.is_over();
        assert!(room.may_come(path, &io::ErrorKind::QuotaExceeded.into()));
        interrupt::count();
        assert!(!room.may_come(path, &io::ErrorKind::StorageFull.into()));
    }
}
