//! The trainer of a worker: a process of its own.
//!
//! It is started for the first request that needs it, which comes once the worker was admitted, and
//! kept from job to job while it trains the same kind of model on a CPU. A GPU's memory is free only
//! when its process has ended, so that one ends with its job.
//!
//! **What it does not know:** the network, and how training goes (`trainer`).

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::model::ModelSpec;
use crate::train::DeviceChoice;
use crate::trainer::pace::Fraction;
use crate::trainer::{Priority, Process, Reply, Request, Ticket, TrainerEvent};

/// How this machine trains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrainSettings {
    pub(crate) device: DeviceChoice,
    pub(crate) threads: usize,
    /// The fraction of full speed that it runs at.
    pub(crate) throttle: Fraction,
}

/// What a trainer has to know of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) model: ModelSpec,
    pub(crate) seed: u64,
    pub(crate) allow_gpu: bool,
}

/// What trains. The process ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Compute {
    settings: TrainSettings,
    job: Option<Job>,
    process: Option<Process>,
    /// What the process trains on, once it said so.
    device: Arc<Mutex<Option<DeviceChoice>>>,
    events: UnboundedSender<TrainerEvent>,
    last: Ticket,
}

impl Compute {
    /// Waits for work; nothing is started yet.
    pub(crate) fn new(settings: TrainSettings) -> (Self, UnboundedReceiver<TrainerEvent>) {
        let (events, received) = unbounded_channel();
        let compute = Self {
            settings,
            job: None,
            process: None,
            device: Arc::default(),
            events,
            last: 0,
        };
        (compute, received)
    }

    /// A number for the next request that may be cancelled.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last += 1;
        self.last
    }

    /// A job begins: nothing of the one before is left.
    pub(crate) fn begin(&mut self, job: Job) {
        let is_fit =
            |before: Job| before.model.kind == job.model.kind && before.allow_gpu == job.allow_gpu;
        if !self.job.is_some_and(is_fit) {
            self.process = None;
        }
        self.job = Some(job);
        self.send(self.job_for(job), Vec::new());
    }

    /// The job is over.
    pub(crate) fn over(&mut self) {
        let device = *self.device.lock().unwrap_or_else(PoisonError::into_inner);
        if device == Some(DeviceChoice::Cpu) {
            self.send(Request::Over, Vec::new());
        } else {
            self.process = None;
        }
    }

    /// Stops and forgets all requests so far.
    pub(crate) fn cancel_all(&self) {
        self.send(Request::Cancel { ticket: self.last }, Vec::new());
    }

    /// Sends a request to the process, if there is one.
    fn send(&self, request: Request, body: Vec<Bytes>) {
        if let Some(process) = &self.process {
            process.send(request, body);
        }
    }

    /// Sends a request to the process, which is started first if there is none. After a failure, which
    /// is an event, requests lead to nothing.
    pub(crate) fn request(&mut self, request: Request, body: Vec<Bytes>) {
        let Some(job) = self.job else {
            return; // there is nothing to do before there is a job
        };
        if self.process.is_none() {
            match self.start(job) {
                Ok(process) => {
                    process.send(self.job_for(job), Vec::new());
                    self.process = Some(process);
                }
                Err(why) => {
                    let _ = self.events.send(TrainerEvent::Unfit(why)); // the connection may be over
                    return;
                }
            }
        }
        self.send(request, body);
    }

    fn start(&mut self, job: Job) -> Result<Process, String> {
        // The process before may still reply, which says nothing of this one's device.
        self.device = Arc::default();
        let (events, device) = (self.events.clone(), Arc::clone(&self.device));
        let hear = move |event| {
            if let TrainerEvent::Reply(Reply::Ready { device: on }, _) = &event {
                tracing::info!(device = %on, "ready to train");
                *device.lock().unwrap_or_else(PoisonError::into_inner) = Some(*on);
            }
            let _ = events.send(event);
        };
        Process::start(job.model.kind, self.settings.threads, Priority::Usual, hear)
    }

    fn job_for(&self, job: Job) -> Request {
        Request::Job {
            model: job.model,
            seed: job.seed,
            device: if job.allow_gpu {
                self.settings.device
            } else {
                DeviceChoice::Cpu
            },
            threads: u32::try_from(self.settings.threads).unwrap_or(u32::MAX),
            throttle: self.settings.throttle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BatchShape;
    use crate::model::{Loss, ModelKind, Weights};

    #[test]
    fn a_job_alone_starts_nothing() {
        let (mut compute, mut done) = Compute::new(TrainSettings {
            device: DeviceChoice::Auto,
            threads: 1,
            throttle: Fraction::WHOLE,
        });
        // Without a job, requests lead to nothing.
        let keep = Request::Keep {
            session: 1,
            plan: 1,
            keep: 0,
        };
        compute.request(keep, Vec::new());
        // A worker learns of the job before it is admitted.
        compute.cancel_all();
        compute.begin(Job {
            model: ModelSpec {
                kind: ModelKind::Mlp,
                weights: Weights::Xavier,
                loss: Loss::Logits,
                shape: BatchShape {
                    batch_size: 4,
                    features: 6,
                    classes: 3,
                },
            },
            seed: 1,
            allow_gpu: true,
        });
        compute.over();
        assert!(compute.process.is_none());
        assert!(done.try_recv().is_err());
        // The first request after it starts one, or fails: here no trainer lies beside the program.
        let benchmark = Request::Benchmark {
            ticket: compute.ticket(),
            session: 1,
            batches: 1,
        };
        compute.request(benchmark, Vec::new());
        let Ok(TrainerEvent::Unfit(why)) = done.try_recv() else {
            panic!("tests lie in a folder of their own");
        };
        assert!(why.starts_with("there is no "), "{why}");
    }
}
