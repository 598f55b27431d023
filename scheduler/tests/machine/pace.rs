//! How fast it steps: whole runs with many workers, every event a step.
//!
//! `cargo bench -p scheduler` prints it; the tests only see that it ends.

#![expect(clippy::disallowed_types, reason = "it measures the core from outside")]

use std::time::Instant as Clock;

use crate::toy::{greedy, profile};
use scheduler::machine::{
    Action, Config, Departure, Ending, Event, Limit, Replan, Scheduler, TrainOrder, WorkerId,
};
use scheduler::{Instant, Span};

/// Every worker beats twice and answers at once, in order; in every cycle one in a thousand
/// leaves, and in every second those who left return.
fn run(workers: u32, cycles: u32, replan: Replan) -> (u64, f64) {
    let batches = u64::from(workers) * 300; // of the 400 that fit
    let mut config = Config::new(batches, cycles, Limit::Cycle(Span::from_secs(4)));
    (config.expect, config.replan) = (workers, replan);
    config.benchmark.rounds = 1;
    let mut scheduler = Scheduler::new(config);
    let (mut steps, mut now) = (0, Instant::START);
    let mut actions = Vec::new();
    let mut orders: Vec<TrainOrder> = Vec::new();
    let mut gone = Vec::new();
    let mut inbox: std::collections::VecDeque<Event> = (0..workers)
        .map(|id| Event::Joined {
            worker: WorkerId::new(id),
            profile: profile(u64::from(id % 17)),
        })
        .collect();
    let clock = Clock::now();
    let mut wake = None;
    while !scheduler.is_ended() {
        let event = match inbox.pop_front() {
            Some(Event::Stopped) => {
                now = now + Span::from_millis(1_300);
                continue;
            }
            Some(event) => event,
            None if !orders.is_empty() => {
                let cycle = orders[0].cycle;
                for beat in 1..=2 {
                    inbox.push_back(Event::Stopped); // stands for 1.3 s
                    for order in &orders {
                        inbox.push_back(Event::Beat {
                            worker: order.worker,
                            session: order.session,
                            cycle: order.cycle,
                            done: order.batches / 2 * beat,
                        });
                    }
                }
                inbox.push_back(Event::Stopped);
                for (at, order) in orders.drain(..).enumerate() {
                    let (worker, session, done) = (order.worker, order.session, order.batches);
                    if at % 1_000 == cycle.get() as usize % 1_000 {
                        let why = Departure::Disconnected;
                        inbox.push_back(Event::Lost {
                            worker,
                            session,
                            why,
                        });
                        gone.push(worker);
                        continue;
                    }
                    let took = Span::from_millis(10 * done);
                    let tail = Span::from_millis(10 * done.min(5));
                    inbox.push_back(Event::Trained {
                        worker,
                        session,
                        cycle,
                        done,
                        took,
                        tail,
                    });
                }
                if cycle.get().is_multiple_of(2) {
                    let back = gone.drain(..).map(|worker| Event::Joined {
                        worker,
                        profile: profile(u64::from(worker.get() % 17)),
                    });
                    inbox.extend(back);
                }
                continue;
            }
            None => {
                now = wake.unwrap_or(now);
                Event::Wake
            }
        };
        steps += 1;
        wake = scheduler.step(now, event, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Benchmark {
                    worker,
                    session,
                    batches,
                } => inbox.push_back(Event::Benchmarked {
                    worker,
                    session,
                    batches,
                    took: Span::from_millis(10 * batches),
                }),
                Action::Solve { plan, request } => inbox.push_back(Event::Solved {
                    plan,
                    response: Box::new(request.cheapest(greedy)),
                }),
                Action::Ship {
                    worker,
                    session,
                    plan,
                    batches,
                    ..
                } => inbox.push_back(Event::Shipped {
                    worker,
                    session,
                    plan,
                    batches,
                }),
                Action::Train(order) => orders.push(order),
                Action::Aggregate { cycle, .. } => inbox.push_back(Event::Aggregated { cycle }),
                Action::Finish { ending, .. } => assert_eq!(ending, Ending::Completed),
                Action::Admit { .. }
                | Action::Accept { .. }
                | Action::Abort { .. }
                | Action::Discard { .. }
                | Action::Exclude { .. }
                | Action::Record(_) => {}
            }
        }
    }
    (steps, clock.elapsed().as_secs_f64())
}

/// Whole runs of `worker_cycles` with each number of workers, one line each.
pub(crate) fn rates(workers: &[u32], worker_cycles: u32) -> Vec<String> {
    let mut lines = Vec::new();
    for replan in [Replan::Static, Replan::Adaptive] {
        for &workers in workers {
            let (steps, seconds) = run(workers, worker_cycles / workers, replan);
            assert!(steps > 0);
            let rate = steps as f64 / seconds / 1e6;
            lines.push(format!(
                "{replan:?}, {workers} workers: {steps} steps, {rate:.2} million a second"
            ));
        }
    }
    lines
}

#[test]
fn whole_runs_end() {
    assert_eq!(rates(&[10, 50], 1_000).len(), 4);
}
