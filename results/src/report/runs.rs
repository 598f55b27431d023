//! The page of runs, simulated or real.

use std::path::Path;

use serde_json::Value;

use super::axis::{Axis, Scale};
use super::context::ReportContext;
use super::course;
use super::csv::Csv;
use super::figure::{Figure, Picture};
use super::number::shown;
use super::page::{Page, Part, Section};
use super::palette::Ink;
use super::plot::{Plot, Point, Series, Shape, thinned};
use super::rows::{Rows, percent};
use super::table::{Cell, Column, Table};
use super::{activity, differences, made, predictions, timeline, verdict};
use crate::error::ResultsError;
use crate::files::{PAIRED, SUMMARY_CSV};
use crate::run_file::RunFile;
use crate::runs::{RecordedFolder, RunKey, RunRow};

const FILES: [(&str, &str); 18] = [
    ("summary.csv", "the summary"),
    ("summary.json", "the same as JSON"),
    ("paired.csv", "how arms differ, pair by pair"),
    ("runs.parquet", "each run"),
    ("workers.parquet", "each worker"),
    ("plans.parquet", "each plan"),
    ("shares.parquet", "each candidate of each plan"),
    ("cycles.parquet", "each cycle"),
    ("lots.parquet", "each worker in each cycle"),
    (
        "history.parquet",
        "joining, benchmarks, departures, shipping, pauses",
    ),
    ("scenario.toml", "the scenario with every value"),
    ("job.json", "the configuration of the scheduler"),
    ("run.json", "how it was made"),
    ("plan.json", "the last plan"),
    ("workers.csv", "the workers"),
    ("timing.csv", "computing times, a row for each cycle"),
    ("stats.csv", "settings and sums, in one row"),
    ("model.csv", "how good the model was after each cycle"),
];

/// Rows of a table on the page.
const MOST_ROWS: usize = 40;

/// The page of a folder.
pub(super) fn page(dir: &Path, context: &ReportContext) -> Result<Page, ResultsError> {
    let file = RunFile::read(dir)?;
    let folder = RecordedFolder::of(dir, &file)?;
    let record = file.value;
    let summary = Csv::read(&dir.join(SUMMARY_CSV))?;
    let plan = folder.plan();
    let is_real = plan.mode == "real";

    let paired = paired(dir)?;
    let lines = course::runs(&folder)?;
    let workers = timeline::workers(&folder)?;
    // A real run is the only one of its folder.
    let of_run = if is_real {
        String::new()
    } else {
        format!(", replicate 0 under {}", plan.allocators[0])
    };
    let mut figures = Vec::new();
    figures.extend(paired.iter().flat_map(differences::figures));
    figures.extend(missed(&summary));
    figures.extend(course::scatter(&folder, &lines));
    if is_real {
        figures.extend(model(dir)?);
    }
    figures.extend(activity::figure(&folder, &workers, &of_run)?);
    figures.push(course::fees(&folder)?);
    figures.push(cycles(&folder, &summary));
    figures.extend(timeline::figures(&folder, &workers, &of_run)?);
    figures.extend(predictions::figures(context));
    let figures = figures
        .into_iter()
        .map(|figure| Part::Figure(Box::new(figure)));
    let notes = context.notes.iter().map(|note| Part::Words(note.clone()));

    let mut parts = vec![Part::Table("Summary of all runs", transposed(&summary))];
    if is_real {
        parts.push(Part::Table("The run", facts(&record)));
    }
    let mut tables = Vec::new();
    if lines.count > MOST_ROWS as u64 {
        let count = lines.count;
        tables.push(Part::Words(format!(
            "The first {MOST_ROWS} of {count} runs:"
        )));
    }
    tables.push(Part::Table(
        "Runs",
        runs_table(&folder, &lines.first, MOST_ROWS),
    ));
    let first = format!("replicate 0 under {}", plan.allocators[0]);
    if workers.len() > MOST_ROWS {
        let count = workers.len();
        tables.push(Part::Words(format!(
            "The first {MOST_ROWS} of {count} workers:"
        )));
    }
    tables.push(Part::Words(format!("The workers of one run, {first}:")));
    tables.push(Part::Table(
        "Workers",
        timeline::workers_table(&workers, MOST_ROWS),
    ));
    if let Some(table) = predictions::table(context, &record) {
        tables.push(Part::Table("Predicted and measured", table));
    }

    let mode = if is_real {
        "Real run"
    } else {
        "Simulated runs"
    };
    let warnings = interrupted(&folder).into_iter().collect();
    let lead = if is_real {
        let allocator = plan.allocators.join(", ");
        format!(
            "A training job on real machines, allocated by {allocator}; seed {}.",
            plan.seed
        )
    } else {
        format!(
            "{} replicates of a training job in virtual time under {}; seed {}.",
            folder.finished(),
            plan.allocators.join(", "),
            plan.seed
        )
    };
    let title = if plan.scenario == "none" {
        mode.to_owned()
    } else {
        format!("{mode}: {}", plan.scenario)
    };
    let verdict = if is_real {
        verdict::of_real_run(&record, &summary)
    } else {
        verdict::of_runs(&summary, paired.as_ref())
    };
    Ok(Page {
        title,
        lead,
        verdict,
        warnings,
        sections: vec![
            Section {
                id: "figures",
                title: "Figures",
                parts: notes.chain(figures).collect(),
            },
            Section {
                id: "summary",
                title: "Summary",
                parts,
            },
            Section {
                id: "tables",
                title: "Tables",
                parts: tables,
            },
            made::section(dir, &record, &FILES)?,
        ],
    })
}

/// Says that a folder of runs is not whole.
fn interrupted(folder: &RecordedFolder) -> Option<String> {
    let (finished, planned) = (folder.finished(), folder.plan().replicates);
    (finished < planned).then(|| {
        format!(
            "Interrupted: {finished} of {planned} replicates are there, and nothing of the others."
        )
    })
}

/// What a measure of the summary is called on the page; others keep their names.
const MEASURES: [(&str, &str); 16] = [
    ("runs", "runs"),
    ("completed", "runs that reached their end"),
    ("missed", "runs that missed"),
    ("missed_percent", "missed, % of runs"),
    ("fee", "fee per run"),
    ("wall_s", "wall time, s"),
    ("limit_s", "limit, s"),
    ("setup_s", "set-up before, s"),
    ("cycles_complete", "cycles complete"),
    ("cycles_truncated", "cycles truncated"),
    ("cycles_failed", "cycles failed"),
    ("batches_lost_percent", "batches lost, %"),
    ("batches_moved", "batches moved to others"),
    ("plans", "plans"),
    (
        "feasible_complete_percent",
        "complete, % of feasible cycles",
    ),
    ("untouched_complete_percent", "the same, no fault within"),
];

/// The summary with a row for each measure: there are more of them than of allocators.
fn transposed(summary: &Csv) -> Table {
    let mut columns = vec![Column::new("measure", "measure, mean of a run")];
    for row in &summary.rows {
        let allocator = summary.cell(row, "allocator");
        columns.push(Column::estimate(allocator, allocator));
    }
    let mut table = Table::new(columns);
    for name in &summary.heading {
        let is_end = name.ends_with("_low") || name.ends_with("_high");
        let is_said = summary
            .rows
            .iter()
            .any(|row| !summary.cell(row, name).is_empty());
        if name == "allocator" || is_end || !is_said {
            continue;
        }
        let title = MEASURES.iter().find(|(known, _)| known == name);
        let title = title.map_or_else(|| name.replace('_', " "), |(_, title)| (*title).to_owned());
        let mut cells = vec![Cell::text(&title)];
        for row in &summary.rows {
            let end = |end: &str| summary.cell(row, &format!("{name}_{end}"));
            cells.push(Cell::read_estimate(
                summary.cell(row, name),
                end("low"),
                end("high"),
            ));
        }
        table.push(cells);
    }
    table
}

/// What a real run says of itself at its end.
const FACTS: [(&str, &str); 15] = [
    ("ending", "ended"),
    ("because", "because"),
    ("accuracy", "accuracy"),
    ("true_class_probability", "true-class probability"),
    ("loss", "loss"),
    ("wall_s", "wall time, s"),
    ("limit_s", "limit, s"),
    ("predicted_s", "cycles as predicted, s"),
    ("measured_s", "the same cycles as measured, s"),
    ("error_percent", "error of the prediction, %"),
    ("setup_s", "set-up before, s"),
    ("longest_stall_s", "longest stall of the orchestrator, s"),
    ("fee", "fee"),
    ("plans", "plans"),
    (
        "differs_because",
        "another run may give another model, since",
    ),
];

fn facts(record: &Value) -> Table {
    let mut table = Table::new(vec![
        Column::new("what", "what"),
        Column::new("value", "value"),
    ]);
    for (key, title) in FACTS {
        let cell = match record.get(key) {
            None | Some(Value::Null) => continue,
            Some(Value::Number(number)) => Cell::read(&number.to_string()),
            Some(Value::String(text)) => Cell::read(text),
            Some(other) => Cell::text(&other.to_string()),
        };
        table.push(vec![Cell::text(title), cell]);
    }
    table
}

/// How arms differ from the first, if several were compared.
fn paired(dir: &Path) -> Result<Option<Csv>, ResultsError> {
    let path = dir.join(PAIRED);
    path.is_file().then(|| Csv::read(&path)).transpose()
}

/// Shares of the cycles that were asked for.
fn cycles(folder: &RecordedFolder, summary: &Csv) -> Figure {
    let config = &folder.job().config;
    let planned = f64::from(config.cycles - config.first_cycle + 1);
    let kinds = [
        ("cycles_complete", "complete", Ink::Area(0)),
        ("cycles_truncated", "truncated", Ink::Hatch(4)),
        ("cycles_failed", "failed", Ink::Hatch(1)),
    ];
    let mut columns = vec![
        Column::new("allocator", "allocator"),
        Column::new("planned", "cycles of a run"),
    ];
    for (name, title, _) in kinds {
        columns.push(Column::new(name, title));
        columns.push(Column::new(&format!("{name}_percent"), "%"));
    }
    columns.push(Column::new("not_run_percent", "not run, %"));
    let mut data = Table::new(columns);
    let (mut rows, mut words) = (Vec::new(), Vec::new());
    for row in &summary.rows {
        let allocator = summary.cell(row, "allocator");
        let mut cells = vec![Cell::text(allocator), Cell::number(planned)];
        let mut shares = Vec::new();
        for (name, ..) in kinds {
            let share = 100.0 * summary.number(row, name).unwrap_or(0.0) / planned;
            cells.push(Cell::read(summary.cell(row, name)));
            cells.push(Cell::number(share));
            shares.push(share);
        }
        let left = (100.0 - shares.iter().sum::<f64>()).max(0.0);
        // What is less comes of rounding.
        let left = if left < 1e-9 { 0.0 } else { left };
        cells.push(Cell::number(left));
        shares.push(left);
        words.push(format!(
            "{allocator}: {} % complete, {} % truncated, {} % failed, {} % not run",
            shown(shares[0]),
            shown(shares[1]),
            shown(shares[2]),
            shown(left)
        ));
        data.push(cells);
        rows.push((allocator.to_owned(), shares));
    }
    let mut kinds: Vec<(String, Ink)> = kinds
        .iter()
        .map(|(_, title, ink)| ((*title).to_owned(), *ink))
        .collect();
    kinds.push(("not run".to_owned(), Ink::Veil(5)));
    Figure {
        name: "cycles".to_owned(),
        title: "What became of the cycles".to_owned(),
        says: format!(
            "Of the cycles of a run, in the mean of all runs. {}.",
            words.join("; ")
        ),
        picture: Picture::Rows(Rows::shares(percent("cycles, %"), kinds, rows)),
        data,
    }
}

/// How many runs missed, if there are several.
fn missed(summary: &Csv) -> Option<Figure> {
    let runs = summary
        .rows
        .first()
        .and_then(|row| summary.number(row, "runs"))?;
    if runs < 2.0 {
        return None;
    }
    let mut data = Table::new(vec![
        Column::new("allocator", "allocator"),
        Column::new("runs", "runs"),
        Column::new("missed", "missed"),
        Column::estimate("missed_percent", "missed, %"),
    ]);
    let (mut points, mut names, mut words) = (Vec::new(), Vec::new(), Vec::new());
    for row in &summary.rows {
        let allocator = summary.cell(row, "allocator");
        let of = |name: &str| summary.number(row, name);
        let value = of("missed_percent")?;
        let ends = of("missed_percent_low").zip(of("missed_percent_high"));
        data.push(vec![
            Cell::text(allocator),
            Cell::read(summary.cell(row, "runs")),
            Cell::read(summary.cell(row, "missed")),
            Cell::read_estimate(
                summary.cell(row, "missed_percent"),
                summary.cell(row, "missed_percent_low"),
                summary.cell(row, "missed_percent_high"),
            ),
        ]);
        points.push(Point {
            ends,
            ..Point::at(names.len() as f64, value)
        });
        names.push(allocator.to_owned());
        words.push(match ends {
            None => format!("{allocator} {} %", shown(value)),
            Some((low, high)) => {
                format!(
                    "{allocator} {} % [{}, {}]",
                    shown(value),
                    shown(low),
                    shown(high)
                )
            }
        });
    }
    Some(Figure {
        name: "missed".to_owned(),
        title: "Runs that missed".to_owned(),
        says: format!(
            "Runs that broke the limit, lost batches or ended early, with 95 % confidence intervals: {}.",
            words.join("; ")
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new("allocator", Scale::Names(names)),
            y: Axis::new("missed, % of runs", Scale::Within(0.0, 104.0)),
            series: vec![Series {
                name: "missed".to_owned(),
                look: 0,
                shape: Shape::Points,
                points,
            }],
            marks: Vec::new(),
        }),
        data,
    })
}

fn runs_table(folder: &RecordedFolder, lines: &[(RunKey, RunRow)], most: usize) -> Table {
    let mut table = Table::new(vec![
        Column::new("replicate", "replicate"),
        Column::new("allocator", "allocator"),
        Column::new("ending", "ended"),
        Column::new("missed", "missed"),
        Column::new("fee", "fee"),
        Column::new("wall_s", "wall time, s"),
        Column::new("limit_s", "limit, s"),
        Column::new("complete", "complete"),
        Column::new("truncated", "truncated"),
        Column::new("failed", "failed"),
    ]);
    for (key, run) in lines.iter().take(most) {
        table.push(vec![
            Cell::count(key.replicate),
            Cell::text(&folder.plan().allocators[key.allocator]),
            Cell::text(&run.ending.replace('_', " ")),
            Cell::text(if run.missed { "yes" } else { "no" }),
            Cell::read(&run.cost.to_string()),
            Cell::number(run.wall.seconds_f64()),
            Cell::number(run.limit.seconds_f64()),
            Cell::count(run.complete),
            Cell::count(run.truncated),
            Cell::count(run.failed),
        ]);
    }
    table
}

/// How good the model was after each cycle, as far as it was judged.
fn model(dir: &Path) -> Result<Vec<Figure>, ResultsError> {
    let path = dir.join("model.csv");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let csv = Csv::read(&path)?;
    let has_two = csv.column("argmax_accuracy").is_some();
    let probability = "mean probability of the true class";
    let shares = [
        ("argmax_accuracy", "accuracy (most likely class)"),
        ("accuracy", if has_two { probability } else { "accuracy" }),
        ("true_class_probability", probability),
    ];
    let share = Axis::new("share of the test samples", Scale::Within(0.0, 1.02));
    let loss = Axis::new("loss on the test samples", Scale::FromZero);
    let accuracy = ("accuracy", "Accuracy over time", share);
    let loss = ("loss", "Loss over time", loss);
    Ok([
        judged(&csv, accuracy, &shares),
        judged(&csv, loss, &[("loss", "loss")]),
    ]
    .into_iter()
    .flatten()
    .collect())
}

fn judged(
    csv: &Csv,
    (name, title, y): (&str, &str, Axis),
    columns: &[(&str, &str)],
) -> Option<Figure> {
    let columns: Vec<_> = columns
        .iter()
        .filter(|(key, _)| csv.column(key).is_some())
        .collect();
    let mut heading = vec![Column::new("cycle", "cycle")];
    heading.extend(columns.iter().map(|(key, title)| Column::new(key, title)));
    let mut data = Table::new(heading);
    for row in &csv.rows {
        let mut cells = vec![Cell::read(csv.cell(row, "cycle"))];
        cells.extend(
            columns
                .iter()
                .map(|(key, _)| Cell::maybe(csv.number(row, key))),
        );
        data.push(cells);
    }
    let mut words = Vec::new();
    let mut series = Vec::new();
    for (key, title) in columns {
        let point =
            |row: &Vec<String>| Some(Point::at(csv.number(row, "cycle")?, csv.number(row, key)?));
        let points: Vec<Point> = csv.rows.iter().filter_map(point).collect();
        let (first, last) = (points.first()?, points.last()?);
        words.push(format!(
            "{title}: from {} to {} after cycle {}",
            shown(first.y),
            shown(last.y),
            shown(last.x)
        ));
        let shape = if points.len() > 60 {
            Shape::Line
        } else {
            Shape::Joined
        };
        let points = thinned(points);
        series.push(Series {
            name: (*title).to_owned(),
            look: series.len(),
            shape,
            points,
        });
    }
    (!series.is_empty()).then(|| Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        says: format!("Cycle 0 is before training. {}.", words.join("; ")),
        picture: Picture::Plot(Plot {
            x: Axis::new("cycle", Scale::Even),
            y,
            series,
            marks: Vec::new(),
        }),
        data,
    })
}
