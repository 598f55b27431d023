//! Whole runs of virtual workers, with known answers.

use crate::audit::Audited;
use crate::summary::{departures, records, summary};
use crate::toy::{Allocator, Fate, Toy, World, at, job};
use scheduler::machine::{Billing, Config, Limit, Partial, Record, Replan, Trigger};
use scheduler::{Cost, Margins, Objective, Span, TimeModel};

fn toy(millis: u64, fee: u64, fates: &[Fate]) -> Toy {
    Toy {
        millis,
        fee,
        fates: fates.to_vec(),
    }
}

fn check(config: Config, toys: &[Toy], expected: &str) -> Audited {
    let audited = World::new(config, toys, Allocator::Greedy).run();
    assert_eq!(summary(&audited), expected);
    audited
}

fn adaptive(mut config: Config) -> Config {
    config.replan = Replan::Adaptive;
    config
}

fn plans(audited: &Audited) -> Vec<(u32, Trigger, u64)> {
    let planned = records(audited).filter_map(|record| match record {
        Record::Planned(row) => Some((row.cycle.get(), row.trigger, row.workers_employed)),
        _ => None,
    });
    planned.collect()
}

/// 10 ms a batch: 100 fit a second.
const TWO: [(u64, u64); 2] = [(10, 1), (10, 3)];

fn two(fates: [&[Fate]; 2]) -> Vec<Toy> {
    let both = TWO.iter().zip(fates);
    both.map(|(&(millis, fee), fates)| toy(millis, fee, fates))
        .collect()
}

#[test]
fn the_happy_path() {
    let run = check(
        job(150, 3, 2),
        &two([&[], &[]]),
        "ccc completed lost=0 cost=750",
    );
    assert_eq!(plans(&run), [(1, Trigger::First, 2)]);
    // 100 ms benchmark, 1 ms solving, 100 ms shipping, then three seconds.
    let (_, totals) = run.end.expect("ended");
    assert_eq!(totals.first_cycle_at, Some(at(201)));
    assert_eq!(totals.last_cycle_ended, Some(at(3_201)));
}

#[test]
fn a_straggler_returns_what_it_has() {
    let slows = two([&[], &[Fate::Takes(150, 40)]]);
    // 50 batches at 40 ms: 25 are done in a second. The order is billed.
    let assigned = job(150, 3, 2);
    check(assigned.clone(), &slows, "ttt completed lost=75 cost=750");
    let computed = Config {
        billing: Billing::Computed,
        ..assigned.clone()
    };
    check(computed, &slows, "ttt completed lost=75 cost=525");
    // Unfinished shares are discarded, and not paid where what was trained is.
    for (billing, cost) in [(Billing::Assigned, 750), (Billing::Computed, 300)] {
        let discards = Config {
            partial: Partial::Discard,
            billing,
            ..assigned.clone()
        };
        let expected = format!("ttt completed lost=150 cost={cost}");
        check(discards, &slows, &expected);
    }
    // 25 at most is believed at once, and a third helps out.
    let mut three = slows.clone();
    three.push(toy(20, 5, &[]));
    let config = Config {
        expect: 3,
        ..adaptive(assigned)
    };
    let run = check(config, &three, "tcc completed lost=25 cost=850");
    assert_eq!(
        plans(&run),
        [(1, Trigger::First, 2), (2, Trigger::Slower, 3)]
    );
}

#[test]
fn a_plan_whose_shipping_takes_the_time_that_is_left_is_not_taken() {
    let mut three = two([&[], &[Fate::Takes(150, 40)]]);
    three.push(toy(20, 5, &[]));
    let plans_at = |shipping_millis: u64, expected: &str| {
        let max_time = Span::from_secs(3);
        let mut config = Config {
            expect: 3,
            limit: Limit::Job {
                max_time,
                counts_setup: false,
            },
            ..adaptive(job(150, 3, 3))
        };
        config.margins = Margins::NONE;
        config.time_model.shared_ship = Span::from_millis(shipping_millis);
        plans(&check(config, &three, expected)).len()
    };
    // 25 batches are to change hands: half a second of the two that are left. The allocator takes
    // a millisecond each time, so that the other worker lacks a batch as well.
    assert_eq!(plans_at(20, "ttt completed lost=79 cost=750"), 1);
    assert_eq!(plans_at(1, "tcc completed lost=25 cost=870"), 2);
}

#[test]
fn a_slowdown_while_data_travels_is_known_before_the_cycle() {
    let mut three = two([&[], &[Fate::Takes(30, 40)]]);
    three.push(toy(10, 5, &[]));
    let mut config = Config {
        expect: 3,
        ..adaptive(job(150, 3, 2))
    };
    config.benchmark.batches = 2; // 20 ms, then 100 ms of shipping
    let run = check(config, &three, "ccc completed lost=0 cost=900");
    let expected = [(1, Trigger::First, 2), (1, Trigger::Slower, 3)];
    assert_eq!(plans(&run)[..2], expected);
}

#[test]
fn every_worker_is_here_so_an_estimate_ends_nothing() {
    let slows = two([&[], &[Fate::Takes(150, 40), Fate::Takes(2_500, 10)]]);
    // No plan for the slowdown: the old one runs on; as it passes, all is well again.
    let run = check(
        adaptive(job(150, 5, 2)),
        &slows,
        "tttcc completed lost=75 cost=1250",
    );
    assert_eq!(plans(&run), [(1, Trigger::First, 2)]);
}

#[test]
fn a_straggler_that_recovers_gets_its_share_back() {
    let mut three = two([&[], &[Fate::Takes(150, 40), Fate::Takes(2_500, 10)]]);
    three.push(toy(10, 5, &[]));
    let config = Config {
        expect: 3,
        ..adaptive(job(150, 8, 3))
    };
    let run = check(config, &three, "tccccccc completed lost=25 cost=2250");
    let expected = [
        (1, Trigger::First, 2),
        (2, Trigger::Slower, 3),
        (7, Trigger::Faster, 2), // two good cycles are believed, and one goes by meanwhile
    ];
    assert_eq!(plans(&run), expected);
    assert_eq!(run.end.expect("ended").1.moved, 25 + 25);
}

#[test]
fn a_dropout_is_planned_around() {
    let mut three = two([&[], &[Fate::Dies(700)]]);
    three.push(toy(10, 5, &[]));
    let config = Config {
        expect: 3,
        ..job(150, 3, 3)
    };
    let run = check(
        adaptive(config.clone()),
        &three,
        "tcc completed lost=50 cost=950",
    );
    assert_eq!(departures(&run), [(1, "disconnected")]);
    assert_eq!(plans(&run), [(1, Trigger::First, 2), (2, Trigger::Lost, 2)]);
    assert_eq!(run.end.expect("ended").1.moved, 50);
    // Under `static` its batches are lost in every cycle; absent it is not paid.
    let run = check(config, &three, "ttt completed lost=150 cost=450");
    assert_eq!(plans(&run), [(1, Trigger::First, 2)]);
}

#[test]
fn a_frozen_worker_is_excluded_returns_and_its_old_result_is_refused() {
    // Beats every 500 ms: silent for 1.5 s is gone.
    let mut config = adaptive(job(600, 3, 2));
    config.limit = Limit::Cycle(Span::from_secs(5));
    let frozen = two([&[], &[Fate::Frozen(1_000, 8_000)]]);
    let run = check(config, &frozen, "tcc completed lost=100 cost=2400");
    assert_eq!(departures(&run), [(1, "missed_beats")]);
    let stale = records(&run).filter(|record| match record {
        Record::Ignored { why, .. } => {
            why.name() == "not_a_member" || why.name() == "stale_session"
        }
        _ => false,
    });
    assert_eq!(stale.count(), 1);
    let paused = records(&run).any(|record| matches!(record, Record::Paused { .. }));
    assert!(paused, "one worker cannot hold the data");
}

#[test]
fn a_short_freeze_changes_nothing_but_time() {
    let mut config = adaptive(job(600, 1, 2));
    config.limit = Limit::Cycle(Span::from_secs(5));
    let frozen = two([&[], &[Fate::Frozen(1_000, 2_000)]]);
    let run = check(config, &frozen, "c completed lost=0 cost=800");
    assert_eq!(departures(&run), []);
}

#[test]
fn below_beta_it_waits_and_then_ends() {
    let mut config = adaptive(job(150, 3, 2));
    config.beta = 2;
    let gone = two([&[], &[Fate::Dies(700)]]);
    let run = check(config.clone(), &gone, "t below_beta lost=50 cost=250");
    let (when, _) = run.actions.last().expect("a run has actions");
    assert_eq!(*when, at(1_201 + 60_000));
    let back = two([&[], &[Fate::Joins(0), Fate::Dies(700), Fate::Joins(9_000)]]);
    check(config, &back, "tcc completed lost=50 cost=750");
}

/// A worker that is missing for the moment is not gone for ever: what is too expensive without it is
/// tried again when it is back.
#[test]
fn too_expensive_without_a_worker_it_waits_and_then_ends() {
    let three = |fates: &[Fate]| [toy(10, 1, &[]), toy(10, 1, fates), toy(10, 5, &[])];
    for expect in [1, 3] {
        let config = Config {
            // Each cycle costs 150 with the first two, and 350 with the first and the last.
            budget: Some(Cost::from_micros(500)),
            expect,
            ..adaptive(job(150, 3, 3))
        };
        let gone = three(&[Fate::Dies(700)]);
        let run = check(
            config.clone(),
            &gone,
            "t insufficient_budget lost=50 cost=150",
        );
        let (when, _) = run.actions.last().expect("a run has actions");
        assert_eq!(
            *when,
            at(1_202 + 60_000),
            "as long as below beta, and a question"
        );
        let back = three(&[Fate::Joins(0), Fate::Dies(700), Fate::Joins(9_000)]);
        check(config, &back, "tcc completed lost=50 cost=450");
    }
    // Where nobody is missing, nobody is waited for.
    let config = Config {
        budget: Some(Cost::from_micros(449)),
        ..adaptive(job(150, 3, 3))
    };
    let run = check(config, &three(&[]), " insufficient_budget lost=0 cost=0");
    let (when, _) = run.actions.last().expect("a run has actions");
    assert_eq!(*when, at(101));
}

#[test]
fn without_a_plan_it_ends() {
    let run = check(
        job(201, 3, 2),
        &two([&[], &[]]),
        " insufficient_capacity lost=0 cost=0",
    );
    let (when, _) = run.actions.last().expect("a run has actions");
    assert_eq!(
        *when,
        at(202),
        "both measure themselves once more, and nobody is waited for"
    );
    // With somebody still to come, it waits, and plans again.
    let late = [
        toy(10, 1, &[]),
        toy(10, 1, &[]),
        toy(10, 1, &[Fate::Joins(70_000)]),
    ];
    let config = Config {
        expect: 3,
        ..job(201, 1, 3)
    };
    check(config, &late, "c completed lost=0 cost=201");
}

#[test]
fn allocators_fail() {
    for (allocator, expected) in [
        (Allocator::Fails, " solver_error lost=0 cost=0"),
        (Allocator::Wrong, " plan_rejected lost=0 cost=0"),
        (Allocator::Silent, " solver_late lost=0 cost=0"),
    ] {
        let run = World::new(job(150, 3, 2), &two([&[], &[]]), allocator).run();
        assert_eq!(summary(&run), expected);
    }
}

#[test]
fn a_benchmark_without_an_answer() {
    let frozen: &[Fate] = &[Fate::Frozen(0, 1_000_000)];
    let run = check(
        job(50, 1, 2),
        &two([&[], frozen]),
        "c completed lost=0 cost=50",
    );
    assert_eq!(departures(&run), [(1, "benchmark_late")]);
    check(
        job(50, 1, 2),
        &two([frozen, frozen]),
        " too_few_workers lost=0 cost=0",
    );
}

#[test]
fn a_late_joiner_makes_it_cheaper() {
    let late = [toy(10, 5, &[]), toy(10, 1, &[Fate::Joins(500)])];
    let config = job(100, 4, 1);
    // It is planned beside the second cycle and employed from the third.
    let run = check(
        adaptive(config.clone()),
        &late,
        "cccc completed lost=0 cost=1200",
    );
    assert_eq!(
        plans(&run),
        [(1, Trigger::First, 1), (3, Trigger::Arrived, 1)]
    );
    check(config, &late, "cccc completed lost=0 cost=2000");
}

/// By the second objective: where nothing gets cheaper, a plan that is quicker is adopted, if the cycles to
/// come save more than moving its data takes.
#[test]
fn a_late_joiner_makes_it_quicker() {
    let late = [toy(10, 1, &[]), toy(10, 1, &[Fate::Joins(500)])];
    let mut config = adaptive(job(100, 4, 1));
    let expected = "cccc completed lost=0 cost=400";
    let alone = [(1, Trigger::First, 1)];
    assert_eq!(plans(&check(config.clone(), &late, expected)), alone);
    config.objective = Objective::CheapestThenQuickest;
    let both = [(1, Trigger::First, 1), (3, Trigger::Arrived, 2)];
    assert_eq!(plans(&check(config.clone(), &late, expected)), both);
    // 50 batches take two seconds to move, and two cycles save half a second each.
    config.time_model.shared_ship = Span::from_millis(40);
    assert_eq!(plans(&check(config, &late, expected)), alone);
}

#[test]
fn a_plan_made_beside_a_cycle_replaces_one_that_broke() {
    let late = [
        toy(10, 5, &[Fate::Dies(1_500)]),
        toy(10, 1, &[Fate::Joins(500)]),
    ];
    let run = check(
        adaptive(job(100, 4, 1)),
        &late,
        "cfcc completed lost=100 cost=1200",
    );
    let expected = [(1, Trigger::First, 1), (3, Trigger::Arrived, 1)];
    assert_eq!(plans(&run), expected);
}

#[test]
fn who_is_employed_again_gets_its_data_again() {
    let late = [
        toy(10, 5, &[]),
        toy(10, 1, &[Fate::Joins(500), Fate::Dies(2_700)]),
    ];
    let run = check(
        adaptive(job(100, 5, 1)),
        &late,
        "ccfcc completed lost=100 cost=2100",
    );
    assert_eq!(run.end.expect("ended").1.moved, 200);
}

#[test]
fn spoilt_results_cost_a_worker_its_place() {
    let config = adaptive(job(50, 5, 2));
    let run = check(
        config,
        &two([&[Fate::Spoils(0)], &[]]),
        "fffcc completed lost=150 cost=450",
    );
    assert_eq!(departures(&run), [(0, "quarantined")]);
}

#[test]
fn results_that_never_come_do_too() {
    let config = Config {
        beta: 2,
        ..job(100, 5, 2)
    };
    let run = check(
        config,
        &two([&[], &[Fate::Swallows(0)]]),
        "ttt below_beta lost=3 cost=306",
    );
    assert_eq!(departures(&run), [(1, "always_late")]);
}

#[test]
fn the_limit_of_a_job_holds() {
    let limit = Limit::Job {
        max_time: Span::from_secs(3),
        counts_setup: false,
    };
    let config = Config {
        limit,
        ..job(150, 3, 2)
    };
    let slows = two([&[], &[Fate::Takes(150, 40)]]);
    let run = check(config.clone(), &slows, "ttt completed lost=75 cost=750");
    let (_, totals) = run.end.expect("ended");
    assert_eq!(totals.last_cycle_ended, Some(at(3_201)));
    // Setting up takes 201 of 210 ms: nothing fits what is left, and no time is left after measuring again.
    let limit = Limit::Job {
        max_time: Span::from_millis(210),
        counts_setup: true,
    };
    check(
        Config { limit, ..config },
        &slows,
        " insufficient_workers lost=0 cost=0",
    );
}

#[test]
fn late_results_of_the_compute_only_law() {
    // The time model of the thesis forgets that parameters travel for 200 ms each way.
    let time_model = TimeModel {
        capacity: scheduler::CapacityModel::ComputeOnly,
        shared: Span::from_millis(200),
        ..TimeModel::COMPUTE
    };
    let config = Config {
        time_model,
        ..job(150, 2, 2)
    };
    check(
        config.clone(),
        &two([&[], &[]]),
        "tt completed lost=40 cost=500",
    );
    let time_model = TimeModel {
        capacity: scheduler::CapacityModel::Full,
        ..time_model
    };
    check(
        Config {
            time_model,
            ..config
        },
        &two([&[], &[]]),
        " insufficient_capacity lost=0 cost=0",
    );
}
