//! What the tables of a validation cost: CPU a test for gathering and for writing, and bytes.
//!
//! `cargo run --release -p results --example table_throughput -- DIR [TESTS]` writes 100,000
//! tests in the likeness of the thesis' distribution, answered by two made-up allocators.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use results::{Chunk, Detail, FamilyPlan, RunPlan, Shard, Took, Validation};
use scheduler::{Certificate, Fee, Outcome, Plan, PlanStatus, Planned, Problem, Worker};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("expected a folder to write to")?);
    let n_tests: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let plan = RunPlan {
        seed: 1,
        source: RunPlan::GENERATED.to_owned(),
        families: vec![FamilyPlan {
            name: "thesis".to_owned(),
            n_tests,
        }],
        allocators: vec!["heuristic".to_owned(), "exact".to_owned()],
        simulate: false,
        shard: Shard::WHOLE,
        replay: RunPlan::REPLAY_GENERATED.to_owned(),
    };
    let mut validation = Validation::with_tables(plan, &dir, true)?;
    let mut random = Random(1);
    let (mut gathering, mut writing) = (Duration::ZERO, Duration::ZERO);
    let mut test = 0;
    while test < n_tests {
        let tests: Vec<_> = (test..n_tests.min(test + 256))
            .map(|_| answered(&mut random))
            .collect();
        let start = Instant::now();
        let mut chunk = Chunk::new(0, test, 2, Detail::Tables);
        for (problem, answers) in &tests {
            let took = |nanos| Took::new(Duration::from_nanos(nanos), Duration::ZERO);
            let times = [took(2_000 + test % 512), took(2_500 + test % 1_024)];
            chunk.push(problem, answers.iter().zip(times));
        }
        gathering += start.elapsed();
        test = chunk.next_test();
        let start = Instant::now();
        validation.push(&chunk)?;
        writing += start.elapsed();
    }
    let start = Instant::now();
    validation.finish(|_| serde_json::Map::new())?;
    let finishing = start.elapsed();
    let per_test = |time: Duration| time.as_secs_f64() * 1e6 / n_tests as f64;
    println!("gathering {:.2} us a test", per_test(gathering));
    println!("writing   {:.2} us a test", per_test(writing));
    println!("finishing {:.1} ms", finishing.as_secs_f64() * 1e3);
    for file in results::VALIDATION_FILES {
        let bytes = std::fs::metadata(dir.join(file))?.len();
        println!("{file:22} {bytes:>12} bytes");
    }
    Ok(())
}

/// A problem like those of the thesis, a filled plan and one that is now and then more expensive.
fn answered(random: &mut Random) -> (Problem, [Outcome; 2]) {
    let k = 50 + random.below(51);
    let workers: Vec<_> = (0..k)
        .map(|_| Worker {
            s_max: random.below(201),
            fee: Fee::from_micros(10_000 * random.below(2_001)).expect("at most 20"),
        })
        .collect();
    let capacity: u64 = workers.iter().map(|w| w.s_max).sum();
    let n = capacity / 10 + random.below(capacity.max(1) * 9 / 10 + 1);
    let mut order: Vec<usize> = (0..workers.len()).collect();
    order.sort_by_key(|&i| workers[i].fee);
    let problem = Problem::new(n, 0, 0, workers).expect("within bounds");
    let fill = |order: &[usize]| {
        let mut batches = vec![0; order.len()];
        let mut left = n;
        for &i in order {
            batches[i] = left.min(problem.workers()[i].s_max);
            left -= batches[i];
        }
        Plan::costed(&problem, batches)
    };
    let best = fill(&order);
    let other = if random.below(60) == 0 {
        order.swap(0, k as usize - 1);
        fill(&order)
    } else {
        best.clone()
    };
    let answers = [
        Outcome::Planned(Planned {
            plan: other,
            status: PlanStatus::Feasible,
            lower_bound: None,
            certificate: None,
        }),
        Outcome::Planned(Planned {
            status: PlanStatus::Optimal,
            lower_bound: Some(best.cost),
            certificate: Some(Certificate::ClosedForm),
            plan: best,
        }),
    ];
    (problem, answers)
}

/// A small linear congruential generator: the numbers only have to be unlike each other.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
