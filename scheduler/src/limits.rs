//! The largest numbers of a problem, so that no sum overflows.

/// The largest capacity, lot and least number of employed workers.
pub const MAX_BATCHES: u64 = 1_000_000_000;

/// The largest number of batches to hand out.
pub const MAX_N: u64 = 2 * MAX_BATCHES;

/// The largest number of workers in one problem.
pub const MAX_WORKERS: usize = 1_000_000;
