//! One run, cycle by cycle: who transferred, computed and waited when.

use std::path::Path;
use std::sync::Arc;

use scheduler::{Cost, CycleModel};

use super::axis::{Axis, Scale};
use super::figure::{Figure, Picture};
use super::number::shown;
use super::palette::Ink;
use super::plot::{Plot, Point, Series, Shape};
use super::rows::{Part, Row, Rows};
use super::runs::thinned;
use super::table::{Cell, Column, Table};
use crate::error::ResultsError;
use crate::read::{Groups, Table as Group};
use crate::runs::{CYCLES, LOTS, RecordedFolder, RunKey, Stream, WORKERS};

/// The run that is shown.
const KEY: RunKey = RunKey {
    replicate: 0,
    allocator: 0,
};

/// So many workers have a row; of more those that took longest.
const MOST_ROWS: usize = 20;

/// So many cycles from the first on.
const FIRST_CYCLES: usize = 3;

/// A worker in the whole run.
pub(super) struct Worker {
    name: Arc<str>,
    fee: Option<u64>,
    speed: Option<(u64, u64)>,
    cycles: u64,
    complete: u64,
    assigned: u64,
    accepted: u64,
    cost: Cost,
    elapsed: u64,
    computed: u64,
}

/// A cycle, in nanoseconds since the run began.
#[derive(Clone, Copy)]
struct Cycle {
    cycle: u32,
    started: u64,
    limit: u64,
    ended: u64,
}

impl Cycle {
    const fn took(&self) -> u64 {
        self.ended.saturating_sub(self.started)
    }
}

/// A share in a cycle.
#[derive(Clone)]
struct Lot {
    cycle: u32,
    worker: u32,
    fate: String,
    assigned: u64,
    accepted: u64,
    elapsed: u64,
    computed: u64,
}

impl Lot {
    /// Whether its times say what it did.
    fn has_result(&self) -> bool {
        matches!(self.fate.as_str(), "complete" | "truncated" | "refused")
    }
}

/// The workers of the run.
pub(super) fn workers(dir: &Path, folder: &RecordedFolder) -> Result<Vec<Worker>, ResultsError> {
    let groups = Groups::open(&dir.join(WORKERS))?;
    let mut stream = Stream::new(groups, &folder.plan().allocators, read_workers);
    stream.all_of(KEY)
}

/// When everybody did what, and how long each cycle took.
pub(super) fn figures(
    dir: &Path,
    folder: &RecordedFolder,
    workers: &[Worker],
) -> Result<Vec<Figure>, ResultsError> {
    let allocators = &folder.plan().allocators;
    let groups = Groups::open(&dir.join(CYCLES))?;
    let cycles = Stream::new(groups, allocators, read_cycles).all_of(KEY)?;
    let Some(longest) = cycles
        .iter()
        .max_by_key(|cycle| (cycle.took(), u32::MAX - cycle.cycle))
    else {
        return Ok(Vec::new());
    };
    let first = &cycles[..cycles.len().min(FIRST_CYCLES)];
    let chosen = |cycle: u32| {
        first
            .iter()
            .chain([longest])
            .any(|known| known.cycle == cycle)
    };
    let mut lots = Vec::new();
    let mut stream = Stream::new(Groups::open(&dir.join(LOTS))?, allocators, read_lots);
    while let Some(lot) = stream.next_of(KEY)? {
        if chosen(lot.cycle) {
            lots.push(lot);
        }
    }
    // A real run is the only one of its folder.
    let of_run = if folder.plan().mode == "real" {
        String::new()
    } else {
        format!(", replicate 0 under {}", allocators[0])
    };
    let gantt = |name: &str, title: String, cycles: &[Cycle]| {
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
        format!("Time-line of cycle {}{of_run}", first[0].cycle)
    } else {
        let (from, to) = (first[0].cycle, first[first.len() - 1].cycle);
        format!("Time-line of cycles {from} to {to}{of_run}")
    };
    let mut figures = vec![gantt("timeline", title, first)];
    if first.iter().all(|cycle| cycle.cycle != longest.cycle) {
        let title = format!("Time-line of the longest cycle, {}{of_run}", longest.cycle);
        figures.push(gantt("timeline-longest", title, &[*longest]));
    }
    if cycles.len() > 1 {
        figures.push(lengths(&cycles, &of_run));
    }
    Ok(figures)
}

/// What a row of a time-line is made of.
const KINDS: [(&str, Ink); 4] = [
    ("transfer", Ink::Hatch(1)),
    ("computing", Ink::Area(0)),
    ("waiting", Ink::Veil(5)),
    ("no result", Ink::Hatch(3)),
];

fn gantt(
    name: &str,
    title: String,
    cycles: &[Cycle],
    lots: &[Lot],
    workers: &[Worker],
    cycle_model: CycleModel,
) -> Figure {
    let within = |lot: &&Lot| cycles.iter().any(|cycle| cycle.cycle == lot.cycle);
    let lots: Vec<&Lot> = lots.iter().filter(within).collect();
    // Those who took longest have a row, in the order of their numbers.
    let mut longest: Vec<(u64, u32)> = Vec::new();
    for lot in &lots {
        match longest.iter_mut().find(|(_, worker)| *worker == lot.worker) {
            Some((elapsed, _)) => *elapsed = lot.elapsed.max(*elapsed),
            None => longest.push((lot.elapsed, lot.worker)),
        }
    }
    longest.sort_by_key(|(elapsed, worker)| (std::cmp::Reverse(*elapsed), *worker));
    let all = longest.len();
    longest.truncate(MOST_ROWS);
    let mut shown_workers: Vec<u32> = longest.into_iter().map(|(_, worker)| worker).collect();
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
            let Some(cycle) = cycles.iter().find(|cycle| cycle.cycle == lot.cycle) else {
                continue;
            };
            parts.extend(parts_of(lot, cycle, cycle_model));
            data.push(vec![
                Cell::count(lot.cycle.into()),
                Cell::text(&name),
                Cell::text(&lot.fate),
                Cell::count(lot.assigned),
                Cell::count(lot.accepted),
                Cell::number(seconds(cycle.started)),
                Cell::number(seconds(lot.elapsed)),
                Cell::number(seconds(lot.computed)),
                Cell::number(seconds(cycle.ended)),
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
    let with_result = lots.iter().filter(|lot| lot.has_result());
    let slowest = with_result.max_by_key(|lot| (lot.elapsed, std::cmp::Reverse(lot.worker)));
    let slowest = slowest.map_or_else(String::new, |lot| {
        format!(
            " The last result was that of {} in cycle {}, after {} s, {} s of them computing.",
            name_of(workers, lot.worker),
            lot.cycle,
            shown(seconds(lot.elapsed)),
            shown(seconds(lot.computed))
        )
    });
    let ends = cycles.iter().map(|cycle| cycle.ended).max().unwrap_or(0);
    let starts = cycles.first().map_or(0, |cycle| cycle.started);
    // A limit far beyond would leave no room for what was done.
    let far = ends.saturating_add(ends.saturating_sub(starts) / 2);
    let limits = || {
        cycles
            .iter()
            .map(|cycle| cycle.started.saturating_add(cycle.limit))
    };
    let marks: Vec<f64> = limits()
        .filter(|limit| *limit <= far)
        .map(seconds)
        .collect();
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
             Transfer is what passed from the order to the result besides computing, parted before and after \
             it as the link's two ways are.{left_out}{beyond}"
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

fn parts_of(lot: &Lot, cycle: &Cycle, cycle_model: CycleModel) -> Vec<Part> {
    let start = seconds(cycle.started);
    let end = seconds(cycle.ended);
    if lot.fate == "absent" {
        return Vec::new();
    }
    if !lot.has_result() {
        return vec![Part {
            kind: 3,
            from: start,
            to: end,
        }];
    }
    let elapsed = lot.elapsed;
    let computed = lot.computed.min(elapsed);
    let (down, up) = (cycle_model.down.seconds_f64(), cycle_model.up.seconds_f64());
    let share = if down + up > 0.0 {
        down / (down + up)
    } else {
        0.5
    };
    let before = start + share * seconds(elapsed - computed);
    let after = before + seconds(computed);
    let result = start + seconds(elapsed);
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

fn lengths(cycles: &[Cycle], of_run: &str) -> Figure {
    let mut data = Table::new(vec![
        Column::new("cycle", "cycle"),
        Column::new("took_s", "took, s"),
        Column::new("limit_s", "limit, s"),
    ]);
    for cycle in cycles {
        data.push(vec![
            Cell::count(cycle.cycle.into()),
            Cell::number(seconds(cycle.took())),
            Cell::number(seconds(cycle.limit)),
        ]);
    }
    let series = |look, name: &str, get: fn(&Cycle) -> u64| Series {
        name: name.to_owned(),
        look,
        shape: Shape::Line,
        points: thinned(
            cycles
                .iter()
                .map(|c| Point::at(c.cycle.into(), seconds(get(c))))
                .collect(),
        ),
    };
    let ends = |take: fn(u64, u64) -> u64| {
        cycles
            .iter()
            .map(Cycle::took)
            .reduce(take)
            .map_or(f64::NAN, seconds)
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
            shown(ends(u64::min)),
            shown(ends(u64::max))
        ),
        picture: Picture::Plot(Plot {
            x: Axis::new("cycle", Scale::Even),
            y: Axis::new("time of a cycle, s", Scale::FromZero),
            series: vec![
                series(0, "took", Cycle::took),
                series(1, "limit", |cycle| cycle.limit),
            ],
            marks: Vec::new(),
        }),
        data,
    }
}

/// The workers of the run as a table.
pub(super) fn workers_table(workers: &[Worker], most: usize) -> Table {
    let mut table = Table::new(
        [
            ("worker", "worker"),
            ("fee", "fee of a batch"),
            ("speed", "benchmark, batches/s"),
            ("cycles", "cycles"),
            ("complete", "complete"),
            ("assigned", "batches"),
            ("accepted", "accepted"),
            ("cost", "paid"),
            ("elapsed_s", "orders to results, s"),
            ("computed_s", "computing, s"),
        ]
        .map(|(key, title)| Column::new(key, title))
        .to_vec(),
    );
    for worker in workers.iter().take(most) {
        let fee = worker
            .fee
            .map(|fee| Cost::from_micros(fee.into()).to_string());
        let speed = worker.speed.filter(|(_, nanos)| *nanos > 0);
        let speed = speed.map(|(batches, nanos)| batches as f64 * 1e9 / nanos as f64);
        table.push(vec![
            Cell::text(&worker.name),
            fee.map_or(Cell::Nothing, |fee| Cell::read(&fee)),
            Cell::maybe(speed),
            Cell::count(worker.cycles),
            Cell::count(worker.complete),
            Cell::count(worker.assigned),
            Cell::count(worker.accepted),
            Cell::read(&worker.cost.to_string()),
            Cell::number(seconds(worker.elapsed)),
            Cell::number(seconds(worker.computed)),
        ]);
    }
    table
}

fn name_of(workers: &[Worker], worker: u32) -> String {
    let known = workers.get(worker as usize);
    known.map_or_else(|| worker.to_string(), |known| known.name.to_string())
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn read_workers(table: &Group<'_>, rows: usize) -> Result<Vec<Worker>, ResultsError> {
    let (names, fees) = (table.texts("name")?, table.optional_numbers("fee_micro")?);
    let batches = table.optional_numbers("speed_batches")?;
    let nanos = table.optional_numbers("speed_ns")?;
    let (cycles, complete) = (table.numbers("cycles")?, table.numbers("cycles_complete")?);
    let assigned = table.numbers("batches_assigned")?;
    let accepted = table.numbers("batches_accepted")?;
    let costs = table.costs("cost_micro")?;
    let (elapsed, computed) = (table.numbers("elapsed_ns")?, table.numbers("computed_ns")?);
    let row = |row: usize| {
        Ok(Worker {
            name: table.required(names.get(row), "name")?.into(),
            fee: fees.get(row),
            speed: batches.get(row).zip(nanos.get(row)),
            cycles: cycles[row],
            complete: complete[row],
            assigned: assigned[row],
            accepted: accepted[row],
            cost: table.required(costs[row], "cost_micro")?,
            elapsed: elapsed[row],
            computed: computed[row],
        })
    };
    (0..rows).map(row).collect()
}

fn read_cycles(table: &Group<'_>, rows: usize) -> Result<Vec<Cycle>, ResultsError> {
    let (cycles, limits) = (table.ids("cycle")?, table.numbers("limit_ns")?);
    let (started, ended) = (table.numbers("started_ns")?, table.numbers("ended_ns")?);
    let row = |row: usize| Cycle {
        cycle: cycles[row],
        started: started[row],
        limit: limits[row],
        ended: ended[row],
    };
    Ok((0..rows).map(row).collect())
}

fn read_lots(table: &Group<'_>, rows: usize) -> Result<Vec<Lot>, ResultsError> {
    let (cycles, workers) = (table.ids("cycle")?, table.ids("worker")?);
    let (fates, assigned) = (table.texts("fate")?, table.numbers("assigned")?);
    let (accepted, elapsed) = (table.numbers("accepted")?, table.numbers("elapsed_ns")?);
    let computed = table.numbers("computed_ns")?;
    let row = |row: usize| {
        Ok(Lot {
            cycle: cycles[row],
            worker: workers[row],
            fate: table.required(fates.get(row), "fate")?.to_owned(),
            assigned: assigned[row],
            accepted: accepted[row],
            elapsed: elapsed[row],
            computed: computed[row],
        })
    };
    (0..rows).map(row).collect()
}
