//! The allocation problem, stated exactly.
//!
//! Give each worker `i` an integer number of batches `x_i`, so that the total fee
//! `Σ fee_i · x_i` is least, subject to `Σ x_i = n`, `x_i = 0` or `m ≤ x_i ≤ s_max_i` with the
//! lot `m = max(1, s_min)`, at least `beta` workers employed (`x_i ≥ 1`), and at most a stated
//! number of them.
//!
//! Workers may have [`Terms`] beside a fee per batch: a charge if they are employed, tiers, a lot of
//! their own. Where none has, nothing here differs from a problem without them.

use std::sync::Arc;

use crate::limits::{MAX_BATCHES, MAX_N, MAX_WORKERS};
use crate::money::{Cost, Fee};
use crate::terms::Terms;
use serde::{Deserialize, Serialize};

/// One machine, as an allocation sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// The most batches that it can train within the time limit.
    pub s_max: u64,
    /// What one batch costs on it.
    pub fee: Fee,
}

/// A valid allocation problem: every number lies within its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    n: u64,
    s_min: u64,
    beta: u64,
    most_employed: u64,
    workers: Vec<Worker>,
    /// Of each worker, if any has more than a fee per batch.
    terms: Option<Arc<[Terms]>>,
}

impl Problem {
    /// States a problem: `n` batches, lots of at least `s_min`, at least `beta` employed workers,
    /// and no limit above.
    ///
    /// # Errors
    /// When a number lies above [`MAX_N`] or [`MAX_BATCHES`], or there are more than [`MAX_WORKERS`] workers.
    pub fn new(n: u64, s_min: u64, beta: u64, workers: Vec<Worker>) -> Result<Self, ProblemError> {
        let bounded = [
            ("n", n, MAX_N),
            ("s_min", s_min, MAX_BATCHES),
            ("beta", beta, MAX_BATCHES),
        ];
        for (name, value, most) in bounded {
            if value > most {
                return Err(ProblemError::TooLarge { name, value, most });
            }
        }
        if workers.len() > MAX_WORKERS {
            return Err(ProblemError::TooManyWorkers {
                count: workers.len(),
            });
        }
        if let Some(worker) = workers.iter().position(|w| w.s_max > MAX_BATCHES) {
            return Err(ProblemError::CapacityTooLarge {
                worker,
                s_max: workers[worker].s_max,
            });
        }
        Ok(Self {
            n,
            s_min,
            beta,
            most_employed: u64::MAX,
            workers,
            terms: None,
        })
    }

    /// Batches to hand out in all.
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// The least number of batches of an employed worker, as stated (may be 0).
    pub const fn s_min(&self) -> u64 {
        self.s_min
    }

    /// The least number of employed workers.
    pub const fn beta(&self) -> u64 {
        self.beta
    }

    /// The most workers that may be employed; `u64::MAX` where nothing limits them.
    pub const fn most_employed(&self) -> u64 {
        self.most_employed
    }

    /// The workers, in the order that plans follow.
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// The lot `m = max(1, s_min)`: the least that makes a worker employed.
    pub const fn lot(&self) -> u64 {
        if self.s_min == 0 { 1 } else { self.s_min }
    }

    /// Whether the worker can be employed at all: it can take a whole lot.
    pub const fn is_eligible(&self, worker: &Worker) -> bool {
        worker.s_max >= self.lot()
    }

    /// What the workers are paid beside a fee per batch, and their own lots; `None` if no worker has
    /// anything of the kind.
    pub fn terms(&self) -> Option<&[Terms]> {
        self.terms.as_deref()
    }

    /// The least that makes the worker at a place employed.
    pub fn lot_of(&self, worker: usize) -> u64 {
        match &self.terms {
            None => self.lot(),
            Some(terms) => self.lot().max(terms[worker].least),
        }
    }

    /// What this number of batches costs on the worker at a place.
    pub fn cost_of(&self, worker: usize, batches: u64) -> Cost {
        let fee = self.workers[worker].fee;
        match &self.terms {
            None => fee.times(batches),
            Some(terms) => terms[worker].cost(fee, batches),
        }
    }

    /// Whether there is nothing to do: no batches, and no worker that must be employed.
    pub const fn is_empty(&self) -> bool {
        self.n == 0 && self.beta == 0
    }

    /// The same workers and data under another least number of employed workers.
    #[must_use]
    pub fn with_beta(mut self, beta: u64) -> Self {
        self.beta = beta.min(MAX_BATCHES);
        self
    }

    /// The same workers and data under another limit on how many may be employed.
    #[must_use]
    pub const fn with_most_employed(mut self, most: u64) -> Self {
        self.most_employed = most;
        self
    }

    /// The same problem where workers are paid by these terms too. A worker's fee is that of its first
    /// batches.
    ///
    /// # Panics
    /// When there are not as many terms as workers.
    #[must_use]
    pub fn with_terms(mut self, terms: Arc<[Terms]>) -> Self {
        assert_eq!(terms.len(), self.workers.len(), "each worker has its terms");
        self.terms = (!terms.iter().all(Terms::is_plain)).then_some(terms);
        self
    }

    /// The same demand among other workers, as many, with fees alone.
    pub(crate) fn with_workers(mut self, workers: Vec<Worker>) -> Self {
        (self.workers, self.terms) = (workers, None);
        self
    }

    /// The same workers and data under another least number of batches.
    #[must_use]
    pub fn with_s_min(mut self, s_min: u64) -> Self {
        self.s_min = s_min.min(MAX_BATCHES);
        self
    }

    /// The same workers under another number of batches.
    #[must_use]
    pub fn with_n(mut self, n: u64) -> Self {
        self.n = n.min(MAX_N);
        self
    }
}

/// Why numbers do not make a problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemError {
    /// One of n, s_min and beta is out of bounds.
    #[error("{name} is {value}, expected at most {most}")]
    TooLarge {
        /// Which number.
        name: &'static str,
        /// What it was.
        value: u64,
        /// Its bound.
        most: u64,
    },
    /// A capacity is out of bounds.
    #[error("s_max of worker {worker} is {s_max}, expected at most 1000000000")]
    CapacityTooLarge {
        /// The worker's 0-based index.
        worker: usize,
        /// Its capacity in batches.
        s_max: u64,
    },
    /// More workers than an allocator is made for.
    #[error("there are {count} workers, expected at most 1000000")]
    TooManyWorkers {
        /// How many there are.
        count: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_checked() {
        let worker = |s_max| Worker {
            s_max,
            fee: Fee::ZERO,
        };
        assert!(Problem::new(MAX_N, 0, 0, vec![worker(MAX_BATCHES)]).is_ok());
        let error = Problem::new(MAX_N + 1, 0, 0, vec![]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "n is 2000000001, expected at most 2000000000"
        );
        let error = Problem::new(1, 0, 0, vec![worker(1), worker(MAX_BATCHES + 1)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "s_max of worker 1 is 1000000001, expected at most 1000000000"
        );
        let error = Problem::new(1, 0, 0, vec![worker(1); MAX_WORKERS + 1]).unwrap_err();
        assert_eq!(error, ProblemError::TooManyWorkers { count: 1_000_001 });
    }
}
