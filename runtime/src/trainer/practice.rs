//! Batches to be measured on.
//!
//! **What it does not know:** how, and by whom.

use crate::data::{Batch, BatchShape};

/// Batches of a benchmark that lie ready: a single one would be learnt by heart, and training on
/// it becomes unlike any other.
pub(super) const DISTINCT: u64 = 16;

/// Batches to practise on: random, and different from one another.
pub(super) fn practice(shape: &BatchShape, seed: u64) -> Vec<Batch> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        // SplitMix64: any cheap noise will do.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let values = shape.wire_len() - shape.batch_size as usize;
    let batch = |_| {
        let mut bytes: Vec<u8> = (0..values)
            // Most of a picture is black.
            .map(|_| match next() {
                z if z % 5 == 0 => (z >> 8) as u8,
                _ => 0,
            })
            .collect();
        bytes.extend(
            (0..shape.batch_size).map(|_| (next() % u64::from(shape.classes.max(1))) as u8),
        );
        Batch::from_wire(shape, bytes).expect("it was made by the shape")
    };
    (0..DISTINCT).map(batch).collect()
}
