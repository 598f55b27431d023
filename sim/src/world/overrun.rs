//! How often workers overrun that were given exactly as much as fits: the risk as asked for and
//! as it turns out.

use scenarios::scenario::{BenchmarkError, Jitter, Ratio};
use scheduler::machine::{Config, Fate, Limit, Record, Replan};
use scheduler::{
    CapacityModel, Failure, FailureReason, Fee, Instant, Margin, PlanRequest, TimeModel,
};
use scheduler::{Outcome, Plan, PlanStatus, Planned, Problem, Span, Speed};

use super::driver::{Observers, run};
use super::model::{Way, WorkerModel, World};

/// An experiment: workers at their `s_max`, in a number of runs, with the whole state machine.
///
/// Beside them there is one worker that is infinitely fast and takes what is left over, so that
/// the others can be given exactly what fits; it is not counted.
#[derive(Clone, Copy, Debug)]
pub struct OverrunStudy {
    /// Runs; each draws its own benchmark errors.
    pub runs: u64,
    /// Workers in each.
    pub workers: u32,
    /// Cycles in each.
    pub cycles: u32,
    /// Batches that a worker does in a cycle's second: `s_max` is about as many.
    pub batches: u64,
    /// Sigma of the benchmark's error.
    pub error: Ratio,
    /// A cycle's jitter.
    pub jitter: Jitter,
    /// What a cycle takes beside the computing, of one second.
    pub fixed: Span,
    /// Which time model the capacities follow.
    pub capacity: CapacityModel,
    /// The margin that they leave.
    pub margin: Margin,
    /// The seed.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overruns {
    /// Workers that overran in the first cycle: independent of one another.
    pub worker_runs: Share,
    /// Workers that overran, of all cycles. Those of one run share their benchmark's error.
    pub worker_cycles: Share,
    /// Cycles in which any worker did.
    pub cycles: Share,
    /// Runs in which any did.
    pub jobs: Share,
}

/// A share of independent or dependent cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Cases in which it was so.
    pub count: u64,
    /// All cases.
    pub of: u64,
}

impl Share {
    /// The share as a number; 0 of none.
    pub fn value(self) -> f64 {
        self.count as f64 / self.of.max(1) as f64
    }

    const fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            of: self.of + other.of,
        }
    }

    const fn add(&mut self, hit: bool) {
        self.count += hit as u64;
        self.of += 1;
    }
}

impl Overruns {
    /// With what came of other runs.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            worker_runs: self.worker_runs.and(other.worker_runs),
            worker_cycles: self.worker_cycles.and(other.worker_cycles),
            cycles: self.cycles.and(other.cycles),
            jobs: self.jobs.and(other.jobs),
        }
    }
}

/// One run of a world whose last worker takes what is left over, as [`with_filler`] makes it.
pub fn overruns(world: &World, seed: u64, replicate: u64) -> Overruns {
    let mut overruns = Overruns::default();
    let filler = world.workers.len() as u32 - 1;
    let (mut in_cycle, mut in_job) = (false, false);
    let mut sink = |_, record: &Record| match record {
        Record::Assignment(lot) if lot.worker.get() < filler => {
            let overran = lot.fate != Fate::Complete;
            overruns.worker_cycles.add(overran);
            if lot.cycle.get() == 1 {
                overruns.worker_runs.add(overran);
            }
            in_cycle |= overran;
        }
        Record::Cycle(_) => {
            overruns.cycles.add(in_cycle);
            in_job |= in_cycle;
            in_cycle = false;
        }
        _ => {}
    };
    let mut allocate = |request: &PlanRequest| request.cheapest(fill_all_but_last);
    run(
        world,
        seed,
        replicate,
        &mut allocate,
        Observers::of_rows(&mut sink),
    );
    overruns.jobs.add(in_job);
    overruns
}

/// A world in which every worker can be given exactly what fits: one that is infinitely fast
/// comes last and takes the rest of fifty times what the others can do.
///
/// Faults, late comers and memories are left out, and data is there at once: the risk is of
/// benchmarks and speeds alone. Nobody waits for late results, and nothing is learnt after the
/// benchmarks: every cycle has the shares that they gave.
pub fn with_filler(mut world: World) -> World {
    let span = match world.config.limit {
        Limit::Job { max_time, .. } => max_time / u64::from(world.config.cycles),
        Limit::Cycle(span) => span,
    };
    world.config.limit = Limit::Cycle(span);
    let mut most: u64 = 0;
    for worker in &mut world.workers {
        most = most.saturating_add(worker.speed.batches_in(span));
        worker.faults.clear();
        (worker.dropouts, worker.stalls, worker.slowdowns) = (None, None, None);
        worker.joins_at = Instant::START;
        worker.profile.most = scheduler::MAX_BATCHES;
        (worker.profile.link.ship, worker.way.batch) = (Span::ZERO, Span::ZERO);
        worker.profile.fee = Fee::ZERO;
    }
    let fastest = Speed::measured(scheduler::MAX_BATCHES, Span::from_nanos(1));
    let filler = WorkerModel::new(fastest.expect("the most batches"), Fee::MAX);
    world.workers.push(filler);
    (world.down.batch, world.up.batch) = (Span::ZERO, Span::ZERO);
    let config = &mut world.config;
    config.time_model.shared_ship = Span::ZERO;
    config.waits.grace = Span::ZERO;
    config.replan = Replan::Static;
    config.batches = most.saturating_mul(50).clamp(1, scheduler::MAX_BATCHES);
    config.beta = 0;
    config.expect = world.workers.len() as u32;
    world
}

impl OverrunStudy {
    /// Ten workers, five cycles of a second, of which a tenth goes to what is not computing, and
    /// the errors of the recorded labs' benchmarks.
    pub fn of_risk(risk_ppm: u32) -> Self {
        Self {
            runs: 1_000,
            workers: 10,
            cycles: 5,
            batches: 1_000,
            error: Ratio::from_micros(217_000),
            jitter: Jitter::Lognormal(Ratio::from_micros(100_000)),
            fixed: Span::from_millis(100),
            capacity: CapacityModel::Full,
            margin: Margin::lognormal(risk_ppm, 238_933), // the root of both squares' sum
            seed: 1,
        }
    }

    /// Does the runs.
    ///
    /// # Panics
    /// When a number lies out of a job's bounds.
    pub fn run(&self) -> Overruns {
        let world = self.world();
        (0..self.runs).fold(Overruns::default(), |sum, replicate| {
            sum.and(overruns(&world, self.seed, replicate))
        })
    }

    /// The world of all runs; its last worker takes what is left over.
    ///
    /// # Panics
    /// When a number lies out of a job's bounds.
    pub fn world(&self) -> World {
        let limit = Limit::Cycle(Span::from_secs(1));
        let mut config = Config::new(1, self.cycles, limit);
        config.max_workers = self.workers + 1;
        config.benchmark.rounds = 1;
        config.time_model = TimeModel {
            capacity: self.capacity,
            ..TimeModel::COMPUTE
        };
        config.margins.benchmarked = self.margin;
        let speed = Speed::measured(self.batches, Span::from_secs(1));
        let way = Way {
            down: self.fixed / 2,
            up: self.fixed - self.fixed / 2,
            ..Way::default()
        };
        let mut subject = WorkerModel::new(speed.expect("a batch at least"), Fee::ZERO);
        subject = subject.with_way(way);
        subject.errors.jitter = self.jitter;
        subject.errors.benchmark = BenchmarkError {
            sigma: self.error,
            ..BenchmarkError::NONE
        };
        with_filler(World::new(config, vec![subject; self.workers as usize]))
    }
}

/// Gives each worker as much as fits, and the last one what is left.
fn fill_all_but_last(problem: &Problem) -> Outcome {
    if let Some(infeasible) = problem.infeasibility() {
        return Outcome::Infeasible(infeasible);
    }
    let mut batches: Vec<u64> = problem.workers().iter().map(|w| w.s_max).collect();
    let last = batches.pop();
    let given: u64 = batches.iter().sum();
    match problem.n().checked_sub(given) {
        Some(left) if last.is_some_and(|last| left <= last) => {
            batches.push(left);
            Outcome::Planned(Planned {
                plan: Plan::costed(problem, batches),
                status: PlanStatus::Feasible,
                lower_bound: None,
                certificate: None,
            })
        }
        Some(_) | None => Outcome::Failed(Failure {
            reason: FailureReason::NoPlanFound,
            message: "a study has room for what fits its workers, and for the rest".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, Gamma};

    fn study(risk_ppm: u32) -> OverrunStudy {
        OverrunStudy {
            runs: 40,
            workers: 200,
            cycles: 1,
            ..OverrunStudy::of_risk(risk_ppm)
        }
    }

    #[test]
    fn risk_is_what_was_asked_for() {
        for risk_ppm in [500_000, 200_000, 50_000, 10_000] {
            let overruns = study(risk_ppm).run();
            let (risk, found) = (f64::from(risk_ppm) / 1e6, overruns.worker_runs);
            assert_eq!(found.of, 8_000);
            assert!(
                (found.value() / risk - 1.0).abs() < 1.0 / 3.0,
                "{found:?} of risk {risk}"
            );
        }
    }

    /// The margin is the gamma's own quantile, from a library.
    #[test]
    fn gamma_jitter_overruns_as_often_as_was_asked_for() {
        for (shape, risk) in [(25.0, 0.2), (100.0, 0.05), (2.0, 0.05)] {
            let gamma = Gamma::new(shape, shape).expect("valid");
            let overruns = OverrunStudy {
                error: Ratio::ZERO,
                jitter: Jitter::Gamma(Ratio::from_micros((shape * 1e6) as u64)),
                margin: Margin::from_ppb((gamma.inverse_cdf(1.0 - risk) * 1e9) as u64),
                ..study(500_000)
            };
            let found = overruns.run().worker_runs;
            let error = 5.0 * (risk * (1.0 - risk) / 8_000.0_f64).sqrt();
            assert!(
                (found.value() - risk).abs() < error,
                "{found:?} of risk {risk}"
            );
        }
    }

    #[test]
    fn capacities_of_computing_alone_overrun_nearly_always() {
        let compute_only = OverrunStudy {
            capacity: CapacityModel::ComputeOnly,
            fixed: Span::from_millis(400),
            runs: 5,
            ..study(50_000)
        };
        assert!(compute_only.run().worker_runs.value() > 0.9);
    }

    #[test]
    fn a_cycle_misses_when_any_worker_does() {
        let few = OverrunStudy {
            workers: 10,
            runs: 600,
            cycles: 3,
            ..study(50_000)
        };
        let overruns = few.run();
        // 1 - 0.95^10 = 0.40, if each worker is at its s_max.
        let cycles = overruns.cycles.value();
        assert!((cycles - 0.40).abs() < 0.06, "{overruns:?}");
        assert!(overruns.jobs.value() > cycles);
        assert_eq!((overruns.cycles.of, overruns.jobs.of), (1_800, 600));
    }
}
