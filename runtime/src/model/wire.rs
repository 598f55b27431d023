//! Parameters as bytes: 32-bit floats for trainers and files, and what is sent between machines.
//!
//! With 16 bits a worker sends the difference to the model that it began with. A difference is small, so its
//! rounding is small too, and an update that is far below the spacing of 16-bit weights is not lost.

use std::sync::Arc;

use bytes::Bytes;
use scenarios::scenario::Wire;

use crate::half::{from_bf16, from_f16, to_bf16, to_f16};

/// Parameters as little-endian floats.
#[must_use]
pub fn to_wire(parameters: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; parameters.len() * 4];
    let words = bytes.as_chunks_mut::<4>().0.iter_mut();
    words
        .zip(parameters)
        .for_each(|(word, p)| *word = p.to_le_bytes());
    bytes
}

/// The same of parameters that several hold: where floats are little-endian anyway, nothing is copied.
#[must_use]
pub(crate) fn share(parameters: &Arc<Vec<f32>>) -> Bytes {
    struct Shared(Arc<Vec<f32>>);
    impl AsRef<[u8]> for Shared {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }
    if cfg!(target_endian = "little") {
        Bytes::from_owner(Shared(Arc::clone(parameters)))
    } else {
        to_wire(parameters).into()
    }
}

/// Reverses [`to_wire`]; `None` if the bytes are not whole floats. It checks nothing else: see
/// [`Average::check`](crate::average::Average::check).
#[must_use]
pub fn from_wire(bytes: &[u8]) -> Option<Vec<f32>> {
    let (words, rest) = bytes.as_chunks::<4>();
    rest.is_empty()
        .then(|| words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

/// Numbers as they are sent. What is finite stays so.
#[must_use]
pub fn pack(numbers: &[f32], wire: Wire) -> Vec<u8> {
    let halves = |half: fn(f32) -> u16| {
        let numbers = numbers.iter();
        numbers.flat_map(|x| half(*x).to_le_bytes()).collect()
    };
    match wire {
        Wire::F32 => to_wire(numbers),
        Wire::Bf16 => halves(to_bf16),
        Wire::F16 => halves(to_f16),
    }
}

/// Reverses [`pack`]; `None` if the bytes are not whole numbers.
#[must_use]
pub fn unpack(bytes: &[u8], wire: Wire) -> Option<Vec<f32>> {
    let mut numbers = Vec::new();
    unpack_into(bytes, wire, &mut numbers).then_some(numbers)
}

/// The same into a vector that is used again; whether the bytes are whole numbers.
pub(crate) fn unpack_into(bytes: &[u8], wire: Wire, into: &mut Vec<f32>) -> bool {
    into.clear();
    let mut halves = |number: fn(u16) -> f32| {
        let (halves, rest) = bytes.as_chunks::<2>();
        into.extend(halves.iter().map(|half| number(u16::from_le_bytes(*half))));
        rest.is_empty()
    };
    match wire {
        Wire::F32 => {
            let (words, rest) = bytes.as_chunks::<4>();
            into.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
            rest.is_empty()
        }
        Wire::Bf16 => halves(from_bf16),
        Wire::F16 => halves(from_f16),
    }
}

/// A worker's result as it is sent: itself, or with 16 bits its difference to what it began with.
#[must_use]
pub(crate) fn pack_result(trained: Vec<u8>, begun: &[u8], wire: Wire) -> Vec<u8> {
    if wire == Wire::F32 {
        return trained;
    }
    let (new, old) = (trained.as_chunks::<4>().0, begun.as_chunks::<4>().0);
    let pairs = new.iter().zip(old);
    let differences: Vec<f32> = pairs
        .map(|(new, old)| f32::from_le_bytes(*new) - f32::from_le_bytes(*old))
        .collect();
    pack(&differences, wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_keeps_every_bit() {
        let parameters = [
            0.0,
            -0.0,
            1.5,
            f32::MIN_POSITIVE / 2.0,
            f32::NAN,
            f32::NEG_INFINITY,
        ];
        let bytes = to_wire(&parameters);
        assert_eq!(bytes[8..12], [0, 0, 0xc0, 0x3f]);
        assert_eq!(share(&Arc::new(parameters.to_vec())), bytes);
        let bits = |p: &[f32]| p.iter().map(|p| p.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&from_wire(&bytes).unwrap()), bits(&parameters));
        assert_eq!(from_wire(&bytes[1..]), None);
        assert_eq!(unpack(&bytes[1..], Wire::F16), None);
    }
}
