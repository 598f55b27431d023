//! Parameters as bytes: 32-bit floats for trainers and files, and what is sent between machines.
//!
//! With 16 bits a worker sends the difference to the model that it began with. A difference is small, so its
//! rounding is small too, and an update that is far below the spacing of 16-bit weights is not lost.

use scenarios::scenario::Wire;

use crate::half::{from_bf16, from_f16, to_bf16, to_f16};

/// Parameters as little-endian floats.
#[must_use]
pub fn to_wire(parameters: &[f32]) -> Vec<u8> {
    parameters.iter().flat_map(|p| p.to_le_bytes()).collect()
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
    let halves = |number: fn(u16) -> f32| {
        let (halves, rest) = bytes.as_chunks::<2>();
        let numbers = halves.iter().map(|half| number(u16::from_le_bytes(*half)));
        rest.is_empty().then(|| numbers.collect())
    };
    match wire {
        Wire::F32 => from_wire(bytes),
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
        let bits = |p: &[f32]| p.iter().map(|p| p.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&from_wire(&bytes).unwrap()), bits(&parameters));
        assert_eq!(from_wire(&bytes[1..]), None);
        assert_eq!(unpack(&bytes[1..], Wire::F16), None);
    }
}
