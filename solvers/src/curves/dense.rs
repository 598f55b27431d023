//! The plain dynamic programme over every number of batches and every count: what the passes turn to
//! where a problem defeats the bound.

use super::dual::Choice;
use super::work::Prepared;

/// The most that it may hold, in entries of four bytes.
const MOST_ENTRIES: u64 = 1 << 26;

/// The most steps it may take.
const MOST_STEPS: u64 = 1 << 33;

/// How many steps it takes, if that is within bounds.
pub(super) fn steps(prepared: &Prepared<'_>) -> Option<u64> {
    let sums = prepared.n as u64 + 1;
    let cells = sums.checked_mul(counts(prepared) as u64)?;
    let widths: u64 = prepared
        .works
        .iter()
        .map(|work| (work.upper - work.lower) as u64 + 2)
        .sum();
    let entries = cells.checked_mul(prepared.works.len() as u64)?;
    let steps = cells.checked_mul(widths)?;
    (entries <= MOST_ENTRIES && steps <= MOST_STEPS).then_some(steps)
}

/// The numbers of employed workers that are told apart.
fn counts(prepared: &Prepared<'_>) -> usize {
    let works = &prepared.works;
    let forced = works.iter().filter(|work| !work.optional).count();
    if prepared.least <= forced && prepared.most >= works.len() {
        1
    } else {
        prepared.most + 1
    }
}

/// The cheapest plan, if there is one.
pub(super) fn solve(prepared: &Prepared<'_>, any: &Choice) -> Option<Choice> {
    let (n, counts) = (prepared.n as usize, counts(prepared));
    let cell = |count: usize, sum: usize| count * (n + 1) + sum;
    let mut costs: Vec<Option<i128>> = vec![None; counts * (n + 1)];
    costs[0] = Some(0);
    // For each worker and cell: 0 is idle, x + 1 is employed with x.
    let mut choices: Vec<Vec<u32>> = Vec::with_capacity(prepared.works.len());
    for work in &prepared.works {
        let mut next: Vec<Option<i128>> = vec![None; costs.len()];
        let mut choice = vec![0_u32; costs.len()];
        if work.optional {
            next.clone_from(&costs);
        }
        let prices: Vec<i64> = (work.lower..=work.upper)
            .filter_map(|x| work.at(x))
            .collect();
        for count in 0..counts {
            let more = if counts == 1 { 0 } else { count + 1 };
            if more >= counts {
                continue;
            }
            for sum in 0..=n {
                let Some(cost) = costs[cell(count, sum)] else {
                    continue;
                };
                for (x, &price) in (work.lower as usize..).zip(&prices) {
                    if sum + x > n {
                        break;
                    }
                    let (to, cost) = (cell(more, sum + x), cost + i128::from(price));
                    if next[to].is_none_or(|known| cost < known) {
                        next[to] = Some(cost);
                        choice[to] = x as u32 + 1;
                    }
                }
            }
        }
        costs = next;
        choices.push(choice);
    }
    let ends = if counts == 1 {
        0..=0
    } else {
        prepared.least..=prepared.most
    };
    let ends = ends.filter_map(|count| Some((costs[cell(count, n)]?, count)));
    let (_, mut count) = ends.min()?;
    let (mut sum, mut best) = (n, any.clone());
    for (worker, choice) in choices.iter().enumerate().rev() {
        let x = (choice[cell(count, sum)] as usize).checked_sub(1);
        best.set(&prepared.works, worker, x.map(|x| x as i64));
        sum -= x.unwrap_or(0);
        count -= usize::from(counts > 1 && x.is_some());
    }
    Some(best)
}
