//! What a simulated world is made of: plain numbers, in nanoseconds and factors.

use scenarios::scenario::{Errors, Ratio};
use scheduler::machine::{Config, Profile};
use scheduler::{Fee, Instant, Link, Span, Speed};

pub use super::pipe::Service;

/// A job and the world that it runs in.
///
/// What the scheduler gets (`config`, each worker's `profile`) and the truth (everything else) are
/// separate: a world in which they differ is one in which the scheduler is wrong.
#[derive(Clone, Debug)]
pub struct World {
    /// The job, as the scheduler gets it.
    pub config: Config,
    /// The workers; the index is the worker's number.
    pub workers: Vec<WorkerModel>,
    /// The orchestrator's link towards the workers.
    pub down: PipeModel,
    /// The orchestrator's link from the workers.
    pub up: PipeModel,
    /// How long the orchestrator takes to average, and to evaluate if it waits for it.
    pub aggregation: Span,
    /// What each result adds to that.
    pub aggregation_per_result: Span,
    /// How long the allocator takes.
    pub solving: SolveModel,
}

/// One way of the orchestrator's link. The default is infinitely fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeModel {
    /// How transfers share it.
    pub service: Service,
    /// How long one worker's parameters take alone.
    pub parameters: Span,
    /// How long one batch of data takes alone.
    pub batch: Span,
}

impl PipeModel {
    /// No time at all.
    pub const INSTANT: Self = Self {
        service: Service::Fair,
        parameters: Span::ZERO,
        batch: Span::ZERO,
    };
}

/// How long an allocator's answer takes: a model, so that a run does not depend on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SolveModel {
    /// For a question,
    pub fixed: Span,
    /// and for each candidate of each problem that was solved for it.
    pub per_candidate: Span,
}

/// One worker as it is.
#[derive(Clone, Debug)]
pub struct WorkerModel {
    /// What the scheduler knows of it.
    pub profile: Profile,
    /// How fast it trains, before all that follows.
    pub speed: Speed,
    /// By how much its times differ from what its speed says. The error of its benchmarks is drawn
    /// once in a run, and once more if it measures itself a second time because there was no plan.
    pub errors: Errors,
    /// Sigma of a lognormal factor of median 1 on each round of a benchmark.
    pub round: Ratio,
    /// How long it warms up before the first round of a session; it is not measured.
    pub warm_up: Span,
    /// Tells its random streams from those of others; its place in the world if `None`.
    pub key: Option<u64>,
    /// Its own link.
    pub way: Way,
    /// When it is there first.
    pub joins_at: Instant,
    /// How long it takes to notice that its connection broke; `None` if only its silence tells.
    pub noticed_after: Option<Span>,
    /// How long after it was turned out it comes again; `None` if it does not. Who was turned
    /// away for good never does.
    pub rejoins_after: Option<Span>,
    /// What happens to it at given times, in the order of time.
    pub faults: Vec<(Instant, Fault)>,
    /// What happens to it by chance.
    pub dropouts: Option<Renewal>,
    /// As [`Fault::Stall`].
    pub stalls: Option<Renewal>,
    /// As [`Fault::Slow`], with the factor by which a batch takes longer.
    pub slowdowns: Option<(Renewal, f64)>,
}

/// A worker's own link. A transfer takes the longer of its time here and its time in the
/// orchestrator's pipe, and the latency comes on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The parameters to the worker.
    pub down: Span,
    /// The parameters from the worker.
    pub up: Span,
    /// One batch of data to the worker.
    pub batch: Span,
    /// Each way.
    pub latency: Span,
}

/// Something that happens to a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// It is gone, with all that it was doing.
    Leave,
    /// It is back.
    Return,
    /// From then on a batch takes this many times as long as by `speed`; 1 ends it.
    Slow(f64),
    /// It stands still for so long: it computes and says nothing.
    Stall(Span),
}

/// Something that begins and ends by chance, both after exponential times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// From an end to the next beginning, on average.
    pub every: Span,
    /// From a beginning to its end, on average.
    pub lasts: Span,
}

impl World {
    /// A job among these workers with a link and an orchestrator that take no time.
    pub const fn new(config: Config, workers: Vec<WorkerModel>) -> Self {
        Self {
            config,
            workers,
            down: PipeModel::INSTANT,
            up: PipeModel::INSTANT,
            aggregation: Span::ZERO,
            aggregation_per_result: Span::ZERO,
            solving: SolveModel {
                fixed: Span::ZERO,
                per_candidate: Span::ZERO,
            },
        }
    }
}

impl WorkerModel {
    /// A worker that is always there, exactly as fast as it measures, with a link that takes no
    /// time.
    pub const fn new(speed: Speed, fee: Fee) -> Self {
        Self {
            profile: Profile {
                fee,
                least_fee: Fee::ZERO,
                link: Link {
                    transfer: Span::ZERO,
                    latency: Span::ZERO,
                    ship: Span::ZERO,
                },
                most: u64::MAX,
                tariff: None,
            },
            speed,
            errors: Errors::NONE,
            round: Ratio::ZERO,
            warm_up: Span::ZERO,
            key: None,
            way: Way {
                down: Span::ZERO,
                up: Span::ZERO,
                batch: Span::ZERO,
                latency: Span::ZERO,
            },
            joins_at: Instant::START,
            noticed_after: Some(Span::ZERO),
            rejoins_after: Some(Span::from_secs(1)),
            faults: Vec::new(),
            dropouts: None,
            stalls: None,
            slowdowns: None,
        }
    }

    /// With this link, which the scheduler knows exactly.
    #[must_use]
    pub fn with_way(mut self, way: Way) -> Self {
        self.way = way;
        self.profile.link = Link {
            transfer: way.down + way.up,
            latency: way.latency * 2,
            ship: way.batch,
        };
        self
    }
}
