//! Benchmarks: how long a worker is measured, and what its rounds come to.
//!
//! A worker reports rounds: a number of batches, and the time that they took. Either a number of batches in
//! a round is given, and rounds are repeated until some of them agree; or rounds of about a tenth of a second
//! are repeated until the speed is known well enough:
//!
//! 1. **Sizing.** The first round is one batch, each next one at most eight times as many, until a round
//!    takes half of the time that it is to take, or has as many batches as there can be. Rounds before that are
//!    not counted.
//! 2. **Cold starts.** While the first counted round is by more than a tenth slower than the median of those
//!    after it, it is left out; no more than half of them are.
//! 3. **The speed** is that of the rounds together without the slowest and the fastest tenth. It is known well
//!    enough when half of the 95 % confidence interval of the mean, by Student's t with the winsorised variance
//!    (Tukey and McLaughlin), is at most the error that is asked for, and at least five rounds are counted.
//! 4. **The end.** When the time for it has passed, the speed counts as it is, and is noisy.

use crate::limits::MAX_BATCHES;
use crate::time::Span;
use crate::time_model::Speed;
use serde::{Deserialize, Serialize};

/// The most rounds of one benchmark whose rounds have a given number of batches.
pub const MAX_ROUNDS: u8 = 9;

/// How workers are benchmarked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkRule {
    /// Batches in a round.
    pub batches: u64,
    /// Rounds that must agree; 1 takes the first as it is.
    pub rounds: u8,
    /// Rounds after which the median is taken whether they agree or not; at most [`MAX_ROUNDS`].
    pub max_rounds: u8,
    /// Rounds agree when they differ from the median by at most this many parts per million.
    pub spread_ppm: u32,
    /// How long a benchmark may take, all rounds together.
    pub limit: Span,
    /// In place of a number of batches and of rounds: until the speed is known well enough.
    #[serde(default)]
    pub until: Option<Until>,
}

/// When a speed is known well enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// The error that is asked for: half of the 95 % confidence interval, in parts per million of the speed.
    pub error_ppm: u32,
    /// From the first round on, after this time the speed counts as it is.
    pub most: Span,
}

impl Until {
    /// An error of 2 %, within three seconds.
    pub const DEFAULT: Self = Self {
        error_ppm: 20_000,
        most: Span::from_secs(3),
    };
}

impl BenchmarkRule {
    /// Three rounds of 100 batches that agree within 15 %, of at most five, within a minute.
    pub const DEFAULT: Self = Self {
        batches: 100,
        rounds: 3,
        max_rounds: 5,
        spread_ppm: 150_000,
        limit: Span::from_secs(60),
        until: None,
    };

    /// The batches of a first round.
    pub(crate) const fn first_round(&self) -> u64 {
        match self.until {
            Some(_) => 1,
            None => self.batches,
        }
    }

    /// The batches of a round that is measured alone, later, at about this speed.
    pub(crate) fn later_round(&self, speed: Speed) -> u64 {
        match self.until {
            Some(_) => speed.batches_in(ALONE).clamp(1, MAX_BATCHES),
            None => self.batches,
        }
    }
}

/// How long a round takes, and one that is measured alone.
const ROUND: Span = Span::from_millis(100);
const ALONE: Span = Span::from_millis(400);
/// A round has at most this many times as many batches as the one before it.
const MOST_GROWTH: u64 = 8;
/// The least number of rounds by which a speed is known.
const LEAST_ROUNDS: usize = 5;
/// More are not measured, however long they may take.
const MOST_ROUNDS: usize = 1_000;
/// A first round is cold when it is slower by this.
const COLD: (u32, u32) = (11, 10);

/// The result of the rounds so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Measure this number of batches.
    Again {
        /// Batches.
        batches: u64,
    },
    /// This is the speed.
    Settled {
        /// What the rounds say together: one bad round does not move it.
        speed: Speed,
        /// They never agreed, or not well enough.
        noisy: bool,
    },
}

/// The rounds of one benchmark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds {
    /// In the order in which they came.
    measured: Vec<Speed>,
}

impl Rounds {
    pub(crate) const fn count(&self) -> usize {
        self.measured.len()
    }

    /// Another round, and the time since the first one.
    pub(crate) fn add(&mut self, rule: &BenchmarkRule, round: Speed, since: Span) -> Verdict {
        match rule.until {
            None => self.add_counted(rule, round),
            Some(until) => self.add_timed(until, round, since),
        }
    }

    fn add_counted(&mut self, rule: &BenchmarkRule, round: Speed) -> Verdict {
        self.measured.push(round);
        let median = median(&self.measured);
        let wider = median.stretched(1_000_000 + rule.spread_ppm.min(u32::MAX / 2), 1_000_000);
        let closer = median.stretched(1_000_000 - rule.spread_ppm.min(999_999), 1_000_000);
        let agrees = |m: &&Speed| !m.is_slower_than(wider) && !closer.is_slower_than(**m);
        let agreeing = self.measured.iter().filter(agrees).count();
        let noisy = agreeing < usize::from(rule.rounds);
        if noisy && self.measured.len() < usize::from(rule.max_rounds.min(MAX_ROUNDS)) {
            return Verdict::Again {
                batches: rule.batches,
            };
        }
        Verdict::Settled {
            speed: median,
            noisy,
        }
    }

    fn add_timed(&mut self, until: Until, round: Speed, since: Span) -> Verdict {
        // Once one was long enough all count, so that fast rounds do as slow ones do.
        let is_long = round.took() >= ROUND / 2 || round.batches() == MAX_BATCHES;
        let is_sized = !self.measured.is_empty() || is_long;
        if is_sized || since >= until.most {
            self.measured.push(round);
        }
        let warm = without_cold(&self.measured);
        let (speed, error) = trimmed(warm).unwrap_or((round, u64::MAX));
        let is_known = warm.len() >= LEAST_ROUNDS && error <= until.error_ppm.into();
        if is_known || since >= until.most || self.measured.len() >= MOST_ROUNDS {
            let noisy = !is_known;
            return Verdict::Settled { speed, noisy };
        }
        let left = until.most - since;
        let batches = round.batches_in(ROUND.min(left));
        let most = round.batches().saturating_mul(MOST_GROWTH).min(MAX_BATCHES);
        Verdict::Again {
            batches: batches.clamp(1, most),
        }
    }
}

/// The middle one; of two, the slower.
fn median(rounds: &[Speed]) -> Speed {
    let sorted = by_slowness(rounds);
    sorted[sorted.len() / 2]
}

/// The slowest last.
fn by_slowness(rounds: &[Speed]) -> Vec<Speed> {
    let mut sorted: Vec<Speed> = Vec::with_capacity(rounds.len());
    for round in rounds {
        let at = sorted.partition_point(|m| round.is_slower_than(*m));
        sorted.insert(at, *round);
    }
    sorted
}

/// Without first rounds that were cold.
fn without_cold(rounds: &[Speed]) -> &[Speed] {
    let mut warm = rounds;
    while let [first, rest @ ..] = warm
        && !rest.is_empty()
        && rest.len() >= rounds.len() / 2
        && first.is_slower_than(median(rest).stretched(COLD.0, COLD.1))
    {
        warm = rest;
    }
    warm
}

/// The speed of the rounds without a tenth at each end, and half of its 95 % confidence interval in parts per
/// million; of one round that is unknown.
fn trimmed(rounds: &[Speed]) -> Option<(Speed, u64)> {
    let sorted = by_slowness(rounds);
    let count = sorted.len();
    let cut = count / 10;
    let kept = &sorted[cut..count - cut];
    let sum = |of: fn(&Speed) -> u64| kept.iter().map(|m| u128::from(of(m))).sum::<u128>();
    let (batches, nanos) = (sum(|m| m.batches()), sum(|m| m.took().nanos()));
    // Many of the slowest may be more than a speed holds: their ratio is kept.
    let scale = (batches / u128::from(MAX_BATCHES) + 1).max((nanos >> 50) + 1);
    let speed = Speed::measured(
        u64::try_from((batches / scale).max(1)).ok()?,
        Span::from_nanos(u64::try_from((nanos / scale).max(1)).ok()?),
    )?;
    if kept.len() < 2 {
        return Some((speed, u64::MAX));
    }
    // By how much each is slower than all together; what was cut counts as the last that was kept.
    let (fastest, slowest) = (kept[0], kept[kept.len() - 1]);
    let ppm = |round: &Speed| {
        let round = round.slower(fastest).faster(slowest);
        i128::from(round.slowness_ppm(speed))
    };
    let all = count as i128;
    let mean = sorted.iter().map(ppm).sum::<i128>() / all;
    let squares: i128 = sorted.iter().map(|round| (ppm(round) - mean).pow(2)).sum();
    let left = kept.len() as i128;
    let t = i128::from(STUDENT[(kept.len() - 2).min(STUDENT.len() - 1)]);
    // t² · s² · n / h², with s² = squares / (n - 1), and t in thousandths.
    let squared = t.pow(2) * squares * all / ((all - 1) * left.pow(2)) / 1_000_000;
    let error = u128::try_from(squared).ok()?.isqrt();
    Some((speed, u64::try_from(error).unwrap_or(u64::MAX)))
}

/// Quantiles of Student's t for 97.5 %, in thousandths, from one degree of freedom on.
const STUDENT: [u16; 30] = [
    12_706, 4_303, 3_182, 2_776, 2_571, 2_447, 2_365, 2_306, 2_262, 2_228, 2_201, 2_179, 2_160,
    2_145, 2_131, 2_120, 2_110, 2_101, 2_093, 2_086, 2_080, 2_074, 2_069, 2_064, 2_060, 2_056,
    2_052, 2_048, 2_045, 2_042,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(millis_a_batch: u64) -> Speed {
        Speed::measured(1, Span::from_millis(millis_a_batch)).expect("valid")
    }

    fn check_rounds(millis: &[u64], expected: Option<(u64, bool)>) {
        let mut rounds = Rounds::default();
        let again = Verdict::Again { batches: 100 };
        let mut last = again.clone();
        for &m in millis {
            assert_eq!(last, again, "{millis:?} settled early");
            last = rounds.add(&BenchmarkRule::DEFAULT, speed(m), Span::ZERO);
        }
        let settled = match last {
            Verdict::Again { .. } => None,
            Verdict::Settled { speed, noisy } => Some((speed.took().nanos() / 1_000_000, noisy)),
        };
        assert_eq!(settled, expected, "{millis:?}");
    }

    #[test]
    fn rounds_of_a_given_number_agree_or_go_on() {
        check_rounds(&[10, 10], None);
        check_rounds(&[10, 11, 10], Some((10, false)));
        check_rounds(&[60, 10, 10], None);
        check_rounds(&[60, 10, 10, 11], Some((11, false))); // of two in the middle the slower
        check_rounds(&[1, 2, 4, 8, 16], Some((4, true)));
    }

    const UNTIL: Until = Until::DEFAULT;

    /// A worker whose round of a number and of some batches takes what this says.
    fn run(takes: impl Fn(usize, u64) -> Span) -> (Speed, bool, Vec<u64>, Span) {
        let rule = BenchmarkRule {
            until: Some(UNTIL),
            ..BenchmarkRule::DEFAULT
        };
        let (mut rounds, mut asked, mut since) = (Rounds::default(), Vec::new(), Span::ZERO);
        let mut batches = rule.first_round();
        loop {
            let took = takes(asked.len(), batches);
            since = if asked.is_empty() {
                since
            } else {
                since + took
            };
            asked.push(batches);
            let round = Speed::measured(batches, took).expect("a speed");
            match rounds.add(&rule, round, since) {
                Verdict::Again { batches: next } => batches = next,
                Verdict::Settled { speed, noisy } => return (speed, noisy, asked, since),
            }
        }
    }

    #[test]
    fn a_steady_worker_is_known_after_five_rounds_whatever_its_speed() {
        for nanos in [100, 5_000, 1_000_000, 24_000_000, 90_000_000] {
            let (speed, noisy, asked, took) = run(|_, batches| Span::from_nanos(nanos * batches));
            let each = speed.took().nanos() / speed.batches();
            assert_eq!((each, noisy), (nanos, false), "{asked:?}");
            let of_full_size = asked.iter().filter(|n| **n * nanos >= 50_000_000).count();
            assert_eq!(of_full_size, 5, "{asked:?}");
            assert!(took < Span::from_millis(700), "{took}");
            assert!(
                asked.windows(2).all(|pair| pair[1] <= 8 * pair[0]),
                "{asked:?}"
            );
        }
    }

    /// Else a worker that takes no time would be asked for ever.
    #[test]
    fn what_is_too_fast_to_be_measured_is_known_after_five_rounds_too() {
        let (speed, noisy, asked, _) = run(|_, _| Span::from_nanos(1));
        assert!(!noisy && speed.batches() / speed.took().nanos() > MAX_BATCHES / 2);
        assert_eq!(asked.len(), 15, "{asked:?}");
    }

    #[test]
    fn cold_rounds_are_left_out_and_one_stall_moves_nothing() {
        let usual = |batches| Span::from_millis(5) * batches;
        let (cold, noisy, ..) = run(|round, batches| {
            let slow = if round < 4 { 3 } else { 1 };
            usual(batches) * slow
        });
        assert_eq!(
            (cold.took().nanos() / cold.batches(), noisy),
            (5_000_000, false)
        );
        let (stalled, noisy, asked, _) = run(|round, batches| {
            let stall = if round == 6 { 700 } else { 0 };
            usual(batches) + Span::from_millis(stall)
        });
        assert_eq!(
            (stalled.took().nanos() / stalled.batches(), noisy),
            (5_000_000, false)
        );
        assert!(asked.len() > 10, "a tenth of ten is one: {asked:?}");
    }

    #[test]
    fn what_is_never_known_well_enough_ends_in_time() {
        let (speed, noisy, asked, took) =
            run(|round, batches| Span::from_millis(if round % 2 == 0 { 4 } else { 8 }) * batches);
        assert!(noisy);
        assert!(
            (UNTIL.most..UNTIL.most + ROUND).contains(&took),
            "{took} {asked:?}"
        );
        let each = speed.took().seconds_f64() / speed.batches() as f64;
        assert!(
            (each - 0.0067).abs() < 0.0004,
            "{each}: a round has as many batches as fit by the one before"
        );
        // Two batches of a worker that takes so long are enough.
        let (slow, noisy, asked, _) =
            run(|round, batches| Span::from_secs(if round == 0 { 9 } else { 4 }) * batches);
        assert_eq!((slow, noisy, asked), (speed_of(4), true, vec![1, 1]));
    }

    fn speed_of(seconds: u64) -> Speed {
        Speed::measured(1, Span::from_secs(seconds)).expect("valid")
    }

    /// By hand: ten rounds of 90 to 110 ms, of which the ends are cut.
    #[test]
    fn the_error_is_that_of_the_books() {
        let millis = [90, 94, 96, 98, 100, 100, 102, 104, 106, 110];
        let rounds: Vec<Speed> = millis.into_iter().map(speed).collect();
        let (all, error) = trimmed(&rounds).expect("a speed");
        assert_eq!((all.batches(), all.took()), (8, Span::from_millis(800)));
        // Winsorised: 94 94 96 98 100 100 102 104 106 106. Squares 184, s = 4.5216; of 8, 7 degrees of freedom:
        // 2.365 · 4.5216 · sqrt(10) / 8 = 4.227 of 100.
        assert!((42_260..42_280).contains(&error), "{error}");
        assert_eq!(trimmed(&rounds[..1]).expect("a speed").1, u64::MAX);
    }
}
