//! What trains, as the network's side of the worker sees it: a process of its own.
//!
//! It is started for the first order that needs it, which comes once the worker was admitted, and
//! kept from job to job while it trains the same kind of model on a CPU. A GPU's memory is free
//! when its process has ended, so that one ends with its job.
//!
//! **What it does not know:** the network, and how training goes (`trainer`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::data::Batch;
use crate::model::ModelSpec;
use crate::train::DeviceChoice;
use crate::trainer::pace::Fraction;
use crate::trainer::{Answer, Ask, Heard, Priority, Process, Task, Ticket};

/// How this machine trains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Means {
    pub(crate) device: DeviceChoice,
    pub(crate) threads: usize,
    /// The fraction of its speed that it runs at.
    pub(crate) throttle: Fraction,
}

/// Something to do, in order.
#[derive(Debug)]
pub(crate) enum Work {
    /// A job begins: nothing of the one before is left.
    Job(Job),
    /// The job is over.
    Over,
    /// Measure one round.
    Benchmark {
        ticket: Ticket,
        session: u32,
        batches: u64,
    },
    /// Keep the first of what is held, and expect more.
    Keep { session: u32, plan: u32, keep: u64 },
    /// Hold these too, from this place on.
    Hold {
        session: u32,
        plan: u32,
        first: u64,
        batches: Vec<Batch>,
    },
    /// Train, from these parameters, as they are on the wire.
    Train(Task, Bytes),
}

/// What a job asks of whoever trains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) model: ModelSpec,
    pub(crate) seed: u64,
    pub(crate) allow_gpu: bool,
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum Done {
    /// It can train, on this device.
    Ready(DeviceChoice),
    Benchmarked {
        session: u32,
        batches: u64,
        took: Duration,
    },
    Held {
        session: u32,
        plan: u32,
        held: u64,
    },
    Beat {
        session: u32,
        cycle: u32,
        done: u64,
    },
    Trained {
        session: u32,
        cycle: u32,
        done: u64,
        took: Duration,
        tail: Duration,
        /// As they are on the wire.
        parameters: Bytes,
    },
    /// It cannot train: this machine is of no use for this job.
    Failed(String),
    /// It died, which another one need not.
    Died(String),
}

/// What trains. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Compute {
    means: Means,
    job: Option<Job>,
    process: Option<Process>,
    /// What the process trains on, once it said so.
    device: Arc<Mutex<Option<DeviceChoice>>>,
    done: UnboundedSender<Done>,
    last: Ticket,
}

impl Compute {
    /// Waits for work; nothing is started yet.
    pub(crate) fn new(means: Means) -> (Self, UnboundedReceiver<Done>) {
        let (done, results) = unbounded_channel();
        let compute = Self {
            means,
            job: None,
            process: None,
            device: Arc::default(),
            done,
            last: 0,
        };
        (compute, results)
    }

    /// A number for the next order that may be cancelled.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last += 1;
        self.last
    }

    /// Adds an order. After a failure, which is told, orders lead to nothing.
    pub(crate) fn order(&mut self, work: Work) {
        match work {
            Work::Job(job) => {
                let is_fit = |before: Job| {
                    before.model.kind == job.model.kind && before.allow_gpu == job.allow_gpu
                };
                if !self.job.is_some_and(is_fit) {
                    self.process = None;
                }
                self.job = Some(job);
                if let Some(process) = &self.process {
                    process.ask(self.job_for(job), Vec::new());
                }
            }
            Work::Over => {
                let device = *self.device.lock().unwrap_or_else(PoisonError::into_inner);
                if device == Some(DeviceChoice::Cpu) {
                    self.ask(Ask::Over, Vec::new());
                } else {
                    self.process = None;
                }
            }
            Work::Benchmark {
                ticket,
                session,
                batches,
            } => self.put(
                Ask::Benchmark {
                    ticket,
                    session,
                    batches,
                },
                Vec::new(),
            ),
            Work::Keep {
                session,
                plan,
                keep,
            } => {
                self.put(
                    Ask::Keep {
                        session,
                        plan,
                        keep,
                    },
                    Vec::new(),
                );
            }
            Work::Hold {
                session,
                plan,
                first,
                batches,
            } => {
                let batches = batches.into_iter().map(|batch| batch.into_wire().into());
                self.put(
                    Ask::Hold {
                        session,
                        plan,
                        first,
                    },
                    batches.collect(),
                );
            }
            Work::Train(task, parameters) => self.put(Ask::Train(task), vec![parameters]),
        }
    }

    /// Stops and forgets all orders up to this one.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        self.ask(Ask::Cancel { ticket }, Vec::new());
    }

    /// Stops and forgets all orders so far.
    pub(crate) fn cancel_all(&self) {
        self.cancel(self.last);
    }

    /// Asks the process, if there is one.
    fn ask(&self, ask: Ask, body: Vec<Bytes>) {
        if let Some(process) = &self.process {
            process.ask(ask, body);
        }
    }

    /// Asks the process, which is started first if there is none.
    fn put(&mut self, ask: Ask, body: Vec<Bytes>) {
        let Some(job) = self.job else {
            return; // nothing can be ordered before there is a job
        };
        if self.process.is_none() {
            match self.start(job) {
                Ok(process) => {
                    process.ask(self.job_for(job), Vec::new());
                    self.process = Some(process);
                }
                Err(why) => {
                    let _ = self.done.send(Done::Failed(why)); // whoever listened may be gone
                    return;
                }
            }
        }
        self.ask(ask, body);
    }

    fn start(&mut self, job: Job) -> Result<Process, String> {
        // The one before, if it still answers, speaks of another.
        self.device = Arc::default();
        let (done, device) = (self.done.clone(), Arc::clone(&self.device));
        let hear = move |heard| {
            if let Some(what) = done_of(heard, &device) {
                let _ = done.send(what);
            }
        };
        Process::start(job.model.kind, self.means.threads, Priority::Usual, hear)
    }

    fn job_for(&self, job: Job) -> Ask {
        Ask::Job {
            model: job.model,
            seed: job.seed,
            device: if job.allow_gpu {
                self.means.device
            } else {
                DeviceChoice::Cpu
            },
            threads: u32::try_from(self.means.threads).unwrap_or(u32::MAX),
            throttle: self.means.throttle,
        }
    }
}

/// What an answer is to a worker.
fn done_of(heard: Heard, device: &Mutex<Option<DeviceChoice>>) -> Option<Done> {
    let (answer, body) = match heard {
        Heard::Answer(answer, body) => (answer, body),
        Heard::Died(why) => return Some(Done::Died(why)),
        Heard::Unfit(why) => return Some(Done::Failed(why)),
    };
    Some(match answer {
        Answer::Ready { device: on } => {
            tracing::info!(device = %on, "ready to train");
            *device.lock().unwrap_or_else(PoisonError::into_inner) = Some(on);
            Done::Ready(on)
        }
        Answer::Benchmarked {
            session,
            batches,
            took,
        } => Done::Benchmarked {
            session,
            batches,
            took,
        },
        Answer::Held {
            session,
            plan,
            held,
        } => Done::Held {
            session,
            plan,
            held,
        },
        Answer::Beat {
            session,
            cycle,
            done,
        } => Done::Beat {
            session,
            cycle,
            done,
        },
        Answer::Trained {
            session,
            cycle,
            done,
            took,
            tail,
        } => Done::Trained {
            session,
            cycle,
            done,
            took,
            tail,
            parameters: body.into(),
        },
        Answer::Failed { reason } => Done::Failed(reason),
        Answer::Begun { .. } | Answer::Judged { .. } => return None, // nobody asked
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BatchShape;
    use crate::model::{Loss, ModelKind, Weights};

    #[test]
    fn a_job_alone_starts_nothing() {
        let (mut compute, mut done) = Compute::new(Means {
            device: DeviceChoice::Auto,
            threads: 1,
            throttle: Fraction::WHOLE,
        });
        // Orders of nobody's job lead to nothing.
        compute.order(Work::Keep {
            session: 1,
            plan: 1,
            keep: 0,
        });
        // A worker hears of the job before it is admitted.
        compute.cancel_all();
        compute.order(Work::Job(Job {
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
        }));
        compute.order(Work::Over);
        assert!(compute.process.is_none());
        assert!(done.try_recv().is_err());
        // The first order after it does, or says why not: here no trainer lies beside the program.
        let ticket = compute.ticket();
        compute.order(Work::Benchmark {
            ticket,
            session: 1,
            batches: 1,
        });
        let Ok(Done::Failed(why)) = done.try_recv() else {
            panic!("tests lie in a folder of their own");
        };
        assert!(why.starts_with("there is no "), "{why}");
    }
}
