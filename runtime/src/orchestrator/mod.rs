//! The orchestrator: drives the scheduler with what real workers do.
//!
//! One task owns the [`Scheduler`](scheduler::machine::Scheduler). Everything that happens comes
//! through one queue and gets its time when it is taken from it. What the scheduler orders is carried
//! out at once and never waits: connections have queues of their own; plans are made, averages taken
//! and models judged on other threads.
//!
//! - [`Connections`]: the workers that are connected, over all jobs.
//! - [`Orchestrator`]: one job.
//! - `link.rs`: one connection; `budget.rs`: how much may come over it. `messages.rs`: what goes to it and comes from it. `placement.rs`, `roster.rs`, `fixed_plan.rs`: bookkeeping without I/O.
//!
//! What holds here:
//!
//! - **No shared clock.** An order to train says how long from now computing ends; the span is taken
//!   when the order is sent, and the worker subtracts half a round trip.
//! - **An order and its bytes travel apart**, in either order: the order sets the time at once, the
//!   parameters begin the work.
//! - **Parameters go out in the order of the plan** (`turns.rs`), one after the other, if the job says so.
//! - **A connection is measured with the model's own size** when a worker joins, one
//!   at a time, so that its `Link` is
//!   what parameters take. The time of averaging is measured too, before the job begins.
//! - **A result is checked as it arrives**, piece by piece, by the task of its connection: exact length, finite
//!   numbers. A large one is kept in a file of the run's folder that has no name. The driver refuses what
//!   cannot have been done; the scheduler decides about results of another session or cycle. What is
//!   averaged weighs what the scheduler accepted: a refused result leaves the average, whether its worker is
//!   still there or not.
//! - **A model is held once** (`current.rs`): workers, the judge and the checkpoint are given the same memory, and a
//!   connection does not keep it from being freed. All that is done with each parameter is done where results are
//!   averaged, so that the next orders follow at once.
//! - **An excluded worker keeps its connection** and asks to be admitted again, later each time; one
//!   that broke the protocol loses it.
//! - **Workers' numbers decide the order** of averaging, and the pool of batches gives its lowest
//!   first: the same plan gives the same model, to the last bit.
//! - **A checkpoint is one file**, written on a thread of its own; no cycle waits for the disk.
//!
//! **What it does not know:** where settings come from, how a run is shown or stored, and how
//! workers are started.

mod budget;
mod checkpoint;
mod connections;
mod current;
mod driver;
mod evaluate;
mod fixed_plan;
mod link;
mod messages;
mod orders;
mod placement;
mod reports;
mod roster;
mod silence;
mod solve;
mod ticker;
mod turns;

pub(crate) use checkpoint::{Checkpoint, FILE as CHECKPOINT};
pub(crate) use connections::Connections;
pub(crate) use driver::{Ended, Job, Orchestrator, Watch};
pub(crate) use evaluate::judge_once;
pub(crate) use fixed_plan::{FixedPlan, KnownSpeed};
pub(crate) use messages::{Input, Member};
