//! The orchestrator: drives the scheduler with what real workers do.
//!
//! One task owns the [`Scheduler`](scheduler::machine::Scheduler). Everything that happens comes
//! through one queue and is stamped when it is taken from it; what the scheduler orders is carried
//! out at once and waits for nobody: connections have queues of their own, plans are made,
//! averages taken and models judged on threads beside.
//!
//! - [`Crew`]: the workers that are connected, over all jobs.
//! - [`Orchestrator`]: one job.
//! - `link.rs`: one connection. `holdings.rs`, `roster.rs`, `given.rs`: bookkeeping without I/O.
//!
//! **What it does not know:** where settings come from, how a run is shown or stored, and how
//! workers came to be.

mod checkpoint;
mod crew;
mod driver;
mod evaluate;
mod given;
mod holdings;
mod link;
mod orders;
mod roster;
mod solve;
mod ticker;

pub(crate) use checkpoint::Checkpoint;
pub(crate) use crew::{Crew, Member};
pub(crate) use driver::{Ended, Job, Orchestrator, Watch};
pub(crate) use given::GivenPlan;

use scheduler::PlanResponse;
use scheduler::machine::{CycleId, PlanId};

use crate::average::Merged;
use crate::train::Evaluation;
use link::{Said, Serial};

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// At a worker.
    Link(Serial, Said),
    /// The allocator answers a question of a job.
    Solved {
        job: u32,
        plan: PlanId,
        response: Box<PlanResponse>,
    },
    /// A cycle's results are averaged.
    Merged {
        job: u32,
        cycle: CycleId,
        merged: Merged,
    },
    /// A cycle's model is judged.
    Evaluated {
        job: u32,
        cycle: u32,
        judged: Result<Evaluation, String>,
    },
    /// The user wants to stop.
    Interrupted,
}
