//! Joining, benchmarks, departures.

use super::action::Action;
use super::config::Replan;
use super::event::Profile;
use super::members::Standing;
use super::record::{Ignored, Record};
use super::state::{Phase, Scheduler, ignore};
use crate::benchmark::Verdict;
use crate::estimate::Estimate;
use crate::ids::{SessionId, WorkerId};
use crate::reason::Departure;
use crate::time::{Instant, Span};
use crate::time_model::Speed;

/// After this number of refused results a worker is not admitted again.
const MAX_REFUSALS: u8 = 3;

/// A driver that wakes the scheduler later than this was not running: the machine was suspended,
/// or starved.
const STALL: Span = Span::from_millis(250);

impl Scheduler {
    pub(super) fn joined(&mut self, worker: WorkerId, profile: Profile, out: &mut Vec<Action>) {
        if self.is_ended() {
            return;
        }
        if self.members.is_here(worker) {
            self.depart(worker, Departure::Replaced, out);
        }
        let standing = self.members.get(worker).map(|member| &member.standing);
        let turned_away = if worker.get() >= self.config.max_workers {
            Some(Departure::Full)
        } else if let Some(Standing::Quarantined) = standing {
            Some(Departure::Quarantined)
        } else if profile.fee < profile.least_fee {
            Some(Departure::FeeTooLow)
        } else {
            None
        };
        if let Some(why) = turned_away {
            let session = None;
            out.push(Action::Exclude { worker, why });
            out.push(Action::Record(Record::Departed {
                worker,
                session,
                why,
            }));
            return;
        }
        let fee = profile.fee;
        let (session, returned) = self.members.admit(worker, profile);
        let limit = self.now + self.config.benchmark.limit;
        self.alarms.set(worker, limit);
        out.push(Action::Admit { worker, session });
        out.push(Action::Record(Record::Joined {
            worker,
            session,
            fee,
            returned,
        }));
        let batches = self.config.benchmark.first_round();
        self.order_benchmark(worker, session, batches, out);
    }

    pub(super) fn benchmarked(
        &mut self,
        worker: WorkerId,
        session: SessionId,
        batches: u64,
        took: Span,
        out: &mut Vec<Action>,
    ) {
        if self.is_ended() {
            return;
        }
        let (rule, now) = (self.config.benchmark, self.now);
        let member = match self.members.in_session(worker, session) {
            Ok(member) => member,
            Err(why) => return ignore(worker, session, why, out),
        };
        // Anything but what was ordered leaves the benchmark unanswered: its alarm goes off.
        let measured = Speed::measured(batches, took).filter(|_| batches == member.round);
        let (speed, rounds, noisy) = match (&mut member.standing, measured) {
            (Standing::Benchmarking(benchmark), Some(speed)) => {
                let since = now.since(*benchmark.since.get_or_insert(now));
                match benchmark.rounds.add(&rule, speed, since) {
                    Verdict::Again { batches } => {
                        return self.order_benchmark(worker, session, batches, out);
                    }
                    Verdict::Settled { speed, noisy } => {
                        (speed, benchmark.rounds.count() as u32, noisy)
                    }
                }
            }
            (Standing::Ready(_), Some(speed)) if member.probing => (speed, 1, false),
            (Standing::Ready(estimate), Some(speed)) if member.checked_since.is_some() => {
                estimate.check(speed);
                member.checked_since = None;
                return self.check(worker, out);
            }
            (
                Standing::Benchmarking(_)
                | Standing::Ready(_)
                | Standing::Away
                | Standing::Quarantined,
                _,
            ) => return ignore(worker, session, Ignored::NotAsked, out),
        };
        if !member.probing {
            self.alarms.clear(worker);
        }
        member.probing = false;
        out.push(Action::Record(Record::Benchmarked {
            worker,
            session,
            speed,
            rounds,
            noisy,
        }));
        self.members.settle(worker, Estimate::from_benchmark(speed));
        self.arrived = true;
        if let Phase::Paused { .. } = self.phase {
            self.proceed(out);
        }
    }

    pub(super) fn lost(
        &mut self,
        worker: WorkerId,
        session: SessionId,
        why: Departure,
        out: &mut Vec<Action>,
    ) {
        // The loss is known already, or of an earlier session.
        if !self.is_ended() && self.members.in_session(worker, session).is_ok() {
            self.depart(worker, why, out);
        }
    }

    /// A worker did not answer in time.
    pub(super) fn alarm(&mut self, worker: WorkerId, due: Instant, out: &mut Vec<Action>) {
        if self.now.since(due) > STALL {
            // The driver did not run: what arrived meanwhile is still in its queue.
            return self.alarms.set(worker, self.now + STALL * 2);
        }
        let standing = self.members.get(worker).map(|member| &member.standing);
        let why = match standing {
            Some(Standing::Benchmarking(_)) => Departure::BenchmarkLate,
            Some(Standing::Ready(_) | Standing::Away | Standing::Quarantined) | None => {
                Departure::MissedBeats
            }
        };
        self.exclude(worker, why, out);
    }

    /// Counts a refused result, and quarantines at the third. A worker that is away has departed
    /// already: it is not admitted again.
    pub(super) fn count_refusal(&mut self, worker: WorkerId, out: &mut Vec<Action>) {
        let Some(member) = self.members.get_mut(worker) else {
            return;
        };
        member.refusals = member.refusals.saturating_add(1);
        if member.refusals < MAX_REFUSALS {
            return;
        }
        if self.members.is_here(worker) {
            self.exclude(worker, Departure::Quarantined, out);
        } else {
            self.members.quarantine(worker);
        }
    }

    pub(super) fn exclude(&mut self, worker: WorkerId, why: Departure, out: &mut Vec<Action>) {
        out.push(Action::Exclude { worker, why });
        self.depart(worker, why, out);
    }

    /// Idle workers that seem slow measure again: nothing else would show that they recovered.
    pub(super) fn probe_idle(&mut self, out: &mut Vec<Action>) {
        if self.config.replan == Replan::Static {
            return;
        }
        for worker in 0..self.members.len() {
            let worker = WorkerId::new(worker);
            let Some(member) = self.members.get_mut(worker) else {
                continue;
            };
            let slow = member.estimate().filter(|estimate| estimate.is_degraded());
            if let Some(speed) = slow.map(Estimate::speed)
                && member.share == 0
                && !member.probing
            {
                member.probing = true;
                let session = member.session;
                let batches = self.config.benchmark.later_round(speed);
                self.order_benchmark(worker, session, batches, out);
            }
        }
    }

    /// While data travels, planned workers measure again, round after round: what slows down
    /// meanwhile is known before the cycle begins.
    pub(super) fn check(&mut self, worker: WorkerId, out: &mut Vec<Action>) {
        let travels = match self.phase {
            Phase::Shipping { .. } => self.config.replan == Replan::Adaptive,
            Phase::Gathering { .. }
            | Phase::Planning
            | Phase::Training { .. }
            | Phase::Aggregating { .. }
            | Phase::Paused { .. }
            | Phase::Ended => false,
        };
        let Some(member) = self.members.get_mut(worker).filter(|_| travels) else {
            return;
        };
        let free = member.checked_since.is_none() && !member.probing;
        if let Some(speed) = member.estimate().map(Estimate::speed)
            && member.share > 0
            && free
        {
            member.checked_since = Some(self.now);
            let session = member.session;
            let batches = self.config.benchmark.later_round(speed);
            self.order_benchmark(worker, session, batches, out);
        }
    }

    /// A round that is still not answered shows how slow its worker is at least.
    pub(super) fn look_at_checks(&mut self) {
        for share in self.plan.iter().flat_map(|plan| &plan.shares) {
            let Some(member) = self.members.get_mut(share.worker) else {
                continue;
            };
            let (latency, batches) = (member.profile.link.latency, member.round);
            if let (Some(since), Standing::Ready(estimate)) =
                (member.checked_since, &mut member.standing)
                && let Some(speed) = Speed::measured(batches, self.now.since(since) - latency)
            {
                estimate.check(speed);
            }
        }
    }

    fn depart(&mut self, worker: WorkerId, why: Departure, out: &mut Vec<Action>) {
        let Some(member) = self.members.get_mut(worker) else {
            return;
        };
        let session = Some(member.session);
        if let Phase::Shipping { waiting, .. } = &mut self.phase
            && member.held < member.share
        {
            *waiting -= 1;
        }
        if let Some(assignment) = member.assignment {
            self.cycle.lose(assignment, self.now);
        }
        self.members.depart(worker, why == Departure::Quarantined);
        self.alarms.clear(worker);
        out.push(Action::Record(Record::Departed {
            worker,
            session,
            why,
        }));
    }

    /// Before the first cycle: workers measure themselves once more, since by what they measured there is no
    /// plan. False if all have done so.
    pub(super) fn measure_again(&mut self, out: &mut Vec<Action>) -> bool {
        if self.totals.first_cycle_at.is_some() || !self.members.may_measure_again() {
            return false;
        }
        let until = self.now + self.config.benchmark.limit;
        let batches = self.config.benchmark.first_round();
        for worker in 0..self.members.len() {
            let worker = WorkerId::new(worker);
            if let Some(session) = self.members.measure_again(worker) {
                self.alarms.set(worker, until);
                self.order_benchmark(worker, session, batches, out);
            }
        }
        self.phase = Phase::Gathering { until, open: false };
        true
    }

    /// Whether a worker measures itself, or did so, a second time in its session.
    pub fn is_measured_again(&self, worker: WorkerId) -> bool {
        self.members.get(worker).is_some_and(|member| member.again)
    }

    fn order_benchmark(
        &mut self,
        worker: WorkerId,
        session: SessionId,
        batches: u64,
        out: &mut Vec<Action>,
    ) {
        if let Some(member) = self.members.get_mut(worker) {
            member.round = batches;
        }
        out.push(Action::Benchmark {
            worker,
            session,
            batches,
        });
    }
}
