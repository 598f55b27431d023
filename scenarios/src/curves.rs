//! The seeded families of problems with curves. [`Family`](crate::Family) names them.

use scheduler::{Curve, CurveProblem, CurveWorker};

use crate::draw::Draws;

/// Micro-units in a cent.
const CENT: u64 = 10_000;

/// Tables with marginal costs that rise.
pub(crate) fn convex(draws: &mut Draws) -> CurveProblem {
    let mut marginal = |draws: &mut Draws, count: u64| {
        let mut costs: Vec<u64> = (0..count).map(|_| draws.between(1, 2_000) * CENT).collect();
        costs.sort_unstable();
        costs
    };
    tables(draws, &mut marginal)
}

/// Tables with marginal costs that fall.
pub(crate) fn concave(draws: &mut Draws) -> CurveProblem {
    let mut marginal = |draws: &mut Draws, count: u64| {
        let mut costs: Vec<u64> = (0..count).map(|_| draws.between(1, 2_000) * CENT).collect();
        costs.sort_unstable_by(|a, b| b.cmp(a));
        costs
    };
    tables(draws, &mut marginal)
}

/// Everybody takes part, from a lower to an upper limit, at marginal costs that `marginal` draws.
fn tables(
    draws: &mut Draws,
    marginal: &mut dyn FnMut(&mut Draws, u64) -> Vec<u64>,
) -> CurveProblem {
    let k = draws.between(5, 60);
    let workers = (0..k).map(|_| {
        let (lower, width) = (draws.between(0, 5), draws.between(10, 200));
        let mut costs = vec![draws.between(0, 2_000) * CENT];
        for cost in marginal(draws, width) {
            costs.push(costs[costs.len() - 1] + cost);
        }
        forced(lower, &costs)
    });
    let workers = workers.collect();
    everybody(draws, workers)
}

/// Unrelated costs, as in the papers.
pub(crate) fn arbitrary(draws: &mut Draws) -> CurveProblem {
    let k = draws.between(5, 60);
    let workers = (0..k).map(|_| {
        let (lower, width) = (draws.between(0, 5), draws.between(10, 200));
        let costs: Vec<u64> = (0..=width)
            .map(|_| draws.between(0, 500_000) * CENT)
            .collect();
        forced(lower, &costs)
    });
    let workers = workers.collect();
    everybody(draws, workers)
}

/// Two to five straight pieces, one after the other, each with a jump before it now and then. Workers may be idle,
/// and in half of the tests the number of the employed is bounded.
pub(crate) fn tiered(draws: &mut Draws) -> CurveProblem {
    let k = draws.between(5, 60);
    let mut capacity = 0;
    let workers: Vec<CurveWorker> = (0..k)
        .map(|_| {
            let mut at = (draws.between(1, 20), draws.between(0, 20_000) * CENT);
            let mut points = vec![point(at)];
            for _ in 0..draws.between(2, 5) {
                let (width, fee) = (draws.between(10, 20_000), draws.between(1, 2_000) * CENT);
                if draws.between(0, 2) == 0 {
                    at = (at.0 + 1, at.1 + draws.between(0, 20_000) * CENT);
                    points.push(point(at));
                }
                at = (at.0 + width, at.1 + fee * width);
                points.push(point(at));
            }
            capacity += at.0;
            let curve = Curve::points(points).expect("slopes are whole cents");
            CurveWorker {
                curve,
                may_idle: true,
            }
        })
        .collect();
    let n = draws.between(1, capacity);
    let (mut least, mut most) = (0, k);
    if draws.between(0, 1) == 0 {
        most = draws.between(1, k);
        least = draws.between(0, most);
    }
    CurveProblem::new(n, least, most, workers).expect("within all bounds")
}

fn point((batches, cost): (u64, u64)) -> (u64, i64) {
    (batches, cost.cast_signed())
}

fn forced(lower: u64, costs: &[u64]) -> CurveWorker {
    let costs = costs.iter().map(|cost| cost.cast_signed()).collect();
    CurveWorker {
        curve: Curve::table(lower, costs).expect("costs are far below their bound"),
        may_idle: false,
    }
}

/// As many batches as lie between what all must and can take.
fn everybody(draws: &mut Draws, workers: Vec<CurveWorker>) -> CurveProblem {
    let ends = |end: fn(&Curve) -> u64| workers.iter().map(|it| end(&it.curve)).sum::<u64>();
    let n = draws.between(ends(Curve::lower), ends(Curve::upper));
    let k = workers.len() as u64;
    CurveProblem::new(n, 0, k, workers).expect("within all bounds")
}
