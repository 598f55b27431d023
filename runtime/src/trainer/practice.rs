//! The batches that a benchmark trains on.
//!
//! **What it does not know:** how it measures.

use crate::data::{Batch, BatchShape};

/// The number of different batches of a benchmark: a single one would be learnt by heart, and
/// training on it would take another time than on real data.
const DISTINCT: usize = 16;
/// Bytes that they may have in all; one batch is always made.
const MOST: usize = 1 << 26;

/// Random batches that differ from one another.
pub(crate) fn practice(shape: &BatchShape, seed: u64) -> Vec<Batch> {
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
            // Most pixels of a picture are black.
            .map(|_| match next() {
                z if z % 5 == 0 => (u32::from((z >> 8) as u8) % shape.values.max(1)) as u8,
                _ => 0,
            })
            .collect();
        bytes.extend(
            (0..shape.batch_size).map(|_| (next() % u64::from(shape.classes.max(1))) as u8),
        );
        Batch::from_wire(shape, bytes).expect("it was made by the shape")
    };
    let count = (MOST / shape.wire_len().max(1)).clamp(1, DISTINCT);
    (0..count).map(batch).collect()
}
