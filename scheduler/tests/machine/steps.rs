//! What single events do, with known answers.

use crate::audit::Audited;
use crate::summary::{departures, records, summary};
use crate::toy::{at, greedy, job, profile};
use scheduler::machine::{
    Action, Billing, CycleId, Departure, Event, Limit, PlanId, Profile, Record, SessionId,
    TrainOrder, WorkerId,
};
use scheduler::{Link, Span};

#[test]
fn a_fee_below_the_least_is_turned_away() {
    let mut audited = Audited::new(job(10, 1, 1));
    let profile = Profile {
        least_fee: scheduler::Fee::MAX,
        link: Link::default(),
        ..profile(1)
    };
    let worker = WorkerId::new(0);
    let _ = audited.step(at(0), Event::Joined { worker, profile });
    assert_eq!(departures(&audited), [(0, "fee_too_low")]);
}

/// Takes a step, answers at once what is asked for until a cycle runs, and gives its orders.
fn answered(audited: &mut Audited, event: Event) -> Vec<TrainOrder> {
    let (mut events, mut orders) = (vec![event], Vec::new());
    while let Some(event) = events.pop() {
        for action in audited.step(at(5), event) {
            match action {
                Action::Benchmark {
                    worker,
                    session,
                    batches,
                } => events.push(Event::Benchmarked {
                    worker,
                    session,
                    batches,
                    took: Span::from_millis(10 * batches),
                }),
                Action::Solve { plan, request } => events.push(Event::Solved {
                    plan,
                    response: Box::new(request.cheapest(greedy)),
                }),
                Action::Ship {
                    worker,
                    session,
                    plan,
                    batches,
                    ..
                } => events.push(Event::Shipped {
                    worker,
                    session,
                    plan,
                    batches,
                }),
                Action::Train(order) => orders.push(order),
                _ => {}
            }
        }
    }
    orders
}

/// All of the order, at 10 ms a batch.
fn trained(order: &TrainOrder) -> Event {
    Event::Trained {
        worker: order.worker,
        session: order.session,
        cycle: order.cycle,
        done: order.batches,
        took: Span::from_millis(10 * order.batches),
        tail: Span::from_millis(30),
    }
}

/// In each of three cycles the first worker trains and leaves, and then its result is refused:
/// before it is back, or after.
#[test]
fn a_result_refused_after_its_worker_left_counts() {
    for back_before in [false, true] {
        let mut audited = Audited::new(job(150, 9, 2));
        let mut orders = Vec::new();
        let worker = WorkerId::new(0);
        let joined = Event::Joined {
            worker,
            profile: profile(1),
        };
        let second = Event::Joined {
            worker: WorkerId::new(1),
            profile: profile(3),
        };
        for event in [joined.clone(), second] {
            orders.extend(answered(&mut audited, event));
        }
        for cycle in (1..=3).map(CycleId::new) {
            assert_eq!(orders.len(), 2, "both work in cycle {cycle}");
            for order in &orders {
                let _ = audited.step(at(5), trained(order));
            }
            let session = orders[0].session;
            let lost = Event::Lost {
                worker,
                session,
                why: Departure::Disconnected,
            };
            let refused = Event::Refused {
                worker,
                session,
                cycle,
            };
            let _ = audited.step(at(5), lost);
            let (first, then) = match back_before {
                true => (joined.clone(), refused),
                false => (refused, joined.clone()),
            };
            let _ = answered(&mut audited, first);
            let _ = answered(&mut audited, then);
            orders = answered(&mut audited, Event::Aggregated { cycle });
        }
        assert_eq!(orders.len(), 1, "the second works alone");
        let mut expected = vec![(0, "disconnected"); 3];
        // Excluded from its new session, or not admitted again.
        expected.push((0, "quarantined"));
        assert_eq!(departures(&audited), expected);
        let _ = audited.step(at(5), joined.clone());
        expected.push((0, "quarantined"));
        assert_eq!(departures(&audited), expected);
        for row in &audited.cycles {
            assert_eq!((row.accepted, row.lost), (50, 100), "the rest was refused");
        }
    }
}

#[test]
fn a_cycle_that_is_not_averaged_in_time_counts_for_nothing_but_its_cost() {
    let mut config = job(150, 1, 2);
    config.billing = Billing::Computed;
    let mut audited = Audited::new(config);
    let mut orders = Vec::new();
    for (worker, fee) in [(0, 1), (1, 3)] {
        let (worker, profile) = (WorkerId::new(worker), profile(fee));
        orders.extend(answered(&mut audited, Event::Joined { worker, profile }));
    }
    for order in &orders {
        let _ = audited.step(at(5), trained(order));
    }
    while let Some(wake) = audited.wake {
        let _ = audited.step(wake, Event::Wake);
    }
    assert_eq!(summary(&audited), "f completed lost=150 cost=250");
    let accepted = records(&audited).filter_map(|record| match record {
        Record::Assignment(row) => Some((row.fate.name(), row.accepted, row.cost.micros())),
        _ => None,
    });
    let accepted: Vec<_> = accepted.collect();
    assert_eq!(accepted, [("complete", 0, 100), ("complete", 0, 150)]);
}

/// Two workers are in their first cycle; the first left and is back, measured, in a new session.
fn with_one_back() -> (Audited, WorkerId, SessionId) {
    let mut audited = Audited::new(job(150, 2, 2));
    let joined = |worker, fee| Event::Joined {
        worker: WorkerId::new(worker),
        profile: profile(fee),
    };
    let mut orders = answered(&mut audited, joined(0, 1));
    orders.extend(answered(&mut audited, joined(1, 3)));
    assert_eq!(orders.len(), 2);
    let TrainOrder {
        worker, session, ..
    } = orders[0];
    let lost = Event::Lost {
        worker,
        session,
        why: Departure::Disconnected,
    };
    let _ = answered(&mut audited, lost);
    let _ = answered(&mut audited, joined(0, 1));
    let session = audited.sessions[&worker];
    (audited, worker, session)
}

/// Deadlines come first: at the end of the cycle the data is ordered, and then it is there.
#[test]
fn a_report_may_answer_an_order_that_was_due_before_it() {
    let (mut audited, worker, session) = with_one_back();
    let shipped = |batches| Event::Shipped {
        worker,
        session,
        plan: PlanId::new(1),
        batches,
    };
    let ordered = |actions: &[Action]| {
        let orders = actions.iter().filter_map(|action| match action {
            Action::Ship { new, .. } => Some(("ship", *new)),
            Action::Train(order) => Some(("train", order.batches)),
            _ => None,
        });
        orders.collect::<Vec<_>>()
    };
    // The cycle should have ended at 1,005 ms.
    let actions = audited.step(at(2_000), shipped(1));
    assert_eq!(ordered(&actions), [("ship", 100)]);
    let actions = audited.step(at(2_001), shipped(100));
    assert_eq!(ordered(&actions), [("train", 100), ("train", 50)]);
    // All of it at once.
    let (mut audited, ..) = with_one_back();
    let actions = audited.step(at(2_000), shipped(u64::MAX));
    let all = [("ship", 100), ("train", 100), ("train", 50)];
    assert_eq!(ordered(&actions), all);
}

#[test]
fn a_report_of_data_that_was_not_ordered_is_ignored() {
    let (mut audited, worker, session) = with_one_back();
    let (plan, batches) = (PlanId::new(1), 100);
    let shipped = Event::Shipped {
        worker,
        session,
        plan,
        batches,
    };
    let _ = audited.step(at(1_000), shipped);
    let ignored = records(&audited).filter_map(|record| match record {
        Record::Ignored { why, .. } => Some(why.name()),
        _ => None,
    });
    assert_eq!(ignored.collect::<Vec<_>>(), ["out_of_time"]);
    let actions = audited.step(at(1_006), Event::Wake);
    let all = actions.iter().any(|action| match action {
        Action::Ship { new, .. } => *new == batches,
        _ => false,
    });
    assert!(all, "it holds none of it: {actions:?}");
}

/// Steps a job of one worker into its only cycle, of a minute; it takes 10 ms a batch.
fn in_a_long_cycle() -> (Audited, WorkerId, SessionId) {
    let mut config = job(600, 1, 1);
    config.limit = Limit::Cycle(Span::from_secs(60));
    let mut audited = Audited::new(config);
    let (worker, session) = (WorkerId::new(0), SessionId::new(1));
    let profile = profile(1);
    let _ = audited.step(at(0), Event::Joined { worker, profile });
    let took = Span::from_millis(100);
    let batches = 10;
    let _ = audited.step(
        at(100),
        Event::Benchmarked {
            worker,
            session,
            batches,
            took,
        },
    );
    let (plan, request) = audited.asked.clone().expect("asked");
    let response = Box::new(request.cheapest(greedy));
    let _ = audited.step(at(100), Event::Solved { plan, response });
    let batches = 600;
    let _ = audited.step(
        at(1_000),
        Event::Shipped {
            worker,
            session,
            plan,
            batches,
        },
    );
    (audited, worker, session)
}

#[test]
fn silence_excludes_but_a_deaf_driver_does_not() {
    // Three beats of half a second.
    let (mut audited, ..) = in_a_long_cycle();
    assert_eq!(audited.wake, Some(at(2_500)));
    let _ = audited.step(at(2_501), Event::Wake);
    assert_eq!(departures(&audited), [(0, "missed_beats")]);

    let (mut audited, worker, session) = in_a_long_cycle();
    let cycle = CycleId::new(1);
    let _ = audited.step(at(9_000), Event::Wake);
    assert_eq!(
        (departures(&audited).len(), audited.wake),
        (0, Some(at(9_500)))
    );
    let done = 300;
    let _ = audited.step(
        at(9_001),
        Event::Beat {
            worker,
            session,
            cycle,
            done,
        },
    );
    assert_eq!(audited.wake, Some(at(10_501)));
}

#[test]
fn claims_are_worth_their_beats() {
    let claims = |beats: &[u64], done: u64| {
        let (mut audited, worker, session) = in_a_long_cycle();
        let cycle = CycleId::new(1);
        for &done in beats {
            let beat = Event::Beat {
                worker,
                session,
                cycle,
                done,
            };
            let _ = audited.step(at(1_100), beat);
        }
        let took = Span::from_millis(100);
        let trained = Event::Trained {
            worker,
            session,
            cycle,
            done,
            took,
            tail: took,
        };
        let actions = audited.step(at(1_200), trained.clone());
        assert!(
            audited.step(at(1_200), trained).len() <= 1,
            "once is enough"
        );
        actions.iter().find_map(|action| match action {
            Action::Accept { batches, .. } => Some(*batches),
            _ => None,
        })
    };
    // A beat is worth 100 batches: twice what half a second is thought to hold.
    assert_eq!(claims(&[], 0), None);
    assert_eq!(claims(&[], 60), Some(60));
    assert_eq!(claims(&[], 1_000_000_000), Some(100));
    assert_eq!(claims(&[400, 300], 600), Some(500));
    assert_eq!(claims(&[u64::MAX], u64::MAX), Some(600));
}

#[test]
#[should_panic(expected = "time must not run backwards")]
fn time_only_moves_forward() {
    let mut audited = Audited::new(job(10, 1, 1));
    let _ = audited.step(at(2), Event::Wake);
    let _ = audited.step(at(1), Event::Wake);
}
