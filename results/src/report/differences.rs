//! How the arms of one comparison differ from the first of them, pair by pair.

use super::csv::Csv;
use super::figure::{Figure, Picture};
use super::forest::{Forest, ForestRow};
use super::number::shown;
use super::table::{Cell, Column, Table};
use crate::interval::Estimate;

/// For each arm but the first, by how much its figures differ from the first arm's.
pub(super) fn figures(paired: &Csv) -> Vec<Figure> {
    let mut arms: Vec<(&str, &str)> = Vec::new();
    for row in &paired.rows {
        let arm = (paired.cell(row, "arm"), paired.cell(row, "against"));
        if !arms.contains(&arm) {
            arms.push(arm);
        }
    }
    let arms = arms.into_iter().enumerate();
    arms.filter_map(|(at, arm)| difference(paired, at + 1, arm))
        .collect()
}

fn difference(paired: &Csv, place: usize, (arm, against): (&str, &str)) -> Option<Figure> {
    let mut data = Table::new(vec![
        Column::new("figure", "figure"),
        Column::new("pairs", "pairs"),
        Column::estimate("difference", "difference"),
        Column::estimate("effect", "in standard deviations of a pair's difference"),
    ]);
    let (mut rows, mut clear) = (Vec::new(), Vec::new());
    for row in &paired.rows {
        if (paired.cell(row, "arm"), paired.cell(row, "against")) != (arm, against) {
            continue;
        }
        let of = |name: &str| paired.number(row, name);
        let ends = of("difference_low").zip(of("difference_high"));
        let (Some(value), Some((low, high)), Some(effect)) = (of("difference"), ends, of("effect"))
        else {
            continue;
        };
        // What does not vary has no standard deviation to measure by.
        if value == 0.0 || effect == 0.0 {
            continue;
        }
        let deviation = value / effect;
        let figure = paired.cell(row, "figure").replace('_', " ");
        let effects = (low / deviation, high / deviation);
        data.push(vec![
            Cell::text(&figure),
            Cell::read(paired.cell(row, "pairs")),
            Cell::read_estimate(
                paired.cell(row, "difference"),
                paired.cell(row, "difference_low"),
                paired.cell(row, "difference_high"),
            ),
            Cell::estimate(Some(Estimate {
                value: effect,
                low: Some(effects.0),
                high: Some(effects.1),
            })),
        ]);
        let sign = if value > 0.0 { "+" } else { "" };
        rows.push(ForestRow {
            says: format!(
                "{figure}: {sign}{} [{}, {}]",
                shown(value),
                shown(low),
                shown(high)
            ),
            value: effect,
            ends: effects,
        });
        if low > 0.0 || high < 0.0 {
            clear.push(figure);
        }
    }
    if rows.is_empty() {
        return None;
    }
    let clear = if clear.is_empty() {
        "No interval leaves out zero: no difference is shown.".to_owned()
    } else {
        format!("Intervals that leave out zero: {}.", clear.join(", "))
    };
    Some(Figure {
        name: format!("paired-{place}"),
        title: format!("{arm} against {against}"),
        says: format!(
            "Differences of pairs, replicate by replicate, with 95 % confidence intervals; to the right of the \
             line {arm} has more. The axis is in standard deviations of a pair's difference, so that all \
             figures share it. {clear}"
        ),
        picture: Picture::Forest(Forest {
            title: "difference, in standard deviations of a pair".to_owned(),
            rows,
        }),
        data,
    })
}
