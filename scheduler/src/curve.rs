//! Allocation where what a worker costs is any function of its batches.
//!
//! Give each worker `i` a number of batches `x_i` within its limits, or leave it idle if it may be,
//! so that `Σ f_i(x_i)` over the employed workers is least, subject to `Σ x_i = n` and a least and a
//! most number of employed workers. `f_i` is a [`Curve`]: integers in micro-units, given as a table
//! or as points with straight lines between them. An idle worker costs nothing and has no batches;
//! one that is employed may have none either, where its curve begins at 0.

use crate::limits::{MAX_BATCHES, MAX_N};
use crate::money::Fee;
use crate::problem::{Problem, Worker};

/// The most workers of a problem with curves.
pub const MAX_CURVE_WORKERS: usize = 10_000;

/// The largest cost on a curve, in micro-units, either sign: a million million units.
pub const MAX_CURVE_COST: i64 = 1_000_000_000_000_000_000;

/// What a worker costs by its number of batches, from its lower to its upper limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    shape: Shape,
    /// The largest cost, either sign.
    largest: i64,
    /// Whether one more batch costs less somewhere.
    falls: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// The costs of `first`, `first + 1`, …
    Table { first: u64, costs: Vec<i64> },
    /// Straight lines between points, whose slopes are whole micro-units per batch.
    Points(Vec<(u64, i64)>),
}

impl Curve {
    /// The costs in micro-units of `first` batches, of one more, and so on.
    ///
    /// # Errors
    /// When there are none, or a number is out of bounds.
    pub fn table(first: u64, costs: Vec<i64>) -> Result<Self, CurveError> {
        let last = first.saturating_add(costs.len() as u64).saturating_sub(1);
        if costs.is_empty() {
            return Err(CurveError::Empty);
        }
        if last > MAX_BATCHES {
            return Err(CurveError::Batches { batches: last });
        }
        let bad = costs.iter().position(|&cost| !is_within(cost));
        match bad {
            Some(at) => Err(CurveError::Cost {
                batches: first + at as u64,
            }),
            None => Ok(Self::of(Shape::Table { first, costs })),
        }
    }

    /// Straight lines between points `(batches, cost in micro-units)`, in the order of their batches.
    ///
    /// # Errors
    /// When there are none, they are out of order or bounds, or a line does not rise or fall by whole
    /// micro-units per batch: then more points are needed.
    pub fn points(points: Vec<(u64, i64)>) -> Result<Self, CurveError> {
        let (Some(&(first, _)), Some(&(last, _))) = (points.first(), points.last()) else {
            return Err(CurveError::Empty);
        };
        if last > MAX_BATCHES {
            return Err(CurveError::Batches { batches: last });
        }
        if let Some(&(batches, _)) = points.iter().find(|point| !is_within(point.1)) {
            return Err(CurveError::Cost { batches });
        }
        for pair in points.windows(2) {
            let ((from, before), (to, after)) = (pair[0], pair[1]);
            if from >= to {
                return Err(CurveError::Order { batches: to });
            }
            if (after - before) % (to - from) as i64 != 0 {
                return Err(CurveError::Slope {
                    from,
                    to,
                    by: after - before,
                });
            }
        }
        if last - first + 1 == points.len() as u64 {
            let costs = points.into_iter().map(|point| point.1).collect();
            return Ok(Self::of(Shape::Table { first, costs }));
        }
        Ok(Self::of(Shape::Points(points)))
    }

    /// For costs within their bounds.
    fn of(shape: Shape) -> Self {
        let (mut largest, mut falls, mut before) = (0, false, i64::MIN);
        let mut look = |cost: i64| {
            largest = largest.max(cost.abs());
            falls |= cost < before;
            before = cost;
        };
        match &shape {
            Shape::Table { costs, .. } => costs.iter().for_each(|&cost| look(cost)),
            Shape::Points(points) => points.iter().for_each(|point| look(point.1)),
        }
        Self {
            shape,
            largest,
            falls,
        }
    }

    /// The least number of batches.
    pub fn lower(&self) -> u64 {
        match &self.shape {
            Shape::Table { first, .. } => *first,
            Shape::Points(points) => points[0].0,
        }
    }

    /// The largest number of batches.
    pub fn upper(&self) -> u64 {
        match &self.shape {
            Shape::Table { first, costs } => first + costs.len() as u64 - 1,
            Shape::Points(points) => points[points.len() - 1].0,
        }
    }

    /// The cost of this number of batches in micro-units, if the number is within the limits.
    pub fn at(&self, batches: u64) -> Option<i64> {
        match &self.shape {
            Shape::Table { first, costs } => {
                let index = usize::try_from(batches.checked_sub(*first)?).ok()?;
                costs.get(index).copied()
            }
            Shape::Points(points) => {
                let next = points.partition_point(|point| point.0 < batches);
                let &(to, after) = points.get(next)?;
                if to == batches {
                    return Some(after);
                }
                let &(from, before) = points.get(next.checked_sub(1)?)?;
                let slope = (after - before) / (to - from) as i64;
                Some(before + slope * (batches - from) as i64)
            }
        }
    }

    /// The largest of its costs, either sign.
    pub const fn largest(&self) -> i64 {
        self.largest
    }

    /// Whether one more batch costs less somewhere.
    pub const fn falls(&self) -> bool {
        self.falls
    }

    /// The least number of batches and the costs from there, if all of them are given.
    pub fn as_table(&self) -> Option<(u64, &[i64])> {
        match &self.shape {
            Shape::Table { first, costs } => Some((*first, costs)),
            Shape::Points(_) => None,
        }
    }

    /// The points between which it is straight.
    pub fn to_points(&self) -> Vec<(u64, i64)> {
        match &self.shape {
            Shape::Table { first, costs } => (*first..).zip(costs.iter().copied()).collect(),
            Shape::Points(points) => points.clone(),
        }
    }

    /// The same curve within narrower limits, or `None` if nothing is left of it.
    #[must_use]
    pub fn within(&self, lower: u64, upper: u64) -> Option<Self> {
        let (lower, upper) = (lower.max(self.lower()), upper.min(self.upper()));
        if lower > upper {
            return None;
        }
        let shape = match &self.shape {
            Shape::Table { first, costs } => {
                let costs = costs[(lower - first) as usize..=(upper - first) as usize].to_vec();
                Shape::Table {
                    first: lower,
                    costs,
                }
            }
            Shape::Points(points) => {
                let inner = points
                    .iter()
                    .filter(|point| lower < point.0 && point.0 < upper);
                let mut kept = vec![(lower, self.at(lower)?)];
                kept.extend(inner);
                if upper > lower {
                    kept.push((upper, self.at(upper)?));
                }
                return Self::points(kept).ok();
            }
        };
        Some(Self::of(shape))
    }
}

fn is_within(cost: i64) -> bool {
    (-MAX_CURVE_COST..=MAX_CURVE_COST).contains(&cost)
}

/// One machine with a curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurveWorker {
    /// What it costs, and its limits.
    pub curve: Curve,
    /// Whether it may be left idle, which costs nothing.
    pub may_idle: bool,
}

/// A valid problem of allocation by curves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurveProblem {
    n: u64,
    least: u64,
    most: u64,
    workers: Vec<CurveWorker>,
}

impl CurveProblem {
    /// States a problem: `n` batches, `least` to `most` employed workers.
    ///
    /// # Errors
    /// When a number is out of bounds, or more workers must be employed than may be.
    pub fn new(
        n: u64,
        least: u64,
        most: u64,
        workers: Vec<CurveWorker>,
    ) -> Result<Self, CurveError> {
        if n > MAX_N {
            return Err(CurveError::Data { n });
        }
        let count = workers.len();
        if count > MAX_CURVE_WORKERS {
            return Err(CurveError::Workers { count });
        }
        let forced = workers.iter().filter(|worker| !worker.may_idle).count() as u64;
        if most < least.max(forced) {
            return Err(CurveError::Employed {
                least: least.max(forced),
                most,
            });
        }
        Ok(Self {
            n,
            least,
            most,
            workers,
        })
    }

    /// Batches to hand out in all.
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// The least number of employed workers.
    pub const fn least(&self) -> u64 {
        self.least
    }

    /// The largest number of employed workers.
    pub const fn most(&self) -> u64 {
        self.most
    }

    /// The workers, in the order that schedules follow.
    pub fn workers(&self) -> &[CurveWorker] {
        &self.workers
    }

    /// The nearest problem with fees, for figures about problems: limits as capacities, and as a fee what a
    /// batch costs at the upper limit.
    pub fn outline(&self) -> Problem {
        let lower = self.workers.iter().map(|worker| worker.curve.lower()).min();
        let workers = self.workers.iter().map(|worker| {
            let s_max = worker.curve.upper();
            let cost = worker.curve.at(s_max).unwrap_or(0).max(0) as u64;
            let fee = Fee::from_micros(cost / s_max.max(1)).unwrap_or(Fee::MAX);
            Worker { s_max, fee }
        });
        let most = self.workers.len() as u64;
        let (least, lower) = (self.least.min(most), lower.unwrap_or(0));
        Problem::new(self.n, lower, least, workers.collect()).unwrap_or_else(|_| {
            unreachable!("a problem with curves is within the bounds of one with fees")
        })
    }

    /// The schedule with these batches, where 0 leaves a worker idle that may be. `None` if they are not
    /// within the limits of all workers.
    pub fn schedule(&self, batches: &[u64]) -> Option<Schedule> {
        if batches.len() != self.workers.len() {
            return None;
        }
        let (mut shares, mut cost) = (Vec::with_capacity(batches.len()), 0);
        for (worker, &x) in self.workers.iter().zip(batches) {
            let share = (x > 0 || !worker.may_idle).then_some(x);
            if let Some(x) = share {
                cost += i128::from(worker.curve.at(x)?);
            }
            shares.push(share);
        }
        Some(Schedule {
            batches: shares,
            cost,
        })
    }
}

/// A problem of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Case {
    /// Every worker has a fee per batch.
    Fees(Problem),
    /// What a worker costs is given by points.
    Curves(CurveProblem),
}

/// Who is employed, with how many batches, and what that costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Batches of each worker; `None` is an idle one.
    pub batches: Vec<Option<u64>>,
    /// The sum of their costs, in micro-units.
    pub cost: i128,
}

impl Schedule {
    /// Checks every constraint of the problem, and the cost.
    ///
    /// # Errors
    /// The first constraint that does not hold.
    pub fn verify(&self, problem: &CurveProblem) -> Result<(), CurveViolation> {
        if self.batches.len() != problem.workers.len() {
            return Err(CurveViolation::Length);
        }
        let (mut total, mut employed, mut cost) = (0_u64, 0, 0_i128);
        for (worker, (batches, it)) in self.batches.iter().zip(&problem.workers).enumerate() {
            match *batches {
                None if it.may_idle => {}
                None => return Err(CurveViolation::Idle { worker }),
                Some(x) => {
                    let price = it.curve.at(x).ok_or(CurveViolation::Limits { worker, x })?;
                    total += x;
                    employed += 1;
                    cost += i128::from(price);
                }
            }
        }
        if total != problem.n {
            return Err(CurveViolation::Total {
                total,
                n: problem.n,
            });
        }
        if !(problem.least..=problem.most).contains(&employed) {
            let (least, most) = (problem.least, problem.most);
            return Err(CurveViolation::Employed {
                employed,
                least,
                most,
            });
        }
        if cost != self.cost {
            return Err(CurveViolation::Cost {
                stated: self.cost,
                actual: cost,
            });
        }
        Ok(())
    }
}

/// Why numbers do not make a curve or a problem with curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CurveError {
    /// A curve without a point.
    #[error("a curve has no point, expected at least one")]
    Empty,
    /// A number of batches is out of bounds.
    #[error("a curve reaches to {batches} batches, expected at most {MAX_BATCHES}")]
    Batches {
        /// What it was.
        batches: u64,
    },
    /// A cost is out of bounds.
    #[error("the cost of {batches} batches is too large, expected at most 1000000000000")]
    Cost {
        /// Where.
        batches: u64,
    },
    /// Points are not in the order of their batches.
    #[error(
        "the point at {batches} batches does not come after the one before, expected points in order"
    )]
    Order {
        /// The second of the two.
        batches: u64,
    },
    /// Between two points the cost of a batch is no whole number of micro-units.
    #[error(
        "from {from} to {to} batches the cost changes by {by} micro-units, which is no whole number \
         per batch: give the points between them too"
    )]
    Slope {
        /// The first point's batches.
        from: u64,
        /// The second point's.
        to: u64,
        /// The difference of their costs.
        by: i64,
    },
    /// Too many batches.
    #[error("n is {n}, expected at most {MAX_N}")]
    Data {
        /// What it was.
        n: u64,
    },
    /// Too many workers.
    #[error(
        "there are {count} workers, expected at most {MAX_CURVE_WORKERS} where costs are given by points"
    )]
    Workers {
        /// How many there are.
        count: usize,
    },
    /// More workers must be employed than may be.
    #[error("{least} workers must be employed, and at most {most} may be")]
    Employed {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
}

/// The constraint that a schedule breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CurveViolation {
    /// It is for another number of workers.
    #[error("the plan names another number of workers than the problem has")]
    Length,
    /// A worker is idle that must not be.
    #[error("worker {worker} is idle, but must be employed")]
    Idle {
        /// The worker's 0-based index.
        worker: usize,
    },
    /// A worker's batches are not within its limits.
    #[error("worker {worker} gets {x} batches, which is not within its limits")]
    Limits {
        /// The worker's 0-based index.
        worker: usize,
        /// Its batches.
        x: u64,
    },
    /// Too few batches are assigned, or too many.
    #[error("the plan assigns {total} batches, expected {n}")]
    Total {
        /// Batches assigned.
        total: u64,
        /// Batches there are.
        n: u64,
    },
    /// Too few workers are employed, or too many.
    #[error("the plan employs {employed} workers, expected {least} to {most}")]
    Employed {
        /// Workers employed.
        employed: u64,
        /// The least that must be.
        least: u64,
        /// The most that may be.
        most: u64,
    },
    /// The cost is not that of the batches.
    #[error("the plan states a cost of {stated} micro-units, its batches cost {actual}")]
    Cost {
        /// What it says.
        stated: i128,
        /// What its batches cost.
        actual: i128,
    },
}
