//! The orchestrator: drives the scheduler with what real workers do.
//!
//! One task owns the [`Scheduler`](scheduler::machine::Scheduler). Everything that happens comes
//! through one queue and gets its time when it is taken from it. What the scheduler orders is carried
//! out at once and never waits: connections have queues of their own; plans are made, averages taken
//! and models judged on other threads.
//!
//! - [`Connections`]: the workers that are connected, over all jobs.
//! - [`Orchestrator`]: one job.
//! - `link.rs`: one connection. `messages.rs`: what goes to it and comes from it. `placement.rs`, `roster.rs`, `fixed_plan.rs`: bookkeeping without I/O.
//!
//! **What it does not know:** where settings come from, how a run is shown or stored, and how
//! workers are started.

mod checkpoint;
mod connections;
mod driver;
mod evaluate;
mod fixed_plan;
mod link;
mod messages;
mod orders;
mod placement;
mod roster;
mod solve;
mod ticker;

pub(crate) use checkpoint::Checkpoint;
pub(crate) use connections::Connections;
pub(crate) use driver::{Ended, Job, Orchestrator, Watch};
pub(crate) use fixed_plan::FixedPlan;
pub(crate) use messages::{Input, Member};
