//! The state machine, driven from outside: stories with virtual workers, single
//! events, random events, pace.

mod audit;
mod pace;
mod properties;
mod steps;
mod stories;
mod summary;
mod toy;
