//! The tables of run folders against the records that they were made of, and their bytes.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use polars_core::prelude::{AnyValue, DataFrame};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use proptest::prelude::*;
use results::runs::{
    Job, RecordedFolder, RunChunk, RunEnd, RunFolder, RunKey, RunRows, RunsPlan, Truth,
};
use scheduler::machine::{
    Config, CycleId, CycleResult, CycleRow, Departure, Ending, Epoch, Fate, Ignored, Limit, LotRow,
    PlanId, PlanRow, Record, ShareRow, Totals, Trigger, WorkerId,
};
use scheduler::{Certificate, Cost, Fee, Instant, Overheads, PlanStatus, Span, Speed};

const ALLOCATORS: [&str; 2] = ["exact", "heuristic"];

fn plan(replicates: u64) -> RunsPlan {
    RunsPlan {
        mode: "simulated".to_owned(),
        scenario: "made-up".to_owned(),
        seed: 3,
        replicates,
        allocators: ALLOCATORS.map(str::to_owned).to_vec(),
    }
}

fn job() -> Job {
    let [evaluation, down, up] = [5, 7, 11].map(Span::from_millis);
    Job {
        config: Config::new(30, 4, Limit::Cycle(Span::from_secs(1))),
        overheads: Overheads {
            evaluation,
            down,
            up,
        },
        parameter_bytes: 99,
    }
}

fn begin(dir: &Path, replicates: u64) -> RunFolder {
    RunFolder::create(dir, plan(replicates), &job(), "# nothing\n", false).expect("room")
}

/// One run: what its scheduler said.
type Said = Vec<(Instant, Record)>;

fn chunks(key: RunKey, said: &Said, end: RunEnd, names: &[Arc<str>]) -> Vec<RunChunk> {
    let (mut rows, mut chunks) = (RunRows::new(key), Vec::new());
    for (at, record) in said {
        rows.record(*at, record);
        chunks.extend(rows.take_full());
    }
    chunks.push(rows.finish(end, names));
    chunks
}

fn end(totals: Totals, truth: Option<Truth>) -> RunEnd {
    RunEnd {
        ending: Ending::Completed,
        totals,
        ended: Instant::from_nanos(77),
        limit: Span::from_nanos(50),
        truth,
    }
}

fn table(dir: &Path, name: &str) -> DataFrame {
    let file = File::open(dir.join(name)).expect("the table is there");
    ParquetReader::new(file).finish().expect("it is parquet")
}

/// The rows of a table as text, in the order of these columns.
fn cells(table: &DataFrame, columns: &[&str]) -> Vec<Vec<String>> {
    let column = |name: &&str| {
        let column = table.column(name).expect("the column is there");
        let text = |row: usize| match column.get(row).expect("the row is there") {
            AnyValue::Null => "-".to_owned(),
            AnyValue::String(text) => text.to_owned(),
            AnyValue::Decimal(value, ..) => value.to_string(),
            value => value.to_string(),
        };
        (0..table.height()).map(text).collect::<Vec<_>>()
    };
    let columns: Vec<_> = columns.iter().map(column).collect();
    let row = |row: usize| columns.iter().map(|column| column[row].clone()).collect();
    (0..table.height()).map(row).collect()
}

/// A record of any kind from numbers, all of them different in all of its fields.
fn record(kind: u8, [a, b, c, d]: [u32; 4], n: [u64; 6]) -> Record {
    let fee = |value: u64| Fee::from_micros(value % 1_000_000).expect("small");
    let speed = |value: u64| {
        Speed::measured(1 + value % 1_000, Span::from_nanos(1 + value % 1_000_000)).expect("some")
    };
    let (worker, epoch) = (WorkerId::new(a % 50), Epoch::new(b));
    let pick = |count: u32| (d % count) as usize;
    match kind {
        0 => Record::Joined {
            worker,
            epoch,
            fee: fee(n[0]),
            returned: c % 2 == 0,
        },
        1 => Record::Benchmarked {
            worker,
            epoch,
            speed: speed(n[0]),
            rounds: c,
            noisy: d % 2 == 0,
        },
        2 => Record::Departed {
            worker,
            epoch: (c % 2 == 0).then_some(epoch),
            why: [Departure::Left, Departure::MissedBeats, Departure::Full][pick(3)],
        },
        3 => Record::Planned(PlanRow {
            plan: PlanId::new(c),
            trigger: [Trigger::First, Trigger::Lost, Trigger::Faster][pick(3)],
            cycle: CycleId::new(b),
            solve: Span::from_nanos(n[0]),
            limit: Span::from_nanos(n[1]),
            candidates: n[2],
            workers_employed: n[3],
            capacities_for: n[4],
            cost: Cost::from_micros(u128::from(n[5]) << 20),
            status: [
                PlanStatus::Optimal,
                PlanStatus::Bounded,
                PlanStatus::Feasible,
            ][pick(3)],
            lower_bound: (a % 2 == 0).then(|| Cost::from_micros(n[4].into())),
            certificate: (b % 2 == 0).then_some(Certificate::Root),
            moved: n[0] / 3,
        }),
        4 => Record::NotPlanned {
            plan: PlanId::new(c),
            trigger: Trigger::Slower,
            why: [Ending::SolverLate, Ending::Stopped][pick(2)],
            solve: Span::from_nanos(n[0]),
        },
        5 => Record::Share(ShareRow {
            plan: PlanId::new(c),
            worker,
            fee: fee(n[0]),
            speed: speed(n[1]),
            s_max: n[2],
            batches: n[3],
        }),
        6 => Record::Shipped {
            plan: PlanId::new(c),
            since: Instant::from_nanos(n[0]),
            batches: n[1],
        },
        7 => Record::Paused {
            why: Ending::BelowBeta {
                ready: n[0],
                needed: n[1],
            },
            until: Instant::from_nanos(n[2]),
        },
        8 => Record::Lot(LotRow {
            cycle: CycleId::new(c),
            plan: PlanId::new(d),
            worker,
            epoch,
            fate: [
                Fate::Complete,
                Fate::Truncated,
                Fate::Late,
                Fate::Lost,
                Fate::Refused,
                Fate::Absent,
            ][pick(6)],
            assigned: n[0] >> 8,
            claimed: n[1],
            accepted: n[2] >> 8,
            fee: fee(n[3]),
            cost: Cost::from_micros(u128::from(n[4]) << 30),
            expected: Span::from_nanos(n[5] >> 8),
            elapsed: Span::from_nanos(n[0] >> 9),
            computed: Span::from_nanos(n[1] >> 10),
        }),
        9 => Record::Cycle(CycleRow {
            cycle: CycleId::new(c),
            plan: PlanId::new(d),
            result: [
                CycleResult::Complete,
                CycleResult::Truncated,
                CycleResult::Failed,
            ][pick(3)],
            started: Instant::from_nanos(n[0]),
            limit: Span::from_nanos(n[1]),
            results_at: Instant::from_nanos(n[2]),
            ended: Instant::from_nanos(n[3]),
            workers: n[4],
            accepted: n[5],
            lost: n[0] / 7,
            cost: Cost::from_micros(n[1].into()),
        }),
        _ => Record::Ignored {
            worker,
            epoch,
            why: [Ignored::NotAMember, Ignored::StaleEpoch, Ignored::OutOfTime][pick(3)],
        },
    }
}

fn said() -> impl Strategy<Value = Said> {
    let one = (any::<u64>(), 0..11_u8, any::<[u32; 4]>(), any::<[u64; 6]>());
    let one = one.prop_map(|(at, kind, ids, n)| (Instant::from_nanos(at), record(kind, ids, n)));
    prop::collection::vec(one, 0..60)
}

fn text(value: impl ToString) -> String {
    value.to_string()
}

fn maybe(value: Option<impl ToString>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

/// What the tables must hold, one list of rows each, by the columns named beside.
fn expected(runs: &[(RunKey, Said)]) -> Vec<(&'static str, Vec<&'static str>, Vec<Vec<String>>)> {
    let (mut plans, mut shares, mut cycles) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lots, mut history) = (Vec::new(), Vec::new());
    for (key, said) in runs {
        for (at, record) in said {
            let mut row = vec![text(key.replicate), text(ALLOCATORS[key.allocator])];
            let mut told = |cells: [String; 9]| {
                row.push(text(at.nanos()));
                row.extend(cells);
                history.push(row.clone());
            };
            let none = || "-".to_owned();
            match record {
                Record::Joined {
                    worker,
                    epoch,
                    fee,
                    returned,
                } => {
                    let what = if *returned { "returned" } else { "joined" };
                    let fee = text(fee.micros());
                    told([
                        text(what),
                        text(worker),
                        text(epoch),
                        none(),
                        fee,
                        none(),
                        none(),
                        none(),
                        none(),
                    ]);
                }
                Record::Benchmarked {
                    worker,
                    epoch,
                    speed,
                    rounds,
                    noisy,
                } => told([
                    text("benchmarked"),
                    text(worker),
                    text(epoch),
                    none(),
                    none(),
                    text(speed.took().nanos()),
                    text(rounds),
                    text(noisy),
                    none(),
                ]),
                Record::Departed { worker, epoch, why } => told([
                    text("departed"),
                    text(worker),
                    maybe(*epoch),
                    text(why.name()),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                ]),
                Record::Shipped { batches, .. } => told([
                    text("shipped"),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                    text(batches),
                ]),
                Record::Paused { why, .. } => told([
                    text("paused"),
                    none(),
                    none(),
                    text(why.reason()),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                ]),
                Record::Ignored { worker, epoch, why } => told([
                    text("ignored"),
                    text(worker),
                    text(epoch),
                    text(why.name()),
                    none(),
                    none(),
                    none(),
                    none(),
                    none(),
                ]),
                Record::Planned(plan) => {
                    row.extend([
                        text(at.nanos()),
                        text(plan.plan),
                        text(plan.trigger.name()),
                        text(plan.solve.nanos()),
                        text(plan.status.name()),
                        none(),
                        text(plan.cycle),
                        text(plan.limit.nanos()),
                        text(plan.candidates),
                        text(plan.workers_employed),
                        text(plan.capacities_for),
                        text(plan.cost.micros()),
                        maybe(plan.lower_bound.map(Cost::micros)),
                        maybe(plan.certificate.map(Certificate::name)),
                        text(plan.moved),
                    ]);
                    plans.push(row);
                }
                Record::NotPlanned {
                    plan,
                    trigger,
                    why,
                    solve,
                } => {
                    row.extend([
                        text(at.nanos()),
                        text(plan),
                        text(trigger.name()),
                        text(solve.nanos()),
                        none(),
                        text(why.reason()),
                    ]);
                    row.extend((0..9).map(|_| none()));
                    plans.push(row);
                }
                Record::Share(share) => {
                    row.extend([
                        text(share.plan),
                        text(share.worker),
                        text(share.fee.micros()),
                        text(share.speed.batches()),
                        text(share.speed.took().nanos()),
                        text(share.s_max),
                        text(share.batches),
                    ]);
                    shares.push(row);
                }
                Record::Lot(lot) => {
                    row.extend([
                        text(lot.cycle),
                        text(lot.plan),
                        text(lot.worker),
                        text(lot.epoch),
                        text(lot.fate.name()),
                        text(lot.assigned),
                        text(lot.claimed),
                        text(lot.accepted),
                        text(lot.fee.micros()),
                        text(lot.cost.micros()),
                        text(lot.expected.nanos()),
                        text(lot.elapsed.nanos()),
                        text(lot.computed.nanos()),
                    ]);
                    lots.push(row);
                }
                Record::Cycle(cycle) => {
                    row.extend([
                        text(cycle.cycle),
                        text(cycle.plan),
                        text(cycle.result.name()),
                        text(cycle.started.nanos()),
                        text(cycle.limit.nanos()),
                        text(cycle.results_at.nanos()),
                        text(cycle.ended.nanos()),
                        text(cycle.workers),
                        text(cycle.accepted),
                        text(cycle.lost),
                        text(cycle.cost.micros()),
                    ]);
                    cycles.push(row);
                }
            }
        }
    }
    vec![
        (
            "plans.parquet",
            vec![
                "replicate",
                "allocator",
                "at_ns",
                "plan",
                "trigger",
                "solve_ns",
                "status",
                "reason",
                "first_cycle",
                "limit_ns",
                "candidates",
                "workers_employed",
                "capacities_for",
                "cost_micro",
                "lower_bound_micro",
                "certificate",
                "moved",
            ],
            plans,
        ),
        (
            "shares.parquet",
            vec![
                "replicate",
                "allocator",
                "plan",
                "worker",
                "fee_micro",
                "speed_batches",
                "speed_ns",
                "s_max",
                "batches",
            ],
            shares,
        ),
        (
            "cycles.parquet",
            vec![
                "replicate",
                "allocator",
                "cycle",
                "plan",
                "result",
                "started_ns",
                "limit_ns",
                "results_at_ns",
                "ended_ns",
                "workers",
                "batches_accepted",
                "batches_lost",
                "cost_micro",
            ],
            cycles,
        ),
        (
            "lots.parquet",
            vec![
                "replicate",
                "allocator",
                "cycle",
                "plan",
                "worker",
                "epoch",
                "fate",
                "assigned",
                "claimed",
                "accepted",
                "fee_micro",
                "cost_micro",
                "expected_ns",
                "elapsed_ns",
                "computed_ns",
            ],
            lots,
        ),
        (
            "history.parquet",
            vec![
                "replicate",
                "allocator",
                "at_ns",
                "what",
                "worker",
                "epoch",
                "why",
                "fee_micro",
                "speed_ns",
                "rounds",
                "noisy",
                "batches",
            ],
            history,
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn tables_hold_what_was_said(said in prop::collection::vec(said(), 4)) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut folder = begin(dir.path(), 2);
        let key = |run: usize| RunKey { replicate: run as u64 / 2, allocator: run % 2 };
        let runs: Vec<_> = said.into_iter().enumerate().map(|(run, said)| (key(run), said)).collect();
        for (key, said) in &runs {
            for chunk in chunks(*key, said, end(Totals::default(), None), &["one".into()]) {
                folder.push(chunk).expect("room");
            }
        }
        folder.finish(Default::default).expect("room");
        for (name, columns, rows) in expected(&runs) {
            let table = table(dir.path(), name);
            prop_assert_eq!(cells(&table, &columns), rows, "{}", name);
        }
        // Workers add up to what their lots say.
        let workers = table(dir.path(), "workers.parquet");
        let sums = ["replicate", "allocator", "worker", "name", "stays", "departures", "cycles",
            "batches_assigned", "batches_accepted", "cost_micro", "elapsed_ns"];
        for row in cells(&workers, &sums) {
            let of = |(key, _): &&(RunKey, Said)| {
                key.replicate.to_string() == row[0] && ALLOCATORS[key.allocator] == row[1]
            };
            let said = &runs.iter().find(of).expect("a run").1;
            let lots: Vec<&LotRow> = said.iter().filter_map(|(_, record)| match record {
                Record::Lot(lot) if lot.worker.to_string() == row[2] => Some(lot),
                _ => None,
            }).collect();
            let there = || lots.iter().filter(|lot| lot.fate != Fate::Absent);
            let count = |wanted: fn(&Record) -> Option<WorkerId>| {
                let is_it = |(_, record): &&(Instant, Record)| {
                    wanted(record).is_some_and(|worker| worker.to_string() == row[2])
                };
                said.iter().filter(is_it).count()
            };
            let joined = count(|record| match record {
                Record::Joined { worker, .. } => Some(*worker),
                _ => None,
            });
            let departed = count(|record| match record {
                Record::Departed { worker, .. } => Some(*worker),
                _ => None,
            });
            let name = if row[2] == "0" { "one" } else { row[2].as_str() };
            prop_assert_eq!(&row[3..], [
                text(name), text(joined), text(departed), text(there().count()),
                text(lots.iter().map(|lot| lot.assigned).sum::<u64>()),
                text(lots.iter().map(|lot| lot.accepted).sum::<u64>()),
                text(lots.iter().map(|lot| lot.cost.micros()).sum::<u128>()),
                text(there().map(|lot| lot.elapsed.nanos()).sum::<u64>()),
            ]);
        }
    }
}

/// More rows than a row group holds come back whole, and where chunks were cut leaves no trace.
#[test]
fn long_runs_fill_many_row_groups() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (workers, cycles) = (1_000, 150);
    let mut said: Said = Vec::new();
    let plan = PlanRow {
        plan: PlanId::new(1),
        trigger: Trigger::First,
        cycle: CycleId::new(1),
        solve: Span::ZERO,
        limit: Span::from_secs(9),
        candidates: workers,
        workers_employed: workers,
        capacities_for: workers,
        cost: Cost::ZERO,
        status: PlanStatus::Optimal,
        lower_bound: None,
        certificate: None,
        moved: 0,
    };
    let at = Instant::START;
    said.push((at, Record::Planned(plan)));
    let speed = Speed::measured(1, Span::from_nanos(1_000)).expect("some");
    said.extend((0..workers as u32).map(|worker| {
        let share = ShareRow {
            plan: plan.plan,
            worker: WorkerId::new(worker),
            fee: Fee::ZERO,
            speed,
            s_max: 9,
            batches: 2,
        };
        (at, Record::Share(share))
    }));
    for cycle in 1..=cycles {
        said.extend((0..workers as u32).map(|worker| {
            let lot = LotRow {
                cycle: CycleId::new(cycle),
                plan: plan.plan,
                worker: WorkerId::new(worker),
                epoch: Epoch::new(worker),
                fate: Fate::Complete,
                assigned: 2,
                claimed: 2,
                accepted: 2,
                fee: Fee::ZERO,
                cost: Cost::ZERO,
                expected: Span::ZERO,
                elapsed: Span::ZERO,
                computed: Span::from_nanos(u64::from(cycle * 1_000 + worker)),
            };
            (at, Record::Lot(lot))
        }));
        let row = CycleRow {
            cycle: CycleId::new(cycle),
            plan: plan.plan,
            result: CycleResult::Complete,
            started: Instant::from_nanos(10),
            limit: plan.limit,
            results_at: at,
            ended: Instant::from_nanos(17),
            workers,
            accepted: 2 * workers,
            lost: 0,
            cost: Cost::ZERO,
        };
        said.push((at, Record::Cycle(row)));
    }
    let mut folder = begin(dir.path(), 1);
    for allocator in 0..2 {
        let key = RunKey {
            replicate: 0,
            allocator,
        };
        let chunks = chunks(key, &said, end(Totals::default(), None), &[]);
        assert!(chunks.len() > 10, "{} chunks", chunks.len());
        for chunk in chunks {
            folder.push(chunk).expect("room");
        }
    }
    assert_eq!(folder.finished(), 1);
    folder.finish(Default::default).expect("room");
    let recorded = RecordedFolder::open(dir.path()).expect("a folder");
    assert_eq!((recorded.job(), recorded.plan()), (&job(), &plan_of_one()));
    let runs: Result<Vec<_>, _> = recorded.runs().expect("tables").collect();
    let runs = runs.expect("whole tables");
    assert_eq!(runs.len(), 2);
    for (run, allocator) in runs.iter().zip(ALLOCATORS) {
        assert_eq!((run.replicate, run.allocator.as_str()), (0, allocator));
        let [period] = &run.periods[..] else {
            panic!("one plan, not {}", run.periods.len());
        };
        assert_eq!((period.cycles, period.left_out), (cycles.into(), 0));
        assert_eq!(period.training, Span::from_nanos(7 * u64::from(cycles)));
        assert_eq!(period.candidates.len() as u64, workers);
        for candidate in &period.candidates {
            let of = |cycle: u32| Span::from_nanos(u64::from(cycle) * 1_000 + candidate.worker);
            assert!((1..=cycles).map(of).eq(candidate.computes.iter().copied()));
        }
    }
}

fn plan_of_one() -> RunsPlan {
    plan(1)
}

#[test]
fn ends_and_summaries_add_up() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut folder = begin(dir.path(), 3);
    for replicate in 0..2 {
        for allocator in 0..2 {
            let totals = Totals {
                complete: 3,
                truncated: allocator as u32,
                accepted: 30,
                lost: 10 * allocator as u64,
                cost: Cost::from_micros(u128::from(replicate + 1) * 1_000_000),
                first_cycle_at: Some(Instant::from_nanos(7)),
                last_cycle_ended: Some(Instant::from_nanos(47 + 20 * replicate)),
                ..Totals::default()
            };
            let truth = Truth {
                feasible: 4,
                feasible_complete: 3,
                untouched: 2,
                untouched_complete: 2,
                orders: 8,
                overruns: 1,
            };
            let rows = RunRows::new(RunKey {
                replicate,
                allocator,
            });
            let chunk = rows.finish(end(totals, (allocator == 0).then_some(truth)), &[]);
            folder.push(chunk).expect("room");
        }
    }
    let summary = folder.finish(Default::default).expect("room");
    let columns = [
        "replicate",
        "allocator",
        "ending",
        "missed",
        "wall_ns",
        "limit_ns",
        "setup_ns",
        "cost_micro",
        "feasible",
        "overruns",
    ];
    let row = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        cells(&table(dir.path(), "runs.parquet"), &columns),
        [
            row("0 exact completed false 40 50 7 1000000 4 1"),
            row("0 heuristic completed true 40 50 7 1000000 - -"),
            row("1 exact completed true 60 50 7 2000000 4 1"),
            row("1 heuristic completed true 60 50 7 2000000 - -"),
        ]
    );
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("summary.json")).expect("there"))
            .expect("JSON");
    let exact = &json["allocators"][0];
    assert_eq!((&exact["runs"], &exact["missed"]), (&2.into(), &1.into()));
    assert_eq!(exact["fee"], 1.5);
    // Student's t at one degree of freedom: 12.706 times half the distance.
    let low = exact["fee_low"].as_f64().expect("a number");
    assert!((low - (1.5 - 12.706_205 * 0.5)).abs() < 1e-4, "{low}");
    assert_eq!(exact["feasible_complete_percent"], 75.0);
    assert_eq!(json["allocators"][1]["batches_lost_percent"], 25.0);
    assert!(json["allocators"][1]["feasible_complete_percent"].is_null());
    let csv = std::fs::read_to_string(dir.path().join("summary.csv")).expect("there");
    let names: Vec<&str> = summary.allocators[0]
        .columns()
        .iter()
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(csv.lines().next(), Some(names.join(",").as_str()));
    assert_eq!(csv.lines().count(), 3);
    // It is short of a replicate, and says so.
    let recorded = RecordedFolder::open(dir.path()).expect("a folder");
    assert_eq!((recorded.finished(), recorded.plan().replicates), (2, 3));
    assert_eq!(recorded.runs().expect("tables").count(), 4);
}

#[test]
fn an_abandoned_folder_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut folder = begin(dir.path(), 1);
    let key = RunKey {
        replicate: 0,
        allocator: 0,
    };
    let said = vec![(Instant::START, record(8, [1; 4], [1 << 20; 6]))];
    for chunk in chunks(key, &said, end(Totals::default(), None), &[]) {
        folder.push(chunk).expect("room");
    }
    drop(folder);
    assert_eq!(dir.path().read_dir().expect("it is there").count(), 0);
}

#[test]
#[should_panic(expected = "runs must come in order")]
fn runs_out_of_order_are_a_bug() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut folder = begin(dir.path(), 1);
    let key = RunKey {
        replicate: 0,
        allocator: 1,
    };
    let chunk = RunRows::new(key).finish(end(Totals::default(), None), &[]);
    let _ = folder.push(chunk);
}
