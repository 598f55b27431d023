//! Two small models to benchmark event engines: the same events on each of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The engine that a model needs. Times are in nanoseconds.
pub(crate) trait Events {
    fn push(&mut self, at: u64, worker: u32);
    fn pop(&mut self) -> Option<(u64, u32)>;
}

/// The standard library's heap, and nothing else.
#[derive(Default)]
pub(crate) struct Bare {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    sequence: u64,
}

impl Events for Bare {
    fn push(&mut self, at: u64, worker: u32) {
        self.heap.push(Reverse((at, self.sequence, worker)));
        self.sequence += 1;
    }

    fn pop(&mut self) -> Option<(u64, u32)> {
        self.heap.pop().map(|Reverse((at, _, worker))| (at, worker))
    }
}

/// Exponential times with a mean of one second, from a generator of negligible cost.
pub(crate) struct Times(pub(crate) u64);

impl Times {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let uniform = ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        (-uniform.ln() * 1e9) as u64
    }
}

/// Every worker completes after an exponential time, and begins again. Returns the time of the last
/// event.
pub(crate) fn completions(engine: &mut impl Events, workers: u32, events: u64) -> u64 {
    let mut times = Times(1);
    for worker in 0..workers {
        engine.push(times.next(), worker);
    }
    let mut last = 0;
    for _ in 0..events {
        if let Some((now, worker)) = engine.pop() {
            engine.push(now + times.next(), worker);
            last = now;
        }
    }
    last
}

/// All workers begin, all are waited for, and so on.
pub(crate) fn barriers(engine: &mut impl Events, workers: u32, events: u64) -> u64 {
    let mut times = Times(1);
    let mut last = 0;
    for _ in 0..events / u64::from(workers) {
        for worker in 0..workers {
            engine.push(last + times.next(), worker);
        }
        while let Some((now, _)) = engine.pop() {
            last = now;
        }
    }
    last
}
