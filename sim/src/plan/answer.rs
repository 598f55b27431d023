//! The plan and everything about it, computed and not yet put into words.

use scenarios::scenario::WorkerSpec;
use scheduler::machine::Limit;
use scheduler::{
    Candidate, CapacityModel, Cost, Employed, Fee, Objective, Outcome, Plan, PlanRequest,
    PlanResponse, Planned, Problem, Span,
};
use solvers::changes::{Change, changes};
use solvers::frontier::{Point, least_limit};
use solvers::{Allocator, AllocatorName, Exact, Host};

use super::question;
use crate::run::Setting;

/// What `sim plan` has to say.
pub(super) struct Answer {
    pub(super) request: PlanRequest,
    pub(super) allocator: AllocatorName,
    /// What the plan is chosen by: the fee alone, unless the allocator proves what it says.
    pub(super) objective: Objective,
    /// What the allocator says.
    pub(super) response: PlanResponse,
    /// What the exact allocator says.
    pub(super) best: PlanResponse,
    /// All workers, in the scenario's order.
    pub(super) workers: Vec<Worker>,
    /// Until the last worker has finished and the average is made.
    pub(super) cycle: Option<Span>,
    pub(super) prices: Prices,
    /// Without a plan: what would give one.
    pub(super) changes: Vec<Change>,
    pub(super) stated: Stated,
}

/// A worker of the scenario.
pub(super) struct Worker {
    pub(super) name: String,
    /// What a batch costs, computing it too; where fees have tiers, the first.
    pub(super) fee: Fee,
    /// What it is charged for if it is employed.
    pub(super) charge: Cost,
    pub(super) batches: u64,
    /// What that costs, with the charge.
    pub(super) cost: Cost,
    /// What it could take in time; `None` for those that are not asked.
    pub(super) s_max: Option<u64>,
    /// How long its cycle takes by the time model, which capacities go by: at worst.
    pub(super) expected: Option<Span>,
    /// How long it takes as the orchestrator serves one worker after the other: when its result is
    /// in, and the average made.
    pub(super) predicted: Option<Span>,
    /// Why it has nothing to do.
    pub(super) idle: Option<Idle>,
}

/// Why a worker is not employed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idle {
    /// It joins later.
    Late(Span),
    /// It asks for more than it is offered.
    FeeTooLow(Fee),
    /// It has not joined and been benchmarked in time.
    NotReady,
    /// The transfers of its parameters alone take all the time.
    NoTime(Span),
    /// The number of batches that it can take in time, which is less than its lot.
    BelowLot(u64, u64),
    /// Its fee is above all that are paid.
    TooExpensive(Fee),
    /// With charges, tiers or lots of their own: no plan that employs it is cheaper.
    CostsMore,
    /// Others of its fee hold the data.
    NotNeeded,
    /// It is cheaper than some employed worker, but a lot on it would cost more elsewhere.
    LotTooLarge,
    /// It is as cheap as some employed worker, but one more would leave all of them less time at the
    /// orchestrator's link, and that costs more.
    OneTooMany(u64),
    /// There is no plan.
    NoPlan,
}

/// What another limit would cost, by the exact allocator.
pub(super) struct Prices {
    /// The least limit with a plan at all.
    pub(super) least_limit: Option<Point>,
    /// The least limit at which nothing is cheaper at any.
    pub(super) least_fee: Option<Point>,
    /// The least limit at which the plan costs no more.
    pub(super) same_from: Option<Point>,
    /// The least limit of a plan that the budget pays for.
    pub(super) affordable_from: Option<Point>,
    /// The first limit at which it costs less.
    pub(super) cheaper_from: Option<Point>,
    /// What the plan costs with one second more,
    pub(super) longer: Option<Cost>,
    /// and with one less.
    pub(super) shorter: Option<Cost>,
}

/// The limit as the scenario states it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated {
    pub(super) cycles: u32,
    /// What all of them may cost together.
    pub(super) budget: Option<Cost>,
    limit: Limit,
    cycle: Span,
}

impl Stated {
    pub(super) fn of_setting(setting: &Setting, request: &PlanRequest) -> Self {
        let job = setting.scenario().job();
        Self {
            cycles: job.cycles,
            budget: job.budget,
            limit: job.limit(),
            cycle: request.limit(),
        }
    }

    /// The key of a scenario that states it.
    pub(super) const fn key(&self) -> &'static str {
        match self.limit {
            Limit::Job { .. } => "job.max_time",
            Limit::Cycle(_) => "job.cycle_time",
        }
    }

    /// What that key must say for a cycle to have so much time.
    pub(super) fn of(&self, cycle: Span) -> Span {
        match self.limit {
            Limit::Cycle(_) => cycle,
            Limit::Job { max_time, .. } => {
                let cycles = u64::from(self.cycles);
                max_time + (cycle - self.cycle) * cycles - (self.cycle - cycle) * cycles
            }
        }
    }

    /// What the key says now.
    pub(super) fn now(&self) -> Span {
        self.of(self.cycle)
    }

    /// The time that a cycle has if the key says a second more.
    fn longer(&self) -> Span {
        self.cycle + self.second()
    }

    fn shorter(&self) -> Span {
        self.cycle - self.second()
    }

    fn second(&self) -> Span {
        match self.limit {
            Limit::Cycle(_) => Span::from_secs(1),
            Limit::Job { .. } => Span::from_secs(1) / u64::from(self.cycles),
        }
    }
}

/// Works everything out but the simulated runs.
pub(super) fn of(setting: &Setting) -> Answer {
    let scenario = setting.scenario();
    let request = question::of(setting);
    let allocator = setting.allocators[0];
    let exact = &mut Exact::default();
    let best = request.cheapest(|problem| exact.measure(problem).outcome);
    let mut solver = allocator.create(&Host::default());
    let response = solvers::answer(&request, solver.as_mut());
    let objective = if solver.proves() {
        request.objective()
    } else {
        Objective::Cheapest
    };
    let stated = Stated::of_setting(setting, &request);
    let fleet = scenario.fleet(setting.seed, 0);
    let plan = response.outcome.planned().map(|planned| &planned.plan);
    let prices = prices(&request, exact, best.outcome.planned(), &stated);
    let mut workers = workers(&fleet, &request, &response);
    if let Some(plan) = plan {
        predict(setting, &request, plan, &mut workers);
    }
    Answer {
        cycle: workers.iter().filter_map(|worker| worker.predicted).max(),
        workers,
        prices,
        changes: match &response.outcome {
            Outcome::Infeasible(_) => changes(&request, exact),
            Outcome::Planned(_) | Outcome::Failed(_) => Vec::new(),
        },
        request,
        allocator,
        objective,
        response,
        best,
        stated,
    }
}

impl Answer {
    /// What the exact allocator's plan costs.
    pub(super) fn optimum(&self) -> Option<Cost> {
        let best = self.best.outcome.planned();
        best.map(|planned| planned.plan.cost)
    }

    /// The allocator's answer with a share for every worker of the scenario.
    pub(super) fn for_all_workers(&self) -> Outcome {
        match &self.response.outcome {
            Outcome::Planned(planned) => Outcome::Planned(Planned {
                plan: Plan {
                    batches: self.workers.iter().map(|worker| worker.batches).collect(),
                    cost: planned.plan.cost,
                },
                ..planned.clone()
            }),
            other @ (Outcome::Infeasible(_) | Outcome::Failed(_)) => other.clone(),
        }
    }
}

fn workers(fleet: &[WorkerSpec], request: &PlanRequest, response: &PlanResponse) -> Vec<Worker> {
    let planned = response.outcome.planned();
    let plan = planned.map(|planned| &planned.plan);
    let problem = request.problem(response.employed);
    let employed = plan.map_or(response.employed, Plan::workers_employed);
    let mut workers: Vec<Worker> = fleet
        .iter()
        .map(|spec| Worker {
            name: spec.name.clone(),
            fee: spec.profile.fee,
            charge: Cost::ZERO,
            batches: 0,
            cost: Cost::ZERO,
            s_max: None,
            expected: None,
            predicted: None,
            idle: Some(if spec.profile.fee < spec.profile.least_fee {
                Idle::FeeTooLow(spec.profile.least_fee)
            } else if spec.joins > Span::ZERO {
                Idle::Late(spec.joins)
            } else {
                Idle::NotReady
            }),
        })
        .collect();
    let shares = plan.map_or(&[][..], |plan| &plan.batches);
    let count_binds = employed == response.employed && !cheapest_hold(&problem, employed);
    let paid = request.candidates().iter().zip(shares);
    let highest = paid
        .filter(|(_, x)| **x > 0)
        .map(|(candidate, _)| candidate.fee)
        .max();
    for (place, candidate) in request.candidates().iter().enumerate() {
        let worker = &mut workers[candidate.worker.get() as usize];
        let (s_max, batches) = (
            problem.workers()[place].s_max,
            shares.get(place).copied().unwrap_or(0),
        );
        (worker.s_max, worker.batches) = (Some(s_max), batches);
        worker.fee = candidate.fee;
        worker.charge = problem
            .terms()
            .map_or(Cost::ZERO, |terms| terms[place].charge);
        worker.cost = problem.cost_of(place, batches);
        let time_model = request.time_model();
        if batches > 0 {
            worker.expected =
                Some(time_model.time(candidate.speed, &candidate.link, employed, batches));
            worker.idle = None;
            continue;
        }
        let fixed = time_model.fixed(&candidate.link, response.employed);
        let is_full = time_model.capacity == CapacityModel::Full;
        worker.idle = Some(match highest {
            _ if is_full && fixed >= request.limit() => Idle::NoTime(fixed),
            _ if s_max < problem.lot_of(place) => Idle::BelowLot(s_max, problem.lot_of(place)),
            None => Idle::NoPlan,
            Some(_) if problem.terms().is_some() => Idle::CostsMore,
            Some(highest) if candidate.fee > highest => Idle::TooExpensive(highest),
            Some(_) if count_binds => Idle::OneTooMany(employed),
            Some(highest) if candidate.fee == highest => Idle::NotNeeded,
            Some(_) => Idle::LotTooLarge,
        });
    }
    workers
}

/// Whether the `count` cheapest workers that can take a lot hold all the data: then no plan needs more.
fn cheapest_hold(problem: &Problem, count: u64) -> bool {
    let workers = problem.workers().iter();
    let mut able: Vec<_> = workers
        .filter(|worker| problem.is_eligible(worker))
        .collect();
    able.sort_by_key(|worker| (worker.fee, u64::MAX - worker.s_max));
    let held = (0..count).zip(able).map(|(_, worker)| worker.s_max);
    held.sum::<u64>() >= problem.n()
}

/// The predicted times of a cycle, by how the orchestrator's link is served.
fn predict(setting: &Setting, request: &PlanRequest, plan: &Plan, workers: &mut [Worker]) {
    let time_model = request.time_model();
    let cycle_model = setting.scenario().cycle_model();
    let shares = request.candidates().iter().zip(&plan.batches);
    let shares: Vec<_> = shares.filter(|&(_, &batches)| batches > 0).collect();
    let employed = |&(candidate, &batches): &(&Candidate, &u64)| Employed {
        speed: candidate.speed,
        link: candidate.link,
        batches,
    };
    let employed: Vec<Employed> = shares.iter().map(employed).collect();
    let prediction = cycle_model.predict(time_model, &employed);
    for ((candidate, _), through) in shares.iter().zip(prediction.through) {
        let worker = &mut workers[candidate.worker.get() as usize];
        worker.predicted = Some(through);
    }
}

fn prices(
    request: &PlanRequest,
    exact: &mut Exact,
    best: Option<&Planned>,
    stated: &Stated,
) -> Prices {
    let cost = best.map(|planned| planned.plan.cost);
    let mut at = |limit| {
        let response = request
            .within(limit)
            .cheapest(|problem| exact.measure(problem).outcome);
        response.outcome.planned().map(|planned| planned.plan.cost)
    };
    let longest = at(Span::from_nanos(u64::MAX));
    let (longer, shorter) = (at(stated.longer()), at(stated.shorter()));
    let less = cost.and_then(|cost| cost.checked_sub(Cost::from_micros(1)));
    Prices {
        least_limit: least_limit(request, exact, None),
        least_fee: longest.and_then(|least| least_limit(request, exact, Some(least))),
        same_from: cost.and_then(|cost| least_limit(request, exact, Some(cost))),
        affordable_from: request
            .budget()
            .and_then(|budget| least_limit(request, exact, Some(budget))),
        cheaper_from: less.and_then(|less| least_limit(request, exact, Some(less))),
        longer,
        shorter,
    }
}
