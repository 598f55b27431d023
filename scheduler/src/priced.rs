//! Problems in which workers have terms: as curves, and as fees that are too low.
//!
//! With a charge, tiers or a lot of its own a worker's cost is a curve. An exact answer comes from
//! the problem with curves; a bound, from one with fees that no worker's cost falls below.

use crate::curve::{Curve, CurveError, CurveProblem, CurveWorker};
use crate::money::{Cost, Fee};
use crate::problem::{Problem, Worker};

impl Problem {
    /// The batches between which a worker's cost is a straight line: its least, the ends of its tiers,
    /// and the most that it can be given. Empty if it cannot be employed.
    fn corners(&self, worker: usize) -> Vec<u64> {
        let (least, most) = (
            self.lot_of(worker),
            self.workers()[worker].s_max.min(self.n()),
        );
        if least > most {
            return Vec::new();
        }
        let tiers = self.terms().map_or(&[][..], |terms| &terms[worker].tiers);
        let mut corners = vec![least];
        let inner = tiers.iter().map(|tier| tier.after);
        corners.extend(inner.filter(|&after| least < after && after < most));
        if most > least {
            corners.push(most);
        }
        corners
    }

    /// The same problem with curves, and the place of each of its workers here: those that can be
    /// employed. There must be batches, and no more workers demanded than may be employed.
    ///
    /// # Errors
    /// When it has more workers, or larger costs, than a problem with curves takes.
    pub fn curves(&self) -> Result<(CurveProblem, Vec<usize>), CurveError> {
        let (mut places, mut workers) = (Vec::new(), Vec::new());
        for worker in 0..self.workers().len() {
            let corners = self.corners(worker);
            if corners.is_empty() {
                continue;
            }
            let point = |batches: u64| {
                let cost = self.cost_of(worker, batches).micros();
                (batches, i64::try_from(cost).unwrap_or(i64::MAX))
            };
            places.push(worker);
            workers.push(CurveWorker {
                curve: Curve::points(corners.into_iter().map(point).collect())?,
                may_idle: true,
            });
        }
        let most = self.most_employed().min(workers.len() as u64);
        let problem = CurveProblem::new(self.n(), self.beta().max(1), most, workers)?;
        Ok((problem, places))
    }

    /// A problem with fees alone of which no plan costs more than the same plan here; `None` if this has
    /// nothing else.
    pub(crate) fn relaxed(&self) -> Option<Self> {
        self.terms()?;
        let worker = |(at, worker): (usize, &Worker)| {
            // Between corners the cost of a batch rises or falls all the way: at one of them it is least.
            let each = self.corners(at).into_iter().map(|batches| {
                let cost = self.cost_of(at, batches);
                cost.micros() / u128::from(batches)
            });
            let least = each.min();
            let fee = least.and_then(|micros| Fee::from_micros(micros.try_into().ok()?));
            Worker {
                s_max: if least.is_some() { worker.s_max } else { 0 },
                fee: fee.unwrap_or(Fee::MAX),
            }
        };
        let workers = self.workers().iter().enumerate().map(worker).collect();
        Some(self.clone().with_workers(workers))
    }

    /// The part of a plan's cost that is charges for employing workers.
    pub fn charges(&self, batches: &[u64]) -> Cost {
        let terms = self.terms().unwrap_or_default().iter().zip(batches);
        terms
            .filter(|(_, x)| **x > 0)
            .map(|(terms, _)| terms.charge)
            .sum()
    }
}
