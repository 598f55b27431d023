//! The whole program: an orchestrator and its workers as real processes on loopback.
//!
//! No test has a time limit of its own: what the program waits for is bounded by the program.
//! Processes are ended by their ids alone.

mod common;
mod data;
mod faults;
mod held;
mod output;
mod programs;
#[cfg(feature = "torch")]
mod real;
mod repeat;
mod script;
mod strangers;
mod trainer;
mod whole;
