//! Workers come and go, stand still and slow down.

use scheduler::machine::{Departure, Event, WorkerId};
use scheduler::{Instant, Span};

use super::driver::Driver;
use super::happening::{Happening, RandomFault};
use super::model::Fault;
use super::worker::{Away, Stage};

impl Driver<'_> {
    /// The first fault of each kind that a worker has by chance.
    pub(super) fn expect_random_faults(&mut self, worker: u32) {
        for fault in RandomFault::ALL {
            self.expect_random_fault(worker, fault, true);
        }
    }

    /// Draws when a fault begins next, or how long it lasts.
    fn expect_random_fault(&mut self, worker: u32, fault: RandomFault, begins: bool) -> Span {
        let Some(renewal) = fault.of(&self.world.workers[worker as usize]) else {
            return Span::ZERO;
        };
        let draws = self.random_faults[worker as usize].as_deref_mut();
        let Some(draws) = draws.and_then(|draws| draws[fault as usize].as_mut()) else {
            return Span::ZERO;
        };
        let mean = if begins { renewal.every } else { renewal.lasts };
        let nanos = draws.exponential() * mean.nanos() as f64;
        let span = Span::from_nanos((nanos as u64).max(1));
        let happening = Happening::RandomFault(worker, fault, begins);
        self.queue.push(self.now + span, happening);
        span
    }

    pub(super) fn random_fault(&mut self, worker: u32, fault: RandomFault, begins: bool) {
        let lasts = self.expect_random_fault(worker, fault, !begins);
        self.count_fault(worker);
        match fault {
            RandomFault::Dropout => self.set_away(worker, Away::Random, begins),
            RandomFault::Stall if begins => self.stand_still(worker, lasts),
            RandomFault::Stall => {}
            RandomFault::Slowdown => {
                let slowdowns = self.world.workers[worker as usize].slowdowns;
                let factor = slowdowns.map_or(1.0, |(_, factor)| factor);
                let state = &mut self.workers[worker as usize];
                state.slow_by_chance = if begins { factor } else { 1.0 };
                self.change_pace(worker);
            }
        }
    }

    pub(super) fn listed_fault(&mut self, worker: u32, fault: u32) {
        self.count_fault(worker);
        let faults = &self.world.workers[worker as usize].faults;
        match faults[fault as usize].1 {
            Fault::Leave => self.set_away(worker, Away::Listed, true),
            Fault::Return => self.set_away(worker, Away::Listed, false),
            Fault::Stall(span) => self.stand_still(worker, span),
            Fault::Slow(factor) => {
                self.workers[worker as usize].slow = factor;
                self.change_pace(worker);
            }
        }
    }

    pub(super) fn set_away(&mut self, worker: u32, reason: Away, away: bool) {
        let model = &self.world.workers[worker as usize];
        let state = &mut self.workers[worker as usize];
        let was_here = state.is_here();
        state.set_away(reason, away);
        match (was_here, state.is_here()) {
            (false, true) => {
                state.still_until = Instant::START; // it was restarted
                state.here_since = self.now;
                self.queue.push(self.now, Happening::Joins(worker));
            }
            (true, false) => {
                if let (Some(session), Some(after)) = (state.session.take(), model.noticed_after) {
                    let happening = Happening::Noticed(worker, session);
                    self.queue.push(self.now + after, happening);
                }
                self.break_off(worker);
            }
            (false, false) | (true, true) => {}
        }
    }

    /// A worker connects, unless it is gone again, in already, or does not move.
    pub(super) fn joins(&mut self, worker: u32) {
        let state = &self.workers[worker as usize];
        if !state.is_here() || state.session.is_some() {
            return;
        }
        if state.is_still(self.now) {
            let until = state.still_until;
            return self.queue.push(until, Happening::Joins(worker));
        }
        let profile = self.world.workers[worker as usize].profile.clone();
        let worker = WorkerId::new(worker);
        self.step(Event::Joined { worker, profile });
    }

    /// The scheduler excluded or refused a worker.
    pub(super) fn excluded(&mut self, worker: u32, why: Departure) {
        let model = &self.world.workers[worker as usize];
        self.workers[worker as usize].session = None;
        self.forget(worker);
        let for_good = match why {
            Departure::Quarantined | Departure::FeeTooLow | Departure::Full => true,
            Departure::Disconnected
            | Departure::Left
            | Departure::Misbehaved
            | Departure::Replaced
            | Departure::BenchmarkLate
            | Departure::ShipLate
            | Departure::MissedBeats
            | Departure::AlwaysLate => false,
        };
        if let Some(after) = model.rejoins_after.filter(|_| !for_good) {
            // Without a delay it would join and be excluded for ever.
            let after = after.max(Span::from_millis(1));
            self.queue.push(self.now + after, Happening::Joins(worker));
        }
    }

    /// A worker may move again, unless another stall began meanwhile.
    pub(super) fn moves(&mut self, worker: u32) {
        self.change_pace(worker);
    }

    fn stand_still(&mut self, worker: u32, span: Span) {
        let until = self.now + span;
        let state = &mut self.workers[worker as usize];
        if state.is_here() && until > state.still_until {
            state.still_until = until;
            self.queue.push(until, Happening::Moves(worker));
            self.change_pace(worker);
        }
    }

    /// What a worker computes goes on at the pace that it has now.
    fn change_pace(&mut self, worker: u32) {
        let now = self.now;
        let state = &mut self.workers[worker as usize];
        let Some(factor) = state.task.as_ref().map(|task| task.factor) else {
            return;
        };
        let pace = state.pace(now, factor, self.variations[worker as usize].drift_so_far);
        if let Some(task) = &mut state.task
            && let Stage::Computing(progress) = &mut task.stage
        {
            progress.change(now, pace);
            self.look_again(worker);
        }
    }

    /// A worker is gone, with all that it was doing.
    fn break_off(&mut self, worker: u32) {
        self.forget(worker);
        self.clear_waste();
    }

    fn forget(&mut self, worker: u32) {
        let state = &mut self.workers[worker as usize];
        self.has_waste |= state.uses_a_pipe();
        state.forget();
    }
}
