//! One whole run, from the first worker that joins to the end: what each worker did when.

use std::collections::BTreeSet;

use scheduler::Instant;
use scheduler::machine::{AssignmentRow, CycleRow, Fate, PlanId, WorkerId};

use super::axis::{Axis, Scale};
use super::figure::{Figure, Picture};
use super::number::shown;
use super::palette::Ink;
use super::rows::{Part, Row, Rows};
use super::table::{Cell, Column, Table};
use super::timeline::{KEY, at, has_result};
use crate::error::ResultsError;
use crate::files::{CYCLES, HISTORY, LOTS, PLANS, RUNS};
use crate::runs::{HistoryRow, QuestionRow, RecordedFolder, RunRow, WorkerRow, is_of};

/// The most workers that have a row; of more, those that worked longest are shown.
const MOST_ROWS: usize = 20;

/// Time is cut into this number of pieces, each drawn as what took most of it.
const PIECES: usize = 240;

/// More plans than this have no line each.
const MOST_MARKS: usize = 30;

/// What a worker may do; the last one is what is left of the time that it is there.
const KINDS: [(&str, &str, Ink); 6] = [
    ("benchmark_s", "benchmark", Ink::Hatch(4)),
    ("data_s", "receiving data", Ink::Hatch(1)),
    ("working_s", "working", Ink::Area(0)),
    ("waiting_s", "waiting for others", Ink::Veil(5)),
    ("lost_s", "no result", Ink::Hatch(3)),
    ("idle_s", "idle", Ink::Veil(2)),
];
const BENCHMARK: usize = 0;
const DATA: usize = 1;
const WORKING: usize = 2;
const WAITING: usize = 3;
const LOST: usize = 4;
const IDLE: usize = 5;

/// One worker's time.
struct Lane {
    /// Since when it has been there, if it is.
    here: Option<f64>,
    /// Since when it has been measured, if it is.
    measured: Option<f64>,
    /// Seconds of each kind, in each piece.
    pieces: Vec<[f64; KINDS.len()]>,
    /// Seconds that it was there, in each piece.
    present: Vec<f64>,
}

/// The run's time, cut into pieces.
struct Lanes {
    end: f64,
    /// When data travelled for which plan, until it is known who took part in it.
    shipped: Vec<(PlanId, (f64, f64))>,
    /// Who was seen in which plan.
    seen: BTreeSet<(PlanId, WorkerId)>,
    lanes: Vec<(WorkerId, Lane)>,
}

impl Lanes {
    fn new(workers: &[WorkerId], end: f64) -> Self {
        let lane = || Lane {
            here: None,
            measured: None,
            pieces: vec![[0.0; KINDS.len()]; PIECES],
            present: vec![0.0; PIECES],
        };
        Self {
            end,
            shipped: Vec::new(),
            seen: BTreeSet::new(),
            lanes: workers.iter().map(|worker| (*worker, lane())).collect(),
        }
    }

    fn lane(&mut self, worker: Option<WorkerId>) -> Option<&mut Lane> {
        let mut lanes = self.lanes.iter_mut();
        let found = lanes.find(|(known, _)| Some(*known) == worker);
        found.map(|(_, lane)| lane)
    }

    /// Adds a time to each piece that it touches.
    fn spread(end: f64, (from, to): (f64, f64), mut add: impl FnMut(usize, f64)) {
        let (piece, to) = (end / PIECES as f64, to.min(end));
        if piece <= 0.0 || to <= from {
            return;
        }
        let first = (from / piece) as usize;
        for at in first..PIECES {
            let (start, over) = (at as f64 * piece, (at + 1) as f64 * piece);
            if start >= to {
                break;
            }
            add(at, (to.min(over) - from.max(start)).max(0.0));
        }
    }

    fn did(&mut self, worker: WorkerId, kind: usize, span: (f64, f64)) {
        let end = self.end;
        if let Some(lane) = self.lane(Some(worker)) {
            Self::spread(end, span, |at, size| lane.pieces[at][kind] += size);
        }
    }

    /// Takes what happened beside cycles, in order.
    fn history(&mut self, row: &HistoryRow) {
        let (now, end) = (at(row.at), self.end);
        if let ("shipped", Some(plan)) = (&*row.what, row.plan) {
            self.shipped.push((plan, (row.since.map_or(now, at), now)));
        }
        let Some(lane) = self.lane(row.worker) else {
            return;
        };
        match &*row.what {
            "joined" | "returned" => {
                lane.here = lane.here.or(Some(now));
                lane.measured = Some(now);
            }
            "benchmarked" => {
                // Later ones have no beginning that is known.
                if let Some(since) = lane.measured.take() {
                    let add = |at: usize, size| lane.pieces[at][BENCHMARK] += size;
                    Self::spread(end, (since, now), add);
                }
            }
            "departed" => {
                lane.measured = None;
                if let Some(since) = lane.here.take() {
                    Self::spread(end, (since, now), |at, size| lane.present[at] += size);
                }
            }
            _ => {}
        }
    }

    /// Takes what a worker did in a cycle.
    fn cycle(&mut self, cycle: &CycleRow, lot: &AssignmentRow) {
        let (start, over) = (at(cycle.started), at(cycle.ended));
        if self.seen.insert((lot.plan, lot.worker)) {
            let shipped = self.shipped.iter().filter(|(plan, _)| *plan == lot.plan);
            for span in shipped.map(|(_, span)| *span).collect::<Vec<_>>() {
                self.did(lot.worker, DATA, span);
            }
        }
        if lot.fate == Fate::Absent {
            return;
        }
        if !has_result(lot) {
            self.did(lot.worker, LOST, (start, over));
            return;
        }
        let result = (start + lot.elapsed.seconds_f64()).min(over);
        self.did(lot.worker, WORKING, (start, result));
        self.did(lot.worker, WAITING, (result, over));
    }

    /// Who is still there stays to the end; what is left of the time is idle.
    fn finish(&mut self) {
        let end = self.end;
        for (_, lane) in &mut self.lanes {
            if let Some(since) = lane.here.take() {
                Self::spread(end, (since, end), |at, size| lane.present[at] += size);
            }
            for (piece, present) in lane.pieces.iter_mut().zip(&lane.present) {
                let busy: f64 = piece[..IDLE].iter().sum();
                piece[IDLE] = (present - busy).max(0.0);
            }
        }
    }
}

impl Lane {
    /// What took most of each piece, put together where it is the same.
    fn parts(&self, end: f64) -> Vec<Part> {
        let piece = end / PIECES as f64;
        let mut parts: Vec<Part> = Vec::new();
        for (at, kinds) in self.pieces.iter().enumerate() {
            let away = piece - kinds.iter().sum::<f64>();
            let most = (0..KINDS.len()).max_by(|a, b| kinds[*a].total_cmp(&kinds[*b]));
            let Some(kind) = most.filter(|kind| kinds[*kind] > 0.0 && kinds[*kind] >= away) else {
                continue;
            };
            let (from, to) = (at as f64 * piece, (at + 1) as f64 * piece);
            match parts.last_mut() {
                Some(last) if last.kind == kind && last.to >= from - piece * 1e-6 => last.to = to,
                _ => parts.push(Part { kind, from, to }),
            }
        }
        parts
    }

    fn sums(&self) -> [f64; KINDS.len()] {
        let mut sums = [0.0; KINDS.len()];
        for piece in &self.pieces {
            for (sum, part) in sums.iter_mut().zip(piece) {
                *sum += part;
            }
        }
        sums
    }
}

/// What each worker of a run did, from joining to the end.
pub(super) fn figure(
    folder: &RecordedFolder,
    workers: &[WorkerRow],
    of_run: &str,
) -> Result<Option<Figure>, ResultsError> {
    let run: RunRow = folder.stream(RUNS)?.one_of(KEY)?;
    let end = at(run.ended);
    let mut longest: Vec<&WorkerRow> = workers.iter().filter(|w| w.joined.is_some()).collect();
    if end <= 0.0 || longest.is_empty() {
        return Ok(None);
    }
    longest.sort_by_key(|worker| (std::cmp::Reverse(worker.elapsed), worker.worker));
    let all = longest.len();
    longest.truncate(MOST_ROWS);
    longest.sort_by_key(|worker| worker.worker);
    let ids: Vec<WorkerId> = longest
        .iter()
        .map(|w| WorkerId::new(w.worker as u32))
        .collect();

    let mut lanes = Lanes::new(&ids, end);
    let (mut departures, mut history) = (0_u64, folder.stream::<HistoryRow>(HISTORY)?);
    while let Some(row) = history.next_of(KEY)? {
        departures += u64::from(row.what == "departed");
        lanes.history(&row);
    }
    let mut lots = folder.stream::<AssignmentRow>(LOTS)?;
    let mut cycles = folder.stream::<CycleRow>(CYCLES)?;
    while let Some(cycle) = cycles.next_of(KEY)? {
        while let Some(lot) = lots.next_if(KEY, |lot| is_of(lot, &cycle))? {
            lanes.cycle(&cycle, &lot);
        }
    }
    lanes.finish();
    let mut plans: Vec<Instant> = Vec::new();
    let mut questions = folder.stream::<QuestionRow>(PLANS)?;
    while let Some(row) = questions.next_of(KEY)? {
        plans.extend(row.status.map(|_| row.at));
    }

    let columns = KINDS
        .iter()
        .map(|(key, title, _)| Column::new(key, &format!("{title}, s")));
    let mut data = Table::new(
        [Column::new("worker", "worker")]
            .into_iter()
            .chain(columns)
            .collect(),
    );
    let (mut rows, mut idle) = (Vec::new(), 0);
    for (worker, (_, lane)) in longest.iter().zip(&lanes.lanes) {
        let sums = lane.sums();
        idle += u64::from(worker.cycles == 0);
        let cells = sums.into_iter().map(Cell::number);
        data.push(
            [Cell::text(&worker.name)]
                .into_iter()
                .chain(cells)
                .collect(),
        );
        rows.push(Row {
            name: worker.name.to_string(),
            parts: lane.parts(end),
        });
    }
    data.note("workers", all as f64);
    data.note("workers shown", rows.len() as f64);
    data.note("plans", plans.len() as f64);
    data.note("departures", departures as f64);
    data.note("end, s", end);
    let later: Vec<f64> = plans.iter().skip(1).map(|plan| at(*plan)).collect();
    let is_marked = later.len() <= MOST_MARKS;
    let mut says = format!(
        "From the first worker that joined to the end after {} s, {} s of them before the first cycle. \
         Plans: {}; departures: {departures}.",
        shown(end),
        shown(run.setup.seconds_f64()),
        plans.len(),
    );
    if idle > 0 {
        says += &format!(" Workers of these that were never employed: {idle}.");
    }
    if all > rows.len() {
        says += &format!(
            " Of {all} workers the {} are shown that worked longest.",
            rows.len()
        );
    }
    if !is_marked {
        says += " There are too many plans for a line each.";
    }
    says += " Each piece of time shows what took most of it; a gap is time away.";
    Ok(Some(Figure {
        name: "run".to_owned(),
        title: format!("The whole run: what each worker did{of_run}"),
        says,
        picture: Picture::Rows(Rows {
            x: Axis::new("time since the run began, s", Scale::Within(0.0, end)),
            kinds: KINDS.map(|(_, name, ink)| (name.to_owned(), ink)).to_vec(),
            is_used_only: true,
            rows,
            marks: if is_marked { later } else { Vec::new() },
            marked: "another plan".to_owned(),
            is_tall: false,
        }),
        data,
    }))
}

#[cfg(test)]
mod tests {
    use scheduler::machine::{CycleId, CycleResult, SessionId};
    use scheduler::{Cost, Fee, Span};

    use super::*;

    fn moment(what: &'static str, at: u64) -> HistoryRow {
        HistoryRow {
            at: second(at),
            what: what.into(),
            worker: Some(WorkerId::new(0)),
            ..HistoryRow::default()
        }
    }

    fn second(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    /// A worker that joins at 10 s of 100, is measured until 20, receives data until 30, works from 40
    /// to 60, waits until 70, and leaves at 90.
    #[test]
    fn time_is_what_it_was_used_for() {
        let mut lanes = Lanes::new(&[WorkerId::new(0)], 100.0);
        for row in [
            moment("joined", 10),
            moment("benchmarked", 20),
            // Data travels to all that a plan employs.
            HistoryRow {
                worker: None,
                plan: Some(PlanId::new(1)),
                since: Some(second(20)),
                ..moment("shipped", 30)
            },
            moment("departed", 90),
        ] {
            lanes.history(&row);
        }
        let cycle = CycleRow {
            cycle: CycleId::new(1),
            plan: PlanId::new(1),
            result: CycleResult::Complete,
            started: second(40),
            limit: Span::from_secs(30),
            results_at: second(60),
            ended: second(70),
            workers: 1,
            accepted: 5,
            lost: 0,
            cost: Cost::ZERO,
        };
        let lot = AssignmentRow {
            cycle: CycleId::new(1),
            plan: PlanId::new(1),
            worker: WorkerId::new(0),
            session: SessionId::new(1),
            fate: Fate::Complete,
            assigned: 5,
            claimed: 5,
            accepted: 5,
            fee: Fee::ZERO,
            charge: Cost::ZERO,
            cost: Cost::ZERO,
            expected: Span::ZERO,
            elapsed: Span::from_secs(20),
            computed: Span::from_secs(18),
        };
        lanes.cycle(&cycle, &lot);
        lanes.finish();
        let lane = &lanes.lanes[0].1;
        let sums = lane.sums().map(|sum| (sum * 1e6).round() / 1e6);
        assert_eq!(sums, [10.0, 10.0, 20.0, 10.0, 0.0, 30.0]);
        let parts = lane.parts(100.0);
        let kinds: Vec<usize> = parts.iter().map(|part| part.kind).collect();
        assert_eq!(kinds, [BENCHMARK, DATA, IDLE, WORKING, WAITING, IDLE]);
        let piece = 100.0 / PIECES as f64;
        for (part, (from, to)) in parts.iter().zip([
            (10.0, 20.0),
            (20.0, 30.0),
            (30.0, 40.0),
            (40.0, 60.0),
            (60.0, 70.0),
            (70.0, 90.0),
        ]) {
            assert!(
                (part.from - from).abs() <= piece && (part.to - to).abs() <= piece,
                "{part:?}"
            );
        }
    }
}
