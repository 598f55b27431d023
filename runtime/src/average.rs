//! The average of the workers' results: which are refused, and how the others become a model.
//!
//! In this order: the exact length in bytes, all numbers finite, no parameter further from the model
//! than the steps of the cycle can move it, the size of the update against the others of the cycle, then the rule, in 64-bit floats and in the order of the workers, so
//! that the same results give the same bits.
//!
//! Parameters travel without names and types: a length that is exactly that of the layout is all
//! there is to compare, and a shape is never taken from a peer.
//!
//! The mean does not resist false results within the bound: a dishonest worker moves the model by
//! its share. [`Rule::Median`] and [`Rule::Trimmed`] do, while most workers are honest.
//!
//! **What it does not know:** who a worker is, how many of its batches count (that is the
//! scheduler's decision and comes as a weight), and what becomes of one that is refused.

use std::fmt;
use std::str::FromStr;

use scheduler::machine::{SessionId, WorkerId};

use crate::model::{Layout, Wire, unpack};

/// An update may be this many times as long as the median of its cycle. See
/// [`Average::merge`].
pub const NORM_FACTOR: f64 = 8.0;

/// With fewer results there is no majority that could tell which one is far off.
pub const LEAST_FOR_NORM: usize = 3;

/// How results become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rule {
    /// The mean, weighted by the batches that count.
    #[default]
    Mean,
    /// The median of each parameter; every worker counts alike.
    Median,
    /// The mean of each parameter without its least and greatest values; every worker counts
    /// alike.
    Trimmed(TrimShare),
}

/// A share below a half, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrimShare(u16);

/// What was given names no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no rule: expected mean, median or trimmed:SHARE, with 0 ≤ SHARE < 0.5 in thousandths"
)]
pub struct UnknownRule(String);

/// Why a result does not count.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It has another length.
    #[error("its parameters have {found} bytes, expected {expected}")]
    Length {
        /// Bytes of this model's parameters.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// A parameter is not a finite number.
    #[error("its parameter {index} is {value}, expected a finite number")]
    NotFinite {
        /// The place, from 0.
        index: usize,
        /// What is there.
        value: f32,
    },
    /// A parameter is further from the model than training can have moved it.
    #[error(
        "its parameter {index} has moved by {moved:.3e}, expected at most {bound:.3e}, which {steps} steps of the optimiser can reach"
    )]
    OutOfReach {
        /// The place, from 0.
        index: usize,
        /// How far it moved.
        moved: f64,
        /// How far it can have moved.
        bound: f64,
        /// In how many steps.
        steps: u64,
    },
    /// It is too far from the model that it was made from.
    #[error(
        "its update is {norm:.3e} long, expected at most {bound:.3e}, {NORM_FACTOR} times the cycle's median for its batches"
    )]
    TooFar {
        /// The length of the update.
        norm: f64,
        /// The greatest that was allowed.
        bound: f64,
    },
}

/// Parameters that passed what can be checked of them alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    parameters: Vec<f32>,
    /// Euclidean length of the difference to the model that it was made from.
    norm: f64,
}

/// One worker's result of a cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Whose it is.
    pub worker: WorkerId,
    /// The session in which it was ordered: the worker may have left, or come back, since.
    pub session: SessionId,
    /// Batches that count, as the scheduler accepted them.
    pub weight: u64,
    /// The parameters.
    pub update: Update,
}

/// What came of a cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The new parameters; none if nothing counted, and the old ones stay.
    pub parameters: Option<Vec<f32>>,
    /// The results that were too far off, in the order of the workers.
    pub refused: Vec<(WorkerId, SessionId, Refusal)>,
}

/// Checks and averages the parameters of one model.
#[derive(Clone, Debug)]
pub struct Average {
    parameters: usize,
    wire: Wire,
    rule: Rule,
    step: Option<f64>,
}

impl Average {
    /// For parameters of this layout, that are sent in this way. No step of their optimiser moves a
    /// parameter by more than `step`, if that is known.
    #[must_use]
    pub fn new(layout: &Layout, rule: Rule, wire: Wire, step: Option<f64>) -> Self {
        Self {
            parameters: layout.parameter_count(),
            wire,
            rule,
            step,
        }
    }

    /// The bytes of parameters that are sent.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.parameters.saturating_mul(self.wire.size())
    }

    /// Checks what a worker sent after at most this number of steps against `global`, the model that it
    /// began with: with 16 bits, the difference to it.
    pub fn check(&self, bytes: &[u8], global: &[f32], steps: u64) -> Result<Update, Refusal> {
        let found = bytes.len();
        let parameters = unpack(bytes, self.wire).filter(|_| found == self.wire_len());
        let Some(mut parameters) = parameters else {
            return Err(Refusal::Length {
                expected: self.wire_len(),
                found,
            });
        };
        assert_eq!(global.len(), parameters.len(), "the model has this layout");
        if self.wire != Wire::F32 {
            let pairs = parameters.iter_mut().zip(global);
            pairs.for_each(|(new, old)| *new += old);
        }
        if let Some(index) = parameters.iter().position(|p| !p.is_finite()) {
            return Err(Refusal::NotFinite {
                index,
                value: parameters[index],
            });
        }
        let moved = |(new, old): (&f32, &f32)| (f64::from(*new) - f64::from(*old)).abs();
        if let Some(step) = self.step {
            let pairs = parameters.iter().zip(global).enumerate();
            for (index, (new, old)) in pairs {
                // Each step is rounded once, and a difference of 16 bits as well.
                let reach = step
                    * steps as f64
                    * if self.wire == Wire::F32 {
                        1.0
                    } else {
                        1.0 + 1.0 / 128.0
                    };
                let size = f64::from(old.abs()) + reach;
                let bound = reach + size * f64::from(f32::EPSILON) * steps as f64;
                let moved = moved((new, old));
                if moved > bound {
                    return Err(Refusal::OutOfReach {
                        index,
                        moved,
                        bound,
                        steps,
                    });
                }
            }
        }
        let norm = parameters
            .iter()
            .zip(global)
            .map(|pair| moved(pair).powi(2))
            .sum::<f64>()
            .sqrt();
        Ok(Update { parameters, norm })
    }

    /// Averages a cycle's results, in whatever order they came.
    ///
    /// With [`LEAST_FOR_NORM`] results or more, one is refused whose update is longer than
    /// [`NORM_FACTOR`] times the median of all, or that times its batches over the median of all
    /// batches if it did more of them: a path is at most as long as its steps together, so more batches
    /// allow a longer update, and fewer do not demand a shorter one.
    ///
    /// # Panics
    ///
    /// If a worker has two results: the driver takes one per cycle.
    #[must_use]
    pub fn merge(&self, mut results: Vec<Contribution>) -> Merged {
        results.retain(|result| result.weight > 0);
        results.sort_by_key(|result| result.worker);
        let workers = results.windows(2);
        for pair in workers {
            assert_ne!(
                pair[0].worker, pair[1].worker,
                "one result per worker and cycle"
            );
        }
        let mut refused = Vec::new();
        if results.len() >= LEAST_FOR_NORM {
            let norm = median(results.iter().map(|result| result.update.norm).collect());
            let weight = median(results.iter().map(|result| result.weight as f64).collect());
            results.retain(|result| {
                let bound = NORM_FACTOR * norm * (result.weight as f64 / weight).max(1.0);
                let fits = result.update.norm <= bound;
                if !fits {
                    let norm = result.update.norm;
                    let refusal = Refusal::TooFar { norm, bound };
                    refused.push((result.worker, result.session, refusal));
                }
                fits
            });
        }
        let parameters = (!results.is_empty()).then(|| self.combine(&results));
        Merged {
            parameters,
            refused,
        }
    }

    /// There is at least one result, and all are of one length.
    fn combine(&self, results: &[Contribution]) -> Vec<f32> {
        let n = results[0].update.parameters.len();
        match self.rule {
            Rule::Mean => {
                let mut sums = vec![0.0; n];
                let mut total = 0.0;
                for result in results {
                    let weight = result.weight as f64;
                    total += weight;
                    for (sum, parameter) in sums.iter_mut().zip(&result.update.parameters) {
                        *sum += weight * f64::from(*parameter);
                    }
                }
                sums.into_iter().map(|sum| (sum / total) as f32).collect()
            }
            Rule::Median => by_parameter(results, n, |values| middle(values) as f32),
            Rule::Trimmed(TrimShare(share)) => {
                let cut = results.len() * usize::from(share) / 1000;
                by_parameter(results, n, |values| {
                    let kept = &values[cut..values.len() - cut];
                    (kept.iter().sum::<f64>() / kept.len() as f64) as f32
                })
            }
        }
    }
}

/// Combines each parameter's values once they are in order of size.
fn by_parameter(results: &[Contribution], n: usize, combine: impl Fn(&[f64]) -> f32) -> Vec<f32> {
    let mut values = vec![0.0; results.len()];
    let parameter = |index: usize| {
        for (value, result) in values.iter_mut().zip(results) {
            *value = f64::from(result.update.parameters[index]);
        }
        values.sort_unstable_by(f64::total_cmp);
        combine(&values)
    };
    (0..n).map(parameter).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    middle(&values)
}

/// The middle of ordered values, halfway between two if there is none.
fn middle(values: &[f64]) -> f64 {
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) {
        values[half - 1] / 2.0 + values[half] / 2.0
    } else {
        values[half]
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::Median => f.write_str("median"),
            Self::Trimmed(TrimShare(share)) => write!(f, "trimmed:{}", f64::from(*share) / 1000.0),
        }
    }
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(given: &str) -> Result<Self, UnknownRule> {
        let share = |text: &str| {
            let thousandths = text.parse::<f64>().ok()? * 1000.0;
            let whole = (0.0..500.0).contains(&thousandths)
                && (thousandths - thousandths.round()).abs() < 1e-6;
            whole.then(|| TrimShare(thousandths.round() as u16))
        };
        let rule = match given {
            "mean" => Some(Self::Mean),
            "median" => Some(Self::Median),
            _ => given
                .strip_prefix("trimmed:")
                .and_then(share)
                .map(Self::Trimmed),
        };
        rule.ok_or_else(|| UnknownRule(given.to_owned()))
    }
}
