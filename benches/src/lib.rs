//! Criterion benches of the allocators and of `validate`.
