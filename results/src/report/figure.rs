//! A figure: a picture in two sizes for the page and one by itself, what it shows in words, and
//! its data.

use super::canvas::{Canvas, LETTERS, Place, Side, drawn, fitted};
use super::escape::markup;
use super::forest::Forest;
use super::palette::{Ink, colours, hatchings, ink_styles};
use super::panels::Panels;
use super::plot::Plot;
use super::rows::Rows;
use super::table::Table;

/// Widths in units, which are about as large as a screen's points.
const WIDE: f64 = 600.0;
const NARROW: f64 = 350.0;

/// Longer tables are in their file only.
const MOST_ROWS: usize = 60;

/// A figure.
pub(super) struct Figure {
    /// What its files are called, without their endings.
    pub(super) name: String,
    pub(super) title: String,
    /// What it shows, in words and with its key numbers.
    pub(super) says: String,
    pub(super) picture: Picture,
    pub(super) data: Table,
}

pub(super) enum Picture {
    Plot(Plot),
    Rows(Rows),
    Panels(Panels),
    Forest(Forest),
}

impl Picture {
    fn height(&self, width: f64) -> f64 {
        match self {
            Self::Plot(plot) => plot.height(width),
            Self::Rows(rows) => rows.height(width),
            Self::Panels(panels) => panels.height(width),
            Self::Forest(forest) => forest.height(),
        }
    }

    fn draw(&self, canvas: &Canvas<'_>, top: f64, size: Place) {
        match self {
            Self::Plot(plot) => plot.draw(canvas, top, size),
            Self::Rows(rows) => rows.draw(canvas, top, size),
            Self::Panels(panels) => panels.draw(canvas, top, size),
            Self::Forest(forest) => forest.draw(canvas, top, size),
        }
    }
}

impl Figure {
    /// The files, by their names.
    pub(super) fn files(&self) -> [(String, String); 2] {
        [
            (format!("{}.svg", self.name), self.alone()),
            (format!("{}.csv", self.name), self.data.csv()),
        ]
    }

    /// The picture as a file of its own: with its title, its colours and its hatchings.
    fn alone(&self) -> String {
        let room = LETTERS * 2.0;
        let size = (WIDE, self.picture.height(WIDE) + room);
        let inside = drawn(size, |canvas| {
            canvas.rectangle((0.0, 0.0), size, Ink::Ground);
            let title = fitted(&self.title, WIDE - 4.0);
            let place = (2.0, room / 2.0);
            canvas.words(&title, place, Side::Left, Ink::Text, true);
            self.picture.draw(canvas, room, size);
        });
        let (width, height) = size;
        let (x, y) = (width * 10.0, height.trunc() * 10.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" \
             width=\"{width}\" height=\"{}\" viewBox=\"0 0 {x} {y}\" \
             aria-labelledby=\"title says\">\n\
             <title id=\"title\">{}</title>\n<desc id=\"says\">{}</desc>\n\
             <style>\n{}{}</style>\n{}\n{inside}</svg>\n",
            height.trunc(),
            markup(&self.title),
            markup(&self.says),
            colours("svg"),
            ink_styles(),
            hatchings(),
        )
    }

    /// The figure within the page, whose style sheet and hatchings it uses.
    pub(super) fn html(&self) -> String {
        let (name, title, says) = (&self.name, markup(&self.title), markup(&self.says));
        let within = |which: &str, width: f64| {
            let size = (width, self.picture.height(width));
            let inside = drawn(size, |canvas| self.picture.draw(canvas, 0.0, size));
            let (x, y) = (width * 10.0, size.1.trunc() * 10.0);
            format!(
                "<svg class=\"chart {which}\" role=\"img\" viewBox=\"0 0 {x} {y}\" \
                 aria-labelledby=\"{name}-{which}-title {name}-{which}-says\">\
                 <title id=\"{name}-{which}-title\">{title}</title>\
                 <desc id=\"{name}-{which}-says\">{says}</desc>\n{inside}</svg>\n"
            )
        };
        let rows = self.data.rows();
        let table = if rows <= MOST_ROWS {
            self.data.html(&format!("Data of “{}”", self.title))
        } else {
            format!("<p>{rows} rows, too many to be read here.</p>\n")
        };
        let notes = self.data.notes_html();
        format!(
            "<figure id=\"{name}\" aria-labelledby=\"{name}-heading\">\n\
             <h3 id=\"{name}-heading\">{title}</h3>\n{}{}\
             <figcaption>{says}</figcaption>\n\
             <details><summary>Data<span class=\"unseen\"> of “{title}”</span></summary>\n{table}{notes}\
             <p>As a file: <a href=\"report/{name}.csv\">{name}.csv</a>, \
             <a href=\"report/{name}.svg\">{name}.svg</a></p>\n\
             </details>\n</figure>\n",
            within("wide", WIDE),
            within("narrow", NARROW),
        )
    }
}
