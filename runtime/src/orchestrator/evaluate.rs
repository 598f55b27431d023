//! The thread on which models are judged, while the next cycle trains.
//!
//! **What it does not know:** where a model came from, and what becomes of the judgement.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use tokio::sync::mpsc;

use super::Input;
use crate::data::Dataset;
use crate::model::ModelSpec;
use crate::train::{DeviceChoice, Evaluation, Trainer, trainer};

/// Judges the newest model that it was given.
#[derive(Debug)]
pub(super) struct Evaluator {
    desk: Arc<Desk>,
}

/// What lies to be judged. A model that was not looked at when a newer one comes is skipped: who
/// judges more slowly than others train must not fall behind without bound.
#[derive(Debug, Default)]
struct Desk {
    next: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    model: Option<(u32, Arc<Vec<f32>>)>,
    closed: bool,
}

impl Evaluator {
    /// Starts the thread.
    pub(super) fn start(
        job: u32,
        model: ModelSpec,
        device: DeviceChoice,
        test: Arc<Dataset>,
        answers: mpsc::Sender<Input>,
    ) -> std::io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let shared = Arc::clone(&desk);
        thread::Builder::new()
            .name("evaluation".to_owned())
            .spawn(move || {
                let mut judge = trainer(&model, device, 1).map_err(|error| error.to_string());
                while let Some((cycle, parameters)) = shared.take() {
                    let judged = judge_one(&mut judge, &parameters, &test);
                    let answer = Input::Evaluated { job, cycle, judged };
                    if answers.blocking_send(answer).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { desk })
    }

    /// Has the model after a cycle judged. The answer comes through the queue, or that of a newer
    /// one instead.
    pub(super) fn judge(&self, cycle: u32, model: Arc<Vec<f32>>) {
        self.desk.lock().model = Some((cycle, model));
        self.desk.changed.notify_one();
    }
}

impl Drop for Evaluator {
    fn drop(&mut self) {
        self.desk.lock().closed = true;
        self.desk.changed.notify_one();
    }
}

impl Desk {
    fn lock(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest model, when there is one; nothing once nobody asks any more.
    fn take(&self) -> Option<(u32, Arc<Vec<f32>>)> {
        let mut slot = self.lock();
        loop {
            if let Some(model) = slot.model.take() {
                return Some(model);
            }
            if slot.closed {
                return None;
            }
            slot = self
                .changed
                .wait(slot)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn judge_one(
    judge: &mut Result<Box<dyn Trainer>, String>,
    parameters: &[f32],
    test: &Dataset,
) -> Result<Evaluation, String> {
    let judge = judge.as_mut().map_err(|error| error.clone())?;
    let judged = judge.evaluate(parameters, test);
    judged.map_err(|error| error.to_string())
}
