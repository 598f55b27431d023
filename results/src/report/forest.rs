//! Differences and their intervals, one below the other, beside the line of no difference.

use super::axis::{Axis, Scale};
use super::canvas::{Canvas, LINE, Place, Plane, Side, fitted, width_of};
use super::palette::Ink;
use super::rows::value_axis;

/// The height of a row: its words, and its interval below.
const ROW: f64 = 38.0;

/// Differences.
#[derive(Clone, Debug)]
pub(super) struct Forest {
    pub(super) title: String,
    pub(super) rows: Vec<ForestRow>,
}

/// A difference.
#[derive(Clone, Debug)]
pub(super) struct ForestRow {
    /// What differs, and by how much, in words.
    pub(super) says: String,
    pub(super) value: f64,
    pub(super) ends: (f64, f64),
}

impl Forest {
    /// How high it is, whatever its width.
    pub(super) fn height(&self) -> f64 {
        8.0 + self.rows.len() as f64 * ROW + 2.6 * LINE
    }

    pub(super) fn draw(&self, canvas: &Canvas<'_>, top: f64, (width, height): Place) {
        let axis = Axis::new(&self.title, Scale::Even);
        let values = self.rows.iter();
        let values = values.flat_map(|row| [row.value, row.ends.0, row.ends.1]);
        let range = axis.range(values.chain([0.0]));
        let (left, right) = (8.0, width - 16.0);
        let (top, bottom) = (top + 8.0, height - 2.4 * LINE);
        let plane = Plane::new(range, (0.0, 1.0), (left, top), (right, bottom));
        let at = |value: f64| plane.place(value, 0.0).0;
        let corners = ((left, top), (right, bottom));
        value_axis(canvas, &axis, range, &at, corners, (width, height));
        canvas.line(&[(at(0.0), top), (at(0.0), bottom)], Ink::Mark);
        for (index, row) in self.rows.iter().enumerate() {
            let upper = top + index as f64 * ROW;
            let says = fitted(&row.says, width - 4.0);
            // Words are not crossed by lines.
            let end = (2.0 + width_of(&says), upper + 18.0);
            canvas.rectangle((2.0, upper), end, Ink::Ground);
            canvas.words(&says, (2.0, upper + 9.0), Side::Left, Ink::Text, false);
            let level = upper + 26.0;
            let (low, high) = (at(row.ends.0), at(row.ends.1));
            canvas.line(&[(low, level), (high, level)], Ink::Axis);
            for end in [low, high] {
                canvas.line(&[(end, level - 3.5), (end, level + 3.5)], Ink::Axis);
            }
            canvas.sign((at(row.value), level), 0);
        }
    }
}
