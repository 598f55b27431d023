//! The workers of one replicate, drawn.

use scheduler::machine::Profile;
use scheduler::{Fee, Link, MAX_BATCHES, Span, Speed};

use crate::draw::Draws;
use crate::math::exp;
use crate::scenario::Scenario;
use crate::scenario::drawn::Drawn;
use crate::scenario::job::Fees;
use crate::scenario::unit::{BatchRate, BitRate, Ratio};
use crate::scenario::worker::{BenchmarkError, Group, Jitter};

/// What a draw is for: each purpose of each worker has streams of its own.
///
/// The numbers are part of every stream's key and never change or are used again. They lie apart
/// from those of the families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Its true speed.
    Speed = 0x101,
    /// Its connection to it.
    Down = 0x102,
    /// Its connection from it.
    Up = 0x103,
    /// Its latency.
    Latency = 0x104,
    /// Its fee.
    Fee = 0x105,
    /// When it comes.
    Joins = 0x106,
    /// The error of a benchmark, by stay.
    Benchmark = 0x107,
    /// The jitter of a cycle, by cycle.
    Jitter = 0x108,
    /// The drift of a cycle, by cycle.
    Drift = 0x109,
    /// When it drops out, by stay.
    Dropout = 0x10a,
    /// When it returns, by stay.
    Return = 0x10b,
    /// Its stalls, by their number.
    Stall = 0x10c,
    /// Its slowdowns, by their number.
    Slowdown = 0x10d,
    /// Whatever a driver has to draw beside these.
    Driver = 0x10e,
}

/// A worker's own luck in one replicate: streams that depend on the seed, the replicate, the
/// worker's name, the purpose and a number, and on nothing else. So neither another worker nor
/// another draw shifts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Luck {
    seed: u64,
    replicate: u64,
    name: u64,
}

impl Luck {
    /// The luck of a name.
    pub fn of(seed: u64, replicate: u64, name: &str) -> Self {
        // FNV-1a, which will never change.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self {
            seed,
            replicate,
            name: hash,
        }
    }

    /// The stream for a purpose; `number` tells stays, cycles and the like apart.
    pub fn draws(&self, purpose: Purpose, number: u64) -> Draws {
        let key = [self.seed, purpose as u64, self.name, self.replicate];
        Draws::of_key(key, number)
    }
}

/// A worker as it truly is in one replicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSpec {
    /// Its name.
    pub name: String,
    /// Its true speed.
    pub rate: BatchRate,
    /// Its own connection, from the orchestrator.
    pub down: BitRate,
    /// Its own connection, to the orchestrator.
    pub up: BitRate,
    /// One way.
    pub latency: Span,
    /// What it tells the scheduler when it joins: its fees, its connection, its memory.
    pub profile: Profile,
    /// The factor on the time of each cycle.
    pub jitter: Jitter,
    /// The standard deviation of each cycle's step of the drift.
    pub drift: Ratio,
    /// What its benchmarks get wrong.
    pub benchmark: BenchmarkError,
    /// When it comes, from the beginning of the run.
    pub joins: Span,
    /// Its streams of draws.
    pub luck: Luck,
}

impl WorkerSpec {
    /// Its true speed as the scheduler would measure it.
    pub fn speed(&self) -> Speed {
        self.rate.speed()
    }

    /// By what factor its benchmark reads too fast in a stay.
    pub fn benchmark_factor(&self, stay: u64) -> f64 {
        self.benchmark
            .draw(&mut self.luck.draws(Purpose::Benchmark, stay))
    }

    /// How many times longer than usual a cycle takes, apart from the drift.
    pub fn jitter_factor(&self, cycle: u64) -> f64 {
        self.jitter
            .draw(&mut self.luck.draws(Purpose::Jitter, cycle))
    }

    /// By what factor a cycle's drift differs from that of the cycle before: the drift is the
    /// product of all so far.
    pub fn drift_step(&self, cycle: u64) -> f64 {
        if self.drift == Ratio::ZERO {
            return 1.0;
        }
        self.luck
            .draws(Purpose::Drift, cycle)
            .lognormal(self.drift.as_f64())
    }

    /// An exponential time of a given mean, such as until a dropout.
    pub fn exponential(&self, purpose: Purpose, number: u64, mean: Span) -> Span {
        let drawn = Drawn::Exponential { mean };
        drawn.draw(&mut self.luck.draws(purpose, number))
    }
}

impl BenchmarkError {
    pub(crate) fn draw(&self, draws: &mut Draws) -> f64 {
        exp(self.draw_exponent(draws))
    }

    /// The logarithm of what [`BenchmarkError::draw`] draws.
    pub(crate) fn draw_exponent(&self, draws: &mut Draws) -> f64 {
        // All three are drawn always, so that a changed error moves nothing else.
        let (cold, normal, slow) = (draws.unit(), draws.normal(), draws.exponential());
        if cold < self.cold.as_f64() {
            -self.cold_mean.as_f64() * slow
        } else {
            self.bias_micros as f64 / 1e6 + self.sigma.as_f64() * normal
        }
    }
}

impl Jitter {
    pub(crate) fn draw(self, draws: &mut Draws) -> f64 {
        match self {
            Self::None => 1.0,
            Self::Lognormal(sigma) => draws.lognormal(sigma.as_f64()),
            Self::Gamma(shape) => draws.gamma(shape.as_f64()),
        }
    }
}

impl Group {
    /// The names of its workers.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (1..=self.count).map(|i| match self.count {
            1 => self.name.clone(),
            _ => format!("{}-{i}", self.name),
        })
    }
}

impl Scenario {
    /// The workers of one replicate, in the order of the file. The scheduler's
    /// [`WorkerId`](scheduler::machine::WorkerId) of each is its place.
    pub fn fleet(&self, seed: u64, replicate: u64) -> Vec<WorkerSpec> {
        let named = self.groups().iter();
        let named = named.flat_map(|group| group.names().map(move |name| (group, name)));
        let worker = |(place, (group, name)): (usize, (&Group, String))| {
            let luck = Luck::of(seed, replicate, &name);
            self.worker(group, name, place, luck)
        };
        named.enumerate().map(worker).collect()
    }

    fn worker(&self, group: &Group, name: String, place: usize, luck: Luck) -> WorkerSpec {
        let draws = |purpose| luck.draws(purpose, 0);
        let (down, up) = (
            group.down.draw(&mut draws(Purpose::Down)),
            group.up.draw(&mut draws(Purpose::Up)),
        );
        let latency = group.latency.draw(&mut draws(Purpose::Latency));
        let model = self.model();
        let ship = down.time_for(model.batch);
        let ship = group
            .shipping
            .map_or(ship, |rate| ship.max(rate.time_of_one()));
        let most = match group.memory {
            Some(memory) if model.batch.get() > 0 => memory.get() / model.batch.get(),
            Some(_) | None => MAX_BATCHES,
        };
        let declared = group.fee.map(|fee| fee.draw(&mut draws(Purpose::Fee)));
        WorkerSpec {
            down,
            up,
            latency,
            rate: group.speed.draw(&mut draws(Purpose::Speed)),
            profile: Profile {
                fee: self.fees().of(place, declared, luck),
                least_fee: group.least_fee,
                link: Link {
                    transfer: down.time_for(model.parameters) + up.time_for(model.parameters),
                    latency: latency * 2,
                    ship,
                },
                most: most.min(MAX_BATCHES),
            },
            jitter: group.jitter,
            drift: group.drift,
            benchmark: group.benchmark,
            joins: group.joins.draw(&mut draws(Purpose::Joins)),
            name,
            luck,
        }
    }
}

impl Fees {
    /// What the worker at a place, from 0, is paid for a batch; `declared` is what it asks for
    /// itself, which counts only when fees are declared.
    pub fn of(&self, place: usize, declared: Option<Fee>, luck: Luck) -> Fee {
        let units = |units: u64| Fee::from_micros(units * 1_000_000).unwrap_or(Fee::MAX);
        match self {
            Self::Constant(fee) => *fee,
            Self::Linear => units(place as u64 + 1),
            Self::Random => units(luck.draws(Purpose::Fee, 0).between(1, 20)),
            Self::Specific { fees, default } => fees.get(place).copied().unwrap_or(*default),
            Self::Declared { default } => declared.unwrap_or(*default),
        }
    }
}
