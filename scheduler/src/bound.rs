//! A lower bound on the cost of every plan of a problem, without looking for one.
//!
//! Price the data at `λ` a batch. A worker that is employed then gains at most
//! `g_i = (λ − c_i)·(s_i if c_i ≤ λ else m)`, so no plan costs less than `λ·n` minus the gains of
//! the best set of at least `max(beta, 1)` workers and at most as many as may be employed: those with a
//! gain, filled up to the one number and cut at the other. Every `λ` gives a valid bound. The bound
//! is concave in `λ`, and the set's batches say on which side of `λ` its top lies: the lines of the
//! sets on both sides meet at the next `λ` (Kelley's method). Prices are fixed-point integers: rounding
//! one makes the bound weaker, never wrong.
//!
//! Where workers have terms, the bound is that of fees which no worker's cost falls below.

use crate::limits::MAX_WORKERS;
use crate::money::{Cost, Fee};
use crate::problem::Problem;

/// More steps than are worth taking.
const MAX_STEPS: u32 = 24;

/// Bits of a price after the point.
const FRACTION_BITS: u32 = 12;

/// Prices stay below this many bits of micro-units, so that no sum leaves 128 bits: 10^6 workers
/// of 10^9 batches at such a price take 118.
const MAX_PRICE_BITS: u32 = 56;

const PLACE_BITS: u32 = 20;

const _: () = assert!(MAX_WORKERS <= 1 << PLACE_BITS);
const _: () = assert!(Fee::MAX.micros() < 1 << (u64::BITS - PLACE_BITS));

/// Bounds problems; its buffers are kept between them.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    workers: Vec<Eligible>,
    gains: Vec<(i128, usize)>,
    demand: Demand,
    /// The price of the highest bound. The next problem's is often near.
    price: Option<i128>,
}

/// How a bound falls when every worker has more time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fall {
    /// In micro-units, for each nanosecond.
    pub(crate) slope: f64,
    /// What a batch more for every worker that is filled up would take off.
    pub(crate) rounding: f64,
    /// How many workers the bound would employ.
    pub(crate) employs: u64,
}

#[derive(Clone, Copy, Debug)]
struct Eligible {
    place: usize,
    fee: u64,
    s_max: u64,
}

/// Batches of a set at some price, and their cost: a line that lies on or above the bound.
#[derive(Clone, Copy, Debug)]
struct Line {
    batches: u64,
    cost: u128,
}

/// The best set at a price.
#[derive(Clone, Copy, Debug, Default)]
struct Selection {
    size: usize,
    /// How many gain something,
    with_gain: usize,
    /// how many nothing,
    even: usize,
    /// and what these can take.
    spare: u64,
}

/// What a problem asks for.
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    n: u64,
    lot: u64,
    least: usize,
    most: usize,
}

impl Problem {
    /// No plan costs less than this: the optimum of the continuous relaxation, as nearly as
    /// fixed-point prices come to it. Zero where there is no plan.
    pub fn lower_bound(&self) -> Cost {
        if self.n() == 0 || self.infeasibility().is_some() {
            return Cost::ZERO;
        }
        Bound::default().of(self, &self.by_fee(), None)
    }

    /// The places of its workers, the cheapest first.
    pub(crate) fn by_fee(&self) -> Vec<usize> {
        by_fee(self.workers().iter().map(|worker| worker.fee))
    }
}

/// The places of these fees, the lowest first, and of equal ones the first.
pub(crate) fn by_fee(fees: impl Iterator<Item = Fee>) -> Vec<usize> {
    // Integers with the fee above and the place below are sorted several times as fast.
    let keys = (0_u64..).zip(fees);
    let mut keys: Vec<u64> = keys
        .map(|(place, fee)| fee.micros() << PLACE_BITS | place)
        .collect();
    keys.sort_unstable();
    let places = keys.into_iter().map(|key| key & ((1 << PLACE_BITS) - 1));
    places.map(|place| place as usize).collect()
}

impl Bound {
    /// The bound of a problem that has a plan, with its workers by fee; or any bound that is
    /// above `enough`.
    pub(crate) fn of(&mut self, problem: &Problem, by_fee: &[usize], enough: Option<Cost>) -> Cost {
        if let Some(relaxed) = problem.relaxed() {
            return self.of(&relaxed, &relaxed.by_fee(), enough);
        }
        let workers = by_fee
            .iter()
            .map(|&place| (place, problem.workers()[place]));
        let eligible = workers.filter(|(_, worker)| problem.is_eligible(worker));
        self.workers.clear();
        self.workers
            .extend(eligible.map(|(place, worker)| Eligible {
                place,
                fee: worker.fee.micros(),
                s_max: worker.s_max.min(problem.n()),
            }));
        let employable = (problem.n() / problem.lot()).min(problem.most_employed());
        let count = |most: u64| usize::try_from(most).unwrap_or(usize::MAX);
        let demand = Demand {
            n: problem.n(),
            lot: problem.lot(),
            least: count(problem.beta().max(1)),
            most: count(employable).min(self.workers.len()),
        };
        self.demand = demand;
        let enough = enough.and_then(|cost| i128::try_from(cost.micros()).ok());
        let scaled = self.highest(demand, enough);
        let up = (scaled + (1 << FRACTION_BITS) - 1) >> FRACTION_BITS;
        Cost::from_micros(u128::try_from(up).unwrap_or(0))
    }

    /// How the bound of the last problem falls with more time; `rate` says how many batches a
    /// nanosecond more is good for, for a worker's place and capacity.
    pub(crate) fn fall(&mut self, rate: impl Fn(usize, u64) -> f64) -> Fall {
        let price = self.price.unwrap_or(0);
        let found = self.select(self.demand, price);
        let size = found.size;
        // Those whose fee is the price gain nothing, and take what the others leave.
        let employs = (found.with_gain + found.even).clamp(self.demand.least, self.demand.most);
        let mut fall = Fall {
            employs: employs as u64,
            ..Fall::default()
        };
        for &(_, index) in &self.gains[..size] {
            let worker = self.workers[index];
            let each = price - (i128::from(worker.fee) << FRACTION_BITS);
            if each > 0 && worker.s_max < self.demand.n {
                let each = each as f64 / f64::from(1 << FRACTION_BITS);
                fall.slope += each * rate(worker.place, worker.s_max);
                fall.rounding += each;
            }
        }
        fall
    }

    fn highest(&mut self, demand: Demand, enough: Option<i128>) -> i128 {
        let is_enough =
            |bound: i128| enough.is_some_and(|enough| (bound >> FRACTION_BITS) > enough);
        let first = self.price.unwrap_or_else(|| self.first_price(demand.n));
        let (mut best, line, is_top) = self.at(demand, first);
        self.price = Some(first);
        if is_top || is_enough(best) {
            return best;
        }
        let (mut low, mut high) = if line.batches < demand.n {
            (line, self.largest(demand))
        } else {
            (self.least_lots(demand), line)
        };
        for _ in 1..MAX_STEPS {
            let price = meeting(low, high);
            // Both lines bound the top where they meet.
            let ceiling = low.at(demand.n, price).min(high.at(demand.n, price));
            if enough.is_some_and(|enough| ceiling <= (enough - 1) << FRACTION_BITS) {
                break; // no bound comes near it
            }
            let (bound, line, is_top) = self.at(demand, price);
            if bound > best {
                (best, self.price) = (bound, Some(price));
            }
            if is_top || bound >= ceiling || is_enough(best) {
                break;
            }
            if line.batches < demand.n {
                low = line;
            } else {
                high = line;
            }
        }
        best
    }

    /// The bound at a price, its set's line, and whether no other price has a higher one.
    fn at(&mut self, demand: Demand, price: i128) -> (i128, Line, bool) {
        let Selection {
            size,
            with_gain,
            even,
            spare,
        } = self.select(demand, price);
        let mut gained = 0;
        let mut line = Line {
            batches: 0,
            cost: 0,
        };
        for &(gain, index) in &self.gains[..size] {
            let worker = self.workers[index];
            let batches = if i128::from(worker.fee) << FRACTION_BITS <= price {
                worker.s_max
            } else {
                demand.lot
            };
            gained += gain;
            line.batches += batches;
            line.cost += u128::from(worker.fee) * u128::from(batches);
        }
        // Workers whose fee is the price may be in or out: between the two lies n.
        let is_top = line.batches == demand.n
            || size == with_gain
                && size + even <= demand.most
                && line.batches < demand.n
                && line.batches + spare >= demand.n;
        (price * i128::from(demand.n) - gained, line, is_top)
    }

    /// Puts the best set at a price first among the gains.
    fn select(&mut self, demand: Demand, price: i128) -> Selection {
        self.gains.clear();
        let mut found = Selection::default();
        for (index, worker) in self.workers.iter().enumerate() {
            let each = price - (i128::from(worker.fee) << FRACTION_BITS);
            found.with_gain += usize::from(each > 0);
            found.even += usize::from(each == 0);
            found.spare += if each == 0 { worker.s_max } else { 0 };
            let batches = if each >= 0 { worker.s_max } else { demand.lot };
            self.gains.push((each * i128::from(batches), index));
        }
        found.size = found.with_gain.clamp(demand.least, demand.most);
        // Workers are in the order of their fees: those with a gain are first already.
        if found.size != found.with_gain && found.size < self.gains.len() {
            self.gains
                .select_nth_unstable_by(found.size - 1, |a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        }
        found
    }

    /// The fee at which the cheapest hold the data.
    fn first_price(&self, n: u64) -> i128 {
        let mut held = 0;
        let last = self.workers.iter().find(|worker| {
            held += worker.s_max;
            held >= n
        });
        i128::from(last.map_or(0, |worker| worker.fee)) << FRACTION_BITS
    }

    /// At the lowest prices: a lot for each of the cheapest.
    fn least_lots(&self, demand: Demand) -> Line {
        let fees = self.workers[..demand.least].iter().map(|worker| worker.fee);
        Line {
            batches: demand.lot * demand.least as u64,
            cost: u128::from(demand.lot) * fees.map(u128::from).sum::<u128>(),
        }
    }

    /// At the highest prices: the largest, full.
    fn largest(&mut self, demand: Demand) -> Line {
        let capacities = self.workers.iter().enumerate();
        self.gains.clear();
        self.gains
            .extend(capacities.map(|(index, worker)| (i128::from(worker.s_max), index)));
        if demand.most < self.gains.len() {
            self.gains
                .select_nth_unstable_by(demand.most - 1, |a, b| b.0.cmp(&a.0));
        }
        let mut line = Line {
            batches: 0,
            cost: 0,
        };
        for &(_, index) in &self.gains[..demand.most] {
            let worker = self.workers[index];
            line.batches += worker.s_max;
            line.cost += u128::from(worker.fee) * u128::from(worker.s_max);
        }
        line
    }
}

impl Line {
    /// `cost + λ·(n − batches)`, scaled.
    fn at(&self, n: u64, price: i128) -> i128 {
        ((self.cost as i128) << FRACTION_BITS) + price * (i128::from(n) - i128::from(self.batches))
    }
}

/// The price at which two lines meet, rounded down and within bounds.
fn meeting(low: Line, high: Line) -> i128 {
    let rise = high.cost as i128 - low.cost as i128; // costs are below 2^100
    let run = i128::from(high.batches) - i128::from(low.batches);
    if run <= 0 || rise <= 0 {
        return 0;
    }
    ((rise << FRACTION_BITS) / run).min(1 << (MAX_PRICE_BITS + FRACTION_BITS))
}
