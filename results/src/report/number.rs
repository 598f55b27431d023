//! How a report writes a number: one path, whether it stands in a table, a sentence or a picture.

/// Digits of a number that is not whole.
const DIGITS: i32 = 4;

/// A number for reading: whole numbers in full, others to four digits.
pub(super) fn shown(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e15 {
        return format!("{value:.0}").replace("-0", "0").replace("--", "-");
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.2e}");
    }
    let before = size.log10().floor() as i32 + 1;
    let places = usize::try_from(DIGITS - before).unwrap_or(0);
    let text = if places == 0 {
        // Of thousands one more digit: money is read to its tenths.
        format!("{value:.1}")
    } else {
        format!("{value:.places$}")
    };
    trimmed(&text).to_owned()
}

/// Nanoseconds in the unit that suits them.
pub(super) fn time(nanos: f64) -> String {
    let (scale, unit) = match nanos.abs() {
        size if size < 1e3 => (1.0, "ns"),
        size if size < 1e6 => (1e3, "µs"),
        size if size < 1e9 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    format!("{} {unit}", shown(nanos / scale))
}

/// A number with every digit that it has, for a file or a program.
pub(super) fn exact(value: f64) -> String {
    format!("{value}")
}

/// Without zeros at the end that say nothing.
fn trimmed(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_right() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (7.0, "7"),
            (-10.0, "-10"),
            (100_000.0, "100000"),
            (313_813.124, "313813.1"),
            (127.812, "127.8"),
            (0.008_004, "0.008004"),
            (0.5, "0.5"),
            (-2.345_67, "-2.346"),
            (0.000_012_3, "1.23e-5"),
            (99_999.99, "100000"),
            (9.999_96, "10"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(shown(value), expected);
        }
        assert_eq!(time(781.0), "781 ns");
        assert_eq!(time(2_812.0), "2.812 µs");
        assert_eq!(time(1.5e9), "1.5 s");
    }

    #[test]
    fn what_is_shown_is_near_what_it_is() {
        let mut value = 1.234_567e-7;
        while value < 1e14 {
            for value in [value, -value] {
                let read: f64 = shown(value).parse().expect("a number");
                assert!((read - value).abs() <= 5.1e-3 * value.abs(), "{value}");
                if value.abs() > 1e-4 {
                    assert!((read - value).abs() <= 5.1e-4 * value.abs(), "{value}");
                }
                assert_eq!(exact(value).parse::<f64>().expect("a number"), value);
            }
            value *= 1.37;
        }
    }
}
