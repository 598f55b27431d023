//! Runs that were worked out by hand, to the nanosecond.

use scheduler::machine::{CycleResult, Ending, Fate, Record};
use scheduler::{LinkService, Span};
use sim::world::{PipeModel, Service, SolveModel, Way, World};

use crate::greedy::{at, job, lots, rows, worker};

const fn millis(millis: u64) -> Span {
    Span::from_millis(millis)
}

/// Two workers, 8 and 4 batches; every part of a cycle takes time.
fn two() -> World {
    let mut config = job(12, 2, 2, 2);
    (config.beta, config.s_min) = (2, 4);
    let way = Way {
        latency: millis(1),
        ..Way::default()
    };
    let workers = vec![worker(10, 1).with_way(way), worker(4, 2).with_way(way)];
    World {
        down: PipeModel {
            parameters: millis(20),
            batch: millis(2),
            ..PipeModel::INSTANT
        },
        up: PipeModel {
            service: Service::Fifo,
            parameters: millis(30),
            ..PipeModel::INSTANT
        },
        aggregation: millis(30),
        aggregation_per_result: millis(5),
        solving: SolveModel {
            fixed: millis(5),
            per_candidate: millis(1),
        },
        ..World::new(config, workers)
    }
}

#[test]
fn two_workers() {
    let (totals, rows) = rows(&two(), 1, 0);
    let mut said = Vec::new();
    for (when, record) in &rows {
        match record {
            // 10 batches at 10 and 4 a second, and 1 ms each way.
            Record::Benchmarked { worker, .. } => said.push((*when, worker.get())),
            // 5 ms and 1 ms for each of 2 candidates, once.
            Record::Planned(row) => said.push((*when, row.workers_employed as u32)),
            // 16 and 8 ms of work share the link: through after 24 and 16 ms; 2 ms of latency.
            Record::Shipped { batches, .. } => said.push((*when, *batches as u32)),
            Record::Cycle(row) => {
                assert_eq!(row.result, CycleResult::Complete);
                said.push((row.started, 0));
                said.push((row.ended, 1));
            }
            _ => {}
        }
    }
    assert_eq!(
        said,
        [
            (at(1_002), 0),
            (at(2_502), 1),
            (at(2_509), 2),
            (at(2_535), 12),
            (at(2_535), 0),
            (at(3_647), 1),
            (at(3_647), 0),
            (at(4_759), 1),
        ]
    );
    // Parameters: 2 x 20 ms together, 1 ms; 800 ms and 1 s of computing; 30 ms one by one, 1 ms.
    for lots in lots(&rows).chunks(2) {
        let said: Vec<_> = lots
            .iter()
            .map(|lot| (lot.fate, lot.accepted, lot.computed, lot.elapsed))
            .collect();
        assert_eq!(
            said,
            [
                (Fate::Complete, 8, millis(800), millis(872)),
                (Fate::Complete, 4, millis(1_000), millis(1_072)),
            ]
        );
    }
    assert_eq!(totals.end.ending, Ending::Completed);
    assert_eq!(
        (totals.end.setup(), totals.end.wall()),
        (millis(2_535), millis(2_224))
    );
    assert_eq!(totals.end.limit, Span::from_secs(4));
    assert_eq!((totals.orders, totals.overruns), (4, 0));
    assert!(!totals.end.is_missed());
    assert_eq!(totals.end.totals.cost.micros(), 2 * (8 + 2 * 4));
}

/// The thesis program's orchestrator: parameters one by one, the last worker first; results one by one;
/// then it evaluates.
#[test]
fn one_after_the_other_the_last_first() {
    let (down, up, evaluation) = (millis(109), millis(181), millis(458));
    let mut config = job(30, 1, 9, 3);
    (config.beta, config.s_min) = (3, 10);
    config.time_model.service = LinkService::LastFirst;
    let workers = vec![worker(10, 1), worker(10, 1), worker(10, 1)];
    let world = World {
        down: PipeModel {
            service: Service::Fifo,
            parameters: down,
            ..PipeModel::INSTANT
        },
        up: PipeModel {
            service: Service::Fifo,
            parameters: up,
            ..PipeModel::INSTANT
        },
        aggregation: evaluation,
        ..World::new(config, workers)
    };
    let (totals, rows) = rows(&world, 1, 0);
    // The last has its parameters after one download, computes for 1 s, and sends first.
    let first = down + Span::from_secs(1) + up;
    let elapsed: Vec<_> = lots(&rows).iter().map(|lot| lot.elapsed).collect();
    assert_eq!(elapsed, [first + up * 2, first + up, first]);
    assert_eq!(totals.end.wall(), first + up * 2 + evaluation);
}

#[test]
fn a_link_of_one_s_own_and_passes_and_data_in_every_cycle() {
    let mut config = job(10, 1, 9, 1);
    config.time_model.passes = 2;
    config.time_model.ships_each_cycle = true;
    let way = Way {
        down: millis(50),
        up: millis(70),
        batch: millis(3),
        latency: millis(2),
    };
    let mut world = World::new(config, vec![worker(10, 1).with_way(way)]);
    world.down.batch = millis(1); // hidden behind the worker's own link
    let (totals, rows) = rows(&world, 1, 0);
    // 50 + 10 x 3, 2, 10 x 2 passes at 10 a second, 70, 2.
    assert_eq!(totals.end.wall(), millis(80 + 2 + 2_000 + 70 + 2));
    assert_eq!(lots(&rows)[0].computed, millis(2_000));
}
