//! The models of `benches/models.rs` on Allot's queue, on a bare heap and on simcore, in turns
//! within one run.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use simcore::{Event, EventHandler, Simulation, SimulationContext, cast};

#[path = "../../../sim/src/engine/mod.rs"]
#[allow(dead_code, unused_imports, reason = "only the queue is measured")]
mod engine;
#[path = "../../models.rs"]
mod models;

use models::{Bare, Events, Times, barriers, completions};

const RUNS: usize = 9;

struct Ours(engine::Queue<u32>);

impl Events for Ours {
    fn push(&mut self, at: u64, worker: u32) {
        self.0.push(scheduler::Instant::from_nanos(at), worker);
    }

    fn pop(&mut self) -> Option<(u64, u32)> {
        self.0.pop().map(|(at, worker)| (at.nanos(), worker))
    }
}

#[derive(Clone, Serialize)]
struct Done {
    worker: u32,
}

struct Fleet {
    ctx: SimulationContext,
    times: Times,
    workers: u32,
    running: u32,
    barrier: bool,
}

impl Fleet {
    fn begin(&mut self, worker: u32) {
        let delay = self.times.next() as f64 / 1e9;
        self.ctx.emit_self(Done { worker }, delay);
        self.running += 1;
    }

    fn begin_all(&mut self) {
        (0..self.workers).for_each(|worker| self.begin(worker));
    }
}

impl EventHandler for Fleet {
    fn on(&mut self, event: Event) {
        cast!(match event.data {
            Done { worker } => {
                self.running -= 1;
                if !self.barrier {
                    self.begin(worker);
                } else if self.running == 0 {
                    self.begin_all();
                }
            }
        })
    }
}

fn simcore(workers: u32, events: u64, barrier: bool) -> f64 {
    let mut simulation = Simulation::new(1);
    let fleet = Rc::new(RefCell::new(Fleet {
        ctx: simulation.create_context("fleet"),
        times: Times(1),
        workers,
        running: 0,
        barrier,
    }));
    simulation.add_handler("fleet", fleet.clone());
    fleet.borrow_mut().begin_all();
    simulation.steps(events);
    simulation.time()
}

fn main() {
    let seconds = |took: Duration| took.as_secs_f64();
    println!("rust model workers events bare_s ours_s simcore_s");
    for (workers, events) in [(10, 1_000_000), (10_000, 1_000_000)] {
        for barrier in [false, true] {
            let [mut bares, mut mine, mut theirs] = [const { Vec::new() }; 3];
            for _ in 0..RUNS {
                let mut bare = Bare::default();
                let mut ours = Ours(engine::Queue::with_capacity(0));
                let (name, end) = if barrier {
                    bares.push(time(|| barriers(&mut bare, workers, events)).0);
                    let (took, end) = time(|| barriers(&mut ours, workers, events));
                    mine.push(took);
                    ("barriers", end)
                } else {
                    bares.push(time(|| completions(&mut bare, workers, events)).0);
                    let (took, end) = time(|| completions(&mut ours, workers, events));
                    mine.push(took);
                    ("completions", end)
                };
                let (took, same) = time(|| simcore(workers, events, barrier));
                theirs.push(took);
                let end = end as f64 / 1e9;
                assert!((same / end - 1.0).abs() < 1e-6, "{name}: {same} s, expected {end} s");
            }
            let name = if barrier { "barriers" } else { "completions" };
            println!(
                "rust {name} {workers} {events} {:.6} {:.6} {:.6}",
                seconds(median(&mut bares)),
                seconds(median(&mut mine)),
                seconds(median(&mut theirs)),
            );
        }
    }
}

fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = black_box(work());
    (start.elapsed(), result)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
