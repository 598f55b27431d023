//! The messages between an orchestrator and its workers.
//!
//! Small things go over the control stream as [`Order`] and [`Report`]; data and parameters each
//! have a stream of their own, which begins with a [`Down`] or an [`Up`]. Times are spans, since
//! the two machines share no clock: a span counts from the moment at which it was sent.
//!
//! What a peer sends is not trusted. [`Report`]s become events of the scheduler, which
//! bounds every number; an [`Order`]'s numbers are bounded by [`Order::check`].
//!
//! **What it does not know:** streams, threads, and what becomes of a message.

use scenarios::{PLAIN_NAME, is_plain_name};
use scheduler::machine::TrainOrder;
use scheduler::{Fee, Instant, MAX_BATCHES, MAX_PASSES};
use serde::{Deserialize, Serialize};

use crate::data::BatchShape;
use crate::model::{ModelKind, ModelSpec, Wire};

/// Both sides must speak the same version.
pub const VERSION: u16 = 4;

/// The longest name of a worker, in bytes.
pub const MAX_NAME: usize = 64;

/// What the place of a batch has when it is sent in place of the batch.
pub const PLACE_BYTES: usize = 8;

/// The most batches in one stream.
pub const BATCHES_PER_STREAM: usize = 64;

/// The most bytes of parameters that a worker accepts: a model of 500 million floats.
pub const MAX_PARAMETER_BYTES: usize = 1 << 31;

/// The first message of a worker on a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u16,
    /// What it is called in plans and tables.
    pub name: String,
    /// The least that it works for, in micro-units per batch.
    pub least_fee_micro: u64,
    /// Cores that it may use.
    pub cores: u32,
    /// Its processor: on different ones, two runs may differ in the last bits.
    pub cpu: String,
    /// The device that it is to train on: `auto`, `cpu`, `cuda:0`.
    pub device: String,
    /// Threads that it trains with.
    pub threads: u32,
    /// Models that it can train.
    pub models: Vec<ModelKind>,
    /// The most bytes of data that it can hold, if there is a limit.
    pub memory: Option<u64>,
    /// What it still holds, of a connection before this one.
    pub holds: Option<Holds>,
}

/// The data that a worker still holds: the first batches of what an order to ship, which it names,
/// had it hold. An orchestrator that knows the order need not send them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// [`Brief::run`].
    pub run: u64,
    /// [`Brief::job`].
    pub job: u32,
    /// The session that the order was for.
    pub session: u32,
    /// The plan that it was of.
    pub plan: u32,
    /// How many.
    pub batches: u64,
}

/// What a job is about; a worker gets it when it says hello, and before each further job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Which orchestrator: a random number of its process.
    pub run: u64,
    /// Which job, counted by the orchestrator.
    pub job: u32,
    /// What is trained.
    pub model: ModelSpec,
    /// How many parameters it has.
    pub parameters: u64,
    /// How they are sent.
    pub wire: Wire,
    /// The digest of the data, if the worker is to have it.
    pub data: Option<[u8; 32]>,
    /// The program that trains it, if it is the user's own.
    pub program: Option<Program>,
    /// What this worker is paid per batch, in micro-units.
    pub fee_micro: u64,
    /// Seeds what a worker generates itself: the data of its benchmark.
    pub seed: u64,
    /// Whether it may train on a GPU, if it has one.
    pub allow_gpu: bool,
}

/// A program that trains: it does not travel, and must be the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The command of the orchestrator's machine, to be read.
    pub command: String,
    /// SHA-256 of the files that it names.
    pub digest: [u8; 32],
}

impl Program {
    /// The beginning of a digest, which is enough to compare two by eye.
    #[must_use]
    pub fn short(digest: &[u8; 32]) -> String {
        data_encoding::HEXLOWER.encode(&digest[..8])
    }
}

/// A message of the orchestrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// There is a job. A probe of the connection follows, then an admission or a dismissal.
    Job(Brief),
    /// The worker is admitted: from now on it goes by this session.
    Admit {
        /// Its session.
        session: u32,
    },
    /// Measure one round.
    Benchmark {
        /// The session that the order is for.
        session: u32,
        /// Batches to measure.
        batches: u64,
    },
    /// Keep the first of the batches that are held; others follow, in streams of their own.
    Ship {
        /// The session that the order is for.
        session: u32,
        /// The plan that the share is of.
        plan: u32,
        /// Batches to keep.
        keep: u64,
        /// Batches that follow.
        new: u64,
    },
    /// Train; the parameters follow in a stream of their own.
    Train(Training),
    /// The result of this cycle is not wanted any more.
    Abort {
        /// The session that the order is for.
        session: u32,
        /// The cycle.
        cycle: u32,
    },
    /// The worker is not a member any more. The connection stays.
    Excluded {
        /// Why, to be read.
        reason: String,
        /// Whether it may ask to be admitted again.
        may_return: bool,
    },
    /// The job is over. The connection stays, for another one.
    Over {
        /// How it ended, to be read.
        reason: String,
    },
}

/// One cycle's share: a [`TrainOrder`] with spans in the place of moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Training {
    /// The session that the order is for.
    pub session: u32,
    /// The cycle.
    pub cycle: u32,
    /// The number of batches to train, the first of those that are held.
    pub batches: u64,
    /// How often each.
    pub passes: u32,
    /// What the learning rate is multiplied by, in billionths.
    pub rate_ppb: u64,
    /// A beat is sent after this time
    pub beat_ns: u64,
    /// or after this number of batches, whichever comes first.
    pub beat_batches: u64,
    /// This number of batches, the last ones, is timed apart.
    pub tail_batches: u64,
    /// Time from sending the order to the end of computing.
    pub stop_in_ns: u64,
    /// Time from sending the order until the result is of no use.
    pub results_in_ns: u64,
}

impl Training {
    /// The order as it is sent now.
    pub(crate) fn new(order: &TrainOrder, passes: u32, rate_ppb: u64, now: Instant) -> Self {
        Self {
            session: order.session.get(),
            cycle: order.cycle.get(),
            batches: order.batches,
            passes,
            rate_ppb,
            beat_ns: order.beat.nanos(),
            beat_batches: order.beat_batches,
            tail_batches: order.tail_batches,
            stop_in_ns: order.stop_by.since(now).nanos(),
            results_in_ns: order.results_by.since(now).nanos(),
        }
    }
}

/// A message of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// Who it is. The first thing it says, once.
    Hello(Hello),
    /// It can train, once what trains was started.
    Ready {
        /// What it trains on: `cpu`, `cuda:0`.
        device: String,
    },
    /// One round of the benchmark.
    Benchmarked {
        /// The session that the order was for.
        session: u32,
        /// Batches measured.
        batches: u64,
        /// How long they took.
        took_ns: u64,
    },
    /// Batches of the share have arrived.
    Shipped {
        /// The session that the order was for.
        session: u32,
        /// The plan that the share is of.
        plan: u32,
        /// Batches that are held in all.
        held: u64,
    },
    /// The compute loop is at work.
    Beat {
        /// The session that the order was for.
        session: u32,
        /// The cycle.
        cycle: u32,
        /// Batches done.
        done: u64,
    },
    /// It was excluded, works again, and asks to be admitted.
    Return {
        /// What it still holds.
        holds: Option<Holds>,
    },
    /// It leaves of its own accord.
    Leave {
        /// Why, to be read.
        reason: String,
    },
}

/// The header of a transfer to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Down {
    /// Bytes of no meaning, to be sent back at once: none, or as many as parameters have.
    Probe {
        /// The job that it is before: it may overtake [`Order::Job`].
        job: u32,
        /// Which probe.
        number: u32,
        /// Whether it has no bytes.
        empty: bool,
    },
    /// Batches of data, one after the other.
    Data {
        /// The session.
        session: u32,
        /// The plan.
        plan: u32,
        /// The place of the first among those held.
        first: u64,
        /// How many.
        count: u32,
    },
    /// Places of batches in the worker's own data, in their stead.
    Places {
        /// The session.
        session: u32,
        /// The plan.
        plan: u32,
        /// The place of the first among those held.
        first: u64,
        /// How many.
        count: u32,
    },
    /// The parameters to begin a cycle with.
    Parameters {
        /// The session.
        session: u32,
        /// The cycle.
        cycle: u32,
    },
}

/// The header of a transfer from a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Up {
    /// The bytes of a probe, sent back.
    Probe {
        /// Which probe.
        number: u32,
    },
    /// The parameters that came of a cycle.
    Trained(Trained),
}

/// What a worker did in a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trained {
    /// The session that the order was for.
    pub session: u32,
    /// The cycle.
    pub cycle: u32,
    /// Batches that it trained.
    pub done: u64,
    /// How long it computed.
    pub took_ns: u64,
    /// How much of that the last batches took.
    pub tail_ns: u64,
}

/// Why a message is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Other programs.
    #[error(
        "it speaks version {found} of the protocol, expected {VERSION}: use the same release on all machines"
    )]
    Version {
        /// What it speaks.
        found: u16,
    },
    /// A name that cannot be printed, or is empty.
    #[error("its name is {found:?}, expected {PLAIN_NAME}")]
    Name {
        /// The name.
        found: String,
    },
    /// Its description of itself is too long.
    #[error("it says too much of itself")]
    Verbose,
    /// A fee beyond all bounds.
    #[error("its least fee is {micros} micro-units, more than any fee")]
    LeastFee {
        /// The fee.
        micros: u64,
    },
    /// It cannot train the model of this job.
    #[error("it cannot train the model {wanted}, only {can}")]
    Model {
        /// The job's.
        wanted: ModelKind,
        /// Its own.
        can: String,
    },
    /// A number out of its bounds.
    #[error("{what} is {found}, expected at most {most}")]
    Number {
        /// Which number.
        what: &'static str,
        /// What it is.
        found: u64,
        /// The most it may be.
        most: u64,
    },
}

impl Hello {
    /// Checks what a worker says of itself; gives the least fee.
    ///
    /// # Errors
    /// The first thing that is not acceptable.
    pub fn check(&self, model: ModelKind) -> Result<Fee, ProtocolError> {
        if self.version != VERSION {
            return Err(ProtocolError::Version {
                found: self.version,
            });
        }
        let plain = |text: &str| !text.chars().any(char::is_control);
        if self.name.len() > MAX_NAME || !is_plain_name(&self.name) {
            let found = self.name.chars().take(MAX_NAME).collect();
            return Err(ProtocolError::Name { found });
        }
        let words = [&self.cpu, &self.device];
        if words.iter().any(|word| word.len() > 256 || !plain(word)) || self.models.len() > 16 {
            return Err(ProtocolError::Verbose);
        }
        if !self.models.contains(&model) {
            let can: Vec<String> = self.models.iter().map(ToString::to_string).collect();
            return Err(ProtocolError::Model {
                wanted: model,
                can: can.join(", "),
            });
        }
        let micros = self.least_fee_micro;
        Fee::from_micros(micros).ok_or(ProtocolError::LeastFee { micros })
    }
}

impl Brief {
    /// Checks that what is asked for can be held.
    ///
    /// # Errors
    /// The first number out of its bounds.
    pub fn check(&self) -> Result<(), ProtocolError> {
        let BatchShape { batch_size, x, y } = self.model.shape;
        // What a built-in model is made of follows from these.
        let (most, classes) = match self.model.kind {
            ModelKind::Program => (1 << 24, u64::from(u32::MAX)),
            ModelKind::Linear | ModelKind::Mlp => (1 << 20, 1 << 16),
        };
        bound("values of a sample", x.values() as u64, most)?;
        bound("values to be learnt of a sample", y.values() as u64, most)?;
        bound("classes", y.below.into(), classes)?;
        for field in [x, y] {
            if field.kind.size() == 1 {
                bound("what bytes are below", field.below.into(), 256)?;
            }
        }
        bound("samples in a batch", batch_size.into(), 1 << 20)?;
        bound(
            "bytes of a batch",
            self.model.shape.wire_len() as u64,
            1 << 28,
        )?;
        bound(
            "bytes of parameters",
            self.parameters.saturating_mul(4),
            MAX_PARAMETER_BYTES as u64,
        )?;
        let words = self
            .program
            .as_ref()
            .map_or(0, |program| program.command.len());
        bound("bytes of the trainer's command", words as u64, 1 << 12)
    }
}

impl Order {
    /// Checks the numbers of an order.
    ///
    /// # Errors
    /// The first out of its bounds.
    pub fn check(&self) -> Result<(), ProtocolError> {
        match self {
            Self::Job(brief) => brief.check(),
            Self::Benchmark { batches, .. } => bound("benchmark batches", *batches, MAX_BATCHES),
            Self::Ship { keep, new, .. } => {
                bound("batches to keep", *keep, MAX_BATCHES)?;
                bound("new batches", *new, MAX_BATCHES)
            }
            Self::Train(training) => {
                bound("batches to train", training.batches, MAX_BATCHES)?;
                bound("passes", training.passes.into(), MAX_PASSES.into())?;
                bound(
                    "the learning rate's factor",
                    training.rate_ppb,
                    1_000_000_000,
                )
            }
            Self::Admit { .. } | Self::Abort { .. } | Self::Excluded { .. } | Self::Over { .. } => {
                Ok(())
            }
        }
    }
}

fn bound(what: &'static str, found: u64, most: u64) -> Result<(), ProtocolError> {
    if found > most {
        return Err(ProtocolError::Number { what, found, most });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TrainingOptions, Weights};
    use proptest::prelude::*;

    fn hello() -> Hello {
        Hello {
            version: VERSION,
            name: "pc1".to_owned(),
            least_fee_micro: 1_500_000,
            cores: 4,
            cpu: "a processor".to_owned(),
            device: "cpu".to_owned(),
            threads: 1,
            models: vec![ModelKind::Linear],
            memory: None,
            holds: None,
        }
    }

    #[test]
    fn a_hello_is_checked() {
        let check = |change: &dyn Fn(&mut Hello), expected: &str| {
            let mut hello = hello();
            change(&mut hello);
            let error = hello.check(ModelKind::Linear).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        let fee = hello().check(ModelKind::Linear).expect("good");
        assert_eq!(fee.micros(), 1_500_000);
        check(&|h| h.version = 9, "version 9 of the protocol, expected 4");
        check(&|h| h.name = String::new(), "its name is \"\"");
        check(&|h| h.name = "a\nb".to_owned(), "letters, digits");
        check(&|h| h.name = "x".repeat(65), "1 to 64");
        check(&|h| h.cpu = "x".repeat(300), "too much");
        check(&|h| h.least_fee_micro = u64::MAX, "more than any fee");
        check(
            &|h| h.models = vec![ModelKind::Mlp],
            "cannot train the model linear, only mlp",
        );
    }

    proptest! {
        /// Whatever comes over the wire is read or refused, and what is read is bounded.
        #[test]
        fn no_order_asks_for_more_than_there_is(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(order) = postcard::from_bytes::<Order>(&bytes)
                && order.check().is_ok()
                && let Order::Job(brief) = order
            {
                prop_assert!(brief.model.shape.wire_len() <= 1 << 28);
                prop_assert!(brief.parameters <= MAX_PARAMETER_BYTES as u64 / 4);
            }
        }

        #[test]
        fn what_is_said_is_what_is_heard(session: u32, cycle: u32, done: u64, took_ns: u64, tail_ns: u64) {
            let said = Up::Trained(Trained { session, cycle, done, took_ns, tail_ns });
            let bytes = postcard::to_allocvec(&said).expect("it has a form");
            prop_assert_eq!(postcard::from_bytes::<Up>(&bytes).expect("it is whole"), said);
        }
    }

    #[test]
    fn a_job_too_large_is_refused() {
        let shape = BatchShape::of_bytes(32, 784, 10, 256);
        let model = ModelSpec {
            kind: ModelKind::Linear,
            weights: Weights::Xavier,
            options: TrainingOptions::NONE,
            shape,
        };
        let brief = |shape: BatchShape| Brief {
            run: 1,
            job: 1,
            model: ModelSpec { shape, ..model },
            parameters: 7_850,
            wire: Wire::F32,
            data: None,
            program: None,
            fee_micro: 1,
            seed: 1,
            allow_gpu: true,
        };
        assert_eq!(brief(shape).check(), Ok(()));
        for large in [
            BatchShape::of_bytes(32, u32::MAX, 10, 256),
            BatchShape::of_bytes(u32::MAX, 784, 10, 256),
            BatchShape::of_bytes(32, 784, 257, 256),
        ] {
            assert!(brief(large).check().is_err());
        }
    }
}
