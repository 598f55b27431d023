//! Reports of folders that no program of ours would write: names that mean harm, and any numbers.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use results::report::{Frontier, Predicted, PredictedWorker, ReportContext, write};
use results::runs::RunKey;
use roxmltree::{Document, ParsingOptions};
use scheduler::machine::{
    AssignmentRow, CycleId, CycleResult, CycleRow, Fate, PlanId, Record, SessionId, Totals,
    WorkerId,
};
use scheduler::{Cost, Fee, Instant, Span};

use super::{Said, begin, cells, chunks, end, table};

const HOSTILE: &str = "</text></td><script>alert(\"1\")</script>\u{1b}[31m' onload='x";

fn cycle(number: u32, [started, took, limit, cost]: [u64; 4]) -> Record {
    Record::Cycle(CycleRow {
        cycle: CycleId::new(number),
        plan: PlanId::new(1),
        result: CycleResult::Complete,
        started: Instant::from_nanos(started),
        limit: Span::from_nanos(limit),
        results_at: Instant::from_nanos(started.saturating_add(took)),
        ended: Instant::from_nanos(started.saturating_add(took)),
        workers: 2,
        accepted: 30,
        lost: 0,
        cost: Cost::from_micros(cost.into()),
    })
}

fn lot(number: u32, worker: u32, fate: Fate, [elapsed, computed]: [u64; 2]) -> Record {
    Record::Assignment(AssignmentRow {
        cycle: CycleId::new(number),
        plan: PlanId::new(1),
        worker: WorkerId::new(worker),
        session: SessionId::new(1),
        fate,
        assigned: 15,
        claimed: 15,
        accepted: 15,
        fee: Fee::ZERO,
        charge: Cost::ZERO,
        cost: Cost::ZERO,
        expected: Span::ZERO,
        elapsed: Span::from_nanos(elapsed),
        computed: Span::from_nanos(computed),
    })
}

/// A folder of one replicate under two allocators.
fn folder(dir: &Path, said: &Said, names: &[Arc<str>]) {
    let mut folder = begin(dir, 1);
    for allocator in 0..2 {
        let key = RunKey {
            replicate: 0,
            allocator,
        };
        for chunk in chunks(key, said, end(Totals::default(), None), names) {
            folder.push(chunk).expect("room");
        }
    }
    folder.finish(serde_json::Map::new).expect("room");
}

fn page(dir: &Path, told: &ReportContext) -> String {
    let written = write(dir, told, false).expect("it is a folder of runs");
    let html = fs::read_to_string(&written.page).expect("the page");
    assert_eq!(written.bytes, html.len());
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(&html, options).expect("the page is well-formed");
    for entry in fs::read_dir(dir.join("report")).expect("the figures") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "svg") {
            let svg = fs::read_to_string(&path).expect("a picture");
            Document::parse(&svg).expect("the picture is well-formed");
        }
    }
    html
}

#[test]
fn a_name_is_a_name_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let said: Said = [
        lot(1, 0, Fate::Complete, [900, 500]),
        lot(1, 1, Fate::Lost, [400, 0]),
        cycle(1, [10, 1_000, 1_200, 5]),
    ]
    .map(|record| (Instant::START, record))
    .to_vec();
    let names: Vec<Arc<str>> = vec![HOSTILE.into(), "=HYPERLINK(\"x\"),\n2".into()];
    folder(dir.path(), &said, &names);
    let told = ReportContext {
        frontier: Some(Frontier {
            steps: vec![(Span::from_secs(1), Cost::ZERO)],
            now: Span::from_secs(2),
        }),
        predicted: vec![Predicted {
            run: HOSTILE.to_owned(),
            predicted: Span::from_secs(1),
            measured: Some(Span::from_secs(2)),
            workers: vec![PredictedWorker {
                name: HOSTILE.to_owned(),
                predicted: Span::from_secs(1),
                measured: None,
            }],
        }],
        notes: vec![HOSTILE.to_owned()],
    };
    let html = page(dir.path(), &told);
    assert!(
        !html.contains("<script") && !html.contains('\u{1b}'),
        "{html}"
    );
    assert!(!html.contains("' onload"));
    let svg = fs::read_to_string(dir.path().join("report/timeline.svg")).expect("a picture");
    assert!(!svg.contains("<script"));
    let csv = fs::read_to_string(dir.path().join("report/timeline.csv")).expect("the data");
    assert!(csv.contains("\"'=HYPERLINK(\"\"x\"\"),\n2\""), "{csv}");

    // The lots behind it, in seconds.
    let lots = cells(
        &table(dir.path(), "lots.parquet"),
        &["elapsed_ns", "computed_ns", "fate"],
    );
    assert_eq!(lots.len(), 4);
    for [elapsed, computed, fate] in [["9e-7", "5e-7", "complete"], ["4e-7", "0", "lost"]] {
        let nanos = |text: &str| {
            let seconds: f64 = text.parse().expect("a number");
            format!("{:.0}", seconds * 1e9)
        };
        assert!(lots.contains(&vec![nanos(elapsed), nanos(computed), fate.to_owned()]));
        let decimal = |text: &str| format!("{}", text.parse::<f64>().expect("a number"));
        let (elapsed, computed) = (decimal(elapsed), decimal(computed));
        assert!(
            csv.contains(&format!(",{fate},15,15,0.00000001,{elapsed},{computed},")),
            "{csv}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the tables hold, there is a page, and it can be read.
    #[test]
    fn any_numbers_make_a_page(
        rows in proptest::collection::vec((any::<[u64; 4]>(), any::<[u64; 6]>(), 0..6_usize), 0..7),
        small in any::<bool>(),
        steps in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..9),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let scaled = |value: u64| if small { value % 4 } else { value >> 8 };
        let fates = [
            Fate::Complete, Fate::Truncated, Fate::Late, Fate::Lost, Fate::Refused, Fate::Absent,
        ];
        let mut said: Said = Vec::new();
        for (at, (of, lots, fate)) in rows.iter().enumerate() {
            let number = at as u32 + 1;
            for worker in 0..3 {
                let place = 2 * worker as usize;
                let times = [scaled(lots[place]), scaled(lots[place + 1])];
                let fate = fates[(fate + worker as usize) % 6];
                said.push((Instant::START, lot(number, worker, fate, times)));
            }
            said.push((Instant::START, cycle(number, of.map(scaled))));
        }
        folder(dir.path(), &said, &[]);
        let told = ReportContext {
            frontier: Some(Frontier {
                steps: steps.iter().map(|(limit, cost)| {
                    (Span::from_nanos(scaled(*limit)), Cost::from_micros(scaled(*cost).into()))
                }).collect(),
                now: Span::from_nanos(scaled(7 << 40)),
            }),
            predicted: steps.iter().map(|(predicted, measured)| Predicted {
                run: "r".to_owned(),
                predicted: Span::from_nanos(scaled(*predicted)),
                measured: Some(Span::from_nanos(scaled(*measured))),
                workers: Vec::new(),
            }).collect(),
            notes: Vec::new(),
        };
        let html = page(dir.path(), &told);
        prop_assert!(!html.contains("NaN") && !html.contains("inf"));
    }
}
