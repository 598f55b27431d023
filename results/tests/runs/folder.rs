//! Long runs, summaries, and folders that do not get to their end.

use results::runs::{ModelRow, RecordedFolder, RunKey, RunRows, Truth};
use scheduler::machine::{
    AssignmentRow, CycleId, CycleResult, CycleRow, Ending, Fate, PlanId, PlanRow, Record,
    SessionId, ShareRow, Totals, Trigger, WorkerId,
};
use scheduler::{Cost, Fee, Instant, PlanStatus, Span, Speed};

use super::{ALLOCATORS, Said, begin, cells, chunks, end, job, plan, table};

/// Only a real run has a model; what a program did not say is null.
#[test]
fn what_models_were_judged_to_be_is_a_table() {
    for judged in [false, true] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut folder = begin(dir.path(), 1);
        for allocator in 0..2 {
            let key = RunKey {
                replicate: 0,
                allocator,
            };
            for chunk in chunks(key, &Vec::new(), end(Totals::default(), None), &[]) {
                folder.push(chunk).expect("room");
            }
        }
        if judged {
            for row in [
                ModelRow::new(0, [Some(2.5), Some(0.1), None]),
                ModelRow::new(3, [Some(0.5), None, Some(0.75)]),
            ] {
                folder.push_model(row).expect("room");
            }
        }
        folder.finish(Default::default).expect("room");
        let differences = results::dictionary::differences(dir.path()).expect("tables");
        assert_eq!(differences, [""; 0]);
        assert_eq!(dir.path().join("models.parquet").exists(), judged);
        if judged {
            let table = table(dir.path(), "models.parquet");
            let columns = ["cycle", "loss", "accuracy", "true_class_probability"];
            let expected = [["0", "2.5", "0.1", "-"], ["3", "0.5", "-", "0.75"]];
            assert_eq!(cells(&table, &columns), expected);
        }
    }
}

/// More rows than a row group holds come back whole, and where chunks were cut leaves no trace.
#[test]
fn long_runs_fill_many_row_groups() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (workers, cycles) = (1_000, 150);
    let mut said: Said = Vec::new();
    let taken = PlanRow {
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
    said.push((at, Record::Planned(taken)));
    let speed = Speed::measured(1, Span::from_nanos(1_000)).expect("some");
    said.extend((0..workers as u32).map(|worker| {
        let share = ShareRow {
            plan: taken.plan,
            worker: WorkerId::new(worker),
            fee: Fee::ZERO,
            speed,
            s_max: 9,
            batches: 2,
            charge: Cost::ZERO,
            tiers: Vec::new(),
            least: 0,
            cost: Cost::ZERO,
            transfer: Span::ZERO,
            latency: Span::ZERO,
            ship: Span::ZERO,
        };
        (at, Record::Share(share))
    }));
    for cycle in 1..=cycles {
        said.extend((0..workers as u32).map(|worker| {
            let lot = AssignmentRow {
                cycle: CycleId::new(cycle),
                plan: taken.plan,
                worker: WorkerId::new(worker),
                session: SessionId::new(worker),
                fate: Fate::Complete,
                assigned: 2,
                claimed: 2,
                accepted: 2,
                fee: Fee::ZERO,
                charge: Cost::ZERO,
                cost: Cost::ZERO,
                expected: Span::ZERO,
                elapsed: Span::ZERO,
                computed: Span::from_nanos(u64::from(cycle * 1_000 + worker)),
            };
            (at, Record::Assignment(lot))
        }));
        let row = CycleRow {
            cycle: CycleId::new(cycle),
            plan: taken.plan,
            result: CycleResult::Complete,
            started: Instant::from_nanos(10),
            limit: taken.limit,
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
    assert_eq!((recorded.job(), recorded.plan()), (&job(), &plan(1)));
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
    assert!(csv.starts_with("allocator,runs,completed,missed,missed_percent,missed_percent_low,"));
    assert_eq!(summary.allocators[0].fee.map(|fee| fee.value), Some(1.5));
    assert_eq!(
        results::dictionary::differences(dir.path()).expect("tables"),
        [""; 0]
    );
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
    let why = Ending::Stopped;
    let until = Instant::START;
    let said = vec![(until, Record::Paused { why, until })];
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
