//! The virtual world: whole training runs in simulated time.
//!
//! [`run`] drives the scheduling core (`scheduler::machine::Scheduler`, unchanged) through a
//! [`World`]: workers that compute, beat, stand still, leave and return; the orchestrator's link
//! that they share; an allocator whose answers take a modelled time. [`Observers`] get the rows of
//! the run as they come, and [`RunTotals`] adds up.
//!
//! The same world, seed and replicate give the same rows, whatever else is run at the same time:
//! a run reads no clock and no global state, and its draws come from one random stream for each
//! (replicate, worker, purpose): one worker more, or one draw more, changes no other value.
//!
//! What the scheduler knows and what is true are separate: it gets [`World::config`] and each worker's
//! profile, and everything else is the truth. A world in which they differ is one in which the
//! scheduler is wrong, which is what there is to study. After each cycle the world can give the plan
//! request with the true speeds ([`CycleTruth`]), so that the cycle is judged by what was possible.
//!
//! The orchestrator's link serves one transfer after the other, downloads last worker first, uploads
//! as they come: of the orders tried, that one reproduces the recorded runs best.
//!
//! [`OneCycle`] is one cycle of such a world for a plan that was made before (`sim validate
//! --simulate`). It waits for all workers, since a makespan that is cut off at the limit says
//! nothing. [`overruns`] adds a worker that takes what is left over (`sim risk`), so that all others
//! get exactly `s_max`.
//!
//! **What it deliberately does not know:** how a plan is found, what a scenario file looks like,
//! and where rows are written. Of `results` it takes the account of a run
//! ([`RunEnd`](results::runs::RunEnd)) alone.

mod driver;
mod faults;
mod happening;
mod judge;
mod model;
mod one_cycle;
mod orders;
mod overrun;
mod pipe;
mod progress;
mod totals;
mod worker;

pub use driver::{Claims, Observers, OnEvent, OnRow, run};
pub use model::{Fault, PipeModel, Renewal, Service, SolveModel, Way, WorkerModel, World};
pub use one_cycle::{CycleEnd, OneCycle};
pub use overrun::{OverrunStudy, Overruns, Share, overruns, with_filler};
pub use totals::{CycleTruth, RunTotals};
