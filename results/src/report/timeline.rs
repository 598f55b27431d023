//! One run, cycle by cycle: when each worker transferred, computed and waited.

use scheduler::machine::{AssignmentRow, CycleRow, Fate, WorkerId};
use scheduler::{Cost, CycleModel, Instant, Span, Speed};

use super::axis::{Axis, Scale};
use super::figure::{Figure, Picture};
use super::number::shown;
use super::palette::Ink;
use super::plot::{Plot, Point, Series, Shape, thinned};
use super::rows::{Part, Row, Rows};
use super::table::{Cell, Column, Table};
use crate::error::ResultsError;
use crate::files::{CYCLES, LOTS, WORKERS};
use crate::runs::{RecordedFolder, RunKey, Stream, WorkerRow, is_of};

/// The run that is shown.
pub(super) const KEY: RunKey = RunKey {
    replicate: 0,
    allocator: 0,
};

/// The most workers that have a row; of more, those that took longest are shown.
const MOST_ROWS: usize = 20;

/// The number of cycles shown from the first on.
const FIRST_CYCLES: usize = 3;

fn took(cycle: &CycleRow) -> Span {
    cycle.ended.since(cycle.started)
}

/// Whether its times say what it did.
pub(super) const fn has_result(row: &AssignmentRow) -> bool {
    matches!(row.fate, Fate::Complete | Fate::Truncated | Fate::Refused)
}

/// The workers of the run.
pub(super) fn workers(folder: &RecordedFolder) -> Result<Vec<WorkerRow>, ResultsError> {
    folder.stream(WORKERS)?.all_of(KEY)
}

/// What each worker did when, and how long each cycle took.
pub(super) fn figures(
    folder: &RecordedFolder,
    workers: &[WorkerRow],
    of_run: &str,
) -> Result<Vec<Figure>, ResultsError> {
    let cycles: Vec<CycleRow> = folder.stream(CYCLES)?.all_of(KEY)?;
    let Some(longest) = cycles
        .iter()
        .max_by_key(|cycle| (took(cycle), std::cmp::Reverse(cycle.cycle)))
    else {
        return Ok(Vec::new());
    };
    let first = &cycles[..cycles.len().min(FIRST_CYCLES)];
    let chosen = |lot: &AssignmentRow| {
        let mut all = first.iter().chain([longest]);
        all.any(|cycle| is_of(lot, cycle))
    };
    let mut lots = Vec::new();
    let mut stream: Stream<'_, AssignmentRow> = folder.stream(LOTS)?;
    while let Some(lot) = stream.next_of(KEY)? {
        if chosen(&lot) {
            lots.push(lot);
        }
    }
    let gantt = |name: &str, title: String, cycles: &[CycleRow]| {
        gantt(
            name,
            title,
            cycles,
            &lots,
            workers,
            folder.job().cycle_model,
        )
    };
    let title = if first.len() == 1 {
        format!("Timeline of cycle {}{of_run}", first[0].cycle)
    } else {
        let (from, to) = (first[0].cycle, first[first.len() - 1].cycle);
        format!("Timeline of cycles {from} to {to}{of_run}")
    };
    let mut figures = vec![gantt("timeline", title, first)];
    if !first.contains(longest) {
        let title = format!("Timeline of the longest cycle, {}{of_run}", longest.cycle);
        figures.push(gantt("timeline-longest", title, &[*longest]));
    }
    if cycles.len() > 1 {
        figures.push(lengths(&cycles, of_run));
    }
    Ok(figures)
}

/// What a row of a timeline is made of.
const KINDS: [(&str, Ink); 4] = [
    ("transfer", Ink::Hatch(1)),
    ("computing", Ink::Area(0)),
    ("waiting", Ink::Veil(5)),
    ("no result", Ink::Hatch(3)),
];

fn gantt(
    name: &str,
    title: String,
    cycles: &[CycleRow],
    lots: &[AssignmentRow],
    workers: &[WorkerRow],
    cycle_model: CycleModel,
) -> Figure {
    let within = |lot: &&AssignmentRow| cycles.iter().any(|cycle| is_of(lot, cycle));
    let lots: Vec<&AssignmentRow> = lots.iter().filter(within).collect();
    // Those who took longest have a row, in the order of their numbers.
    let mut longest: Vec<(Span, WorkerId)> = Vec::new();
    for lot in &lots {
        match longest.iter_mut().find(|(_, worker)| *worker == lot.worker) {
            Some((elapsed, _)) => *elapsed = lot.elapsed.max(*elapsed),
            None => longest.push((lot.elapsed, lot.worker)),
        }
    }
    longest.sort_by_key(|(elapsed, worker)| (std::cmp::Reverse(*elapsed), *worker));
    let all = longest.len();
    longest.truncate(MOST_ROWS);
    let mut shown_workers: Vec<WorkerId> = longest.into_iter().map(|(_, worker)| worker).collect();
    shown_workers.sort_unstable();

    let mut data = Table::new(
        [
            ("cycle", "cycle"),
            ("worker", "worker"),
            ("fate", "fate"),
            ("assigned", "batches"),
            ("accepted", "accepted"),
            ("ordered_s", "ordered at, s"),
            ("elapsed_s", "result after, s"),
            ("computed_s", "of it computing, s"),
            ("ended_s", "cycle over at, s"),
        ]
        .map(|(key, title)| Column::new(key, title))
        .to_vec(),
    );
    let mut rows = Vec::new();
    for worker in shown_workers {
        let name = name_of(workers, worker);
        let mut parts = Vec::new();
        for lot in lots.iter().filter(|lot| lot.worker == worker) {
            let Some(cycle) = cycles.iter().find(|cycle| is_of(lot, cycle)) else {
                continue;
            };
            parts.extend(parts_of(lot, cycle, cycle_model));
            data.push(vec![
                Cell::count(lot.cycle.get().into()),
                Cell::text(&name),
                Cell::text(lot.fate.name()),
                Cell::count(lot.assigned),
                Cell::count(lot.accepted),
                Cell::number(at(cycle.started)),
                Cell::number(lot.elapsed.seconds_f64()),
                Cell::number(lot.computed.seconds_f64()),
                Cell::number(at(cycle.ended)),
            ]);
        }
        rows.push(Row { name, parts });
    }
    data.note("workers", all as f64);
    data.note("workers shown", rows.len() as f64);
    let left_out = if all > rows.len() {
        format!(
            " Of {all} workers the {} are shown whose shares took longest.",
            rows.len()
        )
    } else {
        String::new()
    };
    let with_result = lots.iter().filter(|lot| has_result(lot));
    let slowest = with_result.max_by_key(|lot| (lot.elapsed, std::cmp::Reverse(lot.worker)));
    let slowest = slowest.map_or_else(String::new, |lot| {
        format!(
            " The last result was that of {} in cycle {}, after {} s, {} s of them computing.",
            name_of(workers, lot.worker),
            lot.cycle,
            shown(lot.elapsed.seconds_f64()),
            shown(lot.computed.seconds_f64())
        )
    });
    let ends = cycles
        .iter()
        .map(|cycle| cycle.ended)
        .max()
        .unwrap_or_default();
    let starts = cycles.first().map_or(ends, |cycle| cycle.started);
    // A limit far beyond would leave no room for what was done.
    let far = ends + ends.since(starts) / 2;
    let limits = cycles.iter().map(|cycle| cycle.started + cycle.limit);
    let marks: Vec<f64> = limits.filter(|limit| *limit <= far).map(at).collect();
    let beyond = if marks.len() < cycles.len() {
        " Limits far beyond the last result are not drawn."
    } else {
        ""
    };
    Figure {
        name: name.to_owned(),
        title,
        says: format!(
            "When each employed worker transferred parameters, computed, and waited for the others.{slowest} \
             Transfer is what passed from the order to the result besides computing, divided before and after \
             it in the ratio of the link's two directions.{left_out}{beyond}"
        ),
        picture: Picture::Rows(Rows {
            x: Axis::new("time since the run began, s", Scale::Even),
            kinds: KINDS.map(|(name, ink)| (name.to_owned(), ink)).to_vec(),
            is_used_only: true,
            rows,
            marks,
            marked: "limit of a cycle".to_owned(),
            is_tall: false,
        }),
        data,
    }
}

fn parts_of(lot: &AssignmentRow, cycle: &CycleRow, cycle_model: CycleModel) -> Vec<Part> {
    let (start, end) = (at(cycle.started), at(cycle.ended));
    if lot.fate == Fate::Absent {
        return Vec::new();
    }
    if !has_result(lot) {
        return vec![Part {
            kind: 3,
            from: start,
            to: end,
        }];
    }
    let computed = lot.computed.min(lot.elapsed);
    let (down, up) = (cycle_model.down.seconds_f64(), cycle_model.up.seconds_f64());
    let share = if down + up > 0.0 {
        down / (down + up)
    } else {
        0.5
    };
    let before = start + share * (lot.elapsed - computed).seconds_f64();
    let after = before + computed.seconds_f64();
    let result = start + lot.elapsed.seconds_f64();
    [
        (0, start, before),
        (1, before, after),
        (0, after, result),
        (2, result, end),
    ]
    .into_iter()
    .filter(|(_, from, to)| to > from)
    .map(|(kind, from, to)| Part { kind, from, to })
    .collect()
}

fn lengths(cycles: &[CycleRow], of_run: &str) -> Figure {
    let mut data = Table::new(vec![
        Column::new("cycle", "cycle"),
        Column::new("took_s", "took, s"),
        Column::new("limit_s", "limit, s"),
    ]);
    for cycle in cycles {
        data.push(vec![
            Cell::count(cycle.cycle.get().into()),
            Cell::number(took(cycle).seconds_f64()),
            Cell::number(cycle.limit.seconds_f64()),
        ]);
    }
    let series = |look, name: &str, get: fn(&CycleRow) -> Span| Series {
        name: name.to_owned(),
        look,
        shape: Shape::Line,
        points: thinned(
            cycles
                .iter()
                .map(|c| Point::at(c.cycle.get().into(), get(c).seconds_f64()))
                .collect(),
        ),
    };
    let ends = |take: fn(Span, Span) -> Span| {
        cycles
            .iter()
            .map(took)
            .reduce(take)
            .map_or(f64::NAN, Span::seconds_f64)
    };
    let drawn = thinned(vec![Point::default(); cycles.len()]).len();
    data.note("cycles", cycles.len() as f64);
    data.note("cycles drawn", drawn as f64);
    let left_out = if drawn < cycles.len() {
        format!(" Of {} cycles {drawn} are drawn.", cycles.len())
    } else {
        String::new()
    };
    Figure {
        name: "cycle-times".to_owned(),
        title: format!("How long cycles took{of_run}"),
        says: format!(
            "Each cycle's time and the limit that it had. The shortest took {} s, the longest {} s.{left_out}",
            shown(ends(Span::min)),
            shown(ends(Span::max))
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new("cycle", Scale::Even),
            y: Axis::new("time of a cycle, s", Scale::FromZero),
            series: vec![
                series(0, "took", took),
                series(1, "limit", |cycle| cycle.limit),
            ],
            marks: Vec::new(),
        }),
        data,
    }
}

/// The workers of the run as a table.
pub(super) fn workers_table(workers: &[WorkerRow], most: usize) -> Table {
    let has_charges = workers.iter().any(|worker| worker.charges > Cost::ZERO);
    let charges = has_charges.then_some(("charges", "of it for being employed"));
    let mut table = Table::new(
        [
            ("worker", "worker"),
            ("fee", "fee per batch"),
            ("speed", "benchmark, batches/s"),
            ("cycles", "cycles"),
            ("complete", "complete"),
            ("assigned", "batches"),
            ("accepted", "accepted"),
            ("cost", "paid"),
        ]
        .into_iter()
        .chain(charges)
        .chain([
            ("elapsed_s", "orders to results, s"),
            ("computed_s", "computing, s"),
        ])
        .map(|(key, title)| Column::new(key, title))
        .collect(),
    );
    for worker in workers.iter().take(most) {
        let fee = worker.fee.map(|fee| fee.to_string());
        let speed = worker.speed.map(Speed::per_second_f64);
        let mut row = vec![
            Cell::text(&worker.name),
            fee.map_or(Cell::Nothing, |fee| Cell::read(&fee)),
            Cell::maybe(speed),
            Cell::count(worker.cycles),
            Cell::count(worker.complete),
            Cell::count(worker.assigned),
            Cell::count(worker.accepted),
            Cell::read(&worker.cost.to_string()),
        ];
        row.extend(has_charges.then(|| Cell::read(&worker.charges.to_string())));
        row.extend([worker.elapsed, worker.computed].map(|span| Cell::number(span.seconds_f64())));
        table.push(row);
    }
    table
}

fn name_of(workers: &[WorkerRow], worker: WorkerId) -> String {
    let known = workers.get(worker.get() as usize);
    known.map_or_else(|| worker.to_string(), |known| known.name.to_string())
}

pub(super) fn at(moment: Instant) -> f64 {
    moment.since(Instant::START).seconds_f64()
}
