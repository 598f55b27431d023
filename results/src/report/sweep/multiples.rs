//! One outcome of a sweep of two or three keys: small plots beside each other, over the same axes.

use super::super::axis::{Axis, Scale};
use super::super::csv::Csv;
use super::super::figure::{Figure, Picture};
use super::super::panels::Panels;
use super::super::plot::{Point, Series, Shape};
use super::super::table::{Cell, Column, Table};
use super::lines::{Found, MOST_LINES, Outcome, change, found, grouped, scale};
use crate::interval::Estimate;

/// More plots are not looked at together.
const MOST_PLOTS: usize = 12;

/// Which key is what: the one along the axis, the one that distinguishes lines, those of the plots.
pub(super) struct Layout {
    along: String,
    lines: Option<String>,
    plots: Vec<String>,
    has_arms: bool,
}

impl Layout {
    /// That of a sweep, if it has two or three keys and not too many values for small plots.
    pub(super) fn of(csv: &Csv, keys: &[String]) -> Option<Self> {
        let values = |key: &str| {
            let mut values: Vec<&str> = Vec::new();
            for row in &csv.rows {
                let cell = csv.cell(row, key);
                if !values.contains(&cell) {
                    values.push(cell);
                }
            }
            values
        };
        let is_numbers = |values: &[&str]| {
            let mut numbers = values.iter().map(|value| value.parse::<f64>());
            numbers.all(|number| number.is_ok_and(f64::is_finite))
        };
        // Keys that vary, those of numbers and of many values first.
        let mut varied: Vec<(&String, Vec<&str>)> = keys
            .iter()
            .map(|key| (key, values(key)))
            .filter(|(_, values)| values.len() > 1)
            .collect();
        if !(2..=3).contains(&varied.len()) {
            return None;
        }
        varied.sort_by_key(|(_, values)| std::cmp::Reverse((is_numbers(values), values.len())));
        let arms = values("allocator").len().max(1);
        let (along, others) = varied.split_first()?;
        let of_lines = others.last().filter(|_| others.len() > 1);
        let of_lines = of_lines.filter(|(_, values)| arms * values.len() <= MOST_LINES);
        let of_plots = &others[..others.len() - usize::from(of_lines.is_some())];
        let plots: usize = of_plots.iter().map(|(_, values)| values.len()).product();
        (plots <= MOST_PLOTS && arms <= MOST_LINES).then(|| Self {
            along: along.0.clone(),
            lines: of_lines.map(|(key, _)| (*key).clone()),
            plots: of_plots.iter().map(|(key, _)| (*key).clone()).collect(),
            has_arms: arms > 1,
        })
    }

    /// The figure of an outcome, if any row has it.
    pub(super) fn figure(
        &self,
        csv: &Csv,
        keys: &[String],
        (column, title, axis): &Outcome,
    ) -> Option<Figure> {
        let (values, all) = found(csv, keys, &self.along, column);
        if all.is_empty() {
            return None;
        }
        let numbers: Option<Vec<f64>> = values.iter().map(|value| value.parse().ok()).collect();
        let numbers = numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite()));
        let (scale, is_ordered) = scale(numbers.as_deref(), &values);
        let at = |row: &Found<'_>| {
            numbers
                .as_ref()
                .map_or(row.value as f64, |all| all[row.value])
        };

        let mut heading: Vec<Column> = self.plots.iter().map(|key| Column::new(key, key)).collect();
        heading.push(Column::new("line", "line"));
        heading.push(Column::new("value", &self.along));
        heading.push(Column::estimate(column, axis));
        let mut data = Table::new(heading);
        let mut looks: Vec<String> = Vec::new();
        let mut panels: Vec<(String, Vec<Series>)> = Vec::new();
        for row in &all {
            let name = self.plot_of(csv, row.row);
            let place = panels.iter().position(|(known, _)| *known == name);
            let place = place.unwrap_or_else(|| {
                panels.push((name, Vec::new()));
                panels.len() - 1
            });
            let line = self.line_of(csv, row.row, column);
            let look = looks.iter().position(|known| *known == line);
            let look = look.unwrap_or_else(|| {
                looks.push(line.clone());
                looks.len() - 1
            });
            let lines = &mut panels[place].1;
            let known = lines.iter().position(|series| series.look == look);
            let known = known.unwrap_or_else(|| {
                lines.push(Series {
                    name: line.clone(),
                    look,
                    shape: if is_ordered {
                        Shape::Joined
                    } else {
                        Shape::Points
                    },
                    points: Vec::new(),
                });
                lines.len() - 1
            });
            lines[known].points.push(Point {
                ends: row.ends,
                ..Point::at(at(row), row.y)
            });
            let mut cells: Vec<Cell> = Vec::new();
            cells.extend(
                self.plots
                    .iter()
                    .map(|key| Cell::read(csv.cell(row.row, key))),
            );
            cells.push(Cell::text(&line));
            cells.push(Cell::read(&values[row.value]));
            cells.push(Cell::estimate(Some(Estimate {
                value: row.y,
                low: row.ends.map(|ends| ends.0),
                high: row.ends.map(|ends| ends.1),
            })));
            data.push(cells);
        }
        for series in panels.iter_mut().flat_map(|(_, lines)| lines) {
            series.points.sort_by(|a, b| a.x.total_cmp(&b.x));
        }
        data.note("plots", panels.len() as f64);

        let mut says = format!(
            "A plot for each value of {}, all over the same axes.",
            self.plots.join(" and ")
        );
        for key in [&self.along]
            .into_iter()
            .chain(&self.lines)
            .chain(&self.plots)
        {
            let (values, rows) = found(csv, keys, key, column);
            let effect = change(key, &values, &grouped(&rows, |row| &row.of));
            says += &format!(" {effect}");
        }
        if all.iter().any(|row| row.ends.is_some()) {
            says += " Bars are 95 % confidence intervals.";
        }
        Some(Figure {
            name: format!("sweep-{column}"),
            title: format!(
                "{title} over {}, by {}",
                self.along,
                self.plots.join(" and ")
            ),
            says,
            picture: Picture::Panels(Panels::new(
                (
                    Axis::new(&self.along, scale),
                    Axis::new(axis, Scale::FromZero),
                ),
                panels,
            )),
            data,
        })
    }

    fn plot_of(&self, csv: &Csv, row: &[String]) -> String {
        let values = self
            .plots
            .iter()
            .map(|key| format!("{key} = {}", csv.cell(row, key)));
        values.collect::<Vec<_>>().join(", ")
    }

    fn line_of(&self, csv: &Csv, row: &[String], column: &str) -> String {
        let arm = self.has_arms.then(|| csv.cell(row, "allocator").to_owned());
        let key = self.lines.as_ref();
        let key = key.map(|key| format!("{key} = {}", csv.cell(row, key)));
        let words: Vec<String> = arm.into_iter().chain(key).collect();
        if words.is_empty() {
            column.replace('_', " ")
        } else {
            words.join(", ")
        }
    }
}
