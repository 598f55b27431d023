//! Counting many values in few bins, of which each is some factor longer than the one before.

use std::collections::BTreeMap;

/// Counts in bins.
#[derive(Clone, Debug)]
pub(super) struct Bins {
    steps: Steps,
    counts: BTreeMap<i32, u64>,
}

/// How a factor of ten is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Steps {
    /// At 1, 2 and 5.
    Coarse,
    /// In this number of equal factors.
    Even(i32),
}

/// A bin that is not empty: its values `v` have `from <= v < to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bin {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) count: u64,
}

impl Bins {
    pub(super) const fn new(steps: Steps) -> Self {
        Self {
            steps,
            counts: BTreeMap::new(),
        }
    }

    /// Counts a value above zero.
    pub(super) fn add(&mut self, value: f64) {
        debug_assert!(value > 0.0 && value.is_finite());
        let mut index = match self.steps {
            Steps::Coarse => (3.0 * value.log10()).floor(),
            Steps::Even(parts) => (f64::from(parts) * value.log10()).floor(),
        } as i32;
        // The logarithm is rounded; the edges decide.
        while value < self.edge(index) {
            index -= 1;
        }
        while value >= self.edge(index + 1) {
            index += 1;
        }
        *self.counts.entry(index).or_default() += 1;
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The bins from the first to the last that are not empty.
    pub(super) fn bins(&self) -> Vec<Bin> {
        let bin = |(&index, &count): (&i32, &u64)| Bin {
            from: self.edge(index),
            to: self.edge(index + 1),
            count,
        };
        self.counts.iter().map(bin).collect()
    }

    fn edge(&self, index: i32) -> f64 {
        match self.steps {
            Steps::Coarse => {
                let part = [1.0, 2.0, 5.0][index.rem_euclid(3) as usize];
                // Division by a whole power is exact to the last digit where a product is not.
                match index.div_euclid(3) {
                    power @ 0.. => part * 10_f64.powi(power),
                    power => part / 10_f64.powi(-power),
                }
            }
            Steps::Even(parts) => 10_f64.powf(f64::from(index) / f64::from(parts)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_its_bin() {
        for steps in [Steps::Coarse, Steps::Even(20)] {
            let mut value = 1e-6;
            while value < 1e9 {
                let mut bins = Bins::new(steps);
                bins.add(value);
                let bin = bins.bins()[0];
                assert!(bin.from <= value && value < bin.to, "{value} in {bin:?}");
                value *= 1.093;
            }
        }
    }

    #[test]
    fn round_edges_belong_to_the_bin_that_they_begin() {
        let mut bins = Bins::new(Steps::Coarse);
        for value in [0.001, 0.002, 0.005, 1.0, 1.5, 2.0, 5.0, 10.0] {
            bins.add(value);
        }
        let found: Vec<(f64, u64)> = bins
            .bins()
            .iter()
            .map(|bin| (bin.from, bin.count))
            .collect();
        assert_eq!(
            found,
            [
                (0.001, 1),
                (0.002, 1),
                (0.005, 1),
                (1.0, 2),
                (2.0, 1),
                (5.0, 1),
                (10.0, 1)
            ]
        );
        assert_eq!(bins.total(), 8);
    }
}
