//! What becomes of the scheduler's orders: transfers, computing, reports.

use scheduler::machine::{CycleId, Event, Partial, PlanId, SessionId, TrainOrder, WorkerId};
use scheduler::{Instant, LinkService, Span};

use super::driver::Driver;
use super::happening::Happening;
use super::progress::Progress;
use super::worker::{Order, Shipment, Stage, Task, Transfer};
use crate::engine::Stamp;

impl Driver<'_> {
    /// Parameters are sent, and the data if it travels in every cycle.
    pub(super) fn train(&mut self, train: TrainOrder) {
        let (worker, session) = (train.worker.get(), train.session);
        if !self.hears(worker, session) {
            return;
        }
        let way = &self.world.workers[worker as usize].way;
        let (mut work, mut own) = (self.world.down.parameters, way.down);
        if self.world.config.time_model.ships_each_cycle {
            work = work + self.world.down.batch * train.batches;
            own = own + way.batch * train.batches;
        }
        let state = &mut self.workers[worker as usize];
        // A share that it was to get for another plan is not needed any more.
        self.has_waste |= state.uses_a_pipe();
        state.forget();
        state.task = Some(Task {
            session,
            order: Order::Train(train),
            stage: Stage::Before {
                in_pipe: work > Span::ZERO,
            },
            own_link: self.now + own,
            last_beat: self.now,
            last_beat_done: 0,
            factor: 1.0,
        });
        let transfer = Transfer {
            worker,
            stamp: state.tasks.stamp(),
            is_data: false,
        };
        if work > Span::ZERO {
            self.departing.push((transfer, work));
        } else {
            self.parameters_through(worker);
        }
    }

    pub(super) fn benchmark(&mut self, worker: u32, session: SessionId, batches: u64) {
        if !self.hears(worker, session) {
            return;
        }
        let model = &self.world.workers[worker as usize];
        let is_second = self.scheduler.is_measured_again(WorkerId::new(worker));
        self.variations[worker as usize].measures(model, is_second);
        let state = &mut self.workers[worker as usize];
        let warm_up = if state.warm {
            Span::ZERO
        } else {
            model.warm_up
        };
        state.warm = true;
        self.has_waste |= state.uses_a_pipe();
        let stamp = state.tasks.renew();
        state.task = Some(Task {
            session,
            order: Order::Benchmark { batches },
            stage: Stage::Before { in_pipe: false },
            own_link: self.now,
            last_beat: self.now,
            last_beat_done: 0,
            factor: 1.0,
        });
        let at = self.now + model.way.latency + warm_up;
        self.queue.push(at, Happening::Begins(worker, stamp));
    }

    pub(super) fn ship(
        &mut self,
        worker: u32,
        session: SessionId,
        plan: PlanId,
        batches: u64,
        new: u64,
    ) {
        if !self.hears(worker, session) {
            return;
        }
        let own = self.world.workers[worker as usize].way.batch * new;
        let work = self.world.down.batch * new;
        let state = &mut self.workers[worker as usize];
        self.has_waste |= state.uses_a_pipe();
        let transfer = Transfer {
            worker,
            stamp: state.shipments.renew(),
            is_data: true,
        };
        state.shipment = Some(Shipment {
            session,
            plan,
            batches,
            in_pipe: work > Span::ZERO,
            own_link: self.now + own,
        });
        if work > Span::ZERO {
            self.departing.push((transfer, work));
        } else {
            self.data_through(worker);
        }
    }

    /// Aborts travel at no cost: what the orchestrator no longer waits for leaves its link.
    pub(super) fn abort(&mut self, worker: u32, session: SessionId, cycle: CycleId) {
        let state = &mut self.workers[worker as usize];
        let Some(task) = &state.task else {
            return;
        };
        let Order::Train(train) = task.order else {
            return;
        };
        if task.session != session || train.cycle != cycle {
            return;
        }
        // Of a result that is on its way it is known already whether it was computed in time.
        if !matches!(task.stage, Stage::After { .. }) {
            self.overruns += 1;
        }
        self.has_waste |= state.uses_a_pipe();
        state.task = None;
        state.tasks.renew();
    }

    /// A worker begins to compute.
    pub(super) fn begins(&mut self, worker: u32, stamp: Stamp) {
        let (now, at) = (self.now, worker as usize);
        let (model, state, variation) = (
            &self.world.workers[at],
            &mut self.workers[at],
            &mut self.variations[at],
        );
        let Some(task) = state
            .task
            .as_mut()
            .filter(|_| state.tasks.is_current(stamp))
        else {
            return;
        };
        let (batches, passes) = match task.order {
            Order::Benchmark { batches } => {
                task.factor = variation.round(model);
                (batches, 1)
            }
            Order::Train(TrainOrder { cycle, batches, .. }) => {
                variation.drift_to(model, cycle);
                task.factor = variation.jitter(model, cycle);
                (batches, self.world.config.time_model.passes.into())
            }
        };
        task.last_beat = now;
        let factor = task.factor;
        let pace = state.pace(now, factor, variation.drift_so_far);
        let progress = Progress::new(now, model.speed, passes, batches, pace);
        if let Some(task) = &mut state.task {
            task.stage = Stage::Computing(progress);
        }
        self.look_again(worker);
    }

    /// A worker is done, is to stop, or to send a beat.
    pub(super) fn looks(&mut self, worker: u32, stamp: Stamp) {
        let now = self.now;
        let state = &mut self.workers[worker as usize];
        if !state.tasks.is_current(stamp) {
            return;
        }
        let Some(task) = &mut state.task else {
            return;
        };
        let Stage::Computing(progress) = &mut task.stage else {
            return;
        };
        let done = progress.advance(now);
        let latency = self.world.workers[worker as usize].way.latency;
        match task.order {
            Order::Benchmark { .. } => {
                if progress.is_done() {
                    let took = now.since(progress.began());
                    let in_pipe = false;
                    task.stage = Stage::After {
                        in_pipe,
                        done,
                        took,
                        tail: took,
                    };
                    let happening = Happening::Reports(worker, state.tasks.renew());
                    self.queue.push(now + latency, happening);
                    return;
                }
            }
            Order::Train(TrainOrder {
                cycle,
                stop_by,
                tail_batches,
                ..
            }) => {
                if progress.is_done() || now >= stop_by {
                    let late = now > stop_by - self.world.config.waits.grace;
                    self.overruns += u64::from(late || !progress.is_done());
                    let took = now.since(progress.began());
                    let tail = now.since(progress.reached(done.saturating_sub(tail_batches)));
                    let is_worthless =
                        !progress.is_done() && self.world.config.partial == Partial::Discard;
                    return self.send_result(worker, (done, took, tail), is_worthless);
                }
                (task.last_beat, task.last_beat_done) = (now, done);
                let done = u32::try_from(done).unwrap_or(u32::MAX);
                let beat = Happening::Beats(worker, task.session, cycle, done);
                self.queue.push(now + latency, beat);
            }
        }
        self.look_again(worker);
    }

    /// When a computing worker is next done, to stop, or to send a beat.
    pub(super) fn look_again(&mut self, worker: u32) {
        let state = &mut self.workers[worker as usize];
        let stamp = state.tasks.renew();
        let Some(Task {
            stage: Stage::Computing(progress),
            order,
            last_beat,
            last_beat_done,
            ..
        }) = &state.task
        else {
            return;
        };
        let Some(ends) = progress.ends() else {
            return; // it looks again when it moves again
        };
        let at = match *order {
            Order::Benchmark { .. } => ends,
            Order::Train(TrainOrder {
                beat,
                beat_batches,
                stop_by,
                ..
            }) => {
                let next = ends.min(stop_by).min(*last_beat + beat);
                let batches = progress.reaches(*last_beat_done + beat_batches);
                batches.map_or(next, |batches| next.min(batches))
            }
        };
        let at = at.max(self.now);
        self.queue.push(at, Happening::Looks(worker, stamp));
    }

    fn send_result(
        &mut self,
        worker: u32,
        (done, took, tail): (u64, Span, Span),
        is_worthless: bool,
    ) {
        let mut own = self.world.workers[worker as usize].way.up;
        let mut work = self.world.up.parameters;
        let state = &mut self.workers[worker as usize];
        if is_worthless {
            // It says how far it came, and keeps its parameters.
            (own, work) = (Span::ZERO, Span::ZERO);
        }
        let transfer = Transfer {
            worker,
            stamp: state.tasks.renew(),
            is_data: false,
        };
        if let Some(task) = &mut state.task {
            let in_pipe = work > Span::ZERO;
            task.stage = Stage::After {
                in_pipe,
                done,
                took,
                tail,
            };
            task.own_link = self.now + own;
        }
        if work > Span::ZERO {
            self.up.pipe.begin(self.now, work, transfer);
            self.watch_up();
        } else {
            self.result_through(worker);
        }
    }

    fn result_through(&mut self, worker: u32) {
        let latency = self.world.workers[worker as usize].way.latency;
        let state = &mut self.workers[worker as usize];
        let stamp = state.tasks.stamp();
        if let Some(task) = &mut state.task
            && let Stage::After { in_pipe, .. } = &mut task.stage
        {
            *in_pipe = false;
            let at = task.own_link.max(self.now) + latency;
            self.queue.push(at, Happening::Reports(worker, stamp));
        }
    }

    pub(super) fn reports(&mut self, worker: u32, stamp: Stamp) {
        let state = &mut self.workers[worker as usize];
        if !state.tasks.is_current(stamp) {
            return;
        }
        let Some(Task {
            session,
            order,
            stage: Stage::After {
                done, took, tail, ..
            },
            ..
        }) = state.task.take()
        else {
            return;
        };
        let worker = WorkerId::new(worker);
        self.step(match order {
            Order::Benchmark { batches } => Event::Benchmarked {
                worker,
                session,
                batches,
                took,
            },
            Order::Train(TrainOrder { cycle, .. }) => Event::Trained {
                worker,
                session,
                cycle,
                done,
                took,
                tail,
            },
        });
    }

    /// The data is there; a worker that stands still says so when it moves again.
    pub(super) fn holds(&mut self, worker: u32, stamp: Stamp) {
        let latency = self.world.workers[worker as usize].way.latency;
        let state = &self.workers[worker as usize];
        if state.shipments.is_current(stamp) {
            let at = state.still_until.max(self.now) + latency;
            self.queue.push(at, Happening::Shipped(worker, stamp));
        }
    }

    pub(super) fn shipped(&mut self, worker: u32, stamp: Stamp) {
        let state = &mut self.workers[worker as usize];
        if !state.shipments.is_current(stamp) {
            return;
        }
        if let Some(shipment) = state.shipment.take() {
            self.step(Event::Shipped {
                worker: WorkerId::new(worker),
                session: shipment.session,
                plan: shipment.plan,
                batches: shipment.batches,
            });
        }
    }

    /// Sends off what was ordered in this step.
    pub(super) fn depart(&mut self) {
        if self.departing.is_empty() {
            return;
        }
        let mut departing = std::mem::take(&mut self.departing);
        let service = self.world.config.time_model.service;
        match service {
            LinkService::LastFirst => departing.reverse(),
            LinkService::Ordered => {
                departing
                    .sort_by_key(|(transfer, _)| self.workers[transfer.worker as usize].place());
            }
            LinkService::Shared => {}
        }
        let mut in_turn = Span::ZERO;
        for (transfer, work) in departing.drain(..) {
            // With an order, those that do not take turns begin after those that do.
            if service == LinkService::Ordered
                && !transfer.is_data
                && let Some(task) = &mut self.workers[transfer.worker as usize].task
                && let Order::Train(train) = &task.order
            {
                match train.alone {
                    true => in_turn = in_turn + work,
                    false => task.own_link = task.own_link + in_turn,
                }
            }
            // The order may have been taken back within the same step.
            if self.workers[transfer.worker as usize].awaits(transfer) {
                self.down.pipe.begin(self.now, work, transfer);
            }
        }
        self.departing = departing;
        self.watch_down();
    }

    pub(super) fn look_down(&mut self) {
        self.down.looked_at.take_if(|at| *at <= self.now);
        while let Some(transfer) = self.down.pipe.through(self.now) {
            if transfer.is_data {
                self.data_through(transfer.worker);
            } else {
                self.parameters_through(transfer.worker);
            }
        }
        self.watch_down();
    }

    pub(super) fn look_up(&mut self) {
        self.up.looked_at.take_if(|at| *at <= self.now);
        while let Some(transfer) = self.up.pipe.through(self.now) {
            self.result_through(transfer.worker);
        }
        self.watch_up();
    }

    fn parameters_through(&mut self, worker: u32) {
        let way = &self.world.workers[worker as usize].way;
        let state = &mut self.workers[worker as usize];
        let stamp = state.tasks.stamp();
        if let Some(task) = &mut state.task
            && let Stage::Before { in_pipe } = &mut task.stage
        {
            *in_pipe = false;
            let at = match (task.order, self.world.config.time_model.service) {
                // Its own link has carried its parameters since its turn began.
                (Order::Train(TrainOrder { alone: true, .. }), LinkService::Ordered) => {
                    self.now + (way.down - self.world.down.parameters)
                }
                _ => task.own_link.max(self.now),
            };
            let at = at + way.latency;
            self.queue.push(at, Happening::Begins(worker, stamp));
        }
    }

    fn data_through(&mut self, worker: u32) {
        let latency = self.world.workers[worker as usize].way.latency;
        let state = &mut self.workers[worker as usize];
        let stamp = state.shipments.stamp();
        if let Some(shipment) = &mut state.shipment {
            shipment.in_pipe = false;
            let at = shipment.own_link.max(self.now) + latency;
            self.queue.push(at, Happening::Holds(worker, stamp));
        }
    }

    /// Cuts off what is not waited for any more.
    pub(super) fn clear_waste(&mut self) {
        if self.has_waste {
            self.has_waste = false;
            let workers = &self.workers;
            let awaited = |transfer: Transfer| workers[transfer.worker as usize].awaits(transfer);
            self.down.pipe.keep(self.now, awaited);
            self.up.pipe.keep(self.now, awaited);
            self.watch_down();
            self.watch_up();
        }
    }

    fn watch_down(&mut self) {
        if let Some(at) = self.down.is_to_be_looked_at() {
            self.queue.push(at, Happening::Down);
        }
    }

    fn watch_up(&mut self) {
        if let Some(at) = self.up.is_to_be_looked_at() {
            self.queue.push(at, Happening::Up);
        }
    }

    /// Whether an order reaches the worker in the session that it is for.
    fn hears(&self, worker: u32, session: SessionId) -> bool {
        let state = &self.workers[worker as usize];
        state.is_here() && state.session == Some(session)
    }
}

impl super::driver::Way {
    /// When to look at the pipe, if that is before anybody does. A look that comes too early
    /// finds nothing and asks again: transfers that begin later put the next end off.
    fn is_to_be_looked_at(&mut self) -> Option<Instant> {
        let due = self.pipe.due()?;
        if self.looked_at.is_some_and(|at| at <= due) {
            return None;
        }
        self.looked_at = Some(due);
        Some(due)
    }
}
