//! The Lagrangian relaxation of the hard region: its bound, the plans it finds on the way, and the
//! workers that it leaves undecided.
//!
//! Relax the capacity with a multiplier `λ ≥ c_(R+1)`. A chosen worker then gains
//! `g_i = (λ − c_i)·(s_i if c_i ≤ λ else m)`, the `R` largest gains are best, and
//! `h(λ) = λ·n − Σ g_i` is a lower bound on the cost of every plan that employs `R`. `h` is
//! concave and piecewise linear; the intersection of the best line on either side gives the next
//! `λ` until it touches.
//!
//! At any `λ`, leaving out a worker of the best set costs at least `g_i − g_(R+1)`, and taking in
//! another at least `g_(R) − g_i`, on top of `h`: a worker that costs more than the gap to the
//! best plan is decided.
//!
//! Multipliers are fixed-point integers, so every bound is exact for the multiplier it is for.

use super::sets::{Candidate, Core, Decided, Frame, Incumbent, Open};

/// Steps of the multiplier: far more than ever needed, so that it always ends.
const MAX_STEPS: u32 = 64;

/// Multipliers are kept below this many micro-units, so that no product leaves 128 bits.
const MAX_LAMBDA_BITS: u32 = 56;

/// What choosing a candidate gains at some multiplier, in scaled micro-units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gain {
    pub(super) gain: i128,
    /// Index into the candidates.
    pub(super) candidate: usize,
}

/// The result of one step of the multiplier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// The multiplier, scaled.
    pub(super) lambda: i128,
    /// `h(λ)`, scaled.
    pub(super) scaled: i128,
    /// The least gain that is in, and the greatest that is out.
    pub(super) least_in: i128,
    pub(super) greatest_out: i128,
}

/// A line of the dual function: batches handed out in the relaxation and their cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    batches: u64,
    cost: u128,
}

/// The relaxation of what is undecided.
pub(super) struct Relaxation<'a, 'b> {
    pub(super) frame: Frame<'a>,
    pub(super) decided: Decided,
    pub(super) candidates: &'b mut Vec<Candidate>,
    pub(super) gains: &'b mut Vec<Gain>,
    /// The decided set by position; candidates are false but within a call.
    pub(super) member: &'b mut Vec<bool>,
    pub(super) fraction_bits: u32,
    /// No multiplier is below this fee, in micro-units.
    pub(super) floor: u64,
}

impl Relaxation<'_, '_> {
    /// Finds the best multiplier, and good plans on the way. `None` when no set of candidates
    /// reaches n.
    pub(super) fn tighten(&mut self, incumbent: &mut Option<Incumbent>) -> Option<Bound> {
        let missing = self.decided.missing;
        let mut low = self.line(self.candidates.iter().take(missing));
        let mut high = self.largest(incumbent)?;
        let mut best: Option<Bound> = None;
        for _ in 0..MAX_STEPS {
            let lambda = self.intersection(low, high);
            let (bound, line) = self.evaluate(lambda, incumbent);
            if best.is_none_or(|best| bound.scaled > best.scaled) {
                best = Some(bound);
            }
            let met = line == low || line == high || bound.scaled >= self.height(high, lambda);
            let closed = incumbent.as_ref().is_some_and(|incumbent| {
                round_up(bound.scaled, self.fraction_bits) >= incumbent.cost
            });
            if met || closed {
                break;
            }
            if line.batches < self.frame.n {
                low = line;
            } else {
                high = line;
            }
        }
        best
    }

    /// The candidates with the largest capacities: the far end of the dual function.
    fn largest(&mut self, incumbent: &mut Option<Incumbent>) -> Option<Line> {
        self.gains.clear();
        let capacities = self.candidates.iter().enumerate();
        self.gains.extend(capacities.map(|(index, candidate)| Gain {
            gain: i128::from(candidate.s_max),
            candidate: index,
        }));
        self.select();
        let line = self.line_of_selected();
        if line.batches < self.frame.n {
            return None;
        }
        self.offer(line, incumbent);
        Some(line)
    }

    /// The bound at a multiplier, and the line of the dual function that it lies on.
    fn evaluate(&mut self, lambda: i128, incumbent: &mut Option<Incumbent>) -> (Bound, Line) {
        self.select_at(lambda);
        let missing = self.decided.missing;
        let (chosen, others) = self.gains.split_at(missing);
        let least_in = chosen.last().map_or(i128::MAX, |last| last.gain);
        let greatest_out = others.iter().map(|g| g.gain).max().unwrap_or(i128::MIN);
        let gained: i128 = chosen.iter().map(|g| g.gain).sum();
        let scaled = self.height(self.line(std::iter::empty()), lambda) - gained;

        let full = self.line_of_selected();
        if full.batches >= self.frame.n {
            self.offer(full, incumbent);
        }
        let mut line = full;
        for candidate in self.gains[..missing]
            .iter()
            .map(|g| self.candidates[g.candidate])
        {
            if i128::from(candidate.fee) << self.fraction_bits > lambda {
                let less = candidate.s_max - self.frame.lot;
                line.batches -= less;
                line.cost -= u128::from(less) * u128::from(candidate.fee);
            }
        }
        let bound = Bound {
            lambda,
            scaled,
            least_in,
            greatest_out,
        };
        (bound, line)
    }

    /// Selects by the gains at a multiplier.
    fn select_at(&mut self, lambda: i128) {
        self.gains.clear();
        let (lot, bits) = (self.frame.lot, self.fraction_bits);
        let candidates = self.candidates.iter().enumerate();
        self.gains.extend(candidates.map(|(index, candidate)| Gain {
            gain: gain_of(candidate, lambda, lot, bits),
            candidate: index,
        }));
        self.select();
    }

    /// Brings the `missing` largest gains to the front; of equal gains the larger workers.
    fn select(&mut self) {
        let missing = self.decided.missing;
        if missing == 0 || missing >= self.gains.len() {
            // All or none are in, but the last of those that are must be the least.
            let least = (0..self.gains.len()).min_by_key(|&index| self.gains[index].gain);
            if let (Some(least), Some(last)) = (least, self.gains.len().checked_sub(1)) {
                self.gains.swap(least, last);
            }
            return;
        }
        let candidates = &self.candidates;
        self.gains.select_nth_unstable_by(missing - 1, |a, b| {
            let capacity = |g: &Gain| candidates[g.candidate].s_max;
            b.gain
                .cmp(&a.gain)
                .then_with(|| capacity(b).cmp(&capacity(a)))
                .then_with(|| a.candidate.cmp(&b.candidate))
        });
    }

    /// Makes the selected set the incumbent if its plan is the cheapest so far.
    fn offer(&mut self, line: Line, incumbent: &mut Option<Incumbent>) {
        let missing = self.decided.missing;
        self.mark(missing, true);
        let cost = self
            .frame
            .trimmed_cost(self.member, line.batches, line.cost);
        if incumbent.as_ref().is_none_or(|best| cost < best.cost) {
            *incumbent = Some(Incumbent {
                cost,
                employed: self.member.iter().filter(|&&member| member).count(),
                member: self.member.clone(),
            });
        }
        self.mark(missing, false);
    }

    fn mark(&mut self, count: usize, value: bool) {
        for gain in &self.gains[..count] {
            self.member[self.candidates[gain.candidate].position] = value;
        }
    }

    fn line_of_selected(&self) -> Line {
        let selected = &self.gains[..self.decided.missing];
        self.line(selected.iter().map(|g| &self.candidates[g.candidate]))
    }

    /// The decided workers and these, all full.
    fn line<'c>(&self, chosen: impl Iterator<Item = &'c Candidate>) -> Line {
        let mut line = Line {
            batches: self.decided.capacity,
            cost: self.decided.cost,
        };
        for candidate in chosen {
            line.batches += candidate.s_max;
            line.cost += u128::from(candidate.fee) * u128::from(candidate.s_max);
        }
        line
    }

    /// Where two lines of the dual function meet, clamped to the multipliers in use.
    fn intersection(&self, low: Line, high: Line) -> i128 {
        let floor = i128::from(self.floor) << self.fraction_bits;
        let ceiling = 1_i128 << (MAX_LAMBDA_BITS + self.fraction_bits);
        let rise = high.cost as i128 - low.cost as i128;
        let run = i128::from(high.batches) - i128::from(low.batches);
        if run <= 0 || rise <= 0 {
            return floor;
        }
        // Whole part and remainder apart: the shifted rise may not fit.
        let whole = rise / run;
        if whole >> MAX_LAMBDA_BITS > 0 {
            return ceiling;
        }
        let scaled = (whole << self.fraction_bits) + (((rise % run) << self.fraction_bits) / run);
        scaled.clamp(floor, ceiling)
    }

    /// A line's height at a multiplier, scaled: `λ·(n − batches) + cost`.
    fn height(&self, line: Line, lambda: i128) -> i128 {
        let slope = i128::from(self.frame.n) - i128::from(line.batches);
        lambda * slope + ((line.cost as i128) << self.fraction_bits)
    }

    /// Decides the workers that the gap decides, and returns the rest.
    pub(super) fn core(&mut self, bound: &Bound, cost: u128) -> Core {
        let mut core = Core {
            open: Vec::new(),
            decided: self.decided,
            scaled_bound: bound.scaled,
            lambda: bound.lambda,
            fraction_bits: self.fraction_bits,
        };
        let limit = core.limit(cost) - bound.scaled;
        let lambda = bound.lambda;
        // The selection at the best multiplier may not be the last one made.
        self.select_at(lambda);
        let middle = if self.gains.len() > self.decided.missing && self.decided.missing > 0 {
            bound.greatest_out + (bound.least_in - bound.greatest_out) / 2
        } else {
            0
        };
        for (rank, g) in self.gains.iter().enumerate() {
            let candidate = self.candidates[g.candidate];
            let taken = rank < self.decided.missing;
            let alone = if taken {
                g.gain.saturating_sub(bound.greatest_out)
            } else {
                bound.least_in.saturating_sub(g.gain)
            };
            // A worker that is certain to be in but may cost more than the multiplier stays open, since
            // decided workers count as full.
            let full = i128::from(candidate.fee) << self.fraction_bits <= lambda;
            if alone >= limit && (!taken || full) {
                if taken {
                    core.decided.missing -= 1;
                    core.decided.capacity += candidate.s_max;
                    core.decided.cost += u128::from(candidate.fee) * u128::from(candidate.s_max);
                    self.member[candidate.position] = true;
                }
                continue;
            }
            core.open.push(Open {
                candidate,
                taken,
                penalty: (g.gain - middle).abs(),
            });
        }
        core.open
            .sort_unstable_by_key(|open| (-open.penalty, open.candidate.position));
        core
    }
}

pub(super) fn gain_of(candidate: &Candidate, lambda: i128, lot: u64, fraction_bits: u32) -> i128 {
    let difference = lambda - (i128::from(candidate.fee) << fraction_bits);
    difference
        * i128::from(if difference >= 0 {
            candidate.s_max
        } else {
            lot
        })
}

/// As many bits after the point as 128-bit sums of gains leave room for, at most 40.
pub(super) fn fraction_bits(frame: &Frame<'_>) -> u32 {
    let largest = u128::from(frame.n) * frame.ranked.len() as u128;
    let bits = u128::BITS - largest.leading_zeros();
    (125 - MAX_LAMBDA_BITS - bits).min(40)
}

/// The least whole number of micro-units that a scaled bound proves.
pub(super) fn round_up(scaled: i128, fraction_bits: u32) -> u128 {
    let up = (scaled + (1 << fraction_bits) - 1) >> fraction_bits;
    u128::try_from(up).unwrap_or(0)
}
