//! The thread that trains.
//!
//! It holds the batches and the trainer, does one order after the other, and looks up between two
//! batches: whether the order was cancelled, whether a beat is due, whether another batch fits.
//! Beats come from here and nowhere else, since they are to prove that training goes on.
//!
//! **What it does not know:** the network, and what the orchestrator makes of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::pace::{Fraction, Pace, Tail, Throttle};
use crate::data::{Batch, BatchShape};
use crate::model::ModelSpec;
use crate::train::{DeviceChoice, TrainError, Trainer, trainer};

/// Batches of a benchmark that lie ready: a single one would be learnt by heart, and training on
/// it becomes unlike any other.
const DISTINCT: u64 = 16;
/// Batches before a benchmark that are not measured.
const WARM_UP: u64 = 10;
/// A sleep is cut into pieces of this, to be woken from.
const PIECE: Duration = Duration::from_millis(50);

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
    Job {
        model: ModelSpec,
        seed: u64,
        allow_gpu: bool,
    },
    /// Measure one round.
    Benchmark {
        ticket: Ticket,
        epoch: u32,
        batches: u64,
    },
    /// Keep the first of what is held, and expect more.
    Keep { epoch: u32, plan: u32, keep: u64 },
    /// Hold these too, from this place on.
    Hold {
        epoch: u32,
        plan: u32,
        first: u64,
        batches: Vec<Batch>,
    },
    /// Train.
    Train(Task),
}

/// One cycle's share.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) ticket: Ticket,
    pub(crate) epoch: u32,
    pub(crate) cycle: u32,
    pub(crate) batches: u64,
    pub(crate) passes: u32,
    pub(crate) beat: Duration,
    pub(crate) beat_batches: u64,
    pub(crate) tail_batches: u64,
    pub(crate) stop_at: Instant,
    pub(crate) parameters: Vec<f32>,
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum Done {
    Benchmarked {
        epoch: u32,
        batches: u64,
        took: Duration,
    },
    Held {
        epoch: u32,
        plan: u32,
        held: u64,
    },
    Beat {
        epoch: u32,
        cycle: u32,
        done: u64,
    },
    Trained {
        epoch: u32,
        cycle: u32,
        done: u64,
        took: Duration,
        tail: Duration,
        parameters: Vec<f32>,
    },
    /// It cannot train: this machine is of no use for this job.
    Failed(String),
}

/// The number of an order, by which it is cancelled.
pub(crate) type Ticket = u64;

/// The compute thread, as the network's side of the worker sees it. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Compute {
    work: Sender<Work>,
    cancelled: Arc<AtomicU64>,
    last: Ticket,
}

impl Compute {
    /// Starts the thread.
    pub(crate) fn start(means: Means) -> std::io::Result<(Self, UnboundedReceiver<Done>)> {
        let (work, orders) = channel();
        let (done, results) = unbounded_channel();
        let cancelled = Arc::new(AtomicU64::new(0));
        let loop_ = Loop {
            means,
            orders,
            done,
            cancelled: Arc::clone(&cancelled),
            throttle: Throttle::new(means.throttle),
            waiting: VecDeque::new(),
        };
        thread::Builder::new()
            .name("compute".to_owned())
            .spawn(move || loop_.run())?;
        let compute = Self {
            work,
            cancelled,
            last: 0,
        };
        Ok((compute, results))
    }

    /// A number for the next order that may be cancelled.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last += 1;
        self.last
    }

    /// Adds an order. Once the thread has failed, and said so, orders lead to nothing.
    pub(crate) fn order(&self, work: Work) {
        let _ = self.work.send(work);
    }

    /// Stops and forgets all orders up to this one.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        self.cancelled.fetch_max(ticket, Ordering::Relaxed);
    }

    /// Stops and forgets all orders so far.
    pub(crate) fn cancel_all(&self) {
        self.cancel(self.last);
    }
}

impl Drop for Compute {
    fn drop(&mut self) {
        self.cancel(Ticket::MAX);
    }
}

struct Loop {
    means: Means,
    orders: Receiver<Work>,
    done: UnboundedSender<Done>,
    cancelled: Arc<AtomicU64>,
    throttle: Throttle,
    /// Orders that came while another was carried out.
    waiting: VecDeque<Work>,
}

/// What belongs to a job.
struct Bench {
    trainer: Box<dyn Trainer>,
    model: ModelSpec,
    seed: u64,
    held: Vec<Batch>,
    practice: Vec<Batch>,
}

impl Loop {
    fn run(mut self) {
        let mut bench: Option<Bench> = None;
        while let Some(work) = self.next() {
            if let Err(error) = self.act(&mut bench, work) {
                let _ = self.done.send(Done::Failed(error.to_string()));
                return;
            }
        }
    }

    fn next(&mut self) -> Option<Work> {
        let waiting = self.waiting.pop_front();
        waiting.or_else(|| self.orders.recv().ok())
    }

    fn act(&mut self, bench: &mut Option<Bench>, work: Work) -> Result<(), TrainError> {
        if let Work::Job {
            model,
            seed,
            allow_gpu,
        } = work
        {
            *bench = None; // its memory is free before the next one's is taken
            let device = if allow_gpu {
                self.means.device
            } else {
                DeviceChoice::Cpu
            };
            *bench = Some(Bench {
                trainer: trainer(&model, device, self.means.threads)?,
                model,
                seed,
                held: Vec::new(),
                practice: Vec::new(),
            });
            return Ok(());
        }
        let Some(bench) = bench else {
            return Ok(()); // nothing can be ordered before there is a job
        };
        match work {
            Work::Job { .. } => {} // dealt with before
            Work::Benchmark {
                ticket,
                epoch,
                batches,
            } => {
                if let Some(took) = self.benchmark(bench, ticket, batches)? {
                    self.tell(Done::Benchmarked {
                        epoch,
                        batches,
                        took,
                    });
                }
            }
            Work::Keep { .. } | Work::Hold { .. } => self.stock(bench, work),
            Work::Train(task) => self.train(bench, &task)?,
        }
        Ok(())
    }

    /// Data comes and goes.
    fn stock(&self, bench: &mut Bench, work: Work) {
        let (epoch, plan) = match work {
            Work::Keep { epoch, plan, keep } => {
                let keep = usize::try_from(keep).unwrap_or(usize::MAX);
                bench.held.truncate(keep);
                (epoch, plan)
            }
            Work::Hold {
                epoch,
                plan,
                first,
                batches,
            } => {
                // Of an earlier plan's stream, if it does not fit.
                if first == bench.held.len() as u64 {
                    bench.held.extend(batches);
                }
                (epoch, plan)
            }
            Work::Job { .. } | Work::Benchmark { .. } | Work::Train(_) => return,
        };
        let held = bench.held.len() as u64;
        self.tell(Done::Held { epoch, plan, held });
    }

    /// Data is taken in between two batches of a benchmark: workers measure while it travels.
    fn take_in(&mut self, bench: &mut Bench) {
        while let Ok(work) = self.orders.try_recv() {
            match work {
                Work::Keep { .. } | Work::Hold { .. } if self.waiting.is_empty() => {
                    self.stock(bench, work);
                }
                Work::Keep { .. }
                | Work::Hold { .. }
                | Work::Job { .. }
                | Work::Benchmark { .. }
                | Work::Train(_) => self.waiting.push_back(work),
            }
        }
    }

    /// Measures one round; nothing if it was cancelled.
    fn benchmark(
        &mut self,
        bench: &mut Bench,
        ticket: Ticket,
        batches: u64,
    ) -> Result<Option<Duration>, TrainError> {
        if bench.practice.is_empty() {
            bench.practice = practice(&bench.model.shape, bench.seed);
        }
        bench.trainer.begin(&bench.model.initial(bench.seed))?;
        let mut since = Instant::now();
        let warm_up = WARM_UP.min(batches);
        for step in 0..warm_up + batches {
            if step == warm_up {
                since = Instant::now();
            }
            if self.is_cancelled(ticket) {
                return Ok(None);
            }
            self.take_in(bench);
            let batch = &bench.practice[(step % DISTINCT) as usize];
            self.step(bench.trainer.as_mut(), batch, ticket)?;
        }
        Ok(Some(since.elapsed()))
    }

    fn train(&mut self, bench: &mut Bench, task: &Task) -> Result<(), TrainError> {
        let &Task {
            ticket,
            epoch,
            cycle,
            passes,
            ..
        } = task;
        // Fewer are here if the orchestrator counts otherwise than we do: it gets what we did.
        let share = task.batches.min(bench.held.len() as u64);
        let passes = u64::from(passes.max(1));
        self.throttle.reaches(cycle);
        let began = Instant::now();
        let mut pace = Pace::new(began, task.stop_at, task.beat, task.beat_batches);
        let mut tail = Tail::new(began, task.tail_batches.min(share));
        bench.trainer.begin(&task.parameters)?;
        let mut steps = 0;
        while steps < share * passes && pace.fits(Instant::now(), steps) {
            if self.is_cancelled(ticket) {
                return Ok(());
            }
            let batch = &bench.held[(steps % share) as usize];
            self.step(bench.trainer.as_mut(), batch, ticket)?;
            steps += 1;
            let done = steps / passes;
            if steps % passes == 0 {
                tail.done(Instant::now());
            }
            if pace.beats(Instant::now(), done) {
                self.tell(Done::Beat { epoch, cycle, done });
            }
        }
        let mut parameters = Vec::new();
        bench.trainer.finish(&mut parameters)?;
        if self.is_cancelled(ticket) {
            return Ok(());
        }
        let now = Instant::now();
        self.tell(Done::Trained {
            epoch,
            cycle,
            done: steps / passes,
            took: now - began,
            tail: now - tail.began(),
            parameters,
        });
        Ok(())
    }

    /// One batch, as slowly as the throttle wants it.
    fn step(
        &mut self,
        trainer: &mut dyn Trainer,
        batch: &Batch,
        ticket: Ticket,
    ) -> Result<(), TrainError> {
        let since = Instant::now();
        trainer.step(batch)?;
        let nap = self.throttle.worked(since.elapsed());
        let since = Instant::now();
        while let left = nap.saturating_sub(since.elapsed())
            && left > Duration::ZERO
            && !self.is_cancelled(ticket)
        {
            thread::sleep(left.min(PIECE));
        }
        if nap > Duration::ZERO {
            self.throttle.slept(since.elapsed());
        }
        Ok(())
    }

    fn is_cancelled(&self, ticket: Ticket) -> bool {
        ticket <= self.cancelled.load(Ordering::Relaxed)
    }

    /// Whoever listened may be gone; then this thread is about to end too.
    fn tell(&self, done: Done) {
        let _ = self.done.send(done);
    }
}

/// Batches to practise on: random, and different from one another.
fn practice(shape: &BatchShape, seed: u64) -> Vec<Batch> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        // SplitMix64: any cheap noise will do.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let values = shape.wire_len() - shape.batch_size as usize;
    let batch = |_| {
        let mut bytes: Vec<u8> = (0..values)
            // Most of a picture is black.
            .map(|_| match next() {
                z if z % 5 == 0 => (z >> 8) as u8,
                _ => 0,
            })
            .collect();
        bytes.extend(
            (0..shape.batch_size).map(|_| (next() % u64::from(shape.classes.max(1))) as u8),
        );
        Batch::from_wire(shape, bytes).expect("it was made by the shape")
    };
    (0..DISTINCT).map(batch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Loss, ModelKind, Weights};

    fn model() -> ModelSpec {
        ModelSpec {
            kind: ModelKind::Linear,
            weights: Weights::Xavier,
            loss: Loss::Logits,
            shape: BatchShape {
                batch_size: 4,
                features: 6,
                classes: 3,
            },
        }
    }

    fn start() -> (Compute, UnboundedReceiver<Done>) {
        let means = Means {
            device: DeviceChoice::Cpu,
            threads: 1,
            throttle: Fraction::WHOLE,
        };
        let (compute, done) = Compute::start(means).expect("a thread");
        compute.order(Work::Job {
            model: model(),
            seed: 1,
            allow_gpu: false,
        });
        (compute, done)
    }

    fn task(compute: &mut Compute, batches: u64, stop_in: Duration) -> Task {
        Task {
            ticket: compute.ticket(),
            epoch: 1,
            cycle: 2,
            batches,
            passes: 2,
            beat: Duration::from_secs(60),
            beat_batches: 3,
            tail_batches: 2,
            stop_at: Instant::now() + stop_in,
            parameters: model().initial(1),
        }
    }

    #[test]
    fn it_trains_what_it_holds_and_beats() {
        let (mut compute, mut done) = start();
        let batches = practice(&model().shape, 7)[..8].to_vec();
        compute.order(Work::Keep {
            epoch: 1,
            plan: 1,
            keep: 5,
        });
        compute.order(Work::Hold {
            epoch: 1,
            plan: 1,
            first: 0,
            batches: batches.clone(),
        });
        // What does not follow what is held is of an earlier plan.
        compute.order(Work::Hold {
            epoch: 1,
            plan: 1,
            first: 3,
            batches,
        });
        let task = task(&mut compute, 8, Duration::from_secs(60));
        compute.order(Work::Train(task));
        let mut held = Vec::new();
        let mut beats = Vec::new();
        loop {
            match done.blocking_recv().expect("it goes on") {
                Done::Held { held: count, .. } => held.push(count),
                Done::Beat { done, .. } => beats.push(done),
                Done::Trained {
                    done, parameters, ..
                } => {
                    assert_eq!(done, 8);
                    assert_ne!(parameters, model().initial(1), "it has learnt");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(held, [0, 8, 8]);
        assert_eq!(beats, [3, 6], "every three batches");
    }

    #[test]
    fn it_returns_what_it_has_when_time_is_up_and_nothing_when_cancelled() {
        let (mut compute, mut done) = start();
        compute.order(Work::Hold {
            epoch: 1,
            plan: 1,
            first: 0,
            batches: practice(&model().shape, 7),
        });
        assert!(matches!(done.blocking_recv(), Some(Done::Held { .. })));
        let late = task(&mut compute, 16, Duration::ZERO);
        compute.order(Work::Train(late));
        let Some(Done::Trained {
            done: 0,
            parameters,
            ..
        }) = done.blocking_recv()
        else {
            panic!("no batch fits");
        };
        assert_eq!(parameters, model().initial(1));
        let cancelled = task(&mut compute, 16, Duration::from_secs(60));
        compute.cancel_all();
        compute.order(Work::Train(cancelled));
        let ticket = compute.ticket();
        compute.order(Work::Benchmark {
            ticket,
            epoch: 1,
            batches: 20,
        });
        let next = done.blocking_recv();
        assert!(
            matches!(next, Some(Done::Benchmarked { batches: 20, .. })),
            "{next:?}"
        );
    }
}
