//! Models are judged in a process of their own, in the time that training leaves.
//!
//! The newest goes first. Those that wait are judged when there is time, and the oldest of them is
//! given up when there are too many: a judge that is slower than training must not fall behind
//! without bound.
//!
//! **What it does not know:** where a model came from, and what becomes of the judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::messages::Input;
use crate::data::{Batch, Dataset};
use crate::model::share;
use crate::train::{DeviceChoice, Evaluation};
use crate::trainer::pace::Fraction;
use crate::trainer::{Described, Priority, Process, Reply, Request, TrainerEvent};

/// Bytes of models that may wait: 160 models of the network on mnist.
const WAITING: usize = 1 << 27;
/// Processes that are started in all: one that died this often would die again.
const LIVES: u32 = 3;

/// Judges models.
#[derive(Debug)]
pub(super) struct Evaluator {
    shared: Arc<Judge>,
    /// Cycles whose judgement is still to come.
    owed: BTreeSet<u32>,
    latest: Option<u32>,
    /// Why a model could not be judged, as it was reported.
    reported: Option<String>,
}

/// For one model, when nothing else is to be done.
const ONE_WITHIN: Duration = Duration::from_secs(60);

/// Judges one model, on this device and with the run's seed.
///
/// # Errors
/// Why it cannot be judged.
pub(crate) async fn judge_once(
    model: Described,
    judge_on: (DeviceChoice, u64),
    test: &Dataset,
    parameters: &Arc<Vec<f32>>,
) -> Result<Evaluation, String> {
    let (answers, mut inputs) = mpsc::channel(1);
    let test = test.whole().map_err(|error| error.to_string())?;
    let mut evaluator = Evaluator::start(0, model, judge_on, test, answers);
    evaluator.judge(0, share(parameters))?;
    match timeout(ONE_WITHIN, inputs.recv()).await {
        Ok(Some(Input::Evaluated { judged, .. })) => judged,
        Ok(_) => Err("its judge is gone".to_owned()),
        Err(_) => Err("it takes too long".to_owned()),
    }
}

/// What is shared with the thread that hears the process.
#[derive(Debug)]
struct Judge {
    job: u32,
    model: Described,
    device: DeviceChoice,
    seed: u64,
    test: Bytes,
    samples: u64,
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
        model: Described,
        (device, seed): (DeviceChoice, u64),
        test: Batch,
        answers: mpsc::Sender<Input>,
    ) -> Self {
        let shared = Arc::new(Judge {
            job,
            model,
            device,
            seed,
            samples: test.shape().batch_size.into(),
            test: test.into_wire().into(),
            answers,
            slot: Mutex::default(),
        });
        // Whether it starts is reported with the first model.
        let _ = shared.live(&mut shared.lock());
        Self {
            shared,
            owed: BTreeSet::new(),
            latest: None,
            reported: None,
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
        let mut slot = self.shared.lock();
        slot.waiting.insert(cycle, parameters);
        let length = slot.waiting.values().next().map_or(1, Bytes::len).max(1);
        if slot.waiting.len() > (WAITING / length).max(1)
            && let Some((oldest, _)) = slot.waiting.pop_first()
        {
            self.owed.remove(&oldest);
        }
        let asked = self.shared.next(&mut slot);
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

    /// Whether this reason was not reported yet.
    pub(super) fn is_news(&mut self, why: &str) -> bool {
        let is_news = self.reported.as_deref() != Some(why);
        self.reported = Some(why.to_owned());
        is_news
    }
}

impl Drop for Evaluator {
    fn drop(&mut self) {
        let mut slot = self.shared.lock();
        slot.lives = LIVES;
        slot.waiting.clear();
        slot.process = None;
    }
}

impl Judge {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process, if there may be another one.
    fn live(self: &Arc<Self>, slot: &mut Slot) -> Result<(), String> {
        if slot.lives >= LIVES {
            return Err(format!("its judge died {LIVES} times"));
        }
        slot.lives += 1;
        let shared = Arc::clone(self);
        let hear = move |heard| shared.hear(heard);
        let process = Process::start(&self.model.launch(), 1, Priority::Idle, hear)?;
        let (spec, seed) = (&self.model.spec, self.seed);
        let job = Request::job(spec, seed, self.device, 1, Fraction::WHOLE);
        process.send(job, Vec::new());
        let samples = self.samples;
        process.send(Request::TestSet { samples }, vec![self.test.clone()]);
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
            process.send(Request::Judge { cycle }, vec![parameters]);
        }
        Ok(())
    }

    /// On the thread of the process.
    fn hear(self: &Arc<Self>, heard: TrainerEvent) {
        let mut answers = Vec::new();
        let mut slot = self.lock();
        match heard {
            TrainerEvent::Reply(Reply::Judged { cycle, metrics }, _) => {
                slot.busy = None;
                answers.push((cycle, Ok(Evaluation::of(metrics))));
            }
            TrainerEvent::Reply(Reply::Failed { reason }, _) | TrainerEvent::Unfit(reason) => {
                slot.lives = LIVES; // another one would fail in the same way
                slot.process = None;
                answers.extend(slot.busy.take().map(|cycle| (cycle, Err(reason.clone()))));
                let waiting = std::mem::take(&mut slot.waiting).into_keys();
                answers.extend(waiting.map(|cycle| (cycle, Err(reason.clone()))));
            }
            TrainerEvent::Died(why) => {
                slot.process = None;
                answers.extend(slot.busy.take().map(|cycle| (cycle, Err(why))));
            }
            TrainerEvent::Reply(
                Reply::Begun { .. }
                | Reply::Ready { .. }
                | Reply::Initial
                | Reply::Benchmarked { .. }
                | Reply::Held { .. }
                | Reply::Beat { .. }
                | Reply::Trained(_),
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
            // It fails if the job has ended, and is then not needed.
            let _ = self
                .answers
                .blocking_send(Input::Evaluated { job, cycle, judged });
        }
    }
}
