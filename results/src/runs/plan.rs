//! Which runs a folder holds, and what they have in common.

use scheduler::CycleModel;
use scheduler::machine::Config;
use serde::{Deserialize, Serialize};

/// Which runs a folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunsPlan {
    /// `simulated` or `real`.
    pub mode: String,
    /// What the scenario is called.
    pub scenario: String,
    /// The seed of all draws.
    pub seed: u64,
    /// How many replicates, 1 for a real run.
    pub replicates: u64,
    /// The allocators that each replicate was run with, in order.
    pub allocators: Vec<String>,
}

/// What all runs of a folder have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The configuration of the scheduler.
    pub config: Config,
    /// What a cycle takes besides computing, by the stated links and the size of the model.
    pub cycle_model: CycleModel,
    /// The size of the parameters.
    pub parameter_bytes: u64,
}

/// Which run of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunKey {
    /// The replicate, from 0.
    pub replicate: u64,
    /// The allocator's place in the plan.
    pub allocator: usize,
}
