//! What is known of a worker's speed: from its benchmark first, from its cycles later.

use crate::margin::Margin;
use crate::time_model::Speed;
use serde::{Deserialize, Serialize};

/// The margins of a run: what is added to the measured time against error and jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Margins {
    /// While only a benchmark is known: its error and the jitter of a cycle.
    pub benchmarked: Margin,
    /// Once the worker was seen in a cycle under `adaptive`: the jitter alone.
    pub learnt: Margin,
    /// What a share must still have for the plan to be kept. Between none and `learnt`: a
    /// smaller one re-plans less often and takes a greater risk until it does.
    pub keep: Margin,
}

impl Margins {
    /// Plans with the measured times themselves.
    pub const NONE: Self = Self {
        benchmarked: Margin::NONE,
        learnt: Margin::NONE,
        keep: Margin::NONE,
    };
}

/// A cycle counts as at most this many times slower than estimated.
const MOST_SLOWER: u32 = 16;
/// The end of a cycle counts when it is by more than an eighth slower than all of it: less than
/// that is the noise of a few batches.
const MUCH_SLOWER: (u32, u32) = (9, 8);
/// A round between cycles counts when it is by more than a quarter slower than the benchmark: one
/// round is noisier than a cycle.
const CHECK_FEARS_PPM: u32 = 1_250_000;
/// A cycle counts as at most this many times faster than estimated: an exaggeration gains
/// little before a deadline shows it.
const MOST_FASTER: u32 = 2;

/// A speed that is known but for a batch that was under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between {
    pub(crate) slowest: Speed,
    pub(crate) fastest: Speed,
}

/// The estimate of one worker's speed, updated every cycle.
///
/// It is the slowest of the last observation, the end of that cycle, and the median of the last
/// three. So a slowdown counts at once, even one that began within the cycle, because a plan from
/// an optimistic estimate breaks its limit; one good cycle alone does not count, two do; and a
/// single stall is forgotten after one cycle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    benchmarked: Speed,
    current: Speed,
    /// The usual speed at its best: while it was as fast as in its benchmark.
    best: Speed,
    recent: [Speed; 3],
    seen: u32,
}

impl Estimate {
    pub(crate) const fn from_benchmark(speed: Speed) -> Self {
        Self {
            benchmarked: speed,
            current: speed,
            best: speed,
            recent: [speed; 3],
            seen: 0,
        }
    }

    pub(crate) const fn speed(&self) -> Speed {
        self.current
    }

    pub(crate) const fn margin(&self, margins: &Margins) -> Margin {
        if self.seen == 0 {
            margins.benchmarked
        } else {
            margins.learnt
        }
    }

    /// What must remain of the margin for a plan to be kept.
    pub(crate) fn keep(&self, margins: &Margins) -> Margin {
        self.margin(margins).min(margins.keep)
    }

    /// Takes in one cycle, within bounds, with the speed that it ended with where that is known.
    ///
    /// A cycle whose end was much slower than its average probably goes on as slowly. A faster end is
    /// ignored: a worker gains nothing by how it reports the end.
    pub(crate) fn observe(&mut self, speed: Speed, last: Option<Between>) {
        let usual = median(self.recent);
        let slowest = usual.stretched(MOST_SLOWER, 1);
        let fastest = usual.stretched(1, MOST_FASTER);
        let bounded = speed.faster(slowest).slower(fastest);
        if self.seen == 0 {
            // The benchmark's error is ten times a cycle's jitter: one cycle outweighs it.
            (self.recent, self.best) = ([bounded; 3], bounded);
        }
        self.recent[self.seen as usize % 3] = bounded;
        self.seen = self.seen.saturating_add(1);
        self.best = self.best.faster(median(self.recent));
        self.current = bounded.slower(median(self.recent));
        let (numerator, denominator) = MUCH_SLOWER;
        if let Some(last) = last
            && last
                .fastest
                .is_slower_than(bounded.stretched(numerator, denominator))
        {
            self.current = self.current.slower(last.slowest.faster(slowest));
        }
    }

    /// Takes in a round that was measured between cycles. It is compared with the benchmark, which errs
    /// in the same way, and can only make the estimate slower.
    pub(crate) fn check(&mut self, speed: Speed) {
        let slower = speed.slowness_ppm(self.benchmarked);
        if slower > CHECK_FEARS_PPM {
            let slower = slower.min(MOST_SLOWER * 1_000_000);
            self.current = self.current.slower(self.best.stretched(slower, 1_000_000));
        }
    }

    /// Whether nothing but a benchmark is known.
    pub(crate) const fn is_benchmark(&self) -> bool {
        self.seen == 0
    }

    /// Whether the estimate is a quarter slower than the benchmark: an idle worker is then worth
    /// measuring again.
    pub(crate) const fn is_degraded(&self) -> bool {
        self.current
            .is_slower_than(self.benchmarked.stretched(5, 4))
    }
}

fn median([a, b, c]: [Speed; 3]) -> Speed {
    a.slower(b).faster(a.faster(b).slower(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn speed(millis_a_batch: u64) -> Speed {
        Speed::measured(1, Span::from_millis(millis_a_batch)).expect("valid")
    }

    #[test]
    fn the_filter_is_quick_to_fear_and_slow_to_hope() {
        let check = |cycles: &[u64], expected: &[u64]| {
            let mut estimate = Estimate::from_benchmark(speed(10));
            let mut seen = Vec::new();
            for &millis in cycles {
                estimate.observe(speed(millis), None);
                seen.push(estimate.speed().took().nanos() / 1_000_000);
            }
            assert_eq!(seen, expected, "{cycles:?}");
        };
        check(&[11, 12, 11], &[11, 12, 11]); // ordinary jitter: the slower side
        check(&[10, 10, 100, 10, 10], &[10, 10, 100, 10, 10]); // one stall
        check(&[10, 10, 100, 100, 100], &[10, 10, 100, 100, 100]);
        check(&[10, 10, 1, 10], &[10, 10, 10, 10]); // one good cycle
        check(&[1, 1, 1], &[5, 5, 2]); // half at most each time
        check(&[100_000], &[160]);
    }

    #[test]
    fn the_end_of_a_cycle_is_feared_and_never_hoped_for() {
        let check = |cycles: &[(u64, u64)], expected: &[u64]| {
            let mut estimate = Estimate::from_benchmark(speed(10));
            let mut seen = Vec::new();
            for &(millis, last) in cycles {
                let (slowest, fastest) = (speed(last), speed(last - 1));
                estimate.observe(speed(millis), Some(Between { slowest, fastest }));
                seen.push(estimate.speed().took().nanos() / 1_000_000);
            }
            assert_eq!(seen, expected, "{cycles:?}");
        };
        check(&[(11, 40), (40, 40), (40, 40)], &[40, 40, 40]); // a slowdown in its cycle
        check(&[(11, 40), (10, 10), (10, 10)], &[40, 11, 10]); // a stall just before the end
        check(&[(80, 11)], &[80]); // it recovered: to be seen
        check(&[(80, 90), (80, 92)], &[80, 92]); // more than an eighth, for sure
        check(&[(10, 900)], &[160]);
    }
}
