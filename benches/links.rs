//! Plans behind a link that all workers share, with all numbers of employed workers looked at: the thesis
//! family with links of several rates. `cargo bench -p benches --bench links`.
//!
//! A missed bar does not change the exit code: noise must not fail a build.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use scenarios::Family;
use scheduler::machine::WorkerId;
use scheduler::{
    Candidate, Link, Margin, Objective, PlanRequest, Problem, Span, Speed, TimeModel, Worker,
};
use solvers::frontier::{DEFAULT_BUDGET, Effort, over_time};
use solvers::{Allocator, Exact, answer};

const SEED: u64 = 1;
const TESTS: u64 = 400;
const LIMIT: Span = Span::from_secs(1);

fn main() {
    // `cargo test` runs bench targets too, without `--bench`: then nothing is measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("{:<66}{:>10}  {:>8}", "", "measured", "bar");
    for k in [50, 100] {
        for share in [1, 10, 40] {
            plans(k, share);
        }
    }
    frontiers();
}

fn row(what: &str, measured: f64, bar: &str) {
    println!("{what:<66}{measured:>10.3}  {bar:>8}");
}

/// `k` workers of the thesis family; the transfers of all of them together take this share of the limit.
fn behind_a_link(problem: &Problem, percent: u64) -> PlanRequest {
    let count = problem.workers().len() as u64;
    let shared = LIMIT * percent / 100 / count;
    request(
        problem,
        (problem.n(), problem.s_min(), problem.beta()),
        shared,
    )
}

fn request(problem: &Problem, demand: (u64, u64, u64), shared: Span) -> PlanRequest {
    let time_model = TimeModel {
        shared,
        ..TimeModel::COMPUTE
    };
    let candidate = |(id, worker): (u32, &Worker)| Candidate {
        worker: WorkerId::new(id),
        fee: worker.fee,
        speed: Speed::measured(worker.s_max.max(1), LIMIT).expect("valid"),
        margin: Margin::NONE,
        link: Link::default(),
        most: u64::MAX,
    };
    let candidates = (0..).zip(problem.workers()).map(candidate).collect();
    PlanRequest::new(demand, LIMIT, time_model, candidates).expect("within bounds")
}

fn plans(k: u64, percent: u64) {
    let mut exact = Exact::default();
    let [mut free, mut bound, mut all, mut quickest] = [const { Vec::new() }; 4];
    let mut solves = Vec::new();
    for test in 0..TESTS {
        let problem = Family::Thesis
            .problem_of_size(SEED, test, k)
            .expect("of any size");
        let request = behind_a_link(&problem, percent);
        let mut times: Vec<Duration> = (0..5)
            .map(|_| time(|| request.cheapest(|problem| exact.measure(problem).outcome)))
            .collect();
        let took = median(&mut times);
        let response = request.cheapest(|problem| exact.measure(problem).outcome);
        let Some(planned) = response.outcome.planned() else {
            continue;
        };
        all.push(took);
        let without = request
            .problem(response.employed)
            .with_most_employed(u64::MAX);
        let cheaper = exact.measure(&without).outcome;
        let binds = cheaper
            .planned()
            .is_some_and(|it| it.plan.cost < planned.plan.cost);
        if binds { &mut bound } else { &mut free }.push(took);
        let asked = request.with_objective(Objective::CheapestThenQuickest);
        let mut times: Vec<Duration> = (0..3)
            .map(|_| time(|| answer(&asked, &mut exact)))
            .collect();
        quickest.push(median(&mut times));
        solves.push(answer(&asked, &mut exact).solves);
    }
    let name = format!("k = {k}, link {percent} % of the limit");
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    if !free.is_empty() {
        let what = format!("{name}: no count binds ({}), median us", free.len());
        row(
            &what,
            us(median(&mut free)),
            if k == 50 { "20" } else { "" },
        );
    }
    if !bound.is_empty() {
        let what = format!("{name}: a count binds ({}), median us", bound.len());
        row(
            &what,
            us(median(&mut bound)),
            if k == 50 { "150" } else { "" },
        );
    }
    all.sort_unstable();
    let p99 = us(all[all.len() * 99 / 100]) / 1e3;
    row(
        &format!("{name}: p99 ms"),
        p99,
        if k == 100 { "2" } else { "" },
    );
    solves.sort_unstable();
    let median_solves = solves[solves.len() / 2] as f64;
    row(
        &format!("{name}: cheapest, then quickest: solves"),
        median_solves,
        "40",
    );
    let times = median(&mut quickest).as_secs_f64() / median(&mut all).as_secs_f64();
    row(
        &format!("{name}: cheapest, then quickest / cheapest"),
        times,
        "40",
    );
}

/// Exact trade-off curves over time, with a link that the workers share and without.
fn frontiers() {
    for (what, shared) in [
        ("shared link", Span::from_nanos(500_000)),
        ("no link", Span::ZERO),
    ] {
        let problem = Family::Thesis.problem(SEED, 0);
        let request = request(&problem, (50_000, 100, 2), shared);
        let mut exact = Exact::default();
        let start = Instant::now();
        let effort = Effort {
            budget: DEFAULT_BUDGET,
            progress: &mut |_| {},
        };
        let all = (Span::ZERO, Span::from_nanos(u64::MAX));
        let curve = over_time(&request, &mut exact, all, effort);
        let steps = curve.points.len();
        let took = start.elapsed().as_secs_f64() * 1e3 / steps as f64 * 10_000.0;
        row(
            &format!("{what}, {steps} steps over time: ms for 10,000"),
            took,
            "100 ms",
        );
    }
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
