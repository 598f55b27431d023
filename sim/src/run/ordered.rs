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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicU64;
    use std::thread;
    use std::time::Duration;

    use results::runs::{Job, RunEnd, RunKey, RunRows, RunsPlan};
    use scheduler::machine::{Config, Ending, Limit, Record, Totals};
    use scheduler::{CycleModel, Instant, Span};

    use super::*;

    const REPLICATES: u64 = 24;

    fn folder(dir: &Path) -> RunFolder {
        let plan = RunsPlan {
            mode: "simulated".to_owned(),
            scenario: "made-up".to_owned(),
            seed: 1,
            replicates: REPLICATES,
            allocators: vec!["exact".to_owned()],
        };
        let job = Job {
            config: Config::new(1, 1, Limit::Cycle(Span::from_secs(1))),
            cycle_model: CycleModel::default(),
            parameter_bytes: 1,
        };
        RunFolder::create(dir, plan, &job, "", true).expect("room")
    }

    /// The chunks of a replicate: some of 8,192 rows, and the rest.
    fn chunks(replicate: u64) -> Vec<RunChunk> {
        let mut rows = RunRows::new(RunKey {
            replicate,
            allocator: 0,
        });
        let mut chunks = Vec::new();
        for row in 0..(replicate * 7_919) % 30_000 {
            let until = Instant::from_nanos(replicate * 1_000_000 + row);
            let why = Ending::Stopped;
            rows.record(Instant::START, &Record::Paused { why, until });
            chunks.extend(rows.take_full());
        }
        let end = RunEnd {
            ending: Ending::Completed,
            totals: Totals::default(),
            ended: Instant::from_nanos(replicate),
            limit: Span::ZERO,
            truth: None,
        };
        chunks.push(rows.finish(end, &[]));
        chunks
    }

    /// Runs all replicates on so many threads that are as slow as they like.
    fn run(dir: &Path, threads: u64, most_parked: usize) -> Ordered {
        let mut ordered = Ordered::new(Some(folder(dir)));
        ordered.most_parked = most_parked;
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let replicate = next.fetch_add(1, Ordering::Relaxed);
                        if replicate >= REPLICATES {
                            break;
                        }
                        let Some(turn) = ordered.begin(replicate, &stop) else {
                            continue;
                        };
                        for chunk in chunks(replicate) {
                            // Those that come first are the slowest.
                            thread::sleep(Duration::from_micros(500 * (11 - replicate % 12)));
                            turn.push(chunk);
                            let state = ordered.lock();
                            assert!(state.parked_rows <= most_parked, "{}", state.parked_rows);
                        }
                        turn.finish();
                    }
                });
            }
        });
        ordered
    }

    #[test]
    fn rows_come_in_order_however_little_may_be_parked() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let bytes = |threads, most_parked| {
            let ordered = run(dir.path(), threads, most_parked);
            let folder = ordered.into_folder().expect("room").expect("it was given");
            assert_eq!(folder.finished(), REPLICATES);
            folder.finish(Default::default).expect("room");
            std::fs::read(dir.path().join("history.parquet")).expect("it was written")
        };
        let alone = bytes(1, 0);
        for most_parked in [0, 10_000, MOST_PARKED] {
            assert!(bytes(4, most_parked) == alone, "{most_parked} parked rows");
        }
    }

    /// However the stop falls, what was begun is a row from 0 on: nobody waits for a gap.
    #[test]
    fn after_a_stop_no_replicate_is_missing_before_another() {
        let ordered = Ordered::new(None);
        let (go, stop) = (AtomicBool::new(false), AtomicBool::new(true));
        let begin = |replicate, stop| ordered.begin(replicate, stop).map(Turn::finish).is_some();
        assert!(begin(0, &go));
        assert!(begin(2, &go));
        assert!(begin(1, &stop), "it was overtaken");
        assert!(!begin(3, &stop));
        assert_eq!(ordered.lock().next, 3);
    }

    #[test]
    fn a_thread_that_dies_leaves_nobody_waiting() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut ordered = Ordered::new(Some(folder(dir.path())));
        ordered.most_parked = 0;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let first = ordered.begin(0, &stop).expect("nothing is wrong yet");
            let second = ordered.begin(1, &stop).expect("nothing is wrong yet");
            let waits = scope.spawn(|| {
                chunks(1).into_iter().for_each(|chunk| second.push(chunk));
                second.finish();
            });
            thread::sleep(Duration::from_millis(20));
            assert!(!waits.is_finished());
            drop(first);
        });
        assert!(ordered.begin(2, &stop).is_none());
    }
}
