//! Random events, sensible and not, with time that only ever moves forward.

use crate::audit::Audited;
use crate::toy::{Allocator, answer, greedy, profile};
use proptest::prelude::*;
use scheduler::machine::{
    Action, Billing, Config, CycleId, Departure, Event, Limit, Partial, PlanId, Record, Replan,
    SessionId, WorkerId,
};
use scheduler::{CapacityModel, Cost, LinkService, Margin, Margins, Rate, Span, Tariff, TimeModel};

/// Something that a world may do. Small numbers so that much of it makes sense; where a report
/// needs a session, cycle or plan, `now` says whether it is the present one.
#[derive(Clone, Debug)]
enum Deed {
    /// Does one of the things that were ordered, and well.
    Obey {
        which: usize,
        millis: u64,
    },
    Join {
        worker: u32,
        fee: u64,
        least: u64,
        millis: u64,
    },
    Benchmark {
        worker: u32,
        now: bool,
        batches: u64,
        millis: u64,
    },
    Solve {
        now: bool,
        allocator: Allocator,
    },
    Ship {
        worker: u32,
        now: bool,
        batches: u64,
    },
    ShipAll,
    Beat {
        worker: u32,
        now: bool,
        done: u64,
    },
    Train {
        worker: u32,
        now: bool,
        done: u64,
        millis: u64,
    },
    TrainAll {
        millis: u64,
    },
    Refuse {
        worker: u32,
        now: bool,
    },
    /// Three times: trains, leaves, is refused, and is back before or after that.
    Spoil {
        worker: u32,
        joins: bool,
    },
    Aggregate {
        now: bool,
    },
    Lose {
        worker: u32,
        now: bool,
    },
    Wake,
    Stop,
}

fn deeds() -> impl Strategy<Value = Vec<(u64, Deed)>> {
    let worker = || prop_oneof![20 => 0..5_u32, 1 => Just(77_u32), 1 => any::<u32>()];
    let now = || prop::bool::weighted(0.9);
    let count = || prop_oneof![6 => 0..60_u64, 1 => Just(1_000_000_000), 1 => any::<u64>()];
    let millis = || prop_oneof![8 => 1..200_u64, 1 => Just(0_u64), 1 => any::<u64>()];
    let allocator = prop_oneof![
        8 => Just(Allocator::Greedy), 1 => Just(Allocator::Wrong), 1 => Just(Allocator::Fails)
    ];
    let deed = prop_oneof![
        6 => (worker(), 0..9_u64, 0..3_u64, 0..300_u64)
            .prop_map(|(worker, fee, least, millis)| Deed::Join { worker, fee, least, millis }),
        8 => (worker(), now(), prop_oneof![8 => Just(10_u64), 1 => count()], millis()).prop_map(
            |(worker, now, batches, millis)| Deed::Benchmark { worker, now, batches, millis }
        ),
        5 => (now(), allocator).prop_map(|(now, allocator)| Deed::Solve { now, allocator }),
        3 => (worker(), now(), count())
            .prop_map(|(worker, now, batches)| Deed::Ship { worker, now, batches }),
        4 => Just(Deed::ShipAll),
        4 => (worker(), now(), count())
            .prop_map(|(worker, now, done)| Deed::Beat { worker, now, done }),
        6 => (worker(), now(), count(), millis())
            .prop_map(|(worker, now, done, millis)| Deed::Train { worker, now, done, millis }),
        4 => millis().prop_map(|millis| Deed::TrainAll { millis }),
        1 => (worker(), now()).prop_map(|(worker, now)| Deed::Refuse { worker, now }),
        4 => (worker(), any::<bool>()).prop_map(|(worker, joins)| Deed::Spoil { worker, joins }),
        6 => now().prop_map(|now| Deed::Aggregate { now }),
        2 => (worker(), now()).prop_map(|(worker, now)| Deed::Lose { worker, now }),
        1 => Just(Deed::Wake),
    ];
    let obey = (any::<usize>(), 1..15_u64).prop_map(|(which, millis)| Deed::Obey { which, millis });
    let deed = prop_oneof![600 => obey, 300 => deed, 1 => Just(Deed::Stop)];
    let gap =
        prop_oneof![30 => Just(0_u64), 20 => 1..60_u64, 2 => 60..2_000_u64, 1 => 2_000..90_000_u64];
    let joins = (0..5_u32, 0..9_u64, 0..40_u64).prop_map(|(worker, fee, millis)| {
        (
            0,
            Deed::Join {
                worker,
                fee,
                least: 0,
                millis,
            },
        )
    });
    let joins = prop::collection::vec(joins, 0..6);
    (joins, prop::collection::vec((gap, deed), 0..200))
        .prop_map(|(joins, rest)| joins.into_iter().chain(rest).collect())
}

fn configs() -> impl Strategy<Value = Config> {
    let limit = prop_oneof![
        (100..3_000_u64).prop_map(|millis| Limit::Cycle(Span::from_millis(millis))),
        (500..9_000_u64, prop::bool::weighted(0.2)).prop_map(|(millis, counts_setup)| Limit::Job {
            max_time: Span::from_millis(millis),
            counts_setup,
        }),
    ];
    let demand = (1..100_u64, 0..12_u64, 0..4_u64, 1..6_u32, 1..4_u32);
    let time_model = (0..60_u64, 0..60_u64, 1..3_u32, any::<[bool; 2]>());
    let budget = prop::option::weighted(0.25, 0..1_500_u64);
    let policies = (any::<[bool; 5]>(), 1..4_u8, budget);
    (limit, demand, time_model, policies).prop_map(
        |(limit, (batches, s_min, beta, cycles, expect), time_model, policies)| {
            let ([a, b, c, d, e], rounds, budget) = policies;
            let mut config = Config::new(batches, cycles, limit);
            (config.s_min, config.beta, config.expect) = (s_min, beta, expect);
            let (own, shared, passes, [compute_only, each_cycle]) = time_model;
            config.time_model = TimeModel {
                capacity: match compute_only {
                    true => CapacityModel::ComputeOnly,
                    false => CapacityModel::Full,
                },
                passes,
                own: Span::from_millis(own),
                shared: Span::from_millis(shared),
                shared_up: Span::from_millis(shared * 2 / 3),
                service: LinkService::ALL[shared as usize % LinkService::ALL.len()],
                shared_ship: Span::from_millis(1),
                ships_each_cycle: each_cycle,
            };
            config.replan = if a { Replan::Adaptive } else { Replan::Static };
            config.billing = if b {
                Billing::Assigned
            } else {
                Billing::Computed
            };
            config.partial = if e { Partial::Accept } else { Partial::Discard };
            if c {
                config.margins = Margins {
                    benchmarked: Margin::lognormal(50_000, 200_000),
                    learnt: Margin::lognormal(50_000, 20_000),
                    keep: Margin::NONE,
                };
            }
            if d {
                config.waits.grace = Span::from_millis(700);
            }
            config.budget = budget.map(|budget| Cost::from_micros(budget.into()));
            config.max_workers = 100;
            config.benchmark.batches = 10;
            config.benchmark.rounds = rounds;
            config
        },
    )
}

/// A driver with neither sense nor manners.
struct Chaos {
    audited: Audited,
    now: scheduler::Instant,
    ordered: Vec<Action>,
}

impl Chaos {
    fn session(&self, worker: WorkerId, now: bool) -> SessionId {
        let present = self.audited.sessions.get(&worker).copied();
        let present = present.unwrap_or_default().get();
        SessionId::new(if now {
            present
        } else {
            present.saturating_sub(1)
        })
    }

    fn cycle(&self, now: bool) -> CycleId {
        let present = self.audited.cycle.get();
        CycleId::new(if now {
            present
        } else {
            present.saturating_sub(1)
        })
    }

    fn step(&mut self, event: Event) {
        let actions = self.audited.step(self.now, event);
        self.ordered.extend(actions);
    }

    fn obey(&mut self, which: usize, millis: u64) {
        let doable = |action: &Action| match action {
            Action::Benchmark { .. }
            | Action::Solve { .. }
            | Action::Ship { .. }
            | Action::Train(_)
            | Action::Aggregate { .. } => true,
            Action::Admit { .. }
            | Action::Accept { .. }
            | Action::Abort { .. }
            | Action::Discard { .. }
            | Action::Exclude { .. }
            | Action::Record(_)
            | Action::Finish { .. } => false,
        };
        self.ordered.retain(doable);
        if self.ordered.is_empty() {
            return;
        }
        let which = which % self.ordered.len();
        if let Action::Ship {
            worker, batches, ..
        } = self.ordered[which]
            && millis < 5
        {
            self.shipped(worker, true, batches - 1); // some first, then all
        }
        let event = match self.ordered.remove(which) {
            Action::Benchmark {
                worker,
                session,
                batches,
            } => Event::Benchmarked {
                worker,
                session,
                batches,
                took: Span::from_millis(millis * batches),
            },
            Action::Solve { plan, request } => Event::Solved {
                plan,
                response: Box::new(request.cheapest(greedy)),
            },
            Action::Ship {
                worker,
                session,
                plan,
                batches,
                ..
            } => Event::Shipped {
                worker,
                session,
                plan,
                batches,
            },
            Action::Train(order) if millis < 12 => Event::Trained {
                worker: order.worker,
                session: order.session,
                cycle: order.cycle,
                done: order.batches,
                took: Span::from_millis(millis * order.batches),
                tail: Span::from_millis(millis * order.batches.min(5)),
            },
            Action::Train(order) => Event::Refused {
                worker: order.worker,
                session: order.session,
                cycle: order.cycle,
            },
            Action::Aggregate { cycle, .. } => Event::Aggregated { cycle },
            _ => return,
        };
        self.step(event);
    }

    /// Lets time pass, waking when asked.
    fn pass(&mut self, millis: u64) {
        let then = self.now + Span::from_millis(millis);
        self.wake_until(then);
        self.now = then;
    }

    fn wake_until(&mut self, then: scheduler::Instant) {
        let mut wakes = 0;
        while let Some(wake) = self.audited.wake
            && wake <= then
        {
            self.now = wake;
            self.step(Event::Wake);
            wakes += 1;
            assert!(wakes < 10_000, "a run ends when nothing answers");
        }
    }

    fn shipped(&mut self, worker: WorkerId, now: bool, batches: u64) {
        let plan = self.audited.shipping.unwrap_or_default().get();
        let plan = PlanId::new(if now { plan } else { plan.wrapping_sub(1) });
        let session = self.session(worker, true);
        self.step(Event::Shipped {
            worker,
            session,
            plan,
            batches,
        });
    }

    fn trained(&mut self, worker: WorkerId, now: bool, done: u64, millis: u64) {
        let (session, cycle) = (self.session(worker, now), self.cycle(now));
        let took = Span::from_millis(millis);
        self.step(Event::Trained {
            worker,
            session,
            cycle,
            done,
            took,
            tail: took / 3,
        });
    }

    /// The result of the worker's last order is refused, whether its session has ended or not.
    fn refused(&mut self, worker: WorkerId, cycle: CycleId) {
        let session = self.audited.ordered_in.get(&worker);
        let session = session.copied().unwrap_or_default();
        self.step(Event::Refused {
            worker,
            session,
            cycle,
        });
    }

    /// Obeys until the worker has an order; it trains, leaves, is refused, and is back before or
    /// after that.
    fn spoil(&mut self, worker: WorkerId, joins: bool) {
        let is_its = |action: &Action| matches!(action, Action::Train(o) if o.worker == worker);
        for _ in 0..50 {
            if self.ordered.iter().any(is_its) {
                break;
            }
            self.obey(0, 5);
        }
        self.trained(worker, true, u64::MAX, 10);
        let session = self.session(worker, true);
        self.step(Event::Lost {
            worker,
            session,
            why: Departure::Left,
        });
        let joined = Event::Joined {
            worker,
            profile: profile(1),
        };
        if joins {
            self.step(joined.clone());
        }
        self.refused(worker, self.cycle(true));
        self.step(joined);
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Obey { which, millis } => self.obey(which, millis),
            Deed::Join {
                worker,
                fee,
                least,
                millis,
            } => {
                let mut profile = profile(fee);
                profile.least_fee = profile_fee(least);
                profile.link.transfer = Span::from_millis(millis);
                profile.tariff = tariff(worker, fee);
                let worker = WorkerId::new(worker);
                self.step(Event::Joined { worker, profile });
            }
            Deed::Benchmark {
                worker,
                now,
                batches,
                millis,
            } => {
                let worker = WorkerId::new(worker);
                let session = self.session(worker, now);
                let took = Span::from_millis(millis);
                self.step(Event::Benchmarked {
                    worker,
                    session,
                    batches,
                    took,
                });
            }
            Deed::Solve { now, allocator } => {
                if let Some((plan, request)) = self.audited.asked.clone()
                    && let Some(response) = answer(allocator, &request)
                {
                    let plan = PlanId::new(if now { plan.get() } else { plan.get() - 1 });
                    let response = Box::new(response);
                    self.step(Event::Solved { plan, response });
                }
            }
            Deed::Ship {
                worker,
                now,
                batches,
            } => self.shipped(WorkerId::new(worker), now, batches),
            Deed::ShipAll => {
                for worker in (0..5).map(WorkerId::new) {
                    self.shipped(worker, true, u64::MAX);
                }
            }
            Deed::Beat { worker, now, done } => {
                let worker = WorkerId::new(worker);
                let (session, cycle) = (self.session(worker, true), self.cycle(now));
                self.step(Event::Beat {
                    worker,
                    session,
                    cycle,
                    done,
                });
            }
            Deed::Train {
                worker,
                now,
                done,
                millis,
            } => self.trained(WorkerId::new(worker), now, done, millis),
            Deed::TrainAll { millis } => {
                for worker in (0..5).map(WorkerId::new) {
                    self.trained(worker, true, u64::MAX, millis);
                }
            }
            Deed::Refuse { worker, now } => {
                let worker = WorkerId::new(worker);
                self.refused(worker, self.cycle(now));
            }
            Deed::Spoil { worker, joins } => {
                for _ in 0..3 {
                    self.spoil(WorkerId::new(worker), joins);
                }
            }
            Deed::Aggregate { now } => {
                let cycle = self.cycle(now);
                self.step(Event::Aggregated { cycle });
            }
            Deed::Lose { worker, now } => {
                let worker = WorkerId::new(worker);
                let session = self.session(worker, now);
                let why = Departure::Disconnected;
                self.step(Event::Lost {
                    worker,
                    session,
                    why,
                });
            }
            Deed::Wake => self.step(Event::Wake),
            Deed::Stop => self.step(Event::Stopped),
        }
    }
}

/// Every other worker is hired, paid by the hour or takes lots of its own.
fn tariff(worker: u32, fee: u64) -> Option<Box<Tariff>> {
    let rate = |units: u64| Rate::from_millionths(units * 1_000_000_000_000).expect("small");
    (worker % 2 == 1).then(|| {
        Box::new(Tariff {
            hire: profile_fee(fee % 3),
            computing: rate(fee % 4),
            employed: rate(fee % 5),
            least: fee % 7,
            ..Tariff::default()
        })
    })
}

fn profile_fee(micros: u64) -> scheduler::Fee {
    profile(micros).fee
}

fn chaos(config: Config, deeds: Vec<(u64, Deed)>, punctual: bool) -> Audited {
    let mut chaos = Chaos {
        audited: Audited::new(config),
        now: scheduler::Instant::START,
        ordered: Vec::new(),
    };
    chaos.audited.punctual = punctual;
    chaos.step(Event::Wake);
    for (gap, deed) in deeds {
        if punctual {
            chaos.pass(gap);
        } else {
            chaos.now = chaos.now + Span::from_millis(gap); // wakes are forgotten
        }
        chaos.act(deed);
    }
    // From here on nothing answers.
    chaos.wake_until(scheduler::Instant::from_nanos(u64::MAX));
    chaos.audited
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The auditor checks every action on the way.
    #[test]
    fn whatever_happens_the_books_balance_and_the_run_ends(
        config in configs(), deeds in deeds(), punctual in prop::bool::weighted(0.8),
    ) {
        let audited = chaos(config, deeds, punctual);
        prop_assert!(audited.end.is_some());
        prop_assert!(audited.replays());
    }
}

/// The random events above are worth something only if they get somewhere.
#[test]
fn chaos_reaches_everything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..4_000 {
        let made = (configs(), deeds())
            .new_tree(&mut runner)
            .expect("a strategy makes values");
        let (config, deeds) = made.current();
        let audited = chaos(config, deeds, true);
        let mut count = |kind: &str, name: &str| {
            *seen.entry(format!("{kind} {name}")).or_default() += 1;
        };
        let mut turned_out = std::collections::BTreeSet::new();
        for row in &audited.cycles {
            count("cycle", row.result.name());
        }
        let (ending, _) = audited.end.expect("ended");
        count("ending", ending.reason());
        for (_, action) in &audited.actions {
            let Action::Record(record) = action else {
                continue;
            };
            match record {
                Record::Departed {
                    worker,
                    session,
                    why,
                } => {
                    count("departed", why.name());
                    if *why == Departure::Quarantined {
                        if session.is_some() {
                            turned_out.insert(worker);
                        } else if !turned_out.contains(worker) {
                            count("departed", "quarantined_while_away");
                        }
                    }
                }
                Record::Planned(row) => count("plan", row.trigger.name()),
                Record::Assignment(row) => count("lot", row.fate.name()),
                Record::Ignored { why, .. } => count("ignored", why.name()),
                Record::Paused { .. } => count("paused", ""),
                Record::Joined { .. }
                | Record::Benchmarked { .. }
                | Record::Share(_)
                | Record::NotPlanned { .. }
                | Record::Shipped { .. }
                | Record::Cycle(_) => {}
            }
        }
    }
    let names = [
        ("cycle", "complete truncated failed"),
        (
            "ending",
            "completed stopped too_few_workers below_beta insufficient_capacity",
        ),
        (
            "ending",
            "insufficient_data insufficient_budget solver_error solver_late plan_rejected out_of_time out_of_budget",
        ),
        (
            "departed",
            "benchmark_late ship_late missed_beats always_late quarantined",
        ),
        ("departed", "disconnected replaced fee_too_low full"),
        ("departed", "left quarantined_while_away"),
        ("plan", "first lost slower arrived faster"),
        ("lot", "complete truncated late lost absent refused"),
        (
            "ignored",
            "not_a_member stale_session out_of_time not_asked",
        ),
        ("paused", " "),
    ];
    for (kind, names) in names {
        for name in names.split(' ') {
            let name = format!("{kind} {name}");
            assert!(seen.contains_key(&name), "{name} never happened: {seen:?}");
        }
    }
}
