//! Pictures of rows with a name each: shares of a whole, and who did what when.

use super::axis::{Axis, Scale};
use super::canvas::{Canvas, LINE, Place, Plane, Side, fitted, width_of};
use super::palette::Ink;
use super::plot::{Swatch, legend, legend_rows};

/// Rows of parts that follow each other along the axis.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) x: Axis,
    /// What the parts are, and what they are drawn with.
    pub(super) kinds: Vec<(String, Ink)>,
    /// The legend leaves out kinds that no row has.
    pub(super) is_used_only: bool,
    pub(super) rows: Vec<Row>,
    /// Lines across all rows.
    pub(super) marks: Vec<f64>,
    /// What these lines are.
    pub(super) marked: String,
    /// Names stand above their rows, which are then higher, and not beside them.
    pub(super) is_tall: bool,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) parts: Vec<Part>,
}

/// A part of a row: which kind, from where to where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) kind: usize,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Rows {
    /// Parts of a whole, one after the other.
    pub(super) fn shares(
        x: Axis,
        kinds: Vec<(String, Ink)>,
        rows: Vec<(String, Vec<f64>)>,
    ) -> Self {
        let row = |(name, shares): (String, Vec<f64>)| {
            let mut from = 0.0;
            let part = |(kind, share): (usize, f64)| {
                let part = Part {
                    kind,
                    from,
                    to: from + share,
                };
                from += share;
                part
            };
            Row {
                name,
                parts: shares.into_iter().enumerate().map(part).collect(),
            }
        };
        Self {
            x,
            kinds,
            is_used_only: false,
            rows: rows.into_iter().map(row).collect(),
            marks: Vec::new(),
            marked: String::new(),
            is_tall: true,
        }
    }

    fn entries(&self) -> Vec<(String, Vec<Swatch>)> {
        let is_used = |kind: usize| {
            let mut parts = self.rows.iter().flat_map(|row| &row.parts);
            !self.is_used_only || parts.any(|part| part.kind == kind)
        };
        let kinds = self
            .kinds
            .iter()
            .enumerate()
            .filter(|(kind, _)| is_used(*kind));
        let kinds = kinds.map(|(_, (name, ink))| (name.clone(), vec![Swatch::Area(*ink)]));
        let marked = self.marks.first();
        let marked = marked.map(|_| (self.marked.clone(), vec![Swatch::Line(Ink::Mark)]));
        kinds.chain(marked).collect()
    }

    const fn row_height(&self) -> f64 {
        if self.is_tall { 40.0 } else { 19.0 }
    }

    /// How high it is when it is so wide.
    pub(super) fn height(&self, width: f64) -> f64 {
        let legend = legend_rows(&self.entries(), width).len() as f64;
        legend * LINE + 8.0 + self.rows.len() as f64 * self.row_height() + 2.6 * LINE
    }

    pub(super) fn draw(&self, canvas: &Canvas<'_>, top: f64, (width, height): Place) {
        let top = legend(canvas, &self.entries(), top, width) + 8.0;
        let names = self.rows.iter().map(|row| width_of(&row.name));
        let left = if self.is_tall {
            2.0
        } else {
            names.fold(0.0, f64::max).min(width * 0.26) + 8.0
        };
        let (right, bottom) = (width - 16.0, height - 2.4 * LINE);
        let values = self.rows.iter().flat_map(|row| &row.parts);
        let range = values.flat_map(|part| [part.from, part.to]);
        let range = self.x.range(range.chain(self.marks.iter().copied()));
        let plane = Plane::new(range, (0.0, 1.0), (left, top), (right, bottom));
        let at = |value: f64| plane.place(value, 0.0).0;
        value_axis(
            canvas,
            &self.x,
            range,
            &at,
            ((left, top), (right, bottom)),
            (width, height),
        );
        for (index, row) in self.rows.iter().enumerate() {
            let upper = top + index as f64 * self.row_height();
            let (from, to) = if self.is_tall {
                canvas.words(
                    &fitted(&row.name, width - 4.0),
                    (left, upper + 9.0),
                    Side::Left,
                    Ink::Text,
                    false,
                );
                (upper + 18.0, upper + 34.0)
            } else {
                let name = fitted(&row.name, left - 6.0);
                let level = upper + self.row_height() / 2.0;
                canvas.words(&name, (left - 6.0, level), Side::Right, Ink::Text, false);
                (upper + 3.0, upper + 16.0)
            };
            for part in &row.parts {
                let (start, end) = (at(part.from), at(part.to));
                if part.to > part.from {
                    // What is there is seen, however short.
                    let end = end.max(start + 0.6);
                    canvas.rectangle((start, from), (end, to), self.kinds[part.kind].1);
                }
            }
        }
        for mark in &self.marks {
            canvas.line(&[(at(*mark), top), (at(*mark), bottom)], Ink::Mark);
        }
    }
}

/// An axis along the bottom of rows, with a line up at each of its marks.
pub(super) fn value_axis(
    canvas: &Canvas<'_>,
    axis: &Axis,
    range: (f64, f64),
    at: &dyn Fn(f64) -> f64,
    ((left, top), (right, bottom)): (Place, Place),
    (width, height): Place,
) {
    let widest = axis.width(range, 6) + 14.0;
    let most = (((right - left) / widest) as usize).clamp(2, 8);
    let mut free = 0.0;
    for (value, name) in axis.marks(range, most) {
        let place = at(value);
        canvas.line(&[(place, top), (place, bottom + 4.0)], Ink::Grid);
        let half = width_of(&name) / 2.0;
        let middle = place.clamp(half, (width - half).max(half));
        if middle - half >= free {
            free = middle + half + 6.0;
            let level = bottom + 13.0;
            canvas.words(&name, (middle, level), Side::Middle, Ink::Quiet, false);
        }
    }
    canvas.base(&axis.title, (left, right), bottom, (width, height));
}

/// From nothing to all, in percent.
pub(super) fn percent(title: &str) -> Axis {
    Axis::new(title, Scale::Within(0.0, 100.0))
}
