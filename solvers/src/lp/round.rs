//! From the relaxation's solution to a plan.
//!
//! For a set of workers the cheapest plan is known: everyone gets a lot, the rest goes to the
//! cheapest first. So sets are compared, and the cheapest wins:
//!
//! 1. all that the relaxation gives anything, each now at least a lot;
//! 2. those that it gives at least a lot, and if they cannot take everything, the best exchange
//!    of one of them for one outside that lets them;
//! 3. as many of the largest as can be employed at once. They can take everything whenever
//!    there is a plan at all, so that there always is an answer.
//!
//! The exchange is the costliest part, `O(k²)` in all but contrived cases.

use scheduler::{Plan, Problem};

use super::relaxation::{Relaxation, Solution};

/// The cheapest of the plans that the sets give.
pub(super) fn cheapest(
    problem: &Problem,
    relaxation: &Relaxation,
    solution: &Solution,
) -> Option<Plan> {
    let given: Vec<bool> = solution.lots.iter().map(|&x| x > 0).collect();
    let whole: Vec<bool> = solution.lots.iter().map(|&x| x >= relaxation.lot).collect();
    let mut plans: Vec<Plan> = Vec::with_capacity(3);
    let mut consider = |set: &[bool]| {
        if let Some(batches) = fill(problem, relaxation, set) {
            plans.push(Plan::costed(problem, batches));
        }
    };
    consider(&given);
    if whole != given {
        match exchange(relaxation, &whole) {
            Some(exchanged) => consider(&exchanged),
            None => consider(&whole),
        }
    }
    if plans.is_empty() {
        plans.extend(
            fill(problem, relaxation, &largest(relaxation))
                .map(|batches| Plan::costed(problem, batches)),
        );
    }
    plans.into_iter().min_by_key(|plan| plan.cost)
}

/// The cheapest plan that employs exactly this set, if there is one.
fn fill(problem: &Problem, relaxation: &Relaxation, set: &[bool]) -> Option<Vec<u64>> {
    let Relaxation {
        n, lot, columns, ..
    } = relaxation;
    let employed = || columns.iter().zip(set).filter(|(_, is_in)| **is_in);
    let count = employed().count() as u64;
    let capacity: u64 = employed().map(|(column, _)| column.s_max).sum();
    if count < relaxation.beta || count > relaxation.most || capacity < *n {
        return None;
    }
    let mut left = n.checked_sub(count * lot)?;
    let mut batches = vec![0; problem.workers().len()];
    for (column, _) in employed() {
        let above = left.min(column.s_max - lot);
        batches[column.worker] = lot + above;
        left -= above;
    }
    Some(batches)
}

/// The set with one worker exchanged for one outside, so that it can take everything at the
/// least cost; `None` if it can already, or no exchange does it.
fn exchange(relaxation: &Relaxation, set: &[bool]) -> Option<Vec<bool>> {
    let columns = &relaxation.columns;
    let inside: Vec<usize> = (0..set.len()).filter(|&i| set[i]).collect();
    let capacity: u64 = inside.iter().map(|&i| columns[i].s_max).sum();
    let short = relaxation.n.checked_sub(capacity).filter(|&d| d > 0)?;
    let mut best: Option<(i128, usize, usize)> = None;
    for enters in (0..set.len()).filter(|&i| !set[i]) {
        for &leaves in &inside {
            let (new, old) = (&columns[enters], &columns[leaves]);
            let Some(spare) = new.s_max.checked_sub(old.s_max + short) else {
                continue;
            };
            let full = |column: &super::relaxation::Column| {
                i128::from(column.fee_micros) * i128::from(column.s_max)
            };
            let change = full(new) - full(old) - saved(relaxation, &inside, leaves, enters, spare);
            if best.is_none_or(|(least, ..)| change < least) {
                best = Some((change, leaves, enters));
            }
        }
    }
    let (_, leaves, enters) = best?;
    let mut exchanged = set.to_vec();
    exchanged[leaves] = false;
    exchanged[enters] = true;
    Some(exchanged)
}

/// What is saved by taking the spare batches from the most expensive workers, down to their lots, when
/// all in the exchanged set are full.
fn saved(
    relaxation: &Relaxation,
    inside: &[usize],
    leaves: usize,
    enters: usize,
    mut spare: u64,
) -> i128 {
    let mut saved = 0;
    let mut entering = Some(enters);
    let mut take = |i: usize, spare: &mut u64| {
        let column = &relaxation.columns[i];
        let taken = (*spare).min(column.s_max - relaxation.lot);
        saved += i128::from(column.fee_micros) * i128::from(taken);
        *spare -= taken;
    };
    for &i in inside.iter().rev().filter(|&&i| i != leaves) {
        if spare == 0 {
            break;
        }
        if let Some(entered) = entering.take_if(|entered| *entered > i) {
            take(entered, &mut spare);
        }
        take(i, &mut spare);
    }
    if let Some(entered) = entering {
        take(entered, &mut spare);
    }
    saved
}

/// As many of the largest as can be employed at once.
fn largest(relaxation: &Relaxation) -> Vec<bool> {
    let columns = &relaxation.columns;
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(columns[i].s_max), i));
    let employable = (relaxation.n / relaxation.lot).min(relaxation.most);
    let mut set = vec![false; columns.len()];
    for (_, i) in (0..employable).zip(order) {
        set[i] = true;
    }
    set
}
