//! One worker as the algorithm sees it: its limits, tightened, and quick answers to "where is
//! `q·f(x) − p·x` least" and "where is it at most so much".
//!
//! Costs need not have any shape: rounding to micro-units destroys convexity and concavity. Shapes are
//! tested, and only used where they hold. Between two *ends* next to each other a curve is concave (or
//! straight), so that the least of `q·f(x) − p·x` lies at an end, for every `p` and `q`.

use std::ops::{Mul, Sub};

use scheduler::{Curve, CurveProblem};

/// Values of a table that share one minimum.
const BLOCK: usize = 64;

/// The most that products may reach for 64 bits to be used.
const FITS: i128 = 1 << 61;

/// A worker that can take part.
#[derive(Debug)]
pub(super) struct Work<'a> {
    /// Its index in the problem.
    pub(super) id: usize,
    /// Whether it may be left idle.
    pub(super) optional: bool,
    pub(super) lower: i64,
    pub(super) upper: i64,
    curve: &'a Curve,
    shape: Shape<'a>,
}

#[derive(Debug)]
enum Shape<'a> {
    /// The points between which it is concave, `(x, f(x))`.
    Ends(Vec<(i64, i64)>),
    /// A table from `lower` on whose second differences are not negative.
    Convex(&'a [i64]),
    /// Any other table from `lower` on, with the minimum of each block.
    Table(&'a [i64], Vec<i64>),
}

/// An option of a worker: a number of batches, or idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// `None` is idle.
    pub(super) x: Option<i64>,
    /// Its reduced cost.
    pub(super) r: i128,
}

impl<'a> Work<'a> {
    fn new(problem: &'a CurveProblem, id: usize, limits: &Limits) -> Self {
        let curve = &problem.workers()[id].curve;
        let (lower, upper) = (limits.lower, limits.upper);
        let shape = match curve.as_table() {
            Some((first, costs)) => {
                let from = (lower - first as i64) as usize;
                table(lower, &costs[from..=(upper - first as i64) as usize])
            }
            None => Shape::Ends(ends(curve, lower, upper)),
        };
        Self {
            id,
            optional: limits.optional,
            lower,
            upper,
            curve,
            shape,
        }
    }

    /// `f(x)`, if `x` is within the limits.
    pub(super) fn at(&self, x: i64) -> Option<i64> {
        if (self.lower..=self.upper).contains(&x) {
            self.curve.at(x as u64)
        } else {
            None
        }
    }

    /// The least `q·f(x) − p·x` from `lo` to `hi`, which are within the limits and ends where there are
    /// ends, and an `x` where it lies.
    pub(super) fn least(&self, q: i128, p: i128, lo: i64, hi: i64) -> (i128, i64) {
        if self.size(q, p) <= FITS {
            let (value, x) = self.least_in(q as i64, p as i64, lo, hi);
            (i128::from(value), x)
        } else {
            self.least_in(q, p, lo, hi)
        }
    }

    /// What no `q·f(x) − p·x` is larger than, either sign.
    fn size(&self, q: i128, p: i128) -> i128 {
        q * i128::from(self.curve.largest()) + p.abs() * i128::from(self.upper)
    }

    fn least_in<T: Number>(&self, q: T, p: T, lo: i64, hi: i64) -> (T, i64) {
        let value = |x: i64, f: i64| q * T::from(f) - p * T::from(x);
        match &self.shape {
            Shape::Ends(ends) => {
                let from = ends.partition_point(|end| end.0 < lo);
                let mut best = (value(ends[from].0, ends[from].1), ends[from].0);
                for &(x, f) in ends[from + 1..].iter().take_while(|end| end.0 <= hi) {
                    let value = value(x, f);
                    if value < best.0 {
                        best = (value, x);
                    }
                }
                best
            }
            Shape::Convex(costs) => {
                let at = |x: i64| costs[(x - self.lower) as usize];
                // The first x from which one batch more does not make it less.
                let (mut least, mut most) = (lo, hi);
                while least < most {
                    let x = least + (most - least) / 2;
                    if value(x + 1, at(x + 1)) < value(x, at(x)) {
                        least = x + 1;
                    } else {
                        most = x;
                    }
                }
                (value(least, at(least)), least)
            }
            Shape::Table(costs, blocks) => {
                let (from, to) = ((lo - self.lower) as usize, (hi - self.lower) as usize);
                let bound = |block: usize| {
                    let (first, last) = within(block, from, to);
                    let ends = [first, last].map(|index| p * T::from(self.lower + index as i64));
                    let most = if ends[0] < ends[1] { ends[1] } else { ends[0] };
                    q * T::from(blocks[block]) - most
                };
                let scan = |block: usize, best: &mut (T, i64)| {
                    let (first, last) = within(block, from, to);
                    for (index, &f) in (first..).zip(&costs[first..=last]) {
                        let x = self.lower + index as i64;
                        let value = value(x, f);
                        if value < best.0 {
                            *best = (value, x);
                        }
                    }
                };
                let all = from / BLOCK..=to / BLOCK;
                let mut first = (bound(from / BLOCK), from / BLOCK);
                for block in all.clone() {
                    let bound = bound(block);
                    if bound < first.0 {
                        first = (bound, block);
                    }
                }
                let mut best = (value(lo, costs[from]), lo);
                scan(first.1, &mut best);
                for block in all {
                    if block != first.1 && bound(block) < best.0 {
                        scan(block, &mut best);
                    }
                }
                best
            }
        }
    }

    /// Adds all options with `q·f(x) − p·x − base ≤ t`, of a concave piece its ends only; says what is
    /// the least of those that were left out, and whether `x` between two ends can be so cheap.
    pub(super) fn options(
        &self,
        (q, p, base): (i128, i128, i128),
        t: i128,
        start: i64,
        items: &mut Vec<Item>,
    ) -> (i128, bool) {
        let value = |x: i64, f: i64| q * i128::from(f) - p * i128::from(x) - base;
        let mut left = i128::MAX;
        let mut take = |x: i64, r: i128| {
            let fits = r <= t;
            if fits {
                items.push(Item { x: Some(x), r });
            } else {
                left = left.min(r);
            }
            fits
        };
        let mut is_free = false;
        match &self.shape {
            Shape::Ends(ends) => {
                for &(x, f) in ends {
                    take(x, value(x, f));
                }
                for pair in ends.windows(2) {
                    let (from, to) = (pair[0].0, pair[1].0);
                    if to - from < 2 {
                        continue;
                    }
                    // Concave between the two, so the least is beside one of them.
                    for x in [from + 1, to - 1] {
                        let r = self.at(x).map_or(i128::MAX, |f| value(x, f));
                        if r <= t {
                            is_free = true;
                        } else {
                            left = left.min(r);
                        }
                    }
                }
            }
            Shape::Convex(costs) => {
                let r = |x: i64| value(x, costs[(x - self.lower) as usize]);
                let _ = (start..=self.upper).all(|x| take(x, r(x)));
                let _ = (self.lower..start).rev().all(|x| take(x, r(x)));
            }
            Shape::Table(costs, blocks) => {
                left = if self.size(q, p) + base.abs() <= FITS {
                    let t = t.min(i64::MAX.into()) as i64;
                    self.of_table(costs, blocks, [q as i64, p as i64, base as i64, t], items)
                } else {
                    self.of_table(costs, blocks, [q, p, base, t], items)
                };
            }
        }
        (left, is_free)
    }

    /// The options of a table with `q·f(x) − p·x − base ≤ t`, and the least of those that are left out.
    fn of_table<T: Number + Into<i128>>(
        &self,
        costs: &[i64],
        blocks: &[i64],
        [q, p, base, t]: [T; 4],
        items: &mut Vec<Item>,
    ) -> i128 {
        let value = |index: usize, f: i64| {
            let x = self.lower + index as i64;
            q * T::from(f) - p * T::from(x) - base
        };
        let mut left = None;
        let mut leave = |r: T| {
            if left.is_none_or(|left| r < left) {
                left = Some(r);
            }
        };
        for (block, &least) in blocks.iter().enumerate() {
            let (first, last) = within(block, 0, costs.len() - 1);
            let ends = [first, last].map(|index| value(index, least));
            let bound = if ends[0] < ends[1] { ends[0] } else { ends[1] };
            if bound > t {
                leave(bound);
                continue;
            }
            for (index, &f) in (first..).zip(&costs[first..=last]) {
                let r = value(index, f);
                if r <= t {
                    let x = Some(self.lower + index as i64);
                    items.push(Item { x, r: r.into() });
                } else {
                    leave(r);
                }
            }
        }
        left.map_or(i128::MAX, Into::into)
    }

    /// All ends, where a curve has them.
    pub(super) fn ends(&self) -> Option<&[(i64, i64)]> {
        match &self.shape {
            Shape::Ends(ends) => Some(ends),
            Shape::Convex(_) | Shape::Table(..) => None,
        }
    }
}

/// The first and the last index of a block between two others.
fn within(block: usize, from: usize, to: usize) -> (usize, usize) {
    (
        (block * BLOCK).max(from),
        (block * BLOCK + BLOCK - 1).min(to),
    )
}

/// The shape of a table from `lower` on.
fn table(lower: i64, costs: &[i64]) -> Shape<'_> {
    let [rises, falls] = bends(costs);
    if !rises {
        let mut ends = vec![(lower, costs[0])];
        if let [_, .., last] = costs {
            ends.push((lower + costs.len() as i64 - 1, *last));
        }
        return Shape::Ends(ends);
    }
    if !falls {
        return Shape::Convex(costs);
    }
    Shape::Table(costs, costs.chunks(BLOCK).map(least_of_block).collect())
}

/// In four lanes, which do not wait for each other.
fn least_of_block(block: &[i64]) -> i64 {
    let mut lanes = [i64::MAX; 4];
    let mut fours = block.chunks_exact(4);
    for four in fours.by_ref() {
        for (lane, &cost) in lanes.iter_mut().zip(four) {
            *lane = cost.min(*lane);
        }
    }
    let rest = fours.remainder().iter().copied();
    lanes.into_iter().chain(rest).fold(i64::MAX, i64::min)
}

/// Whether the slope rises somewhere, and whether it falls.
fn bends(costs: &[i64]) -> [bool; 2] {
    let [mut rises, mut falls] = [0, 0];
    // By blocks, so that most look at the first one only; within them without a branch.
    for from in (0..costs.len().saturating_sub(2)).step_by(BLOCK) {
        for f in costs[from..costs.len().min(from + BLOCK + 2)].windows(3) {
            let second = (f[2] - f[1]) - (f[1] - f[0]);
            // The sign of a number is its highest bit.
            rises |= -second;
            falls |= second;
        }
        if rises < 0 && falls < 0 {
            break;
        }
    }
    [rises < 0, falls < 0]
}

/// The limits, and the points at which the slope rises.
fn ends(curve: &Curve, lower: i64, upper: i64) -> Vec<(i64, i64)> {
    let clipped = curve.within(lower as u64, upper as u64);
    let points = clipped.map_or_else(Vec::new, |curve| curve.to_points());
    let slope = |pair: &[(u64, i64)]| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0) as i64;
    let is_end = |at: usize| {
        at == 0
            || at + 1 == points.len()
            || slope(&points[at - 1..=at]) < slope(&points[at..=at + 1])
    };
    let ends = (0..points.len()).filter(|&at| is_end(at));
    ends.map(|at| (points[at].0 as i64, points[at].1)).collect()
}

/// The numbers that are searched in: 64 bits where they suffice.
trait Number: Copy + From<i64> + Mul<Output = Self> + Sub<Output = Self> + PartialOrd {}
impl Number for i64 {}
impl Number for i128 {}

/// What is left of a worker's limits.
#[derive(Clone, Copy, Debug)]
struct Limits {
    id: usize,
    lower: i64,
    upper: i64,
    optional: bool,
}

/// The workers that can take part, their limits as tight as `n` makes them, and how many are to be
/// employed; `None` if that shows that there is no plan.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    pub(super) n: i64,
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) works: Vec<Work<'a>>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(problem: &'a CurveProblem) -> Option<Self> {
        let n = problem.n() as i64;
        let workers = problem.workers().iter().enumerate();
        let mut limits: Vec<Limits> = workers
            .map(|(id, worker)| Limits {
                id,
                lower: worker.curve.lower() as i64,
                upper: worker.curve.upper() as i64,
                optional: worker.may_idle,
            })
            .collect();
        let least = usize::try_from(problem.least()).ok()?;
        loop {
            let forced = limits.iter().filter(|it| !it.optional).count() as u64;
            if forced > problem.most() {
                return None;
            }
            if forced == problem.most() {
                limits.retain(|it| !it.optional);
            }
            if limits.len() < least {
                return None;
            }
            if limits.len() == least {
                limits.iter_mut().for_each(|it| it.optional = false);
            }
            if !tighten(&mut limits, n)? {
                break;
            }
        }
        let most = usize::try_from(problem.most()).unwrap_or(usize::MAX);
        Some(Self {
            n,
            least,
            most: most.min(limits.len()),
            works: limits
                .iter()
                .map(|it| Work::new(problem, it.id, it))
                .collect(),
        })
    }
}

/// No worker can take more than the others must leave, nor less than they cannot take. Says whether
/// anything changed; `None` if a worker that must be employed cannot be.
fn tighten(limits: &mut Vec<Limits>, n: i64) -> Option<bool> {
    let mut changed = false;
    let minimum = |it: &Limits| if it.optional { 0 } else { it.lower };
    let least: i64 = limits.iter().map(minimum).sum();
    for it in limits.iter_mut() {
        let room = n - (least - minimum(it));
        if it.upper > room {
            it.upper = room;
            changed = true;
        }
    }
    if limits.iter().any(|it| it.upper < it.lower && !it.optional) {
        return None;
    }
    limits.retain(|it| it.lower <= it.upper);
    let most: i64 = limits.iter().map(|it| it.upper).sum();
    for it in limits.iter_mut() {
        let need = n - (most - it.upper);
        if need > 0 && (it.optional || it.lower < need) {
            it.optional = false;
            it.lower = it.lower.max(need);
            changed = true;
        }
        if it.lower > it.upper {
            return None;
        }
    }
    Some(changed)
}
