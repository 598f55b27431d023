//! Two ways of doing the same thing, compared run by run on the same random draws.
//!
//! A run's figure is a part of a whole ([`Part`]): a fee of 1 run, complete cycles of feasible
//! ones. The figure of many runs is the ratio of the sums. Cycles of one run share its draws and
//! are no independent cases, so every interval comes from the runs: from the residuals
//! `(value − ratio · of) / mean of`, whose mean is the ratio's error to first order.
//!
//! * A **number** has Student's interval. Its paired difference is that of the differences, run
//!   by run.
//! * A **share** has Wilson's interval, for as many independent cases as would vary as the runs
//!   do. Its paired difference has the ends of both shares' intervals put together by the
//!   correlation of the runs (Newcombe's square-and-add with his correction of the correlation),
//!   which remains valid where a share is near 0 or 1 and where hardly a run differs.
//!
//! Runs that do not share their draws are no pairs: a difference of [`independent`] runs has
//! Welch's interval, or Newcombe's without a correlation.

use crate::interval::{Estimate, Z_95, t_975, welch, wilson};

/// A run's part of a figure. A plain number is a part of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The part,
    pub value: f64,
    /// of this whole, which is not negative.
    pub of: f64,
}

/// What kind of number a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Any number.
    Number,
    /// Hits of cases: from 0 to 1.
    Share,
}

/// By how much one way differs from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The difference.
    pub estimate: Estimate,
    /// The difference in standard deviations of a pair's difference (Cohen's d for pairs); missing
    /// when the pairs do not vary.
    pub effect: Option<f64>,
}

/// The figure of many runs, with its 95 % interval; `None` when they say nothing of it.
pub fn estimate(parts: &[Part], scale: Scale) -> Option<Estimate> {
    let figure = Figure::of(parts)?;
    Some(figure.estimate(scale))
}

/// The figure of the first runs less that of the second, where runs at one place are a pair;
/// `None` when either side says nothing of it.
pub fn difference(runs: &[Part], base: &[Part], scale: Scale) -> Option<Difference> {
    let pairs = runs.len().min(base.len());
    let (ours, theirs) = (Figure::of(&runs[..pairs])?, Figure::of(&base[..pairs])?);
    let value = ours.ratio - theirs.ratio;
    let residuals = ours.residuals.iter().zip(&theirs.residuals);
    let squares: f64 = residuals.clone().map(|(a, b)| (a - b) * (a - b)).sum();
    let deviation = (pairs > 1).then(|| (squares / (pairs - 1) as f64).sqrt());
    let effect = deviation.filter(|d| *d > 0.0).map(|d| value / d);
    let (low, high) = match (scale, deviation) {
        (_, None) => (None, None),
        (Scale::Number, Some(deviation)) => {
            let half = t_975((pairs - 1) as f64) * deviation / (pairs as f64).sqrt();
            (Some(value - half), Some(value + half))
        }
        (Scale::Share, Some(_)) => {
            let product: f64 = residuals.map(|(a, b)| a * b).sum();
            let correlation = ours.correlation(&theirs, product);
            let (a, b) = (ours.estimate(scale), theirs.estimate(scale));
            (
                reach(below(&a), above(&b), correlation).map(|reach| value - reach),
                reach(above(&a), below(&b), correlation).map(|reach| value + reach),
            )
        }
    };
    let estimate = Estimate { value, low, high };
    Some(Difference { estimate, effect })
}

/// The figure of the first runs less that of the second, where runs have nothing to do with each
/// other; `None` when either side says nothing of it. No interval with less than two runs a side.
///
/// The effect is the difference in standard deviations of a run, those of both sides together.
pub fn independent(runs: &[Part], base: &[Part], scale: Scale) -> Option<Difference> {
    let (ours, theirs) = (Figure::of(runs)?, Figure::of(base)?);
    let value = ours.ratio - theirs.ratio;
    let Some((ours_of_mean, theirs_of_mean)) = ours.variance().zip(theirs.variance()) else {
        let (low, high) = (None, None);
        let estimate = Estimate { value, low, high };
        return Some(Difference {
            estimate,
            effect: None,
        });
    };
    let deviation = (ours_of_mean * ours.runs() + theirs_of_mean * theirs.runs()) / 2.0;
    let deviation = deviation.sqrt();
    let effect = (deviation > 0.0).then(|| value / deviation);
    let (low, high) = match scale {
        Scale::Number => {
            let sides = [(ours_of_mean, ours.runs()), (theirs_of_mean, theirs.runs())];
            let half = welch(sides);
            (Some(value - half), Some(value + half))
        }
        Scale::Share => {
            let (a, b) = (ours.estimate(scale), theirs.estimate(scale));
            (
                reach(below(&a), above(&b), 0.0).map(|reach| value - reach),
                reach(above(&a), below(&b), 0.0).map(|reach| value + reach),
            )
        }
    };
    let estimate = Estimate { value, low, high };
    Some(Difference { estimate, effect })
}

/// The figure of the first runs less that of the second, where one side has a single run and the
/// other many: by how much the one is off, with the interval that it would have if it varied as
/// the many do. `None` when either side says nothing of it.
///
/// The effect is the difference in standard deviations of one of the many.
pub fn one_with_many(runs: &[Part], base: &[Part]) -> Option<Difference> {
    let (ours, theirs) = (Figure::of(runs)?, Figure::of(base)?);
    let value = ours.ratio - theirs.ratio;
    let many = if ours.runs() > theirs.runs() {
        &ours
    } else {
        &theirs
    };
    let (mut low, mut high, mut effect) = (None, None, None);
    if let Some(variance) = many.variance() {
        let runs = many.runs();
        let deviation = (variance * runs).sqrt();
        let half = t_975(runs - 1.0) * deviation * (1.0 + 1.0 / runs).sqrt();
        (low, high) = (Some(value - half), Some(value + half));
        effect = (deviation > 0.0).then(|| value / deviation);
    }
    let estimate = Estimate { value, low, high };
    Some(Difference { estimate, effect })
}

struct Figure {
    ratio: f64,
    /// The sum of all cases.
    of: f64,
    /// Whether every run is one case.
    of_runs: bool,
    residuals: Vec<f64>,
    squares: f64,
}

impl Figure {
    fn of(parts: &[Part]) -> Option<Self> {
        let of: f64 = parts.iter().map(|part| part.of).sum();
        if of <= 0.0 {
            return None;
        }
        let ratio = parts.iter().map(|part| part.value).sum::<f64>() / of;
        let mean = of / parts.len() as f64;
        let residual = |part: &Part| (part.value - ratio * part.of) / mean;
        let residuals: Vec<f64> = parts.iter().map(residual).collect();
        Some(Self {
            ratio,
            of,
            of_runs: parts.iter().all(|part| part.of == 1.0),
            squares: residuals.iter().map(|e| e * e).sum(),
            residuals,
        })
    }

    fn runs(&self) -> f64 {
        self.residuals.len() as f64
    }

    /// Of the ratio; one run says nothing of it.
    fn variance(&self) -> Option<f64> {
        let runs = self.runs();
        (runs > 1.0).then(|| self.squares / (runs - 1.0) / runs)
    }

    fn estimate(&self, scale: Scale) -> Estimate {
        let (value, runs) = (self.ratio, self.runs());
        let Some(variance) = self.variance() else {
            let (low, high) = (None, None);
            return Estimate { value, low, high };
        };
        match scale {
            Scale::Number => {
                let half = t_975(runs - 1.0) * variance.sqrt();
                let (low, high) = (Some(value - half), Some(value + half));
                Estimate { value, low, high }
            }
            Scale::Share if self.of_runs => wilson(value, runs),
            Scale::Share => {
                // Where no run differs from another, nothing speaks against independent cases.
                let cases = value * (1.0 - value) / variance;
                let cases = if variance > 0.0 { cases } else { self.of };
                let few = Z_95 / t_975(runs - 1.0); // the variance is an estimate of few runs
                wilson(value, cases.min(self.of) * few * few)
            }
        }
    }

    /// Towards 0 by what one case more or less would make of it: that few runs agree is no proof.
    fn correlation(&self, other: &Self, product: f64) -> f64 {
        let scale = (self.squares * other.squares).sqrt();
        if scale <= 0.0 {
            return 0.0;
        }
        let runs = self.residuals.len() as f64;
        let steps = (runs / self.of) * (runs / other.of);
        let correlation = product / scale;
        if correlation > 0.0 {
            (correlation - steps / (2.0 * scale)).clamp(0.0, 1.0)
        } else {
            correlation.max(-1.0)
        }
    }
}

fn below(estimate: &Estimate) -> Option<f64> {
    estimate.low.map(|low| estimate.value - low)
}

fn above(estimate: &Estimate) -> Option<f64> {
    estimate.high.map(|high| high - estimate.value)
}

fn reach(ours: Option<f64>, theirs: Option<f64>, correlation: f64) -> Option<f64> {
    let (a, b) = (ours?, theirs?);
    Some((a * a - 2.0 * correlation * a * b + b * b).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::{Moments, share};

    fn numbers(values: &[f64]) -> Vec<Part> {
        let part = |value: &f64| Part {
            value: *value,
            of: 1.0,
        };
        values.iter().map(part).collect()
    }

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    fn ends(estimate: Estimate) -> (f64, f64) {
        (
            estimate.low.expect("an end"),
            estimate.high.expect("an end"),
        )
    }

    #[test]
    fn a_difference_of_numbers_is_the_mean_of_the_differences() {
        let (ours, theirs) = ([5.0, 7.0, 6.5, 9.0], [4.0, 7.5, 5.0, 6.0]);
        let found = difference(&numbers(&ours), &numbers(&theirs), Scale::Number);
        let found = found.expect("pairs");
        let mut moments = Moments::default();
        ours.iter()
            .zip(&theirs)
            .for_each(|(a, b)| moments.add(a - b));
        let mean = moments.mean().expect("pairs");
        close(found.estimate.value, mean.value, 1e-12);
        close(ends(found.estimate).0, ends(mean).0, 1e-9);
        close(ends(found.estimate).1, ends(mean).1, 1e-9);
        // Differences 1, -0.5, 1.5, 3: mean 1.25, standard deviation √(6.25 / 3).
        close(
            found.effect.expect("they vary"),
            1.25 / (6.25_f64 / 3.0).sqrt(),
            1e-9,
        );
        assert_eq!(difference(&[], &[], Scale::Number), None);
        let one = difference(&numbers(&[1.0]), &numbers(&[3.0]), Scale::Number).expect("a pair");
        assert_eq!((one.estimate.value, one.estimate.low), (-2.0, None));
    }

    #[test]
    fn a_difference_of_independent_numbers_has_welchs_interval() {
        let (ours, theirs) = ([1.0, 2.0, 4.0], [2.0, 5.0, 6.0, 9.0]);
        let found = independent(&numbers(&ours), &numbers(&theirs), Scale::Number);
        let found = found.expect("runs");
        let moments = |values: &[f64]| {
            let mut moments = Moments::default();
            values.iter().for_each(|value| moments.add(*value));
            moments
        };
        let expected = crate::interval::difference_of_means(&moments(&ours), &moments(&theirs));
        let expected = expected.expect("runs");
        close(found.estimate.value, expected.value, 1e-12);
        close(ends(found.estimate).0, ends(expected).0, 1e-9);
        close(ends(found.estimate).1, ends(expected).1, 1e-9);
        // Variances 7/3 and 25/3: the difference in standard deviations of √(16/3).
        let effect = (7.0 / 3.0 - 5.5) / (16.0_f64 / 3.0).sqrt();
        close(found.effect.expect("they vary"), effect, 1e-9);
        let one = independent(&numbers(&[1.0]), &numbers(&theirs), Scale::Number);
        let one = one.expect("runs");
        assert_eq!((one.estimate.value, one.estimate.low), (-4.5, None));
        assert_eq!(independent(&[], &numbers(&ours), Scale::Number), None);
    }

    #[test]
    fn a_difference_of_independent_shares_is_newcombes() {
        let hits = |hits: u32, of: u32| {
            let hit = |i: u32| f64::from(u8::from(i < hits));
            numbers(&(0..of).map(hit).collect::<Vec<_>>())
        };
        let found = independent(&hits(56, 70), &hits(48, 80), Scale::Share).expect("runs");
        // Newcombe (1998), table II, method 10.
        close(ends(found.estimate).0, 0.0524, 5e-5);
        close(ends(found.estimate).1, 0.3339, 5e-5);
        let same = independent(&hits(9, 9), &hits(9, 9), Scale::Share).expect("runs");
        let (low, high) = ends(same.estimate);
        assert!(low < 0.0 && high > 0.0, "runs that agree are no proof");
    }

    #[test]
    fn one_run_is_off_by_what_the_many_do_not_vary() {
        let many = [4.0, 6.0, 5.0, 9.0];
        // Mean 6, variance 14/3: of one more, 14/3 · (1 + 1/4) around the mean.
        let half = t_975(3.0) * (14.0_f64 / 3.0 * 1.25).sqrt();
        for (ours, theirs, sign) in [(&[10.0][..], &many[..], 1.0), (&many, &[10.0], -1.0)] {
            let found = one_with_many(&numbers(ours), &numbers(theirs)).expect("runs");
            close(found.estimate.value, sign * 4.0, 1e-12);
            close(ends(found.estimate).0, sign * 4.0 - half, 1e-9);
            close(ends(found.estimate).1, sign * 4.0 + half, 1e-9);
            let effect = sign * 4.0 / (14.0_f64 / 3.0).sqrt();
            close(found.effect.expect("they vary"), effect, 1e-9);
        }
        let alone = one_with_many(&numbers(&[1.0]), &numbers(&[3.0])).expect("runs");
        assert_eq!((alone.estimate.value, alone.estimate.low), (-2.0, None));
    }

    /// How often 20 runs hold the 21st, of a distribution that is not normal.
    #[test]
    fn the_interval_of_one_run_holds_it() {
        let mut state = 7_u64;
        let mut uniform = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (mut held, studies) = (0, 4_000);
        for _ in 0..studies {
            let mut draw = || (0..4).map(|_| uniform()).sum::<f64>();
            let many: Vec<f64> = (0..20).map(|_| draw()).collect();
            let one = one_with_many(&numbers(&[draw()]), &numbers(&many)).expect("runs");
            let (low, high) = ends(one.estimate);
            held += u32::from(low <= 0.0 && high >= 0.0);
        }
        let share = f64::from(held) / f64::from(studies);
        assert!((0.93..0.97).contains(&share), "{share}");
    }

    #[test]
    fn a_share_of_runs_has_wilsons_interval() {
        let hits: Vec<f64> = (0..40).map(|i| f64::from(u8::from(i < 7))).collect();
        let found = estimate(&numbers(&hits), Scale::Share);
        let (low, high) = ends(found.expect("runs"));
        let expected = ends(share(7, 40).expect("runs"));
        close(low, expected.0, 1e-12);
        close(high, expected.1, 1e-12);
    }

    /// Newcombe's method 10 in his own terms: a table of pairs, and phi.
    fn newcombe(both: u64, first: u64, second: u64, neither: u64) -> (f64, f64) {
        let [e, f, g, h] = [both, first, second, neither].map(|count| count as f64);
        let n = e + f + g + h;
        let (l2, u2) = ends(share(both + first, both + first + second + neither).expect("pairs"));
        let (l3, u3) = ends(share(both + second, both + first + second + neither).expect("pairs"));
        let product = ((e + f) * (g + h) * (e + g) * (f + h)).sqrt();
        let over = e * h - f * g;
        let over = if over > 0.0 {
            (over - n / 2.0).max(0.0)
        } else {
            over
        };
        let phi = if product > 0.0 { over / product } else { 0.0 };
        let (p2, p3) = ((e + f) / n, (e + g) / n);
        let reach = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).sqrt();
        (
            p2 - p3 - reach(p2 - l2, u3 - p3),
            p2 - p3 + reach(u2 - p2, p3 - l3),
        )
    }

    fn pairs(counts: [u64; 4]) -> (Vec<Part>, Vec<Part>) {
        let kinds = [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)];
        let all = counts.into_iter().zip(kinds);
        let all = all.flat_map(|(count, kind)| (0..count).map(move |_| kind));
        let (ours, theirs): (Vec<f64>, Vec<f64>) = all.unzip();
        (numbers(&ours), numbers(&theirs))
    }

    #[test]
    fn a_difference_of_shares_of_runs_is_newcombes() {
        for [both, first, second, neither] in [
            [36, 12, 2, 0],
            [20, 12, 2, 16],
            [0, 1, 0, 29],
            [30, 0, 0, 0],
            [10, 0, 0, 30],
            [1, 12, 13, 2],
        ] {
            let (ours, theirs) = pairs([both, first, second, neither]);
            let found = difference(&ours, &theirs, Scale::Share).expect("pairs");
            let (low, high) = ends(found.estimate);
            let expected = newcombe(both, first, second, neither);
            close(low, expected.0, 1e-9);
            close(high, expected.1, 1e-9);
            assert!(low < high, "pairs that agree are no proof");
        }
    }

    /// The chance that the interval holds the truth, summed over all tables of 25 pairs.
    #[test]
    fn an_interval_of_paired_shares_holds_the_truth() {
        for chances in [
            [0.6, 0.2, 0.1, 0.1],
            [0.9, 0.06, 0.02, 0.02],
            [0.02, 0.3, 0.05, 0.63],
        ] {
            let (truth, n) = (chances[1] - chances[2], 25_u64);
            let log_factorial = |n: u64| (1..=n).map(|i| f64::ln(i as f64)).sum::<f64>();
            let (mut covered, mut total) = (0.0, 0.0);
            for a in 0..=n {
                for b in 0..=n - a {
                    for c in 0..=n - a - b {
                        let counts = [a, b, c, n - a - b - c];
                        let terms = counts.iter().zip(&chances);
                        let log: f64 = terms
                            .map(|(k, p): (&u64, &f64)| *k as f64 * p.ln() - log_factorial(*k))
                            .sum();
                        let chance = (log + log_factorial(n)).exp();
                        let (ours, theirs) = pairs(counts);
                        let found = difference(&ours, &theirs, Scale::Share).expect("pairs");
                        let (low, high) = ends(found.estimate);
                        total += chance;
                        if (low..=high).contains(&truth) {
                            covered += chance;
                        }
                    }
                }
            }
            close(total, 1.0, 1e-9);
            assert!(
                (0.93..0.999).contains(&covered),
                "{covered} for {chances:?}"
            );
        }
    }

    /// Cycles of a run share its draws, the arms share part of them, and runs have cycles of their
    /// own number. Taking cycles as independent would cover half of the time.
    #[test]
    fn intervals_of_clustered_shares_hold_the_truth() {
        let mut state = 1_u64;
        let mut uniform = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (mut alone, mut paired, studies) = (0, 0, 2_000);
        for _ in 0..studies {
            let [mut ours, mut theirs] = [const { Vec::new() }; 2];
            for _ in 0..30 {
                // A quarter of the runs are unlucky: 0.9 and 0.7 instead of 0.98 and 0.9.
                let unlucky = uniform() < 0.25;
                let (p, q) = if unlucky { (0.9, 0.7) } else { (0.98, 0.9) };
                for (chance, parts) in [(p, &mut ours), (q, &mut theirs)] {
                    let of = 20 + (uniform() * 60.0) as u32;
                    let hits = (0..of).filter(|_| uniform() < chance).count();
                    parts.push(Part {
                        value: hits as f64,
                        of: of.into(),
                    });
                }
            }
            let truth = (0.25 * 0.9 + 0.75 * 0.98, 0.25 * 0.7 + 0.75 * 0.9);
            let (low, high) = ends(estimate(&theirs, Scale::Share).expect("cycles"));
            alone += u32::from((low..=high).contains(&truth.1));
            let found = difference(&ours, &theirs, Scale::Share).expect("cycles");
            let (low, high) = ends(found.estimate);
            paired += u32::from((low..=high).contains(&(truth.0 - truth.1)));
        }
        for covered in [alone, paired] {
            let covered = f64::from(covered) / f64::from(studies);
            assert!((0.92..0.985).contains(&covered), "{covered}");
        }
    }
}
