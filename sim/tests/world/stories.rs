//! What happens to workers, and what comes of it.

use scheduler::machine::{Departure, Ending, Fate, Limit, Record, Replan};
use scheduler::{CapacityModel, Span};
use sim::world::{Fault, PipeModel, Service, World};

use crate::greedy::{at, job, lots, rows, worker};

/// A worker leaves within the first cycle and returns in the second.
#[test]
fn dropout() {
    for (replan, completes) in [(Replan::Static, false), (Replan::Adaptive, true)] {
        let mut config = job(30, 5, 2, 3);
        config.replan = replan;
        let mut workers = vec![worker(10, 1), worker(10, 2), worker(10, 3)];
        // Benchmarks end at 1 s; cycles begin then.
        workers[0].faults = vec![(at(1_500), Fault::Leave), (at(2_500), Fault::Return)];
        let world = World::new(config, workers);
        let (totals, rows) = rows(&world, 1, 0);
        assert_eq!(totals.end.ending, Ending::Completed, "{replan:?}");
        let lots = lots(&rows);
        let first: Vec<_> = lots.iter().take(2).map(|lot| lot.fate).collect();
        assert_eq!(first, [Fate::Lost, Fate::Complete]);
        let departed = rows.iter().find_map(|(when, record)| match record {
            Record::Departed { worker, why, .. } => Some((*when, worker.get(), *why)),
            _ => None,
        });
        assert_eq!(departed, Some((at(1_500), 0, Departure::Disconnected)));
        let absent = lots.iter().any(|lot| lot.fate == Fate::Absent);
        assert_eq!(absent, !completes, "static knows nobody else: {lots:?}");
        // The first cycle lost a share; under adaptive that was all.
        assert_eq!(totals.end.totals.truncated == 1, completes, "{totals:?}");
        let back = rows.iter().any(|(when, record)| {
            matches!(record, Record::Joined { returned: true, .. }) && *when == at(2_500)
        });
        assert!(back, "{replan:?}");
    }
}

/// Nobody notices a broken connection: its silence tells, after three beats.
#[test]
fn silence() {
    let mut config = job(100, 1, 20, 2);
    config.beta = 2;
    let mut workers = vec![worker(10, 1), worker(10, 2)];
    workers[0].noticed_after = None;
    workers[0].faults = vec![(at(3_000), Fault::Leave)];
    let (totals, rows) = rows(&World::new(config, workers), 1, 0);
    let departed = rows.iter().find_map(|(when, record)| match record {
        Record::Departed { why, .. } => Some((*when, *why)),
        _ => None,
    });
    // Beats every half second from 1 s on; that of 3 s comes too late to be sent.
    assert_eq!(departed, Some((at(2_500 + 1_500), Departure::MissedBeats)));
    assert_eq!(totals.end.totals.truncated, 1);
}

/// A worker stands still within a cycle, past its end, is turned out, and comes again.
#[test]
fn stall() {
    let mut config = job(20, 6, 2, 2);
    config.replan = Replan::Adaptive;
    let mut workers = vec![worker(20, 1), worker(20, 2)];
    workers[0].faults = vec![(at(700), Fault::Stall(Span::from_millis(3_000)))];
    let (totals, rows) = rows(&World::new(config, workers), 1, 0);
    assert_eq!(totals.end.ending, Ending::Completed);
    let lots = lots(&rows);
    assert_eq!(lots[0].worker.get(), 0, "the cheaper one is employed first");
    assert_eq!(lots[0].fate, Fate::Lost);
    assert_eq!(totals.end.totals.failed, 1);
    assert!(lots[1..].iter().all(|lot| lot.fate == Fate::Complete));
    let out = rows.iter().find_map(|(when, record)| match record {
        Record::Departed { why, .. } => Some((*when, *why)),
        _ => None,
    });
    assert_eq!(out, Some((at(500 + 1_500), Departure::MissedBeats)));
    let back = rows.iter().find_map(|(when, record)| match record {
        Record::Joined { returned: true, .. } => Some(*when),
        _ => None,
    });
    assert_eq!(back, Some(at(3_700)), "when it moves again");
}

/// A short stall costs its time and nothing else.
#[test]
fn short_stall() {
    let mut workers = vec![worker(20, 1)];
    workers[0].faults = vec![(at(700), Fault::Stall(Span::from_millis(300)))];
    let (totals, rows) = rows(&World::new(job(20, 1, 2, 1), workers), 1, 0);
    assert_eq!(totals.end.ending, Ending::Completed);
    assert_eq!(lots(&rows)[0].elapsed, Span::from_millis(1_300));
    assert!(!totals.end.is_missed());
}

/// A worker slows down for good: its share is cut off at the limit, and from
/// then on it gets what it can do.
#[test]
fn slowdown() {
    let mut config = job(20, 5, 2, 2);
    config.replan = Replan::Adaptive;
    let mut workers = vec![worker(10, 1), worker(10, 2)];
    workers[0].faults = vec![(at(1_000), Fault::Slow(2.0))];
    let (totals, rows) = rows(&World::new(config, workers), 1, 0);
    let lots = lots(&rows);
    // 2 s at half the speed that was measured.
    assert_eq!((lots[0].fate, lots[0].accepted), (Fate::Truncated, 10));
    assert!(lots[1..].iter().all(|lot| lot.fate == Fate::Complete));
    assert_eq!(totals.overruns, 1);
    assert_eq!(totals.end.totals.complete, 4);
    assert!(totals.end.totals.moved > 0);
}

/// A worker slows down shortly before the end of a cycle: its mean says little of that, the end of
/// its share all, and the next cycle is planned for it.
#[test]
fn slowdown_at_the_end() {
    let mut config = job(600, 3, 2, 3);
    config.replan = Replan::Adaptive;
    let mut workers = vec![worker(200, 1), worker(200, 2), worker(200, 3)];
    // Benchmarks end at 50 ms, the cycle at 2.05 s.
    workers[0].faults = vec![(at(1_750), Fault::Slow(4.0))];
    let (totals, rows) = rows(&World::new(config, workers), 1, 0);
    let lots = lots(&rows);
    assert_eq!((lots[0].fate, lots[0].accepted), (Fate::Truncated, 355));
    assert!(lots[1..].iter().all(|lot| lot.fate == Fate::Complete));
    assert_eq!(totals.end.totals.complete, 2);
    let second = lots
        .iter()
        .find(|lot| lot.cycle.get() == 2 && lot.worker.get() == 0);
    let share = second.expect("it is still the cheapest").assigned;
    assert!((90..=100).contains(&share), "{share} of 50 a second");
}

/// Nobody can do it: the run ends with the reason, as soon as both have measured themselves once more.
#[test]
fn infeasible() {
    let world = World::new(job(1_000, 5, 2, 2), vec![worker(10, 1), worker(10, 2)]);
    let (totals, rows) = rows(&world, 1, 0);
    assert_eq!(totals.end.ending.reason(), "insufficient_capacity");
    assert_eq!(totals.end.ended, at(2_000));
    assert_eq!(totals.orders, 0);
    assert!(totals.end.is_missed() && lots(&rows).is_empty());
}

/// Nobody comes: the run ends by its deadlines alone.
#[test]
fn nobody() {
    let (totals, _) = rows(&World::new(job(10, 1, 1, 2), Vec::new()), 1, 0);
    assert_eq!(totals.end.ending.reason(), "too_few_workers");
    assert_eq!(totals.happenings, 0);
}

/// A late joiner that is cheaper takes over.
#[test]
fn late_joiner() {
    let mut config = job(20, 6, 2, 1);
    config.replan = Replan::Adaptive;
    let mut workers = vec![worker(10, 5), worker(10, 1)];
    workers[1].joins_at = at(3_000);
    let (totals, rows) = rows(&World::new(config, workers), 1, 0);
    assert_eq!(totals.end.totals.complete, 6);
    let lots = lots(&rows);
    assert_eq!(lots.first().map(|lot| lot.worker.get()), Some(0));
    assert_eq!(lots.last().map(|lot| lot.worker.get()), Some(1));
}

/// Results queue before a slow link: those that come too late are aborted, and leave it.
#[test]
fn a_slow_link_and_the_limit() {
    let mut config = job(40, 3, 3, 4);
    (config.beta, config.s_min) = (4, 10);
    // The scheduler knows that results queue, and gives everybody as much all the same.
    config.time_model.shared = Span::from_millis(600);
    config.time_model.capacity = CapacityModel::ComputeOnly;
    config.limit = Limit::Job {
        max_time: Span::from_secs(9),
        counts_setup: false,
    };
    let workers = vec![worker(10, 1), worker(10, 1), worker(10, 1), worker(10, 1)];
    let world = World {
        up: PipeModel {
            service: Service::Fifo,
            parameters: Span::from_millis(600),
            ..PipeModel::INSTANT
        },
        ..World::new(config, workers)
    };
    let (totals, rows) = rows(&world, 1, 0);
    // 1 s of computing, then 1.6, 2.2, 2.8 and 3.4 s.
    for lots in lots(&rows).chunks(4) {
        let fates: Vec<_> = lots.iter().map(|lot| lot.fate).collect();
        let complete = Fate::Complete;
        assert_eq!(fates, [complete, complete, complete, Fate::Late]);
        assert_eq!(lots[2].elapsed, Span::from_millis(2_800));
    }
    assert_eq!(totals.end.wall(), Span::from_secs(9));
    assert!(!totals.end.is_over_limit() && totals.end.is_missed());
    assert_eq!((totals.orders, totals.overruns), (12, 0));
}
