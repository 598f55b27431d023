//! What holds of every run.

use std::thread;

use scenarios::scenario::{BenchmarkError, Errors, Jitter, Ratio};
use scheduler::machine::{Billing, CycleResult, Fate, Limit, Record, Replan};
use scheduler::{LinkService, Margin, Margins, Span};
use sim::world::{Observers, PipeModel, Renewal, RunTotals, Service, SolveModel, Way, World, run};

use crate::greedy::{Row, greedy, job, lots, rows, worker};

/// A world in which everything happens.
fn rough(service: LinkService, replan: Replan, billing: Billing) -> World {
    let mut config = job(600, 12, 4, 12);
    config.limit = Limit::Job {
        max_time: Span::from_secs(48),
        counts_setup: false,
    };
    (config.replan, config.billing, config.beta) = (replan, billing, 2);
    config.margins.benchmarked = Margin::lognormal(50_000, 240_000);
    config.margins.learnt = Margin::lognormal(50_000, 50_000);
    config.time_model.own = Span::from_millis(50);
    config.time_model.shared = Span::from_millis(20);
    config.time_model.shared_up = Span::from_millis(10);
    config.time_model.service = service;
    config.time_model.shared_ship = Span::from_millis(1);
    let renewal = |every, lasts| Renewal {
        every: Span::from_secs(every),
        lasts: Span::from_millis(lasts),
    };
    let workers = (0..12).map(|i| {
        let mut worker = worker(20 + i, 1 + i % 5).with_way(Way {
            down: Span::from_millis(30),
            up: Span::from_millis(30),
            batch: Span::from_millis(1),
            latency: Span::from_millis(2),
        });
        let ratio = |hundredths: u64| Ratio::from_micros(hundredths * 10_000);
        worker.errors = Errors {
            benchmark: BenchmarkError {
                sigma: ratio(20),
                cold: ratio(5),
                cold_mean: ratio(140),
                ..BenchmarkError::NONE
            },
            jitter: Jitter::Lognormal(ratio(5)),
            drift: ratio(2),
        };
        worker.round = ratio(5);
        worker.warm_up = Span::from_millis(300);
        worker.dropouts = Some(renewal(60, 8_000));
        worker.stalls = Some(renewal(40, 2_500));
        worker.slowdowns = Some((renewal(50, 9_000), 1.8));
        worker.noticed_after = (i % 3 > 0).then_some(Span::from_millis(200));
        worker
    });
    let [down, up] = Service::of_link(service).map(|service| PipeModel {
        service,
        parameters: Span::from_millis(10),
        batch: Span::from_millis(1),
    });
    World {
        down,
        up,
        aggregation: Span::from_millis(50),
        solving: SolveModel {
            fixed: Span::from_millis(3),
            per_candidate: Span::from_nanos(1_000),
        },
        ..World::new(config, workers.collect())
    }
}

fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for &service in LinkService::ALL {
        worlds.push(rough(service, Replan::Static, Billing::Computed));
        worlds.push(rough(service, Replan::Adaptive, Billing::Assigned));
    }
    worlds
}

#[test]
fn the_same_seed_gives_the_same_rows_on_any_thread() {
    let world = rough(LinkService::Shared, Replan::Adaptive, Billing::Computed);
    let one_by_one: Vec<(RunTotals, Vec<Row>)> = (0..12)
        .map(|replicate| rows(&world, 7, replicate))
        .collect();
    let threads = [2, 3].map(|threads| {
        let of_one = |first: u64| {
            let replicates = (first..12).step_by(threads);
            let runs = replicates.map(|r| (r, rows(&world, 7, r)));
            runs.collect::<Vec<_>>()
        };
        let mut found: Vec<_> = thread::scope(|scope| {
            let spawn = |first| scope.spawn(move || of_one(first));
            let running: Vec<_> = (0..threads as u64).map(spawn).collect();
            let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
            ended.flat_map(|runs| runs.expect("it ends")).collect()
        });
        found.sort_by_key(|(replicate, _)| *replicate);
        found.into_iter().map(|(_, run)| run).collect::<Vec<_>>()
    });
    assert!(threads[0] == one_by_one && threads[1] == one_by_one);
    assert!(one_by_one[0] != one_by_one[1] && one_by_one[0] != rows(&world, 8, 0));
}

/// One worker more, who does nothing, changes nobody's luck.
#[test]
fn luck_is_everybody_s_own() {
    let mut world = rough(LinkService::Shared, Replan::Static, Billing::Computed);
    let benchmarks = |world: &World| {
        let speed = |(_, record): &Row| match record {
            Record::Benchmarked { worker, speed, .. } => Some((worker.get(), *speed)),
            _ => None,
        };
        let mut found: Vec<_> = rows(world, 3, 0)
            .1
            .iter()
            .filter_map(speed)
            .take(8)
            .collect();
        found.sort_by_key(|(worker, _)| *worker);
        found
    };
    let before = benchmarks(&world);
    let mut late = worker(10, 1);
    late.joins_at = scheduler::Instant::START + Span::from_secs(1_000);
    world.workers.push(late);
    assert_eq!(benchmarks(&world), before);
}

#[test]
fn every_batch_is_accepted_or_lost_and_limits_hold() {
    let mut fates = [0_u32; 6];
    for world in worlds() {
        for replicate in 0..25 {
            let (totals, rows) = rows(&world, 11, replicate);
            let lots = lots(&rows);
            let (mut at, mut cost) = (0, 0);
            let (mut accepted, mut lost) = (0, 0);
            for (_, record) in &rows {
                let Record::Cycle(cycle) = record else {
                    continue;
                };
                let mine: Vec<_> = lots[at..]
                    .iter()
                    .take_while(|l| l.cycle == cycle.cycle)
                    .collect();
                at += mine.len();
                let assigned: u64 = mine.iter().map(|lot| lot.assigned).sum();
                assert_eq!(assigned, world.config.batches);
                assert_eq!(cycle.accepted + cycle.lost, assigned);
                assert!(mine.iter().all(|lot| lot.accepted <= lot.assigned));
                let fees: u128 = mine.iter().map(|lot| lot.cost.micros()).sum();
                assert_eq!(fees, cycle.cost.micros());
                let end = cycle.started + cycle.limit + world.config.waits.aggregation;
                assert!(cycle.ended <= end, "replicate {replicate}: {cycle:?}");
                accepted += cycle.accepted;
                lost += cycle.lost;
                cost += fees;
            }
            assert_eq!(at, lots.len(), "every lot is of a cycle");
            let scheduled = totals.end.totals;
            assert_eq!((scheduled.accepted, scheduled.lost), (accepted, lost));
            assert_eq!(scheduled.cost.micros(), cost);
            let ordered = lots.iter().filter(|lot| lot.fate != Fate::Absent).count();
            assert_eq!(totals.orders, ordered as u64);
            let most = totals.end.limit + world.config.waits.aggregation;
            assert!(
                totals.end.wall() <= most,
                "replicate {replicate}: {totals:?}"
            );
            for lot in &lots {
                fates[lot.fate as usize] += 1;
                let stopped = matches!(lot.fate, Fate::Truncated | Fate::Late);
                assert!(!stopped || totals.overruns > 0 || lot.fate == Fate::Late);
            }
        }
    }
    // The worlds are rough: all fates occur but that of a refused result.
    let [complete, truncated, late, lost, refused, absent] = fates;
    let rare = [truncated, late, lost, absent].into_iter().min();
    assert!(
        complete > 1_000 && rare > Some(0) && refused == 0,
        "{fates:?}"
    );
}

/// A cycle that could be done, and that no fault struck, is done by a scheduler that knows the
/// speeds; judging changes nothing.
#[test]
fn truth_is_told_and_changes_nothing() {
    let mut world = rough(LinkService::Shared, Replan::Adaptive, Billing::Computed);
    world.config.margins = Margins::NONE;
    for worker in &mut world.workers {
        (worker.errors, worker.round) = (Errors::NONE, Ratio::ZERO);
        worker.slowdowns = None;
        for faults in [&mut worker.dropouts, &mut worker.stalls] {
            *faults = faults.map(|Renewal { every, lasts }| Renewal {
                every: every * 5,
                lasts,
            });
        }
    }
    let (mut untouched, mut touched, mut done) = (0, 0, 0);
    for replicate in 0..60 {
        let (mut same, mut truths) = (Vec::new(), Vec::new());
        let observers = Observers {
            rows: Some(&mut |at, record| same.push((at, record.clone()))),
            judge: Some(&mut |truth| {
                let feasible = greedy(&truth.request).outcome.planned().is_some();
                truths.push((truth.cycle, feasible, truth.faults));
            }),
            ..Observers::default()
        };
        let totals = run(&world, 5, replicate, &mut greedy, observers);
        assert_eq!((totals, same.clone()), rows(&world, 5, replicate));
        let cycles = same.iter().filter_map(|(_, record)| match record {
            Record::Cycle(row) => Some(row),
            _ => None,
        });
        assert_eq!(cycles.clone().count(), truths.len(), "one for each cycle");
        for (row, (cycle, feasible, faults)) in cycles.zip(truths) {
            assert_eq!(row.cycle, cycle);
            if faults > 0 {
                touched += 1;
            } else if feasible {
                untouched += 1;
                done += u32::from(row.result == CycleResult::Complete);
            }
        }
    }
    assert!(touched > 100 && untouched > 80, "{touched} and {untouched}");
    assert!(done * 100 >= untouched * 95, "{done} of {untouched}");
}
