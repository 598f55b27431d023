//! How the scheduler's orders are carried out.

use std::sync::Arc;

use scheduler::machine::{
    Action, CycleId, Departure, Event, PlanId, Record, SessionId, TrainOrder, WorkerId,
};
use scheduler::{Instant, Link, Violation};
use tokio::sync::mpsc::error::TrySendError;

use super::checkpoint::Checkpoint;
use super::current::ModelState;
use super::driver::{ConnectedWorker, Cycle, Orchestrator};
use super::messages::{Command, ConnectionId, Input};
use crate::average::{Contribution, Merged};
use crate::protocol::{BATCHES_PER_STREAM, Order};

impl Orchestrator<'_> {
    pub(super) fn carry_out(&mut self, now: Instant, action: Action) {
        match action {
            Action::Admit { worker, session } => {
                if let Some(connected) = self.connected(worker) {
                    connected.session = Some(session);
                }
                let session = session.get();
                self.order(worker, Command::Say(Order::Admit { session }));
            }
            Action::Benchmark {
                worker,
                session,
                batches,
            } => {
                self.silence.benchmarks(worker, now);
                let session = session.get();
                self.order(worker, Command::Say(Order::Benchmark { session, batches }));
            }
            Action::Solve { plan, request } => self.solve(plan, &request),
            Action::Ship {
                worker,
                session,
                plan,
                batches,
                new,
            } => self.ship(now, (worker, session), plan, batches, new),
            Action::Train(order) => self.train(now, order),
            Action::Accept {
                worker,
                cycle: _,
                batches,
            } => {
                if let Some((of, session, update)) = self.cycle.candidate.take()
                    && of == worker
                {
                    self.watch.beat(worker, batches);
                    self.cycle.results.push(Contribution {
                        worker,
                        session,
                        weight: batches,
                        update,
                    });
                }
            }
            Action::Abort {
                worker,
                session,
                cycle,
            } => {
                self.turns.forget(worker);
                self.order(worker, Command::Abort { session, cycle });
            }
            Action::Aggregate { cycle, batches, .. } => self.merge(cycle, batches),
            Action::Discard { .. } => self.cycle.merging = false,
            Action::Exclude { worker, why } => self.exclude(worker, why),
            Action::Record(record) => self.record(now, record),
            Action::Finish { ending, totals } => self.ended = Some((ending, totals)),
        }
    }

    fn train(&mut self, now: Instant, order: TrainOrder) {
        let TrainOrder {
            worker,
            session,
            cycle,
            batches,
            results_by,
            place,
            alone,
            ..
        } = order;
        if self.cycle.id != cycle || self.cycle.merging {
            self.cycle = Cycle::new(cycle);
        }
        if self.cycle.ordered.is_empty() {
            self.turns.begin();
        }
        if self.ships_each_cycle {
            self.ship_anew(worker, session, batches);
        }
        self.cycle.ordered.insert(worker, batches);
        self.silence.forget(worker);
        self.watch.trains(worker, batches, results_by.since(now));
        let link = self.link(worker);
        self.turns.add(place, worker, alone, &link);
        let model = Arc::downgrade(&self.model.state.parameters);
        self.order(worker, Command::Train { order, model });
    }

    /// Sends their parameters to those whose turn it is.
    pub(super) fn serve(&mut self) {
        let (now, cycle) = (self.clock.now(), self.cycle.id);
        let bytes = self.model.state.packed.len() as u64;
        while let Some((worker, sending)) = self.turns.next(now, bytes) {
            let session = self.connected(worker).and_then(|worker| worker.session);
            let Some(session) = session else {
                self.turns.forget(worker);
                continue;
            };
            let command = Command::Parameters {
                session,
                cycle,
                wire: self.model.state.packed.clone(),
                sending,
            };
            self.order(worker, command);
        }
    }

    /// A worker's parameters have left.
    pub(super) fn sent(&mut self, id: ConnectionId, session: SessionId, cycle: CycleId) {
        if let Some(connected) = self.workers.get(&id)
            && connected.session == Some(session)
            && self.cycle.id == cycle
        {
            self.turns.through(connected.worker);
        }
    }

    fn link(&mut self, worker: WorkerId) -> Link {
        let connected = self.connected(worker);
        let profile = connected.and_then(|connected| connected.profile.as_ref());
        profile.map_or(Link::default(), |profile| profile.link)
    }

    fn solve(&mut self, plan: PlanId, request: &Arc<scheduler::PlanRequest>) {
        // A resumed run goes on with its plan if it can; a fixed plan is run and no other.
        let resumed = self.resumed.as_ref().map(Checkpoint::plan);
        let name = |worker: WorkerId| self.roster.name(worker).to_owned();
        let response = match (&self.given, resumed) {
            (Some(given), _) => given.answer(request, name),
            (None, Some(resumed)) => {
                let response = resumed.answer(request, name);
                let planned = response.outcome.planned();
                let holds = planned
                    .is_some_and(|planned| request.verify(response.employed, planned).is_ok());
                self.resumed = None; // the next time, the allocator decides
                if !holds {
                    return self.solver.ask(plan, Arc::clone(request));
                }
                response
            }
            (None, None) => return self.solver.ask(plan, Arc::clone(request)),
        };
        if let scheduler::Outcome::Failed(failure) = &response.outcome {
            self.because = Some(failure.message.clone());
        }
        if let Some(planned) = response.outcome.planned()
            && let Err(Violation::AboveCapacity { worker, x, s_max }) =
                request.verify(response.employed, planned)
        {
            let name = request
                .candidates()
                .get(worker)
                .map_or("", |candidate| self.roster.name(candidate.worker));
            self.because = Some(format!(
                "by its measured speed {name} can take {s_max} batches, the plan gives it {x}"
            ));
        }
        let response = Box::new(response);
        self.after.push_back(Event::Solved { plan, response });
    }

    fn ship(
        &mut self,
        now: Instant,
        (worker, session): (WorkerId, SessionId),
        plan: PlanId,
        batches: u64,
        new: u64,
    ) {
        let order = (session.get(), plan.get());
        let (keep, indices) = self.placement.ship(worker, order, batches - new, new);
        let mut link = Link::default();
        if let Some(connected) = self.connected(worker) {
            connected.ship = Some((plan, batches));
            link = connected
                .profile
                .as_ref()
                .map_or(link, |profile| profile.link);
        }
        // All that are shipped to at once share our own connection.
        let bytes = self.spec.shape.wire_len() as u64 * BATCHES_PER_STREAM as u64;
        let part = link.transfer * bytes / (2 * self.data.wire_len as u64).max(1);
        let part = part * self.plan.len().max(1) as u64;
        self.silence.ships(worker, (keep, batches), part, now);
        self.watch.shipped(worker, keep, batches);
        let command = Command::Ship {
            session,
            plan: plan.get(),
            keep,
            new: indices,
        };
        self.order(worker, command);
    }

    /// Ships the whole share of a cycle, under the cycle's number instead of a plan's. The scheduler
    /// knows how long that takes, and waits for no report of it.
    fn ship_anew(&mut self, worker: WorkerId, session: SessionId, batches: u64) {
        if self.cycle.ordered.is_empty() {
            self.placement.take_back();
        }
        let order = (session.get(), self.cycle.id.get());
        let command = Command::Ship {
            session,
            plan: self.cycle.id.get(),
            keep: 0,
            new: self.placement.ship(worker, order, 0, batches).1,
        };
        self.order(worker, command);
    }

    /// Averages the accepted results, on a thread of its own.
    ///
    /// # Panics
    /// When the results do not weigh what the scheduler accepted, and will record and pay.
    fn merge(&mut self, cycle: CycleId, accepted: u64) {
        self.cycle.merging = true;
        let results = std::mem::take(&mut self.cycle.results);
        let weights: u64 = results.iter().map(|result| result.weight).sum();
        assert_eq!(weights, accepted, "what is averaged is what is accounted");
        let average = self.average();
        let (job, answers) = (self.number, self.connections.sender());
        let merge = self.model.merging(average);
        tokio::task::spawn_blocking(move || {
            let (merged, next) = merge(&results);
            let merged = Input::Merged {
                job,
                cycle,
                merged,
                next,
            };
            // It fails if the job has ended, and is then not needed.
            let _ = answers.blocking_send(merged);
            drop(results); // which takes time if they are large, and nobody waits for it
        });
    }

    pub(super) fn merged(&mut self, cycle: CycleId, merged: Merged, next: Option<ModelState>) {
        if self.cycle.id != cycle || !self.cycle.merging {
            return; // it was discarded
        }
        for (worker, session, refusal) in &merged.refused {
            self.refuse(*worker, *session, cycle, &refusal.to_string());
        }
        self.cycle.merging = false;
        if let Some(next) = next {
            self.model.state = next;
        }
        self.judge(cycle);
        self.step(Event::Aggregated { cycle });
    }

    /// A result counts for nothing, even if it was accepted before.
    pub(super) fn refuse(
        &mut self,
        worker: WorkerId,
        session: SessionId,
        cycle: CycleId,
        why: &str,
    ) {
        let name = self.roster.name(worker);
        let line = format!("a result of {name} is refused: {why}");
        self.watch.note(&line);
        self.cycle
            .results
            .retain(|result| (result.worker, result.session) != (worker, session));
        self.step(Event::Refused {
            worker,
            session,
            cycle,
        });
    }

    pub(super) fn exclude(&mut self, worker: WorkerId, why: Departure) {
        self.silence.forget(worker);
        self.turns.forget(worker);
        let may_return = match why {
            Departure::BenchmarkLate
            | Departure::ShipLate
            | Departure::MissedBeats
            | Departure::AlwaysLate => true,
            Departure::Disconnected
            | Departure::Left
            | Departure::Misbehaved
            | Departure::Replaced
            | Departure::Quarantined
            | Departure::FeeTooLow
            | Departure::Full => false,
        };
        let name = self.roster.name(worker).to_owned();
        self.watch.note(&format!("{name} is excluded: {why}"));
        let Some(id) = self.connection_of.get(&worker).copied() else {
            return;
        };
        if let Some(connected) = self.workers.get_mut(&id) {
            connected.may_return = may_return;
            connected.ship = None;
        }
        let reason = why.to_string();
        self.command(
            id,
            Command::Say(Order::Excluded {
                reason: reason.clone(),
                may_return,
            }),
        );
        if !may_return {
            self.connection_of.remove(&worker);
            self.workers.remove(&id);
            self.close(id, &reason);
        }
    }

    fn record(&mut self, now: Instant, record: Record) {
        match &record {
            Record::Planned(_) => {
                self.plan.clear();
                if self.plan_only {
                    self.after.push_front(Event::Stopped);
                }
            }
            Record::Share(row) => {
                self.placement.keep(row.worker, row.batches);
                if row.batches > 0 {
                    self.plan.insert(row.worker, row.batches);
                }
            }
            Record::Departed {
                worker,
                session: Some(_),
                ..
            } => self.placement.release(*worker),
            Record::Joined { .. }
            | Record::Benchmarked { .. }
            | Record::Departed { session: None, .. }
            | Record::NotPlanned { .. }
            | Record::Shipped { .. }
            | Record::Paused { .. }
            | Record::Assignment(_)
            | Record::Cycle(_)
            | Record::Ignored { .. } => {}
        }
        let roster = &self.roster;
        let name = |worker| roster.name(worker).to_owned();
        self.watch.record(now, &record, &name);
        if let Record::Cycle(row) = &record {
            self.cycle_over(row.cycle, now);
        }
    }

    /// A cycle is over: what follows goes on from here.
    fn cycle_over(&mut self, cycle: CycleId, now: Instant) {
        self.cycle = Cycle::new(CycleId::new(cycle.get() + 1));
        if self.interrupted {
            return;
        }
        let elapsed = self.done_before + now.since(self.first_cycle_at().unwrap_or(now));
        let checkpoint = || Checkpoint {
            cycle: cycle.get(),
            elapsed,
            spent: self.spent_before + self.scheduler.totals().cost,
            seed: self.seed,
            plan: self
                .plan
                .iter()
                .map(|(worker, batches)| (self.roster.name(*worker).to_owned(), *batches))
                .collect(),
            held: self
                .plan
                .keys()
                .map(|worker| {
                    let name = self.roster.name(*worker).to_owned();
                    (name, self.placement.of(*worker).to_vec())
                })
                .collect(),
            names: self.roster.names().map(str::to_owned).collect(),
            barred: self
                .roster
                .barred(|worker| self.scheduler.is_quarantined(worker)),
            parameters: Arc::clone(&self.model.state.parameters),
            velocity: Arc::clone(&self.model.state.velocity),
        };
        self.watch.checkpoint(&checkpoint);
    }

    /// Sends a command over the connection on which a worker serves, if there is one.
    fn order(&mut self, worker: WorkerId, command: Command) {
        if let Some(id) = self.connection_of.get(&worker).copied() {
            self.command(id, command);
        }
    }

    pub(super) fn command(&mut self, id: ConnectionId, command: Command) {
        let Some(member) = self.connections.members.get(&id) else {
            return;
        };
        match member.commands.try_send(command) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => {} // the connection's end is in the queue
            Err(TrySendError::Full(_)) => {
                // It takes no commands: its connection is closed, which comes back as an event.
                member.peer.close("it does not take its orders");
            }
        }
    }

    pub(super) fn close(&mut self, id: ConnectionId, reason: &str) {
        let reason = reason.to_owned();
        self.command(id, Command::Close { reason });
    }

    /// Tells everybody that the job is over; connections connected.
    pub(super) fn say_over(&mut self) {
        let reason = match &self.ended {
            Some((ending, _)) => ending.to_string(),
            None => String::new(),
        };
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            let reason = reason.clone();
            self.command(id, Command::Say(Order::Over { reason }));
        }
    }

    /// The session of a worker that is a member.
    pub(super) fn session_of(&self, worker: WorkerId) -> Option<SessionId> {
        let id = self.connection_of.get(&worker)?;
        self.workers.get(id)?.session
    }

    fn connected(&mut self, worker: WorkerId) -> Option<&mut ConnectedWorker> {
        let id = self.connection_of.get(&worker)?;
        self.workers.get_mut(id)
    }
}
