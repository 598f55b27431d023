//! One cycle of a plan that was made beforehand, at true speeds that scatter around the
//! capacities that it was made for.

use scenarios::Draws;
use scenarios::scenario::{BenchmarkError, SignedRatio};
use scheduler::machine::{Config, Limit};
use scheduler::{Outcome, Plan, PlanResponse, PlanStatus, Planned, Problem, Span, Speed};
use xxhash_rust::xxh3::xxh3_64;

use super::driver::{Observers, run};
use super::model::{WorkerModel, World};

/// How long a cycle has.
const LIMIT: Span = Span::from_secs(1);

/// Sigma of the logarithm of a worker's true speed.
const SIGMA: f64 = 0.1;

/// The cycle waits so long for late results: no speed that can be drawn (at 8.3 sigma) is half as
/// slow as that.
const GRACE: Span = Span::from_secs(5);

/// Sets these draws apart from all others of a seed.
const PURPOSE: u64 = u64::from_le_bytes(*b"allotval");

/// Batches of a benchmark: enough that a nanosecond is little of its time at any speed.
const BENCHMARK_BATCHES: u64 = 1_000;

/// The benchmark of the slowest takes less: a batch a second at 8.3 sigma.
const BENCHMARK_LIMIT: Span = Span::from_secs(10 * BENCHMARK_BATCHES);

/// A benchmark reads a little too fast (by this logarithm), so that no rounding takes a batch from
/// a capacity: what holds it at `s_max` exactly is [`Profile::most`](scheduler::machine::Profile).
const BENCHMARK_BIAS: f64 = 0.01;

/// Runs plans for one cycle of a second each, through the state machine, in a world where worker
/// `i` truly trains `s_max_i · f_i` batches per second, and links take no time.
///
/// The factors `f_i` are lognormal of median 1 and sigma 0.1. They are a matter of the seed, the
/// family, the test and the worker's place in the problem alone: every plan of a test meets the
/// same ones. The scheduler knows the capacities that the plan was made for, and no more.
/// Workers that the plan leaves idle are not there.
#[derive(Debug)]
pub struct OneCycle {
    /// How long each worker of the test truly takes for `s_max` batches.
    takes: Vec<Span>,
    /// Kept for its memory.
    world: World,
}

/// What became of the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CycleEnd {
    /// Until the last employed worker has finished all of its batches, however long after the
    /// limit: nothing is truncated.
    pub makespan: Span,
    /// Whether that is longer than the cycle has.
    pub missed: bool,
    /// Employed workers that needed longer than the cycle has.
    pub late: u64,
}

impl OneCycle {
    /// Nothing is drawn yet.
    pub fn new() -> Self {
        let mut config = Config::new(1, 1, Limit::Cycle(LIMIT));
        config.benchmark.batches = BENCHMARK_BATCHES;
        config.benchmark.rounds = 1;
        config.benchmark.limit = BENCHMARK_LIMIT;
        config.waits.gather = BENCHMARK_LIMIT;
        config.waits.grace = GRACE;
        Self {
            takes: Vec::new(),
            world: World::new(config, Vec::new()),
        }
    }

    /// Draws the true speeds of a test's workers.
    pub fn draw(&mut self, seed: u64, family: &str, test: u64, workers: usize) {
        // One stream for each test, one draw for each worker: it depends on its place alone.
        let key = [seed, xxh3_64(family.as_bytes()), 0, PURPOSE];
        let mut draws = Draws::of_key(key, test).counted();
        let mut takes = || LIMIT.nanos() as f64 / draws.lognormal(SIGMA);
        self.takes.clear();
        let spans = (0..workers).map(|_| Span::from_nanos(takes().round() as u64));
        self.takes.extend(spans);
    }

    /// How long each worker of the test takes for `s_max` batches, by what was drawn.
    pub fn takes(&self) -> &[Span] {
        &self.takes
    }

    /// Runs a plan of the problem that the speeds were drawn for.
    ///
    /// # Panics
    /// When it is not a plan of that problem.
    pub fn run(&mut self, problem: &Problem, plan: &Plan) -> CycleEnd {
        let workers = problem.workers();
        assert_eq!(
            (plan.batches.len(), self.takes.len()),
            (workers.len(), workers.len()),
            "speeds are drawn for the workers of the problem that the plan is of"
        );
        self.world.workers.clear();
        let mut batches = Vec::new();
        for ((worker, &takes), &share) in workers.iter().zip(&self.takes).zip(&plan.batches) {
            if share == 0 {
                continue;
            }
            let speed = Speed::measured(worker.s_max, takes);
            let speed = speed.expect("who is employed can take a batch, in some seconds at most");
            let mut model = WorkerModel::new(speed, worker.fee);
            model.profile.most = worker.s_max;
            let reads = (takes.seconds_f64() / LIMIT.seconds_f64()).ln() + BENCHMARK_BIAS;
            model.errors.benchmark = BenchmarkError {
                bias: SignedRatio::from_micros((reads * 1e6).round() as i64),
                ..BenchmarkError::NONE
            };
            self.world.workers.push(model);
            batches.push(share);
        }
        if batches.is_empty() {
            return CycleEnd::default(); // no batches, no cycle
        }
        let employed = batches.len() as u64;
        let config = &mut self.world.config;
        config.batches = problem.n();
        config.s_min = problem.s_min();
        config.beta = problem.beta();
        config.expect = batches.len() as u32; // at most MAX_WORKERS
        config.max_workers = config.expect;
        let mut answer = Some(PlanResponse {
            employed,
            outcome: Outcome::Planned(Planned {
                plan: Plan {
                    batches,
                    cost: plan.cost,
                },
                status: PlanStatus::Feasible,
                lower_bound: None,
                certificate: None,
            }),
            solves: 1,
        });
        let mut allocate = |_: &_| answer.take().expect("a static plan is asked for once");
        let totals = run(&self.world, 0, 0, &mut allocate, Observers::default());
        assert!(
            totals.end.totals.complete == 1 && totals.end.totals.lost == 0,
            "a cycle that waits for all workers is complete: {totals:?}"
        );
        CycleEnd {
            makespan: totals.end.wall(),
            missed: totals.end.is_missed(),
            late: totals.overruns,
        }
    }
}

impl Default for OneCycle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use scheduler::{Fee, MAX_BATCHES, Worker};

    /// A problem and a plan of it: each worker's capacity, and its share as a part of that.
    fn planned(workers: &[(u64, u64)], lot: u64, beta: u64) -> (Problem, Plan) {
        let fee = |index: u64| Fee::from_micros(1 + index).expect("small");
        let each = |(index, &(s_max, _))| Worker {
            s_max,
            fee: fee(index),
        };
        let listed = (0..).zip(workers).map(each).collect();
        let mut batches: Vec<u64> = workers.iter().map(|(s_max, x)| *x.min(s_max)).collect();
        for x in &mut batches {
            *x = if *x < lot { 0 } else { *x };
        }
        let n = batches.iter().sum();
        let employed = batches.iter().filter(|x| **x > 0).count() as u64;
        let problem = Problem::new(n, lot, beta.min(employed), listed).expect("within bounds");
        let plan = Plan::costed(&problem, batches);
        plan.verify(&problem).expect("it is a plan");
        (problem, plan)
    }

    /// Straight from the draws: worker `i` takes `x_i` of the `s_max_i`-th parts of its time.
    fn expected(problem: &Problem, plan: &Plan, takes: &[Span]) -> CycleEnd {
        let mut end = CycleEnd::default();
        for ((worker, x), takes) in problem.workers().iter().zip(&plan.batches).zip(takes) {
            if *x == 0 {
                continue;
            }
            let nanos = (u128::from(*x) * u128::from(takes.nanos())).div_ceil(worker.s_max.into());
            let is_late = nanos > 1_000_000_000;
            end.late += u64::from(is_late);
            end.missed |= is_late;
            let nanos = Span::from_nanos(u64::try_from(nanos).expect("some seconds"));
            end.makespan = end.makespan.max(nanos);
        }
        end
    }

    #[test]
    fn a_worker_at_its_capacity_is_late_when_it_is_slower_than_thought() {
        let (problem, plan) = planned(&[(4, 4), (4, 2), (0, 0), (9, 0)], 0, 0);
        let mut cycle = OneCycle::new();
        for (takes, makespan, late) in [
            ([1_000, 2_000], 1_000, 0), // at the limit is in time
            ([1_001, 2_000], 1_001, 1),
            ([999, 2_002], 1_001, 1),
            ([1_100, 2_400], 1_200, 2),
            ([500, 500], 500, 0),
        ] {
            let [one, two] = takes.map(Span::from_millis);
            cycle.takes = vec![one, two, Span::from_secs(1), Span::from_secs(9)];
            let end = CycleEnd {
                makespan: Span::from_millis(makespan),
                missed: late > 0,
                late,
            };
            assert_eq!(cycle.run(&problem, &plan), end, "{takes:?}");
        }
    }

    #[test]
    fn without_batches_there_is_no_cycle() {
        let (problem, plan) = planned(&[(4, 0)], 0, 0);
        let mut cycle = OneCycle::new();
        cycle.draw(1, "zero-lot", 7, 1);
        assert_eq!(cycle.run(&problem, &plan), CycleEnd::default());
    }

    #[test]
    fn a_worker_s_speed_is_its_own() {
        let takes = |seed, family, test, workers| {
            let mut cycle = OneCycle::new();
            cycle.draw(9, "before", 1, 3);
            cycle.draw(seed, family, test, workers);
            cycle.takes().to_vec()
        };
        let all = takes(1, "thesis", 5, 100);
        assert_eq!(takes(1, "thesis", 5, 40), all[..40]);
        for other in [
            takes(2, "thesis", 5, 100),
            takes(1, "ties", 5, 100),
            takes(1, "thesis", 6, 100),
        ] {
            let shared = all.iter().filter(|span| other.contains(span)).count();
            assert_eq!(shared, 0);
        }
    }

    #[test]
    fn speeds_scatter_as_they_are_said_to() {
        let mut cycle = OneCycle::new();
        let (mut sum, mut squares, count) = (0.0, 0.0, 200_000);
        for test in 0..1_000 {
            cycle.draw(3, "mixed", test, count / 1_000);
            for takes in cycle.takes() {
                let ln_speed = -takes.seconds_f64().ln();
                sum += ln_speed;
                squares += ln_speed * ln_speed;
            }
        }
        let n = count as f64;
        // Five standard errors each.
        assert!((sum / n).abs() < 5.0 * 0.1 / n.sqrt(), "{sum}");
        let sigma = (squares / n).sqrt();
        assert!(
            (sigma - 0.1).abs() < 5.0 * 0.1 / (2.0 * n).sqrt(),
            "{sigma}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn it_is_what_the_draws_say(
            small in prop::collection::vec((0..40_u64, 0..40_u64), 0..30),
            large in prop::collection::vec((1..=MAX_BATCHES, 0..=MAX_BATCHES / 20), 0..6),
            lot in 0..5_u64, beta in 0..4_u64, test: u64,
        ) {
            let (problem, plan) = planned(&[small, large].concat(), lot, beta);
            let mut cycle = OneCycle::new();
            cycle.draw(1, "thesis", test, problem.workers().len());
            let expected = expected(&problem, &plan, cycle.takes());
            prop_assert_eq!(cycle.run(&problem, &plan), expected);
            prop_assert_eq!(cycle.run(&problem, &plan), expected, "the same again");
        }
    }
}
