//! The loop that trains and judges, in a process of its own.
//!
//! It holds the batches and the trainer, carries out one request after the other, and checks between
//! two batches whether the request was cancelled, a beat is due, and another batch fits. Beats come
//! from here alone, since they are to prove that training goes on.
//!
//! Another thread reads the requests, so that a cancellation overtakes those that wait.
//!
//! **What it does not know:** the network, and what becomes of its replies.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::frame::{self, Reply, Request, Task, Ticket};
use super::pace::{Fraction, Pace, Tail, Throttle};
use crate::clock;
use crate::data::{Batch, Dataset};
use crate::model::{ModelSpec, from_wire, to_wire};
use crate::protocol::Trained;
use crate::train::{DeviceChoice, Evaluation, TrainError, Trainer};

/// Makes a trainer: see [`train::trainer`](crate::train::trainer).
pub type Make =
    Box<dyn Fn(&ModelSpec, DeviceChoice, usize) -> Result<Box<dyn Trainer>, TrainError> + Send>;

/// Batches before the first benchmark of a job that are not measured, and the time for them.
const WARM_UP: u64 = 10;
const WARMS_UP_FOR: Duration = Duration::from_secs(1);
/// A sleep is cut into pieces of this, to be woken from.
const PIECE: Duration = Duration::from_millis(50);

/// Carries out requests until there are no more, or one fails. `left` is called on another thread
/// once no more will come: what is being done ends soon.
///
/// # Errors
/// When its replies cannot be written.
pub(super) fn serve(
    input: impl Read + Send + 'static,
    mut output: impl Write,
    make: Make,
    left: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let (work, orders) = channel();
    let cancelled = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&cancelled);
    thread::Builder::new()
        .name("asked".to_owned())
        .spawn(move || {
            listen(input, work, &shared);
            left();
        })?;
    output.write_all(frame::GREETING)?;
    let mut loop_ = Loop {
        make,
        orders,
        output,
        broken: None,
        cancelled,
        throttle: Throttle::new(Fraction::WHOLE),
        waiting: VecDeque::new(),
    };
    loop_.reply(&Reply::Begun {
        protocol: frame::PROTOCOL,
        trainer: concat!("allot ", env!("CARGO_PKG_VERSION")).to_owned(),
    });
    loop_.run();
    loop_.broken.map_or(Ok(()), Err)
}

/// Reads requests, to the end.
fn listen(mut input: impl Read, work: Sender<(Request, Vec<u8>)>, cancelled: &AtomicU64) {
    // What cannot be read ends it, as the end of the pipe does: its parent is gone or lost.
    while let Ok(Some((ask, body))) = frame::read(&mut input) {
        match ask {
            Request::Cancel { ticket } => {
                cancelled.fetch_max(ticket, Ordering::Relaxed);
            }
            Request::Job(_)
            | Request::Over
            | Request::Initial
            | Request::Practice
            | Request::Benchmark { .. }
            | Request::Keep { .. }
            | Request::Hold { .. }
            | Request::Train(_)
            | Request::TestSet { .. }
            | Request::Judge { .. } => {
                if work.send((ask, body)).is_err() {
                    return;
                }
            }
        }
    }
    cancelled.store(Ticket::MAX, Ordering::Relaxed);
}

struct Loop<W> {
    make: Make,
    orders: Receiver<(Request, Vec<u8>)>,
    output: W,
    /// Replies cannot be written, for this reason.
    broken: Option<io::Error>,
    cancelled: Arc<AtomicU64>,
    throttle: Throttle,
    /// Requests that came while another was carried out.
    waiting: VecDeque<(Request, Vec<u8>)>,
}

/// The state of a job.
struct JobState {
    trainer: Box<dyn Trainer>,
    model: ModelSpec,
    seed: u64,
    held: Vec<Batch>,
    practice: Vec<Batch>,
    /// It has trained before it is measured.
    is_warm: bool,
    test: Option<Dataset>,
}

impl JobState {
    /// The parameters that the job begins with.
    fn initial(&self) -> Cow<'_, [f32]> {
        match self.trainer.own_initial() {
            Some(own) => own.into(),
            None => self.model.initial(self.seed).into(),
        }
    }
}

/// Why a job cannot be done.
#[derive(Debug, thiserror::Error)]
enum Cannot {
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error("its parent sent {0}: a bug")]
    Asked(&'static str),
    #[error("{0}")]
    Job(String),
}

fn batches(model: &ModelSpec, body: &[u8]) -> Result<Vec<Batch>, Cannot> {
    let shape = &model.shape;
    let batch = |part: &[u8]| Batch::from_wire(shape, part.to_vec());
    let parts = body.chunks(shape.wire_len().max(1)).map(batch);
    let all: Result<_, _> = parts.collect();
    all.map_err(|_| Cannot::Asked("half a batch"))
}

fn metrics(judged: &Evaluation) -> serde_json::Map<String, serde_json::Value> {
    let known = [
        ("loss", judged.loss),
        ("accuracy", judged.accuracy),
        ("true_class_probability", judged.true_class_probability),
    ];
    let others = judged
        .others
        .iter()
        .map(|(name, value)| (name.as_str(), *value));
    let all = known.into_iter().chain(others);
    // What does not apply is no number.
    all.filter(|(_, value)| !value.is_nan())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

impl<W: Write> Loop<W> {
    fn run(&mut self) {
        let mut job: Option<JobState> = None;
        while self.broken.is_none()
            && let Some((ask, body)) = self.next()
            && !self.is_cancelled(Ticket::MAX)
        {
            if let Err(error) = self.act(&mut job, ask, body) {
                let reason = error.to_string();
                return self.reply(&Reply::Failed { reason });
            }
        }
    }

    fn next(&mut self) -> Option<(Request, Vec<u8>)> {
        let waiting = self.waiting.pop_front();
        waiting.or_else(|| self.orders.recv().ok())
    }

    fn act(
        &mut self,
        job: &mut Option<JobState>,
        ask: Request,
        body: Vec<u8>,
    ) -> Result<(), Cannot> {
        if let Request::Job(head) = ask {
            *job = None; // its memory is free before the next one's is taken
            let (model, device, throttle) = head.read().map_err(Cannot::Job)?;
            let seed = head.seed;
            self.throttle = Throttle::new(throttle);
            let trainer = (self.make)(&model, device, head.threads as usize)?;
            let tensors = match trainer.own_layout() {
                Some(layout) => layout.tensors().to_vec(),
                None => model.layout().tensors().to_vec(),
            };
            self.reply(&Reply::Ready {
                device: trainer.device().to_string(),
                tensors,
                options: model.options.said().map(str::to_owned).collect(),
            });
            *job = Some(JobState {
                trainer,
                model,
                seed,
                held: Vec::new(),
                practice: Vec::new(),
                is_warm: false,
                test: None,
            });
            return Ok(());
        }
        if matches!(ask, Request::Over) {
            *job = None;
            return Ok(());
        }
        let Some(job) = job else {
            return Ok(()); // there is nothing to do before there is a job
        };
        match ask {
            Request::Job(_) | Request::Over | Request::Cancel { .. } => {} // dealt with before
            Request::Initial => {
                let initial = to_wire(&job.initial());
                self.reply_with(&Reply::Initial, initial.into());
            }
            Request::Practice => {
                job.practice = batches(&job.model, &body)?;
            }
            Request::Benchmark {
                ticket,
                session,
                batches,
            } => {
                if let Some(took) = self.benchmark(job, ticket, batches)? {
                    self.reply(&Reply::Benchmarked {
                        session,
                        batches,
                        took_ns: clock::nanos(took),
                    });
                }
            }
            Request::Keep { .. } | Request::Hold { .. } => self.stock(job, &ask, &body)?,
            Request::Train(share) => {
                let start = from_wire(&body).ok_or(Cannot::Asked("half a float"))?;
                drop(body);
                self.train(job, &share, &start)?;
            }
            Request::TestSet { samples } => {
                let set = Dataset::from_wire(&job.model.shape, samples, body);
                job.test = Some(set.ok_or(Cannot::Asked("half a test set"))?);
            }
            Request::Judge { cycle } => {
                let parameters = from_wire(&body).ok_or(Cannot::Asked("half a float"))?;
                let set = job.test.as_ref();
                let set = set.ok_or(Cannot::Asked("no test set"))?;
                let judged = job.trainer.evaluate(&parameters, set)?;
                let metrics = metrics(&judged);
                self.reply(&Reply::Judged { cycle, metrics });
            }
        }
        Ok(())
    }

    /// Takes batches in, and lets others go.
    fn stock(&mut self, job: &mut JobState, ask: &Request, body: &[u8]) -> Result<(), Cannot> {
        let (session, plan) = match *ask {
            Request::Keep {
                session,
                plan,
                keep,
            } => {
                let keep = usize::try_from(keep).unwrap_or(usize::MAX);
                job.held.truncate(keep);
                (session, plan)
            }
            Request::Hold {
                session,
                plan,
                first,
            } => {
                // Of an earlier plan's stream, if it does not fit.
                if first == job.held.len() as u64 {
                    job.held.extend(batches(&job.model, body)?);
                }
                (session, plan)
            }
            Request::Job(_)
            | Request::Over
            | Request::Initial
            | Request::Practice
            | Request::Benchmark { .. }
            | Request::Train(_)
            | Request::Cancel { .. }
            | Request::TestSet { .. }
            | Request::Judge { .. } => return Ok(()),
        };
        let held = job.held.len() as u64;
        self.reply(&Reply::Held {
            session,
            plan,
            held,
        });
        Ok(())
    }

    /// Data is taken in between two batches of a benchmark: workers measure while it travels.
    fn take_in(&mut self, job: &mut JobState) -> Result<(), Cannot> {
        while let Ok((ask, body)) = self.orders.try_recv() {
            match ask {
                Request::Keep { .. } | Request::Hold { .. } if self.waiting.is_empty() => {
                    self.stock(job, &ask, &body)?;
                }
                Request::Keep { .. }
                | Request::Hold { .. }
                | Request::Job(_)
                | Request::Over
                | Request::Initial
                | Request::Practice
                | Request::Benchmark { .. }
                | Request::Train(_)
                | Request::Cancel { .. }
                | Request::TestSet { .. }
                | Request::Judge { .. } => self.waiting.push_back((ask, body)),
            }
        }
        Ok(())
    }

    /// Measures one round; nothing if it was cancelled.
    fn benchmark(
        &mut self,
        job: &mut JobState,
        ticket: Ticket,
        batches: u64,
    ) -> Result<Option<Duration>, Cannot> {
        if job.practice.is_empty() {
            return Err(Cannot::Asked("no batches to practise on"));
        }
        job.trainer.scale_rate(1.0);
        let initial = job.initial().into_owned();
        job.trainer.begin(&initial)?;
        let began = Instant::now();
        for step in 0..WARM_UP {
            if job.is_warm || step > 0 && began.elapsed() > WARMS_UP_FOR {
                break;
            }
            if !self.practise(job, ticket, step)? {
                return Ok(None);
            }
        }
        job.is_warm = true;
        self.throttle.begins();
        let since = Instant::now();
        for step in 0..batches {
            if !self.practise(job, ticket, step)? {
                return Ok(None);
            }
        }
        self.sleep(self.throttle.ends(Instant::now()), ticket, None);
        Ok(Some(since.elapsed()))
    }

    /// A batch of a benchmark; false if that was cancelled.
    fn practise(&mut self, job: &mut JobState, ticket: Ticket, step: u64) -> Result<bool, Cannot> {
        if self.is_cancelled(ticket) {
            return Ok(false);
        }
        self.take_in(job)?;
        let batch = &job.practice[(step % job.practice.len() as u64) as usize];
        self.step(job.trainer.as_mut(), batch, ticket, None)?;
        Ok(true)
    }

    /// Data that is sent in every cycle may come after the parameters. Nothing is computed meanwhile,
    /// so that computing is timed by itself.
    fn await_data(
        &mut self,
        job: &mut JobState,
        order: &Task,
        until: Instant,
    ) -> Result<(), Cannot> {
        let is_data = |ask: &Request| matches!(ask, Request::Keep { .. } | Request::Hold { .. });
        while (job.held.len() as u64) < order.batches && !self.is_cancelled(order.ticket) {
            // It may have come behind another request, such as a benchmark that this one cancelled.
            let at = self.waiting.iter().position(|(ask, _)| is_data(ask));
            if let Some((ask, body)) = at.and_then(|at| self.waiting.remove(at)) {
                self.stock(job, &ask, &body)?;
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                break;
            }
            match self.orders.recv_timeout(left.min(PIECE)) {
                Ok(asked) => self.waiting.push_back(asked),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(())
    }

    fn train(&mut self, job: &mut JobState, order: &Task, start: &[f32]) -> Result<(), Cannot> {
        let Task {
            ticket,
            session,
            cycle,
            passes,
            rate_factor,
            beat_batches,
            tail_batches,
            ..
        } = *order;
        let stop_at = order.stop_at.here();
        self.await_data(job, order, stop_at)?;
        // Fewer are here if they did not come in time: then these are trained.
        let share = order.batches.min(job.held.len() as u64);
        let passes = u64::from(passes.max(1));
        self.throttle.reaches(cycle);
        self.throttle.begins();
        let began = Instant::now();
        let beat = Duration::from_nanos(order.beat_ns);
        let mut pace = Pace::new(began, stop_at, beat, beat_batches);
        let mut tail = Tail::new(began, tail_batches.min(share));
        job.trainer.scale_rate(rate_factor);
        job.trainer.begin(start)?;
        let mut steps = 0;
        while steps < share * passes && pace.fits(Instant::now(), steps) {
            if self.is_cancelled(ticket) {
                return Ok(());
            }
            let batch = &job.held[(steps % share) as usize];
            self.step(job.trainer.as_mut(), batch, ticket, Some(stop_at))?;
            steps += 1;
            let done = steps / passes;
            if steps % passes == 0 {
                tail.done(Instant::now());
            }
            if pace.beats(Instant::now(), done) {
                self.reply(&Reply::Beat {
                    session,
                    cycle,
                    done,
                });
            }
        }
        self.sleep(self.throttle.ends(Instant::now()), ticket, Some(stop_at));
        let mut parameters = Vec::new();
        job.trainer.finish(&mut parameters)?;
        if self.is_cancelled(ticket) {
            return Ok(());
        }
        let now = Instant::now();
        let trained = Reply::Trained(Trained {
            session,
            cycle,
            done: steps / passes,
            took_ns: clock::nanos(now - began),
            tail_ns: clock::nanos(now - tail.began()),
        });
        self.reply_with(&trained, to_wire(&parameters).into());
        Ok(())
    }

    /// One batch, slowed down by the throttle. A sleep ends at the deadline of the order, if there is
    /// one: the batch is trained, and a step that the system held up must not make the result late.
    fn step(
        &mut self,
        trainer: &mut dyn Trainer,
        batch: &Batch,
        ticket: Ticket,
        deadline: Option<Instant>,
    ) -> Result<(), TrainError> {
        let (since, used) = (Instant::now(), clock::processor_time());
        trainer.step(batch)?;
        let now = Instant::now();
        let took = now - since;
        // A GPU does what no processor's time tells.
        let own = match trainer.device() {
            DeviceChoice::Cpu => took.min(clock::processor_time().saturating_sub(used)),
            _ => took,
        };
        let nap = self.throttle.worked(since, now, own);
        self.sleep(nap, ticket, deadline);
        Ok(())
    }

    /// Sleeps, but not beyond a deadline.
    fn sleep(&self, nap: Duration, ticket: Ticket, deadline: Option<Instant>) {
        let since = Instant::now();
        let nap = deadline.map_or(nap, |at| nap.min(at.saturating_duration_since(since)));
        while let left = nap.saturating_sub(since.elapsed())
            && left > Duration::ZERO
            && !self.is_cancelled(ticket)
        {
            thread::sleep(left.min(PIECE));
        }
    }

    fn is_cancelled(&self, ticket: Ticket) -> bool {
        ticket <= self.cancelled.load(Ordering::Relaxed)
    }

    fn reply(&mut self, answer: &Reply) {
        self.reply_with(answer, Bytes::new());
    }

    /// If the parent is gone, this process is about to end too.
    fn reply_with(&mut self, answer: &Reply, body: Bytes) {
        if let Err(error) = frame::write(&mut self.output, answer, &[body]) {
            self.broken.get_or_insert(error);
        }
    }
}
