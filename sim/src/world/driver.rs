//! The loop: the scheduler steps, its orders are carried out, the queue says what happens next.

use results::runs::RunEnd;
use scenarios::Draws;
use scenarios::scenario::WorkerStreams;
use scheduler::machine::{
    Action, Departure, Ending, Event, PlanId, Record, Scheduler, Totals, WorkerId,
};
use scheduler::{Instant, PlanRequest, PlanResponse, Span};

use super::happening::{FaultCount, Happening, RandomFault};
use super::model::World;
use super::pipe::Pipe;
use super::totals::{CycleTruth, RunTotals};
use super::worker::{Away, Transfer, Variation, Worker};
use crate::engine::Queue;

/// Takes rows.
pub type OnRow<'a> = &'a mut dyn FnMut(Instant, &Record);

/// Takes events.
pub type OnEvent<'a> = &'a mut dyn FnMut(Instant, &Event);

/// Gives events that no order calls for, to follow this one: what members claim, and networks repeat.
pub type Claims<'a> = &'a mut dyn FnMut(Instant, &Event, &mut Vec<Event>);

/// What looks at a run. Nothing has to.
#[derive(Default)]
pub struct Observers<'a> {
    /// Gets the scheduler's rows, each with the time of the step that gave it.
    pub rows: Option<OnRow<'a>>,
    /// Gets the true state of the world after each cycle. That takes time in the number of workers
    /// in every cycle, which a run without it saves.
    pub judge: Option<&'a mut dyn FnMut(&CycleTruth)>,
    /// Gets every event that the scheduler gets: a fresh scheduler gives the same orders for them.
    pub events: Option<OnEvent<'a>>,
    /// Adds events, for tests of what the scheduler bears.
    pub claims: Option<Claims<'a>>,
}

impl<'a> Observers<'a> {
    /// Of the rows alone.
    pub fn of_rows(rows: OnRow<'a>) -> Self {
        Self {
            rows: Some(rows),
            ..Self::default()
        }
    }
}

/// Runs one replicate of a world to its end.
///
/// `allocate` answers the scheduler's questions; the world charges the modelled time for it,
/// however long it takes.
///
/// # Panics
/// When the world's configuration does not pass [`scheduler::machine::Config::check`].
pub fn run<'a>(
    world: &'a World,
    seed: u64,
    replicate: u64,
    allocate: &'a mut dyn FnMut(&PlanRequest) -> PlanResponse,
    observers: Observers<'a>,
) -> RunTotals {
    let mut driver = Driver::new(world, seed, replicate, allocate, observers);
    driver.schedule_beginning();
    driver.run()
}

/// One run under way.
pub(super) struct Driver<'a> {
    pub(super) world: &'a World,
    allocate: &'a mut dyn FnMut(&PlanRequest) -> PlanResponse,
    pub(super) observers: Observers<'a>,
    pub(super) faults: FaultCount,
    pub(super) scheduler: Scheduler,
    pub(super) queue: Queue<Happening>,
    pub(super) now: Instant,
    pub(super) workers: Vec<Worker>,
    pub(super) variations: Vec<Variation>,
    /// The streams of faults by chance, three per worker that has any.
    pub(super) random_faults: Vec<Option<Box<[Option<Draws>; 3]>>>,
    pub(super) down: Way,
    pub(super) up: Way,
    /// Transfers towards workers that begin now, in the order of the orders.
    pub(super) departing: Vec<(Transfer, Span)>,
    /// Something was broken off that may still be in a pipe.
    pub(super) has_waste: bool,
    answer: Option<(PlanId, PlanResponse)>,
    /// The steps' orders, kept for their memory.
    actions: Vec<Action>,
    wake: Option<Instant>,
    ending: Option<(Ending, Totals)>,
    pub(super) orders: u64,
    pub(super) overruns: u64,
    steps: u64,
    happenings: u64,
}

/// A pipe and when it is next looked at.
pub(super) struct Way {
    pub(super) pipe: Pipe<Transfer>,
    pub(super) looked_at: Option<Instant>,
}

impl Way {
    const fn new(pipe: Pipe<Transfer>) -> Self {
        Self {
            pipe,
            looked_at: None,
        }
    }
}

impl<'a> Driver<'a> {
    fn new(
        world: &'a World,
        seed: u64,
        replicate: u64,
        allocate: &'a mut dyn FnMut(&PlanRequest) -> PlanResponse,
        observers: Observers<'a>,
    ) -> Self {
        let models = || {
            (0..).zip(&world.workers).map(|(place, model)| {
                let key = model.key.unwrap_or(place);
                (WorkerStreams::new(seed, replicate, key), model)
            })
        };
        Self {
            world,
            allocate,
            observers,
            faults: FaultCount::default(),
            scheduler: Scheduler::new(world.config.clone()),
            queue: Queue::with_capacity(2 * world.workers.len() + 8),
            now: Instant::START,
            workers: world.workers.iter().map(|_| Worker::new()).collect(),
            variations: models()
                .map(|(streams, model)| Variation::new(model, &streams))
                .collect(),
            random_faults: models()
                .map(|(streams, model)| RandomFault::draws(model, &streams))
                .collect(),
            down: Way::new(Pipe::new(world.down.service)),
            up: Way::new(Pipe::new(world.up.service)),
            departing: Vec::new(),
            has_waste: false,
            answer: None,
            actions: Vec::new(),
            wake: None,
            ending: None,
            orders: 0,
            overruns: 0,
            steps: 0,
            happenings: 0,
        }
    }

    /// Schedules what happens without an order.
    fn schedule_beginning(&mut self) {
        for (worker, model) in (0..).zip(&self.world.workers) {
            self.queue.push(model.joins_at, Happening::Comes(worker));
            for (fault, (at, _)) in (0..).zip(&model.faults) {
                self.queue.push(*at, Happening::ListedFault(worker, fault));
            }
            self.expect_random_faults(worker);
        }
    }

    fn run(mut self) -> RunTotals {
        self.step(Event::Wake);
        loop {
            if let Some((ending, totals)) = self.ending {
                return self.totals(ending, totals);
            }
            let wake = self.wake.expect("a run that is not over has a deadline");
            // What happens at the moment of a deadline is in time.
            if self.queue.next_at().is_some_and(|at| at <= wake)
                && let Some((at, happening)) = self.queue.pop()
            {
                self.now = at;
                self.happenings += 1;
                self.happens(happening);
            } else {
                self.now = self.now.max(wake);
                self.step(Event::Wake);
            }
        }
    }

    fn totals(&self, ending: Ending, totals: Totals) -> RunTotals {
        let config = &self.world.config;
        RunTotals {
            end: RunEnd {
                ending,
                totals,
                ended: self.now,
                limit: config.limit.total(config.cycles - config.first_cycle + 1),
                truth: None,
            },
            orders: self.orders,
            overruns: self.overruns,
            steps: self.steps,
            happenings: self.happenings,
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Comes(worker) => self.set_away(worker, Away::NotYet, false),
            Happening::Joins(worker) => self.joins(worker),
            Happening::Down => self.look_down(),
            Happening::Up => self.look_up(),
            Happening::Begins(worker, stamp) => self.begins(worker, stamp),
            Happening::Looks(worker, stamp) => self.looks(worker, stamp),
            Happening::Holds(worker, stamp) => self.holds(worker, stamp),
            Happening::Shipped(worker, stamp) => self.shipped(worker, stamp),
            Happening::Reports(worker, stamp) => self.reports(worker, stamp),
            Happening::Beats(worker, session, cycle, done) => self.step(Event::Beat {
                worker: WorkerId::new(worker),
                session,
                cycle,
                done: done.into(),
            }),
            Happening::Noticed(worker, session) => self.step(Event::Lost {
                worker: WorkerId::new(worker),
                session,
                why: Departure::Disconnected,
            }),
            Happening::ListedFault(worker, fault) => self.listed_fault(worker, fault),
            Happening::RandomFault(worker, fault, begins) => {
                self.random_fault(worker, fault, begins);
            }
            Happening::Moves(worker) => self.moves(worker),
            Happening::Solved(plan) => {
                if let Some((_, response)) = self.answer.take_if(|(asked, _)| *asked == plan) {
                    let response = Box::new(response);
                    self.step(Event::Solved { plan, response });
                }
            }
            Happening::Aggregated(cycle) => self.step(Event::Aggregated { cycle }),
        }
    }

    /// Passes the event to the scheduler, and carries out its orders.
    pub(super) fn step(&mut self, event: Event) {
        let mut claims = Vec::new(); // allocates only when there are some
        if let Some(claim) = &mut self.observers.claims {
            claim(self.now, &event, &mut claims);
        }
        self.step_alone(event);
        for claim in claims {
            self.step_alone(claim);
        }
    }

    fn step_alone(&mut self, event: Event) {
        if self.ending.is_some() {
            return;
        }
        self.steps += 1;
        if let Some(events) = &mut self.observers.events {
            events(self.now, &event);
        }
        let mut actions = std::mem::take(&mut self.actions);
        self.wake = self.scheduler.step(self.now, event, &mut actions);
        for action in actions.drain(..) {
            self.carry_out(action);
        }
        self.actions = actions;
        self.clear_waste();
        self.depart();
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Record(record) => {
                if let Some(rows) = &mut self.observers.rows {
                    rows(self.now, &record);
                }
                if let Record::Cycle(row) = record {
                    self.judge(&row);
                }
            }
            Action::Train(train) => {
                self.orders += 1;
                self.faults.of_cycle(train.cycle);
                self.train(train);
            }
            Action::Accept { .. } => {}
            Action::Benchmark {
                worker,
                session,
                batches,
            } => self.benchmark(worker.get(), session, batches),
            Action::Ship {
                worker,
                session,
                plan,
                batches,
                new,
            } => self.ship(worker.get(), session, plan, batches, new),
            Action::Abort {
                worker,
                session,
                cycle,
            } => self.abort(worker.get(), session, cycle),
            Action::Admit { worker, session } => {
                let worker = &mut self.workers[worker.get() as usize];
                worker.forget();
                (worker.session, worker.warm) = (Some(session), false);
            }
            Action::Exclude { worker, why } => self.excluded(worker.get(), why),
            Action::Solve { plan, request } => {
                let response = (self.allocate)(&request);
                let candidates = request.candidates().len() as u64;
                let model = &self.world.solving;
                let each = model.per_candidate * candidates;
                let took = model.fixed + each * response.solves;
                self.answer = Some((plan, response));
                self.queue.push(self.now + took, Happening::Solved(plan));
            }
            Action::Aggregate { cycle, results, .. } => {
                let took = self.world.aggregation + self.world.aggregation_per_result * results;
                let happening = Happening::Aggregated(cycle);
                self.queue.push(self.now + took, happening);
            }
            Action::Discard { .. } => {}
            Action::Finish { ending, totals } => self.ending = Some((ending, totals)),
        }
    }
}
