//! What a worker is doing, and how its times vary.

use scenarios::Draws;
use scenarios::scenario::{Jitter, Purpose, Ratio, WorkerStreams};
use scheduler::machine::{CycleId, PlanId, SessionId, TrainOrder};
use scheduler::{Instant, Span};

use super::model::WorkerModel;
use super::progress::{Pace, Progress};
use crate::engine::{Generation, Stamp};

/// Why a worker is not there. It is when no reason is left.
#[derive(Clone, Copy, Debug)]
pub(super) enum Away {
    /// It has not come yet.
    NotYet = 1,
    /// A fault at a given time.
    Listed = 2,
    /// A random fault.
    Random = 4,
}

#[derive(Debug)]
pub(super) struct Worker {
    away: u8,
    /// Since when it is there, if it is.
    pub(super) here_since: Instant,
    /// Its session, if it was admitted.
    pub(super) session: Option<SessionId>,
    pub(super) warm: bool,
    /// What it is to do: a benchmark or a share. Its generation is that of all that follows.
    pub(super) task: Option<Task>,
    pub(super) tasks: Generation,
    /// Data on its way, or acknowledged.
    pub(super) shipment: Option<Shipment>,
    pub(super) shipments: Generation,
    pub(super) still_until: Instant,
    pub(super) slow: f64,
    pub(super) slow_by_chance: f64,
}

#[derive(Debug)]
pub(super) struct Task {
    pub(super) session: SessionId,
    pub(super) order: Order,
    pub(super) stage: Stage,
    /// The own link has passed the parameters then, at the earliest.
    pub(super) own_link: Instant,
    pub(super) last_beat: Instant,
    pub(super) last_beat_done: u64,
    /// By what factor the random errors make this task slower.
    pub(super) factor: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Benchmark { batches: u64 },
    Train(TrainOrder),
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Parameters are on their way, or it warms up; whether they are in the pipe.
    Before {
        in_pipe: bool,
    },
    Computing(Progress),
    /// The result is on its way; whether it is in the pipe.
    After {
        in_pipe: bool,
        done: u64,
        took: Span,
        tail: Span,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Shipment {
    pub(super) session: SessionId,
    pub(super) plan: PlanId,
    pub(super) batches: u64,
    pub(super) in_pipe: bool,
    pub(super) own_link: Instant,
}

impl Worker {
    pub(super) fn new() -> Self {
        Self {
            away: Away::NotYet as u8,
            here_since: Instant::START,
            session: None,
            warm: false,
            task: None,
            tasks: Generation::default(),
            shipment: None,
            shipments: Generation::default(),
            still_until: Instant::START,
            slow: 1.0,
            slow_by_chance: 1.0,
        }
    }

    pub(super) const fn is_here(&self) -> bool {
        self.away == 0
    }

    pub(super) const fn set_away(&mut self, reason: Away, away: bool) {
        if away {
            self.away |= reason as u8;
        } else {
            self.away &= !(reason as u8);
        }
    }

    pub(super) fn is_still(&self, now: Instant) -> bool {
        self.still_until > now
    }

    /// Forgets all that it was to do; what is still in a pipe is to be cut off.
    pub(super) fn forget(&mut self) {
        self.task = None;
        self.tasks.renew();
        self.shipment = None;
        self.shipments.renew();
    }

    pub(super) fn pace(&self, now: Instant, factor: f64, drift: f64) -> Pace {
        if self.is_still(now) {
            return Pace::STILL;
        }
        Pace::of(factor * drift * self.slow * self.slow_by_chance)
    }

    /// Its place in the order in which the link serves the workers of a cycle.
    pub(super) const fn place(&self) -> u64 {
        match &self.task {
            Some(Task {
                order: Order::Train(train),
                ..
            }) => train.place,
            Some(_) | None => 0,
        }
    }

    /// Whether a transfer, in either pipe, is still waited for.
    pub(super) fn awaits(&self, transfer: Transfer) -> bool {
        if transfer.is_data {
            return self.shipments.is_current(transfer.stamp)
                && matches!(self.shipment, Some(Shipment { in_pipe: true, .. }));
        }
        let Some(task) = &self.task else {
            return false;
        };
        let (Stage::Before { in_pipe } | Stage::After { in_pipe, .. }) = task.stage else {
            return false;
        };
        in_pipe && self.tasks.is_current(transfer.stamp)
    }

    /// Whether a pipe still carries something for it or from it.
    pub(super) const fn uses_a_pipe(&self) -> bool {
        let data = matches!(self.shipment, Some(Shipment { in_pipe: true, .. }));
        let stage = match &self.task {
            Some(task) => Some(&task.stage),
            None => None,
        };
        let parameters = matches!(
            stage,
            Some(Stage::Before { in_pipe: true } | Stage::After { in_pipe: true, .. })
        );
        data || parameters
    }
}

/// What a pipe carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Transfer {
    pub(super) worker: u32,
    /// Of the task, or of the shipment.
    pub(super) stamp: Stamp,
    pub(super) is_data: bool,
}

/// The factor on all times of a worker's first or second benchmark.
fn error(model: &WorkerModel, streams: &WorkerStreams, is_second: bool) -> f64 {
    let draws = &mut streams.draws(Purpose::Benchmark, u32::from(is_second).into());
    1.0 / model.errors.benchmark.draw(draws)
}

/// The number of draws that are reserved for each gamma: it takes three or a few more, by rejection.
const GAMMA_DRAWS: u64 = 64;

/// The random errors of one worker in one run. The draws of a cycle are found by its number: whether
/// the worker was employed in the cycles before does not change them.
#[derive(Debug)]
pub(super) struct Variation {
    streams: WorkerStreams,
    /// The factor on all times of a benchmark, and whether it is that of a second one.
    error: f64,
    is_second: bool,
    rounds: Option<Draws>,
    jitter: Option<Draws>,
    next_jitter: u32,
    drift: Option<Draws>,
    drifted: u32,
    /// What the drift has come to: the factor by which a batch takes longer.
    pub(super) drift_so_far: f64,
}

impl Variation {
    pub(super) fn new(model: &WorkerModel, streams: &WorkerStreams) -> Self {
        let errors = &model.errors;
        let counted = |purpose, varies: bool| varies.then(|| streams.draws(purpose, 0).counted());
        Self {
            streams: *streams,
            error: error(model, streams, false),
            is_second: false,
            rounds: counted(Purpose::Round, model.round > Ratio::ZERO),
            jitter: counted(Purpose::Jitter, errors.jitter != Jitter::None),
            next_jitter: 0,
            drift: counted(Purpose::Drift, errors.drift > Ratio::ZERO),
            drifted: 0,
            drift_so_far: 1.0,
        }
    }

    /// A round of this benchmark follows: a second one has an error of its own.
    pub(super) fn measures(&mut self, model: &WorkerModel, is_second: bool) {
        if is_second != self.is_second {
            self.is_second = is_second;
            self.error = error(model, &self.streams, is_second);
        }
    }

    /// By how much longer than it takes the next round of a benchmark is measured.
    pub(super) fn round(&mut self, model: &WorkerModel) -> f64 {
        let round = self.rounds.as_mut();
        self.error * round.map_or(1.0, |draws| draws.lognormal(model.round.as_f64()))
    }

    /// By how much longer a cycle takes than others.
    pub(super) fn jitter(&mut self, model: &WorkerModel, cycle: CycleId) -> f64 {
        let Some(draws) = &mut self.jitter else {
            return 1.0;
        };
        let jitter = model.errors.jitter;
        let reserved = match jitter {
            Jitter::Gamma(_) => GAMMA_DRAWS,
            Jitter::None | Jitter::Lognormal(_) => 1,
        };
        if reserved > 1 || self.next_jitter != cycle.get() {
            draws.seek(u64::from(cycle.get()) * reserved);
        }
        self.next_jitter = cycle.get() + 1;
        jitter.draw(draws)
    }

    /// Lets the speed drift up to a cycle.
    pub(super) fn drift_to(&mut self, model: &WorkerModel, cycle: CycleId) {
        let Some(draws) = &mut self.drift else {
            return;
        };
        while self.drifted < cycle.get() {
            self.drift_so_far *= model.errors.drift(draws);
            self.drifted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduler::{Fee, Speed};

    #[test]
    fn a_cycle_s_jitter_does_not_depend_on_the_cycles_before() {
        let speed = Speed::measured(1, Span::from_secs(1)).expect("valid");
        let mut model = WorkerModel::new(speed, Fee::ZERO);
        let streams = WorkerStreams::new(1, 2, 3);
        for jitter in [Jitter::Lognormal(Ratio::ONE), Jitter::Gamma(Ratio::ONE)] {
            model.errors.jitter = jitter;
            let of = |cycles: &[u32]| {
                let mut variation = Variation::new(&model, &streams);
                let cycles = cycles.iter();
                cycles
                    .map(|cycle| variation.jitter(&model, CycleId::new(*cycle)))
                    .collect::<Vec<f64>>()
            };
            let all = of(&[0, 1, 2, 3, 4, 5]);
            assert_eq!(of(&[1, 2, 5]), [all[1], all[2], all[5]]);
            assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
        }
    }
}
