//! What a run's records add up to while they stream by.

use results::runs::RunSummary;
use scheduler::machine::{
    AssignmentRow, CycleId, CycleResult, CycleRow, Fate, PlanId, Record, SessionId, WorkerId,
};
use scheduler::{Cost, Fee, Instant, Span, Speed};

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
        cost: Cost::from_micros(7),
        expected: Span::ZERO,
        elapsed: Span::ZERO,
        computed: Span::ZERO,
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
        ended: Instant::START,
        workers: 2,
        accepted: 5,
        lost: 0,
        cost: Cost::ZERO,
    })
}

fn benchmarked(worker: u32, millis: u64) -> Record {
    Record::Benchmarked {
        worker: WorkerId::new(worker),
        session: SessionId::new(worker),
        speed: Speed::measured(1, Span::from_millis(millis)).expect("some"),
        rounds: 1,
        noisy: false,
    }
}

#[test]
fn many_cycles_are_predicted_and_summed_without_being_kept() {
    let mut summary = RunSummary::with_prediction(&job());
    let mut record = |record: &Record| summary.record(Instant::START, record);
    record(&benchmarked(0, 10));
    record(&benchmarked(1, 100));
    record(&benchmarked(1, 1)); // a later benchmark predicts nothing
    let cycles = 100_000;
    for number in 1..=cycles {
        record(&assignment(number, 0, Fate::Complete, 3));
        let fate = if number == 9 {
            Fate::Late
        } else {
            Fate::Complete
        };
        record(&assignment(number, 1, fate, 2));
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
    // The job's links take 7 + 11 ms both ways, 9 ms one way: worker 1, the second of the list, has
    // its parameters after 9 ms and computes for 200 ms; its result takes 9 ms.
    let a_cycle = Span::from_millis(9 + 200 + 9);
    assert_eq!(summary.predicted(), Some(a_cycle * u64::from(cycles)));
    assert_eq!(summary.workers().len(), 2);
}

#[test]
fn measured_connections_go_before_stated_ones() {
    let mut summary = RunSummary::with_prediction(&job());
    summary.measured(WorkerId::new(0), Span::from_millis(2));
    summary.record(Instant::START, &benchmarked(0, 10));
    summary.record(Instant::START, &assignment(1, 0, Fate::Complete, 3));
    assert_eq!(summary.predicted(), None, "no cycle is over");
    summary.record(Instant::START, &cycle(1));
    assert_eq!(summary.predicted(), Some(Span::from_millis(1 + 30 + 1)));
    // A worker without a benchmark leaves nothing to predict from.
    summary.record(Instant::START, &assignment(2, 1, Fate::Absent, 3));
    summary.record(Instant::START, &cycle(2));
    assert_eq!(summary.predicted(), None);
    assert_eq!(RunSummary::default().predicted(), None);
}
