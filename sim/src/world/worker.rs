//! What a worker is doing, and its luck.

use scheduler::machine::{CycleId, PlanId, SessionId};
use scheduler::{Instant, Span};

use super::draws::{Draws, Purpose};
use super::model::{Jitter, WorkerModel};
use super::progress::{Pace, Progress};
use crate::engine::{Generation, Stamp};

/// Why a worker is not there. It is when no reason is left.
#[derive(Clone, Copy, Debug)]
pub(super) enum Away {
    /// It has not come yet.
    NotYet = 1,
    /// A fault at a given time.
    Told = 2,
    /// A fault by chance.
    Chance = 4,
}

#[derive(Debug)]
pub(super) struct Worker {
    away: u8,
    /// Since when it is there, if it is.
    pub(super) here_since: Instant,
    /// Its stay, if the scheduler knows of it and it knows that.
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
    /// The own link is through with the parameters then, at the earliest.
    pub(super) own_link: Instant,
    pub(super) last_beat: Instant,
    pub(super) last_beat_done: u64,
    /// By how much luck has it slower in this task.
    pub(super) factor: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Benchmark {
        batches: u64,
    },
    Train {
        cycle: CycleId,
        batches: u64,
        beat: Span,
        beat_batches: u64,
        tail_batches: u64,
        stop_by: Instant,
    },
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

/// So many draws are kept for each gamma: it takes three or a few more, by rejection.
const GAMMA_DRAWS: u64 = 64;

/// The draws of one worker in one run. The draws of a cycle are found by its number: whether the
/// worker was employed in the cycles before does not change them.
#[derive(Debug)]
pub(super) struct Luck {
    /// The factor on all measured times.
    error: f64,
    rounds: Option<Draws>,
    jitter: Option<Draws>,
    next_jitter: u32,
    drift: Option<Draws>,
    drifted: u32,
    /// What the speed has wandered to: the factor by which a batch takes longer.
    pub(super) wandered: f64,
}

impl Luck {
    pub(super) fn new(model: &WorkerModel, seed: u64, replicate: u64, worker: u64) -> Self {
        let benchmark = &model.benchmark;
        let draws =
            |purpose, spreads: bool| spreads.then(|| Draws::new(seed, replicate, worker, purpose));
        let certain = benchmark.error == 0.0 && benchmark.outlier_chance >= 1.0;
        let uncertain = !certain && (benchmark.error > 0.0 || benchmark.outlier_chance > 0.0);
        // What is certain takes no draw.
        let mut error = if certain {
            benchmark.outlier_factor
        } else {
            1.0
        };
        if let Some(mut draws) = draws(Purpose::BenchmarkError, uncertain) {
            error = draws.lognormal(benchmark.error);
            if draws.uniform() < benchmark.outlier_chance {
                error *= benchmark.outlier_factor;
            }
        }
        Self {
            error,
            rounds: draws(Purpose::BenchmarkRound, benchmark.round > 0.0),
            jitter: draws(Purpose::Jitter, model.jitter != Jitter::None),
            next_jitter: 0,
            drift: draws(Purpose::Drift, model.drift > 0.0),
            drifted: 0,
            wandered: 1.0,
        }
    }

    /// By how much longer than it takes the next round of a benchmark is measured.
    pub(super) fn round(&mut self, sigma: f64) -> f64 {
        let round = self.rounds.as_mut();
        self.error * round.map_or(1.0, |draws| draws.lognormal(sigma))
    }

    /// By how much longer a cycle takes than others.
    pub(super) fn jitter(&mut self, jitter: Jitter, cycle: CycleId) -> f64 {
        let Some(draws) = &mut self.jitter else {
            return 1.0;
        };
        let at = u64::from(cycle.get());
        match jitter {
            Jitter::None => 1.0,
            Jitter::Lognormal(sigma) => {
                if self.next_jitter != cycle.get() {
                    draws.seek(at);
                }
                self.next_jitter = cycle.get() + 1;
                draws.lognormal(sigma)
            }
            Jitter::Gamma(shape) => {
                draws.seek(at * GAMMA_DRAWS);
                draws.gamma(shape)
            }
        }
    }

    /// Lets the speed wander up to a cycle.
    pub(super) fn wander(&mut self, sigma: f64, cycle: CycleId) {
        let Some(draws) = &mut self.drift else {
            return;
        };
        while self.drifted < cycle.get() {
            self.wandered *= draws.lognormal(sigma);
            self.drifted += 1;
        }
    }
}
