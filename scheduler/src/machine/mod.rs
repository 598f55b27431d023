//! The state machine that runs one training job, the same in simulation and in reality.
//!
//! It gathers workers, benchmarks them, asks for a plan, has data shipped, runs cycles with
//! deadlines, plans again when it must, accounts for fees, and ends. A driver feeds it events and
//! carries out the actions that it returns:
//!
//! ```text
//! let mut scheduler = Scheduler::new(config);
//! let mut wake = scheduler.step(now, Event::Wake, &mut actions);
//! loop {
//!     carry_out(actions.drain(..));
//!     let (now, event) = next_event_or_wake_at(wake);
//!     wake = scheduler.step(now, event, &mut actions);
//! }   // until Action::Finish
//! ```
//!
//! # Phases
//!
//! ```text
//! Gathering ── benchmarks done ──► Planning ── plan verified ──► Shipping ── data held ──► Training
//!     │ too few                     ▲    │ no plan                   │ a worker is lost        │ results in
//!     ▼                             │    ▼                           ▼                         ▼
//!   Ended ◄──── time is up ────── Paused ◄── below beta ────── proceed() ◄─── cycle over ── Aggregating
//! ```
//!
//! | phase | waits for | deadline | then |
//! |---|---|---|---|
//! | Gathering | `max(expect, beta)` ready workers, and no open benchmark | `waits.gather`, then one benchmark limit | plan, or end `too_few_workers` |
//! | Planning | the answer to the question | `waits.solve`, the job's end | pause or end |
//! | Shipping | acknowledgements | `waits.ship`, the job's end | exclude the late workers, plan again |
//! | Training | results | the cycle's end less the time model's `own` | abort the late assignments |
//! | Aggregating | `Aggregated` | the cycle's end and `waits.aggregation` | discard the average: the cycle failed |
//! | Paused | a worker that becomes ready | `waits.pause` in all between two cycles, the job's end | end with the reason of the pause |
//!
//! `proceed` decides between two cycles. Out of cycles or time: end. Fewer than `max(1, beta)` workers:
//! pause. No plan that holds: ask, and wait. Perhaps a cheaper plan: ask, and go on meanwhile.
//! Otherwise: ship what is missing and begin the cycle. Besides the phase's deadline, each worker has
//! at most one alarm: for its benchmark or for its next beat.
//!
//! # Invariants
//!
//! The auditor of the tests (`tests/machine/audit.rs`) checks them after every step.
//!
//! - [`Scheduler::step`] takes any event at any time; it panics only if time runs backwards.
//! - Every wait has a deadline: if nothing ever answers, the wakes alone end the run.
//! - What arrives at the very moment of a deadline is in time. Deadlines that have passed are handled
//!   before the event that arrived after them.
//! - What a driver that stood still did not deliver is not held against the workers: they get another
//!   half second.
//! - A cycle ends by its limit, plus the configured waits for late results (none by default) and for
//!   a slow aggregation.
//! - Of every cycle's `n` batches each is accepted or lost, and the assignments say which. A cycle that
//!   failed accepts none.
//! - Orders go to members in their present session. Reports of another session count for nothing,
//!   except that a result may be refused after its session has ended.
//! - No worker trains without its data. It keeps the first of the batches that it holds, the rest goes
//!   to a pool, and workers that lack some take from the pool: counts are enough.
//! - A plan is verified in integers against the question that was asked, even if another part verified it before.
//! - A cycle costs the sum of its assignments, a run the sum of its cycles; nothing else costs, and
//!   what was not ordered costs nothing.
//! - The same configuration and the same events give the same actions. Nothing follows
//!   [`Action::Finish`].
//!
//! # Why it decides as it does
//!
//! - An estimate follows a slowdown at once and a recovery slowly: it is the slower of the last cycle
//!   and the median of the last three, within half and sixteen times the usual. A slowdown costs one
//!   cycle, a stall none after it, and an exaggeration gains nothing.
//! - A claim counts up to what the beats make plausible. A beat is due after a time *or* a number of
//!   batches, so that this never takes from an honest worker, however wrong its benchmark was.
//! - While data travels, planned workers measure again under `adaptive`: nothing else would show what
//!   slows down between two cycles. It costs no time, as the cycle does not wait for it.
//! - Only a plan that does not hold stops the run. Cheaper ones are sought during the next cycle, and
//!   taken if they still hold then.
//! - A slowdown ends nothing while every planned worker is here, since an estimate is not a fact. A
//!   loss is one: without a plan the run pauses, then ends. It pauses only if a worker may come.
//!   So it does where the budget is too small without one that is missing.
//! - The limit of a job is wall time: what one cycle does not use is shared by those after it, and
//!   planning, shipping and pauses between cycles take from them. A plan must hold in the time that is
//!   left once its data is shipped. With `grace`, to imitate the thesis, limits do not shift.
//! - Even under `static` the plan is made again before the first cycle: nothing has begun.
//!
//! # Cost
//!
//! O(1) per step, O(log k) when an alarm moves forward, O(employed) when a cycle begins and ends, O(k)
//! when a plan is asked for or reconsidered; memory O(k). `cargo bench -p scheduler` measures it.
//!
//! **What it deliberately does not know:** the clock, the network, tensors, which batches (it
//! counts them), how a plan is found, how a result is checked, and where rows are written.

mod action;
mod alarms;
mod config;
mod cycle;
mod event;
mod members;
mod membership;
mod planning;
mod question;
mod record;
mod shipping;
mod state;
mod step;
mod training;

pub use crate::ids::{CycleId, PlanId, SessionId, WorkerId};
pub use crate::reason::{Departure, Ending};
pub use action::{Action, TrainOrder};
pub use config::{Billing, Config, ConfigError, Limit, MAX_CYCLES, Partial, Replan, Waits};
pub use event::{Event, Profile};
pub use record::{
    AssignmentRow, CycleResult, CycleRow, Fate, Ignored, PlanRow, Record, ShareRow, Totals, Trigger,
};
pub use state::Scheduler;
