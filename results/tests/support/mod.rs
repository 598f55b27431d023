//! Made-up validations for tests: problems, answers of every kind, and folders of them.

use std::path::Path;
use std::time::Duration;

use results::{Chunk, FamilyPlan, Report, RunPlan, Shard, Simulated, Took, Validation};
use scheduler::{
    Certificate, Cost, Failure, FailureReason, Fee, Infeasible, Outcome, Plan, PlanStatus, Planned,
    Problem, Worker,
};

pub(crate) const ALLOCATORS: [&str; 3] = ["heuristic", "exact", "cbc"];

/// The files that must not depend on chunks, threads or shards.
pub(crate) const INVARIANT: [&str; 6] = [
    "tests.parquet",
    "outcomes.parquet",
    "stats.parquet",
    "summary.csv",
    "summary.json",
    "discrepancies.csv",
];

pub(crate) fn plan(families: &[(&str, u64)], shard: Shard) -> RunPlan {
    let family = |&(name, n_tests): &(&str, u64)| FamilyPlan {
        name: name.to_owned(),
        n_tests,
    };
    RunPlan {
        seed: 5,
        source: RunPlan::GENERATED.to_owned(),
        families: families.iter().map(family).collect(),
        allocators: ALLOCATORS.map(str::to_owned).to_vec(),
        simulate: false,
        shard,
        replay: RunPlan::REPLAY_GENERATED.to_owned(),
    }
}

/// A small linear congruential generator, seeded by the test it is for.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn of(family: usize, test: u64) -> Self {
        let mut random = Self(test.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (family as u64) << 40);
        random.below(1);
        random
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

pub(crate) fn planned(plan: Plan, status: PlanStatus) -> Outcome {
    let (lower_bound, certificate) = match status {
        PlanStatus::Optimal => (Some(plan.cost), Some(Certificate::Root)),
        PlanStatus::Bounded => (Some(Cost::ZERO), Some(Certificate::Solver)),
        PlanStatus::Feasible => (None, None),
    };
    Outcome::Planned(Planned {
        plan,
        status,
        lower_bound,
        certificate,
    })
}

/// A test of up to 12 workers with answers of every kind, right and wrong ones.
pub(crate) fn answered(family: usize, test: u64) -> (Problem, [Outcome; 3]) {
    let mut random = Random::of(family, test);
    let workers: Vec<_> = (0..1 + random.below(12))
        .map(|_| Worker {
            s_max: random.below(20),
            fee: Fee::from_micros(random.below(5_000_000)).expect("small"),
        })
        .collect();
    let n = workers.iter().map(|w| w.s_max).sum::<u64>() / 2;
    let fill = |order: &[usize]| {
        let mut batches = vec![0; workers.len()];
        let mut left = n;
        for &i in order {
            batches[i] = left.min(workers[i].s_max);
            left -= batches[i];
        }
        batches
    };
    let problem = Problem::new(n, 0, 0, workers.clone()).expect("within bounds");
    let mut order: Vec<usize> = (0..workers.len()).collect();
    order.sort_by_key(|&i| workers[i].fee);
    let best = Plan::costed(&problem, fill(&order));
    order.reverse();
    let worst = Plan::costed(&problem, fill(&order));
    let infeasible =
        |capacity| Outcome::Infeasible(Infeasible::InsufficientCapacity { capacity, n });
    let answers = match random.below(12) {
        0 => [infeasible(1), infeasible(1), infeasible(1)],
        1 => [
            infeasible(1),
            planned(best.clone(), PlanStatus::Optimal),
            infeasible(1),
        ],
        2 => [
            planned(best.clone(), PlanStatus::Feasible),
            planned(worst.clone(), PlanStatus::Bounded),
            planned(best.clone(), PlanStatus::Bounded),
        ],
        3 => [
            Outcome::Failed(Failure {
                reason: FailureReason::NoPlanFound,
                message: "no plan".to_owned(),
            }),
            planned(best.clone(), PlanStatus::Optimal),
            planned(worst.clone(), PlanStatus::Optimal),
        ],
        4..=6 => [
            planned(worst, PlanStatus::Feasible),
            planned(best.clone(), PlanStatus::Optimal),
            planned(best.clone(), PlanStatus::Optimal),
        ],
        _ => [
            planned(best.clone(), PlanStatus::Feasible),
            planned(best.clone(), PlanStatus::Optimal),
            planned(best.clone(), PlanStatus::Optimal),
        ],
    };
    for outcome in &answers {
        if let Some(planned) = outcome.planned() {
            planned
                .plan
                .verify(&problem)
                .expect("made-up plans are plans");
        }
    }
    (problem, answers)
}

pub(crate) fn took(family: usize, test: u64, allocator: usize) -> Took {
    let mut random = Random::of(family + 7, test * 3 + allocator as u64);
    let wall = Duration::from_nanos(1_000 + random.below(1_000_000));
    Took::new(wall, wall / 2)
}

/// Runs a shard into a folder, in chunks of the given size.
pub(crate) fn run(plan: &RunPlan, dir: &Path, chunk_tests: u64) -> Report {
    let validation =
        Validation::with_tables(plan.clone(), dir, false).expect("the folder is writable");
    feed(validation, plan, chunk_tests, u64::MAX)
}

/// Feeds a validation with at most `limit` tests and finishes it.
pub(crate) fn feed(
    mut validation: Validation,
    plan: &RunPlan,
    chunk_tests: u64,
    mut limit: u64,
) -> Report {
    'all: for family in 0..plan.families.len() {
        let tests = plan.tests(family);
        let mut next = tests.start;
        while next < tests.end {
            let end = tests
                .end
                .min(next + chunk_tests)
                .min(next.saturating_add(limit));
            if next == end {
                break 'all;
            }
            limit -= end - next;
            validation
                .push(&chunk(&validation, plan, family, next..end))
                .expect("the disk has space");
            next = end;
        }
    }
    let details = serde_json::json!({"threads": chunk_tests});
    let details = details.as_object().expect("an object").clone();
    validation.finish(|_| details).expect("the disk has space")
}

pub(crate) fn chunk(
    validation: &Validation,
    plan: &RunPlan,
    family: usize,
    tests: std::ops::Range<u64>,
) -> Chunk {
    let mut chunk = Chunk::new(family, tests.start, ALLOCATORS.len(), validation.detail());
    for test in tests {
        let (problem, answers) = answered(family, test);
        let answer = |(allocator, outcome)| {
            let simulated = Outcome::planned(outcome).filter(|_| plan.simulate);
            let simulated = simulated.map(|_| simulated_as(family, test, allocator));
            (outcome, took(family, test, allocator), simulated)
        };
        chunk.push_simulated(&problem, (0..).zip(&answers).map(answer));
    }
    chunk
}

/// What became of a plan, made up.
pub(crate) fn simulated_as(family: usize, test: u64, allocator: usize) -> Simulated {
    let mut random = Random::of(family + 13, test * 3 + allocator as u64);
    let late_workers = random.below(4);
    Simulated {
        makespan_ns: 800_000_000 + random.below(200_000_001) + 100_000_000 * late_workers,
        missed: late_workers > 0,
        late_workers,
    }
}

/// Asserts that the files which must not depend on how they came about are the same.
pub(crate) fn assert_same_tables(a: &Path, b: &Path) {
    for file in INVARIANT {
        let read = |dir: &Path| std::fs::read(dir.join(file)).expect("the file is there");
        assert!(
            read(a) == read(b),
            "{file} differs in {} and {}",
            a.display(),
            b.display()
        );
    }
}
