//! Predictions beside what was measured, and what other limits would cost.

use serde_json::Value;

use super::axis::{Axis, Scale};
use super::context::{Frontier, ReportContext};
use super::course::points_or_tiles;
use super::figure::{Figure, Picture};
use super::number::shown;
use super::palette::SERIES;
use super::plot::{Against, Mark, Plot, Point, Series, Shape};
use super::table::{Cell, Column, Table};

/// The most steps of a curve that are drawn.
const MOST_STEPS: usize = 400;

/// Rows of the table of predictions.
const MOST_ROWS: usize = 40;

pub(super) fn figures(context: &ReportContext) -> Vec<Figure> {
    let times = |(predicted, measured): (scheduler::Span, scheduler::Span)| {
        (predicted.seconds_f64(), measured.seconds_f64())
    };
    let runs = context
        .predicted
        .iter()
        .filter_map(|run| Some((run.predicted, run.measured?)));
    let runs: Vec<(f64, f64)> = runs.map(times).collect();
    let all = context.predicted.iter().flat_map(|run| &run.workers);
    let all = all.filter_map(|worker| {
        let time = times((worker.predicted, worker.measured?));
        Some((worker.name.as_str(), time))
    });
    let mut workers: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for (name, time) in all.clone() {
        match workers.iter_mut().find(|(known, _)| known == name) {
            Some((_, of)) => of.push(time),
            None => workers.push((name.to_owned(), vec![time])),
        }
    }
    // More have no colour each.
    if workers.len() > usize::from(SERIES) {
        let all = all.map(|(_, time)| time).collect();
        workers = vec![("workers under one plan".to_owned(), all)];
    }
    let run = (
        "predicted-runs",
        "Predicted against measured: whole runs",
        "runs under one plan",
    );
    let worker = (
        "predicted-workers",
        "Predicted against measured: a worker's mean computing in a cycle",
        "workers under one plan",
    );
    let runs = vec![(run.2.to_owned(), runs)];
    let mut figures: Vec<Figure> = [against(run, runs), against(worker, workers)]
        .into_iter()
        .flatten()
        .collect();
    figures.extend(context.frontier.as_ref().and_then(frontier));
    figures
}

/// By how much a prediction is off, in percent of what was measured.
fn error((predicted, measured): &(f64, f64)) -> f64 {
    100.0 * (predicted / measured - 1.0)
}

/// The times of each name; those that were measured as none are left out.
fn against(
    (name, title, what): (&str, &str, &str),
    of: Vec<(String, Vec<(f64, f64)>)>,
) -> Option<Figure> {
    let (names, times): (Vec<String>, Vec<Vec<(f64, f64)>>) = of
        .into_iter()
        .map(|(name, times)| {
            let times = times.into_iter().filter(|(_, measured)| *measured > 0.0);
            (name, times.collect::<Vec<_>>())
        })
        .filter(|(_, times)| !times.is_empty())
        .unzip();
    if times.is_empty() {
        return None;
    }
    let (count, sum) = times
        .iter()
        .flatten()
        .fold((0_u64, 0.0), |(count, sum), time| {
            (count + 1, sum + error(time).abs())
        });
    let by_name: Vec<String> = names
        .iter()
        .zip(&times)
        .map(|(name, times)| {
            let errors = times.iter().map(error);
            format!(
                "{name} {} %",
                shown(errors.sum::<f64>() / times.len() as f64)
            )
        })
        .collect();
    let by_name = if by_name.len() > 1 {
        format!(" In the mean, with its sign: {}.", by_name.join(", "))
    } else {
        String::new()
    };
    let axes = [
        ("predicted_s", "predicted, s"),
        ("measured_s", "measured, s"),
    ];
    let (series, mut data, is_counted) = points_or_tiles(&names, &times, axes);
    data.note("compared", count as f64);
    data.note("mean error, %", sum / count as f64);
    let how = if is_counted {
        " Squares are the larger the more they stand for."
    } else {
        ""
    };
    Some(Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        says: format!(
            "Compared: {count} ({what}). On the line the prediction is right, above it took longer. The prediction is \
             off by {} % in the mean of all.{by_name}{how}",
            shown(sum / count as f64)
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new("predicted, s", Scale::Even),
            y: Axis::new("measured, s", Scale::Even),
            series,
            marks: vec![Mark {
                name: "as predicted".to_owned(),
                at: Against::Same,
            }],
        }),
        data,
    })
}

/// The predictions of whole runs, and that which a real run made of itself.
pub(super) fn table(context: &ReportContext, record: &Value) -> Option<Table> {
    let mut table = Table::new(vec![
        Column::new("run", "run"),
        Column::new("predicted_s", "predicted, s"),
        Column::new("measured_s", "measured, s"),
        Column::new("error_percent", "error, %"),
    ]);
    let of = |key: &str| record.get(key).and_then(Value::as_f64);
    if let (Some(predicted), Some(measured)) = (of("predicted_s"), of("measured_s")) {
        table.push(vec![
            Cell::text("all cycles in which no worker was missing"),
            Cell::number(predicted),
            Cell::number(measured),
            Cell::number(error(&(predicted, measured))),
        ]);
    }
    for run in context.predicted.iter().take(MOST_ROWS) {
        let predicted = run.predicted.seconds_f64();
        let measured = run.measured.map(scheduler::Span::seconds_f64);
        let error = measured
            .filter(|m| *m > 0.0)
            .map(|measured| error(&(predicted, measured)));
        table.push(vec![
            Cell::text(&run.run),
            Cell::number(predicted),
            Cell::maybe(measured),
            Cell::maybe(error),
        ]);
    }
    (table.rows() > 0).then_some(table)
}

fn frontier(curve: &Frontier) -> Option<Figure> {
    let steps: Vec<(f64, f64)> = curve
        .steps
        .iter()
        .map(|(limit, cost)| (limit.seconds_f64(), cost.units_f64()))
        .collect();
    let (first, last) = (steps.first()?, steps.last()?);
    let now = curve.now.seconds_f64();
    // Nearly all of a long tail is of no interest: up to where nine tenths of what can be saved
    // is, or beyond the present limit.
    let most = steps
        .iter()
        .find(|step| first.1 - step.1 >= 0.9 * (first.1 - last.1));
    let right = 1.25 * most.map_or(last.0, |step| step.0).max(now);
    let within: Vec<&(f64, f64)> = steps.iter().filter(|step| step.0 <= right).collect();
    let every = within.len().div_ceil(MOST_STEPS).max(1);
    let at = within.partition_point(|step| step.0 <= now);
    let is_kept = |index: usize| {
        index.is_multiple_of(every) || index + 1 == within.len() || index + 1 == at || index == at
    };
    let mut data = Table::new(vec![
        Column::new("limit_s", "limit of a cycle from, s"),
        Column::new("fee", "least fee of a cycle"),
    ]);
    let mut points = Vec::new();
    for (index, step) in within
        .iter()
        .enumerate()
        .filter(|(index, _)| is_kept(*index))
    {
        let (limit, cost) = curve.steps[index];
        data.push(vec![
            Cell::number(limit.seconds_f64()),
            Cell::read(&cost.to_string()),
        ]);
        points.push(Point::at(step.0, step.1));
    }
    let drawn = points.len();
    if let Some(end) = points.last().copied() {
        points.push(Point::at(right, end.y));
    }
    let fee_now = at.checked_sub(1).map(|at| within[at].1);
    let says_now = fee_now.map_or_else(
        || format!("At the present limit of {} s there is no plan.", shown(now)),
        |fee| {
            format!(
                "At the present limit of {} s it is {}.",
                shown(now),
                shown(fee)
            )
        },
    );
    data.note("present limit, s", now);
    data.note("steps", steps.len() as f64);
    data.note("drawn", drawn as f64);
    Some(Figure {
        name: "frontier".to_owned(),
        title: "What another limit would cost".to_owned(),
        says: format!(
            "The least fee of a cycle over its limit, exactly, as the first plan was asked for; below {} s there is \
             no plan. {says_now} {drawn} of {} steps are drawn.",
            shown(first.0),
            steps.len()
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new("limit of a cycle, s", Scale::Even),
            y: Axis::new("least fee of a cycle", Scale::FromZero),
            series: vec![Series {
                name: "least fee".to_owned(),
                look: 0,
                shape: Shape::Step,
                points,
            }],
            marks: vec![Mark {
                name: "present limit".to_owned(),
                at: Against::X(now),
            }],
        }),
        data,
    })
}
