//! The loop that trains and judges, in a process of its own.
//!
//! It holds the batches and the trainer, does one order after the other, and looks up between two
//! batches: whether the order was cancelled, whether a beat is due, whether another batch fits.
//! Beats come from here and nowhere else, since they are to prove that training goes on.
//!
//! A thread beside it reads what is asked, so that a cancellation overtakes what waits.
//!
//! **What it does not know:** the network, and what becomes of its answers.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::frame::{self, Answer, Ask, Task, Ticket};
use super::pace::{Fraction, Pace, Tail, Throttle};
use super::practice::{DISTINCT, practice};
use crate::data::{Batch, Dataset};
use crate::model::{ModelSpec, from_wire, to_wire};
use crate::protocol::Training;
use crate::train::{DeviceChoice, TrainError, Trainer};

/// Makes a trainer: see [`train::trainer`](crate::train::trainer).
pub type Make = fn(&ModelSpec, DeviceChoice, usize) -> Result<Box<dyn Trainer>, TrainError>;

/// Batches before a benchmark that are not measured.
const WARM_UP: u64 = 10;
/// A sleep is cut into pieces of this, to be woken from.
const PIECE: Duration = Duration::from_millis(50);

/// Does what is asked until nothing more is, or it cannot. `left` is called beside it once nothing
/// more will be asked: what is being done ends soon.
///
/// # Errors
/// When nobody takes its answers.
pub(super) fn serve(
    input: impl Read + Send + 'static,
    output: impl Write,
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
    let mut loop_ = Loop {
        make,
        orders,
        output,
        broken: None,
        cancelled,
        throttle: Throttle::new(Fraction::WHOLE),
        waiting: VecDeque::new(),
    };
    loop_.tell(&Answer::Begun {
        release: frame::RELEASE.to_owned(),
    });
    loop_.run();
    loop_.broken.map_or(Ok(()), Err)
}

/// Reads what is asked, to the end.
fn listen(mut input: impl Read, work: Sender<(Ask, Vec<u8>)>, cancelled: &AtomicU64) {
    // What cannot be read ends it as the end of the pipe does: its parent is gone or lost.
    while let Ok(Some((ask, body))) = frame::read(&mut input) {
        match ask {
            Ask::Cancel { ticket } => {
                cancelled.fetch_max(ticket, Ordering::Relaxed);
            }
            Ask::Job { .. }
            | Ask::Over
            | Ask::Benchmark { .. }
            | Ask::Keep { .. }
            | Ask::Hold { .. }
            | Ask::Train(_)
            | Ask::TestSet
            | Ask::Judge { .. } => {
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
    orders: Receiver<(Ask, Vec<u8>)>,
    output: W,
    /// Nobody takes its answers, for this reason.
    broken: Option<io::Error>,
    cancelled: Arc<AtomicU64>,
    throttle: Throttle,
    /// Orders that came while another was carried out.
    waiting: VecDeque<(Ask, Vec<u8>)>,
}

/// What belongs to a job.
struct Bench {
    trainer: Box<dyn Trainer>,
    model: ModelSpec,
    seed: u64,
    held: Vec<Batch>,
    practice: Vec<Batch>,
    test: Option<Dataset>,
}

/// Why a job cannot be done.
#[derive(Debug, thiserror::Error)]
enum Cannot {
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error("its parent sent {0}: a bug")]
    Asked(&'static str),
}

impl<W: Write> Loop<W> {
    fn run(&mut self) {
        let mut bench: Option<Bench> = None;
        while self.broken.is_none()
            && let Some((ask, body)) = self.next()
            && !self.is_cancelled(Ticket::MAX)
        {
            if let Err(error) = self.act(&mut bench, ask, body) {
                let reason = error.to_string();
                return self.tell(&Answer::Failed { reason });
            }
        }
    }

    fn next(&mut self) -> Option<(Ask, Vec<u8>)> {
        let waiting = self.waiting.pop_front();
        waiting.or_else(|| self.orders.recv().ok())
    }

    fn act(&mut self, bench: &mut Option<Bench>, ask: Ask, body: Vec<u8>) -> Result<(), Cannot> {
        if let Ask::Job {
            model,
            seed,
            device,
            threads,
            throttle,
        } = ask
        {
            *bench = None; // its memory is free before the next one's is taken
            self.throttle = Throttle::new(throttle);
            let trainer = (self.make)(&model, device, threads as usize)?;
            self.tell(&Answer::Ready {
                device: trainer.device(),
            });
            *bench = Some(Bench {
                trainer,
                model,
                seed,
                held: Vec::new(),
                practice: Vec::new(),
                test: None,
            });
            return Ok(());
        }
        if matches!(ask, Ask::Over) {
            *bench = None;
            return Ok(());
        }
        let Some(bench) = bench else {
            return Ok(()); // nothing can be ordered before there is a job
        };
        match ask {
            Ask::Job { .. } | Ask::Over | Ask::Cancel { .. } => {} // dealt with before
            Ask::Benchmark {
                ticket,
                session,
                batches,
            } => {
                if let Some(took) = self.benchmark(bench, ticket, batches)? {
                    self.tell(&Answer::Benchmarked {
                        session,
                        batches,
                        took,
                    });
                }
            }
            Ask::Keep { .. } | Ask::Hold { .. } => self.stock(bench, &ask, &body)?,
            Ask::Train(share) => {
                let start = from_wire(&body).ok_or(Cannot::Asked("half a float"))?;
                drop(body);
                self.train(bench, &share, &start)?;
            }
            Ask::TestSet => {
                let shape = bench.model.shape;
                let set = Dataset::from_wire(shape.features, shape.classes, body);
                bench.test = Some(set.ok_or(Cannot::Asked("half a test set"))?);
            }
            Ask::Judge { cycle } => {
                let parameters = from_wire(&body).ok_or(Cannot::Asked("half a float"))?;
                let set = bench.test.as_ref();
                let set = set.ok_or(Cannot::Asked("no test set"))?;
                let judged = bench.trainer.evaluate(&parameters, set)?;
                self.tell(&Answer::Judged { cycle, judged });
            }
        }
        Ok(())
    }

    /// Data comes and goes.
    fn stock(&mut self, bench: &mut Bench, ask: &Ask, body: &[u8]) -> Result<(), Cannot> {
        let (session, plan) = match *ask {
            Ask::Keep {
                session,
                plan,
                keep,
            } => {
                let keep = usize::try_from(keep).unwrap_or(usize::MAX);
                bench.held.truncate(keep);
                (session, plan)
            }
            Ask::Hold {
                session,
                plan,
                first,
            } => {
                // Of an earlier plan's stream, if it does not fit.
                if first == bench.held.len() as u64 {
                    let shape = &bench.model.shape;
                    for part in body.chunks(shape.wire_len().max(1)) {
                        let batch = Batch::from_wire(shape, part.to_vec());
                        let batch = batch.map_err(|_| Cannot::Asked("half a batch"))?;
                        bench.held.push(batch);
                    }
                }
                (session, plan)
            }
            Ask::Job { .. }
            | Ask::Over
            | Ask::Benchmark { .. }
            | Ask::Train(_)
            | Ask::Cancel { .. }
            | Ask::TestSet
            | Ask::Judge { .. } => return Ok(()),
        };
        let held = bench.held.len() as u64;
        self.tell(&Answer::Held {
            session,
            plan,
            held,
        });
        Ok(())
    }

    /// Data is taken in between two batches of a benchmark: workers measure while it travels.
    fn take_in(&mut self, bench: &mut Bench) -> Result<(), Cannot> {
        while let Ok((ask, body)) = self.orders.try_recv() {
            match ask {
                Ask::Keep { .. } | Ask::Hold { .. } if self.waiting.is_empty() => {
                    self.stock(bench, &ask, &body)?;
                }
                Ask::Keep { .. }
                | Ask::Hold { .. }
                | Ask::Job { .. }
                | Ask::Over
                | Ask::Benchmark { .. }
                | Ask::Train(_)
                | Ask::Cancel { .. }
                | Ask::TestSet
                | Ask::Judge { .. } => self.waiting.push_back((ask, body)),
            }
        }
        Ok(())
    }

    /// Measures one round; nothing if it was cancelled.
    fn benchmark(
        &mut self,
        bench: &mut Bench,
        ticket: Ticket,
        batches: u64,
    ) -> Result<Option<Duration>, Cannot> {
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
            self.take_in(bench)?;
            let batch = &bench.practice[(step % DISTINCT) as usize];
            self.step(bench.trainer.as_mut(), batch, ticket)?;
        }
        Ok(Some(since.elapsed()))
    }

    /// Data that travels in every cycle may come after the parameters. Nothing is computed
    /// meanwhile, so that computing is timed by itself.
    fn await_data(
        &mut self,
        bench: &mut Bench,
        order: &Task,
        until: Instant,
    ) -> Result<(), Cannot> {
        let is_data = |ask: &Ask| matches!(ask, Ask::Keep { .. } | Ask::Hold { .. });
        while (bench.held.len() as u64) < order.training.batches && !self.is_cancelled(order.ticket)
        {
            // It may have come behind something else, such as a benchmark that this order cancelled.
            let at = self.waiting.iter().position(|(ask, _)| is_data(ask));
            if let Some((ask, body)) = at.and_then(|at| self.waiting.remove(at)) {
                self.stock(bench, &ask, &body)?;
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

    fn train(&mut self, bench: &mut Bench, order: &Task, start: &[f32]) -> Result<(), Cannot> {
        let Task {
            ticket, training, ..
        } = *order;
        let Training {
            session,
            cycle,
            passes,
            beat_batches,
            tail_batches,
            ..
        } = training;
        let stop_at = order.stop_at.here();
        self.await_data(bench, order, stop_at)?;
        // Fewer are here if they did not come in time: it gets what we can do with those.
        let share = order.training.batches.min(bench.held.len() as u64);
        let passes = u64::from(passes.max(1));
        self.throttle.reaches(cycle);
        let began = Instant::now();
        let beat = Duration::from_nanos(training.beat_ns);
        let mut pace = Pace::new(began, stop_at, beat, beat_batches);
        let mut tail = Tail::new(began, tail_batches.min(share));
        bench.trainer.begin(start)?;
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
                self.tell(&Answer::Beat {
                    session,
                    cycle,
                    done,
                });
            }
        }
        let mut parameters = Vec::new();
        bench.trainer.finish(&mut parameters)?;
        if self.is_cancelled(ticket) {
            return Ok(());
        }
        let now = Instant::now();
        let trained = Answer::Trained {
            session,
            cycle,
            done: steps / passes,
            took: now - began,
            tail: now - tail.began(),
        };
        self.tell_with(&trained, to_wire(&parameters).into());
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

    fn tell(&mut self, answer: &Answer) {
        self.tell_with(answer, Bytes::new());
    }

    /// Whoever listened may be gone; then this process is about to end too.
    fn tell_with(&mut self, answer: &Answer, body: Bytes) {
        if let Err(error) = frame::write(&mut self.output, answer, &[body]) {
            self.broken.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use super::super::frame::Moment;
    use super::super::process::{Heard, Process};
    use super::*;
    use crate::data::{BatchShape, DataSource, Synthetic};
    use crate::model::{Loss, ModelKind, Weights};
    use crate::train::trainer;

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

    fn job(device: DeviceChoice) -> Ask {
        Ask::Job {
            model: model(),
            seed: 1,
            device,
            threads: 1,
            throttle: Fraction::WHOLE,
        }
    }

    /// The two sides with pipes between them, on threads of this process.
    fn start() -> (Process, Receiver<Heard>) {
        let (from_parent, to_child) = io::pipe().expect("a pipe");
        let (from_child, to_parent) = io::pipe().expect("a pipe");
        let child = thread::spawn(move || serve(from_parent, to_parent, trainer, || {}));
        let (tell, heard) = channel();
        let end = move |broken: Option<io::Error>| {
            let ended = child.join().expect("it does not panic");
            Heard::Died(format!("{broken:?} {ended:?}"))
        };
        let hear = move |heard| {
            let _ = tell.send(heard);
        };
        let process = Process::over(to_child, from_child, end, hear).expect("threads");
        process.ask(job(DeviceChoice::Cpu), Vec::new());
        (process, heard)
    }

    /// The next answer that says anything.
    fn next(heard: &Receiver<Heard>) -> (Answer, Vec<u8>) {
        loop {
            match heard.recv().expect("it goes on") {
                Heard::Answer(Answer::Begun { .. } | Answer::Ready { .. }, _) => {}
                Heard::Answer(answer, body) => return (answer, body),
                Heard::Died(why) | Heard::Unfit(why) => panic!("{why}"),
            }
        }
    }

    fn share(ticket: Ticket, batches: u64, stop_in: Duration) -> Ask {
        let training = Training {
            session: 1,
            cycle: 2,
            batches,
            passes: 2,
            beat_ns: 60_000_000_000,
            beat_batches: 3,
            tail_batches: 2,
            stop_in_ns: 0,
            results_in_ns: 0,
        };
        let stop_at = Moment::of(Instant::now() + stop_in);
        Ask::Train(Task {
            ticket,
            training,
            stop_at,
        })
    }

    fn start_of_all() -> Vec<Bytes> {
        vec![to_wire(&model().initial(1)).into()]
    }

    fn some_batches(count: usize) -> Vec<Bytes> {
        let batches = practice(&model().shape, 7).into_iter().take(count);
        batches.map(|batch| batch.into_wire().into()).collect()
    }

    const HOLD: Ask = Ask::Hold {
        session: 1,
        plan: 1,
        first: 0,
    };

    #[test]
    fn it_trains_what_it_holds_and_beats() {
        let (process, heard) = start();
        let keep = Ask::Keep {
            session: 1,
            plan: 1,
            keep: 5,
        };
        process.ask(keep, Vec::new());
        process.ask(HOLD, some_batches(8));
        // What does not follow what is held is of an earlier plan.
        let astray = Ask::Hold {
            session: 1,
            plan: 1,
            first: 3,
        };
        process.ask(astray, some_batches(8));
        process.ask(share(1, 8, Duration::from_secs(60)), start_of_all());
        let (mut held, mut beats) = (Vec::new(), Vec::new());
        let (done, body) = loop {
            match next(&heard) {
                (Answer::Held { held: count, .. }, _) => held.push(count),
                (Answer::Beat { done, .. }, _) => beats.push(done),
                (Answer::Trained { done, .. }, body) => break (done, body),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((held, done), (vec![0, 8, 8], 8));
        assert_eq!(beats, [3, 6], "every three batches");
        // To the last bit what a trainer makes of the same batches without pipes.
        let mut plain = trainer(&model(), DeviceChoice::Cpu, 1).expect("a trainer");
        plain.begin(&model().initial(1)).expect("it begins");
        for batch in practice(&model().shape, 7).iter().take(8).cycle().take(16) {
            plain.step(batch).expect("it trains");
        }
        let mut expected = Vec::new();
        plain.finish(&mut expected).expect("it ends");
        assert_eq!(body, to_wire(&expected));
    }

    #[test]
    fn it_returns_what_it_has_when_time_is_up_and_nothing_when_cancelled() {
        let (process, heard) = start();
        process.ask(HOLD, some_batches(16));
        assert!(matches!(next(&heard), (Answer::Held { .. }, _)));
        process.ask(share(1, 16, Duration::ZERO), start_of_all());
        let (Answer::Trained { done: 0, .. }, body) = next(&heard) else {
            panic!("no batch fits");
        };
        assert_eq!(body, start_of_all()[0]);
        // A long one is overtaken while it is under way, one that waits before it begins.
        let long = u64::MAX / 4;
        let benchmark = |ticket, batches| Ask::Benchmark {
            ticket,
            session: 1,
            batches,
        };
        process.ask(benchmark(2, long), Vec::new());
        process.ask(share(3, 16, Duration::from_secs(60)), start_of_all());
        process.ask(Ask::Cancel { ticket: 3 }, Vec::new());
        process.ask(benchmark(4, 20), Vec::new());
        let answer = next(&heard);
        assert!(
            matches!(answer, (Answer::Benchmarked { batches: 20, .. }, _)),
            "{answer:?}"
        );
    }

    /// Data that travels in every cycle comes after the order, here behind a benchmark too.
    #[test]
    fn it_waits_for_data_that_is_on_its_way() {
        let (process, heard) = start();
        let long = Ask::Benchmark {
            ticket: 1,
            session: 1,
            batches: u64::MAX / 4,
        };
        process.ask(long, Vec::new());
        process.ask(share(2, 8, Duration::from_secs(60)), start_of_all());
        process.ask(HOLD, some_batches(5));
        thread::sleep(Duration::from_millis(20)); // all of it has come by now
        process.ask(Ask::Cancel { ticket: 1 }, Vec::new());
        let rest = Ask::Hold {
            session: 1,
            plan: 1,
            first: 5,
        };
        process.ask(rest, some_batches(3));
        let (mut held, mut done) = (Vec::new(), None);
        while done.is_none() {
            match next(&heard).0 {
                Answer::Held { held: count, .. } => held.push(count),
                Answer::Beat { .. } => {}
                Answer::Trained { done: all, .. } => done = Some(all),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((held, done), (vec![5, 8], Some(8)));
    }

    #[test]
    fn it_judges_as_a_trainer_does() {
        let source = DataSource::Synthetic(Synthetic {
            seed: 3,
            train: 40,
            test: 100,
        });
        let test = source.load().expect("it is made").test;
        let spec = ModelSpec {
            shape: test.batch_shape(4),
            ..model()
        };
        let (process, heard) = start();
        let job = Ask::Job {
            model: spec,
            seed: 1,
            device: DeviceChoice::Auto,
            threads: 1,
            throttle: Fraction::WHOLE,
        };
        process.ask(job, Vec::new());
        process.ask(Ask::TestSet, vec![test.to_wire().into()]);
        let parameters = spec.initial(4);
        process.ask(Ask::Judge { cycle: 9 }, vec![to_wire(&parameters).into()]);
        let mut plain = trainer(&spec, DeviceChoice::Cpu, 1).expect("a trainer");
        let judged = plain.evaluate(&parameters, &test).expect("it judges");
        assert_eq!(next(&heard).0, Answer::Judged { cycle: 9, judged });
    }

    #[test]
    fn what_it_cannot_do_ends_it_with_one_line() {
        let (process, heard) = start();
        process.ask(job(DeviceChoice::Cuda(1)), Vec::new());
        let (Answer::Failed { reason }, _) = next(&heard) else {
            panic!("there is no such device");
        };
        assert!(reason.starts_with("there is no cuda:1"), "{reason}");
        assert!(matches!(heard.recv(), Ok(Heard::Died(_))), "and it ends");
        process.ask(HOLD, Vec::new()); // in vain, and without harm
        for wrong in [vec![0; 5], vec![0; 27], vec![3; 28]] {
            let (process, heard) = start();
            process.ask(HOLD, vec![wrong.into()]);
            let (Answer::Failed { reason }, _) = next(&heard) else {
                panic!("that is no batch");
            };
            assert_eq!(reason, "its parent sent half a batch: a bug");
        }
    }

    #[test]
    fn it_ends_when_nobody_asks_any_more() {
        let (process, heard) = start();
        process.ask(
            Ask::Benchmark {
                ticket: 1,
                session: 1,
                batches: u64::MAX / 4,
            },
            Vec::new(),
        );
        drop(process);
        // The last sender goes with the thread that hears, which first waits for the end.
        while let Ok(heard) = heard.recv() {
            assert!(!matches!(heard, Heard::Died(_)), "it was let go: {heard:?}");
        }
    }
}
