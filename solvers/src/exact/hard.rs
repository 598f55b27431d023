//! The hard region: exactly `R` workers to choose, of capacity at least n, where the `R` cheapest
//! have less.
//!
//! With `R = r − 1`, first the plan of the `r` cheapest, where their lots fit, against the bound at
//! `λ = c_r`. There the relaxation's best set is the `R` cheapest, so deciding which workers are certain
//! only looks at the neighbours of `r`, and most often leaves a handful of workers. What is left goes
//! through the relaxation at its best multiplier, the search, and the dynamic programme. So does all of
//! it where the number of employed workers is limited to fewer than `r`.

use scheduler::{Certificate, Cost, Planned};

use super::budget::Budget;
use super::relaxation::{Gain, Relaxation, fraction_bits, round_up};
use super::sets::{Candidate, Cheapest, Decided, Frame, Incumbent};
use super::{programme, search};

/// Buffers that are kept between problems.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    undecided: Vec<Candidate>,
    gains: Vec<Gain>,
    member: Vec<bool>,
}

/// Plans a feasible problem of the hard region that employs `r` or exactly `r − 1` workers: the
/// `cheapest` and one more, or as many as they are.
pub(super) fn solve(
    frame: Frame<'_>,
    cheapest: &Cheapest,
    budget: Budget,
    buffers: &mut Buffers,
) -> Planned {
    let r = cheapest.count + 1;
    if frame.lot * r as u64 > frame.n {
        return exactly(frame, cheapest, budget, buffers);
    }
    let (cost, bound) = all_cheapest(&frame, cheapest);
    if cost == bound {
        let plan = frame.plan(cheapest, (r, r), |_| true);
        return Planned::bounded(plan, Cost::from_micros(bound), Certificate::Root);
    }
    let mut decided = Decided {
        missing: cheapest.count,
        capacity: 0,
        cost: 0,
    };
    buffers.undecided.clear();
    sweep_neighbours(
        &frame,
        cheapest,
        cost - bound,
        &mut buffers.undecided,
        &mut decided,
    );
    let incumbent = Some(Incumbent {
        cost,
        employed: r,
        member: vec![true; r],
    });
    choose(frame, cheapest, decided, incumbent, budget, buffers)
}

/// Plans a feasible problem that employs exactly as many workers as the `cheapest` are.
pub(super) fn exactly(
    frame: Frame<'_>,
    cheapest: &Cheapest,
    budget: Budget,
    buffers: &mut Buffers,
) -> Planned {
    let decided = Decided {
        missing: cheapest.count,
        capacity: 0,
        cost: 0,
    };
    let undecided = &mut buffers.undecided;
    undecided.clear();
    undecided.extend((0..frame.ranked.len()).map(|position| frame.candidate(position)));
    choose(frame, cheapest, decided, None, budget, buffers)
}

/// Chooses among the undecided workers in the buffers.
fn choose(
    frame: Frame<'_>,
    cheapest: &Cheapest,
    decided: Decided,
    mut incumbent: Option<Incumbent>,
    budget: Budget,
    buffers: &mut Buffers,
) -> Planned {
    let answer = |incumbent: Incumbent, bound: u128, certificate| {
        let Incumbent {
            member, employed, ..
        } = &incumbent;
        let plan = frame.plan(cheapest, (*employed, member.len()), |at| member[at]);
        debug_assert_eq!(
            plan.cost.micros(),
            incumbent.cost,
            "the set's cost is its plan's"
        );
        Planned::bounded(plan, Cost::from_micros(bound), certificate)
    };
    let undecided = &mut buffers.undecided;
    let member = &mut buffers.member;
    member.clear();
    let all = undecided.last().map_or(0, |last| last.position + 1);
    member.resize(all.max(cheapest.count + 1), false);
    member[..cheapest.count].fill(true);
    for candidate in undecided.iter() {
        member[candidate.position] = false;
    }
    let mut relaxation = Relaxation {
        frame,
        decided,
        candidates: undecided,
        gains: &mut buffers.gains,
        member,
        fraction_bits: fraction_bits(&frame),
        floor: frame.ranked.fee(cheapest.count),
    };
    let Some(bound) = relaxation.tighten(&mut incumbent) else {
        // No other set of R workers can be cheaper or large enough.
        let incumbent = incumbent.expect("a feasible problem has a set of r or of r − 1 workers");
        let cost = incumbent.cost;
        return answer(incumbent, cost, Certificate::Root);
    };
    let mut incumbent = incumbent.expect("the largest workers reach n");
    let fraction_bits = relaxation.fraction_bits;
    let lower_bound = round_up(bound.scaled, fraction_bits);
    if lower_bound >= incumbent.cost {
        let cost = incumbent.cost;
        return answer(incumbent, cost, Certificate::Root);
    }

    let core = relaxation.core(&bound, incumbent.cost);
    if search::run(
        &frame,
        &core,
        relaxation.member,
        &mut incumbent,
        budget.nodes,
    ) {
        let cost = incumbent.cost;
        return answer(incumbent, cost, Certificate::Search);
    }
    if programme::run(&frame, &core, relaxation.member, &mut incumbent, budget) {
        let cost = incumbent.cost;
        return answer(incumbent, cost, Certificate::DynamicProgramme);
    }
    // The plan may have come down to the root's bound meanwhile.
    let lower_bound = lower_bound.min(incumbent.cost);
    answer(incumbent, lower_bound, Certificate::Root)
}

/// The cost of the plan of the `r` cheapest, and the bound at `λ = c_r`.
fn all_cheapest(frame: &Frame<'_>, cheapest: &Cheapest) -> (u128, u128) {
    let fee = u128::from(frame.ranked.fee(cheapest.count));
    let missing = frame.n - cheapest.capacity;
    let bound = cheapest.cost + fee * u128::from(missing);
    // The most expensive worker gets a lot, and cheaper ones get less by the surplus.
    let mut cost = cheapest.cost + fee * u128::from(frame.lot);
    let mut surplus = frame.lot - missing;
    let mut position = cheapest.count;
    while surplus > 0 {
        position -= 1;
        let less = surplus.min(frame.ranked.s_max(position) - frame.lot);
        cost -= u128::from(less) * u128::from(frame.ranked.fee(position));
        surplus -= less;
    }
    (cost, bound)
}

/// Decides all but the neighbours of `r`, from the bound at `λ = c_r`, where worker `r` gains
/// nothing, cheaper ones gain `(c_r − c_i)·s_i` and more expensive ones lose `(c_i − c_r)·m`.
fn sweep_neighbours(
    frame: &Frame<'_>,
    cheapest: &Cheapest,
    gap: u128,
    undecided: &mut Vec<Candidate>,
    decided: &mut Decided,
) {
    let lambda = frame.ranked.fee(cheapest.count);
    let lot = u128::from(frame.lot);
    let at_least = |fee: u64| u128::from(lambda.abs_diff(fee)) * lot;

    // Leaving out a cheaper one costs its whole gain.
    let mut least_in = u128::MAX;
    let (mut capacity, mut cost) = (0, 0);
    for position in (0..cheapest.count).rev() {
        let candidate = frame.candidate(position);
        let floor = at_least(candidate.fee);
        if floor >= gap && floor >= least_in {
            break; // even the smallest capacity gains too much from here on
        }
        let gain = u128::from(lambda - candidate.fee) * u128::from(candidate.s_max);
        least_in = least_in.min(gain);
        if gain < gap {
            capacity += candidate.s_max;
            cost += u128::from(candidate.fee) * u128::from(candidate.s_max);
            undecided.push(candidate);
        }
    }
    undecided.reverse();
    decided.missing = undecided.len();
    decided.capacity = cheapest.capacity - capacity;
    decided.cost = cheapest.cost - cost;

    // Taking in a more expensive one costs its loss and the least gain that makes room for it.
    for position in cheapest.count..frame.ranked.len() {
        if least_in.saturating_add(at_least(frame.ranked.fee(position))) >= gap {
            break;
        }
        undecided.push(frame.candidate(position));
    }
}
