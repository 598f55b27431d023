//! A trainer and its parent, with pipes between them, on threads of one process.

use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::frame::{Moment, Reply, Request, Task, Ticket};
use super::pace::Fraction;
use super::practice::practice;
use super::process::{Process, TrainerEvent};
use super::serve::serve;
use crate::data::{BatchShape, DataSource, Synthetic};
use crate::model::{ModelKind, ModelSpec, TrainingOptions, Weights, to_wire};
use crate::protocol::{Trained, Training};
use crate::train::{DeviceChoice, Evaluation, trainer};

fn model() -> ModelSpec {
    ModelSpec {
        kind: ModelKind::Linear,
        weights: Weights::Xavier,
        options: TrainingOptions::NONE,
        shape: BatchShape::of_bytes(4, 6, 3, 256),
    }
}

fn job(device: DeviceChoice) -> Request {
    Request::job(&model(), 1, device, 1, Fraction::WHOLE)
}

/// The two sides with pipes between them, on threads of this process.
fn start() -> (Process, Receiver<TrainerEvent>) {
    let (from_parent, to_child) = io::pipe().expect("a pipe");
    let (from_child, to_parent) = io::pipe().expect("a pipe");
    let child = thread::spawn(move || serve(from_parent, to_parent, Box::new(trainer), || {}));
    let (tell, heard) = channel();
    let end = move |broken: Option<io::Error>, _| {
        let ended = child.join().expect("it does not panic");
        TrainerEvent::Died(format!("{broken:?} {ended:?}"))
    };
    let hear = move |heard| {
        let _ = tell.send(heard);
    };
    let process = Process::over(to_child, from_child, end, hear).expect("threads");
    process.send(job(DeviceChoice::Cpu), Vec::new());
    let batches = practice(&model().shape, 1).into_iter();
    let batches = batches.map(|batch| batch.into_wire().into()).collect();
    process.send(Request::Practice, batches);
    (process, heard)
}

/// The next answer that says anything.
fn next(heard: &Receiver<TrainerEvent>) -> (Reply, Vec<u8>) {
    loop {
        match heard.recv().expect("it goes on") {
            TrainerEvent::Reply(Reply::Begun { .. } | Reply::Ready { .. }, _) => {}
            TrainerEvent::Reply(answer, body) => return (answer, body),
            TrainerEvent::Died(why) | TrainerEvent::Unfit(why) => panic!("{why}"),
        }
    }
}

fn share(ticket: Ticket, batches: u64, stop_in: Duration) -> Request {
    let training = Training {
        session: 1,
        cycle: 2,
        batches,
        passes: 2,
        rate_ppb: 1_000_000_000,
        beat_ns: 60_000_000_000,
        beat_batches: 3,
        tail_batches: 2,
        stop_in_ns: 0,
        results_in_ns: 0,
    };
    let stop_at = Moment::of(Instant::now() + stop_in);
    Request::Train(Task::new(ticket, &training, stop_at))
}

fn start_of_all() -> Vec<Bytes> {
    vec![to_wire(&model().initial(1)).into()]
}

fn some_batches(count: usize) -> Vec<Bytes> {
    let batches = practice(&model().shape, 7).into_iter().take(count);
    batches.map(|batch| batch.into_wire().into()).collect()
}

const HOLD: Request = Request::Hold {
    session: 1,
    plan: 1,
    first: 0,
};

#[test]
fn it_trains_what_it_holds_and_beats() {
    let (process, heard) = start();
    let keep = Request::Keep {
        session: 1,
        plan: 1,
        keep: 5,
    };
    process.send(keep, Vec::new());
    process.send(HOLD, some_batches(8));
    // What does not follow what is held is of an earlier plan.
    let astray = Request::Hold {
        session: 1,
        plan: 1,
        first: 3,
    };
    process.send(astray, some_batches(8));
    process.send(share(1, 8, Duration::from_secs(60)), start_of_all());
    let (mut held, mut beats) = (Vec::new(), Vec::new());
    let (done, body) = loop {
        match next(&heard) {
            (Reply::Held { held: count, .. }, _) => held.push(count),
            (Reply::Beat { done, .. }, _) => beats.push(done),
            (Reply::Trained(Trained { done, .. }), body) => break (done, body),
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
    process.send(HOLD, some_batches(16));
    assert!(matches!(next(&heard), (Reply::Held { .. }, _)));
    process.send(share(1, 16, Duration::ZERO), start_of_all());
    let (Reply::Trained(Trained { done: 0, .. }), body) = next(&heard) else {
        panic!("no batch fits");
    };
    assert_eq!(body, start_of_all()[0]);
    // A long one is overtaken while it is under way, one that waits before it begins.
    let long = u64::MAX / 4;
    let benchmark = |ticket, batches| Request::Benchmark {
        ticket,
        session: 1,
        batches,
    };
    process.send(benchmark(2, long), Vec::new());
    process.send(share(3, 16, Duration::from_secs(60)), start_of_all());
    process.send(Request::Cancel { ticket: 3 }, Vec::new());
    process.send(benchmark(4, 20), Vec::new());
    let answer = next(&heard);
    let Reply::Benchmarked { batches: 20, .. } = answer.0 else {
        panic!("{answer:?}");
    };
}

/// Data that travels in every cycle comes after the order, here behind a benchmark too.
#[test]
fn it_waits_for_data_that_is_on_its_way() {
    let (process, heard) = start();
    let long = Request::Benchmark {
        ticket: 1,
        session: 1,
        batches: u64::MAX / 4,
    };
    process.send(long, Vec::new());
    process.send(share(2, 8, Duration::from_secs(60)), start_of_all());
    process.send(HOLD, some_batches(5));
    thread::sleep(Duration::from_millis(20)); // all of it has come by now
    process.send(Request::Cancel { ticket: 1 }, Vec::new());
    let rest = Request::Hold {
        session: 1,
        plan: 1,
        first: 5,
    };
    process.send(rest, some_batches(3));
    let (mut held, mut done) = (Vec::new(), None);
    while done.is_none() {
        match next(&heard).0 {
            Reply::Held { held: count, .. } => held.push(count),
            Reply::Beat { .. } => {}
            Reply::Trained(Trained { done: all, .. }) => done = Some(all),
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
    let job = Request::job(&spec, 1, DeviceChoice::Auto, 1, Fraction::WHOLE);
    process.send(job, Vec::new());
    let samples = test.samples() as u64;
    process.send(
        Request::TestSet { samples },
        vec![test.whole().expect("it is in memory").into_wire().into()],
    );
    let parameters = spec.initial(4);
    process.send(
        Request::Judge { cycle: 9 },
        vec![to_wire(&parameters).into()],
    );
    let mut plain = trainer(&spec, DeviceChoice::Cpu, 1).expect("a trainer");
    let judged = plain.evaluate(&parameters, &test).expect("it judges");
    let Reply::Judged { cycle: 9, metrics } = next(&heard).0 else {
        panic!("it judges");
    };
    assert_eq!(Evaluation::of(metrics), judged, "to the last bit");
}

#[test]
fn what_it_cannot_do_ends_it_with_one_line() {
    let (process, heard) = start();
    process.send(job(DeviceChoice::Cuda(1)), Vec::new());
    let (Reply::Failed { reason }, _) = next(&heard) else {
        panic!("there is no such device");
    };
    assert!(reason.starts_with("there is no cuda:1"), "{reason}");
    assert!(
        matches!(heard.recv(), Ok(TrainerEvent::Died(_))),
        "and it ends"
    );
    process.send(HOLD, Vec::new()); // in vain, and without harm
    for wrong in [vec![0; 5], vec![0; 27], vec![3; 28]] {
        let (process, heard) = start();
        process.send(HOLD, vec![wrong.into()]);
        let (Reply::Failed { reason }, _) = next(&heard) else {
            panic!("that is no batch");
        };
        assert_eq!(reason, "its parent sent half a batch: a bug");
    }
}

#[test]
fn it_ends_when_its_parent_drops_it() {
    let (process, heard) = start();
    process.send(
        Request::Benchmark {
            ticket: 1,
            session: 1,
            batches: u64::MAX / 4,
        },
        Vec::new(),
    );
    drop(process);
    // The last sender goes with the thread that hears, which first waits for the end.
    while let Ok(heard) = heard.recv() {
        assert!(
            !matches!(heard, TrainerEvent::Died(_)),
            "it was let go: {heard:?}"
        );
    }
}
