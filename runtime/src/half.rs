//! Floats of 16 bits: bfloat16, and those of IEEE 754.

/// The nearest one, and of two the even one.
pub(crate) fn to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    let rounded = ((u64::from(bits) + 0x7fff + u64::from(bits >> 16 & 1)) >> 16) as u16;
    if x.is_finite() && rounded & 0x7fff == 0x7f80 {
        return rounded - 1;
    }
    rounded
}

pub(crate) fn from_bf16(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// The nearest one, and of two the even one.
pub(crate) fn to_f16(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16 & 0x8000) as u16;
    let size = x.to_bits() & 0x7fff_ffff;
    let half = if x.is_nan() {
        0x7e00
    } else if x.is_infinite() {
        0x7c00
    } else if size >= 0x477f_f000 {
        0x7bff // 65,504, the greatest
    } else if size >= 0x3880_0000 {
        let rounded = size + 0xfff + (size >> 13 & 1);
        ((rounded >> 13) - (112 << 10)) as u16
    } else {
        // Below 2^-14 they are multiples of 2^-24.
        (x.abs() * f32::from_bits((127 + 24) << 23)).round_ties_even() as u16
    };
    sign | half
}

pub(crate) fn from_f16(half: u16) -> f32 {
    let (sign, exponent) = (u32::from(half & 0x8000) << 16, u32::from(half >> 10 & 0x1f));
    let fraction = u32::from(half & 0x3ff);
    let size = match exponent {
        0 => fraction as f32 * f32::from_bits((127 - 24) << 23),
        31 => f32::from_bits(0xff << 23 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    f32::from_bits(size.to_bits() | sign)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All 65,536 of both kinds are kept, and those of f16 are what IEEE 754 says.
    #[test]
    fn each_half_comes_back() {
        for half in 0..=u16::MAX {
            for (to, from) in [
                (to_bf16 as fn(f32) -> u16, from_bf16 as fn(u16) -> f32),
                (to_f16, from_f16),
            ] {
                let number = from(half);
                let again = to(number);
                assert!(
                    again == half || number.is_nan() && from(again).is_nan(),
                    "{half:#x}"
                );
            }
            let (exponent, fraction) = (i32::from(half >> 10 & 0x1f), f64::from(half & 0x3ff));
            let size = match exponent {
                0 => fraction * 2_f64.powi(-24),
                31 => continue,
                _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
            };
            assert_eq!(f64::from(from_f16(half).abs()), size, "{half:#x}");
        }
        assert_eq!(from_f16(0x7c00), f32::INFINITY);
        // What is finite stays so.
        for x in [65_519.0, 65_520.0, 1e30, f32::MAX] {
            assert_eq!(from_f16(to_f16(-x)), -65_504.0);
            assert!(from_bf16(to_bf16(x)).is_finite());
        }
        assert_eq!(from_f16(to_f16(f32::INFINITY)), f32::INFINITY);
    }

    proptest! {
        /// No other 16-bit number is nearer; of two that are as near it is the even one.
        #[test]
        fn rounding_is_to_the_nearest(bits in any::<u32>()) {
            let x = f32::from_bits(bits);
            prop_assume!(x.abs() < 65_504.0);
            for (to, from) in [
                (to_bf16 as fn(f32) -> u16, from_bf16 as fn(u16) -> f32),
                (to_f16, from_f16),
            ] {
                let half = to(x);
                let error = |half: u16| (f64::from(from(half)) - f64::from(x)).abs();
                for other in [half.wrapping_sub(1), half.wrapping_add(1)] {
                    let is_neighbour = from(other).is_finite() && (other ^ half) & 0x8000 == 0;
                    if is_neighbour {
                        prop_assert!(error(half) <= error(other));
                        prop_assert!(error(half) < error(other) || half % 2 == 0);
                    }
                }
            }
        }
    }
}
