//! An allocator that is good enough for tests, and worlds to run it in.

use scheduler::machine::{AssignmentRow, Config, Limit, Record};
use scheduler::{
    Failure, FailureReason, Fee, Instant, Outcome, Plan, PlanRequest, PlanResponse, PlanStatus,
    Planned, Problem, Span, Speed,
};
use sim::world::{Observers, RunTotals, WorkerModel, World, run};

/// A row and when it was written.
pub(crate) type Row = (Instant, Record);

/// Lots for the cheapest first, then fills the cheapest.
pub(crate) fn greedy(request: &PlanRequest) -> PlanResponse {
    request.cheapest(solve)
}

fn solve(problem: &Problem) -> Outcome {
    if let Some(infeasible) = problem.infeasibility() {
        return Outcome::Infeasible(infeasible);
    }
    let workers = problem.workers();
    let mut order: Vec<_> = (0..workers.len()).collect();
    order.retain(|&i| problem.is_eligible(&workers[i]));
    order.sort_by_key(|&i| workers[i].fee);
    let mut batches = vec![0; workers.len()];
    let mut left = problem.n();
    let mut employ = |i: usize, most: u64| {
        let take = most.min(workers[i].s_max - batches[i]).min(left);
        batches[i] += take;
        left -= take;
    };
    for &i in order.iter().take(problem.beta() as usize) {
        employ(i, problem.lot());
    }
    for &i in &order {
        employ(i, u64::MAX);
    }
    let plan = Plan::costed(problem, batches);
    match plan.verify(problem) {
        Ok(()) => Outcome::Planned(Planned {
            plan,
            status: PlanStatus::Feasible,
            lower_bound: None,
            certificate: None,
        }),
        Err(violation) => Outcome::Failed(Failure {
            reason: FailureReason::NoPlanFound,
            message: violation.to_string(),
        }),
    }
}

/// A job by its number of batches and cycles, and the seconds of each cycle.
pub(crate) fn job(batches: u64, cycles: u32, seconds: u64, workers: u32) -> Config {
    let mut config = Config::new(batches, cycles, Limit::Cycle(Span::from_secs(seconds)));
    config.expect = workers;
    config.benchmark.batches = 10;
    config.benchmark.rounds = 1;
    config
}

/// A worker by its batches per second and its fee in micro-units per batch.
pub(crate) fn worker(per_second: u64, fee: u64) -> WorkerModel {
    let speed = Speed::measured(per_second, Span::from_secs(1)).expect("a batch at least");
    WorkerModel::new(speed, Fee::from_micros(fee).expect("a small fee"))
}

pub(crate) fn at(millis: u64) -> Instant {
    Instant::START + Span::from_millis(millis)
}

pub(crate) fn rows(world: &World, seed: u64, replicate: u64) -> (RunTotals, Vec<Row>) {
    let mut rows = Vec::new();
    let mut sink = |at, record: &Record| rows.push((at, record.clone()));
    let totals = run(
        world,
        seed,
        replicate,
        &mut greedy,
        Observers::of_rows(&mut sink),
    );
    (totals, rows)
}

pub(crate) fn lots(rows: &[Row]) -> Vec<AssignmentRow> {
    let lot = |(_, record): &Row| match record {
        Record::Assignment(lot) => Some(*lot),
        _ => None,
    };
    rows.iter().filter_map(lot).collect()
}
