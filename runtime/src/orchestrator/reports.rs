//! What workers report, and what they send: each becomes an event of the scheduler, or shows its worker out.
//!
//! **What it does not know:** how a connection is served, and what the scheduler makes of an event.

use scheduler::Span;
use scheduler::machine::{CycleId, Departure, Event, SessionId, WorkerId};

use super::driver::{ConnectedWorker, Orchestrator};
use super::messages::{ConnectionId, Unfit};
use super::placement::ShipOrder;
use super::silence::Overdue;
use crate::average::Update;
use crate::protocol::{Holds, Report, Trained};

impl Orchestrator<'_> {
    pub(super) fn reported(&mut self, id: ConnectionId, report: Report) {
        let Some(connected) = self.workers.get(&id).cloned() else {
            return;
        };
        let worker = connected.worker;
        match report {
            Report::Hello(_) => {} // the connection has checked that there is no second one
            Report::Ready { device } => match device.parse() {
                Ok(device) => self.watch.ready(worker, device),
                Err(_) => {
                    let why = "it names no device that it trains on";
                    self.lose(id, Departure::Misbehaved, why);
                    self.close(id, why);
                }
            },
            Report::Benchmarked {
                session,
                batches,
                took_ns,
            } => {
                if connected.session == Some(SessionId::new(session)) {
                    self.silence.benchmarked(worker);
                }
                let took = Span::from_nanos(took_ns);
                let took = match &self.given {
                    Some(given) => given.took(self.roster.name(worker), batches, took),
                    None => took,
                };
                self.step(Event::Benchmarked {
                    worker,
                    session: SessionId::new(session),
                    batches,
                    took,
                });
            }
            Report::Shipped {
                session,
                plan,
                held,
            } => self.holds(id, connected, session, plan, held),
            Report::Beat {
                session,
                cycle,
                done,
            } => {
                if connected.session == Some(SessionId::new(session))
                    && self.cycle.id.get() == cycle
                {
                    self.watch.beat(worker, done);
                }
                self.step(Event::Beat {
                    worker,
                    session: SessionId::new(session),
                    cycle: CycleId::new(cycle),
                    done,
                });
            }
            Report::Return { holds } => {
                if connected.may_return
                    && let Some(profile) = connected.profile
                {
                    if let Some(connected) = self.workers.get_mut(&id) {
                        connected.may_return = false;
                    }
                    let holds = self.of_this_job(holds);
                    self.placement.returns(worker, holds);
                    self.step(Event::Joined { worker, profile });
                }
            }
            Report::Leave { reason } => {
                let reason: String = reason
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(200)
                    .collect();
                self.lose(id, Departure::Left, &reason);
                self.close(id, "farewell");
            }
        }
    }

    fn holds(
        &mut self,
        id: ConnectionId,
        connected: ConnectedWorker,
        session: u32,
        plan: u32,
        held: u64,
    ) {
        let Some((ordered, share)) = connected.ship else {
            return;
        };
        if connected.session != Some(SessionId::new(session)) || ordered.get() != plan {
            return; // of an earlier order
        }
        if held > share {
            let why = format!("it says that it holds {held} batches of {share}");
            self.lose(id, Departure::Misbehaved, &why);
            return self.close(id, &why);
        }
        let now = self.clock.now();
        self.silence.arrived(connected.worker, held, now);
        self.placement.arrived(connected.worker, held);
        self.watch.shipped(connected.worker, held, share);
        if held == share {
            if let Some(connected) = self.workers.get_mut(&id) {
                connected.ship = None;
            }
            self.step(Event::Shipped {
                worker: connected.worker,
                session: SessionId::new(session),
                plan: ordered,
                batches: share,
            });
        }
    }

    pub(super) fn result(
        &mut self,
        id: ConnectionId,
        trained: &Trained,
        update: Result<Box<Update>, Unfit>,
    ) {
        let Some(connected) = self.workers.get(&id) else {
            return;
        };
        let (worker, done) = (connected.worker, trained.done);
        let session = SessionId::new(trained.session);
        let cycle = CycleId::new(trained.cycle);
        // What comes for the cycle while the average is being taken changes nothing.
        let is_due =
            connected.session == Some(session) && cycle == self.cycle.id && !self.cycle.merging;
        let ordered = self.cycle.ordered.get(&worker).copied();
        let refusal = match (&update, ordered) {
            _ if !is_due => None, // the scheduler decides what that is worth
            (Err(unfit), _) if unfit.is_not_finite && self.model_is_spoilt() => {
                let why = "the model that it was sent is spoilt, so that no numbers come of it";
                return self.excuse(worker, session, trained, why);
            }
            (Err(unfit), _) if unfit.is_not_kept => {
                let why = format!("{}, in {}", unfit.why, self.folder.display());
                return self.excuse(worker, session, trained, &why);
            }
            (Err(unfit), _) => Some(unfit.why.clone()),
            (Ok(_), Some(ordered)) if done > ordered => {
                Some(format!("it claims {done} batches, {ordered} were ordered"))
            }
            (Ok(_), _) => None,
        };
        if let Some(why) = refusal {
            return self.refuse(worker, session, cycle, &why);
        }
        self.cycle.candidate = update.ok().map(|update| (worker, session, *update));
        self.step(Event::Trained {
            worker,
            session,
            cycle,
            done,
            took: Span::from_nanos(trained.took_ns),
            tail: Span::from_nanos(trained.tail_ns),
        });
        self.cycle.candidate = None;
    }

    /// A result is of no use, and that is not its worker's fault. It counts for nothing, as if the worker
    /// had trained nothing.
    fn excuse(&mut self, worker: WorkerId, session: SessionId, trained: &Trained, why: &str) {
        let name = self.roster.name(worker);
        let line = format!("a result of {name} does not count: {why}");
        self.watch.note(&line);
        self.step(Event::Trained {
            worker,
            session,
            cycle: CycleId::new(trained.cycle),
            done: 0,
            took: Span::from_nanos(trained.took_ns),
            tail: Span::from_nanos(trained.tail_ns),
        });
    }

    /// What a worker says that it holds, if it is of this job.
    pub(super) fn of_this_job(&self, holds: Option<Holds>) -> Option<(ShipOrder, u64)> {
        let own = (self.connections.run, self.number);
        let holds = holds.filter(|holds| (holds.run, holds.job) == own)?;
        Some(((holds.session, holds.plan), holds.batches))
    }

    /// Tells of those that are waited for, and gives up those whose data makes no progress.
    pub(super) fn look_at_silence(&mut self) {
        let now = self.clock.now();
        for Overdue {
            worker,
            awaited,
            silent,
            gives_up,
        } in self.silence.look(now)
        {
            if gives_up {
                self.give_up(worker);
                continue;
            }
            let (name, seconds) = (self.roster.name(worker), silent.seconds_f64().round());
            let line = format!("waiting for {name} for {seconds} s: {awaited}");
            self.watch.note(&line);
        }
    }

    /// Its data makes no progress: the others go on without it.
    fn give_up(&mut self, worker: WorkerId) {
        let why = Departure::ShipLate;
        let session = self.session_of(worker);
        self.exclude(worker, why);
        if let Some(session) = session {
            self.step(Event::Lost {
                worker,
                session,
                why,
            });
        }
    }
}
