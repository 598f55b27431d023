//! Pictures with two axes: lines, steps, columns, points with intervals, and counted tiles.

use super::axis::{Axis, Scale, WIDEST_NAME};
use super::canvas::{Canvas, LINE, Place, Plane, Side, fitted, width_of};
use super::palette::{Ink, SERIES};

/// A picture with two axes.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    pub(super) marks: Vec<Mark>,
}

/// What is drawn for one name of the legend.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    /// Which colour, sign and dashes: an allocator has the same in all figures.
    pub(super) look: usize,
    pub(super) shape: Shape,
    pub(super) points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A line through the points, with a band where they have intervals.
    Line,
    /// Each value holds until the next.
    Step,
    /// Points joined by a line, with their intervals.
    Joined,
    /// Points, with their intervals.
    Points,
    /// Columns from `x` to `to`, those of several series side by side.
    Columns,
    /// Squares around `x` and `y`, the larger the more there is in `weight`.
    Tiles,
}

/// A value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// The ends of its interval.
    pub(super) ends: Option<(f64, f64)>,
    /// Where a column ends.
    pub(super) to: f64,
    /// From 0 to 1: how large a tile is.
    pub(super) weight: f64,
}

impl Point {
    pub(super) fn at(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            ..Self::default()
        }
    }
}

/// A line to hold values against.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) name: String,
    pub(super) at: Against,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Against {
    /// A value of the x axis.
    X(f64),
    /// A value of the y axis.
    Y(f64),
    /// Where x and y are the same.
    Same,
}

/// The room around the axes.
struct Frame {
    upper: Place,
    lower: Place,
    x: (f64, f64),
    y: (f64, f64),
    x_most: usize,
    y_most: usize,
}

/// Which of the series' colours, signs and dashes.
pub(super) const fn look(of: usize) -> u8 {
    (of % SERIES as usize) as u8
}

impl Plot {
    /// How high it is when it is so wide.
    pub(super) fn height(&self, width: f64) -> f64 {
        let rows = legend_rows(&self.legend(), width).len() as f64;
        let names = if self.is_staggered(width) { LINE } else { 0.0 };
        rows * LINE + names + 3.2 * LINE + (width * 0.46).clamp(170.0, 260.0)
    }

    pub(super) fn draw(&self, canvas: &Canvas<'_>, top: f64, (width, height): Place) {
        let below = legend(canvas, &self.legend(), top, width);
        self.draw_below(canvas, below, (width, height), &[]);
    }

    /// All but the legend, below `top`. The axes hold `also` these points.
    pub(super) fn draw_below(
        &self,
        canvas: &Canvas<'_>,
        top: f64,
        (width, height): Place,
        also: &[Point],
    ) {
        let frame = self.frame(top + LINE, (width, height), also);
        let plane = Plane::new(frame.x, frame.y, frame.upper, frame.lower);
        let title = fitted(&self.y.title, width - 4.0);
        let level = top + LINE / 2.0;
        canvas.words(&title, (2.0, level), Side::Left, Ink::Quiet, false);
        self.axes(canvas, &frame, &plane, (width, height));
        for (of, series) in self.series.iter().enumerate() {
            self.series(canvas, &plane, &frame, of, series);
        }
        self.draw_marks(canvas, &frame, &plane);
    }

    /// Whether the names of the x axis take two rows in turn: one would not hold them.
    fn is_staggered(&self, width: f64) -> bool {
        let Scale::Names(names) = &self.x.scale else {
            return false;
        };
        let room = (width - 60.0) / names.len().max(1) as f64;
        names.len() > 1 && names.iter().any(|name| width_of(name) + 4.0 > room)
    }

    pub(super) fn legend(&self) -> Vec<(String, Vec<Swatch>)> {
        // One that the axis names already needs no other name.
        if let [only] = self.series.as_slice()
            && self.marks.is_empty()
            && self.y.title.contains(&only.name)
        {
            return Vec::new();
        }
        let swatch = |series: &Series| {
            let of = look(series.look);
            let swatches = match series.shape {
                Shape::Line | Shape::Step => vec![Swatch::Line(Ink::Line(of))],
                Shape::Joined => vec![Swatch::Line(Ink::Line(of)), Swatch::Sign(of)],
                Shape::Points => vec![Swatch::Sign(of)],
                Shape::Columns => vec![Swatch::Area(area(of))],
                Shape::Tiles => vec![Swatch::Area(Ink::Area(of))],
            };
            (series.name.clone(), swatches)
        };
        let series = self.series.iter().map(swatch);
        let marks = self
            .marks
            .iter()
            .map(|mark| (mark.name.clone(), vec![Swatch::Line(Ink::Mark)]));
        series.chain(marks).collect()
    }

    fn frame(&self, top: f64, (width, height): Place, also: &[Point]) -> Frame {
        let drawn = self.series.iter().flat_map(|series| &series.points);
        let points = || drawn.clone().chain(also);
        let x_marks = self.marks.iter().filter_map(|mark| match mark.at {
            Against::X(at) => Some(at),
            Against::Y(_) | Against::Same => None,
        });
        let y_marks = self.marks.iter().filter_map(|mark| match mark.at {
            Against::Y(at) => Some(at),
            Against::X(_) | Against::Same => None,
        });
        let is_columns = self
            .series
            .iter()
            .any(|series| series.shape == Shape::Columns);
        let ends = points().filter(|_| is_columns).map(|point| point.to);
        let x = self
            .x
            .range(points().map(|point| point.x).chain(x_marks).chain(ends));
        let heights = points().flat_map(|point| {
            let (low, high) = point.ends.unwrap_or((point.y, point.y));
            [point.y, low, high]
        });
        let y = self.y.range(heights.chain(y_marks));
        // What is held against each other has the same scale both ways.
        let is_square = self.marks.iter().any(|mark| mark.at == Against::Same);
        let both = (x.0.min(y.0), x.1.max(y.1));
        let (x, y) = if is_square { (both, both) } else { (x, y) };
        let y_most = 6;
        let left = self.y.width(y, y_most) + 10.0;
        let names = if self.is_staggered(width) { LINE } else { 0.0 };
        let bottom = height - 2.2 * LINE - names;
        let room = width - left - 16.0;
        // The number that fits, by the widest.
        let widest = self.x.width(x, 6) + 14.0;
        let x_most = ((room / widest) as usize).clamp(2, 8);
        Frame {
            upper: (left, top + 4.0),
            lower: (width - 16.0, bottom),
            x,
            y,
            x_most,
            y_most,
        }
    }

    fn axes(&self, canvas: &Canvas<'_>, frame: &Frame, plane: &Plane, (width, height): Place) {
        let ((left, top), (right, bottom)) = (frame.upper, frame.lower);
        for (at, name) in self.y.marks(frame.y, frame.y_most) {
            let level = plane.place(frame.x.0, at).1;
            if level < top - 0.5 || level > bottom + 0.5 {
                continue;
            }
            canvas.line(&[(left, level), (right, level)], Ink::Grid);
            let name = fitted(&name, WIDEST_NAME);
            canvas.words(&name, (left - 6.0, level), Side::Right, Ink::Quiet, false);
        }
        // What would touch what is written before it is left out.
        let rows = if self.is_staggered(width) { 2 } else { 1 };
        let mut free = [0.0; 2];
        let marks = self.x.marks(frame.x, frame.x_most);
        let room = f64::from(rows) * (right - left) / marks.len().max(1) as f64;
        let is_named = matches!(self.x.scale, Scale::Names(_));
        for (index, (at, name)) in marks.into_iter().enumerate() {
            let row = index % rows as usize;
            let place = plane.place(at, frame.y.0).0;
            canvas.line(&[(place, bottom), (place, bottom + 4.0)], Ink::Axis);
            let name = if is_named {
                fitted(&name, (room - 4.0).max(48.0))
            } else {
                name
            };
            let half = width_of(&name) / 2.0;
            let middle = place.clamp(half, (width - half).max(half));
            if middle - half < free[row] {
                continue;
            }
            free[row] = middle + half + 4.0;
            let level = bottom + 13.0 + LINE * row as f64;
            canvas.words(&name, (middle, level), Side::Middle, Ink::Quiet, false);
        }
        canvas.base(&self.x.title, (left, right), bottom, (width, height));
    }

    fn series(
        &self,
        canvas: &Canvas<'_>,
        plane: &Plane,
        frame: &Frame,
        of: usize,
        series: &Series,
    ) {
        let of_look = look(series.look);
        let place = |x: f64, y: f64| Some(plane.place(self.x.along(x)?, self.y.along(y)?));
        let points = &series.points;
        match series.shape {
            Shape::Line => {
                self.band(canvas, plane, of_look, points);
                let places: Vec<Place> = points.iter().filter_map(|p| place(p.x, p.y)).collect();
                canvas.line(&places, Ink::Line(of_look));
            }
            Shape::Step => {
                let mut places: Vec<Place> = Vec::with_capacity(2 * points.len());
                for at in points.iter().filter_map(|p| place(p.x, p.y)) {
                    if let Some(last) = places.last().copied() {
                        places.push((at.0, last.1));
                    }
                    places.push(at);
                }
                canvas.line(&places, Ink::Line(of_look));
            }
            Shape::Joined | Shape::Points => {
                let aside = self.aside(of, plane);
                let places = points.iter().filter_map(|p| place(p.x, p.y));
                let places: Vec<Place> = places.map(|(x, y)| (x + aside, y)).collect();
                if series.shape == Shape::Joined {
                    canvas.line(&places, Ink::Line(of_look));
                }
                for point in points {
                    let x = self.x.along(point.x);
                    if let (Some(x), Some((low, high))) = (x, point.ends) {
                        // An end that is not on the axis lies below all of it.
                        let [low, high] = [low, high].map(|y| {
                            let y = self.y.along(y).unwrap_or(frame.y.0);
                            let (x, y) = plane.place(x, y);
                            (x + aside, y)
                        });
                        canvas.line(&[low, high], Ink::Axis);
                        for end in [low, high] {
                            canvas.line(&[(end.0 - 3.5, end.1), (end.0 + 3.5, end.1)], Ink::Axis);
                        }
                    }
                    if let Some((x, y)) = place(point.x, point.y) {
                        canvas.sign((x + aside, y), of_look);
                    }
                }
            }
            Shape::Columns => {
                let count = self.series.len() as f64;
                for point in points {
                    let (Some(from), Some(to)) = (self.x.along(point.x), self.x.along(point.to))
                    else {
                        continue;
                    };
                    let (left, _) = plane.place(from, frame.y.0);
                    let (right, _) = plane.place(to, frame.y.0);
                    let wide = (right - left) / (count + 0.3);
                    let left = left + wide * (0.15 + of as f64);
                    let Some(y) = self.y.along(point.y).filter(|y| *y > frame.y.0) else {
                        continue;
                    };
                    let top = plane.place(from, y).1;
                    let lower = (left + wide * 0.92, frame.lower.1);
                    canvas.rectangle((left, top), lower, area(of_look));
                }
            }
            Shape::Tiles => {
                for point in points {
                    let Some((x, y)) = place(point.x, point.y) else {
                        continue;
                    };
                    let half = 1.4 + 3.0 * point.weight.sqrt();
                    canvas.rectangle(
                        (x - half, y - half),
                        (x + half, y + half),
                        Ink::Area(of_look),
                    );
                }
            }
        }
    }

    /// Points of several series at one place stand side by side if they have intervals, which
    /// would hide each other.
    fn aside(&self, of: usize, plane: &Plane) -> f64 {
        let mut points = self.series.iter().flat_map(|series| &series.points);
        let step = if matches!(self.x.scale, Scale::Names(_)) {
            let wide = plane.place(1.0, 0.0).0 - plane.place(0.0, 0.0).0;
            (wide * 0.8 / self.series.len() as f64).min(14.0)
        } else if points.any(|point| point.ends.is_some()) {
            4.0
        } else {
            0.0
        };
        (of as f64 - (self.series.len() as f64 - 1.0) / 2.0) * step
    }

    fn band(&self, canvas: &Canvas<'_>, plane: &Plane, of: u8, points: &[Point]) {
        let end = |get: fn((f64, f64)) -> f64| {
            points.iter().filter_map(move |point| {
                let y = get(point.ends?);
                Some(plane.place(self.x.along(point.x)?, self.y.along(y)?))
            })
        };
        let mut places: Vec<Place> = end(|ends| ends.0).collect();
        let mut back: Vec<Place> = end(|ends| ends.1).collect();
        back.reverse();
        places.extend(back);
        if places.len() > 3 {
            canvas.area(&places, Ink::Veil(of));
        }
    }

    fn draw_marks(&self, canvas: &Canvas<'_>, frame: &Frame, plane: &Plane) {
        for mark in &self.marks {
            let ends = match mark.at {
                Against::X(x) => self.x.along(x).map(|x| [(x, frame.y.0), (x, frame.y.1)]),
                Against::Y(y) => self.y.along(y).map(|y| [(frame.x.0, y), (frame.x.1, y)]),
                Against::Same => {
                    let low = frame.x.0.max(frame.y.0);
                    let high = frame.x.1.min(frame.y.1);
                    (low < high).then_some([(low, low), (high, high)])
                }
            };
            if let Some(ends) = ends {
                canvas.line(&ends.map(|(x, y)| plane.place(x, y)), Ink::Mark);
            }
        }
    }
}

/// Areas of series that stand beside each other: the first plain, the others hatched.
pub(super) const fn area(of: u8) -> Ink {
    if of == 0 {
        Ink::Area(of)
    } else {
        Ink::Hatch(of)
    }
}

/// The sign of an entry of a legend.
#[derive(Clone, Copy, Debug)]
pub(super) enum Swatch {
    Line(Ink),
    Area(Ink),
    Sign(u8),
}

const SWATCH: f64 = 26.0;

/// The rows of a legend, each the places of its entries.
pub(super) fn legend_rows(entries: &[(String, Vec<Swatch>)], width: f64) -> Vec<Vec<(f64, usize)>> {
    let mut rows: Vec<Vec<(f64, usize)>> = Vec::new();
    let mut free = f64::INFINITY;
    for (at, (name, _)) in entries.iter().enumerate() {
        let wide = (SWATCH + 6.0 + width_of(name) + 14.0).min(width);
        if free + wide > width {
            rows.push(Vec::new());
            free = 0.0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((free, at));
        }
        free += wide;
    }
    rows
}

/// Draws a legend, and says where it ends.
pub(super) fn legend(
    canvas: &Canvas<'_>,
    entries: &[(String, Vec<Swatch>)],
    top: f64,
    width: f64,
) -> f64 {
    let rows = legend_rows(entries, width);
    for (row, places) in rows.iter().enumerate() {
        let level = top + LINE * (row as f64 + 0.5);
        for (left, at) in places {
            let (name, swatches) = &entries[*at];
            let left = left + 2.0;
            for swatch in swatches {
                match *swatch {
                    Swatch::Line(ink) => canvas.line(&[(left, level), (left + SWATCH, level)], ink),
                    Swatch::Area(ink) => {
                        canvas.rectangle(
                            (left + 6.0, level - 5.0),
                            (left + SWATCH, level + 5.0),
                            ink,
                        );
                    }
                    Swatch::Sign(of) => canvas.sign((left + SWATCH / 2.0, level), of),
                }
            }
            let name = fitted(name, width - left - SWATCH - 8.0);
            let place = (left + SWATCH + 6.0, level);
            canvas.words(&name, place, Side::Left, Ink::Text, false);
        }
    }
    top + LINE * rows.len() as f64
}

/// No more points than a line can show, the last among them.
pub(super) fn thinned(points: Vec<Point>) -> Vec<Point> {
    let step = points.len().div_ceil(300).max(1);
    let last = points.len().saturating_sub(1);
    let is_kept =
        |(at, point): (usize, Point)| (at.is_multiple_of(step) || at == last).then_some(point);
    points.into_iter().enumerate().filter_map(is_kept).collect()
}
