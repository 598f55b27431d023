//! The batches that a benchmark trains on.
//!
//! **What it does not know:** how it measures.

use crate::data::{Batch, BatchShape, FieldShape, ValueType};
use crate::half::to_f16;

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
    let mut batch = || {
        let mut bytes = Vec::with_capacity(shape.wire_len());
        for (field, is_known) in [(&shape.x, true), (&shape.y, false)] {
            for _ in 0..field.values() * shape.batch_size as usize {
                let z = next();
                // Most pixels of a picture are black.
                let is_black = is_known && field.kind == ValueType::U8 && !z.is_multiple_of(5);
                made_up(field, if is_black { 0 } else { z >> 8 }, &mut bytes);
            }
        }
        Batch::from_wire(shape, bytes).expect("it was made by the shape")
    };
    let count = (MOST / shape.wire_len().max(1)).clamp(1, DISTINCT);
    (0..count).map(|_| batch()).collect()
}

/// Appends a value: a whole number below its bound, or a float from -1 to 1.
fn made_up(field: &FieldShape, z: u64, bytes: &mut Vec<u8>) {
    let whole = match (field.kind, field.below) {
        (ValueType::Bool, _) => z % 2,
        (_, below) => z % u64::from(below.max(1)),
    };
    let float = (z % 2_001) as f32 / 1_000.0 - 1.0;
    match field.kind {
        ValueType::U8 | ValueType::Bool => bytes.push(whole as u8),
        ValueType::I32 => bytes.extend((whole as i32).to_le_bytes()),
        ValueType::I64 => bytes.extend((whole as i64).to_le_bytes()),
        ValueType::F16 => bytes.extend(to_f16(float).to_le_bytes()),
        ValueType::F32 => bytes.extend(float.to_le_bytes()),
    }
}
