//! The requests to a trainer, its answers, and their encoding on a pipe.
//!
//! A frame is two lengths, a head in postcard and a body of plain bytes: batches and parameters, as
//! on the wire. Both processes have the same release and run on one machine; lengths are bounded all
//! the same, since the other program may be the wrong one.
//!
//! **What it does not know:** which side calls it, and threads.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pace::Fraction;
use crate::model::ModelSpec;
use crate::protocol::Training;
use crate::train::{DeviceChoice, Evaluation};

/// The release, which must be the same for both processes.
pub(super) const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// Maximum bytes of a head.
const HEAD: usize = 64 * 1024;
/// Maximum bytes of a body: more than any model, test set or stream of batches.
const BODY: u64 = 1 << 32;

/// The number of an order, by which it is cancelled.
pub(crate) type Ticket = u64;

/// A request. Numbers that are returned with the answer have no meaning here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Begin a job, and drop everything of the one before.
    Job {
        model: ModelSpec,
        seed: u64,
        device: DeviceChoice,
        threads: u32,
        /// The fraction of full speed at which it runs.
        throttle: Fraction,
    },
    /// End the job, and free its memory.
    Over,
    /// Measure one round.
    Benchmark {
        ticket: Ticket,
        session: u32,
        batches: u64,
    },
    /// Keep only the first batches; more may follow.
    Keep { session: u32, plan: u32, keep: u64 },
    /// Add batches from this index on. The body is the batches.
    Hold { session: u32, plan: u32, first: u64 },
    /// Train one cycle's share. The body is the parameters.
    Train(Task),
    /// Stop and forget all orders up to this one.
    Cancel { ticket: Ticket },
    /// Evaluate on these samples from now on. The body is their values, then their labels.
    TestSet,
    /// Evaluate parameters, which are the body.
    Judge { cycle: u32 },
}

/// One cycle's share, to be trained until a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) ticket: Ticket,
    pub(crate) training: Training,
    pub(crate) stop_at: Moment,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The first answer, with the release of the process.
    Begun { release: String },
    /// The job can be done, on this device.
    Ready { device: DeviceChoice },
    /// One round of the benchmark.
    Benchmarked {
        session: u32,
        batches: u64,
        took: Duration,
    },
    /// The number of batches held.
    Held { session: u32, plan: u32, held: u64 },
    /// A heartbeat: training makes progress.
    Beat { session: u32, cycle: u32, done: u64 },
    /// A share is done, or its time is up. The body is the parameters.
    Trained {
        session: u32,
        cycle: u32,
        done: u64,
        took: Duration,
        tail: Duration,
    },
    /// The evaluation of parameters.
    Judged { cycle: u32, judged: Evaluation },
    /// It cannot do the job, and ends.
    Failed { reason: String },
}

/// Writes and flushes a frame.
pub(super) fn write(to: &mut impl Write, head: &impl Serialize, body: &[Bytes]) -> io::Result<()> {
    let head = postcard::to_allocvec(head).map_err(io::Error::other)?;
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
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
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
        let what =
            format!("a frame of {head} and {body} bytes, expected at most {HEAD} and {BODY}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let mut bytes = vec![0; head];
    from.read_exact(&mut bytes)?;
    let head = postcard::from_bytes(&bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    // It grows as bytes arrive: a length alone takes no memory.
    let mut bytes = Vec::with_capacity(body.min(1 << 20) as usize);
    let read = from.by_ref().take(body).read_to_end(&mut bytes)?;
    if (read as u64) < body {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((head, bytes)))
}

/// A time that another process of this machine understands: nanoseconds of the system's monotonic
/// clock. Without such a clock it is a duration from the time of reading.
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
        // At most a year, which overflows no clock.
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

    #[test]
    fn frames_are_read_as_they_were_written() {
        let mut pipe = Vec::new();
        let asks = [Ask::Judge { cycle: 7 }, Ask::Cancel { ticket: 3 }];
        let bodies = [
            vec![Bytes::from("ab"), Bytes::new(), Bytes::from("c")],
            Vec::new(),
        ];
        for (ask, body) in asks.iter().zip(&bodies) {
            write(&mut pipe, ask, body).expect("memory");
        }
        let mut from = pipe.as_slice();
        let next = |from: &mut &[u8]| read::<Ask>(from).expect("it is whole");
        assert_eq!(
            next(&mut from),
            Some((Ask::Judge { cycle: 7 }, b"abc".to_vec()))
        );
        assert_eq!(
            next(&mut from),
            Some((Ask::Cancel { ticket: 3 }, Vec::new()))
        );
        assert_eq!(next(&mut from), None);
        for end in 1..pipe.len() {
            let cut = (0..2).try_for_each(|_| read::<Ask>(&mut &pipe[..end]).map(|_| ()));
            let first = 12 + 2 + 3;
            assert_eq!(
                cut.is_err(),
                end < first,
                "the first frame ends at {first}, not {end}"
            );
        }
    }

    #[test]
    fn output_of_another_program_is_refused() {
        let text = b"#!/bin/sh: a line of text that is no frame";
        let error = read::<Answer>(&mut text.as_slice()).expect_err("no frame");
        assert!(error.to_string().contains("expected at most"), "{error}");
        let mut long = Vec::new();
        long.extend(4_u32.to_le_bytes());
        long.extend(u64::MAX.to_le_bytes());
        assert!(read::<Answer>(&mut long.as_slice()).is_err());
        // An invalid head, and a body that is shorter than its length.
        let mut none = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99];
        assert!(read::<Answer>(&mut none.as_slice()).is_err());
        none.clear();
        write(&mut none, &Ask::TestSet, &[Bytes::from(vec![0; 100])]).expect("memory");
        none.truncate(60);
        assert!(read::<Ask>(&mut none.as_slice()).is_err());
    }

    #[test]
    fn a_moment_does_not_depend_on_when_it_is_read() {
        let at = Instant::now() + Duration::from_millis(300);
        let sent = Moment::of(at);
        std::thread::sleep(Duration::from_millis(20)); // as a full pipe would delay it
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
            let _ = read::<Ask>(&mut pipe.as_slice());
            let _ = read::<Answer>(&mut pipe.as_slice());
        }
    }
}
