//! Rows of replicates that are run at once, brought into order.
//!
//! Tables hold replicate after replicate. The thread that runs the first unfinished one writes its
//! rows as they come and never waits. Rows of later ones are parked, so many at most in all: a
//! thread that would park more waits until its replicate is the first. So what is held is bounded
//! however long the runs are, and somebody always moves.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use results::ResultsError;
use results::runs::{RunChunk, RunFolder};

/// Rows that may be parked: about 200 MB of them.
const MOST_PARKED: usize = 1 << 20;

/// Where the rows go.
pub(super) struct Ordered {
    state: Mutex<State>,
    moved: Condvar,
    most_parked: usize,
}

struct State {
    folder: Option<RunFolder>,
    /// The first replicate that is not finished.
    next: u64,
    /// Replicates from 0 to before this one were begun.
    begun: u64,
    parked: BTreeMap<u64, Parked>,
    parked_rows: usize,
    /// Nothing more is taken in: a table could not be written, or a thread is gone.
    is_broken: bool,
    error: Option<ResultsError>,
}

#[derive(Default)]
struct Parked {
    chunks: Vec<RunChunk>,
    is_finished: bool,
}

/// A replicate under way.
pub(super) struct Turn<'a> {
    ordered: &'a Ordered,
    replicate: u64,
    is_finished: bool,
}

impl Ordered {
    /// Without a folder, rows are not wanted and only the order of replicates is kept.
    pub(super) const fn new(folder: Option<RunFolder>) -> Self {
        Self {
            state: Mutex::new(State {
                folder,
                next: 0,
                begun: 0,
                parked: BTreeMap::new(),
                parked_rows: 0,
                is_broken: false,
                error: None,
            }),
            moved: Condvar::new(),
            most_parked: MOST_PARKED,
        }
    }

    /// Begins a replicate; `None` if it is not to be run any more. Those that are run are all up
    /// to some number: one that was overtaken before the stop is still run after it.
    pub(super) fn begin(&self, replicate: u64, stop: &AtomicBool) -> Option<Turn<'_>> {
        let mut state = self.lock();
        let is_late = stop.load(Ordering::Relaxed) && replicate >= state.begun;
        if is_late || state.is_broken {
            return None;
        }
        state.begun = state.begun.max(replicate + 1);
        Some(Turn {
            ordered: self,
            replicate,
            is_finished: false,
        })
    }

    /// The folder with all replicates that were begun.
    ///
    /// # Errors
    /// The first that went wrong.
    pub(super) fn into_folder(self) -> Result<Option<RunFolder>, ResultsError> {
        let state = self.state.into_inner();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        match state.error {
            Some(error) => Err(error),
            None => Ok(state.folder),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Takes in rows of this replicate.
    pub(super) fn push(&self, chunk: RunChunk) {
        let mut state = self.ordered.lock();
        let (most, rows) = (self.ordered.most_parked, chunk.rows());
        while !state.is_broken && self.replicate != state.next && state.parked_rows + rows > most {
            let waited = self.ordered.moved.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_broken || state.folder.is_none() {
            return;
        }
        if self.replicate == state.next {
            state.write(chunk);
        } else {
            state.parked_rows += rows;
            let parked = state.parked.entry(self.replicate).or_default();
            parked.chunks.push(chunk);
        }
    }

    /// Nothing of this replicate is missing.
    pub(super) fn finish(mut self) {
        self.is_finished = true;
        let mut state = self.ordered.lock();
        let parked = state.parked.entry(self.replicate).or_default();
        parked.is_finished = true;
        state.advance();
        drop(state);
        self.ordered.moved.notify_all();
    }

    /// Nothing can be taken in any more, and why.
    pub(super) fn fail(self, error: ResultsError) {
        self.ordered.lock().error.get_or_insert(error);
        // Dropping it breaks everything off.
    }
}

impl Drop for Turn<'_> {
    /// A replicate that was begun and never finished would let the others wait for good.
    fn drop(&mut self) {
        if !self.is_finished {
            self.ordered.lock().is_broken = true;
            self.ordered.moved.notify_all();
        }
    }
}

impl State {
    /// Moves on to the first replicate that is not finished, and writes what is parked of it.
    fn advance(&mut self) {
        while let Some(parked) = self.parked.get_mut(&self.next) {
            let (chunks, is_finished) = (std::mem::take(&mut parked.chunks), parked.is_finished);
            for chunk in chunks {
                self.parked_rows -= chunk.rows();
                self.write(chunk);
            }
            if !is_finished {
                return;
            }
            self.parked.remove(&self.next);
            self.next += 1;
        }
    }

    fn write(&mut self, chunk: RunChunk) {
        if self.is_broken {
            return;
        }
        if let Some(folder) = &mut self.folder
            && let Err(error) = folder.push(chunk)
        {
            self.error = Some(error);
            self.is_broken = true;
        }
    }
}
