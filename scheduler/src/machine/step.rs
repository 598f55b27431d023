//! The entry: one event in, orders out. Deadlines that have passed come first.

use super::action::Action;
use super::alarms::Alarms;
use super::config::Config;
use super::cycle::{Cycle, Work};
use super::event::Event;
use super::members::Members;
use super::record::Totals;
use super::state::{Between, Phase, Scheduler};
use crate::ids::CycleId;
use crate::reason::Ending;
use crate::time::{Instant, Span};

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

    /// Ends the run.
    pub(super) fn finish(&mut self, ending: Ending, actions: &mut Vec<Action>) {
        if self.is_ended() {
            return;
        }
        // A cycle that is cut short is over all the same: its assignments are billed and accounted.
        self.cut_short(actions);
        self.phase = Phase::Ended;
        self.solving = None;
        actions.push(Action::Finish {
            ending,
            totals: self.totals,
        });
    }
}
