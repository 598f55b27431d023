//! One cycle: orders, beats, results, aggregation, and what each worker is paid.

use std::cmp::Reverse;

use super::action::{Action, TrainOrder};
use super::config::{Billing, MIN_CYCLE, Partial, Replan};
use super::cycle::{Assignment, Cycle, Work};
use super::members::Standing;
use super::question::Adopted;
use super::record::{AssignmentRow, CycleResult, CycleRow, Fate, Ignored, Record};
use super::state::{Phase, Scheduler, ignore};
use crate::ids::{CycleId, SessionId, WorkerId};
use crate::money::Cost;
use crate::reason::{Departure, Ending};
use crate::service::{LinkService, Turn};
use crate::time::Span;
use crate::time_model::Speed;

/// A worker is lost when this number of beats in a row is missing.
const MISSED_BEATS: u64 = 3;
/// The least time between two beats, and the least number of batches.
const LEAST_BEAT: Span = Span::from_millis(500);
const LEAST_BEAT_BATCHES: u64 = 3;
/// The least time and the least number of batches of the timed end of a share, so that a hiccup is not
/// taken for a slowdown.
const LEAST_TAIL: Span = Span::from_millis(50);
const LEAST_TAIL_BATCHES: u64 = 3;
/// This number of late results in a row excludes a worker.
const MAX_LATES: u8 = 3;

impl Scheduler {
    pub(super) fn begin_cycle(&mut self, out: &mut Vec<Action>) {
        let limit = self.cycle_limit(Span::ZERO);
        let Some(plan) = self.plan.take().filter(|_| limit >= MIN_CYCLE) else {
            let remaining = self.cycles_left();
            return self.finish(Ending::OutOfTime { remaining }, out);
        };
        let fees = plan.shares.iter().filter_map(|share| {
            let member = self.members.get(share.worker);
            let member = member.filter(|member| member.is_ready())?;
            Some(member.profile.fee.times(share.batches))
        });
        // A worker may have come back with another fee than it was planned with.
        let cost: Cost = fees.sum();
        if let Some(left) = self.money_left().filter(|&left| cost > left) {
            let remaining = self.cycles_left();
            return self.finish(
                Ending::OutOfBudget {
                    left,
                    cost,
                    remaining,
                },
                out,
            );
        }
        let waits = self.config.waits;
        let employed = plan.shares.iter();
        let employed = employed.filter(|s| self.members.is_ready(s.worker)).count() as u64;
        let ends = self.now + limit + waits.grace;
        let results_by = (ends - self.config.time_model.own).max(self.now);
        self.take_places(&plan);
        let cycle = &mut self.cycle;
        cycle.running = true;
        cycle.plan = plan.row.plan;
        (cycle.started, cycle.limit, cycle.ends) = (self.now, limit, ends);
        (cycle.open, cycle.ordered) = (employed, employed);
        (cycle.results, cycle.accepted) = (0, 0);
        cycle.assignments.clear();
        for share in &plan.shares {
            let at = self.cycle.assignments.len();
            let Some(member) = self.members.get_mut(share.worker) else {
                continue; // not possible: planned workers were members
            };
            let mut assignment = Assignment {
                worker: share.worker,
                session: member.session,
                fee: share.fee,
                terms: share.terms.clone(),
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
                assignment.fate = Some(Fate::Absent);
                self.cycle.assignments.push(assignment);
                continue;
            };
            let (time_model, link) = (&self.config.time_model, &member.profile.link);
            let (speed, passes) = (estimate.speed(), u64::from(time_model.passes));
            let beat = LEAST_BEAT.max(speed.time_for(LEAST_BEAT_BATCHES * passes));
            let place = self.cycle.places[at];
            let turn = |place| {
                time_model.slot(
                    link,
                    Turn {
                        place,
                        of: employed,
                    },
                )
            };
            let (slot, longest) = (turn(place), turn(1));
            // A worker twice as fast as estimated sends no more beats than are due anyway.
            let beat_batches = 2 * (speed.batches_in(beat) / passes).max(LEAST_BEAT_BATCHES);
            assignment.expected = time_model.time(speed, link, employed, share.batches);
            assignment.beat_batches = beat_batches;
            assignment.tail_batches =
                (speed.batches_in(LEAST_TAIL) / passes).max(LEAST_TAIL_BATCHES);
            // No beats while parameters travel, or wait for those of all others.
            assignment.silence = beat * MISSED_BEATS + slot.stop.max(longest.stop);
            // Nor while data does, where it travels in every cycle.
            let data = time_model.ship(link) * share.batches;
            let first_alarm = self.now + assignment.silence + slot.down + data;
            if first_alarm < results_by {
                self.alarms.set(share.worker, first_alarm);
            }
            member.assignment = Some(at);
            (member.probing, member.checked_since) = (false, None);
            out.push(Action::Train(TrainOrder {
                worker: share.worker,
                session: member.session,
                cycle: self.cycle.id,
                batches: share.batches,
                beat,
                beat_batches,
                tail_batches: assignment.tail_batches,
                place,
                alone: time_model.takes_turns(link),
                stop_by: (results_by - slot.stop).max(self.now),
                results_by: (results_by - slot.due).max(self.now),
            }));
            self.cycle.assignments.push(assignment);
        }
        self.plan = Some(plan);
        self.totals.first_cycle_at.get_or_insert(self.now);
        self.cycle_begins();
        self.phase = Phase::Training { until: results_by };
    }

    /// Works out the order in which the link serves the workers of a plan, as the cycle model has it;
    /// slow lines last.
    fn take_places(&mut self, plan: &Adopted) {
        let Cycle { places, turns, .. } = &mut self.cycle;
        let time_model = &self.config.time_model;
        turns.clear();
        for (at, share) in plan.shares.iter().enumerate() {
            if let Some(member) = self.members.get(share.worker)
                && let Standing::Ready(estimate) = &member.standing
            {
                let (is_slow, computes) = match time_model.service {
                    LinkService::Ordered => (
                        time_model.is_slow(&member.profile.link),
                        estimate.speed().time_for(share.batches),
                    ),
                    LinkService::Shared | LinkService::LastFirst => (false, Span::ZERO),
                };
                turns.push((is_slow, computes, at));
            }
        }
        match time_model.service {
            LinkService::Ordered => {
                turns.sort_unstable_by_key(|&(is_slow, computes, at)| {
                    (is_slow, Reverse(computes), at)
                });
            }
            LinkService::LastFirst => turns.reverse(),
            LinkService::Shared => {}
        }
        places.clear();
        places.resize(plan.shares.len(), 0);
        for (place, (.., at)) in (1..).zip(turns) {
            places[*at] = place;
        }
    }

    pub(super) fn beat(&mut self, worker: WorkerId, session: SessionId, cycle: CycleId, done: u64) {
        let Phase::Training { until } = self.phase else {
            return;
        };
        if let Ok(assignment) = self.open_assignment(worker, session, cycle) {
            assignment.acknowledged = assignment.acknowledged.max(done.min(assignment.assigned));
            let silence = assignment.silence;
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
        let assignment = match self.open_assignment(worker, session, cycle) {
            Ok(assignment) => assignment,
            Err(why) => return ignore(worker, session, why, out),
        };
        // An honest worker is never more than a beat ahead of its beats.
        let plausible = assignment
            .acknowledged
            .saturating_add(assignment.beat_batches);
        let believed = work.done.min(assignment.assigned).min(plausible);
        let accepted = match partial {
            Partial::Discard if believed < assignment.assigned => 0,
            Partial::Accept | Partial::Discard => believed,
        };
        (assignment.claimed, assignment.believed, assignment.accepted) =
            (work.done, believed, accepted);
        (assignment.computed, assignment.tail, assignment.closed) = (work.took, work.tail, now);
        assignment.fate = Some(if believed == assignment.assigned {
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
        let assignments = &mut self.cycle.assignments;
        let Ok(at) = assignments.binary_search_by_key(&worker, |assignment| assignment.worker)
        else {
            return;
        };
        let assignment = &mut assignments[at];
        if assignment.session != session {
            return;
        }
        match assignment.fate {
            None => {
                assignment.closed = self.now;
                self.cycle.open -= 1;
                self.alarms.clear(worker);
            }
            Some(Fate::Complete | Fate::Truncated) => {
                self.cycle.results -= u64::from(assignment.accepted > 0);
                self.cycle.accepted -= assignment.accepted;
                assignment.accepted = 0;
            }
            Some(Fate::Late | Fate::Lost | Fate::Refused | Fate::Absent) => return,
        }
        assignment.fate = Some(Fate::Refused);
        self.count_refusal(worker, out);
    }

    /// The time for results is over.
    pub(super) fn results_late(&mut self, out: &mut Vec<Action>) {
        self.abort_open_assignments(out);
        self.results_in(out);
    }

    /// No result is awaited any more: averages those that came.
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

    /// Accounts for a cycle that the end of the run cuts short.
    pub(super) fn cut_short(&mut self, out: &mut Vec<Action>) {
        if self.cycle.running {
            if let Phase::Training { .. } = self.phase {
                self.cycle.results_at = self.now;
            }
            self.abort_open_assignments(out);
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

    fn abort_open_assignments(&mut self, out: &mut Vec<Action>) {
        for assignment in self
            .cycle
            .assignments
            .iter_mut()
            .filter(|assignment| assignment.fate.is_none())
        {
            assignment.fate = Some(Fate::Late);
            assignment.closed = self.now;
            self.alarms.clear(assignment.worker);
            out.push(Action::Abort {
                worker: assignment.worker,
                session: assignment.session,
                cycle: self.cycle.id,
            });
        }
        self.cycle.open = 0;
    }

    /// Writes the rows of a cycle that is over, and adds them up. When the model did not move, no
    /// batch counts; what is owed for those that were accepted stays owed.
    fn account(&mut self, aggregated: bool, out: &mut Vec<Action>) {
        let (mut cost, mut charges, mut assigned, mut accepted) = (Cost::ZERO, Cost::ZERO, 0, 0);
        let Cycle { id, plan, .. } = self.cycle;
        for assignment in &self.cycle.assignments {
            let fate = assignment
                .fate
                .expect("a cycle is over when no assignment is open any more");
            let (bill, charge) = match (self.config.billing, fate) {
                (_, Fate::Absent) => (Cost::ZERO, Cost::ZERO),
                (Billing::Assigned, _) => assignment.bill(assignment.assigned),
                (Billing::Computed, _) => assignment.bill(assignment.accepted),
            };
            let row = AssignmentRow {
                cycle: id,
                plan,
                worker: assignment.worker,
                session: assignment.session,
                fate,
                assigned: assignment.assigned,
                claimed: assignment.claimed,
                accepted: if aggregated { assignment.accepted } else { 0 },
                fee: assignment.fee,
                charge,
                cost: bill,
                expected: assignment.expected,
                elapsed: assignment.closed.since(self.cycle.started),
                computed: assignment.computed,
            };
            cost += row.cost;
            charges += row.charge;
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
        totals.charges += charges;
        totals.last_cycle_ended = Some(self.now);
        self.cycle.running = false;
    }

    /// Updates the estimates of the workers' speeds from a cycle's assignments.
    fn learn(&mut self, out: &mut Vec<Action>) {
        let adaptive = self.config.replan == Replan::Adaptive;
        let passes = u64::from(self.config.time_model.passes);
        let mut always_late = Vec::new(); // allocates only when one is
        for assignment in &self.cycle.assignments {
            let Some(member) = self.members.get_mut(assignment.worker) else {
                continue;
            };
            member.assignment = None;
            if member.session != assignment.session {
                continue;
            }
            let Standing::Ready(estimate) = &mut member.standing else {
                continue;
            };
            let elapsed = assignment.closed.since(self.cycle.started);
            let (batches, took, last) = match assignment.fate {
                Some(Fate::Complete | Fate::Truncated) if assignment.believed > 0 => {
                    // All that it did, even where beats are missing for some of it.
                    let done = assignment.claimed.min(assignment.assigned);
                    (
                        done,
                        assignment.computed.min(elapsed),
                        assignment.ended_with(passes),
                    )
                }
                // It did less than one batch, or no more than its beats reported.
                Some(Fate::Complete | Fate::Truncated) => (1, elapsed, None),
                Some(Fate::Late) => (assignment.acknowledged.max(1), elapsed, None),
                Some(Fate::Refused | Fate::Lost | Fate::Absent) | None => continue,
            };
            if assignment.fate == Some(Fate::Late) {
                member.lates += 1;
                if member.lates >= MAX_LATES {
                    always_late.push(assignment.worker);
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

    /// The assignment of this report, if its result is still awaited.
    fn open_assignment(
        &mut self,
        worker: WorkerId,
        session: SessionId,
        cycle: CycleId,
    ) -> Result<&mut Assignment, Ignored> {
        let member = self.members.in_session(worker, session)?;
        if !self.cycle.running || cycle != self.cycle.id {
            return Err(Ignored::OutOfTime);
        }
        let assignment = &mut self.cycle.assignments[member.assignment.ok_or(Ignored::NotAsked)?];
        match assignment.fate {
            None => Ok(assignment),
            Some(Fate::Late) => Err(Ignored::OutOfTime),
            Some(Fate::Complete | Fate::Truncated | Fate::Refused | Fate::Lost | Fate::Absent) => {
                Err(Ignored::NotAsked)
            }
        }
    }
}
