//! The axes of a picture: their range, where their marks are, and what is written there.

use super::canvas::{round_values, width_of};
use super::number::{shown, time};

/// Names of an axis are no wider than this, in units.
pub(super) const WIDEST_NAME: f64 = 110.0;

/// What an axis is over.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// With the unit.
    pub(super) title: String,
    pub(super) scale: Scale,
    /// How its marks are written.
    pub(super) unit: Unit,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scale {
    /// Even, and from zero if all values are above it.
    FromZero,
    /// Even, as far as values go.
    Even,
    /// From this to that, evenly.
    Within(f64, f64),
    /// Each factor of ten as long as the others; nothing at or below zero is shown.
    Tenfold,
    /// Names, in order: the first is at 0, the next at 1.
    Names(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// The title says it.
    Plain,
    /// Nanoseconds, written in what suits them.
    Nanos,
}

impl Axis {
    pub(super) fn new(title: &str, scale: Scale) -> Self {
        Self {
            title: title.to_owned(),
            scale,
            unit: Unit::Plain,
        }
    }

    pub(super) fn nanos(title: &str) -> Self {
        Self {
            unit: Unit::Nanos,
            ..Self::new(title, Scale::Tenfold)
        }
    }

    /// Where a value is along the axis, if it is at all.
    pub(super) fn along(&self, value: f64) -> Option<f64> {
        let along = match self.scale {
            Scale::Tenfold => value.log10(),
            Scale::FromZero | Scale::Even | Scale::Within(..) | Scale::Names(_) => value,
        };
        along.is_finite().then_some(along)
    }

    /// From where to where it goes to show all of these.
    pub(super) fn range(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter_map(|value| self.along(value)) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        match &self.scale {
            Scale::Within(low, high) => (*low, *high),
            Scale::Names(names) => (-0.5, names.len().max(1) as f64 - 0.5),
            Scale::Tenfold => {
                let room = 0.03 * (high - low).max(0.3);
                (low - room, high + room)
            }
            Scale::FromZero if low >= 0.0 => {
                let high = if high > 0.0 { high } else { 1.0 };
                (0.0, high * 1.05)
            }
            Scale::FromZero | Scale::Even => {
                let wide = high - low;
                let alone = if high == 0.0 { 1.0 } else { 0.5 * high.abs() };
                let room = if wide > 0.0 { 0.05 * wide } else { alone };
                (low - room, high + room)
            }
        }
    }

    /// Where marks are, along the axis, and what is written at them.
    pub(super) fn marks(&self, range: (f64, f64), most: usize) -> Vec<(f64, String)> {
        match &self.scale {
            Scale::Names(names) => names
                .iter()
                .enumerate()
                .map(|(at, name)| (at as f64, name.clone()))
                .collect(),
            Scale::Tenfold => self.tenfold(range, most),
            Scale::FromZero | Scale::Even | Scale::Within(..) => {
                let values = round_values(range, most.max(2));
                let within = |value: &f64| (range.0..=range.1).contains(value);
                values
                    .into_iter()
                    .filter(within)
                    // Rounding leaves 0.30000000000000004.
                    .map(|value| (value, self.written((value * 1e9).round() / 1e9)))
                    .collect()
            }
        }
    }

    fn tenfold(&self, range: (f64, f64), most: usize) -> Vec<(f64, String)> {
        let most = most.max(2) as f64;
        let decades = range.1 - range.0;
        let parts: &[f64] = if decades * 3.0 <= most {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let step = (decades / most).ceil().max(1.0) as i32;
        let (from, to) = (range.0.floor() as i32, range.1.ceil() as i32);
        let mut marks = Vec::new();
        for power in (from..=to).filter(|power| power.rem_euclid(step) == 0) {
            for part in parts {
                let value = part * 10_f64.powi(power);
                let along = value.log10();
                if (range.0..=range.1).contains(&along) {
                    marks.push((along, self.written(value)));
                }
            }
        }
        marks
    }

    fn written(&self, value: f64) -> String {
        match self.unit {
            Unit::Plain if value.abs() >= 1e6 => thousands(value),
            Unit::Plain => shown(value),
            Unit::Nanos => time(value),
        }
    }

    /// How wide its widest mark is.
    pub(super) fn width(&self, range: (f64, f64), most: usize) -> f64 {
        let marks = self.marks(range, most);
        let widths = marks.iter().map(|(_, name)| width_of(name));
        widths.fold(0.0, f64::max).min(WIDEST_NAME)
    }
}

/// Large round numbers in a short form.
fn thousands(value: f64) -> String {
    if value.abs() >= 1e9 {
        return format!("{} G", shown(value / 1e9));
    }
    format!("{} M", shown(value / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(marks: Vec<(f64, String)>) -> Vec<String> {
        marks.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn even_axes_have_round_marks() {
        let axis = Axis::new("s", Scale::FromZero);
        let range = axis.range([3.0, 9.5].into_iter());
        assert_eq!(range, (0.0, 9.975));
        let marks = axis.marks(range, 6);
        assert!((3..=6).contains(&marks.len()), "{marks:?}");
        assert_eq!(marks[0], (0.0, "0".to_owned()));
        let below = axis.range([-1.0, 1.0].into_iter());
        assert_eq!(below, (-1.1, 1.1));
        let nothing = axis.range(std::iter::empty());
        assert!(nothing.0 < nothing.1);
        let equal = Axis::new("s", Scale::Even).range([4.0].into_iter());
        assert!(equal.0 < 4.0 && 4.0 < equal.1);
    }

    #[test]
    fn tenfold_axes_name_their_powers() {
        let axis = Axis::nanos("time");
        let range = axis.range([90.0, 2e7].into_iter());
        assert_eq!(
            names(axis.marks(range, 7)),
            ["100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms"]
        );
        assert_eq!(
            names(axis.marks(range, 3)),
            ["100 ns", "10 µs", "1 ms"].map(str::to_owned)
        );
        assert_eq!(axis.along(0.0), None);
        let short = axis.range([110.0, 900.0].into_iter());
        assert_eq!(names(axis.marks(short, 6)), ["200 ns", "500 ns"]);
    }
}
