//! Whole runs in the virtual world, from outside.

mod exact;
mod greedy;
mod properties;
mod service;
mod stories;
