//! What a run's records add up to while they stream by.

use results::runs::{Beside, Forecast, RunSummary};
use scheduler::machine::{
    AssignmentRow, CycleId, CycleResult, CycleRow, Fate, PlanId, PlanRow, Record, SessionId,
    ShareRow, Trigger, WorkerId,
};
use scheduler::{Cost, Fee, Instant, PlanStatus, Span, Speed};

use super::job;

fn assignment(cycle: u32, worker: u32, fate: Fate, assigned: u64) -> Record {
    Record::Assignment(AssignmentRow {
        cycle: CycleId::new(cycle),
        plan: PlanId::new(1),
        worker: WorkerId::new(worker),
        session: SessionId::new(worker),
        fate,
        assigned,
        claimed: assigned,
        accepted: assigned,
        fee: Fee::ZERO,
        charge: Cost::ZERO,
        cost: Cost::from_micros(7),
        expected: Span::ZERO,
        elapsed: Span::ZERO,
        computed: Span::from_millis(40),
    })
}

fn cycle(cycle: u32) -> Record {
    Record::Cycle(CycleRow {
        cycle: CycleId::new(cycle),
        plan: PlanId::new(1),
        result: CycleResult::Complete,
        started: Instant::START,
        limit: Span::ZERO,
        results_at: Instant::START,
        ended: Instant::START + Span::from_millis(300),
        workers: 2,
        accepted: 5,
        lost: 0,
        cost: Cost::ZERO,
    })
}

fn planned(plan: u32) -> Record {
    Record::Planned(PlanRow {
        plan: PlanId::new(plan),
        trigger: Trigger::First,
        cycle: CycleId::new(1),
        solve: Span::ZERO,
        limit: Span::ZERO,
        candidates: 3,
        workers_employed: 2,
        capacities_for: 2,
        cost: Cost::ZERO,
        status: PlanStatus::Optimal,
        lower_bound: None,
        certificate: None,
        moved: 0,
    })
}

/// A share of a worker whose batches take so many milliseconds, over a connection that takes as
/// many in all.
fn share(worker: u32, millis: u64, batches: u64, connection: u64) -> Record {
    Record::Share(ShareRow {
        plan: PlanId::new(1),
        worker: WorkerId::new(worker),
        fee: Fee::ZERO,
        speed: Speed::measured(1, Span::from_millis(millis)).expect("some"),
        s_max: batches,
        batches,
        charge: Cost::ZERO,
        tiers: Vec::new(),
        least: 0,
        cost: Cost::ZERO,
        transfer: Span::from_millis(connection),
        latency: Span::ZERO,
        ship: Span::from_millis(50),
    })
}

#[test]
fn many_cycles_are_predicted_and_summed_without_being_kept() {
    let mut summary = RunSummary::with_prediction(&job());
    let mut record = |record: &Record| summary.record(Instant::START, record);
    record(&planned(1));
    record(&share(0, 10, 3, 0));
    record(&share(1, 100, 2, 0));
    record(&share(2, 1, 0, 0)); // not employed
    let cycles = 100_000;
    for number in 1..=cycles {
        let fate = |at| {
            if number == at {
                Fate::Late
            } else {
                Fate::Complete
            }
        };
        record(&assignment(number, 0, fate(0), 3));
        record(&assignment(number, 1, fate(9), 2));
        record(&cycle(number));
    }
    assert_eq!(summary.cycles(), u64::from(cycles));
    let first = summary.first_incomplete().expect("one was late");
    assert_eq!((first.cycle.get(), first.worker.get()), (9, 1));
    let worker = summary.worker(WorkerId::new(1));
    assert_eq!(
        (worker.cycles, worker.complete),
        (u64::from(cycles), u64::from(cycles) - 1)
    );
    assert_eq!(worker.cost, Cost::from_micros(7 * u128::from(cycles)));
    // The job's links take 7 ms down and 11 ms up: worker 1, the second of the list, has its
    // parameters after 7 ms and computes for 200 ms; the evaluation takes 5 ms.
    let a_cycle = Span::from_millis(7 + 200 + 11 + 5);
    let all = u64::from(cycles);
    assert_eq!(
        summary.forecast(),
        Some(Forecast {
            cycles_took: Beside {
                predicted: a_cycle * all,
                measured: Span::from_millis(300) * all,
            },
            cycles: all,
            left_out: 0,
        })
    );
    assert_eq!(
        summary.forecast_of(WorkerId::new(0)),
        Some(Beside {
            predicted: Span::from_millis(30) * all,
            measured: Span::from_millis(40) * all,
        })
    );
    assert_eq!(summary.forecast_of(WorkerId::new(2)), None);
    assert_eq!(summary.workers().len(), 3, "the idle one too");
}

/// Each plan by what was known when it was made; cycles in which a worker was missing say nothing.
#[test]
fn a_run_is_predicted_plan_by_plan() {
    let mut summary = RunSummary::with_prediction(&job());
    let mut record = |record: &Record| summary.record(Instant::START, record);
    for at in [planned(1), share(0, 10, 3, 0)] {
        record(&at);
    }
    for at in [assignment(1, 0, Fate::Complete, 3), cycle(1)] {
        record(&at);
    }
    for at in [assignment(2, 0, Fate::Lost, 3), cycle(2)] {
        record(&at);
    }
    // It was learnt to be twice as slow, behind a connection of 28 ms, of which 18 are the job's.
    for at in [planned(2), share(0, 20, 3, 28)] {
        record(&at);
    }
    for at in [assignment(3, 0, Fate::Complete, 3), cycle(3)] {
        record(&at);
    }
    let [first, second] = [7 + 30 + 11 + 5, 7 + 60 + 10 + 11 + 5];
    let forecast = summary.forecast().expect("two cycles are counted");
    assert_eq!(
        forecast.cycles_took.predicted,
        Span::from_millis(first + second)
    );
    assert_eq!(forecast.cycles_took.measured, Span::from_millis(600));
    assert_eq!((forecast.cycles, forecast.left_out), (2, 1));
    let error = forecast.cycles_took.error_percent().expect("it took time");
    assert!(
        (error - 100.0 * (146.0 / 600.0 - 1.0)).abs() < 1e-9,
        "{error}"
    );
    assert_eq!(RunSummary::default().forecast(), None);
}
