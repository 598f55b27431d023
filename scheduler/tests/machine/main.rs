//! The state machine, driven from outside: stories with virtual workers, random events, pace.

mod audit;
mod pace;
mod properties;
mod stories;
mod toy;
