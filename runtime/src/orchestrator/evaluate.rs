//! Evaluates models in a process of its own, in the processor time that training leaves.
//!
//! The newest model is evaluated first. Others wait, and the oldest is dropped if too many do, so
//! that an evaluation slower than training does not fall behind without bound.
//!
//! **What it does not know:** where a model comes from, and what the evaluation is used for.

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

/// Maximum bytes of waiting models: 160 of the network on mnist.
const WAITING: usize = 1 << 27;
/// Maximum number of processes: one that dies this often would die again.
const LIVES: u32 = 3;

/// Evaluates models.
#[derive(Debug)]
pub(super) struct Evaluator {
    desk: Arc<Desk>,
    /// Cycles whose evaluation is outstanding.
    owed: BTreeSet<u32>,
    latest: Option<u32>,
    /// The last reported reason why a model could not be evaluated.
    reported: Option<String>,
}

/// State shared with the thread that reads the process's answers.
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
    /// The cycle whose model is being evaluated.
    busy: Option<u32>,
    waiting: BTreeMap<u32, Bytes>,
}

impl Evaluator {
    /// Starts the process, so that it is ready when the first cycle ends.
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
        // A failure to start is reported with the first model.
        let _ = desk.live(&mut desk.lock());
        Self {
            desk,
            owed: BTreeSet::new(),
            latest: None,
            reported: None,
        }
    }

    /// Evaluates the model after a cycle, once. The answer arrives in the queue of inputs.
    ///
    /// # Errors
    /// If there will be no answer; with the reason.
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

    /// Records that the evaluation of a cycle has arrived.
    pub(super) fn came(&mut self, cycle: u32) {
        self.owed.remove(&cycle);
    }

    /// Whether an evaluation is outstanding.
    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Whether this reason is new and should be reported.
    pub(super) fn is_news(&mut self, why: &str) -> bool {
        let is_news = self.reported.as_deref() != Some(why);
        self.reported = Some(why.to_owned());
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

    /// Starts a process, unless too many have died.
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
            seed: 0, // no random draws
            device: self.device,
            threads: 1,
            throttle: Fraction::WHOLE,
        };
        process.ask(job, Vec::new());
        process.ask(Ask::TestSet, vec![self.test.clone()]);
        slot.process = Some(process);
        Ok(())
    }

    /// Evaluates the newest model, unless another is being evaluated.
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

    /// Handles an event, on the thread that reads answers.
    fn hear(self: &Arc<Self>, heard: Heard) {
        let mut answers = Vec::new();
        let mut slot = self.lock();
        match heard {
            Heard::Answer(Answer::Judged { cycle, judged }, _) => {
                slot.busy = None;
                answers.push((cycle, Ok(judged)));
            }
            Heard::Answer(Answer::Failed { reason }, _) | Heard::Unfit(reason) => {
                slot.lives = LIVES; // another process would fail in the same way
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
            // It fails if the job has ended, and then has no receiver.
            let _ = self
                .answers
                .blocking_send(Input::Evaluated { job, cycle, judged });
        }
    }
}
