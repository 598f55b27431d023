//! The Lagrangian bound: `n` priced at `λ = p/q` a batch, and the count of employed workers at `μ` each.

use super::work::{Prepared, Work};

/// Who is employed with what; any choice whose count is right is a line `cost + λ·(n − sum)` that lies
/// nowhere below the bound as a function of `λ`.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// By the workers of [`Prepared`].
    pub(super) x: Vec<Option<i64>>,
    pub(super) sum: i64,
    pub(super) cost: i128,
    pub(super) count: usize,
}

impl Choice {
    fn new(works: &[Work<'_>], x: Vec<Option<i64>>) -> Self {
        let mut choice = Self {
            sum: x.iter().flatten().sum(),
            count: x.iter().flatten().count(),
            cost: 0,
            x,
        };
        choice.cost = choice.cost_of(works);
        choice
    }

    fn cost_of(&self, works: &[Work<'_>]) -> i128 {
        let pairs = works.iter().zip(&self.x);
        let costs = pairs.map(|(work, x)| x.and_then(|x| work.at(x)).map_or(0, i128::from));
        costs.sum()
    }

    /// `q` times the height of its line at `p/q`, but for `p·n`.
    fn height(&self, q: i128, p: i128) -> i128 {
        q * self.cost - p * i128::from(self.sum)
    }

    /// The same with another option for one worker.
    pub(super) fn set(&mut self, works: &[Work<'_>], worker: usize, x: Option<i64>) {
        let work = &works[worker];
        let cost = |x: Option<i64>| x.and_then(|x| work.at(x)).map_or(0, i128::from);
        self.cost += cost(x) - cost(self.x[worker]);
        self.sum += x.unwrap_or(0) - self.x[worker].unwrap_or(0);
        self.count = self.count + usize::from(x.is_some()) - usize::from(self.x[worker].is_some());
        self.x[worker] = x;
    }
}

/// The bound at its highest, and what is known there.
#[derive(Debug)]
pub(super) struct Dual {
    pub(super) q: i128,
    pub(super) p: i128,
    /// The price of employing one, times `q`.
    pub(super) mu: i128,
    /// `q` times the bound.
    pub(super) bound: i128,
    /// What a worker's least `q·f(x) − p·x` is, and where.
    pub(super) least: Vec<(i128, i64)>,
    /// What is chosen there.
    pub(super) choice: Choice,
    /// Two choices on the bound or beside it: one with fewer than `n` batches, one with more.
    pub(super) around: [Choice; 2],
}

/// What the search for the best price ends with.
pub(super) enum Ascent {
    /// No choice within all limits has as few batches, or as many.
    Infeasible,
    /// A choice on the bound has `n` batches: it is optimal.
    Optimal(Choice),
    /// The best price.
    Best(Box<Dual>),
}

/// Raises the bound to its highest. Each step looks where the lines of two choices meet, one with
/// fewer batches and one with more: the bound lies there or below. What is best for a worker does not
/// fall as the price rises, so that each step narrows where the next must look.
pub(super) fn ascend(prepared: &Prepared<'_>) -> Ascent {
    let (n, works) = (prepared.n, &prepared.works);
    let mut lo = extreme(prepared, false);
    let mut hi = extreme(prepared, true);
    if lo.sum > n || hi.sum < n {
        return Ascent::Infeasible;
    }
    for choice in [&lo, &hi] {
        if choice.sum == n {
            return Ascent::Optimal(choice.clone());
        }
    }
    let mut range: Vec<(i64, i64)> = works.iter().map(|work| (work.lower, work.upper)).collect();
    loop {
        let (p, q) = (hi.cost - lo.cost, i128::from(hi.sum - lo.sum));
        let pairs = works.iter().zip(&range);
        let least: Vec<(i128, i64)> = pairs
            .map(|(work, &(from, to))| work.least(q, p, from, to))
            .collect();
        let key = |worker: usize| (least[worker].0, 0);
        let chosen = employ(prepared, key);
        let x = (0..works.len()).map(|at| chosen.employed[at].then_some(least[at].1));
        let choice = Choice::new(works, x.collect());
        if choice.sum == n {
            return Ascent::Optimal(choice);
        }
        if choice.height(q, p) == lo.height(q, p) {
            let (mu, count) = chosen.price(prepared);
            let pairs = works.iter().zip(&least);
            let least_r = pairs.map(|(work, &(value, _))| least_of(work, value, mu));
            let bound = p * i128::from(n) + least_r.sum::<i128>() + mu * count as i128;
            let around = [lo, hi];
            return Ascent::Best(Box::new(Dual {
                q,
                p,
                mu,
                bound,
                least,
                choice,
                around,
            }));
        }
        let below = choice.sum < n;
        for (range, &(_, x)) in range.iter_mut().zip(&least) {
            if below {
                range.0 = x;
            } else {
                range.1 = x;
            }
        }
        *(if below { &mut lo } else { &mut hi }) = choice;
    }
}

/// The least that a worker adds when being employed costs `mu` less: of an optional one at most 0.
pub(super) fn least_of(work: &Work<'_>, value: i128, mu: i128) -> i128 {
    let value = value - mu;
    if work.optional { value.min(0) } else { value }
}

/// What is best at a price beyond all others: first as few batches as possible, or as many, then the
/// least cost.
fn extreme(prepared: &Prepared<'_>, most: bool) -> Choice {
    let works = &prepared.works;
    let end = |at: usize| {
        if most {
            works[at].upper
        } else {
            works[at].lower
        }
    };
    let key = |at: usize| {
        let x = i128::from(end(at));
        (
            if most { -x } else { x },
            works[at].at(end(at)).unwrap_or(0),
        )
    };
    let chosen = employ(prepared, key);
    let x = (0..works.len()).map(|at| chosen.employed[at].then_some(end(at)));
    Choice::new(works, x.collect())
}

/// The best set of employed workers when worker `i` adds `key(i)`, and an idle one nothing.
struct Employed {
    employed: Vec<bool>,
    /// The largest value among the optional workers that are taken.
    last: Option<i128>,
    /// The least among those that are not.
    next: Option<i128>,
    /// How many would have been taken if their number were free.
    wanted: usize,
}

fn employ(prepared: &Prepared<'_>, key: impl Fn(usize) -> (i128, i64)) -> Employed {
    let works = &prepared.works;
    let mut employed: Vec<bool> = works.iter().map(|work| !work.optional).collect();
    let forced = employed.iter().filter(|it| **it).count();
    let mut optional: Vec<((i128, i64), usize)> = (0..works.len())
        .filter(|&at| works[at].optional)
        .map(|at| (key(at), at))
        .collect();
    optional.sort_unstable();
    let wanted = forced + optional.iter().filter(|(key, _)| *key < (0, 0)).count();
    let taken = wanted.clamp(prepared.least, prepared.most) - forced;
    for &(_, at) in &optional[..taken] {
        employed[at] = true;
    }
    Employed {
        employed,
        last: taken.checked_sub(1).map(|last| optional[last].0.0),
        next: optional.get(taken).map(|next| next.0.0),
        wanted,
    }
}

impl Employed {
    /// A price of employment at which exactly these are best, where the bounds on their number bind,
    /// and the bound that does.
    fn price(&self, prepared: &Prepared<'_>) -> (i128, usize) {
        let (least, most) = (prepared.least, prepared.most);
        if (least..=most).contains(&self.wanted) {
            return (0, least);
        }
        let mu = match (self.last, self.next) {
            (Some(last), Some(next)) => last + (next - last) / 2,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => 0,
        };
        (mu, if self.wanted < least { least } else { most })
    }
}

/// The cheapest plans near what the bound chooses: on the way from one choice around it to the other,
/// worker by worker, with what is left over given to one worker.
pub(super) fn walk(prepared: &Prepared<'_>, dual: &Dual) -> Option<Choice> {
    let works = &prepared.works;
    let mut best = None;
    let [lo, hi] = &dual.around;
    for end in [lo, hi, &dual.choice] {
        mend(prepared, end, &mut best);
    }
    for (from, to) in [(lo, hi), (lo, &dual.choice), (&dual.choice, hi)] {
        let mut at = from.clone();
        for worker in 0..works.len() {
            if at.x[worker] == to.x[worker] {
                continue;
            }
            let before = at.clone();
            at.set(works, worker, to.x[worker]);
            if (before.sum < prepared.n) != (at.sum < prepared.n) {
                mend(prepared, &before, &mut best);
                mend(prepared, &at, &mut best);
            }
        }
    }
    best
}

/// Gives what is missing, or takes what is too much, with one worker.
fn mend(prepared: &Prepared<'_>, choice: &Choice, best: &mut Option<Choice>) {
    let works = &prepared.works;
    let missing = prepared.n - choice.sum;
    let mut found: Option<(i128, usize, Option<i64>)> = None;
    let counts = prepared.least..=prepared.most;
    let mut offer = |worker: usize, x: Option<i64>, count: usize| {
        let before = choice.x[worker]
            .and_then(|x| works[worker].at(x))
            .map_or(0, i128::from);
        let Some(after) = x.map_or(Some(0), |x| works[worker].at(x).map(i128::from)) else {
            return;
        };
        let cost = choice.cost - before + after;
        if counts.contains(&count) && found.is_none_or(|found| cost < found.0) {
            found = Some((cost, worker, x));
        }
    };
    for (worker, x) in choice.x.iter().enumerate() {
        match x {
            Some(x) => {
                offer(worker, Some(x + missing), choice.count);
                if *x + missing == 0 && works[worker].optional {
                    offer(worker, None, choice.count - 1);
                }
            }
            None => offer(worker, Some(missing), choice.count + 1),
        }
    }
    if let Some((cost, worker, x)) = found
        && best.as_ref().is_none_or(|best| cost < best.cost)
    {
        let mut better = choice.clone();
        better.set(works, worker, x);
        *best = Some(better);
    }
}
