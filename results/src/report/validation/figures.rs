//! The figures of a validation.

use super::super::axis::{Axis, Scale};
use super::super::bins::Bins;
use super::super::csv::Csv;
use super::super::figure::{Figure, Picture};
use super::super::number::{shown, time};
use super::super::palette::Ink;
use super::super::plot::{Against, Mark, Plot, Point, Series, Shape};
use super::super::rows::{Rows, percent};
use super::super::table::{Cell, Column, Table};
use super::counted::Counted;

/// A cycle's limit in simulated cycles.
const LIMIT_NS: f64 = 1e9;

const ANSWERS: [(&str, &str); 5] = [
    ("optimal", "the optimum"),
    ("suboptimal", "above the optimum"),
    ("unproven", "no optimum known"),
    ("infeasible", "no plan exists"),
    ("failed", "no plan found"),
];

pub(super) fn answers(summary: &Csv, rows: &[&Vec<String>]) -> Figure {
    let mut columns = vec![
        Column::new("allocator", "allocator"),
        Column::new("tests", "tests"),
    ];
    for (name, title) in ANSWERS {
        columns.push(Column::new(name, title));
        columns.push(Column::new(&format!("{name}_percent"), "%"));
    }
    let mut data = Table::new(columns);
    let (mut shares, mut words) = (Vec::new(), Vec::new());
    for row in rows {
        let allocator = summary.cell(row, "allocator");
        let tests = summary.number(row, "tests").unwrap_or(0.0);
        let counts = ANSWERS.map(|(name, _)| summary.number(row, name).unwrap_or(0.0));
        let of_all = counts.map(|count| 100.0 * count / tests.max(1.0));
        let mut cells = vec![
            Cell::text(allocator),
            Cell::read(summary.cell(row, "tests")),
        ];
        for ((name, _), share) in ANSWERS.iter().zip(of_all) {
            cells.push(Cell::read(summary.cell(row, name)));
            cells.push(Cell::number(share));
        }
        data.push(cells);
        words.push(format!(
            "{allocator}: {} optimal, {} above the optimum",
            shown(counts[0]),
            shown(counts[1])
        ));
        shares.push((allocator.to_owned(), of_all.to_vec()));
    }
    let inks = [
        Ink::Area(0),
        Ink::Hatch(1),
        Ink::Hatch(4),
        Ink::Veil(5),
        Ink::Hatch(3),
    ];
    let kinds = ANSWERS.iter().zip(inks);
    let kinds = kinds
        .map(|((_, title), ink)| ((*title).to_owned(), ink))
        .collect();
    Figure {
        name: "answers".to_owned(),
        title: "What the allocators answer".to_owned(),
        says: format!("Shares of all tests by answer. {}.", words.join("; ")),
        picture: Picture::Rows(Rows::shares(percent("tests, %"), kinds, shares)),
        data,
    }
}

pub(super) fn excess(
    allocators: &[String],
    counted: &Counted,
    summary: &Csv,
    rows: &[&Vec<String>],
) -> Option<Figure> {
    let mut data = Table::new(vec![
        Column::new("allocator", "allocator"),
        Column::new("from_percent", "excess from, %"),
        Column::new("to_percent", "to below, %"),
        Column::new("plans", "plans"),
        Column::new("of_compared_percent", "of the plans compared, %"),
    ]);
    let mut series = Vec::new();
    let mut words = Vec::new();
    for (at, allocator) in allocators.iter().enumerate() {
        let bins = counted.excess[at].bins();
        if bins.is_empty() {
            continue;
        }
        let mut points = Vec::new();
        for bin in bins {
            let share = 100.0 * bin.count as f64 / counted.compared[at] as f64;
            data.push(vec![
                Cell::text(allocator),
                Cell::number(bin.from),
                Cell::number(bin.to),
                Cell::count(bin.count),
                Cell::number(share),
            ]);
            points.push(Point {
                to: bin.to,
                ..Point::at(bin.from, share)
            });
        }
        series.push(Series {
            name: allocator.clone(),
            look: at,
            shape: Shape::Columns,
            points,
        });
        let row = rows
            .iter()
            .find(|row| summary.cell(row, "allocator") == allocator);
        if let Some(row) = row {
            let of = |name: &str| summary.number(row, name).unwrap_or(f64::NAN);
            words.push(format!(
                "{allocator}: {} % of the plans compared cost more, in the mean of these by {} %, at worst by {} %",
                shown(of("suboptimal_percent")),
                shown(of("mean_excess_suboptimal_percent")),
                shown(of("worst_excess_percent"))
            ));
        }
    }
    if series.is_empty() {
        return None;
    }
    Some(Figure {
        name: "excess".to_owned(),
        title: "Cost above the optimum".to_owned(),
        says: format!(
            "How many plans cost how much more than the proven optimum; those that cost it are left out. {}.",
            words.join("; ")
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new("excess over the optimum, %", Scale::Tenfold),
            y: Axis::new("of the plans compared, %", Scale::FromZero),
            series,
            marks: Vec::new(),
        }),
        data,
    })
}

/// An estimate of each family and allocator, if there are several families.
pub(super) fn by_family(
    summary: &Csv,
    families: &[&str],
    allocators: &[String],
    name: &str,
) -> Option<Figure> {
    if families.len() < 2 {
        return None;
    }
    let (file, title, axis) = if name == "missed_percent" {
        (
            "missed-by-family",
            "Missed cycles by family",
            "missed, % of simulated cycles",
        )
    } else {
        (
            "excess-by-family",
            "Mean cost above the optimum by family",
            "mean excess, %",
        )
    };
    let mut data = Table::new(vec![
        Column::new("family", "family"),
        Column::new("allocator", "allocator"),
        Column::estimate(name, axis),
    ]);
    let mut series: Vec<Series> = Vec::new();
    let mut most: Option<(f64, &str, &str)> = None;
    for row in &summary.rows {
        let (family, allocator) = (summary.cell(row, "family"), summary.cell(row, "allocator"));
        let Some(at) = families.iter().position(|known| *known == family) else {
            continue;
        };
        let Some(value) = summary.number(row, name) else {
            continue;
        };
        let ends = [format!("{name}_low"), format!("{name}_high")];
        let [low, high] = ends.each_ref().map(|end| summary.number(row, end));
        data.push(vec![
            Cell::text(family),
            Cell::text(allocator),
            Cell::read_estimate(
                summary.cell(row, name),
                summary.cell(row, &ends[0]),
                summary.cell(row, &ends[1]),
            ),
        ]);
        if most.is_none_or(|(most, ..)| value > most) {
            most = Some((value, family, allocator));
        }
        let point = Point {
            ends: low.zip(high),
            ..Point::at(at as f64, value)
        };
        match series.iter_mut().find(|series| series.name == allocator) {
            Some(series) => series.points.push(point),
            None => series.push(Series {
                name: allocator.to_owned(),
                look: allocators
                    .iter()
                    .position(|known| known == allocator)
                    .unwrap_or(0),
                shape: Shape::Points,
                points: vec![point],
            }),
        }
    }
    let (value, family, allocator) = most?;
    // One family far above the others would press them all to the ground.
    let values = series.iter().flat_map(|series| &series.points);
    let above = values.map(|point| point.y).filter(|value| *value > 0.0);
    let least = above.clone().fold(f64::INFINITY, f64::min);
    let nothing = series.iter().flat_map(|series| &series.points);
    let nothing = nothing.filter(|point| point.y <= 0.0).count();
    let (scale, how) = if value > 50.0 * least {
        let left_out = match nothing {
            0 => String::new(),
            count => {
                data.note("not drawn", count as f64);
                format!("; {count} that are 0 are not drawn")
            }
        };
        (
            Scale::Tenfold,
            format!(" The axis is logarithmic{left_out}."),
        )
    } else {
        (Scale::FromZero, String::new())
    };
    Some(Figure {
        name: file.to_owned(),
        title: title.to_owned(),
        says: format!(
            "By family and allocator, with 95 % confidence intervals. The highest is that of {allocator} on {family}: {} %.{how}",
            shown(value)
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new(
                "family of tests",
                Scale::Names(families.iter().map(|name| (*name).to_owned()).collect()),
            ),
            y: Axis::new(axis, scale),
            series,
            marks: Vec::new(),
        }),
        data,
    })
}

/// How many are at most so large: a line of shares over the upper ends of bins.
fn shares_below(bins: &Bins, (look, allocator): (usize, &str), data: &mut Table) -> Series {
    let total = bins.total() as f64;
    let (mut below, mut points) = (0, Vec::new());
    for bin in bins.bins() {
        if points.is_empty() {
            points.push(Point::at(bin.from, 0.0));
        }
        below += bin.count;
        let share = 100.0 * below as f64 / total;
        points.push(Point::at(bin.to, share));
        data.push(vec![
            Cell::text(allocator),
            Cell::number(bin.from),
            Cell::number(bin.to),
            Cell::count(bin.count),
            Cell::number(share),
        ]);
    }
    Series {
        name: allocator.to_owned(),
        look,
        shape: Shape::Line,
        points,
    }
}

pub(super) fn latency(
    allocators: &[String],
    times: &[Bins],
    timings: &Csv,
    rows: &[&Vec<String>],
) -> Figure {
    let mut data = Table::new(vec![
        Column::new("allocator", "allocator"),
        Column::new("from_ns", "from, ns"),
        Column::new("to_ns", "to below, ns"),
        Column::new("tests", "tests"),
        Column::new("up_to_here_percent", "up to here, %"),
    ]);
    let series = allocators.iter().zip(times).enumerate();
    let series = series
        .map(|(look, (name, bins))| shares_below(bins, (look, name), &mut data))
        .collect();
    let words: Vec<String> = rows
        .iter()
        .map(|row| {
            let of = |name: &str| time(timings.number(row, name).unwrap_or(f64::NAN));
            let allocator = timings.cell(row, "allocator");
            format!("{allocator} {} and {}", of("p50_ns"), of("p99_ns"))
        })
        .collect();
    Figure {
        name: "latency".to_owned(),
        title: "Time of a solve".to_owned(),
        says: format!(
            "Share of the solves that took at most this long, counted in bins of a twentieth of a factor of ten. \
             Median and 99th percentile: {}.",
            words.join("; ")
        ),
        picture: Picture::Plot(Plot {
            x: Axis::nanos("time of a solve, verification included"),
            y: Axis::new("solves, %", Scale::Within(0.0, 100.0)),
            series,
            marks: Vec::new(),
        }),
        data,
    }
}

pub(super) fn makespan(
    allocators: &[String],
    makespan: &[Bins],
    summary: &Csv,
    rows: &[&Vec<String>],
) -> Option<Figure> {
    let mut data = Table::new(vec![
        Column::new("allocator", "allocator"),
        Column::new("from_ns", "from, ns"),
        Column::new("to_ns", "to below, ns"),
        Column::new("cycles", "cycles"),
        Column::new("up_to_here_percent", "up to here, %"),
    ]);
    let series = allocators
        .iter()
        .zip(makespan)
        .enumerate()
        .filter(|(_, (_, bins))| bins.total() > 0);
    let series: Vec<Series> = series
        .map(|(look, (name, bins))| shares_below(bins, (look, name), &mut data))
        .collect();
    if series.is_empty() {
        return None;
    }
    let word = |row: &&Vec<String>| {
        let of = |name: &str| shown(summary.number(row, name).unwrap_or(f64::NAN));
        let allocator = summary.cell(row, "allocator");
        let (mean, missed) = (of("mean_makespan_ms"), of("missed_percent"));
        format!("{allocator} {mean} ms in the mean, {missed} % missed")
    };
    let words: Vec<String> = rows.iter().map(word).collect();
    Some(Figure {
        name: "makespan".to_owned(),
        title: "Simulated cycles: when the last worker finished".to_owned(),
        says: format!(
            "Share of the simulated cycles whose last worker had finished all of its batches by then, \
             counted in bins of a hundredth of a factor of ten. {}.",
            words.join("; ")
        ),
        picture: Picture::Plot(Plot {
            x: Axis::nanos("time from the beginning of the cycle"),
            y: Axis::new("cycles, %", Scale::Within(0.0, 100.0)),
            series,
            marks: vec![Mark {
                name: "limit of a cycle".to_owned(),
                at: Against::X(LIMIT_NS),
            }],
        }),
        data,
    })
}
