//! Means, shares and their 95 % confidence intervals.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The normal quantile of a two-sided 95 % interval.
pub(crate) const Z_95: f64 = 1.959_963_984_540_054;

/// An estimate and its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate itself.
    pub value: f64,
    /// The lower end; missing when there is too little data for one.
    pub low: Option<f64>,
    /// The upper end; missing when there is too little data for one.
    pub high: Option<f64>,
}

impl Estimate {
    /// In another unit.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self {
            value: factor * self.value,
            low: self.low.map(|low| factor * low),
            high: self.high.map(|high| factor * high),
        }
    }
}

/// Mean and variance of a stream, by Welford's method: numerically stable, in one pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Takes one more value in.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
    }

    /// Takes in all values of another, which leaves the same as one after the other would.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let (all, delta) = (ours + theirs, other.mean - self.mean);
        self.count += other.count;
        self.mean += delta * theirs / all;
        self.squares += other.squares + delta * delta * ours * theirs / all;
    }

    /// How many values there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// How much the values vary; one value says nothing of it.
    pub(crate) fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares.max(0.0) / (self.count as f64 - 1.0))
    }

    /// The variance of the mean, by what the values vary.
    pub(crate) fn variance_of_mean(&self) -> Option<f64> {
        self.variance().map(|variance| variance / self.count as f64)
    }

    /// The mean with Student's t interval; `None` without any value, no interval with one.
    pub fn mean(&self) -> Option<Estimate> {
        if self.count == 0 {
            return None;
        }
        let value = self.mean;
        if self.count == 1 {
            let (low, high) = (None, None);
            return Some(Estimate { value, low, high });
        }
        let freedom = (self.count - 1) as f64;
        let deviation = (self.squares.max(0.0) / freedom).sqrt();
        let half = t_975(freedom) * deviation / (self.count as f64).sqrt();
        Some(Estimate {
            value,
            low: Some(value - half),
            high: Some(value + half),
        })
    }
}

/// The share `hits / of` with Wilson's score interval; `None` when `of` is zero.
pub fn share(hits: u64, of: u64) -> Option<Estimate> {
    if of == 0 {
        return None;
    }
    Some(wilson(hits as f64 / of as f64, of as f64))
}

/// Wilson's score interval of a share of this number of independent cases, which need not be whole.
pub(crate) fn wilson(share: f64, cases: f64) -> Estimate {
    let (n, p) = (cases, share);
    let z2 = Z_95 * Z_95;
    let scale = 1.0 + z2 / n;
    let centre = (p + z2 / (2.0 * n)) / scale;
    let half = Z_95 / scale * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // At the ends the interval touches them exactly; rounding would leave it just beside.
    let low = if p <= 0.0 { 0.0 } else { centre - half };
    let high = if p >= 1.0 { 1.0 } else { centre + half };
    Estimate {
        value: p,
        low: Some(low),
        high: Some(high),
    }
}

/// The difference of two shares of the same `of` cases: those hit by the first alone, and those hit
/// by the second alone. `None` when `of` is zero.
///
/// The interval is that of Bonett and Price (2012): one case more of either kind, then Wald. It
/// does not shrink to a point where no case differs, and need not be symmetric.
pub(crate) fn difference_of_shares((first, second): (u64, u64), of: u64) -> Option<Estimate> {
    if of == 0 {
        return None;
    }
    let (one, other, n) = (first as f64, second as f64, of as f64);
    let (p, q) = ((one + 1.0) / (n + 2.0), (other + 1.0) / (n + 2.0));
    let half = Z_95 * ((p + q - (p - q) * (p - q)) / (n + 2.0)).sqrt();
    Some(Estimate {
        value: (one - other) / n,
        low: Some((p - q - half).max(-1.0)),
        high: Some((p - q + half).min(1.0)),
    })
}

/// The difference of two shares of cases that have nothing to do with each other, `hits` of `of`
/// each. `None` when either is of none.
///
/// The ends of both shares' intervals put together (Newcombe's method 10).
pub(crate) fn difference_of_independent_shares(
    ours: (u64, u64),
    base: (u64, u64),
) -> Option<Estimate> {
    let (ours, base) = (share(ours.0, ours.1)?, share(base.0, base.1)?);
    let value = ours.value - base.value;
    let below = |e: &Estimate| e.low.map(|low| e.value - low);
    let above = |e: &Estimate| e.high.map(|high| high - e.value);
    let reach = |a: Option<f64>, b: Option<f64>| Some(a?.hypot(b?));
    Some(Estimate {
        value,
        low: reach(below(&ours), above(&base)).map(|reach| value - reach),
        high: reach(above(&ours), below(&base)).map(|reach| value + reach),
    })
}

/// The difference of two means of values that have nothing to do with each other, with Welch's
/// interval. `None` when there is none of either; no interval with less than two of each.
pub(crate) fn difference_of_means(ours: &Moments, base: &Moments) -> Option<Estimate> {
    let value = ours.mean()?.value - base.mean()?.value;
    let side = |of: &Moments| Some((of.variance_of_mean()?, of.count as f64));
    let half = side(ours)
        .zip(side(base))
        .map(|(ours, base)| welch([ours, base]));
    Some(Estimate {
        value,
        low: half.map(|half| value - half),
        high: half.map(|half| value + half),
    })
}

/// Half of Welch's interval of a difference of two means, by the variance of each mean and how
/// many values it is of.
pub(crate) fn welch(sides: [(f64, f64); 2]) -> f64 {
    let variance: f64 = sides.iter().map(|(variance, _)| variance).sum();
    if variance <= 0.0 {
        return 0.0;
    }
    let terms = sides.map(|(variance, count)| variance * variance / (count - 1.0));
    let freedom = variance * variance / terms.iter().sum::<f64>();
    t_975(freedom.max(1.0)) * variance.sqrt()
}

/// The 97.5 % quantile of Student's t. By bisection on statrs' distribution function, because its
/// own inverse is off by up to two percent at some points.
pub(crate) fn t_975(freedom: f64) -> f64 {
    if freedom > 1e6 {
        return Z_95; // they agree to six places
    }
    let distribution = StudentsT::new(0.0, 1.0, freedom).expect("freedom is at least one");
    let (mut low, mut high) = (1.0, 20.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if distribution.cdf(middle) < 0.975 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    /// Quantiles as R's qt(0.975, df) prints them.
    #[test]
    fn quantiles_of_student() {
        for (freedom, quantile) in [
            (1.0, 12.706_204_736),
            (2.0, 4.302_652_730),
            (3.0, 3.182_446_305),
            (9.0, 2.262_157_163),
            (30.0, 2.042_272_456),
            (1_000.0, 1.962_339_081),
        ] {
            close(t_975(freedom), quantile, 1e-6);
        }
        close(t_975(999_999.0), Z_95, 1e-5);
    }

    #[test]
    fn the_interval_of_a_mean() {
        let mut moments = Moments::default();
        assert_eq!(moments.mean(), None);
        moments.add(2.0);
        let alone = moments.mean().expect("one value");
        assert_eq!((alone.value, alone.low), (2.0, None));
        for value in [4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            moments.add(value);
        }
        // Mean 5, sample variance 32/7, t(7) = 2.364624: half width 1.787490.
        let mean = moments.mean().expect("eight values");
        close(mean.value, 5.0, 1e-12);
        close(mean.low.expect("given"), 5.0 - 1.787_488, 1e-5);
        close(mean.high.expect("given"), 5.0 + 1.787_488, 1e-5);
    }

    /// R: prop.test(10, 100, correct = FALSE) gives 0.05522914 and 0.17436566.
    #[test]
    fn the_interval_of_a_share() {
        let tenth = share(10, 100).expect("data");
        close(tenth.low.expect("given"), 0.055_229_14, 1e-8);
        close(tenth.high.expect("given"), 0.174_365_66, 1e-8);
        let none = share(0, 10).expect("data");
        assert_eq!(none.low, Some(0.0));
        close(none.high.expect("given"), 0.277_532_8, 1e-6);
        assert_eq!(share(10, 10).expect("data").high, Some(1.0));
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn the_interval_of_a_difference_of_shares() {
        assert_eq!(difference_of_shares((0, 0), 0), None);
        let none = difference_of_shares((0, 0), 98).expect("data");
        assert_eq!(none.value, 0.0);
        close(none.high.expect("given"), 0.01 * Z_95 * 2_f64.sqrt(), 1e-12);
        close(none.low.expect("given"), -none.high.expect("given"), 1e-12);
        // p = 0.1, q = 0.05 after one more of each: 0.05 ± z sqrt((0.15 - 0.0025) / 100).
        let some = difference_of_shares((9, 4), 98).expect("data");
        close(some.value, 5.0 / 98.0, 1e-12);
        close(some.low.expect("given"), 0.05 - Z_95 * 0.038_405_729, 1e-7);
        let all = difference_of_shares((3, 0), 3).expect("data");
        assert_eq!((all.value, all.high), (1.0, Some(1.0)));
    }

    /// How often the interval holds the true difference, by summing over all that can happen to
    /// 40 cases.
    #[test]
    fn the_interval_of_a_difference_covers_it() {
        let n = 40_u64;
        let ln_factorial = |k: u64| (1..=k).map(|i| (i as f64).ln()).sum::<f64>();
        for (p, q) in [
            (0.02, 0.02),
            (0.1, 0.05),
            (0.3, 0.3),
            (0.5, 0.1),
            (0.2, 0.01),
        ] {
            let mut covered = 0.0;
            for first in 0..=n {
                for second in 0..=n - first {
                    let same = n - first - second;
                    let ways = ln_factorial(n)
                        - ln_factorial(first)
                        - ln_factorial(second)
                        - ln_factorial(same);
                    let chance = ways
                        + first as f64 * f64::ln(p)
                        + second as f64 * f64::ln(q)
                        + same as f64 * f64::ln(1.0 - p - q);
                    let found = difference_of_shares((first, second), n).expect("cases");
                    if found.low <= Some(p - q) && found.high >= Some(p - q) {
                        covered += chance.exp();
                    }
                }
            }
            assert!((0.93..=1.0).contains(&covered), "{covered} at {p}, {q}");
        }
    }

    #[test]
    fn merged_moments_are_those_of_all_values() {
        let values = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.5];
        for cut in 0..=values.len() {
            let (mut first, mut second, mut all) =
                (Moments::default(), Moments::default(), Moments::default());
            values[..cut].iter().for_each(|v| first.add(*v));
            values[cut..].iter().for_each(|v| second.add(*v));
            values.iter().for_each(|v| all.add(*v));
            first.merge(&second);
            assert_eq!(first.count, all.count);
            close(first.mean, all.mean, 1e-12);
            close(first.squares, all.squares, 1e-12);
        }
    }

    #[test]
    fn the_interval_of_a_difference_of_means_is_welchs() {
        let moments = |values: &[f64]| {
            let mut moments = Moments::default();
            values.iter().for_each(|value| moments.add(*value));
            moments
        };
        let found =
            difference_of_means(&moments(&[1.0, 2.0, 4.0]), &moments(&[2.0, 5.0, 6.0, 9.0]));
        let found = found.expect("values");
        // Means 7/3 and 11/2, variances 7/3 of 3 and 25/3 of 4: of the difference 7/9 + 25/12.
        close(found.value, 7.0 / 3.0 - 5.5, 1e-12);
        let (a, b) = (7.0 / 9.0, 25.0 / 12.0);
        let freedom = (a + b) * (a + b) / (a * a / 2.0 + b * b / 3.0);
        let half: f64 = t_975(freedom) * f64::sqrt(a + b);
        close(found.high.expect("given"), found.value + half, 1e-12);
        close(found.low.expect("given"), found.value - half, 1e-12);
        assert!((4.0..5.0).contains(&freedom));
        let alone = difference_of_means(&moments(&[1.0]), &moments(&[2.0, 5.0])).expect("values");
        assert_eq!((alone.value, alone.low), (-2.5, None));
        let same = moments(&[2.0, 2.0]);
        let none = difference_of_means(&same, &same).expect("values");
        assert_eq!((none.low, none.high), (Some(0.0), Some(0.0)));
        assert_eq!(difference_of_means(&Moments::default(), &same), None);
    }

    /// Newcombe (1998), table II, method 10: 56/70 less 48/80 is 0.2 with [0.0524, 0.3339]; 9/10
    /// less 3/10 is 0.6 with [0.1705, 0.8090]; 10/10 less 0/10 is 1 with [0.6075, 1].
    #[test]
    fn the_interval_of_a_difference_of_independent_shares_is_newcombes() {
        for (ours, base, low, high) in [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((10, 10), (0, 10), 0.6075, 1.0),
        ] {
            let found = difference_of_independent_shares(ours, base).expect("cases");
            close(found.low.expect("given"), low, 5e-5);
            close(found.high.expect("given"), high, 5e-5);
        }
        assert_eq!(difference_of_independent_shares((0, 0), (1, 2)), None);
    }

    #[test]
    fn large_means_cost_no_digits() {
        let mut moments = Moments::default();
        for value in [1e9, 1e9 + 1.0, 1e9 + 2.0] {
            moments.add(value);
        }
        close(moments.squares, 2.0, 1e-6);
    }
}
