//! Benches of the allocators and of `validate`: `cargo bench` runs them all.
//!
//! `engine` measures the event queue, and `peers/run` other engines beside it. `allocators` and `validate` are criterion's. `bars` measures ratios, which criterion cannot:
//! the two sides take turns within one run, so that a machine whose speed drifts slows both.
