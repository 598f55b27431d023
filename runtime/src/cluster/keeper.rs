//! What is written down of a run while it runs: the log of events, tables, times, judgements and
//! checkpoints, by one thread of its own, so that no cycle waits for the disk.
//!
//! What is to be written goes there through a bounded queue. If the disk takes nothing for so long
//! that the queue is full, what follows is lost and counted: the log and the tables end there, since
//! what has gaps would be wrong, and say so at the end of the run.
//!
//! **What it does not know:** the network, what is decided, and what is shown.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use console::note;
use results::Patience;
use results::event_log::EventFile;
use scheduler::Instant;
use scheduler::machine::{Config, Event, Record, WorkerId};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::compute_times::ComputeTimes;
use super::history::Replayed;
use super::judgements::Judgements;
use super::names::Names;
use super::room::Room;
use super::tables::Tables;
use crate::orchestrator::Checkpoint;
use crate::train::Evaluation;

/// Entries that may wait: minutes of a large run, in some 20 MB.
const WAITING: usize = 1 << 17;

/// The way to the thread that writes.
pub(crate) struct Keeper {
    queue: mpsc::Sender<Entry>,
    /// The newest checkpoint that waits: of a model there is one copy, however slow the disk is.
    newest: Arc<Mutex<Option<Checkpoint>>>,
    thread: JoinHandle<Kept>,
    room: Room,
    /// Entries for which there was no room.
    lost: u64,
}

enum Entry {
    Begins(Box<Config>),
    Event(Instant, Box<Event>),
    Named(WorkerId, String),
    Record(Instant, Box<Record>),
    /// Of a cycle that is run again: what is owed for it stands in the tables.
    Bill(Instant, Box<Record>),
    Judged(u32, Evaluation),
    /// A checkpoint of this cycle waits, and its events and records are before this.
    Checkpoint(u32),
}

/// What was kept, at the end of a run.
pub(crate) struct Kept {
    pub(crate) tables: Option<Tables>,
    pub(crate) judgements: Judgements,
    pub(crate) times: ComputeTimes,
    /// The first thing that could not be kept.
    pub(crate) broken: Option<String>,
}

impl Keeper {
    /// Starts the thread for a folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(
        folder: &Path,
        tables: Tables,
        judgements: Judgements,
        times: ComputeTimes,
        names: Names,
        room: &Room,
    ) -> std::io::Result<Self> {
        let (queue, mut entries) = mpsc::channel(WAITING);
        let newest = Arc::new(Mutex::new(None));
        let mut writer = Writer {
            folder: folder.to_owned(),
            patience: room.patience(),
            log: None,
            names,
            newest: Arc::clone(&newest),
            unwritten: None,
            kept: Kept {
                tables: Some(tables),
                judgements,
                times,
                broken: None,
            },
        };
        let write = move || {
            crate::trainer::give_way(); // it has the whole run for it
            while let Some(entry) = entries.blocking_recv() {
                writer.write(entry);
                if entries.is_empty() {
                    writer.flush_log(); // what is owed outlives this process
                }
            }
            writer.finish()
        };
        let thread = thread::Builder::new().name("keeper".to_owned());
        Ok(Self {
            queue,
            newest,
            thread: thread.spawn(write)?,
            room: room.clone(),
            lost: 0,
        })
    }

    pub(crate) fn begins(&mut self, config: &Config) {
        self.add(Entry::Begins(Box::new(config.clone())));
    }

    pub(crate) fn event(&mut self, now: Instant, event: &Event) {
        self.add(Entry::Event(now, Box::new(event.clone())));
    }

    /// A worker's name, before its records.
    pub(crate) fn named(&mut self, worker: WorkerId, name: &str) {
        self.add(Entry::Named(worker, name.to_owned()));
    }

    pub(crate) fn record(&mut self, at: Instant, record: &Record) {
        self.add(Entry::Record(at, Box::new(record.clone())));
    }

    /// Adds a record of an earlier part of the run; waits until there is room.
    pub(crate) fn replay(&mut self, at: Instant, record: &Record, kept: Replayed) {
        let record = Box::new(record.clone());
        let mut entry = match kept {
            Replayed::Whole => Entry::Record(at, record),
            Replayed::Bill => Entry::Bill(at, record),
        };
        while let Err(TrySendError::Full(back)) = self.queue.try_send(entry) {
            thread::sleep(Duration::from_millis(1));
            entry = back;
        }
    }

    pub(crate) fn judged(&mut self, cycle: u32, judged: &Evaluation) {
        let _ = self.queue.try_send(Entry::Judged(cycle, judged.clone())); // one less is no gap
    }

    pub(crate) fn checkpoint(&mut self, checkpoint: Checkpoint) {
        let cycle = checkpoint.cycle;
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint);
        let _ = self.queue.try_send(Entry::Checkpoint(cycle)); // else the next one has its turn
    }

    /// Waits until all is written, or for good cannot be.
    pub(crate) fn finish(self) -> Kept {
        self.room.is_over();
        drop(self.queue);
        let mut kept = match self.thread.join() {
            Ok(kept) => kept,
            Err(panic) => std::panic::resume_unwind(panic), // a bug of ours, told by itself
        };
        if self.lost > 0 {
            kept.tables = None;
            let lost = self.lost;
            kept.broken.get_or_insert_with(|| {
                format!("the disk took nothing for too long: {lost} events and rows are lost")
            });
        }
        kept
    }

    fn add(&mut self, entry: Entry) {
        // What comes after a gap is of no use.
        if self.lost > 0 || self.queue.try_send(entry).is_err() {
            self.lost += 1;
        }
    }
}

/// On the thread.
struct Writer {
    folder: PathBuf,
    patience: Patience,
    log: Option<EventFile>,
    names: Names,
    newest: Arc<Mutex<Option<Checkpoint>>>,
    /// The last checkpoint, if it could not be written.
    unwritten: Option<(Checkpoint, String)>,
    kept: Kept,
}

impl Writer {
    fn write(&mut self, entry: Entry) {
        match entry {
            Entry::Begins(config) => {
                let events = self.kept.tables.as_ref().map(|tables| &tables.events);
                match events.map(|path| EventFile::kept(path, &config, &self.patience)) {
                    Some(Ok(log)) => self.log = Some(log),
                    Some(Err(error)) => self.breaks(&error.to_string()),
                    None => {}
                }
            }
            Entry::Event(now, event) => {
                if let Some(log) = &mut self.log
                    && let Err(error) = log.append(now, &event)
                {
                    self.log = None; // as far as it was written it stays
                    self.breaks(&error.to_string());
                }
            }
            Entry::Named(worker, name) => {
                if let Some(tables) = &mut self.kept.tables {
                    tables.named(worker, &name);
                }
                if let Err(error) = self.names.add(worker, &name) {
                    self.breaks(&format!("the names of workers cannot be kept: {error}"));
                }
            }
            Entry::Bill(at, record) => self.tables(at, &record),
            Entry::Record(at, record) => {
                self.tables(at, &record);
                if let Err(error) = self.kept.times.record(&record) {
                    self.breaks(&format!("the times of computing cannot be kept: {error}"));
                }
            }
            Entry::Judged(cycle, judged) => {
                let Kept { judgements, .. } = &mut self.kept;
                let path = self.folder.join(super::judgements::FILE);
                let added = self.patience.with(&path, || judgements.add(cycle, &judged));
                if let Err(error) = added {
                    self.breaks(&format!("judgements cannot be kept: {error}"));
                }
            }
            Entry::Checkpoint(cycle) => self.checkpoint(cycle),
        }
    }

    fn flush_log(&mut self) {
        if let Some(log) = &mut self.log
            && let Err(error) = log.flush()
        {
            self.log = None;
            self.breaks(&error.to_string());
        }
    }

    fn tables(&mut self, at: Instant, record: &Record) {
        if let Some(tables) = &mut self.kept.tables
            && let Err(error) = tables.record(at, record)
        {
            self.kept.tables = None;
            self.breaks(&error.to_string());
        }
    }

    /// Writes the checkpoint that waits, unless it is of a later cycle than what is in the log.
    fn checkpoint(&mut self, cycle: u32) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = newest.take_if(|checkpoint| checkpoint.cycle <= cycle);
        drop(newest);
        let Some(checkpoint) = waits else { return };
        // The log must have this cycle whenever the checkpoint has it.
        self.flush_log();
        let before = self.unwritten.take();
        match (checkpoint.write(&self.folder), before) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => note!("checkpoints are written again, from cycle {cycle} on"),
            (Err(error), Some((_, told))) if told == error.to_string() => {
                self.unwritten = Some((checkpoint, told));
            }
            (Err(error), _) => {
                note!(
                    "the checkpoint of cycle {cycle} cannot be written: {error}; the next one is \
                     tried again"
                );
                self.unwritten = Some((checkpoint, error.to_string()));
            }
        }
    }

    fn finish(mut self) -> Kept {
        if let Some((checkpoint, _)) = self.unwritten.take() {
            let path = self.folder.join(crate::orchestrator::CHECKPOINT);
            let written = self.patience.with(&path, || checkpoint.write(&self.folder));
            if let Err(error) = written {
                self.breaks(&format!("the checkpoint cannot be written: {error}"));
            }
        }
        if let Some(log) = self.log.take()
            && let Err(error) = log.publish()
        {
            self.breaks(&error.to_string());
        }
        if let Err(error) = self.kept.times.flush() {
            self.breaks(&format!("the times of computing cannot be kept: {error}"));
        }
        self.kept
    }

    /// Something cannot be kept; the run goes on.
    fn breaks(&mut self, why: &str) {
        if self.kept.broken.is_none() {
            note!("{why}; the run goes on without it");
            self.kept.broken = Some(why.to_owned());
        }
    }
}
