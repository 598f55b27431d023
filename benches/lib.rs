//! Benches of the allocators and of `validate`: `cargo bench` runs them all.
//!
//! `engine` compares the event queue with a bare heap, and `peers/run` with other engines; `bars`
//! measures the allocators; `curves` compares with a textbook's dynamic programme. They print ratios, which criterion cannot: the two sides take turns
//! within one run, so that a drift of the machine's speed affects both. `allocators`, `validate`,
//! `queue` (events) and `world` (whole runs) use criterion: absolute times, tracked over time.
