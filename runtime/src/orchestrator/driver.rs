//! One job: the scheduler's steps, and what happens between them.
//!
//! **What it does not know:** how orders are carried out in detail (`orders.rs`), and the network.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use scenarios::Scenario;
use scheduler::machine::{
    Action, Config, CycleId, Departure, Ending, Event, Profile, Record, Scheduler, SessionId,
    Totals, WorkerId,
};
use scheduler::{Instant, Link, MAX_BATCHES, Span};
use solvers::Allocator;

use super::checkpoint::Checkpoint;
use super::connections::Connections;
use super::evaluate::Evaluator;
use super::fixed_plan::FixedPlan;
use super::messages::{Command, ConnectionId, Input, JobData, Member, PeerEvent};
use super::placement::Placement;
use super::roster::{self, Roster};
use super::solve::Solver;
use super::ticker::Ticker;
use crate::average::{Average, Contribution, Rule, Update};
use crate::clock::Clock;
use crate::data::Splits;
use crate::model::{ModelSpec, to_wire};
use crate::protocol::{Brief, Program, Report, Trained};
use crate::train::{DeviceChoice, Evaluation};
use crate::trainer::Described;

/// How long judgements are waited for after the end.
const LAST_JUDGEMENT: Duration = Duration::from_secs(60);

/// The job to be run.
pub(crate) struct Job {
    /// The scenario: fees, and what else it says of workers.
    pub(crate) scenario: Scenario,
    /// The scheduler's configuration.
    pub(crate) config: Config,
    pub(crate) seed: u64,
    pub(crate) model: Described,
    pub(crate) rule: Rule,
    pub(crate) data: Splits,
    /// The device on which models are judged.
    pub(crate) device: DeviceChoice,
    pub(crate) allocator: Box<dyn Allocator>,
    /// A plan to be run instead of the allocator's.
    pub(crate) given: Option<FixedPlan>,
    /// Names whose numbers are known beforehand.
    pub(crate) names: Vec<String>,
    /// The state of a run that was broken off.
    pub(crate) resumed: Option<Checkpoint>,
}

/// What follows a job, to show it and to write it down.
pub(crate) trait Watch {
    /// The job begins with this configuration.
    fn begins(&mut self, config: &Config);
    /// The scheduler takes in this event.
    fn event(&mut self, now: Instant, event: &Event);
    /// The scheduler gives this record.
    fn record(&mut self, now: Instant, record: &Record, name: &dyn Fn(WorkerId) -> String);
    /// Something worth a line.
    fn note(&mut self, line: &str);
    /// A worker was taken in, with what it says of itself and how its connection was measured.
    fn member(&mut self, worker: WorkerId, member: &Member);
    /// A worker can train, on this device.
    fn ready(&mut self, worker: WorkerId, device: DeviceChoice);
    /// A worker holds this number of batches of its share.
    fn shipped(&mut self, worker: WorkerId, held: u64, of: u64);
    /// A worker is ordered to train batches within a time.
    fn trains(&mut self, worker: WorkerId, batches: u64, within: Span);
    /// A worker has trained this number of batches of its share.
    fn beat(&mut self, worker: WorkerId, done: u64);
    /// The model after a cycle was judged.
    fn judged(&mut self, cycle: u32, judged: &Evaluation);
    /// A cycle is complete: what is needed to go on from connection_of.
    fn checkpoint(&mut self, checkpoint: &dyn Fn() -> Checkpoint);
}

/// How a job ended.
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    pub(crate) totals: Totals,
    /// What explains the ending further, such as which workers a plan lacks.
    pub(crate) because: Option<String>,
    pub(crate) model: Arc<Vec<f32>>,
    /// When it was over.
    pub(crate) at: Instant,
    /// Names by number.
    pub(crate) names: Vec<String>,
    /// The longest that this task was held up while cycles ran.
    pub(crate) longest_stall: Span,
}

/// One job under way.
pub(crate) struct Orchestrator<'a> {
    pub(super) connections: &'a mut Connections,
    pub(super) watch: &'a mut dyn Watch,
    pub(super) number: u32,
    pub(super) clock: Clock,
    scheduler: Scheduler,
    actions: Vec<Action>,
    wake: Option<Instant>,
    pub(super) scenario: Scenario,
    pub(super) seed: u64,
    spec: ModelSpec,
    /// What trains it, if it is the user's own program.
    program: Option<Program>,
    /// Data travels in every cycle, ahead of the parameters, and not once.
    pub(super) ships_each_cycle: bool,
    data: Arc<JobData>,
    pub(super) solver: Solver,
    pub(super) evaluator: Evaluator,
    pub(super) given: Option<FixedPlan>,
    pub(super) resumed: Option<Checkpoint>,
    pub(super) roster: Roster,
    pub(super) placement: Placement,
    pub(super) plan: BTreeMap<WorkerId, u64>,
    /// The connection on which each worker serves.
    pub(super) connection_of: BTreeMap<WorkerId, ConnectionId>,
    pub(super) workers: BTreeMap<ConnectionId, ConnectedWorker>,
    /// Events that follow from carrying out orders.
    pub(super) after: VecDeque<Event>,
    pub(super) model: Arc<Vec<f32>>,
    pub(super) wire: Bytes,
    pub(super) cycle: Cycle,
    pub(super) because: Option<String>,
    pub(super) ended: Option<(Ending, Totals)>,
    /// Time that the cycles of a run before this one took, if it is resumed.
    pub(super) done_before: Span,
    /// The user wants to stop: the cycle that this breaks off is begun anew when the run is resumed.
    pub(super) interrupted: bool,
}

/// A worker on a connection.
#[derive(Clone, Debug)]
pub(super) struct ConnectedWorker {
    pub(super) worker: WorkerId,
    pub(super) session: Option<SessionId>,
    pub(super) profile: Option<Profile>,
    /// It was excluded, and may ask to be admitted again.
    pub(super) may_return: bool,
    /// What it is being sent: the plan, and the number of batches that it then holds.
    pub(super) ship: Option<(scheduler::machine::PlanId, u64)>,
}

/// The results of the running cycle.
#[derive(Debug)]
pub(super) struct Cycle {
    pub(super) id: CycleId,
    /// Batches that were ordered.
    pub(super) ordered: BTreeMap<WorkerId, u64>,
    /// What arrived last, until the scheduler says whether it counts.
    pub(super) candidate: Option<(WorkerId, SessionId, Update)>,
    pub(super) results: Vec<Contribution>,
    /// The average is being taken.
    pub(super) merging: bool,
}

impl<'a> Orchestrator<'a> {
    /// Prepares a job.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(crate) fn new(
        job: Job,
        connections: &'a mut Connections,
        watch: &'a mut dyn Watch,
    ) -> std::io::Result<Self> {
        connections.jobs += 1;
        let number = connections.jobs;
        let clock = Clock::start();
        let layout = Arc::clone(&job.model.layout);
        let average = Average::new(&layout, job.rule);
        let Splits { train, test } = job.data;
        let data = Arc::new(JobData {
            train: Arc::new(train),
            batch_size: job.model.spec.shape.batch_size,
            passes: job.config.time_model.passes,
            average,
            wire_len: layout.wire_len(),
            clock,
        });
        let solver = Solver::start(number, job.allocator, connections.sender())?;
        let mut model = job.model.initial.as_ref().clone();
        let (spec, program) = (job.model.spec, job.model.program.clone());
        let place = (job.device, job.seed);
        let evaluator = Evaluator::start(number, job.model, place, &test, connections.sender());
        let closed = job.given.is_some();
        let roster = Roster::new(job.names, closed);
        let mut placement = Placement::new(job.config.batches);
        if let Some(checkpoint) = &job.resumed {
            model.clone_from(&checkpoint.parameters);
            for (name, batches) in &checkpoint.held {
                if let Some(worker) = roster.worker(name) {
                    placement.prefer(worker, batches.clone());
                }
            }
        }
        let done_before = job.resumed.as_ref().map_or(Span::ZERO, |c| c.elapsed);
        Ok(Self {
            connections,
            watch,
            number,
            clock,
            ships_each_cycle: job.config.time_model.ships_each_cycle,
            cycle: Cycle::new(CycleId::new(job.config.first_cycle)),
            scheduler: Scheduler::new(job.config),
            actions: Vec::new(),
            wake: None,
            scenario: job.scenario,
            seed: job.seed,
            spec,
            program: program.map(|(_, program)| program),
            data,
            solver,
            evaluator,
            given: job.given,
            resumed: job.resumed,
            roster,
            placement,
            plan: BTreeMap::new(),
            connection_of: BTreeMap::new(),
            workers: BTreeMap::new(),
            after: VecDeque::new(),
            wire: to_wire(&model).into(),
            model: Arc::new(model),
            because: None,
            ended: None,
            done_before,
            interrupted: false,
        })
    }

    /// Runs the job to its end.
    pub(crate) async fn run(mut self) -> Ended {
        self.watch.begins(self.scheduler.config());
        // The first model is judged too, while workers join.
        let before = self.cycle.id.get().saturating_sub(1);
        self.judge(CycleId::new(before));
        self.step(Event::Wake);
        for id in self.connections.members.keys().copied().collect::<Vec<_>>() {
            self.brief(id);
        }
        let mut ticker = Ticker::new(self.clock.now());
        while self.ended.is_none() {
            let wake = self.wake.unwrap_or_else(|| self.clock.now());
            let wake_or_tick = self.clock.wake(wake.min(ticker.due()));
            let input = tokio::select! {
                biased; // what came before a deadline is taken before it
                input = self.connections.inputs.recv() => input,
                () = tokio::time::sleep_until(wake_or_tick) => None,
            };
            let now = self.clock.now();
            ticker.turn(now, self.first_cycle_at().is_some());
            match input {
                Some(input) => {
                    self.take(input);
                    // Not every input makes a step, and deadlines wait for none of them.
                    let now = self.clock.now();
                    if self.wake.is_some_and(|wake| wake <= now) {
                        self.step(Event::Wake);
                    }
                }
                None if wake <= now => self.step(Event::Wake),
                None => {} // the ticker's turn
            }
        }
        let at = self.clock.now();
        self.say_over();
        self.await_judgement().await;
        let names = self.roster.names().map(str::to_owned).collect();
        let (ending, totals) = self.ended.expect("it has ended");
        Ended {
            ending,
            totals,
            because: self.because,
            model: self.model,
            at,
            names,
            longest_stall: ticker.longest(),
        }
    }

    /// Gives the scheduler an event, and carries out what it orders; and what follows from that.
    pub(super) fn step(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next {
            if self.ended.is_some() {
                return;
            }
            let now = self.clock.now();
            self.watch.event(now, &event);
            let mut actions = std::mem::take(&mut self.actions);
            self.wake = self.scheduler.step(now, event, &mut actions);
            for action in actions.drain(..) {
                self.carry_out(now, action);
            }
            self.actions = actions;
            next = self.after.pop_front();
        }
    }

    pub(super) fn first_cycle_at(&self) -> Option<Instant> {
        self.scheduler.totals().first_cycle_at
    }

    pub(super) fn average(&self) -> Average {
        self.data.average.clone()
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Link(id, said) => self.hear(id, said),
            Input::Solved {
                job,
                plan,
                response,
            } if job == self.number => {
                self.step(Event::Solved { plan, response });
            }
            Input::Merged { job, cycle, merged } if job == self.number => {
                self.merged(cycle, merged);
            }
            Input::Evaluated { job, cycle, judged } if job == self.number => {
                self.judged(cycle, judged);
            }
            // Of a job before this one.
            Input::Solved { .. } | Input::Merged { .. } | Input::Evaluated { .. } => {}
            Input::Interrupted => {
                self.interrupted = true;
                self.step(Event::Stopped);
            }
        }
    }

    /// Has the model after a cycle judged, beside what follows.
    pub(super) fn judge(&mut self, cycle: CycleId) {
        let asked = self.evaluator.judge(cycle.get(), self.wire.clone());
        if let Err(why) = asked {
            self.is_not_judged(&why);
        }
    }

    fn judged(&mut self, cycle: u32, judged: Result<Evaluation, String>) {
        self.evaluator.came(cycle);
        match judged {
            Ok(judged) => self.watch.judged(cycle, &judged),
            Err(why) => self.is_not_judged(&why),
        }
    }

    fn is_not_judged(&mut self, why: &str) {
        if self.evaluator.is_news(why) {
            self.watch
                .note(&format!("the model cannot be judged: {why}"));
        }
    }

    fn hear(&mut self, id: ConnectionId, said: PeerEvent) {
        match said {
            PeerEvent::Hello(member) => {
                self.connections.members.insert(id, *member);
                self.brief(id);
            }
            PeerEvent::Measured(link) => self.joins(id, link),
            PeerEvent::Report(report) => self.reported(id, report),
            PeerEvent::Result(trained, update) => self.result(id, &trained, update),
            PeerEvent::Gone { why, misbehaved } => {
                let departure = if misbehaved {
                    Departure::Misbehaved
                } else {
                    Departure::Disconnected
                };
                self.lose(id, departure, &why);
                self.connections.members.remove(&id);
            }
        }
    }

    /// Describes the job to a worker, if it can do it.
    fn brief(&mut self, id: ConnectionId) {
        let Some(member) = self.connections.members.get(&id) else {
            return;
        };
        let (name, key) = (member.hello.name.clone(), member.peer.id());
        let checked = member.hello.check(self.spec.kind);
        let checked = checked.map_err(|error| error.to_string());
        // Fees go by names: a key has the one with which it was let in.
        let joined_as = member.peer.name();
        let checked = checked.and_then(|least_fee| match joined_as == name {
            true => Ok(least_fee),
            false => Err(format!(
                "its key joined as {joined_as:?}: start it with that --name, or revoke the key and \
                 let it join anew"
            )),
        });
        let entered = checked.and_then(|least_fee| {
            let worker = self.roster.enter(&name, key);
            worker
                .map(|worker| (worker, least_fee))
                .map_err(|error| error.to_string())
        });
        let (worker, least_fee) = match entered {
            Ok(entered) => entered,
            Err(reason) => {
                self.watch.note(&format!("{name} is turned away: {reason}"));
                return self.close(id, &reason);
            }
        };
        let pay = roster::pay(&self.scenario, self.seed, worker, &name);
        let batch = self.spec.shape.wire_len() as u64;
        let most = member
            .hello
            .memory
            .map_or(MAX_BATCHES, |bytes| bytes / batch);
        let profile = Profile {
            fee: pay.fee,
            least_fee,
            link: Link::default(), // measured next
            most: most.min(pay.takes),
            tariff: pay.tariff,
        };
        let connected = ConnectedWorker {
            worker,
            session: None,
            profile: Some(profile),
            may_return: false,
            ship: None,
        };
        self.workers.insert(id, connected);
        let brief = Brief {
            job: self.number,
            model: self.spec,
            parameters: self.model.len() as u64,
            program: self.program.clone(),
            fee_micro: pay.fee.micros(),
            seed: self.seed,
            allow_gpu: self.scenario.training().allow_gpu,
        };
        let data = Arc::clone(&self.data);
        self.command(id, Command::Job(brief, data));
    }

    /// A worker was measured: the scheduler decides whether it is a member.
    fn joins(&mut self, id: ConnectionId, link: Link) {
        let Some(connected) = self.workers.get_mut(&id) else {
            return;
        };
        let worker = connected.worker;
        let Some(profile) = &mut connected.profile else {
            return;
        };
        profile.link = link;
        if self.ships_each_cycle {
            // By the bytes, as parameters do one way.
            let [batch, model] = [self.spec.shape.wire_len(), self.data.wire_len];
            profile.link.ship = link.transfer * batch as u64 / (2 * u64::max(model as u64, 1));
        }
        let profile = profile.clone();
        if let Some(member) = self.connections.members.get(&id) {
            self.watch.member(worker, member);
        }
        if let Some(old) = self.connection_of.insert(worker, id)
            && old != id
        {
            // It came again before its loss was noticed: the scheduler replaces it.
            self.workers.remove(&old);
            self.close(old, "a newer connection took its place");
        }
        self.step(Event::Joined { worker, profile });
    }

    fn reported(&mut self, id: ConnectionId, report: Report) {
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
            } => self.step(Event::Benchmarked {
                worker,
                session: SessionId::new(session),
                batches,
                took: Span::from_nanos(took_ns),
            }),
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
            Report::Return => {
                if connected.may_return
                    && let Some(profile) = connected.profile
                {
                    if let Some(connected) = self.workers.get_mut(&id) {
                        connected.may_return = false;
                    }
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

    fn result(&mut self, id: ConnectionId, trained: &Trained, update: Result<Box<Update>, String>) {
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
            (Err(why), _) => Some(why.clone()),
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

    /// A connection is of no use any more.
    pub(super) fn lose(&mut self, id: ConnectionId, departure: Departure, why: &str) {
        let Some(connected) = self.workers.remove(&id) else {
            return;
        };
        if self.connection_of.get(&connected.worker) == Some(&id) {
            self.connection_of.remove(&connected.worker);
            let name = self.roster.name(connected.worker).to_owned();
            self.watch.note(&format!("{name} is gone: {why}"));
            if let Some(session) = connected.session {
                self.step(Event::Lost {
                    worker: connected.worker,
                    session,
                    why: departure,
                });
            }
        }
    }

    /// Waits, in bounded time, for the judgement of the last model and of those that still wait.
    async fn await_judgement(&mut self) {
        let last = self.cycle.id.get().saturating_sub(1);
        if self.scheduler.totals().accepted == 0 {
            return;
        }
        self.judge(CycleId::new(last));
        let until = tokio::time::Instant::now() + LAST_JUDGEMENT;
        while self.evaluator.owes()
            && let Ok(Some(input)) =
                tokio::time::timeout_at(until, self.connections.inputs.recv()).await
        {
            match input {
                Input::Evaluated { job, cycle, judged } if job == self.number => {
                    self.judged(cycle, judged);
                }
                Input::Link(id, said) => self.keep_up(id, said),
                Input::Interrupted => return,
                Input::Solved { .. } | Input::Merged { .. } | Input::Evaluated { .. } => {}
            }
        }
    }

    /// After the end: the connections are still of interest, for a next job.
    fn keep_up(&mut self, id: ConnectionId, said: PeerEvent) {
        match said {
            PeerEvent::Hello(member) => {
                self.connections.members.insert(id, *member);
            }
            PeerEvent::Gone { .. } => {
                self.connections.members.remove(&id);
            }
            PeerEvent::Measured(_) | PeerEvent::Report(_) | PeerEvent::Result(..) => {}
        }
    }
}

impl Cycle {
    pub(super) const fn new(id: CycleId) -> Self {
        Self {
            id,
            ordered: BTreeMap::new(),
            candidate: None,
            results: Vec::new(),
            merging: false,
        }
    }
}
