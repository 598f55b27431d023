//! One outcome over one key: a line for each combination of the others.

use super::super::axis::{Axis, Scale};
use super::super::csv::Csv;
use super::super::figure::{Figure, Picture};
use super::super::number::shown;
use super::super::plot::{Plot, Point, Series, Shape};
use super::super::table::{Cell, Column, Table};
use crate::interval::Estimate;

/// Lines that can be distinguished in one figure; of more, the middle and the range are drawn.
pub(super) const MOST_LINES: usize = 6;

/// What may come of a combination: its column, its title, and that of an axis, with the unit.
pub(super) type Outcome = (&'static str, &'static str, &'static str);

/// A row that has a value to draw.
pub(super) struct Found<'a> {
    /// All of its cells.
    pub(super) row: &'a [String],
    /// The place of the key's value among its values.
    pub(super) value: usize,
    /// What else distinguishes it.
    pub(super) of: String,
    pub(super) allocator: String,
    pub(super) y: f64,
    pub(super) ends: Option<(f64, f64)>,
}

/// The values of a key, in the order in which they come, and the rows that have an outcome.
pub(super) fn found<'a>(
    csv: &'a Csv,
    keys: &[String],
    key: &str,
    column: &str,
) -> (Vec<String>, Vec<Found<'a>>) {
    let (mut values, mut found): (Vec<String>, Vec<Found<'a>>) = (Vec::new(), Vec::new());
    for row in &csv.rows {
        let text = csv.cell(row, key);
        let known = values.iter().position(|known| known == text);
        let value = known.unwrap_or_else(|| {
            values.push(text.to_owned());
            values.len() - 1
        });
        let Some(y) = csv.number(row, column) else {
            continue;
        };
        let low = csv.number(row, &format!("{column}_low"));
        let high = csv.number(row, &format!("{column}_high"));
        let others = keys.iter().filter(|other| *other != key);
        let others = others.map(|other| format!("{other} = {}", csv.cell(row, other)));
        let allocator = csv.cell(row, "allocator").to_owned();
        let words = std::iter::once(allocator.clone()).chain(others);
        let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
        found.push(Found {
            row,
            value,
            of: words.join(", "),
            allocator,
            y,
            ends: low.zip(high),
        });
    }
    (values, found)
}

/// The rows of each name, in the order in which names come.
pub(super) fn grouped<'a, 'b>(
    found: &'b [Found<'a>],
    name: impl Fn(&'b Found<'a>) -> &'b str,
) -> Vec<(&'b str, Vec<&'b Found<'a>>)> {
    let mut groups: Vec<(&str, Vec<&Found<'_>>)> = Vec::new();
    for row in found {
        match groups.iter_mut().find(|(known, _)| *known == name(row)) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((name(row), vec![row])),
        }
    }
    groups
}

/// One outcome over one key.
pub(super) fn over(
    csv: &Csv,
    keys: &[String],
    (place, key): (usize, &str),
    (column, title, axis): &Outcome,
) -> Option<Figure> {
    let (values, found) = found(csv, keys, key, column);
    let lines = grouped(&found, |row| &row.of);
    if lines.is_empty() || values.len() < 2 {
        return None;
    }
    let says = change(key, &values, &lines);
    let (count, is_summed_up) = (lines.len(), lines.len() > MOST_LINES);
    let groups = if is_summed_up {
        grouped(&found, |row| &row.allocator)
    } else {
        lines
    };
    let numbers: Option<Vec<f64>> = values.iter().map(|value| value.parse().ok()).collect();
    let numbers = numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite()));
    let (scale, is_ordered) = scale(numbers.as_deref(), &values);
    let mut data = Table::new(vec![
        Column::new("of", "of"),
        Column::new("value", key),
        Column::estimate(column, axis),
        Column::new("rows", "rows"),
    ]);
    data.note("lines", count as f64);
    let mut series = Vec::new();
    for (of, rows) in groups {
        let mut points = Vec::new();
        for (value, text) in values.iter().enumerate() {
            let at = rows.iter().copied().filter(|row| row.value == value);
            let at: Vec<&Found<'_>> = at.collect();
            let Some((y, ends)) = middle(&at, is_summed_up) else {
                continue;
            };
            let estimate = Estimate {
                value: y,
                low: ends.map(|ends| ends.0),
                high: ends.map(|ends| ends.1),
            };
            data.push(vec![
                Cell::text(of),
                Cell::read(text),
                Cell::estimate(Some(estimate)),
                Cell::count(at.len() as u64),
            ]);
            let x = numbers.as_ref().map_or(value as f64, |all| all[value]);
            points.push(Point {
                ends,
                ..Point::at(x, y)
            });
        }
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        series.push(Series {
            name: if of.is_empty() {
                column.replace('_', " ")
            } else {
                of.to_owned()
            },
            look: series.len(),
            shape: if is_ordered {
                Shape::Joined
            } else {
                Shape::Points
            },
            points,
        });
    }
    let how = if is_summed_up {
        format!(
            " The middle of all combinations of the other keys, and their range ({count} lines would be \
             too many)."
        )
    } else if found.iter().any(|row| row.ends.is_some()) {
        " Bars are 95 % confidence intervals.".to_owned()
    } else {
        String::new()
    };
    Some(Figure {
        name: format!("key-{}-{column}", place + 1),
        title: format!("{title} over {key}"),
        says: says + &how,
        picture: Picture::Plot(Plot {
            x: Axis::new(key, scale),
            y: Axis::new(axis, Scale::FromZero),
            series,
            marks: Vec::new(),
        }),
        data,
    })
}

/// The value of some rows and its interval: of several rows the middle one and their range.
fn middle(rows: &[&Found<'_>], is_summed_up: bool) -> Option<(f64, Option<(f64, f64)>)> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| a.y.total_cmp(&b.y));
    let (first, last) = (rows.first()?, rows.last()?);
    let middle = rows[(rows.len() - 1) / 2];
    let ends = if is_summed_up {
        Some((first.y, last.y))
    } else {
        middle.ends
    };
    Some((middle.y, ends))
}

/// What a key changes, in words: along the line that it changes most, since a difference between
/// lines is none of the key's.
pub(super) fn change(key: &str, values: &[String], lines: &[(&str, Vec<&Found<'_>>)]) -> String {
    let ends = |(of, rows): &(&str, Vec<&Found<'_>>)| {
        let least = rows.iter().min_by(|a, b| a.y.total_cmp(&b.y))?;
        let most = rows.iter().max_by(|a, b| a.y.total_cmp(&b.y))?;
        (least.y < most.y).then(|| ((*of).to_owned(), least.y, most.y, [least.value, most.value]))
    };
    let size = |(_, least, most, _): &(String, f64, f64, [usize; 2])| most - least;
    let largest = lines.iter().filter_map(ends);
    let largest = largest.max_by(|a, b| size(a).total_cmp(&size(b)));
    match (largest, lines) {
        (None, [(_, rows)]) => format!("The same for all: {}.", shown(rows[0].y)),
        (None, _) => format!("{key} changes nothing: each line is level."),
        (Some((of, least, most, [from, to])), _) => {
            let line = match lines.len() {
                1 => "From".to_owned(),
                _ => format!("{key} changes most for {of}: from"),
            };
            format!(
                "{line} {} at {key} = {} to {} at {key} = {}.",
                shown(least),
                values[from],
                shown(most),
                values[to]
            )
        }
    }
}

/// How the values of a key lie on an axis, and whether they follow each other.
pub(super) fn scale(numbers: Option<&[f64]>, values: &[String]) -> (Scale, bool) {
    let Some(numbers) = numbers else {
        return (Scale::Names(values.to_vec()), false);
    };
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if least > 0.0 && most / least > 50.0 {
        (Scale::Tenfold, true)
    } else {
        (Scale::Even, true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::SIMULATED;
    use super::super::multiples::Layout;
    use super::*;
    use proptest::prelude::*;

    /// A sweep of two keys and two allocators with these fees, row by row.
    fn sweep(fees: &[u32]) -> Csv {
        let heading = ["job.beta", "job.risk", "allocator", "fee"];
        let row = |(at, fee): (usize, &u32)| {
            let of = [["0", "4", "8"][at % 3], ["0.05", "0.5"][at / 3 % 2]];
            let allocator = ["exact", "lp"][at / 6];
            [of[0], of[1], allocator, &fee.to_string()].map(str::to_owned)
        };
        Csv {
            heading: heading.map(str::to_owned).into(),
            rows: fees.iter().enumerate().map(row).map(Vec::from).collect(),
        }
    }

    proptest! {
        /// What a caption says of a key is a difference between two rows that differ in it alone,
        /// and no larger one is left out.
        #[test]
        fn a_caption_speaks_of_its_key_alone(fees in prop::collection::vec(0_u32..9, 12)) {
            let csv = sweep(&fees);
            let keys = ["job.beta", "job.risk"].map(str::to_owned);
            for (place, key) in keys.iter().enumerate() {
                let figure = over(&csv, &keys, (place, key), &SIMULATED[0]).expect("drawn");
                let multiples = Layout::of(&csv, &keys).expect("two keys");
                let multiples = multiples.figure(&csv, &keys, &SIMULATED[0]).expect("drawn");
                let effect = figure.says.split(". ").next().expect("a sentence");
                prop_assert!(multiples.says.contains(effect), "{effect} in {}", multiples.says);
                let (mut largest, mut pairs) = (0.0_f64, Vec::new());
                for a in &csv.rows {
                    for b in &csv.rows {
                        if a[1 - place] == b[1 - place] && a[2] == b[2] {
                            let [from, to] = [a, b].map(|row| row[3].parse::<f64>().expect("a fee"));
                            largest = largest.max(to - from);
                            let ends = [a, b].map(|row| format!("{} at {key} = {}", row[3], row[place]));
                            pairs.push((to - from, [a[1 - place].as_str(), &a[2]], ends));
                        }
                    }
                }
                if largest == 0.0 {
                    prop_assert!(figure.says.contains("changes nothing"), "{}", figure.says);
                    continue;
                }
                let said = pairs.iter().any(|(size, of, [from, to])| {
                    *size == largest
                        && figure.says.contains(&format!("from {from} to {to}."))
                        && of.iter().all(|of| figure.says.contains(of))
                });
                prop_assert!(said, "{} of {pairs:?}", figure.says);
            }
        }
    }
}
