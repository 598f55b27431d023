//! The random streams of one worker.

use crate::draw::Draws;

/// What a draw is for: each purpose of each worker has streams of its own.
///
/// The numbers are part of every stream's key and never change or are used again. They lie apart
/// from those of the families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Its true speed.
    Speed = 0x101,
    /// Its connection from the orchestrator.
    Down = 0x102,
    /// Its connection to the orchestrator.
    Up = 0x103,
    /// Its latency.
    Latency = 0x104,
    /// Its fee.
    Fee = 0x105,
    /// When it joins.
    Joins = 0x106,
    /// The error of its benchmarks.
    Benchmark = 0x107,
    /// The jitter of its cycles.
    Jitter = 0x108,
    /// The drift of its speed.
    Drift = 0x109,
    /// When it drops out and returns.
    Dropout = 0x10a,
    /// Its stalls.
    Stall = 0x10c,
    /// Its slowdowns.
    Slowdown = 0x10d,
    /// The error of each round of a benchmark.
    Round = 0x10f,
}

/// A worker's own random streams in one replicate. They depend on the seed, the replicate, the
/// worker, the purpose and a number, and on nothing else: neither another worker nor another draw
/// changes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerStreams {
    seed: u64,
    replicate: u64,
    worker: u64,
}

impl WorkerStreams {
    /// The streams of a worker that is known by a number.
    pub const fn new(seed: u64, replicate: u64, worker: u64) -> Self {
        Self {
            seed,
            replicate,
            worker,
        }
    }

    /// The streams of a worker that is known by a name.
    pub fn named(seed: u64, replicate: u64, name: &str) -> Self {
        // FNV-1a, which will never change.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self::new(seed, replicate, hash)
    }

    /// The number of the worker, which of a named one is the hash of its name.
    pub const fn worker(&self) -> u64 {
        self.worker
    }

    /// The stream for a purpose; `number` distinguishes several of one purpose.
    pub fn draws(&self, purpose: Purpose, number: u64) -> Draws {
        let key = [self.seed, purpose as u64, self.worker, self.replicate];
        Draws::of_key(key, number)
    }
}
