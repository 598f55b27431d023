//! How runs went: each run's end, and what was paid in the course of the cycles.

use scheduler::Cost;
use scheduler::machine::CycleRow;

use super::axis::{Axis, Scale};
use super::figure::{Figure, Picture};
use super::number::shown;
use super::plot::{Against, Mark, Plot, Point, Series, Shape};
use super::table::{Cell, Column, Table};
use crate::error::ResultsError;
use crate::files::{CYCLES, RUNS};
use crate::interval::{Estimate, Moments};
use crate::runs::{RecordedFolder, RunKey, RunRow, Stream};

/// Of more cycles than this, only this number are shown.
const MOST_PLACES: u32 = 120;

/// More runs than that are counted in tiles.
const MOST_POINTS: usize = 400;

/// Tiles along an axis.
const TILES: f64 = 32.0;

/// All runs.
pub(super) struct RunLines {
    pub(super) count: u64,
    /// The first of them.
    pub(super) first: Vec<(RunKey, RunRow)>,
    /// Wall time in seconds and fee, by allocator.
    points: Vec<Vec<(f64, f64)>>,
}

/// This many are kept whole.
const KEPT: usize = 64;

/// Reads how each run ended.
pub(super) fn runs(folder: &RecordedFolder) -> Result<RunLines, ResultsError> {
    let mut stream: Stream<'_, RunRow> = folder.stream(RUNS)?;
    let mut lines = RunLines {
        count: 0,
        first: Vec::new(),
        points: vec![Vec::new(); folder.plan().allocators.len()],
    };
    for key in folder.keys(u64::MAX) {
        let run = stream.one_of(key)?;
        lines.count += 1;
        lines.points[key.allocator].push((run.wall.seconds_f64(), run.cost.units_f64()));
        if lines.first.len() < KEPT {
            lines.first.push((key, run));
        }
    }
    Ok(lines)
}

/// Fee against wall time, if there are several runs.
pub(super) fn scatter(folder: &RecordedFolder, lines: &RunLines) -> Option<Figure> {
    if lines.count < 3 {
        return None;
    }
    let axes = [("wall_s", "wall time, s"), ("fee", "fee of a run")];
    let (series, mut data, is_counted) =
        points_or_tiles(&folder.plan().allocators, &lines.points, axes);
    data.note("runs", lines.count as f64);
    let limit = lines.first.first().map(|(_, run)| run.limit.seconds_f64());
    let marks = limit.map(|limit| Mark {
        name: "limit".to_owned(),
        at: Against::X(limit),
    });
    let how = if is_counted {
        " Squares are the larger the more runs they stand for."
    } else {
        ""
    };
    Some(Figure {
        name: "runs".to_owned(),
        title: "Fee and time of each run".to_owned(),
        says: format!(
            "{} runs: how long their cycles took together, and what they cost.{how}",
            lines.count
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new("wall time of a run, s", Scale::Even),
            y: Axis::new("fee of a run", Scale::Even),
            series,
            marks: marks.into_iter().collect(),
        }),
        data,
    })
}

/// Points as they are, or counted in tiles where there are too many; and whether they were.
pub(super) fn points_or_tiles(
    names: &[String],
    points: &[Vec<(f64, f64)>],
    [x, y]: [(&str, &str); 2],
) -> (Vec<Series>, Table, bool) {
    let all = || points.iter().flatten();
    let is_counted = all().count() > MOST_POINTS;
    let mut columns = vec![Column::new("series", "of")];
    if is_counted {
        for (key, title) in [x, y] {
            columns.push(Column::new(
                &format!("{key}_from"),
                &format!("{title}, from"),
            ));
            columns.push(Column::new(&format!("{key}_to"), "to below"));
        }
        columns.push(Column::new("count", "count"));
    } else {
        columns.extend([x, y].map(|(key, title)| Column::new(key, title)));
    }
    let mut data = Table::new(columns);
    let tile = |get: fn(&(f64, f64)) -> f64| {
        let low = all().map(get).fold(f64::INFINITY, f64::min);
        let high = all().map(get).fold(f64::NEG_INFINITY, f64::max);
        let size = (high - low) / TILES;
        (low, if size > 0.0 { size } else { 1.0 })
    };
    let ((x_low, x_size), (y_low, y_size)) = (tile(|at| at.0), tile(|at| at.1));
    let mut series = Vec::new();
    for (look, (name, of)) in names.iter().zip(points).enumerate() {
        let mut drawn = Vec::new();
        if is_counted {
            let mut tiles = std::collections::BTreeMap::<(u32, u32), u64>::new();
            for (at_x, at_y) in of {
                let place =
                    |at: f64, low: f64, size: f64| ((at - low) / size).min(TILES - 1.0) as u32;
                let tile = (place(*at_x, x_low, x_size), place(*at_y, y_low, y_size));
                *tiles.entry(tile).or_default() += 1;
            }
            let most = tiles.values().copied().max().unwrap_or(1) as f64;
            for ((column, row), count) in tiles {
                let (from_x, from_y) = (
                    x_low + f64::from(column) * x_size,
                    y_low + f64::from(row) * y_size,
                );
                data.push(vec![
                    Cell::text(name),
                    Cell::number(from_x),
                    Cell::number(from_x + x_size),
                    Cell::number(from_y),
                    Cell::number(from_y + y_size),
                    Cell::count(count),
                ]);
                drawn.push(Point {
                    weight: count as f64 / most,
                    ..Point::at(from_x + x_size / 2.0, from_y + y_size / 2.0)
                });
            }
        } else {
            for (at_x, at_y) in of {
                data.push(vec![
                    Cell::text(name),
                    Cell::number(*at_x),
                    Cell::number(*at_y),
                ]);
                drawn.push(Point::at(*at_x, *at_y));
            }
        }
        if !drawn.is_empty() {
            let shape = if is_counted {
                Shape::Tiles
            } else {
                Shape::Points
            };
            series.push(Series {
                name: name.clone(),
                look,
                shape,
                points: drawn,
            });
        }
    }
    (series, data, is_counted)
}

/// What was paid up to each cycle, in the mean of the runs that reached their last one.
pub(super) fn fees(folder: &RecordedFolder) -> Result<Figure, ResultsError> {
    let (allocators, config) = (&folder.plan().allocators, &folder.job().config);
    let places = places(config.first_cycle, config.cycles);
    // Of the runs that reached their last cycle, and of all up to where they got.
    let mut paid = vec![vec![[Moments::default(); 2]; places.len()]; allocators.len()];
    let mut so_far = Vec::with_capacity(places.len());
    let mut stream: Stream<'_, CycleRow> = folder.stream(CYCLES)?;
    for key in folder.keys(u64::MAX) {
        let mut total = Cost::ZERO;
        so_far.clear();
        while let Some(row) = stream.next_of(key)? {
            total += row.cost;
            if places.get(so_far.len()) == Some(&row.cycle.get()) {
                so_far.push(total.units_f64());
            }
        }
        let is_whole = so_far.len() == places.len();
        for ([whole, all], so_far) in paid[key.allocator].iter_mut().zip(&so_far) {
            if is_whole {
                whole.add(*so_far);
            }
            all.add(*so_far);
        }
    }
    let mut data = Table::new(vec![
        Column::new("allocator", "allocator"),
        Column::new("cycle", "cycle"),
        Column::estimate("fee", "fee so far"),
    ]);
    let (mut series, mut words) = (Vec::new(), Vec::new());
    for (allocator, paid) in allocators.iter().zip(&paid) {
        let mut points = vec![Point::at(f64::from(config.first_cycle) - 1.0, 0.0)];
        let mut last: Option<Estimate> = None;
        for (cycle, [whole, all]) in places.iter().zip(paid) {
            // What runs that ended early would still have paid is unknown.
            let Some(mean) = whole.mean().or_else(|| all.mean()) else {
                continue;
            };
            data.push(vec![
                Cell::text(allocator),
                Cell::count((*cycle).into()),
                Cell::estimate(Some(mean)),
            ]);
            points.push(Point {
                ends: mean.low.zip(mean.high),
                ..Point::at(f64::from(*cycle), mean.value)
            });
            last = Some(mean);
        }
        if let Some(last) = last {
            words.push(format!("{allocator} {}", shown(last.value)));
        }
        series.push(Series {
            name: allocator.clone(),
            look: series.len(),
            shape: Shape::Line,
            points,
        });
    }
    data.note("cycles shown", places.len() as f64);
    let binned = if places.len() < (config.cycles - config.first_cycle + 1) as usize {
        format!(" Of the cycles {} are shown.", places.len())
    } else {
        String::new()
    };
    let how = if folder.finished() > 1 {
        ", in the mean of the runs that reached their last cycle (of all, where none did); bands are \
         95 % confidence intervals."
    } else {
        "."
    };
    let budget = config.budget.map(Cost::units_f64);
    let of_budget = budget.map_or_else(String::new, |budget| {
        format!(" The budget is {}.", shown(budget))
    });
    Ok(Figure {
        name: "fee".to_owned(),
        title: "Fee over time".to_owned(),
        says: format!(
            "What had been paid up to each cycle{how} At the end: {}.{of_budget}{binned}",
            words.join("; ")
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new("cycle", Scale::Even),
            y: Axis::new("fee so far", Scale::FromZero),
            series,
            marks: budget
                .map(|budget| Mark {
                    name: "budget".to_owned(),
                    at: Against::Y(budget),
                })
                .into_iter()
                .collect(),
        }),
        data,
    })
}

/// The cycles to show: all of them, or some at equal distances with the last among them.
fn places(first: u32, last: u32) -> Vec<u32> {
    let count = last - first + 1;
    let step = count.div_ceil(MOST_PLACES);
    let mut places: Vec<u32> = (0..count.div_ceil(step))
        .map(|at| last - at * step)
        .collect();
    places.reverse();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cycle_is_always_looked_at() {
        assert_eq!(places(1, 3), [1, 2, 3]);
        assert_eq!(places(7, 7), [7]);
        let many = places(1, 1_000_000);
        assert!(many.len() <= 120 && many.last() == Some(&1_000_000) && many[0] >= 1);
        assert!(many.is_sorted());
    }

    #[test]
    fn many_points_are_counted_and_none_is_lost() {
        let points: Vec<(f64, f64)> = (0..1_000)
            .map(|i| (f64::from(i), f64::from(i % 7)))
            .collect();
        let names = ["exact".to_owned()];
        let axes = [("x", "x"), ("y", "y")];
        let (series, data, is_counted) = points_or_tiles(&names, &[points], axes);
        assert!(is_counted && series[0].points.len() < 400);
        let csv = data.csv();
        let counts = csv.lines().skip(1).map(|line| {
            let (_, count) = line.rsplit_once(',').expect("cells");
            count.parse::<u64>().expect("a count")
        });
        assert_eq!(counts.sum::<u64>(), 1_000);
        let few = vec![(1.0, 2.0); 3];
        assert!(!points_or_tiles(&names, &[few], axes).2);
    }
}
