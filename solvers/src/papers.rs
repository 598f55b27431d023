//! The heuristics that papers compare with, and their algorithms for costs of one shape.
//!
//! | name | rule | optimal where |
//! |---|---|---|
//! | `equal` | equal shares, within the limits | |
//! | `proportional` | shares in proportion to the upper limits, which grow with speed | |
//! | `marin` | the next batch to whom it costs least | marginal costs rise (MarIn) |
//! | `marco` | workers by their marginal cost, each filled up | marginal costs are constant (MarCo) |
//! | `mardec` | everybody at a limit but one | marginal costs fall (MarDec) |
//! | `olar` | the next batch to whose cost it leaves least | the largest cost is what counts (OLAR) |
//!
//! The last four are from L. L. Pilla, *Scheduling Algorithms for Federated Learning With Minimal Energy
//! Consumption* (2023, doi 10.1109/TPDS.2023.3240833) and *Optimal Task Assignment to Heterogeneous Federated
//! Learning Devices* (2020, arXiv 2010.00239). There everybody takes part. Here a worker that may be idle is
//! opened with its least number of batches: as many as must be employed, cheapest first, and then by the
//! same rule as any other step. Nothing is proved, and a plan may be missed that exists.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use scheduler::{
    Cost, Curve, CurveProblem, CurveWorker, Failure, FailureReason, MAX_CURVE_WORKERS, Outcome,
    Plan, Planned, Problem,
};

use crate::{Allocator, trivial};

/// The largest product of batches and workers that `mardec` takes.
const MOST_CELLS: u64 = 1 << 20;

/// The most batches that are given one by one.
const MOST_STEPS: u64 = 1 << 22;

/// One of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Equal shares.
    Equal,
    /// Shares in proportion to the upper limits.
    Proportional,
    /// Increasing marginal costs.
    MarIn,
    /// Constant marginal costs.
    MarCo,
    /// Decreasing marginal costs.
    MarDec,
    /// The least makespan.
    Olar,
}

/// An allocator by one of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Paper(pub Rule);

impl Allocator for Paper {
    fn name(&self) -> &'static str {
        match self.0 {
            Rule::Equal => "equal",
            Rule::Proportional => "proportional",
            Rule::MarIn => "marin",
            Rule::MarCo => "marco",
            Rule::MarDec => "mardec",
            Rule::Olar => "olar",
        }
    }

    fn propose(&mut self, problem: &Problem) -> Outcome {
        if let Some(outcome) = trivial::answer(problem) {
            return outcome;
        }
        let workers = problem.workers().iter().enumerate();
        let eligible: Vec<usize> = workers
            .filter(|(_, worker)| problem.is_eligible(worker))
            .map(|(index, _)| index)
            .collect();
        if eligible.len() > MAX_CURVE_WORKERS {
            let message = format!("more than {MAX_CURVE_WORKERS} workers");
            return failed(FailureReason::TooLarge, message);
        }
        let curves = eligible.iter().map(|&index| {
            let worker = &problem.workers()[index];
            let cost = |x: u64| i64::try_from(worker.fee.times(x).micros()).unwrap_or(i64::MAX);
            let ends = [problem.lot(), worker.s_max];
            let mut points: Vec<(u64, i64)> = ends.iter().map(|&x| (x, cost(x))).collect();
            points.dedup();
            Some(CurveWorker {
                curve: Curve::points(points).ok()?,
                may_idle: true,
            })
        });
        let count = eligible.len() as u64;
        let curves: Option<Vec<CurveWorker>> = curves.collect();
        let curves = curves.and_then(|workers| {
            let most = problem.most_employed().min(count);
            CurveProblem::new(problem.n(), problem.beta(), most, workers).ok()
        });
        let Some(curves) = curves else {
            return failed(
                FailureReason::TooLarge,
                "costs above 10^12 units".to_owned(),
            );
        };
        let shares = match self.shares(&curves) {
            Ok(shares) => shares,
            Err(outcome) => return outcome,
        };
        let mut batches = vec![0; problem.workers().len()];
        for (&index, share) in eligible.iter().zip(shares) {
            batches[index] = share.unwrap_or(0);
        }
        Outcome::Planned(Planned::feasible(Plan::costed(problem, batches)))
    }

    fn propose_curves(&mut self, problem: &CurveProblem) -> Outcome {
        let shares = match self.shares(problem) {
            Ok(shares) => shares,
            Err(outcome) => return outcome,
        };
        let batches: Vec<u64> = shares.iter().map(|share| share.unwrap_or(0)).collect();
        let cost = problem
            .schedule(&batches)
            .and_then(|it| u128::try_from(it.cost).ok());
        match cost.map(Cost::from_micros) {
            Some(cost) => Outcome::Planned(Planned::feasible(Plan { batches, cost })),
            None => failed(
                FailureReason::NoPlanFound,
                "a cost is below zero".to_owned(),
            ),
        }
    }
}

impl Paper {
    fn shares(self, problem: &CurveProblem) -> Result<Vec<Option<u64>>, Outcome> {
        let workers = problem.workers();
        let cells = (problem.n() + 1).saturating_mul(workers.len() as u64);
        if self.0 == Rule::MarDec && cells > MOST_CELLS {
            let message = format!("batches times workers are more than {MOST_CELLS}");
            return Err(failed(FailureReason::TooLarge, message));
        }
        if matches!(self.0, Rule::MarIn | Rule::Olar) && problem.n() > MOST_STEPS {
            let message = format!("more than {MOST_STEPS} batches, one step each");
            return Err(failed(FailureReason::TooLarge, message));
        }
        let shares = match self.0 {
            Rule::Equal => leveled(problem, |_| 1),
            Rule::Proportional => leveled(problem, |worker| worker.curve.upper().max(1)),
            Rule::MarIn => stepped(problem, |step| (step.added, step.batches)),
            Rule::Olar => stepped(problem, |step| (step.after, 1)),
            Rule::MarCo => filled(problem),
            Rule::MarDec => at_limits(problem),
        };
        shares.ok_or_else(|| {
            let message = format!("{} found no plan; there may be one", self.name());
            failed(FailureReason::NoPlanFound, message)
        })
    }
}

fn failed(reason: FailureReason, message: String) -> Outcome {
    Outcome::Failed(Failure { reason, message })
}

/// `a / b` against `c / d`, of positive divisors.
fn ratio((a, b): (i64, u64), (c, d): (i64, u64)) -> Ordering {
    (i128::from(a) * i128::from(d)).cmp(&(i128::from(c) * i128::from(b)))
}

/// What a worker costs that is opened, and its batches then.
fn opening(worker: &CurveWorker) -> (i64, u64) {
    let lower = worker.curve.lower();
    (worker.curve.at(lower).unwrap_or(i64::MAX), lower)
}

/// Optional workers by their price per batch at their least.
fn by_opening(problem: &CurveProblem) -> Vec<usize> {
    let workers = problem.workers();
    let mut order: Vec<usize> = (0..workers.len())
        .filter(|&at| workers[at].may_idle)
        .collect();
    let price = |at: usize| {
        let (cost, batches) = opening(&workers[at]);
        (cost, batches.max(1))
    };
    order.sort_by(|&a, &b| ratio(price(a), price(b)));
    order
}

/// Everybody who must be employed, at the least; then, cheapest first, as many as must be. With what
/// is left, if it is enough.
fn opened(problem: &CurveProblem) -> Option<(Vec<Option<u64>>, u64)> {
    let workers = problem.workers();
    let lower = |worker: &CurveWorker| (!worker.may_idle).then(|| worker.curve.lower());
    let mut shares: Vec<Option<u64>> = workers.iter().map(lower).collect();
    let mut employed = shares.iter().flatten().count() as u64;
    for at in by_opening(problem) {
        if employed < problem.least() {
            shares[at] = Some(workers[at].curve.lower());
            employed += 1;
        }
    }
    let given: u64 = shares.iter().flatten().sum();
    let left = problem.n().checked_sub(given)?;
    (employed >= problem.least()).then_some((shares, left))
}

/// As many workers as can be employed, each with its weight times a common level, within its limits.
fn leveled(
    problem: &CurveProblem,
    weight: impl Fn(&CurveWorker) -> u64,
) -> Option<Vec<Option<u64>>> {
    const UNIT: u128 = 1 << 32;
    let workers = problem.workers();
    let (mut shares, mut left) = opened(problem)?;
    let mut employed = shares.iter().flatten().count() as u64;
    for at in by_opening(problem) {
        let lower = workers[at].curve.lower();
        if shares[at].is_none() && employed < problem.most() && lower <= left {
            shares[at] = Some(lower);
            left -= lower;
            employed += 1;
        }
    }
    let at_level = |at: usize, level: u128| {
        let share =
            (u128::from(weight(&workers[at])) * level / UNIT).min(u128::from(u64::MAX)) as u64;
        share.clamp(workers[at].curve.lower(), workers[at].curve.upper())
    };
    let employed: Vec<usize> = (0..workers.len())
        .filter(|&at| shares[at].is_some())
        .collect();
    let total = |level| employed.iter().map(|&at| at_level(at, level)).sum::<u64>();
    let (mut below, mut above) = (0, u128::from(problem.n() + 1) * UNIT);
    if total(above) < problem.n() {
        return None;
    }
    while above - below > 1 {
        let level = below + (above - below) / 2;
        if total(level) <= problem.n() {
            below = level;
        } else {
            above = level;
        }
    }
    let mut left = problem.n().checked_sub(total(below))?;
    for &at in &employed {
        let share = at_level(at, below);
        let more = left.min(at_level(at, above) - share);
        shares[at] = Some(share + more);
        left -= more;
    }
    (left == 0).then_some(shares)
}

/// One step of a worker: one batch more, or its opening.
struct Step {
    added: i64,
    after: i64,
    batches: u64,
}

/// Gives the next step to the worker whose key, a ratio, is least.
fn stepped(problem: &CurveProblem, key: impl Fn(&Step) -> (i64, u64)) -> Option<Vec<Option<u64>>> {
    let workers = problem.workers();
    let (mut shares, mut left) = opened(problem)?;
    let mut employed = shares.iter().flatten().count() as u64;
    let next = |at: usize, share: Option<u64>| {
        let curve = &workers[at].curve;
        let step = match share {
            None => {
                let (cost, batches) = opening(&workers[at]);
                Step {
                    added: cost,
                    after: cost,
                    batches,
                }
            }
            Some(x) => {
                let after = curve.at(x + 1)?;
                Step {
                    added: after - curve.at(x)?,
                    after,
                    batches: 1,
                }
            }
        };
        let (value, per) = key(&step);
        Some(Reverse(Next {
            value,
            per: per.max(1),
            at,
            batches: step.batches,
        }))
    };
    let mut heap: BinaryHeap<Reverse<Next>> = (0..workers.len())
        .filter_map(|at| next(at, shares[at]))
        .collect();
    while left > 0 {
        let Reverse(Next { at, batches, .. }) = heap.pop()?;
        if shares[at].is_none() {
            if employed == problem.most() || batches > left {
                continue; // what is left only shrinks
            }
            employed += 1;
        }
        shares[at] = Some(shares[at].unwrap_or(0) + batches);
        left -= batches;
        heap.extend(next(at, shares[at]));
    }
    Some(shares)
}

/// A worker's next step, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Next {
    value: i64,
    per: u64,
    at: usize,
    batches: u64,
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> Ordering {
        ratio((self.value, self.per), (other.value, other.per)).then(self.at.cmp(&other.at))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Workers by what their next batch costs, each filled up.
fn filled(problem: &CurveProblem) -> Option<Vec<Option<u64>>> {
    let workers = problem.workers();
    let (mut shares, mut left) = opened(problem)?;
    let mut employed = shares.iter().flatten().count() as u64;
    let price = |at: usize| {
        let (curve, lower) = (&workers[at].curve, workers[at].curve.lower());
        match (curve.at(lower), curve.at(lower + 1), workers[at].may_idle) {
            (Some(before), Some(after), _) => (after - before, 1),
            (Some(before), None, true) => (before, lower.max(1)),
            _ => (0, 1),
        }
    };
    let mut order: Vec<usize> = (0..workers.len()).collect();
    order.sort_by(|&a, &b| ratio(price(a), price(b)));
    for at in order {
        let upper = workers[at].curve.upper();
        match shares[at] {
            Some(x) => {
                let more = left.min(upper - x);
                shares[at] = Some(x + more);
                left -= more;
            }
            None if employed < problem.most() && workers[at].curve.lower() <= left && left > 0 => {
                let share = left.min(upper);
                shares[at] = Some(share);
                left -= share;
                employed += 1;
            }
            None => {}
        }
    }
    (left == 0).then_some(shares)
}

/// Everybody idle or at a limit except one, at the least cost: divide and conquer leaves out each
/// worker in turn, and a dynamic programme over sums decides the others.
fn at_limits(problem: &CurveProblem) -> Option<Vec<Option<u64>>> {
    let n = problem.n() as usize;
    let mut start = vec![None; n + 1];
    start[0] = Some(0);
    let mut best = None;
    let all: Vec<usize> = (0..problem.workers().len()).collect();
    if all.is_empty() {
        return (n == 0).then(Vec::new);
    }
    leave_out(problem, &start, &all, &mut best);
    let (_, last, x) = best?;
    // The others again, with what they chose.
    let others: Vec<usize> = all.into_iter().filter(|&at| at != last).collect();
    let mut sums = start;
    let mut chosen = Vec::with_capacity(others.len());
    for &at in &others {
        let mut choices = vec![None; n + 1];
        sums = with_limits(problem, &sums, at, Some(&mut choices));
        chosen.push(choices);
    }
    let mut shares = vec![None; problem.workers().len()];
    shares[last] = x;
    let mut sum = n - x.unwrap_or(0) as usize;
    for (&at, choices) in others.iter().zip(&chosen).rev() {
        shares[at] = choices[sum];
        sum -= choices[sum].unwrap_or(0) as usize;
    }
    let employed = shares.iter().flatten().count() as u64;
    (problem.least()..=problem.most())
        .contains(&employed)
        .then_some(shares)
}

/// The cheapest found so far: its cost, the worker between limits, and its batches.
type Best = Option<(i128, usize, Option<u64>)>;

fn leave_out(problem: &CurveProblem, sums: &[Option<i128>], workers: &[usize], best: &mut Best) {
    if let [last] = workers {
        let worker = &problem.workers()[*last];
        for (sum, cost) in sums.iter().enumerate() {
            let Some(cost) = cost else { continue };
            let x = problem.n() - sum as u64;
            let idle = (x == 0 && worker.may_idle).then_some((0, None));
            let employed = worker.curve.at(x).map(|price| (price, Some(x)));
            for (price, x) in idle.into_iter().chain(employed) {
                let cost = cost + i128::from(price);
                if best.is_none_or(|best| cost < best.0) {
                    *best = Some((cost, *last, x));
                }
            }
        }
        return;
    }
    let (left, right) = workers.split_at(workers.len() / 2);
    for (inside, applied) in [(left, right), (right, left)] {
        let mut sums = sums.to_vec();
        for &at in applied {
            sums = with_limits(problem, &sums, at, None);
        }
        leave_out(problem, &sums, inside, best);
    }
}

/// The cheapest cost of every sum with one more worker, idle or at a limit.
fn with_limits(
    problem: &CurveProblem,
    sums: &[Option<i128>],
    at: usize,
    mut choices: Option<&mut Vec<Option<u64>>>,
) -> Vec<Option<i128>> {
    let worker = &problem.workers()[at];
    let mut next = if worker.may_idle {
        sums.to_vec()
    } else {
        vec![None; sums.len()]
    };
    for x in [worker.curve.lower(), worker.curve.upper()] {
        let Some(price) = worker.curve.at(x) else {
            continue;
        };
        for sum in x as usize..sums.len() {
            let Some(cost) = sums[sum - x as usize] else {
                continue;
            };
            let cost = cost + i128::from(price);
            if next[sum].is_none_or(|known| cost < known) {
                next[sum] = Some(cost);
                if let Some(choices) = choices.as_deref_mut() {
                    choices[sum] = Some(x);
                }
            }
        }
    }
    next
}
