//! The requests to a trainer, its replies, and how both are written to a pipe.
//!
//! A frame is two lengths, a head in postcard and a body of plain bytes: batches and parameters,
//! as they are on the wire. The two processes are of one release and one machine; lengths are
//! bounded all the same, since a pipe may be given to the wrong program.
//!
//! **What it does not know:** processes and threads.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pace::Fraction;
use crate::model::ModelSpec;
use crate::protocol::{Report, Trained, Training};
use crate::train::{DeviceChoice, Evaluation};

/// Both processes must be of the same release.
pub(super) const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// The longest head.
const HEAD: usize = 64 * 1024;
/// The longest body: more than any model, test set or stream of batches has.
const BODY: u64 = 1 << 32;

/// The number of an order, by which it is cancelled.
pub(crate) type Ticket = u64;

/// A request. Sessions, plans and cycles are handed back with the reply and mean nothing here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// A job begins: nothing of the one before is left.
    Job {
        model: ModelSpec,
        seed: u64,
        device: DeviceChoice,
        threads: u32,
        /// The fraction of full speed that it runs at.
        throttle: Fraction,
    },
    /// The job is over: its memory is free.
    Over,
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
    TestSet,
    /// Judge parameters. The body is these.
    Judge { cycle: u32 },
}

/// One cycle's share, to be trained by a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) ticket: Ticket,
    pub(crate) training: Training,
    pub(crate) stop_at: Moment,
}

/// What a trainer replies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The first one, from a process of this release.
    Begun { release: String },
    /// The job can be done, on this device.
    Ready { device: DeviceChoice },
    /// A worker reports this: a round of the benchmark, held batches, a beat.
    Report(Report),
    /// A share is done, or its time is up. The body is the parameters.
    Trained(Trained),
    /// How good parameters are.
    Judged { cycle: u32, judged: Evaluation },
    /// It cannot do the job, and ends.
    Failed { reason: String },
}

/// Writes a frame; it is on its way when this returns.
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
    // It grows as it comes: a length alone takes no memory.
    let mut bytes = Vec::with_capacity(body.min(1 << 20) as usize);
    let read = from.by_ref().take(body).read_to_end(&mut bytes)?;
    if (read as u64) < body {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((head, bytes)))
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
            let first = 12 + 2 + 3;
            assert_eq!(
                cut.is_err(),
                end < first,
                "the first frame ends at {first}, not {end}"
            );
        }
    }

    #[test]
    fn what_another_program_prints_is_refused() {
        let text = b"#!/bin/sh: a line of text that is no frame";
        let error = read::<Reply>(&mut text.as_slice()).expect_err("no frame");
        assert!(error.to_string().contains("expected at most"), "{error}");
        let mut long = Vec::new();
        long.extend(4_u32.to_le_bytes());
        long.extend(u64::MAX.to_le_bytes());
        assert!(read::<Reply>(&mut long.as_slice()).is_err());
        // A head that is none, and a body that is promised and does not come.
        let mut none = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99];
        assert!(read::<Reply>(&mut none.as_slice()).is_err());
        none.clear();
        write(&mut none, &Request::TestSet, &[Bytes::from(vec![0; 100])]).expect("memory");
        none.truncate(60);
        assert!(read::<Request>(&mut none.as_slice()).is_err());
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
