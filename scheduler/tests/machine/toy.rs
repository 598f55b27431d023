//! A toy driver: virtual workers with exact speeds, a greedy allocator, and one queue.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::audit::Audited;
use scheduler::machine::{
    Action, Config, Departure, Event, Limit, Profile, SessionId, TrainOrder, WorkerId,
};
use scheduler::{
    Failure, FailureReason, Fee, Instant, Link, Objective, Outcome, Plan, PlanResponse, PlanStatus,
    Planned, Problem, Span,
};

/// What happens to a worker, and when (milliseconds).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It is connected.
    Joins(u64),
    /// Its connection breaks, and the driver notices.
    Dies(u64),
    /// It says nothing from the first time to the second; then everything at once.
    Frozen(u64, u64),
    /// From then on a batch takes this many milliseconds.
    Takes(u64, u64),
    /// Its results are refused from then on.
    Spoils(u64),
    /// From then on its results never arrive, though it beats.
    Swallows(u64),
}

/// A virtual worker: milliseconds per batch, its fee, and what happens to it.
#[derive(Clone, Debug)]
pub(crate) struct Toy {
    pub(crate) millis: u64,
    pub(crate) fee: u64,
    pub(crate) fates: Vec<Fate>,
}

/// How the allocator behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocator {
    Greedy,
    /// Answers with a plan for one batch too few.
    Wrong,
    Fails,
    Silent,
}

pub(crate) struct World {
    pub(crate) audited: Audited,
    toys: Vec<Toy>,
    allocator: Allocator,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    events: Vec<Sent>,
    now: Instant,
    ship_millis: u64,
}

/// An event under way.
#[derive(Clone, Debug)]
struct Sent {
    from: Option<WorkerId>,
    event: Event,
}

pub(crate) fn at(millis: u64) -> Instant {
    Instant::START + Span::from_millis(millis)
}

/// A job with cycles of one second, and everything else at its least.
pub(crate) fn job(batches: u64, cycles: u32, workers: u32) -> Config {
    let mut config = Config::new(batches, cycles, Limit::Cycle(Span::from_secs(1)));
    config.expect = workers;
    config.benchmark.batches = 10;
    config.benchmark.rounds = 1;
    config
}

pub(crate) const fn profile(fee: u64) -> Profile {
    Profile {
        fee: match Fee::from_micros(fee) {
            Some(fee) => fee,
            None => Fee::MAX,
        },
        least_fee: Fee::ZERO,
        link: Link {
            transfer: Span::ZERO,
            latency: Span::ZERO,
            ship: Span::ZERO,
        },
        most: u64::MAX,
        tariff: None,
    }
}

/// Lots for the cheapest first, then fills the cheapest. Enough for stories.
pub(crate) fn greedy(problem: &Problem) -> Outcome {
    if let Some(infeasible) = problem.infeasibility() {
        return Outcome::Infeasible(infeasible);
    }
    let workers = problem.workers();
    let mut order: Vec<_> = (0..workers.len()).collect();
    order.retain(|&i| problem.is_eligible(&workers[i]));
    order.sort_by_key(|&i| workers[i].fee);
    let mut batches = vec![0; workers.len()];
    let mut left = problem.n();
    let mut employ = |i: usize, left: &mut u64, atleast: u64| {
        let room = workers[i].s_max - batches[i];
        let take = atleast.min(room).min(*left);
        batches[i] += take;
        *left -= take;
    };
    for &i in order.iter().take(problem.beta() as usize) {
        employ(i, &mut left, problem.lot());
    }
    for &i in &order {
        employ(i, &mut left, u64::MAX);
    }
    let plan = Plan::costed(problem, batches);
    match plan.verify(problem) {
        Ok(()) => Outcome::Planned(Planned {
            plan,
            status: PlanStatus::Feasible,
            lower_bound: None,
            certificate: None,
        }),
        Err(violation) => Outcome::Failed(Failure {
            reason: FailureReason::NoPlanFound,
            message: violation.to_string(),
        }),
    }
}

pub(crate) fn answer(
    allocator: Allocator,
    request: &scheduler::PlanRequest,
) -> Option<PlanResponse> {
    let mut response = request.cheapest(greedy);
    if request.objective() == Objective::CheapestThenQuickest
        && let Outcome::Planned(planned) = &response.outcome
    {
        let plan = request.fitted(planned.clone());
        let (quickest, _) = request.quickest(Some(planned.plan.cost), plan, greedy);
        let quickest = request.levelled(quickest);
        response.employed = quickest.employed;
        response.outcome = Outcome::Planned(quickest.planned);
    }
    match (allocator, &mut response.outcome) {
        (Allocator::Silent, _) => return None,
        (Allocator::Greedy, _) => {}
        (Allocator::Wrong, Outcome::Planned(planned)) => {
            if let Some(batches) = planned.plan.batches.iter_mut().find(|x| **x > 0) {
                *batches -= 1;
            }
        }
        (Allocator::Wrong | Allocator::Fails, outcome) => {
            *outcome = Outcome::Failed(Failure {
                reason: FailureReason::SolverError,
                message: "as the test asks".to_owned(),
            });
        }
    }
    Some(response)
}

impl World {
    pub(crate) fn new(config: Config, toys: &[Toy], allocator: Allocator) -> Self {
        let mut world = Self {
            audited: Audited::new(config),
            toys: toys.to_vec(),
            allocator,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            now: Instant::START,
            ship_millis: 1,
        };
        for (id, toy) in (0..).zip(toys) {
            let worker = WorkerId::new(id);
            let joined = || Event::Joined {
                worker,
                profile: profile(toy.fee),
            };
            let fates = &toy.fates;
            if !fates.iter().any(|fate| matches!(fate, Fate::Joins(_))) {
                world.send(0, None, joined());
            }
            for fate in fates {
                match *fate {
                    Fate::Joins(millis) => {
                        world.send(millis, None, joined());
                    }
                    Fate::Frozen(_, until) => {
                        world.send(until + 1, None, joined());
                    }
                    Fate::Dies(millis) => world.send(
                        millis,
                        None,
                        Event::Lost {
                            worker,
                            session: SessionId::new(0), // filled in when it is delivered
                            why: Departure::Disconnected,
                        },
                    ),
                    Fate::Takes(..) | Fate::Spoils(_) | Fate::Swallows(_) => {}
                }
            }
        }
        world
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Audited {
        self.deliver(Event::Wake);
        for _ in 0..1_000_000 {
            let Some(wake) = self.audited.wake else {
                assert!(self.audited.replays(), "a replay must say the same");
                return self.audited;
            };
            match self.queue.peek() {
                Some(&Reverse((at, id))) if at <= wake => {
                    self.queue.pop();
                    self.now = self.now.max(at);
                    let sent = self.events[id as usize].clone();
                    self.arrive(sent);
                }
                Some(_) | None => {
                    self.now = wake;
                    self.deliver(Event::Wake);
                }
            }
        }
        panic!("the run does not end");
    }

    fn arrive(&mut self, sent: Sent) {
        if let Some(worker) = sent.from {
            // Broken connections deliver nothing; frozen workers later.
            let fates = self.toys[worker.get() as usize].fates.clone();
            for fate in fates {
                match fate {
                    Fate::Dies(when) if at(when) <= self.now && !self.returned(worker, when) => {
                        return;
                    }
                    Fate::Frozen(from, until) if (at(from)..at(until)).contains(&self.now) => {
                        self.send_at(at(until), sent.from, sent.event);
                        return;
                    }
                    Fate::Dies(_)
                    | Fate::Frozen(..)
                    | Fate::Joins(_)
                    | Fate::Takes(..)
                    | Fate::Spoils(_)
                    | Fate::Swallows(_) => {}
                }
            }
        }
        match sent.event {
            Event::Lost { worker, why, .. } => {
                if let Some(&session) = self.audited.sessions.get(&worker) {
                    self.deliver(Event::Lost {
                        worker,
                        session,
                        why,
                    });
                }
            }
            // Comes back only if it was excluded.
            Event::Joined { worker, .. } if self.audited.sessions.contains_key(&worker) => {}
            event => self.deliver(event),
        }
    }

    fn returned(&self, worker: WorkerId, died: u64) -> bool {
        let fates = &self.toys[worker.get() as usize].fates;
        let back = |fate: &Fate| matches!(*fate, Fate::Joins(w) if w > died && at(w) <= self.now);
        fates.iter().any(back)
    }

    fn deliver(&mut self, event: Event) {
        for action in self.audited.step(self.now, event) {
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Benchmark {
                worker,
                session,
                batches,
            } => {
                let took = Span::from_millis(self.pace(worker) * batches);
                let event = Event::Benchmarked {
                    worker,
                    session,
                    batches,
                    took,
                };
                self.send_at(self.now + took, Some(worker), event);
            }
            Action::Solve { plan, request } => {
                if let Some(response) = answer(self.allocator, &request) {
                    let response = Box::new(response);
                    let event = Event::Solved { plan, response };
                    self.send_at(self.now + Span::from_millis(1), None, event);
                }
            }
            Action::Ship {
                worker,
                session,
                plan,
                batches,
                new,
            } => {
                let event = Event::Shipped {
                    worker,
                    session,
                    plan,
                    batches,
                };
                let took = Span::from_millis(new * self.ship_millis);
                self.send_at(self.now + took, Some(worker), event);
            }
            Action::Train(order) => {
                let TrainOrder {
                    worker,
                    session,
                    cycle,
                    batches,
                    ..
                } = order;
                let pace = self.pace(worker);
                let beat = order.beat.min(Span::from_millis(pace * order.beat_batches));
                let all = Span::from_millis(pace * batches);
                let took = all.min(order.stop_by.since(self.now));
                let done = took.nanos() / (pace * 1_000_000);
                let mut beats = beat;
                while beats < took {
                    let done = beats.nanos() / (pace * 1_000_000);
                    let event = Event::Beat {
                        worker,
                        session,
                        cycle,
                        done,
                    };
                    self.send_at(self.now + beats, Some(worker), event);
                    beats = beats + beat;
                }
                let fates = &self.toys[worker.get() as usize].fates;
                let reached = |when: u64| at(when) <= self.now;
                let spoils = |f: &Fate| matches!(*f, Fate::Spoils(when) if reached(when));
                let swallows = |f: &Fate| matches!(*f, Fate::Swallows(when) if reached(when));
                let event = if fates.iter().any(swallows) {
                    return;
                } else if fates.iter().any(spoils) {
                    Event::Refused {
                        worker,
                        session,
                        cycle,
                    }
                } else {
                    Event::Trained {
                        worker,
                        session,
                        cycle,
                        done,
                        took,
                        tail: Span::from_millis(pace * done.min(order.tail_batches)),
                    }
                };
                self.send_at(self.now + took, Some(worker), event);
            }
            Action::Aggregate { cycle, .. } => {
                self.send_at(self.now, None, Event::Aggregated { cycle });
            }
            Action::Admit { .. }
            | Action::Accept { .. }
            | Action::Abort { .. }
            | Action::Discard { .. }
            | Action::Exclude { .. }
            | Action::Record(_)
            | Action::Finish { .. } => {}
        }
    }

    /// Milliseconds that a batch takes the worker now.
    fn pace(&self, worker: WorkerId) -> u64 {
        let toy = &self.toys[worker.get() as usize];
        let mut pace = toy.millis;
        for fate in &toy.fates {
            if let Fate::Takes(when, millis) = *fate
                && at(when) <= self.now
            {
                pace = millis;
            }
        }
        pace
    }

    fn send(&mut self, millis: u64, from: Option<WorkerId>, event: Event) {
        self.send_at(at(millis), from, event);
    }

    fn send_at(&mut self, when: Instant, from: Option<WorkerId>, event: Event) {
        self.queue.push(Reverse((when, self.events.len() as u64)));
        self.events.push(Sent { from, event });
    }
}
