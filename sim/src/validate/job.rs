//! A comparison that is to be made.

use results::{FamilyPlan, RunPlan};
use solvers::{AllocatorName, Host};

use super::source::Tests;

/// A comparison to be made.
#[derive(Debug)]
pub struct Job {
    /// Where the tests come from; of the same families as the plan.
    pub tests: Tests,
    /// Which tests, under which allocators.
    pub plan: RunPlan,
    /// The allocators of the plan.
    pub allocators: Vec<AllocatorName>,
    /// Tests that are run at once.
    pub threads: usize,
    /// What the allocators may ask for.
    pub host: Host,
}

impl Job {
    /// A comparison on seeded families.
    pub fn seeded(
        families: Vec<scenarios::Family>,
        n_tests: u64,
        seed: u64,
        allocators: Vec<AllocatorName>,
        threads: usize,
    ) -> Self {
        let plan = RunPlan {
            seed,
            source: RunPlan::GENERATED.to_owned(),
            families: families
                .iter()
                .map(|family| FamilyPlan {
                    name: family.name().to_owned(),
                    n_tests,
                })
                .collect(),
            allocators: allocators.iter().map(|a| a.name().to_owned()).collect(),
            simulate: false,
            shard: results::Shard::WHOLE,
            replay: RunPlan::REPLAY_GENERATED.to_owned(),
        };
        Self {
            tests: Tests::Seeded { families, seed },
            plan,
            allocators,
            threads,
            host: Host::default(),
        }
    }
}
