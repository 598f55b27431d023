//! The discrete-event engine: what happens next, and in what order.
//!
//! A simulation is a loop that takes the next happening from a [`Queue`], carries it out, and
//! puts in what follows from it. The loop belongs to the simulation ([`crate::world`] has one);
//! this module has the order of happenings and the way to cancel one.
//!
//! Nothing here reads a clock, draws at random or iterates over a hash map: the same calls in the
//! same order give the same answers.

mod generation;
mod queue;

pub use generation::{Generation, Stamp};
pub use queue::Queue;
