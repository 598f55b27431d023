//! The world of a seed.

use scenarios::Draws;
use scenarios::scenario::{BenchmarkError, Errors, Jitter, Ratio};
use scheduler::machine::{Billing, Config, CycleId, Departure, Event, Limit, Partial, Replan};
use scheduler::{
    CapacityModel, Failure, FailureReason, Instant, LinkService, Margin, Objective, Outcome,
    PlanRequest, PlanResponse, Span,
};
use sim::world::{Fault, PipeModel, Renewal, Service, SolveModel, Way, WorkerModel, World};

use crate::greedy::{greedy, worker};

/// What a seed gives.
pub(crate) struct Swarm {
    draws: Draws,
    allocator: Allocator,
    claims: Claims,
}

/// It answers well, or not at all as it should, now and then.
pub(crate) struct Allocator {
    draws: Draws,
    fails_percent: u64,
}

/// What nobody ordered: repeated events, refused results, and reports that are not true.
pub(crate) struct Claims {
    draws: Draws,
    percent: u64,
    refuses_percent: u64,
    stops: bool,
}

impl Swarm {
    pub(crate) fn new(seed: u64) -> Self {
        let stream = |number| Draws::of_key([seed, 0, 0, 0x5A], number);
        let mut draws = stream(0);
        let allocator = Allocator {
            draws: stream(1),
            fails_percent: pick(&mut draws, &[0, 0, 0, 10, 40]),
        };
        let claims = Claims {
            draws: stream(2),
            percent: pick(&mut draws, &[0, 2, 10, 40]),
            refuses_percent: pick(&mut draws, &[0, 0, 5, 40]),
            stops: draws.between(0, 40) == 0,
        };
        Self {
            draws,
            allocator,
            claims,
        }
    }

    pub(crate) fn parts(&mut self) -> (&mut Allocator, &mut Claims) {
        (&mut self.allocator, &mut self.claims)
    }

    pub(crate) fn world(&mut self) -> World {
        let draws = &mut self.draws;
        let count = draws.between(1, 12);
        let mut config = job(draws, count);
        config.time_model.service = pick(draws, LinkService::ALL);
        let workers = (0..count).map(|_| member(draws)).collect();
        let mut pipe = || PipeModel {
            service: pick(draws, &[Service::Fair, Service::Fifo]),
            parameters: millis(draws, 0, 40),
            batch: millis(draws, 0, 5),
        };
        World {
            down: pipe(),
            up: pipe(),
            aggregation: rare(draws, 10, |draws| millis(draws, 0, 3_000))
                .unwrap_or(Span::from_millis(5)),
            aggregation_per_result: millis(draws, 0, 5),
            solving: SolveModel {
                fixed: rare(draws, 8, |draws| millis(draws, 0, 4_000))
                    .unwrap_or(Span::from_millis(3)),
                per_candidate: Span::from_nanos(1_000),
            },
            ..World::new(config, workers)
        }
    }
}

fn job(draws: &mut Draws, count: u64) -> Config {
    let batches = draws.between(1, 300);
    let cycles = draws.between(1, 8) as u32;
    let cycle = millis(draws, 50, 6_000);
    let limit = match draws.between(0, 2) {
        0 => Limit::Cycle(cycle),
        kind => Limit::Job {
            max_time: cycle * u64::from(cycles),
            counts_setup: kind == 1,
        },
    };
    let mut config = Config::new(batches, cycles, limit);
    config.s_min = draws.between(0, 20);
    config.beta = draws.between(0, count.min(4));
    config.first_cycle = draws.between(1, u64::from(cycles)) as u32;
    config.expect = draws.between(1, count + 1) as u32;
    config.max_workers = draws.between(count.saturating_sub(1).max(1), count + 5) as u32;
    config.objective = pick(
        draws,
        &[
            Objective::Cheapest,
            Objective::CheapestThenQuickest,
            Objective::Quickest,
        ],
    );
    config.replan = pick(draws, &[Replan::Static, Replan::Adaptive]);
    config.partial = pick(draws, &[Partial::Accept, Partial::Discard]);
    config.billing = pick(draws, &[Billing::Assigned, Billing::Computed]);
    config.benchmark.batches = draws.between(1, 20);
    config.benchmark.rounds = draws.between(1, 3) as u8;
    config.benchmark.limit = millis(draws, 500, 20_000);
    let time = &mut config.time_model;
    time.capacity = pick(draws, &[CapacityModel::Full, CapacityModel::ComputeOnly]);
    time.passes = draws.between(1, 3) as u32;
    time.own = millis(draws, 0, 60);
    time.shared = millis(draws, 0, 20);
    time.shared_ship = millis(draws, 0, 2);
    time.ships_each_cycle = draws.between(0, 3) == 0;
    if draws.between(0, 1) == 1 {
        config.margins.benchmarked = Margin::lognormal(50_000, 240_000);
        config.margins.learnt = Margin::lognormal(50_000, 50_000);
    }
    let waits = &mut config.waits;
    waits.gather = millis(draws, 100, 20_000);
    waits.solve = millis(draws, 1, 4_000);
    waits.ship = millis(draws, 100, 30_000);
    waits.pause = millis(draws, 0, 15_000);
    waits.grace = rare(draws, 6, |draws| millis(draws, 0, 2_000)).unwrap_or(Span::ZERO);
    waits.aggregation = millis(draws, 1, 1_500);
    config
}

fn member(draws: &mut Draws) -> WorkerModel {
    let mut member = worker(draws.between(5, 400), draws.between(0, 20)).with_way(Way {
        down: millis(draws, 0, 60),
        up: millis(draws, 0, 60),
        batch: millis(draws, 0, 4),
        latency: millis(draws, 0, 100),
    });
    if draws.between(0, 9) == 0 {
        member.profile.link = Default::default(); // what the scheduler knows of it is wrong
    }
    member.profile.least_fee = pick(draws, &[scheduler::Fee::ZERO, member.profile.fee]);
    member.profile.most = pick(draws, &[u64::MAX, 0, 1, 50, 200]);
    let ratio = |hundredths: u64| Ratio::from_micros(hundredths * 10_000);
    if draws.between(0, 1) == 1 {
        member.errors = Errors {
            benchmark: BenchmarkError {
                sigma: ratio(draws.between(0, 60)),
                cold: ratio(draws.between(0, 20)),
                cold_mean: ratio(200),
                ..BenchmarkError::NONE
            },
            jitter: Jitter::Lognormal(ratio(draws.between(0, 30))),
            drift: ratio(draws.between(0, 10)),
        };
        member.round = ratio(draws.between(0, 30));
    }
    member.warm_up = millis(draws, 0, 2_000);
    let latest = pick(draws, &[300, 300, 300, 20_000]);
    member.joins_at = at(draws, latest);
    member.noticed_after = rare(draws, 2, |draws| millis(draws, 0, 3_000));
    member.rejoins_after = rare(draws, 2, |draws| millis(draws, 0, 3_000));
    let mut renewal = || {
        rare(draws, 3, |draws| Renewal {
            every: millis(draws, 500, 30_000),
            lasts: millis(draws, 1, 5_000),
        })
    };
    (member.dropouts, member.stalls) = (renewal(), renewal());
    member.slowdowns = renewal().map(|renewal| (renewal, 1.5));
    if let Some((_, factor)) = &mut member.slowdowns {
        *factor = draws.between(11, 100) as f64 / 10.0;
    }
    let mut faults: Vec<(Instant, Fault)> = (0..draws.between(0, 3))
        .map(|_| {
            let fault = match draws.between(0, 3) {
                0 => Fault::Leave,
                1 => Fault::Return,
                2 => Fault::Slow(draws.between(1, 200) as f64 / 10.0),
                _ => Fault::Stall(millis(draws, 1, 8_000)),
            };
            (at(draws, 20_000), fault)
        })
        .collect();
    faults.sort_by_key(|(at, _)| *at);
    member.faults = faults;
    member
}

impl Allocator {
    pub(crate) fn answer(&mut self, request: &PlanRequest) -> PlanResponse {
        let mut response = greedy(request);
        if self.draws.between(0, 99) >= self.fails_percent {
            return response;
        }
        match (&mut response.outcome, self.draws.between(0, 2)) {
            (Outcome::Planned(planned), 0) => {
                // One batch too few.
                if let Some(share) = planned.plan.batches.iter_mut().find(|share| **share > 0) {
                    *share -= 1;
                }
            }
            (Outcome::Planned(planned), 1) => planned.plan.batches.reverse(),
            (outcome, _) => {
                *outcome = Outcome::Failed(Failure {
                    reason: FailureReason::SolverError,
                    message: "as the seed asks".to_owned(),
                });
            }
        }
        response
    }
}

impl Claims {
    /// What comes right after an event.
    pub(crate) fn follow(&mut self, event: &Event, more: &mut Vec<Event>) {
        let draws = &mut self.draws;
        if let Event::Trained {
            worker,
            session,
            cycle,
            ..
        } = *event
            && draws.between(0, 99) < self.refuses_percent
        {
            more.push(Event::Refused {
                worker,
                session,
                cycle,
            });
        }
        if draws.between(0, 99) >= self.percent {
            return;
        }
        if self.stops && draws.between(0, 20) == 0 {
            return more.push(Event::Stopped);
        }
        let count = pick(draws, &[0, 1, 10, 1_000_000_000, u64::MAX]);
        let span = pick(draws, &[0, 1, 1_000_000, u64::MAX]);
        let span = Span::from_nanos(span);
        let untrue = match event.clone() {
            // The network repeats it.
            event if draws.between(0, 1) == 0 => event,
            Event::Benchmarked {
                worker, session, ..
            } => Event::Benchmarked {
                worker,
                session,
                batches: count,
                took: span,
            },
            Event::Shipped {
                worker,
                session,
                plan,
                ..
            } => Event::Shipped {
                worker,
                session,
                plan,
                batches: count,
            },
            Event::Beat {
                worker,
                session,
                cycle,
                ..
            } => match draws.between(0, 3) {
                0 => Event::Beat {
                    worker,
                    session,
                    cycle: CycleId::new(cycle.get().wrapping_add(1)),
                    done: count,
                },
                1 => Event::Trained {
                    worker,
                    session,
                    cycle,
                    done: count,
                    took: span,
                    tail: span,
                },
                2 => Event::Lost {
                    worker,
                    session,
                    why: Departure::Misbehaved,
                },
                _ => Event::Beat {
                    worker,
                    session,
                    cycle,
                    done: count,
                },
            },
            Event::Trained {
                worker,
                session,
                cycle,
                ..
            } => Event::Trained {
                worker,
                session,
                cycle,
                done: count,
                took: span,
                tail: span,
            },
            Event::Aggregated { cycle } => Event::Aggregated {
                cycle: CycleId::new(cycle.get().wrapping_sub(1)),
            },
            other => other,
        };
        more.push(untrue);
    }
}

fn millis(draws: &mut Draws, least: u64, most: u64) -> Span {
    Span::from_nanos(draws.between(least * 1_000_000, most * 1_000_000))
}

fn at(draws: &mut Draws, most: u64) -> Instant {
    Instant::START + millis(draws, 0, most)
}

fn pick<T: Copy>(draws: &mut Draws, all: &[T]) -> T {
    all[draws.between(0, all.len() as u64 - 1) as usize]
}

/// One time in this number.
fn rare<T>(draws: &mut Draws, times: u64, make: impl FnOnce(&mut Draws) -> T) -> Option<T> {
    (draws.between(1, times) == 1).then(|| make(draws))
}
