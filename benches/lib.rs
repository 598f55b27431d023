//! Benches of the allocators and of `validate`: `cargo bench` runs them all.
//!
//! `engine` measures the event queue against a bare heap, and `peers/run` other engines beside it;
//! `bars` measures the allocators. Both print ratios, which criterion cannot: the two sides take
//! turns within one run, so that a machine whose speed drifts slows both. `allocators`, `validate`,
//! `queue` (events) and `world` (whole runs) are criterion's: each thing by itself, kept over time.
