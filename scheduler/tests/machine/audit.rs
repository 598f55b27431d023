//! Watches all events and actions of a scheduler, and checks what must hold in every run.

use std::collections::BTreeMap;

use scheduler::machine::{
    Action, AssignmentRow, Billing, Config, CycleId, CycleResult, CycleRow, Ending, Event, Fate,
    Partial, PlanId, Record, Scheduler, SessionId, ShareRow, Totals, WorkerId,
};
use scheduler::{Cost, Instant};

/// An order of data: at most one for a worker, its session and a plan.
type Shipment = (WorkerId, SessionId, PlanId);

/// A scheduler with an auditor at its side.
pub(crate) struct Audited {
    pub(crate) scheduler: Scheduler,
    config: Config,
    pub(crate) log: Vec<(Instant, Event)>,
    pub(crate) actions: Vec<(Instant, Action)>,
    pub(crate) wake: Option<Instant>,
    // As a driver would know it.
    pub(crate) sessions: BTreeMap<WorkerId, SessionId>,
    pub(crate) shipped: BTreeMap<WorkerId, u64>,
    pub(crate) asked: Option<(PlanId, std::sync::Arc<scheduler::PlanRequest>)>,
    pub(crate) shipping: Option<PlanId>,
    /// The data that was ordered, in batches.
    ships: BTreeMap<Shipment, u64>,
    /// What the event of this step reports to have arrived, if it counts.
    arrived: Option<(Shipment, u64)>,
    /// What the plans that were answered give to whom.
    answered: BTreeMap<PlanId, BTreeMap<WorkerId, u64>>,
    pub(crate) orders: BTreeMap<WorkerId, u64>,
    /// The session of each worker's last order, which may have ended since.
    pub(crate) ordered_in: BTreeMap<WorkerId, SessionId>,
    /// Refused results of each worker, over all its sessions.
    refusals: BTreeMap<WorkerId, u32>,
    pub(crate) cycle: CycleId,
    accepted: BTreeMap<WorkerId, u64>,
    /// What the rows of the plan in force give in all.
    given: u64,
    shares: BTreeMap<(PlanId, WorkerId), ShareRow>,
    charges: Cost,
    /// With what was accepted from each before the cycle failed, if it did.
    assignments: Vec<(AssignmentRow, u64)>,
    pub(crate) cycles: Vec<CycleRow>,
    pub(crate) end: Option<(Ending, Totals)>,
    /// Whether wakes come when they were asked for.
    pub(crate) punctual: bool,
}

impl Audited {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            scheduler: Scheduler::new(config.clone()),
            config,
            log: Vec::new(),
            actions: Vec::new(),
            wake: None,
            sessions: BTreeMap::new(),
            shipped: BTreeMap::new(),
            asked: None,
            shipping: None,
            ships: BTreeMap::new(),
            arrived: None,
            answered: BTreeMap::new(),
            orders: BTreeMap::new(),
            ordered_in: BTreeMap::new(),
            refusals: BTreeMap::new(),
            cycle: CycleId::new(0),
            accepted: BTreeMap::new(),
            given: 0,
            shares: BTreeMap::new(),
            charges: Cost::ZERO,
            assignments: Vec::new(),
            cycles: Vec::new(),
            end: None,
            punctual: true,
        }
    }

    /// One step, checked; the actions it gave.
    pub(crate) fn step(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let reported = match event {
            Event::Shipped {
                worker,
                session,
                plan,
                batches,
            } => Some(((worker, session, plan), batches)),
            _ => None,
        };
        if let Event::Solved { plan, response } = &event
            && let Some((asked, request)) = &self.asked
            && asked == plan
            && let Some(planned) = response.outcome.planned()
        {
            let workers = request
                .candidates()
                .iter()
                .map(|candidate| candidate.worker);
            let shares = workers.zip(planned.plan.batches.iter().copied());
            // The first answer counts.
            self.answered
                .entry(*plan)
                .or_insert_with(|| shares.collect());
        }
        self.log.push((now, event.clone()));
        let mut actions = Vec::new();
        self.wake = self.scheduler.step(now, event, &mut actions);
        let ignored = |action: &Action| matches!(action, Action::Record(Record::Ignored { .. }));
        self.arrived = reported.filter(|_| !actions.iter().any(ignored));
        self.receive();
        for action in &actions {
            assert!(self.end.is_none(), "{action:?} follows the end");
            self.check(now, action);
            self.actions.push((now, action.clone()));
        }
        assert_eq!(self.wake.is_none(), self.end.is_some(), "who waits wakes");
        assert!(self.wake.is_none_or(|wake| wake >= now), "wakes lie ahead");
        assert_eq!(self.scheduler.is_ended(), self.end.is_some());
        actions
    }

    /// The data of the report has arrived if it was ordered. Deadlines that have passed come before
    /// the event of a step, so the order may be among the actions of the same step.
    fn receive(&mut self) {
        if let Some((shipment, batches)) = self.arrived
            && let (worker, session, plan) = shipment
            && self.sessions.get(&worker) == Some(&session)
            && self.shipping == Some(plan)
            && let Some(&ordered) = self.ships.get(&shipment)
        {
            let held = self.shipped.entry(worker).or_default();
            *held = batches.min(ordered).max(*held);
        }
    }

    fn check(&mut self, now: Instant, action: &Action) {
        match action {
            Action::Admit { worker, session } => {
                assert!(
                    self.sessions.values().all(|e| e != session),
                    "sessions are unique"
                );
                assert_eq!(
                    self.sessions.insert(*worker, *session),
                    None,
                    "one session at a time"
                );
                let refusals = self.refusals.get(worker).copied().unwrap_or(0);
                assert!(
                    refusals < 3,
                    "a worker whose results were refused 3 times stays out"
                );
                self.shipped.remove(worker);
            }
            Action::Benchmark {
                worker, session, ..
            } => self.check_member(*worker, *session),
            Action::Solve { plan, request } => {
                self.asked = Some((*plan, std::sync::Arc::clone(request)));
                let here = |c: &scheduler::Candidate| self.sessions.contains_key(&c.worker);
                assert!(
                    request.candidates().iter().all(here),
                    "the lost are not planned with"
                );
            }
            Action::Ship {
                worker,
                session,
                plan,
                batches,
                new,
            } => {
                self.check_member(*worker, *session);
                assert!(0 < *new && new <= batches);
                let again = self.ships.insert((*worker, *session, *plan), *batches);
                assert_eq!(again, None, "nothing is shipped twice");
                let held = self.shipped.entry(*worker).or_default();
                assert!(batches - new <= *held, "it keeps no more than it has");
                *held = batches - new;
                self.shipping = Some(*plan);
                self.receive();
            }
            Action::Train(order) => {
                let worker = order.worker;
                self.check_member(worker, order.session);
                assert!(now <= order.stop_by && order.stop_by <= order.results_by);
                assert!(order.beat_batches > 0);
                if self.cycle != order.cycle {
                    assert!(self.cycle < order.cycle, "cycles are in order");
                    assert!(self.orders.is_empty(), "one cycle at a time");
                    self.cycle = order.cycle;
                }
                let again = self.orders.insert(worker, order.batches);
                assert_eq!(again, None, "one order per worker and cycle");
                self.ordered_in.insert(worker, order.session);
                let held = self.shipped.get(&worker).copied().unwrap_or(0);
                let travels = self.config.time_model.ships_each_cycle;
                assert!(
                    travels || held >= order.batches,
                    "worker {worker} lacks its data"
                );
            }
            Action::Accept {
                worker,
                cycle,
                batches,
            } => {
                assert_eq!(*cycle, self.cycle);
                assert!(0 < *batches && *batches <= self.orders[worker]);
                let whole = *batches == self.orders[worker];
                assert!(whole || self.config.partial == Partial::Accept);
                let again = self.accepted.insert(*worker, *batches);
                assert_eq!(again, None, "one result a worker and cycle");
            }
            Action::Abort { cycle, .. } | Action::Discard { cycle } => {
                assert_eq!(*cycle, self.cycle);
            }
            Action::Aggregate { cycle, batches, .. } => {
                assert_eq!(*cycle, self.cycle);
                assert!(*batches <= self.accepted.values().sum());
            }
            Action::Exclude { .. } => {}
            Action::Record(record) => self.check_record(now, record),
            Action::Finish { ending, totals } => {
                assert!(self.orders.is_empty(), "every order is accounted");
                let cost = self.cycles.iter().map(|c| c.cost).sum::<Cost>();
                assert_eq!(totals.cost, cost, "the run costs what its cycles cost");
                let budget = self.config.budget;
                let pays = |budget| totals.cost <= budget;
                assert!(budget.is_none_or(pays), "{:?} of {budget:?}", totals.cost);
                assert_eq!(totals.charges, self.charges);
                assert_eq!(
                    totals.accepted,
                    self.cycles.iter().map(|c| c.accepted).sum::<u64>()
                );
                assert_eq!(totals.lost, self.cycles.iter().map(|c| c.lost).sum::<u64>());
                let counted = totals.complete + totals.truncated + totals.failed;
                assert_eq!(counted as usize, self.cycles.len());
                self.end = Some((*ending, *totals));
            }
        }
    }

    fn check_member(&self, worker: WorkerId, session: SessionId) {
        let present = self.sessions.get(&worker);
        assert_eq!(
            present,
            Some(&session),
            "an order to worker {worker}, which is not here"
        );
    }

    fn check_record(&mut self, now: Instant, record: &Record) {
        match record {
            Record::Departed {
                worker, session, ..
            } => {
                assert_eq!(self.sessions.remove(worker), *session);
            }
            Record::Planned(row) => {
                assert!(row.lower_bound.is_none_or(|bound| bound <= row.cost));
                assert_eq!(
                    self.asked.as_ref().map(|(id, _)| *id >= row.plan),
                    Some(true)
                );
                // Every worker keeps the first of what it holds; the rest moves.
                self.given = 0;
                let shares = &self.answered[&row.plan];
                for (worker, held) in &mut self.shipped {
                    *held = (*held).min(shares.get(worker).copied().unwrap_or(0));
                }
            }
            Record::Share(row) => {
                let answered = self.answered[&row.plan].get(&row.worker);
                assert_eq!(row.batches, answered.copied().unwrap_or(0));
                assert!(row.batches <= row.s_max);
                self.given += row.batches;
                self.shares.insert((row.plan, row.worker), row.clone());
            }
            Record::Assignment(row) => {
                assert_eq!(self.given, self.config.batches, "plans are recorded whole");
                let ordered = self.orders.remove(&row.worker);
                assert_eq!(ordered.is_none(), row.fate == Fate::Absent);
                assert!(ordered.is_none_or(|ordered| ordered == row.assigned));
                assert!(row.accepted <= row.assigned && row.accepted <= row.claimed);
                *self.refusals.entry(row.worker).or_default() +=
                    u32::from(row.fate == Fate::Refused);
                let accepted = match self.accepted.remove(&row.worker) {
                    Some(accepted) if row.fate != Fate::Refused => accepted,
                    Some(_) | None => 0,
                };
                let billed = match (self.config.billing, row.fate) {
                    (_, Fate::Absent) => 0,
                    (Billing::Assigned, _) => row.assigned,
                    (Billing::Computed, _) => accepted,
                };
                let share = &self.shares[&(row.plan, row.worker)];
                assert_eq!(row.fee, share.fee, "what it is paid is the plan's");
                let charge = match row.fate {
                    Fate::Absent => Cost::ZERO,
                    _ => share.charge,
                };
                assert_eq!(row.charge, charge);
                assert_eq!(row.cost, row.fee.times(billed) + charge);
                self.charges += row.charge;
                self.assignments.push((*row, accepted));
            }
            Record::Cycle(row) => {
                assert!(self.orders.is_empty(), "every order has a row");
                let assignments = std::mem::take(&mut self.assignments);
                let n = self.config.batches;
                let failed = row.result == CycleResult::Failed;
                for (assignment, accepted) in &assignments {
                    assert_eq!(assignment.accepted, if failed { 0 } else { *accepted });
                }
                let assignments = || assignments.iter().map(|(assignment, _)| assignment);
                assert_eq!(
                    assignments()
                        .map(|assignment| assignment.assigned)
                        .sum::<u64>(),
                    n
                );
                assert_eq!(
                    assignments()
                        .map(|assignment| assignment.accepted)
                        .sum::<u64>(),
                    row.accepted
                );
                assert_eq!(failed, row.accepted == 0, "what fails counts for nothing");
                assert_eq!(row.accepted + row.lost, n, "every batch is accounted");
                assert_eq!(
                    assignments()
                        .map(|assignment| assignment.cost)
                        .sum::<Cost>(),
                    row.cost
                );
                assert_eq!(row.ended, now);
                let waits = self.config.waits;
                let end = row.started + row.limit + waits.grace + waits.aggregation;
                assert!(
                    !self.punctual || row.ended <= end,
                    "cycles end by their limit"
                );
                self.cycles.push(*row);
            }
            Record::Joined { .. }
            | Record::Benchmarked { .. }
            | Record::NotPlanned { .. }
            | Record::Shipped { .. }
            | Record::Paused { .. }
            | Record::Ignored { .. } => {}
        }
    }

    /// Whether a new scheduler gives the same actions for the same events.
    pub(crate) fn replays(&self) -> bool {
        let mut scheduler = Scheduler::new(self.config.clone());
        let (mut actions, mut all) = (Vec::new(), Vec::new());
        for (now, event) in &self.log {
            let _ = scheduler.step(*now, event.clone(), &mut actions);
            all.extend(actions.drain(..).map(|action| (*now, action)));
        }
        all == self.actions
    }
}
