//! Quantities with units, read and written exactly.
//!
//! A quantity is an integer of its smallest unit. Its text is a decimal and a unit, or several that
//! are added up, and is refused when it is not a whole number of the smallest: nothing is rounded.

use scheduler::{Cost, Fee, Span, Speed};

/// A unit: its symbol, and how many of the smallest it is.
pub(crate) type Unit = (&'static str, u64);

/// Something that is measured in units.
pub(crate) trait Quantity: Copy + PartialEq {
    /// What it is, for messages: "a time".
    const WHAT: &'static str;
    /// How it is written.
    const EXAMPLE: &'static str;
    /// How the help of a flag names a value.
    const METAVAR: &'static str;
    /// What a number without a unit counts, if it may stand alone.
    const BARE: Option<u64>;
    /// The units, the smallest first. None for plain numbers, whose smallest is a millionth.
    const UNITS: &'static [Unit];
    /// The units that it is written in, the largest first: those that make finite decimals.
    const SHOWN: &'static [Unit];
    /// The least and the most that makes sense anywhere.
    const RANGE: (u64, u64);

    fn from_base(base: u64) -> Self;
    fn base(self) -> u64;

    /// As it is written in a scenario, quotes included.
    fn written(self) -> String {
        let base = self.base();
        let unit = Self::SHOWN.iter().find(|(_, size)| *size <= base);
        match unit.or(Self::SHOWN.last()) {
            Some((symbol, size)) => format!("\"{} {symbol}\"", decimal(base, *size)),
            None => decimal(base, 1_000_000),
        }
    }
}

/// `base / size` as a decimal; `size` is a power of ten, or eight times one.
pub(crate) fn decimal(base: u64, size: u64) -> String {
    let (whole, mut rest) = (base / size, u128::from(base % size));
    let mut text = whole.to_string();
    if rest > 0 {
        text.push('.');
    }
    while rest > 0 {
        rest *= 10;
        text.push(char::from(b'0' + (rest / u128::from(size)) as u8)); // below ten
        rest %= u128::from(size);
    }
    text
}

/// Reads a quantity: numbers, each with its unit, that are added up (`1 min 30 s`), or one number
/// alone where that is allowed. The error is what was expected instead.
pub(crate) fn parse<Q: Quantity>(text: &str) -> Result<Q, String> {
    let expected = || {
        let symbols: Vec<_> = Q::UNITS.iter().map(|(symbol, _)| *symbol).collect();
        let symbols = symbols.join(", ");
        format!("{} such as {} (in {symbols})", Q::WHAT, Q::EXAMPLE)
    };
    let is_number = |c: char| matches!(c, '0'..='9' | '.' | '-' | '+' | '_');
    let (mut rest, mut sum) = (text.trim(), None::<u64>);
    loop {
        let (number, after) = rest.split_at(rest.find(|c| !is_number(c)).unwrap_or(rest.len()));
        let after = after.trim_start();
        let (symbol, after) = after.split_at(after.find(is_number).unwrap_or(after.len()));
        let symbol = symbol.trim_end();
        let unit = Q::UNITS.iter().find(|(known, _)| *known == symbol);
        let size = match (unit, Q::BARE) {
            (Some((_, size)), _) => *size,
            (None, Some(size)) if symbol.is_empty() && sum.is_none() && after.is_empty() => size,
            (None, _) => return Err(expected()),
        };
        let part = scaled::<Q>(number, size, expected)?.base();
        let total = sum.unwrap_or(0).checked_add(part);
        let total = total.filter(|total| *total <= Q::RANGE.1);
        sum = Some(total.ok_or_else(|| range::<Q>(Q::RANGE))?);
        rest = after;
        if rest.is_empty() {
            return Ok(Q::from_base(sum.unwrap_or(0)));
        }
    }
}

/// Reads a decimal that counts units of `size`.
pub(crate) fn scaled<Q: Quantity>(
    number: &str,
    size: u64,
    expected: impl Fn() -> String,
) -> Result<Q, String> {
    let unsigned = number.strip_prefix('-');
    let (whole, places) = digits(unsigned.unwrap_or(number)).ok_or_else(&expected)?;
    if unsigned.is_some() && whole > 0 {
        return Err(format!("{} that is not negative", Q::WHAT));
    }
    let base = whole.checked_mul(u128::from(size));
    let base = base.ok_or_else(|| range::<Q>(Q::RANGE))?;
    let scale = 10_u128.pow(places);
    if base % scale != 0 {
        return Err(match Q::UNITS.first() {
            Some((smallest, 1)) => format!("a whole number of {smallest}"),
            Some(_) | None => "at most six decimal places".to_owned(),
        });
    }
    match u64::try_from(base / scale) {
        Ok(base) if base >= Q::RANGE.0 && base <= Q::RANGE.1 => Ok(Q::from_base(base)),
        Ok(_) | Err(_) => Err(range::<Q>(Q::RANGE)),
    }
}

/// The range of a quantity as an expectation.
pub(crate) fn range<Q: Quantity>((least, most): (u64, u64)) -> String {
    let shown = |base| Q::from_base(base).written().replace('"', "");
    format!("{} from {} to {}", Q::WHAT, shown(least), shown(most))
}

/// The digits of a decimal as one number, and how many of them are places.
fn digits(text: &str) -> Option<(u128, u32)> {
    let (mut value, mut places, mut dot, mut any) = (0_u128, 0, false, false);
    // Zeros at the end of the places say nothing.
    let text = if text.contains('.') && !text.ends_with('.') {
        text.trim_end_matches('0')
    } else {
        text
    };
    for c in text.chars() {
        match c {
            '0'..='9' => {
                any = true;
                value = value
                    .checked_mul(10)?
                    .checked_add(u128::from(c as u8 - b'0'))?;
                places += u32::from(dot);
            }
            '.' if !dot && any => dot = true,
            '_' if any => {}
            _ => return None,
        }
    }
    (any && places < 30).then_some((value, places))
}

macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident, $getter:ident, $getter_doc:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            #[doc = $getter_doc]
            pub const fn $getter(self) -> u64 {
                self.0
            }
        }
    };
}

newtype! {
    /// A number of bytes.
    Bytes, get, "Bytes."
}
newtype! {
    /// How fast data moves; more than nothing.
    BitRate, bits_per_s, "Bits per second."
}
newtype! {
    /// How fast batches are dealt with; more than nothing.
    BatchRate, micros_per_s, "Millionths of a batch per second."
}
newtype! {
    /// Electric power.
    Power, milliwatts, "Milliwatts."
}
newtype! {
    /// A plain number that is not negative, such as a probability, in millionths.
    Ratio, micros, "Millionths."
}

impl BitRate {
    /// The time that a number of bytes takes, rounded up.
    pub fn time_for(self, bytes: Bytes) -> Span {
        let nanos = (u128::from(bytes.0) * 8_000_000_000).div_ceil(u128::from(self.0));
        Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl BatchRate {
    /// Batches per second.
    pub fn per_second_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The time of one batch, rounded up.
    pub const fn time_of_one(self) -> Span {
        Span::from_nanos(1_000_000_000_000_000_u64.div_ceil(self.0))
    }

    /// The scheduler's form of it: exact up to a thousand million batches.
    pub fn speed(self) -> Speed {
        let nanos = 1_000_000_000_000_000; // in which self.0 whole batches are done
        let common = gcd(self.0, nanos);
        let (batches, nanos) = (self.0 / common, nanos / common);
        let over = batches.div_ceil(scheduler::MAX_BATCHES);
        let span = Span::from_nanos((nanos / over).max(1));
        Speed::measured((batches / over).max(1), span)
            .expect("both lie between 1 and the bounds of a measurement")
    }
}

/// A plain number from -2 to 2, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedRatio(i64);

impl SignedRatio {
    /// None at all.
    pub const ZERO: Self = Self(0);

    /// From millionths.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The number as a float, for the physics of a simulated world.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The sign, and the size.
    pub(crate) const fn parts(self) -> (&'static str, Ratio) {
        (
            if self.0 < 0 { "-" } else { "" },
            Ratio(self.0.unsigned_abs()),
        )
    }
}

impl Ratio {
    /// None at all.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(1_000_000);

    /// From millionths.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The number as a float, for the physics of a simulated world.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Quantity for Span {
    const WHAT: &'static str = "a time";
    const METAVAR: &'static str = "TIME";
    const BARE: Option<u64> = Some(1_000_000_000);
    const EXAMPLE: &'static str = "\"30 s\"";
    const UNITS: &'static [Unit] = &[
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("min", 60_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ];
    const SHOWN: &'static [Unit] = &[
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    /// Ten years.
    const RANGE: (u64, u64) = (0, 315_360_000_000_000_000);

    fn from_base(base: u64) -> Self {
        Self::from_nanos(base)
    }

    fn base(self) -> u64 {
        self.nanos()
    }
}

impl Quantity for Bytes {
    const WHAT: &'static str = "a size";
    const METAVAR: &'static str = "SIZE";
    const BARE: Option<u64> = None;
    const EXAMPLE: &'static str = "\"800 kB\"";
    const UNITS: &'static [Unit] = &[
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    const SHOWN: &'static [Unit] = &[
        ("TB", 1_000_000_000_000),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("kB", 1_000),
        ("B", 1),
    ];
    const RANGE: (u64, u64) = (0, 1_000_000_000_000_000);

    fn from_base(base: u64) -> Self {
        Self(base)
    }

    fn base(self) -> u64 {
        self.0
    }
}

impl Quantity for BitRate {
    const WHAT: &'static str = "a rate";
    const METAVAR: &'static str = "RATE";
    const BARE: Option<u64> = None;
    const EXAMPLE: &'static str = "\"100 Mbit/s\" or \"7.3 MB/s\"";
    const UNITS: &'static [Unit] = &[
        ("bit/s", 1),
        ("kbit/s", 1_000),
        ("Mbit/s", 1_000_000),
        ("Gbit/s", 1_000_000_000),
        ("Tbit/s", 1_000_000_000_000),
        ("B/s", 8),
        ("kB/s", 8_000),
        ("MB/s", 8_000_000),
        ("GB/s", 8_000_000_000),
    ];
    const SHOWN: &'static [Unit] = &[
        ("Tbit/s", 1_000_000_000_000),
        ("Gbit/s", 1_000_000_000),
        ("Mbit/s", 1_000_000),
        ("kbit/s", 1_000),
        ("bit/s", 1),
    ];
    const RANGE: (u64, u64) = (1, 1_000_000_000_000_000);

    fn from_base(base: u64) -> Self {
        Self(base.max(1))
    }

    fn base(self) -> u64 {
        self.0
    }
}

impl Quantity for BatchRate {
    const WHAT: &'static str = "a speed";
    const METAVAR: &'static str = "SPEED";
    const BARE: Option<u64> = None;
    const EXAMPLE: &'static str = "\"500 batches/s\"";
    const UNITS: &'static [Unit] = &[("batches/s", 1_000_000)];
    const SHOWN: &'static [Unit] = &[("batches/s", 1_000_000)];
    const RANGE: (u64, u64) = (1, 1_000_000_000_000_000);

    fn from_base(base: u64) -> Self {
        Self(base.max(1))
    }

    fn base(self) -> u64 {
        self.0
    }
}

impl Quantity for Fee {
    const WHAT: &'static str = "a fee";
    const METAVAR: &'static str = "FEE";
    const BARE: Option<u64> = Some(1_000_000);
    const EXAMPLE: &'static str = "1.5";
    const UNITS: &'static [Unit] = &[];
    const SHOWN: &'static [Unit] = &[];
    const RANGE: (u64, u64) = (0, Self::MAX.micros());

    fn from_base(base: u64) -> Self {
        Self::from_micros(base).unwrap_or(Self::MAX)
    }

    fn base(self) -> u64 {
        self.micros()
    }
}

impl Quantity for Cost {
    const WHAT: &'static str = "a sum of money";
    const METAVAR: &'static str = "SUM";
    const BARE: Option<u64> = Some(1_000_000);
    const EXAMPLE: &'static str = "20000";
    const UNITS: &'static [Unit] = &[];
    const SHOWN: &'static [Unit] = &[];
    const RANGE: (u64, u64) = (0, 1_000_000_000_000_000_000);

    fn from_base(base: u64) -> Self {
        Self::from_micros(base.into())
    }

    fn base(self) -> u64 {
        u64::try_from(self.micros()).unwrap_or(u64::MAX)
    }
}

impl Quantity for Power {
    const WHAT: &'static str = "a power";
    const METAVAR: &'static str = "POWER";
    const BARE: Option<u64> = None;
    const EXAMPLE: &'static str = "\"65 W\"";
    const UNITS: &'static [Unit] = &[("mW", 1), ("W", 1_000), ("kW", 1_000_000)];
    const SHOWN: &'static [Unit] = &[("kW", 1_000_000), ("W", 1_000), ("mW", 1)];
    /// A megawatt.
    const RANGE: (u64, u64) = (0, 1_000_000_000);

    fn from_base(base: u64) -> Self {
        Self(base)
    }

    fn base(self) -> u64 {
        self.0
    }
}

impl Quantity for Ratio {
    const WHAT: &'static str = "a number";
    const METAVAR: &'static str = "NUMBER";
    const BARE: Option<u64> = Some(1_000_000);
    const EXAMPLE: &'static str = "0.05";
    const UNITS: &'static [Unit] = &[];
    const SHOWN: &'static [Unit] = &[];
    const RANGE: (u64, u64) = (0, 1_000_000_000_000);

    fn from_base(base: u64) -> Self {
        Self(base)
    }

    fn base(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<Q: Quantity>(text: &str, base: u64, written: &str) {
        let quantity = parse::<Q>(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(quantity.base(), base, "{text}");
        assert_eq!(quantity.written(), format!("\"{written}\""));
        let again = parse::<Q>(written).unwrap_or_else(|e| panic!("{written}: {e}"));
        assert_eq!(again.base(), base);
    }

    #[test]
    fn quantities_are_exact_both_ways() {
        check::<Span>("30 s", 30_000_000_000, "30 s");
        check::<Span>("0.458 s", 458_000_000, "458 ms");
        for text in ["1.5min", "1 min 30 s", "1m30s", "0.025 h", "90", "1.5 m"] {
            check::<Span>(text, 90_000_000_000, "90 s");
        }
        check::<Span>("0 s", 0, "0 ns");
        check::<Span>("1_000 ns", 1_000, "1 us");
        check::<Span>("4.000000001 s", 4_000_000_001, "4.000000001 s");
        check::<Span>("-0 s", 0, "0 ns");
        check::<Bytes>("796840 B", 796_840, "796.84 kB");
        check::<Bytes>("1 GiB", 1 << 30, "1.073741824 GB");
        check::<BitRate>("7.3 MB/s", 58_400_000, "58.4 Mbit/s");
        check::<BitRate>("100 Mbit/s", 100_000_000, "100 Mbit/s");
        check::<BatchRate>("25.1 batches/s", 25_100_000, "25.1 batches/s");
        check::<Power>("0.065 kW", 65_000, "65 W");
        check::<BatchRate>("0.000001 batches/s", 1, "0.000001 batches/s");
    }

    #[test]
    fn what_is_no_quantity_says_what_was_expected() {
        let fails = |text: &str, expected: &str| {
            assert_eq!(
                parse::<Span>(text).err().as_deref(),
                Some(expected),
                "{text}"
            );
        };
        let form = "a time such as \"30 s\" (in ns, us, ms, s, min, m, h, d)";
        for text in [
            "", "s", "30 sec", "1.2.3 s", "1e3 s", "+3 s", "3. s s", ".5 s", "--1 s", "1 min 30",
        ] {
            fails(text, form);
        }
        fails("-1 s", "a time that is not negative");
        fails("0.5 ns", "a whole number of ns");
        fails("4000 d", "a time from 0 ns to 315360000 s");
        fails(
            &format!("{} s", "9".repeat(30)),
            "a time from 0 ns to 315360000 s",
        );
        let fails = parse::<BatchRate>("0 batches/s").err();
        assert!(fails.is_some_and(|e| e.starts_with("a speed from 0.000001 batches/s to")));
    }

    #[test]
    fn rates_become_times_and_speeds() {
        let rate = |text| parse::<BitRate>(text).expect("valid");
        assert_eq!(rate("8 kbit/s").time_for(Bytes(1_000)), Span::from_secs(1));
        assert_eq!(rate("3 bit/s").time_for(Bytes(1)).nanos(), 2_666_666_667);
        let speed = |text| parse::<BatchRate>(text).expect("valid").speed();
        assert_eq!(speed("25.1 batches/s").batches_in(Span::from_secs(10)), 251);
        assert_eq!(
            speed("0.000001 batches/s").batches_in(Span::from_secs(1_000_000)),
            1
        );
        let fast = speed("123456789.123457 batches/s").per_second_f64();
        assert!((fast / 123_456_789.123_457 - 1.0).abs() < 1e-8, "{fast}");
    }
}
