//! Models are judged in a process of their own, in the time that training leaves.
//!
//! The newest goes first. Those that wait are judged when there is time, and the oldest of them is
//! given up when they are too many: who judges more slowly than others train must not fall behind
//! without bound.
//!
//! **What it does not know:** where a model came from, and what becomes of the judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::messages::Input;
use crate::data::Dataset;
use crate::model::ModelSpec;
use crate::train::DeviceChoice;
use crate::trainer::pace::Fraction;
use crate::trainer::{Answer, Ask, Heard, Priority, Process};

/// Bytes of models that may wait: 160 of the network on mnist.
const WAITING: usize = 1 << 27;
/// Processes that are started in all: what dies this often dies again.
const LIVES: u32 = 3;

/// Judges models.
#[derive(Debug)]
pub(super) struct Evaluator {
    desk: Arc<Desk>,
    /// Cycles whose judgement is still to come.
    owed: BTreeSet<u32>,
    latest: Option<u32>,
    /// Why a model could not be judged, as it was told.
    told: Option<String>,
}

/// What is shared with the thread that hears the process.
#[derive(Debug)]
struct Desk {
    job: u32,
    model: ModelSpec,
    device: DeviceChoice,
    test: Bytes,
    answers: mpsc::Sender<Input>,
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    process: Option<Process>,
    lives: u32,
    /// The cycle whose model is being judged.
    busy: Option<u32>,
    waiting: BTreeMap<u32, Bytes>,
}

impl Evaluator {
    /// Starts the process, so that it is ready when the first cycle is over.
    pub(super) fn start(
        job: u32,
        model: ModelSpec,
        device: DeviceChoice,
        test: &Dataset,
        answers: mpsc::Sender<Input>,
    ) -> Self {
        let desk = Arc::new(Desk {
            job,
            model,
            device,
            test: test.to_wire().into(),
            answers,
            slot: Mutex::default(),
        });
        // Whether it starts is told with the first model: before, nobody asks.
        let _ = desk.live(&mut desk.lock());
        Self {
            desk,
            owed: BTreeSet::new(),
            latest: None,
            told: None,
        }
    }

    /// Has the model after a cycle judged, once. The answer comes through the queue.
    ///
    /// # Errors
    /// When there will be none, for this reason.
    pub(super) fn judge(&mut self, cycle: u32, parameters: Bytes) -> Result<(), String> {
        if self.latest.is_some_and(|latest| latest >= cycle) {
            return Ok(());
        }
        self.latest = Some(cycle);
        self.owed.insert(cycle);
        let mut slot = self.desk.lock();
        slot.waiting.insert(cycle, parameters);
        let length = slot.waiting.values().next().map_or(1, Bytes::len).max(1);
        if slot.waiting.len() > (WAITING / length).max(1)
            && let Some((oldest, _)) = slot.waiting.pop_first()
        {
            self.owed.remove(&oldest);
        }
        let asked = self.desk.next(&mut slot);
        if asked.is_err() {
            slot.waiting.clear();
            self.owed.clear();
        }
        asked
    }

    /// The judgement of a cycle came.
    pub(super) fn came(&mut self, cycle: u32) {
        self.owed.remove(&cycle);
    }

    /// Whether a judgement is still to come.
    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Whether this reason was not told yet.
    pub(super) fn is_news(&mut self, why: &str) -> bool {
        let is_news = self.told.as_deref() != Some(why);
        self.told = Some(why.to_owned());
        is_news
    }
}

impl Drop for Evaluator {
    fn drop(&mut self) {
        let mut slot = self.desk.lock();
        slot.lives = LIVES;
        slot.waiting.clear();
        slot.process = None;
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process, if there may be another one.
    fn live(self: &Arc<Self>, slot: &mut Slot) -> Result<(), String> {
        if slot.lives >= LIVES {
            return Err(format!("its judge died {LIVES} times"));
        }
        slot.lives += 1;
        let desk = Arc::clone(self);
        let hear = move |heard| desk.hear(heard);
        let process = Process::start(self.model.kind, 1, Priority::Idle, hear)?;
        let job = Ask::Job {
            model: self.model,
            seed: 0, // nothing is drawn
            device: self.device,
            threads: 1,
            throttle: Fraction::WHOLE,
        };
        process.ask(job, Vec::new());
        process.ask(Ask::TestSet, vec![self.test.clone()]);
        slot.process = Some(process);
        Ok(())
    }

    /// Has the newest model judged, unless another one is.
    fn next(self: &Arc<Self>, slot: &mut Slot) -> Result<(), String> {
        if slot.busy.is_some() || slot.waiting.is_empty() {
            return Ok(());
        }
        if slot.process.is_none() {
            self.live(slot)?;
        }
        if let Some(process) = &slot.process
            && let Some((cycle, parameters)) = slot.waiting.pop_last()
        {
            slot.busy = Some(cycle);
            process.ask(Ask::Judge { cycle }, vec![parameters]);
        }
        Ok(())
    }

    /// On the thread of the process.
    fn hear(self: &Arc<Self>, heard: Heard) {
        let mut answers = Vec::new();
        let mut slot = self.lock();
        match heard {
            Heard::Answer(Answer::Judged { cycle, judged }, _) => {
                slot.busy = None;
                answers.push((cycle, Ok(judged)));
            }
            Heard::Answer(Answer::Failed { reason }, _) | Heard::Unfit(reason) => {
                slot.lives = LIVES; // another one would say the same
                slot.process = None;
                answers.extend(slot.busy.take().map(|cycle| (cycle, Err(reason.clone()))));
                let waiting = std::mem::take(&mut slot.waiting).into_keys();
                answers.extend(waiting.map(|cycle| (cycle, Err(reason.clone()))));
            }
            Heard::Died(why) => {
                slot.process = None;
                answers.extend(slot.busy.take().map(|cycle| (cycle, Err(why))));
            }
            Heard::Answer(
                Answer::Begun { .. }
                | Answer::Ready { .. }
                | Answer::Benchmarked { .. }
                | Answer::Held { .. }
                | Answer::Beat { .. }
                | Answer::Trained { .. },
                _,
            ) => {}
        }
        if let Err(why) = self.next(&mut slot) {
            let waiting = std::mem::take(&mut slot.waiting).into_keys();
            answers.extend(waiting.map(|cycle| (cycle, Err(why.clone()))));
        }
        drop(slot);
        let job = self.job;
        for (cycle, judged) in answers {
            // Nobody may listen any more: then nobody minds.
            let _ = self
                .answers
                .blocking_send(Input::Evaluated { job, cycle, judged });
        }
    }
}
