//! The state machine that runs one training job, the same in simulation and in reality.
//!
//! It gathers workers, benchmarks them, asks for a plan, has data shipped, runs cycles with
//! deadlines, plans again when it must, accounts fees, and ends. A driver feeds it events and
//! carries out the actions that it gives back:
//!
//! ```text
//! let mut scheduler = Scheduler::new(config);
//! let mut wake = scheduler.step(now, Event::Wake, &mut actions);
//! loop {
//!     carry_out(actions.drain(..));
//!     let (now, event) = next_event_or_wake_at(wake);
//!     wake = scheduler.step(now, event, &mut actions);
//! }   // until Action::Finish
//! ```
//!
//! # Invariants
//!
//! - [`Scheduler::step`] takes any event at any time; it panics only if time runs backwards.
//! - Every wait has a deadline: if nothing ever answers, waking when asked ends the run.
//! - What came at the very moment of a deadline came in time; deadlines that have passed are
//!   dealt with before the event that found them passed.
//! - What a driver that stood still did not hear is not held against the workers: they get
//!   another half second to be heard.
//! - A cycle ends by its limit, plus the configured waits for late results (none by default) and
//!   a slow aggregation.
//! - Of every cycle's `n` batches each was accepted or is lost: the lots say which.
//! - Orders go to members in their present stay; reports of any other stay count for nothing.
//! - A plan is verified in integers before it is taken, whoever verified it before.
//! - Costs are sums of the lots' costs, and nothing else costs.
//! - No two runs differ that were given the same configuration and the same events.
//!
//! **What it deliberately does not know:** the clock, the network, tensors, which batches (it
//! counts them), how a plan is found, how a result is checked, and where rows are written.

mod action;
mod alarms;
mod config;
mod cycle;
mod event;
mod ids;
mod members;
mod membership;
mod planning;
mod record;
mod shipping;

pub use action::{Action, Departure, Ending, TrainOrder};
pub use config::{Billing, Config, ConfigError, Limit, MAX_CYCLES, Partial, Replan, Waits};
pub use event::{Event, Profile};
pub use ids::{CycleId, PlanId, SessionId, WorkerId};
pub use record::{
    AssignmentRow, CycleResult, CycleRow, Fate, Ignored, PlanRow, Record, ShareRow, Totals, Trigger,
};

use crate::time::{Instant, Span};
use alarms::Alarms;
use cycle::{Cycle, Work};
use members::Members;
use planning::{Adopted, Solving};

/// One training job.
#[derive(Debug)]
pub struct Scheduler {
    config: Config,
    now: Instant,
    phase: Phase,
    members: Members,
    /// Benchmarks and beats: at most one is awaited of each worker.
    alarms: Alarms,
    /// The question that the allocator works on.
    solving: Option<Solving>,
    /// A cheaper plan, found beside a cycle; looked at between cycles.
    proposal: Option<Adopted>,
    plan: Option<Adopted>,
    /// Workers became ready since the allocator was last asked.
    arrived: bool,
    /// How long the last question took: time that is gone before the next plan is in force.
    last_solve: Span,
    questions: u32,
    /// The running cycle, or the next one.
    cycle: Cycle,
    /// What happened since the last cycle.
    between: Between,
    totals: Totals,
}

/// What the run is doing; with it, the deadline by which it stops doing it.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Workers join and are benchmarked.
    Gathering {
        until: Instant,
        /// More are waited for; otherwise only for the benchmarks of those that are here.
        open: bool,
    },
    /// The allocator works on a plan without which the run cannot go on. The deadline is the
    /// question's.
    Planning,
    /// Data travels.
    Shipping {
        until: Instant,
        since: Instant,
        /// Workers that lack some.
        waiting: u64,
        batches: u64,
    },
    /// A cycle runs.
    Training { until: Instant },
    /// Its results are averaged.
    Aggregating { until: Instant },
    /// Too few workers, or no plan: workers may return.
    Paused { until: Instant, why: Ending },
    /// Over.
    Ended,
}

/// What happened since the last cycle; bounds what may still happen before the next.
#[derive(Clone, Copy, Debug, Default)]
struct Between {
    plans_taken: u32,
    pause_until: Option<Instant>,
}

impl Scheduler {
    /// A job that is about to begin.
    ///
    /// # Panics
    /// When the configuration does not pass [`Config::check`].
    pub fn new(config: Config) -> Self {
        if let Err(error) = config.check() {
            panic!("a job must be within its bounds: {error}");
        }
        Self {
            now: Instant::START,
            phase: Phase::Gathering {
                until: Instant::START + config.waits.gather,
                open: true,
            },
            members: Members::default(),
            alarms: Alarms::default(),
            solving: None,
            proposal: None,
            plan: None,
            arrived: false,
            last_solve: Span::ZERO,
            questions: 0,
            cycle: Cycle::new(CycleId::new(config.first_cycle)),
            between: Between::default(),
            totals: Totals::default(),
            config,
        }
    }

    /// Advances by one event, appends what the driver must now do, and returns when to send
    /// [`Event::Wake`] if nothing happens before; `None` when the run is over.
    ///
    /// Carry out the actions before waking, even when the time returned is now.
    ///
    /// # Panics
    /// When `now` runs backwards: drivers stamp it when they take the event from their one queue.
    #[must_use]
    pub fn step(
        &mut self,
        now: Instant,
        event: Event,
        actions: &mut Vec<Action>,
    ) -> Option<Instant> {
        assert!(
            now >= self.now,
            "time must not run backwards: {} ns comes after {} ns",
            now.nanos(),
            self.now.nanos()
        );
        self.now = now;
        while let Some(due) = self.next_deadline()
            && due < now
        {
            self.expire(due, actions);
        }
        match event {
            Event::Joined { worker, profile } => self.joined(worker, profile, actions),
            Event::Benchmarked {
                worker,
                session,
                batches,
                took,
            } => self.benchmarked(worker, session, batches, took, actions),
            Event::Solved { plan, response } => self.solved(plan, &response, actions),
            Event::Shipped {
                worker,
                session,
                plan,
                batches,
            } => self.shipped(worker, session, plan, batches, actions),
            Event::Beat {
                worker,
                session,
                cycle,
                done,
            } => self.beat(worker, session, cycle, done),
            Event::Trained {
                worker,
                session,
                cycle,
                done,
                took,
                tail,
            } => self.trained(worker, session, cycle, Work { done, took, tail }, actions),
            Event::Refused {
                worker,
                session,
                cycle,
            } => self.refused(worker, session, cycle, actions),
            Event::Aggregated { cycle } => self.aggregated(cycle, actions),
            Event::Lost {
                worker,
                session,
                why,
            } => self.lost(worker, session, why, actions),
            Event::Wake => {
                // Once: what becomes due now by this may be answered now, and is asked for again.
                if let Some(due) = self.next_deadline()
                    && due == now
                {
                    self.expire(due, actions);
                }
            }
            Event::Stopped => self.finish(Ending::Stopped, actions),
        }
        self.settle(actions);
        self.next_deadline()
    }

    /// Whether the run is over.
    pub const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// The job.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What came of the run so far.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Gathering { until, .. }
            | Phase::Shipping { until, .. }
            | Phase::Training { until }
            | Phase::Aggregating { until }
            | Phase::Paused { until, .. } => Some(until),
            Phase::Planning => None,
            Phase::Ended => return None,
        };
        let alarm = self.alarms.first().map(|(at, _)| at);
        let solving = self.solving.as_ref().map(|solving| solving.until);
        [phase, alarm, solving].into_iter().flatten().min()
    }

    /// Deals with the first of what is due: workers before the allocator before the phase.
    fn expire(&mut self, due: Instant, actions: &mut Vec<Action>) {
        if let Some((at, worker)) = self.alarms.first()
            && at == due
        {
            self.alarm(worker, due, actions);
        } else if self.solving.as_ref().is_some_and(|s| s.until == due) {
            self.solver_late(actions);
        } else {
            match self.phase {
                Phase::Gathering { open: true, .. } => {
                    // Those that are here may still finish their benchmarks; each has a limit.
                    let until = self.now + self.config.benchmark.limit;
                    self.phase = Phase::Gathering { until, open: false };
                }
                Phase::Gathering { open: false, .. } => self.proceed(actions),
                Phase::Shipping { .. } => self.shipping_late(actions),
                Phase::Training { .. } => self.results_late(actions),
                Phase::Aggregating { .. } => self.aggregation_late(actions),
                Phase::Paused { why, .. } => self.finish(why, actions),
                Phase::Planning | Phase::Ended => {}
            }
        }
        self.settle(actions);
    }

    /// Goes on as soon as nothing is waited for any more.
    fn settle(&mut self, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Gathering { open, .. } => {
                let expected = u64::from(self.config.expect).max(self.needed());
                let all_here = self.members.ready >= expected;
                if self.members.benchmarking == 0 && (all_here || !open) {
                    self.proceed(actions);
                }
            }
            Phase::Shipping { waiting: 0, .. } => self.data_shipped(actions),
            Phase::Training { .. } if self.cycle.open == 0 => self.results_in(actions),
            Phase::Shipping { .. }
            | Phase::Training { .. }
            | Phase::Planning
            | Phase::Aggregating { .. }
            | Phase::Paused { .. }
            | Phase::Ended => {}
        }
    }

    fn finish(&mut self, ending: Ending, actions: &mut Vec<Action>) {
        if self.is_ended() {
            return;
        }
        // A cycle that is cut short is over all the same: its lots are billed and accounted.
        self.cut_short(actions);
        self.phase = Phase::Ended;
        self.solving = None;
        actions.push(Action::Finish {
            ending,
            totals: self.totals,
        });
    }

    fn needed(&self) -> u64 {
        self.config.beta.max(1)
    }
}
