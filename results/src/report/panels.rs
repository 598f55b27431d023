//! Small plots beside each other, with the same axes and one legend.

use super::axis::Axis;
use super::canvas::{Canvas, LINE, Place, Side, fitted};
use super::palette::Ink;
use super::plot::{Plot, Point, Series, Swatch, legend, legend_rows};

/// The least width of a plot, in units.
const LEAST: f64 = 180.0;
/// Between two plots.
const GAP: f64 = 12.0;

/// Small plots beside each other.
#[derive(Clone, Debug)]
pub(super) struct Panels {
    /// Each with its name.
    plots: Vec<(String, Plot)>,
    /// What all axes hold.
    points: Vec<Point>,
}

impl Panels {
    /// A plot for each name, all over the same axes, which hold all points.
    pub(super) fn new((x, y): (Axis, Axis), panels: Vec<(String, Vec<Series>)>) -> Self {
        let points = panels.iter().flat_map(|(_, series)| series);
        let points = points.flat_map(|series| series.points.clone()).collect();
        let plot = |(name, series): (String, Vec<Series>)| {
            let plot = Plot {
                x: x.clone(),
                y: y.clone(),
                series,
                marks: Vec::new(),
            };
            (name, plot)
        };
        Self {
            points,
            plots: panels.into_iter().map(plot).collect(),
        }
    }

    fn columns(&self, width: f64) -> usize {
        let fit = ((width + GAP) / (LEAST + GAP)) as usize;
        fit.clamp(1, self.plots.len().max(1))
    }

    /// How wide and how high a plot is, with the line of its name.
    fn size(&self, width: f64) -> Place {
        let columns = self.columns(width) as f64;
        let wide = (width - (columns - 1.0) * GAP) / columns;
        (wide, (wide * 0.7).clamp(130.0, 200.0) + 4.2 * LINE)
    }

    /// One entry for each look, whichever plots have it.
    fn entries(&self) -> Vec<(String, Vec<Swatch>)> {
        let mut entries: Vec<(String, Vec<Swatch>)> = Vec::new();
        for entry in self.plots.iter().flat_map(|(_, plot)| plot.legend()) {
            if entries.iter().all(|(name, _)| *name != entry.0) {
                entries.push(entry);
            }
        }
        entries
    }

    /// How high it is when it is this wide.
    pub(super) fn height(&self, width: f64) -> f64 {
        let rows = self.plots.len().div_ceil(self.columns(width)) as f64;
        legend_rows(&self.entries(), width).len() as f64 * LINE + rows * self.size(width).1
    }

    pub(super) fn draw(&self, canvas: &Canvas<'_>, top: f64, (width, _): Place) {
        let top = legend(canvas, &self.entries(), top, width);
        let (columns, (wide, high)) = (self.columns(width), self.size(width));
        for (at, (name, plot)) in self.plots.iter().enumerate() {
            let left = (at % columns) as f64 * (wide + GAP);
            let upper = top + (at / columns) as f64 * high;
            let panel = canvas.moved((left, upper));
            let name = fitted(name, wide - 4.0);
            panel.words(&name, (2.0, LINE / 2.0), Side::Left, Ink::Text, true);
            plot.draw_below(&panel, LINE, (wide, high - 4.0), &self.points);
        }
    }
}
