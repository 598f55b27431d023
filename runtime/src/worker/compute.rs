//! The trainer of a worker: a process of its own.
//!
//! It is started for the first request that needs it, which comes once the worker was admitted, and
//! kept from job to job while it trains the same kind of model on a CPU. A GPU's memory is free only
//! when its process has ended, so that one ends with its job.
//!
//! A program of the user's own may take long to begin, so it is started before the worker asks for
//! work; and it may hang, so it is started anew when the worker was excluded.
//!
//! **What it does not know:** the network, and how training goes (`trainer`).

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::model::{ModelKind, ModelSpec};
use crate::protocol::Holds;
use crate::train::DeviceChoice;
use crate::trainer::pace::Fraction;
use crate::trainer::practice::practice;
use crate::trainer::{
    Launch, Priority, Process, Reply, Request, Ticket, TrainerCommand, TrainerEvent,
};

/// How this machine trains.
#[derive(Clone, Debug)]
pub(crate) struct TrainSettings {
    pub(crate) device: DeviceChoice,
    pub(crate) threads: usize,
    /// The fraction of full speed that it runs at.
    pub(crate) throttle: Fraction,
    /// The user's own program.
    pub(crate) trainer: Option<TrainerCommand>,
}

/// What a trainer has to know of a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Job {
    /// Whose job it is, and which one: see [`Brief`](crate::protocol::Brief).
    pub(crate) run: u64,
    pub(crate) number: u32,
    pub(crate) model: ModelSpec,
    pub(crate) seed: u64,
    pub(crate) allow_gpu: bool,
    /// The digest of the program that trains it, if it is the user's own.
    pub(crate) digest: Option<[u8; 32]>,
}

/// What a process was started for: another job may need another one.
#[derive(Clone, Debug)]
struct StartedFor {
    kind: ModelKind,
    digest: Option<[u8; 32]>,
    /// Whether it may use a GPU, once a job says so.
    allow_gpu: Option<bool>,
}

/// What trains. The process ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Compute {
    settings: TrainSettings,
    job: Option<Job>,
    process: Option<Process>,
    /// What the process was started for.
    started_for: Option<StartedFor>,
    /// The process has the batches of its benchmark.
    has_practice: bool,
    /// The process has begun the job, and has these batches of it.
    has_job: bool,
    holds: Option<Holds>,
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
            started_for: None,
            has_practice: false,
            has_job: false,
            holds: None,
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

    /// Starts a program that will take a while to begin.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn warm(&mut self) -> Result<(), String> {
        let Some(command) = &self.settings.trainer else {
            return Ok(());
        };
        let digest = command.read()?.digest;
        self.start(ModelKind::Program, Some(digest), None)
    }

    /// A connection begins: what is under way for the one before is of no use any more.
    pub(crate) fn connected(&mut self, done: &mut UnboundedReceiver<TrainerEvent>) {
        self.cancel_all();
        while let Ok(event) = done.try_recv() {
            if let TrainerEvent::Died(_) | TrainerEvent::Unfit(_) = event {
                self.forget();
            }
        }
    }

    /// Ends the process: another one is started when there is work.
    pub(crate) fn forget(&mut self) {
        self.process = None;
        (self.has_job, self.holds) = (false, None);
    }

    /// The number of the process, while it runs.
    pub(crate) fn process(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }

    /// What the process still holds of a job.
    pub(crate) fn holds(&self) -> Option<Holds> {
        self.holds
    }

    /// The process says what it holds by an order to ship.
    pub(crate) fn held(&mut self, session: u32, plan: u32, batches: u64) {
        self.holds = self.job.map(|job| Holds {
            run: job.run,
            job: job.number,
            session,
            plan,
            batches,
        });
    }

    /// A job begins: nothing of the one before is left. If it is the same one again, on another connection,
    /// the process goes on with it; then it names the device on which it does.
    pub(crate) fn begin(&mut self, job: Job) -> Option<DeviceChoice> {
        if self.has_job && self.job == Some(job) && self.process.is_some() {
            return *self.device.lock().unwrap_or_else(PoisonError::into_inner);
        }
        (self.has_job, self.holds) = (true, None);
        let is_fit = |of: &StartedFor| {
            (of.kind, of.digest) == (job.model.kind, job.digest)
                && of.allow_gpu.is_none_or(|allowed| allowed == job.allow_gpu)
        };
        if !self.started_for.as_ref().is_some_and(is_fit) {
            self.process = None;
        }
        if let Some(of) = &mut self.started_for {
            of.allow_gpu = Some(job.allow_gpu);
        }
        self.job = Some(job);
        self.has_practice = false;
        if job.model.kind == ModelKind::Program && self.process.is_none() {
            self.start_for(job); // its set-up takes a while
        } else {
            self.send(self.job_for(job), Vec::new());
        }
        None
    }

    /// The worker was excluded: a program that hangs is of no use any more.
    pub(crate) fn excluded(&mut self) {
        self.cancel_all();
        if let Some(job) = self.job
            && job.model.kind == ModelKind::Program
        {
            self.forget();
            self.start_for(job);
        }
    }

    /// The job is over.
    pub(crate) fn over(&mut self) {
        (self.has_job, self.holds) = (false, None);
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
            self.start_for(job);
        }
        if matches!(request, Request::Benchmark { .. }) && !self.has_practice {
            self.has_practice = true;
            let batches = practice(&job.model.shape, job.seed).into_iter();
            let batches = batches.map(|batch| batch.into_wire().into()).collect();
            self.send(Request::Practice, batches);
        }
        self.send(request, body);
    }

    /// Starts a process for a job. That it cannot be started is an event.
    fn start_for(&mut self, job: Job) {
        match self.start(job.model.kind, job.digest, Some(job.allow_gpu)) {
            Ok(()) => {
                self.has_job = true;
                self.send(self.job_for(job), Vec::new());
            }
            Err(why) => {
                let _ = self.events.send(TrainerEvent::Unfit(why)); // the connection may be over
            }
        }
    }

    fn start(
        &mut self,
        kind: ModelKind,
        digest: Option<[u8; 32]>,
        allow_gpu: Option<bool>,
    ) -> Result<(), String> {
        let launch = match (&self.settings.trainer, kind) {
            (Some(command), ModelKind::Program) => Launch::Given(command.clone()),
            (_, kind) => Launch::Own(kind),
        };
        // The process before may still reply, which says nothing of this one's device.
        self.device = Arc::default();
        let (events, device) = (self.events.clone(), Arc::clone(&self.device));
        let hear = move |event| {
            if let TrainerEvent::Reply(Reply::Ready { device: on, .. }, _) = &event {
                tracing::info!(device = %on, "ready to train");
                *device.lock().unwrap_or_else(PoisonError::into_inner) = on.parse().ok();
            }
            let _ = events.send(event);
        };
        let process = Process::start(&launch, self.settings.threads, Priority::Usual, hear)?;
        self.process = Some(process);
        (self.has_practice, self.holds) = (false, None);
        self.started_for = Some(StartedFor {
            kind,
            digest,
            allow_gpu,
        });
        Ok(())
    }

    fn job_for(&self, job: Job) -> Request {
        let device = if job.allow_gpu {
            self.settings.device
        } else {
            DeviceChoice::Cpu
        };
        let TrainSettings {
            threads, throttle, ..
        } = self.settings;
        Request::job(&job.model, job.seed, device, threads, throttle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BatchShape;
    use crate::model::{TrainingOptions, Weights};

    #[test]
    fn a_job_alone_starts_nothing() {
        let (mut compute, mut done) = Compute::new(TrainSettings {
            device: DeviceChoice::Auto,
            threads: 1,
            throttle: Fraction::WHOLE,
            trainer: None,
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
            run: 1,
            number: 1,
            model: ModelSpec {
                kind: ModelKind::Mlp,
                weights: Weights::Xavier,
                options: TrainingOptions::NONE,
                shape: BatchShape::of_bytes(4, 6, 3, 256),
            },
            seed: 1,
            allow_gpu: true,
            digest: None,
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
