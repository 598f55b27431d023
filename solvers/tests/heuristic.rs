//! The heuristic against the thesis program's own steps, subsets enumerated as it did.

mod common;

use common::{cost, hard_problems, known_answers, oracle, small_problems};
use proptest::prelude::*;
use scheduler::Problem;
use solvers::{Allocator, Heuristic};

/// The thesis program's algorithm step by step, exponential as it was. A donor keeps at least one batch.
fn thesis(problem: &Problem) -> Option<Vec<u64>> {
    let (n, lot, workers) = (problem.n(), problem.lot(), problem.workers());
    let beta = problem.beta() as usize;
    if problem.is_empty() {
        return Some(vec![0; workers.len()]);
    }
    let mut order: Vec<usize> = (0..workers.len()).collect();
    order.retain(|&i| problem.is_eligible(&workers[i]));
    order.sort_by_key(|&i| workers[i].fee);
    let capacity = |set: &[usize]| set.iter().map(|&i| workers[i].s_max).sum::<u64>();
    let most = (n / lot) as usize;
    if order.len() > most {
        order = first_combination(&order, most, &|set| capacity(set) >= n)?;
    }
    if order.len() < beta.max(1) || capacity(&order) < n || n < lot * beta as u64 {
        return None;
    }
    let mut x = vec![0; order.len()];
    let mut rest = n;
    for (rank, &i) in order.iter().enumerate() {
        x[rank] = workers[i].s_max.min(rest);
        rest -= x[rank];
    }
    let assigned = x.iter().filter(|&&x| x > 0).count();
    loop {
        let complete = x.iter().take_while(|&&x| x >= lot).count();
        if complete >= assigned.max(beta) {
            break;
        }
        for donor in (0..complete).rev() {
            let lacking = lot - x[complete];
            let given = (x[donor] - lot).min(lacking);
            x[donor] -= given;
            x[complete] += given;
        }
    }
    let mut batches = vec![0; workers.len()];
    for (rank, &i) in order.iter().enumerate() {
        batches[i] = x[rank];
    }
    Some(batches)
}

fn first_combination(
    order: &[usize],
    size: usize,
    accept: &dyn Fn(&[usize]) -> bool,
) -> Option<Vec<usize>> {
    fn extend(
        rest: &[usize],
        size: usize,
        chosen: &mut Vec<usize>,
        accept: &dyn Fn(&[usize]) -> bool,
    ) -> bool {
        if chosen.len() == size {
            return accept(chosen);
        }
        for at in 0..rest.len() {
            chosen.push(rest[at]);
            if extend(&rest[at + 1..], size, chosen, accept) {
                return true;
            }
            chosen.pop();
        }
        false
    }
    let mut chosen = Vec::new();
    extend(order, size, &mut chosen, accept).then_some(chosen)
}

fn check(problem: &Problem) -> Result<(), TestCaseError> {
    let outcome = Heuristic::default().measure(problem).outcome;
    let batches = outcome
        .planned()
        .map(|planned| planned.plan.batches.clone());
    prop_assert_eq!(batches, thesis(problem));
    match oracle(problem) {
        Some(optimum) => prop_assert!(cost(&outcome).is_ok_and(|cost| cost >= optimum)),
        None => prop_assert_eq!(
            outcome.reason(),
            problem
                .infeasibility()
                .map(|infeasible| infeasible.reason())
        ),
    }
    Ok(())
}

#[test]
fn known_answers_are_those_of_the_thesis() {
    for known in known_answers() {
        let outcome = Heuristic::default().measure(&known.problem).outcome;
        match (known.thesis, known.optimum) {
            (Some(units), _) => assert_eq!(cost(&outcome), Ok(units * 1_000_000)),
            (None, Err(reason)) => assert_eq!(cost(&outcome), Err(reason)),
            // Where the thesis program's answer is no valid plan, ours is one.
            (None, Ok(_)) => assert!(outcome.planned().is_some()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn small_problems_get_the_plan_of_the_thesis(problem in small_problems()) {
        check(&problem)?;
    }

    #[test]
    fn hard_problems_get_the_plan_of_the_thesis(problem in hard_problems()) {
        check(&problem)?;
    }
}
