//! One cycle: orders, beats, results, aggregation, and what each worker is paid.

use super::membership::ignore;
use super::{
    Action, AssignmentRow, Billing, CycleId, CycleResult, CycleRow, Departure, Ending, Fate,
    Ignored, Partial, Phase, PlanId, Record, Replan, Scheduler, SessionId, TrainOrder, WorkerId,
};
use crate::estimate::Between;
use crate::machine::config::MIN_CYCLE;
use crate::machine::members::Standing;
use crate::money::{Cost, Fee};
use crate::time::{Instant, Span};
use crate::time_model::Speed;

/// A worker is lost when so many beats in a row are missing.
const MISSED_BEATS: u64 = 3;
/// A beat is at least so long, and at least so many batches take it.
const LEAST_BEAT: Span = Span::from_millis(500);
const LEAST_BEAT_BATCHES: u64 = 3;
/// The end of a share that is timed is at least so long, so that a hiccup does not pass for a
/// slowdown, and at least so many batches.
const LEAST_TAIL: Span = Span::from_millis(50);
const LEAST_TAIL_BATCHES: u64 = 3;
/// So many late results in a row exclude a worker.
const MAX_LATES: u8 = 3;

/// The running cycle, or the one that runs next.
#[derive(Debug)]
pub(super) struct Cycle {
    pub(super) id: CycleId,
    /// Lots without a result.
    pub(super) open: u64,
    running: bool,
    plan: PlanId,
    /// By worker, as in the plan; kept between cycles for its memory.
    lots: Vec<Assignment>,
    started: Instant,
    limit: Span,
    /// When it ends if the aggregation takes the time that the time model leaves it, or less.
    ends: Instant,
    results_at: Instant,
    ordered: u64,
    results: u64,
    accepted: u64,
}

/// One worker's share in the running cycle.
#[derive(Debug)]
struct Assignment {
    worker: WorkerId,
    session: SessionId,
    fee: Fee,
    assigned: u64,
    expected: Span,
    /// Between two beats at most so much time and so many batches may pass.
    silence: Span,
    beat_batches: u64,
    /// So many batches at its end are timed.
    tail_batches: u64,
    /// Batches that beats spoke of.
    acknowledged: u64,
    claimed: u64,
    /// Of these, as many as its beats make plausible,
    believed: u64,
    /// and of these, as many as count.
    accepted: u64,
    /// None while the result is awaited.
    fate: Option<Fate>,
    closed: Instant,
    computed: Span,
    tail: Span,
}

/// What a worker says that it did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) done: u64,
    pub(super) took: Span,
    pub(super) tail: Span,
}

impl Assignment {
    /// Between what speeds, in batches once each, it ended; `None` if it does not say.
    fn ended_with(&self, passes: u64) -> Option<Between> {
        let done = self.claimed.min(self.assigned);
        let batches = done.min(self.tail_batches);
        // One more may have been under way when it stopped.
        let under_way = u64::from(done < self.assigned);
        let tail = self.tail.min(self.computed);
        Some(Between {
            slowest: Speed::of_passes(batches.max(1), passes, tail)?,
            fastest: Speed::of_passes((batches + under_way).max(1), passes, tail)?,
        })
    }
}

impl Cycle {
    pub(super) const fn new(id: CycleId) -> Self {
        Self {
            id,
            open: 0,
            running: false,
            plan: PlanId::new(0),
            lots: Vec::new(),
            started: Instant::START,
            limit: Span::ZERO,
            ends: Instant::START,
            results_at: Instant::START,
            ordered: 0,
            results: 0,
            accepted: 0,
        }
    }

    /// The worker of this lot is gone. A result that is in stays in.
    pub(super) fn lose(&mut self, lot: usize, now: Instant) {
        let lot = &mut self.lots[lot];
        if lot.fate.is_none() {
            lot.fate = Some(Fate::Lost);
            lot.closed = now;
            self.open -= 1;
        }
    }
}

impl Scheduler {
    pub(super) fn begin_cycle(&mut self, out: &mut Vec<Action>) {
        let limit = self.cycle_limit(Span::ZERO);
        let Some(plan) = self.plan.take().filter(|_| limit >= MIN_CYCLE) else {
            let remaining = self.cycles_left();
            return self.finish(Ending::OutOfTime { remaining }, out);
        };
        let waits = self.config.waits;
        let employed = plan.shares.iter();
        let employed = employed.filter(|s| self.members.is_ready(s.worker)).count() as u64;
        let ends = self.now + limit + waits.grace;
        let results_by = (ends - self.config.time_model.own).max(self.now);
        let cycle = &mut self.cycle;
        cycle.running = true;
        cycle.plan = plan.row.plan;
        (cycle.started, cycle.limit, cycle.ends) = (self.now, limit, ends);
        (cycle.open, cycle.ordered) = (employed, employed);
        (cycle.results, cycle.accepted) = (0, 0);
        cycle.lots.clear();
        for share in &plan.shares {
            let at = self.cycle.lots.len();
            let Some(member) = self.members.get_mut(share.worker) else {
                continue; // not possible: planned workers were members
            };
            let mut lot = Assignment {
                worker: share.worker,
                session: member.session,
                fee: member.profile.fee,
                assigned: share.batches,
                expected: Span::ZERO,
                silence: Span::ZERO,
                beat_batches: 0,
                tail_batches: 0,
                acknowledged: 0,
                claimed: 0,
                believed: 0,
                accepted: 0,
                fate: None,
                closed: self.now,
                computed: Span::ZERO,
                tail: Span::ZERO,
            };
            let Standing::Ready(estimate) = &member.standing else {
                lot.fate = Some(Fate::Absent);
                self.cycle.lots.push(lot);
                continue;
            };
            let (time_model, link) = (&self.config.time_model, &member.profile.link);
            let (speed, passes) = (estimate.speed(), u64::from(time_model.passes));
            let beat = LEAST_BEAT.max(speed.time_for(LEAST_BEAT_BATCHES * passes));
            let one_way = time_model.one_way(link, employed);
            // A worker twice as fast as thought sends no more beats than are due anyway.
            let beat_batches = 2 * (speed.batches_in(beat) / passes).max(LEAST_BEAT_BATCHES);
            lot.expected = time_model.time(speed, link, employed, share.batches);
            lot.beat_batches = beat_batches;
            lot.tail_batches = (speed.batches_in(LEAST_TAIL) / passes).max(LEAST_TAIL_BATCHES);
            lot.silence = beat * MISSED_BEATS + one_way; // no beats while parameters travel
            // Nor while data does, where it travels in every cycle.
            let data = time_model.ship(link) * share.batches;
            let first_alarm = self.now + lot.silence + one_way + data;
            if first_alarm < results_by {
                self.alarms.set(share.worker, first_alarm);
            }
            member.lot = Some(at);
            (member.probing, member.checked_since) = (false, None);
            out.push(Action::Train(TrainOrder {
                worker: share.worker,
                session: member.session,
                cycle: self.cycle.id,
                batches: share.batches,
                beat,
                beat_batches,
                tail_batches: lot.tail_batches,
                stop_by: (results_by - one_way).max(self.now),
                results_by,
            }));
            self.cycle.lots.push(lot);
        }
        self.plan = Some(plan);
        self.totals.first_cycle_at.get_or_insert(self.now);
        self.cycle_begins();
        self.phase = Phase::Training { until: results_by };
    }

    pub(super) fn beat(&mut self, worker: WorkerId, session: SessionId, cycle: CycleId, done: u64) {
        let Phase::Training { until } = self.phase else {
            return;
        };
        if let Ok(lot) = self.open_lot(worker, session, cycle) {
            lot.acknowledged = lot.acknowledged.max(done.min(lot.assigned));
            let silence = lot.silence;
            let alarm = self.now + silence;
            if alarm < until {
                self.alarms.set(worker, alarm);
            } else {
                self.alarms.clear(worker);
            }
        }
    }

    pub(super) fn trained(
        &mut self,
        worker: WorkerId,
        session: SessionId,
        cycle: CycleId,
        work: Work,
        out: &mut Vec<Action>,
    ) {
        if self.is_ended() {
            return;
        }
        let (now, partial) = (self.now, self.config.partial);
        let lot = match self.open_lot(worker, session, cycle) {
            Ok(lot) => lot,
            Err(why) => return ignore(worker, session, why, out),
        };
        // An honest worker is never more than a beat ahead of its beats.
        let plausible = lot.acknowledged.saturating_add(lot.beat_batches);
        let believed = work.done.min(lot.assigned).min(plausible);
        let accepted = match partial {
            Partial::Discard if believed < lot.assigned => 0,
            Partial::Accept | Partial::Discard => believed,
        };
        (lot.claimed, lot.believed, lot.accepted) = (work.done, believed, accepted);
        (lot.computed, lot.tail, lot.closed) = (work.took, work.tail, now);
        lot.fate = Some(if believed == lot.assigned {
            Fate::Complete
        } else {
            Fate::Truncated
        });
        self.cycle.open -= 1;
        self.alarms.clear(worker);
        if accepted > 0 {
            self.cycle.results += 1;
            self.cycle.accepted += accepted;
            out.push(Action::Accept {
                worker,
                cycle,
                batches: accepted,
            });
        }
    }

    /// The driver refuses a result, whether it was accepted before or not. Its worker may have left
    /// since, and may be back: the result is that of the session it was ordered in.
    pub(super) fn refused(
        &mut self,
        worker: WorkerId,
        session: SessionId,
        cycle: CycleId,
        out: &mut Vec<Action>,
    ) {
        if !self.cycle.running || cycle != self.cycle.id || self.is_ended() {
            return;
        }
        let lots = &mut self.cycle.lots;
        let Ok(at) = lots.binary_search_by_key(&worker, |lot| lot.worker) else {
            return;
        };
        let lot = &mut lots[at];
        if lot.session != session {
            return;
        }
        match lot.fate {
            None => {
                lot.closed = self.now;
                self.cycle.open -= 1;
                self.alarms.clear(worker);
            }
            Some(Fate::Complete | Fate::Truncated) => {
                self.cycle.results -= u64::from(lot.accepted > 0);
                self.cycle.accepted -= lot.accepted;
                lot.accepted = 0;
            }
            Some(Fate::Late | Fate::Lost | Fate::Refused | Fate::Absent) => return,
        }
        lot.fate = Some(Fate::Refused);
        self.count_refusal(worker, out);
    }

    /// The time for results is over.
    pub(super) fn results_late(&mut self, out: &mut Vec<Action>) {
        self.abort_open_lots(out);
        self.results_in(out);
    }

    /// Nothing is awaited any more: averages what came.
    pub(super) fn results_in(&mut self, out: &mut Vec<Action>) {
        self.cycle.results_at = self.now;
        if self.cycle.accepted == 0 {
            return self.end_cycle(false, out);
        }
        out.push(Action::Aggregate {
            cycle: self.cycle.id,
            results: self.cycle.results,
            batches: self.cycle.accepted,
        });
        self.phase = Phase::Aggregating {
            until: self.cycle.ends.max(self.now) + self.config.waits.aggregation,
        };
    }

    pub(super) fn aggregated(&mut self, cycle: CycleId, out: &mut Vec<Action>) {
        if let Phase::Aggregating { .. } = self.phase
            && cycle == self.cycle.id
        {
            // Nothing is left if the driver refused all of it meanwhile.
            self.end_cycle(self.cycle.accepted > 0, out);
        }
    }

    pub(super) fn aggregation_late(&mut self, out: &mut Vec<Action>) {
        let cycle = self.cycle.id;
        out.push(Action::Discard { cycle });
        self.end_cycle(false, out);
    }

    /// Accounts a cycle that is cut short by the end of the run.
    pub(super) fn cut_short(&mut self, out: &mut Vec<Action>) {
        if self.cycle.running {
            if let Phase::Training { .. } = self.phase {
                self.cycle.results_at = self.now;
            }
            self.abort_open_lots(out);
            self.account(false, out);
        }
    }

    fn end_cycle(&mut self, aggregated: bool, out: &mut Vec<Action>) {
        self.account(aggregated, out);
        self.learn(out);
        self.cycle.id = CycleId::new(self.cycle.id.get() + 1); // at most MAX_CYCLES + 1
        if self.cycles_left() > 0 {
            self.probe_idle(out);
        }
        self.proceed(out);
    }

    fn abort_open_lots(&mut self, out: &mut Vec<Action>) {
        for lot in self.cycle.lots.iter_mut().filter(|lot| lot.fate.is_none()) {
            lot.fate = Some(Fate::Late);
            lot.closed = self.now;
            self.alarms.clear(lot.worker);
            out.push(Action::Abort {
                worker: lot.worker,
                session: lot.session,
                cycle: self.cycle.id,
            });
        }
        self.cycle.open = 0;
    }

    /// Writes the rows of a cycle that is over, and adds them up. When the model did not move, no
    /// batch counts; what is owed for those that were accepted stays owed.
    fn account(&mut self, aggregated: bool, out: &mut Vec<Action>) {
        let (mut cost, mut assigned, mut accepted) = (Cost::ZERO, 0, 0);
        let Cycle { id, plan, .. } = self.cycle;
        for lot in &self.cycle.lots {
            let fate = lot
                .fate
                .expect("a cycle is over when no lot is open any more");
            let billed = match (self.config.billing, fate) {
                (_, Fate::Absent) => 0,
                (Billing::Assigned, _) => lot.assigned,
                (Billing::Computed, _) => lot.accepted,
            };
            let row = AssignmentRow {
                cycle: id,
                plan,
                worker: lot.worker,
                session: lot.session,
                fate,
                assigned: lot.assigned,
                claimed: lot.claimed,
                accepted: if aggregated { lot.accepted } else { 0 },
                fee: lot.fee,
                cost: lot.fee.times(billed),
                expected: lot.expected,
                elapsed: lot.closed.since(self.cycle.started),
                computed: lot.computed,
            };
            cost += row.cost;
            assigned += row.assigned;
            accepted += row.accepted;
            out.push(Action::Record(Record::Assignment(row)));
        }
        let result = if !aggregated {
            CycleResult::Failed
        } else if accepted == assigned {
            CycleResult::Complete
        } else {
            CycleResult::Truncated
        };
        let lost = assigned - accepted;
        out.push(Action::Record(Record::Cycle(CycleRow {
            cycle: id,
            plan,
            result,
            started: self.cycle.started,
            limit: self.cycle.limit,
            results_at: self.cycle.results_at,
            ended: self.now,
            workers: self.cycle.ordered,
            accepted,
            lost,
            cost,
        })));
        let totals = &mut self.totals;
        match result {
            CycleResult::Complete => totals.complete += 1,
            CycleResult::Truncated => totals.truncated += 1,
            CycleResult::Failed => totals.failed += 1,
        }
        totals.accepted += accepted;
        totals.lost += lost;
        totals.cost += cost;
        totals.last_cycle_ended = Some(self.now);
        self.cycle.running = false;
    }

    /// Takes from a cycle's lots what they say about their workers.
    fn learn(&mut self, out: &mut Vec<Action>) {
        let adaptive = self.config.replan == Replan::Adaptive;
        let passes = u64::from(self.config.time_model.passes);
        let mut always_late = Vec::new(); // allocates only when somebody is
        for lot in &self.cycle.lots {
            let Some(member) = self.members.get_mut(lot.worker) else {
                continue;
            };
            member.lot = None;
            if member.session != lot.session {
                continue;
            }
            let Standing::Ready(estimate) = &mut member.standing else {
                continue;
            };
            let elapsed = lot.closed.since(self.cycle.started);
            let (batches, took, last) = match lot.fate {
                Some(Fate::Complete | Fate::Truncated) if lot.believed > 0 => {
                    // All that it did, even where beats are missing for some of it.
                    let done = lot.claimed.min(lot.assigned);
                    (done, lot.computed.min(elapsed), lot.ended_with(passes))
                }
                // It did less than one batch, or no more than its beats spoke of.
                Some(Fate::Complete | Fate::Truncated) => (1, elapsed, None),
                Some(Fate::Late) => (lot.acknowledged.max(1), elapsed, None),
                Some(Fate::Refused | Fate::Lost | Fate::Absent) | None => continue,
            };
            if lot.fate == Some(Fate::Late) {
                member.lates += 1;
                if member.lates >= MAX_LATES {
                    always_late.push(lot.worker);
                }
            } else {
                member.lates = 0;
            }
            if adaptive && let Some(speed) = Speed::of_passes(batches, passes, took) {
                estimate.observe(speed, last);
            }
        }
        for worker in always_late {
            self.exclude(worker, Departure::AlwaysLate, out);
        }
    }

    /// The lot that this report is of, if its result is still awaited.
    fn open_lot(
        &mut self,
        worker: WorkerId,
        session: SessionId,
        cycle: CycleId,
    ) -> Result<&mut Assignment, Ignored> {
        let member = self.members.in_stay(worker, session)?;
        if !self.cycle.running || cycle != self.cycle.id {
            return Err(Ignored::OutOfTime);
        }
        let lot = &mut self.cycle.lots[member.lot.ok_or(Ignored::NotAsked)?];
        match lot.fate {
            None => Ok(lot),
            Some(Fate::Late) => Err(Ignored::OutOfTime),
            Some(Fate::Complete | Fate::Truncated | Fate::Refused | Fate::Lost | Fate::Absent) => {
                Err(Ignored::NotAsked)
            }
        }
    }
}
