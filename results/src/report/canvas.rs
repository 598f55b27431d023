//! Drawing: plotters writes SVG, in tenths of a unit and with inks in the place of colours.
//!
//! **What it does not know:** what is drawn, and what inks look like.

use std::fmt::Write;

use plotters::backend::SVGBackend;
use plotters::coord::CoordTranslate;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle};

use super::escape;
use super::palette::{Ink, inks};

/// Backends know whole numbers only; a tenth of a unit is finer than any screen.
const FINE: f64 = 10.0;

/// The size of letters, in units.
pub(super) const LETTERS: f64 = 12.0;
/// From one line of words to the next.
pub(super) const LINE: f64 = LETTERS * 1.5;

/// A place or a distance, in units.
pub(super) type Place = (f64, f64);

/// Where of a text its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Middle,
    Right,
}

/// Something to draw on.
pub(super) struct Canvas<'a> {
    root: DrawingArea<SVGBackend<'a>, Shift>,
    /// Where the place (0, 0) lies.
    origin: Place,
}

/// Draws, and gives what belongs within an `svg` element whose view box is ten times the size.
pub(super) fn drawn((width, height): Place, paint: impl FnOnce(&Canvas<'_>)) -> String {
    let mut text = String::new();
    {
        let size = ((width * FINE) as u32, (height * FINE) as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let canvas = Canvas {
            root,
            origin: (0.0, 0.0),
        };
        paint(&canvas);
        canvas.root.present().expect("a text takes everything");
    }
    with_classes(&text)
}

/// How wide a text is, rather too much than too little.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * LETTERS * 0.58
}

/// As much of a text as fits.
pub(super) fn fitted(text: &str, width: f64) -> String {
    let text = escape::label(text);
    let most = (width / (LETTERS * 0.58)) as usize;
    if text.chars().count() <= most {
        return text;
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "…"
}

impl Canvas<'_> {
    /// The same canvas with its origin elsewhere.
    pub(super) fn moved(&self, (x, y): Place) -> Self {
        Self {
            root: self.root.clone(),
            origin: (self.origin.0 + x, self.origin.1 + y),
        }
    }

    fn fine(&self, (x, y): Place) -> (i32, i32) {
        fine((self.origin.0 + x, self.origin.1 + y))
    }

    pub(super) fn line(&self, places: &[Place], ink: Ink) {
        let places: Vec<(i32, i32)> = places.iter().map(|place| self.fine(*place)).collect();
        if places.len() > 1 {
            self.draw(&PathElement::new(places, style(ink, false)));
        }
    }

    /// The axis at the bottom, from left to right, and its title below the names of its marks.
    pub(super) fn base(
        &self,
        title: &str,
        (left, right): (f64, f64),
        bottom: f64,
        (width, height): Place,
    ) {
        self.line(&[(left, bottom), (right, bottom)], Ink::Axis);
        let title = fitted(title, width - 4.0);
        let half = width_of(&title) / 2.0;
        let middle = ((left + right) / 2.0).min(width - half).max(half);
        let place = (middle, height - 0.6 * LINE);
        self.words(&title, place, Side::Middle, Ink::Quiet, false);
    }

    pub(super) fn area(&self, places: &[Place], ink: Ink) {
        let places: Vec<(i32, i32)> = places.iter().map(|place| self.fine(*place)).collect();
        self.draw(&Polygon::new(places, style(ink, true)));
    }

    pub(super) fn rectangle(&self, one: Place, other: Place, ink: Ink) {
        let upper = (one.0.min(other.0), one.1.min(other.1));
        let lower = (one.0.max(other.0), one.1.max(other.1));
        self.draw(&Rectangle::new(
            [self.fine(upper), self.fine(lower)],
            style(ink, true),
        ));
    }

    /// The sign of a series: each its own form.
    pub(super) fn sign(&self, (x, y): Place, series: u8) {
        let ink = Ink::Area(series);
        let at = |places: &[Place]| {
            let moved: Vec<Place> = places.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
            self.area(&moved, ink);
        };
        match series % 6 {
            0 => self.draw(&Circle::new(self.fine((x, y)), 34, style(ink, true))),
            1 => self.rectangle((x - 3.2, y - 3.2), (x + 3.2, y + 3.2), ink),
            2 => at(&[(0.0, -4.4), (4.2, 3.2), (-4.2, 3.2)]),
            3 => at(&[(0.0, -4.6), (4.6, 0.0), (0.0, 4.6), (-4.6, 0.0)]),
            4 => at(&[(0.0, 4.4), (4.2, -3.2), (-4.2, -3.2)]),
            _ => self.rectangle((x - 4.4, y - 1.6), (x + 4.4, y + 1.6), ink),
        }
    }

    /// Words in one line, level with the place.
    pub(super) fn words(&self, text: &str, place: Place, side: Side, ink: Ink, is_bold: bool) {
        let text = escape::label(text);
        let side = match side {
            Side::Left => HPos::Left,
            Side::Middle => HPos::Center,
            Side::Right => HPos::Right,
        };
        // The backend divides by that.
        let size = LETTERS * FINE * 1.24;
        let weight = if is_bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let font = FontDesc::new(FontFamily::SansSerif, size, weight);
        let (red, green, blue) = ink.code();
        let colour = RGBColor(red, green, blue);
        let style = TextStyle::from(font)
            .color(&colour)
            .pos(Pos::new(side, VPos::Center));
        let (x, y) = self.fine(place);
        let written = self.root.draw_text(&text, &style, (x, y));
        written.expect("a text takes everything");
    }

    fn draw<'b, E>(&self, element: &'b E)
    where
        &'b E: plotters::element::PointCollection<'b, (i32, i32)>,
        for<'c> E: plotters::element::Drawable<SVGBackend<'c>>,
    {
        self.root.draw(element).expect("a text takes everything");
    }
}

/// From the values of two axes to places.
pub(super) struct Plane(Cartesian2d<RangedCoordf64, RangedCoordf64>);

impl Plane {
    /// Values `x` and `y` within the rectangle from `upper` left to `lower` right.
    pub(super) fn new(x: (f64, f64), y: (f64, f64), upper: Place, lower: Place) -> Self {
        let (left, top) = fine(upper);
        let (right, bottom) = fine(lower);
        let actual = (left..right, bottom..top);
        Self(Cartesian2d::new(x.0..x.1, y.0..y.1, actual))
    }

    pub(super) fn place(&self, x: f64, y: f64) -> Place {
        let (x, y) = self.0.translate(&(x, y));
        (f64::from(x) / FINE, f64::from(y) / FINE)
    }
}

/// Round values within a range, at most this number.
pub(super) fn round_values(range: (f64, f64), most: usize) -> Vec<f64> {
    RangedCoordf64::from(range.0..range.1).key_points(most)
}

fn fine((x, y): Place) -> (i32, i32) {
    ((x * FINE).round() as i32, (y * FINE).round() as i32)
}

fn style(ink: Ink, is_filled: bool) -> ShapeStyle {
    let (red, green, blue) = ink.code();
    let style = ShapeStyle::from(&RGBColor(red, green, blue));
    if is_filled { style.filled() } else { style }
}

/// The drawing without its frame, with classes for colours, and without what the classes say.
fn with_classes(svg: &str) -> String {
    let inside = svg.split_once(">\n").map_or("", |(_, inside)| inside);
    let inside = inside.trim_end().trim_end_matches("</svg>");
    let mut text = inside.to_owned();
    for (ink, class) in inks() {
        let (red, green, blue) = ink.code();
        let mut code = String::new();
        // Writing to a text does not fail.
        let _ = write!(code, "#{red:02X}{green:02X}{blue:02X}\"");
        for attribute in ["fill", "stroke"] {
            text = text.replace(
                &format!(" {attribute}=\"{code}"),
                &format!(" class=\"{class}\""),
            );
        }
    }
    for said in [
        " opacity=\"1\"",
        " fill=\"none\"",
        " stroke=\"none\"",
        " stroke-width=\"1\"",
        " font-family=\"sans-serif\"",
    ] {
        text = text.replace(said, "");
    }
    text.replace(" \"/>", "\"/>")
        .replace("\">\n", "\">")
        .replace("\n</text>", "</text>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_text() {
        let hostile = "</text><script>\" fill=\"#A10000\u{7}";
        let svg = drawn((50.0, 20.0), |canvas| {
            canvas.words(hostile, (5.0, 5.0), Side::Left, Ink::Text, false);
        });
        assert!(!svg.contains("<script"), "{svg}");
        assert!(
            svg.contains("&lt;/text&gt;&lt;script&gt;&quot; fill=&quot;#A10000"),
            "{svg}"
        );
        assert_eq!(svg.matches("class=").count(), 1, "{svg}");
    }

    #[test]
    fn places_follow_values() {
        let plane = Plane::new((0.0, 10.0), (0.0, 1.0), (100.0, 20.0), (300.0, 120.0));
        assert_eq!(plane.place(0.0, 0.0), (100.0, 120.0));
        assert_eq!(plane.place(10.0, 1.0), (300.0, 20.0));
        assert_eq!(plane.place(5.0, 0.5), (200.0, 70.0));
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(fitted("abc", 100.0), "abc");
        assert_eq!(fitted("abcdefghijklmnop", 60.0), "abcdefg…");
        assert_eq!(fitted("a\nb", 100.0), "a b");
    }
}
