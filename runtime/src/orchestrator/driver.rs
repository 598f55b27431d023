//! One job: the scheduler's steps, and what happens between them.
//!
//! **What it does not know:** how orders are carried out in detail (`orders.rs`), and the network.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use scenarios::Scenario;
use scheduler::machine::{
    Action, Config, CycleId, Departure, Ending, Event, Profile, Record, Scheduler, SessionId,
    Totals, WorkerId,
};
use scheduler::{Cost, Instant, Link, MAX_BATCHES, Span};
use solvers::Allocator;

use super::checkpoint::Checkpoint;
use super::connections::Connections;
use super::current::CurrentModel;
use super::evaluate::Evaluator;
use super::fixed_plan::FixedPlan;
use super::messages::{Command, ConnectionId, Input, JobData, Member, PeerEvent, RateSchedule};
use super::placement::Placement;
use super::roster::{self, Roster};
use super::silence::Silence;
use super::solve::Solver;
use super::ticker::Ticker;
use super::turns::Turns;
use crate::average::{Average, Contribution, Rule, Update};
use crate::clock::Clock;
use crate::data::Splits;
use crate::files::FileError;
use crate::model::ModelSpec;
use crate::net::PeerId;
use crate::protocol::{Brief, PLACE_BYTES, Program};
use crate::train::{DeviceChoice, Evaluation};
use crate::trainer::Described;

/// How long judgements are waited for after the end.
const LAST_JUDGEMENT: Duration = Duration::from_secs(60);
/// After this a line on the terminal says that it is waited for.
const TELL_OF_JUDGEMENT: Duration = Duration::from_secs(3);

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
    /// The digest of the data, if the workers have it.
    pub(crate) at_workers: Option<[u8; 32]>,
    /// The device on which models are judged.
    pub(crate) device: DeviceChoice,
    pub(crate) allocator: Box<dyn Allocator>,
    /// A plan to be run instead of the allocator's.
    pub(crate) given: Option<FixedPlan>,
    /// Ends with the first plan.
    pub(crate) plan_only: bool,
    /// Names whose numbers are known beforehand.
    pub(crate) names: Vec<String>,
    /// The keys that have some of them.
    pub(crate) bound: BTreeMap<String, PeerId>,
    /// The state of a run that was broken off.
    pub(crate) resumed: Option<Checkpoint>,
    /// What that run cost, with cycles that are run again.
    pub(crate) spent_before: Cost,
    /// Where large results are kept until their cycle ends.
    pub(crate) folder: PathBuf,
}

/// What follows a job, to show it and to write it down.
pub(crate) trait Watch {
    /// The job begins with this configuration.
    fn begins(&mut self, config: &Config);
    /// The scheduler takes in this event.
    fn event(&mut self, now: Instant, event: &Event);
    /// The scheduler gives this record.
    fn record(&mut self, now: Instant, record: &Record, name: &dyn Fn(WorkerId) -> String);
    /// This number is that of the worker with this name.
    fn named(&mut self, worker: WorkerId, name: &str);
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
    pub(super) scheduler: Scheduler,
    actions: Vec<Action>,
    wake: Option<Instant>,
    pub(super) scenario: Scenario,
    pub(super) seed: u64,
    pub(super) spec: ModelSpec,
    /// What trains it, if it is the user's own program.
    program: Option<Program>,
    /// Whose turn it is at the link.
    pub(super) turns: Turns,
    /// Data travels in every cycle, ahead of the parameters, and not once.
    pub(super) ships_each_cycle: bool,
    pub(super) data: Arc<JobData>,
    pub(super) solver: Solver,
    pub(super) evaluator: Evaluator,
    pub(super) given: Option<FixedPlan>,
    pub(super) plan_only: bool,
    pub(super) resumed: Option<Checkpoint>,
    pub(super) roster: Roster,
    pub(super) placement: Placement,
    pub(super) plan: BTreeMap<WorkerId, u64>,
    /// The connection on which each worker serves.
    pub(super) connection_of: BTreeMap<WorkerId, ConnectionId>,
    pub(super) workers: BTreeMap<ConnectionId, ConnectedWorker>,
    /// Events that follow from carrying out orders.
    pub(super) after: VecDeque<Event>,
    pub(super) model: CurrentModel,
    pub(super) cycle: Cycle,
    pub(super) silence: Silence,
    /// Whether the loss of the newest model that was judged is a number, and that of any was.
    losses: (bool, bool),
    pub(super) because: Option<String>,
    pub(super) ended: Option<(Ending, Totals)>,
    /// Time that the cycles of a run before this one took, if it is resumed.
    pub(super) done_before: Span,
    /// What they cost.
    pub(super) spent_before: Cost,
    pub(super) folder: PathBuf,
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
        mut job: Job,
        connections: &'a mut Connections,
        watch: &'a mut dyn Watch,
    ) -> std::io::Result<Self> {
        connections.jobs += 1;
        let number = connections.jobs;
        let clock = Clock::start();
        let layout = Arc::clone(&job.model.layout);
        let training = job.scenario.training();
        let average = Average::new(&layout, job.rule, training.wire, job.model.longest_step())
            .keeping_in(job.folder.clone());
        let Splits { train, test } = job.data;
        let data = Arc::new(JobData {
            train: Arc::new(train),
            batch_size: job.model.spec.shape.batch_size,
            at_workers: job.at_workers,
            passes: job.config.time_model.passes,
            wire_len: average.wire_len(),
            average,
            schedule: RateSchedule {
                training: training.clone(),
                cycles: job.config.cycles,
            },
            clock,
        });
        let solver = Solver::start(number, job.allocator, connections.sender())?;
        // Nobody else keeps it: it is another model as soon as a cycle is over.
        let (mut model, mut velocity) = (std::mem::take(&mut job.model.initial), Arc::default());
        let (spec, program) = (job.model.spec, job.model.program.clone());
        let place = (job.device, job.seed);
        let test = test.whole().map_err(FileError::into_io)?;
        let evaluator = Evaluator::start(number, job.model, place, test, connections.sender());
        let closed = job.given.is_some();
        let mut roster = Roster::new(job.names, job.bound, closed);
        let mut placement = Placement::new(job.config.batches);
        if let Some(checkpoint) = &mut job.resumed {
            model = std::mem::take(&mut checkpoint.parameters);
            velocity = std::mem::take(&mut checkpoint.velocity);
            roster.bar(checkpoint.barred.iter().copied());
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
            turns: Turns::new(job.config.time_model),
            ships_each_cycle: job.config.time_model.ships_each_cycle,
            cycle: Cycle::new(CycleId::new(job.config.first_cycle)),
            scheduler: Scheduler::new(job.config),
            actions: Vec::new(),
            wake: None,
            seed: job.seed,
            spec,
            program: program.map(|(_, program)| program),
            data,
            solver,
            evaluator,
            given: job.given,
            plan_only: job.plan_only,
            resumed: job.resumed,
            roster,
            placement,
            plan: BTreeMap::new(),
            connection_of: BTreeMap::new(),
            workers: BTreeMap::new(),
            after: VecDeque::new(),
            model: CurrentModel::new(job.scenario.training(), model, velocity),
            scenario: job.scenario,
            silence: Silence::default(),
            losses: (false, false),
            because: None,
            ended: None,
            done_before,
            spent_before: job.spent_before,
            folder: job.folder,
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
            self.look_at_silence();
            self.serve();
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
            model: self.model.state.parameters,
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
            Input::Merged {
                job,
                cycle,
                merged,
                next,
            } if job == self.number => {
                self.merged(cycle, merged, next);
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
        let asked = self.evaluator.judge(cycle.get(), self.model.floats());
        if let Err(why) = asked {
            self.is_not_judged(&why);
        }
    }

    fn judged(&mut self, cycle: u32, judged: Result<Evaluation, String>) {
        self.evaluator.came(cycle);
        match judged {
            Ok(judged) => {
                let is_number = judged.loss.is_finite();
                self.losses = (is_number, is_number || self.losses.1);
                self.watch.judged(cycle, &judged);
            }
            Err(why) => self.is_not_judged(&why),
        }
    }

    /// Whether training cannot but fail with the model that was sent: its loss is no number any more, or a
    /// parameter of it is beyond all that can be computed with.
    pub(super) fn model_is_spoilt(&self) -> bool {
        const BEYOND: f32 = 1e15;
        let is_beyond = |parameter: &f32| !parameter.is_finite() || parameter.abs() > BEYOND;
        matches!(self.losses, (false, true)) || self.model.state.parameters.iter().any(is_beyond)
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
            PeerEvent::Sent(session, cycle) => self.sent(id, session, cycle),
            PeerEvent::Travels(session, cycle) => {
                if let Some(connected) = self.workers.get(&id) {
                    self.step(Event::Beat {
                        worker: connected.worker,
                        session,
                        cycle,
                        done: 0, // nothing that was not said before
                    });
                }
            }
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
        self.watch.named(worker, &name);
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
            run: self.connections.run,
            job: self.number,
            model: self.spec,
            parameters: self.model.state.parameters.len() as u64,
            wire: self.model.wire,
            data: self.data.at_workers,
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
            let batch = match self.data.at_workers {
                None => self.spec.shape.wire_len(),
                Some(_) => PLACE_BYTES,
            };
            let model = self.data.wire_len;
            profile.link.ship = link.transfer * batch as u64 / (2 * u64::max(model as u64, 1));
        }
        let profile = profile.clone();
        if let Some(member) = self.connections.members.get(&id) {
            self.watch.member(worker, member);
            let holds = self.of_this_job(member.hello.holds);
            self.placement.returns(worker, holds);
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

    /// A connection is of no use any more.
    pub(super) fn lose(&mut self, id: ConnectionId, departure: Departure, why: &str) {
        let Some(connected) = self.workers.remove(&id) else {
            return;
        };
        let name = self.roster.name(connected.worker).to_owned();
        if self.connection_of.get(&connected.worker) != Some(&id) {
            let line = format!("{name} is gone before it was admitted: {why}");
            self.watch.note(&line);
        } else {
            self.turns.forget(connected.worker);
            self.connection_of.remove(&connected.worker);
            self.silence.forget(connected.worker);
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
        let began = tokio::time::Instant::now();
        let (tell, until) = (began + TELL_OF_JUDGEMENT, began + LAST_JUDGEMENT);
        let mut wait_until = tell;
        while self.evaluator.owes() {
            let heard = tokio::time::timeout_at(wait_until, self.connections.inputs.recv()).await;
            let input = match heard {
                Ok(Some(input)) => input,
                Err(_) if wait_until == tell => {
                    wait_until = until;
                    let most = LAST_JUDGEMENT.as_secs();
                    let line = format!("waiting for the last model to be judged, {most} s at most");
                    self.watch.note(&line);
                    continue;
                }
                Ok(None) | Err(_) => return,
            };
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
            PeerEvent::Measured(_)
            | PeerEvent::Report(_)
            | PeerEvent::Sent(..)
            | PeerEvent::Travels(..)
            | PeerEvent::Result(..) => {}
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
