//! The requests to a trainer, its replies, and how both are written to a pipe: the protocol of
//! `docs/trainers.md`, which any program may speak.
//!
//! A trainer begins with [`GREETING`], so that what its libraries print before is told apart. Then
//! both sides write frames: two lengths, a head in JSON, and a body of plain bytes, batches and
//! parameters as they are on the wire. Lengths are bounded, since a program may say anything.
//!
//! **What it does not know:** processes and threads.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use scenarios::scenario::Weights;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pace::Fraction;
use crate::data::{BatchShape, FieldShape, ValueType};
use crate::model::{ModelKind, ModelSpec, OptionsHead, TensorShape};
use crate::protocol::{Trained, Training};
use crate::train::DeviceChoice;

/// The version of the protocol, in the first head of both sides.
pub(crate) const PROTOCOL: u32 = 1;
/// What a trainer writes before its first frame.
pub(super) const GREETING: &[u8; 16] = b"\0ALLOT-TRAINER\0\n";
/// What may be printed before it.
const PRINTED: usize = 1 << 20;
/// The longest head.
const HEAD: usize = 1 << 22;
/// The longest body: more than any model, test set or stream of batches has.
const BODY: u64 = 1 << 32;

/// The number of an order, by which it is cancelled.
pub(crate) type Ticket = u64;

/// A request. Sessions, plans and cycles are handed back with the reply and mean nothing here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// A job begins: nothing of the one before is left.
    Job(Box<JobHead>),
    /// The job is over: its memory is free.
    Over,
    /// Give the parameters that the job begins with.
    Initial,
    /// Benchmarks train on these, in turn. The body is the batches.
    Practice,
    /// Measure one round.
    Benchmark {
        ticket: Ticket,
        session: u32,
        batches: u64,
    },
    /// Keep the first of what is held, and expect more.
    Keep { session: u32, plan: u32, keep: u64 },
    /// Hold these too, from this place on. The body is the batches.
    Hold { session: u32, plan: u32, first: u64 },
    /// Train one cycle's share. The body is the parameters.
    Train(Task),
    /// Stop and forget all orders up to this one.
    Cancel { ticket: Ticket },
    /// Judge by these samples from now on. The body is their values, then their labels.
    TestSet { samples: u64 },
    /// Judge parameters. The body is these.
    Judge { cycle: u32 },
}

/// What a trainer has to know of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobHead {
    /// [`PROTOCOL`].
    protocol: u32,
    /// `mlp`, `linear`, or `program` for one that chooses itself.
    model: String,
    weights: String,
    /// What is said of how it is trained.
    #[serde(default)]
    training: OptionsHead,
    pub(crate) seed: u64,
    device: String,
    pub(crate) threads: u32,
    /// From each of these cycles on, the fraction of full speed that it runs at.
    throttle: Vec<(u32, f64)>,
    batch: BatchHead,
}

/// Samples in a batch, and what each is made of, in the order of the bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct BatchHead {
    samples: u32,
    fields: Vec<Field>,
}

/// One tensor of each sample: a batch has that of all samples, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Field {
    name: String,
    #[serde(rename = "type")]
    kind: ValueType,
    /// Of one sample.
    shape: Vec<u32>,
    /// Every value is from 0 to below this, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    below: Option<u32>,
}

impl Field {
    fn of(name: &str, shape: &FieldShape) -> Self {
        Self {
            name: name.to_owned(),
            kind: shape.kind,
            shape: shape.dimensions().to_vec(),
            below: (shape.below > 0).then_some(shape.below),
        }
    }

    fn read(&self) -> Option<FieldShape> {
        FieldShape::new(self.kind, &self.shape, self.below.unwrap_or(0))
    }
}

impl Request {
    /// A job, as it is sent to a trainer.
    pub(crate) fn job(
        model: &ModelSpec,
        seed: u64,
        device: DeviceChoice,
        threads: usize,
        throttle: Fraction,
    ) -> Self {
        let shape = &model.shape;
        Self::Job(Box::new(JobHead {
            protocol: PROTOCOL,
            model: model.kind.to_string(),
            weights: model.weights.name().to_owned(),
            training: model.options.head(),
            seed,
            device: device.to_string(),
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
            throttle: throttle.steps(),
            batch: BatchHead {
                samples: shape.batch_size,
                fields: vec![Field::of("x", &shape.x), Field::of("y", &shape.y)],
            },
        }))
    }
}

impl JobHead {
    /// What a trainer of this library makes of it.
    ///
    /// # Errors
    /// What of it is none of its business.
    pub(super) fn read(&self) -> Result<(ModelSpec, DeviceChoice, Fraction), String> {
        let odd = |what: &str, found: &str| format!("its parent sent {what} {found:?}");
        if self.protocol != PROTOCOL {
            return Err(format!(
                "its parent speaks protocol {}, expected {PROTOCOL}: use the same release",
                self.protocol
            ));
        }
        let weights = [Weights::Xavier, Weights::Kaiming, Weights::Orthogonal];
        let weights = weights.into_iter().find(|w| w.name() == self.weights);
        let kinds = [ModelKind::Mlp, ModelKind::Linear, ModelKind::Program];
        let kind = kinds.into_iter().find(|k| k.to_string() == self.model);
        let device = self.device.parse();
        let fields: Vec<_> = self.batch.fields.iter().map(Field::read).collect();
        let &[Some(x), Some(y)] = fields.as_slice() else {
            return Err(odd("fields", &format!("{:?}", self.batch.fields)));
        };
        let spec = ModelSpec {
            kind: kind.ok_or_else(|| odd("the model", &self.model))?,
            weights: weights.ok_or_else(|| odd("weights", &self.weights))?,
            options: self.training.read(),
            shape: BatchShape {
                batch_size: self.batch.samples,
                x,
                y,
            },
        };
        let throttle = Fraction::of_steps(&self.throttle)
            .ok_or_else(|| odd("a throttle", &format!("{:?}", self.throttle)))?;
        let device = device.map_err(|_| odd("the device", &self.device))?;
        Ok((spec, device, throttle))
    }
}

/// One cycle's share, to be trained by a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) ticket: Ticket,
    pub(crate) session: u32,
    pub(crate) cycle: u32,
    pub(crate) batches: u64,
    pub(crate) passes: u32,
    /// What the learning rate is multiplied by.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub(crate) rate_factor: f64,
    pub(crate) beat_ns: u64,
    pub(crate) beat_batches: u64,
    pub(crate) tail_batches: u64,
    #[serde(rename = "stop_at_ns")]
    pub(crate) stop_at: Moment,
}

const fn whole() -> f64 {
    1.0
}

fn is_whole(factor: &f64) -> bool {
    *factor == whole()
}

impl Task {
    /// An order to train, for a trainer.
    pub(crate) fn new(ticket: Ticket, training: &Training, stop_at: Moment) -> Self {
        Self {
            ticket,
            session: training.session,
            cycle: training.cycle,
            batches: training.batches,
            passes: training.passes,
            rate_factor: training.rate_ppb as f64 / 1e9,
            beat_ns: training.beat_ns,
            beat_batches: training.beat_batches,
            tail_batches: training.tail_batches,
            stop_at,
        }
    }
}

/// What a trainer replies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// The first one: which protocol it speaks, and what it is.
    Begun { protocol: u32, trainer: String },
    /// The job can be done, on this device, with these tensors in the vector of parameters, and
    /// these options of training are kept to.
    Ready {
        device: String,
        tensors: Vec<TensorShape>,
        #[serde(default)]
        options: Vec<String>,
    },
    /// The body is the parameters that the job begins with.
    Initial,
    /// One round of the benchmark.
    Benchmarked {
        session: u32,
        batches: u64,
        took_ns: u64,
    },
    /// This number of batches is held in all.
    Held { session: u32, plan: u32, held: u64 },
    /// This number of batches of a share is trained.
    Beat { session: u32, cycle: u32, done: u64 },
    /// A share is done, or its time is up. The body is the parameters.
    Trained(Trained),
    /// How good parameters are: numbers by their names.
    Judged {
        cycle: u32,
        metrics: serde_json::Map<String, serde_json::Value>,
    },
    /// It cannot do the job, and ends.
    Failed { reason: String },
}

/// Writes a frame; it is on its way when this returns.
pub(super) fn write(to: &mut impl Write, head: &impl Serialize, body: &[Bytes]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let length: u64 = body.iter().map(|part| part.len() as u64).sum();
    if head.len() > HEAD || length > BODY {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut start = Vec::with_capacity(12 + head.len());
    start.extend((head.len() as u32).to_le_bytes()); // at most HEAD
    start.extend(length.to_le_bytes());
    start.extend(head);
    to.write_all(&start)?;
    for part in body {
        to.write_all(part)?;
    }
    to.flush()
}

/// Reads a frame; none at the end of the pipe.
pub(crate) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut lengths = [0; 12];
    match from.read(&mut lengths[..1])? {
        0 => return Ok(None),
        _ => from.read_exact(&mut lengths[1..])?,
    }
    let [a, b, c, d, body @ ..] = lengths;
    let (head, body) = (
        u32::from_le_bytes([a, b, c, d]) as usize,
        u64::from_le_bytes(body),
    );
    if head > HEAD || body > BODY {
        // Something printed, most likely, and between two frames.
        let text = String::from_utf8_lossy(&lengths);
        return Err(invalid(format!(
            "{text:?} where a frame was expected, of at most {HEAD} and {BODY} bytes"
        )));
    }
    let mut bytes = vec![0; head];
    from.read_exact(&mut bytes)?;
    let head = serde_json::from_slice(&bytes).map_err(|error| {
        let text: String = String::from_utf8_lossy(&bytes).chars().take(80).collect();
        invalid(format!("{error} in the head {text:?}"))
    })?;
    // It grows as it comes: a length alone takes no memory.
    let mut bytes = Vec::with_capacity(body.min(1 << 20) as usize);
    let read = from.by_ref().take(body).read_to_end(&mut bytes)?;
    if (read as u64) < body {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((head, bytes)))
}

/// Reads up to the greeting; what was printed before it is returned. None at the end of the pipe.
pub(crate) fn greeted(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let (mut printed, mut byte) = (Vec::new(), [0]);
    while !printed.ends_with(GREETING) {
        if printed.len() > PRINTED {
            let what = format!("it printed {PRINTED} bytes and no greeting");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        // Byte by byte: what follows is not to be read here, and a greeting is short.
        match from.read(&mut byte)? {
            0 => return Ok(None),
            _ => printed.push(byte[0]),
        }
    }
    printed.truncate(printed.len() - GREETING.len());
    Ok(Some(printed))
}

/// A moment that another process of this machine understands: nanoseconds of the system's
/// monotonic clock. Where there is no such clock, it is a span from the moment of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) fn of(at: Instant) -> Self {
        let left = at.saturating_duration_since(Instant::now());
        let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        Self(common_clock().saturating_add(left))
    }

    pub(crate) fn here(self) -> Instant {
        let left = Duration::from_nanos(self.0.saturating_sub(common_clock()));
        // More than a year is as good as for ever, and does not overflow a clock.
        Instant::now() + left.min(Duration::from_secs(1 << 25))
    }
}

#[cfg(unix)]
fn common_clock() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(not(unix))]
fn common_clock() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Loss, Optimizer, TrainingOptions};

    #[test]
    fn what_is_written_is_read() {
        let mut pipe = Vec::new();
        let asks = [Request::Judge { cycle: 7 }, Request::Cancel { ticket: 3 }];
        let bodies = [
            vec![Bytes::from("ab"), Bytes::new(), Bytes::from("c")],
            Vec::new(),
        ];
        for (ask, body) in asks.iter().zip(&bodies) {
            write(&mut pipe, ask, body).expect("memory");
        }
        let first = br#"{"ask":"judge","cycle":7}"#;
        assert_eq!(&pipe[12..][..first.len()], first, "the head is public");
        let mut from = pipe.as_slice();
        let next = |from: &mut &[u8]| read::<Request>(from).expect("it is whole");
        assert_eq!(
            next(&mut from),
            Some((Request::Judge { cycle: 7 }, b"abc".to_vec()))
        );
        assert_eq!(
            next(&mut from),
            Some((Request::Cancel { ticket: 3 }, Vec::new()))
        );
        assert_eq!(next(&mut from), None);
        for end in 1..pipe.len() {
            let cut = (0..2).try_for_each(|_| read::<Request>(&mut &pipe[..end]).map(|_| ()));
            let first = 12 + first.len() + 3;
            assert_eq!(
                cut.is_err(),
                end < first,
                "the first frame ends at {first}, not {end}"
            );
        }
    }

    /// What other programs rely on: a change of these words is another protocol.
    #[test]
    fn the_heads_of_this_protocol_never_change() {
        let model = ModelSpec {
            kind: ModelKind::Program,
            weights: Weights::Xavier,
            options: TrainingOptions {
                optimizer: Some(Optimizer::AdamW),
                learning_rate: Some(3_000),
                schedule: true,
                ..TrainingOptions::NONE
            },
            shape: BatchShape::of_bytes(32, 784, 10, 256),
        };
        let throttle = "1:0.1@3".parse().expect("a throttle");
        let job = Request::job(&model, 7, DeviceChoice::Cuda(1), 2, throttle);
        let expected = serde_json::json!({
            "ask": "job", "protocol": 1, "model": "program", "weights": "xavier",
            "training": {"optimizer": "adamw", "learning_rate": 0.003, "schedule": true}, "seed": 7, "device": "cuda:1", "threads": 2,
            "throttle": [[0, 1.0], [3, 0.1]],
            "batch": {"samples": 32, "fields": [
                {"name": "x", "type": "u8", "shape": [784], "below": 256},
                {"name": "y", "type": "u8", "shape": [], "below": 10},
            ]},
        });
        assert_eq!(serde_json::to_value(&job).expect("JSON"), expected);
        let task = Task {
            ticket: 1,
            session: 2,
            cycle: 3,
            batches: 4,
            passes: 5,
            rate_factor: 0.5,
            beat_ns: 6,
            beat_batches: 7,
            tail_batches: 8,
            stop_at: Moment(9),
        };
        let expected = serde_json::json!({
            "ask": "train", "ticket": 1, "session": 2, "cycle": 3, "batches": 4, "passes": 5,
            "rate_factor": 0.5, "beat_ns": 6, "beat_batches": 7, "tail_batches": 8, "stop_at_ns": 9,
        });
        let train = serde_json::to_value(Request::Train(task)).expect("JSON");
        assert_eq!(train, expected);
        let ready = Reply::Ready {
            device: "cpu".to_owned(),
            tensors: vec![TensorShape {
                name: "w".to_owned(),
                dimensions: vec![2, 3],
            }],
            options: vec!["loss".to_owned()],
        };
        let expected = serde_json::json!({
            "say": "ready", "device": "cpu", "tensors": [{"name": "w", "shape": [2, 3]}],
            "options": ["loss"],
        });
        assert_eq!(serde_json::to_value(ready).expect("JSON"), expected);
    }

    #[test]
    fn a_job_comes_back_as_it_was_told() {
        let model = ModelSpec {
            kind: ModelKind::Mlp,
            weights: Weights::Orthogonal,
            options: TrainingOptions {
                loss: Some(Loss::BinaryCrossEntropy),
                optimizer: Some(Optimizer::Sgd),
                learning_rate: Some(123_457),
                momentum: Some(900_000),
                weight_decay: Some(1),
                schedule: true,
            },
            shape: BatchShape::of_bytes(4, 6, 3, 17),
        };
        let throttle: Fraction = "0.5:0.25@9".parse().expect("a throttle");
        let Request::Job(mut head) = Request::job(&model, 1, DeviceChoice::Auto, 1, throttle)
        else {
            panic!("it is a job");
        };
        assert_eq!(head.read(), Ok((model, DeviceChoice::Auto, throttle)));
        head.model = "program".to_owned();
        let kind = head.read().map(|(model, _, _)| model.kind);
        assert_eq!(kind, Ok(ModelKind::Program));
        head.model = "gpt".to_owned();
        assert_eq!(
            head.read(),
            Err("its parent sent the model \"gpt\"".to_owned())
        );
        head.protocol = 9;
        let error = head.read().expect_err("another protocol");
        assert!(error.contains("speaks protocol 9, expected 1"), "{error}");
    }

    #[test]
    fn what_another_program_prints_is_refused() {
        let text = b"#!/bin/sh: a line of text that is no frame";
        let error = read::<Reply>(&mut text.as_slice()).expect_err("no frame");
        let error = error.to_string();
        assert!(error.contains("\"#!/bin/sh: a\" where a frame"), "{error}");
        let mut long = Vec::new();
        long.extend(4_u32.to_le_bytes());
        long.extend(u64::MAX.to_le_bytes());
        assert!(read::<Reply>(&mut long.as_slice()).is_err());
        // A head that is none, and a body that is promised and does not come.
        let mut none = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99];
        assert!(read::<Reply>(&mut none.as_slice()).is_err());
        none.clear();
        let test_set = Request::TestSet { samples: 1 };
        write(&mut none, &test_set, &[Bytes::from(vec![0; 100])]).expect("memory");
        none.truncate(80);
        assert!(read::<Request>(&mut none.as_slice()).is_err());
    }

    #[test]
    fn what_is_printed_before_the_greeting_is_told_apart() {
        let pipe = [b"Loading\n\0ALLOT", GREETING.as_slice(), b"rest"].concat();
        let mut from = pipe.as_slice();
        let printed = greeted(&mut from).expect("it greets");
        assert_eq!(printed.as_deref(), Some(b"Loading\n\0ALLOT".as_slice()));
        assert_eq!(from, b"rest");
        assert_eq!(
            greeted(&mut b"only text".as_slice()).expect("it ends"),
            None
        );
        let endless = vec![b'x'; PRINTED + 100];
        assert!(greeted(&mut endless.as_slice()).is_err());
    }

    #[test]
    fn a_moment_does_not_depend_on_when_it_is_read() {
        let at = Instant::now() + Duration::from_millis(300);
        let sent = Moment::of(at);
        std::thread::sleep(Duration::from_millis(20)); // as a pipe that is full holds it up
        let read = sent.here();
        let apart = read.max(at) - read.min(at);
        assert!(
            apart < Duration::from_millis(1) || cfg!(not(unix)),
            "{apart:?}"
        );
        assert!(Moment(u64::MAX).here() > at, "and no clock overflows");
        assert!(Moment::of(Instant::now()).here() <= at);
    }

    proptest::proptest! {
        /// Damaged frames and arbitrary bytes: frames or errors, and no panic.
        #[test]
        fn no_bytes_make_it_panic(
            start in 0..3_usize,
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
        ) {
            // Small lengths, so that the head and the body are read as well.
            let lengths: [&[u8]; 3] = [&[], &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[20, 0, 0, 0, 9]];
            let pipe = [lengths[start], &bytes].concat();
            let _ = read::<Request>(&mut pipe.as_slice());
            let _ = read::<Reply>(&mut pipe.as_slice());
        }
    }
}
