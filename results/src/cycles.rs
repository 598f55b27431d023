//! What became of an allocator's plans in simulated cycles: counted while tests stream by, and
//! compared with `exact` test by test, since all plans of a test meet the same true speeds.

use serde::Serialize;

use crate::interval::{Estimate, Moments, difference_of_shares, share};
use crate::row::Simulated;
use crate::schema::columns;

/// How an allocator's plans did in simulated cycles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cycles {
    /// Plans, each driven through one cycle.
    pub simulated: u64,
    /// The percentage of cycles that missed their limit.
    pub missed_percent: Option<Estimate>,
    /// Mean number of employed workers that needed longer than the limit.
    pub mean_late_workers: Option<Estimate>,
    /// Mean time until the last employed worker had finished all of its batches, in milliseconds.
    pub mean_makespan_ms: Option<Estimate>,
    /// The differences from `exact`, if it is among the allocators and this is another.
    pub against_exact: Option<AgainstExact>,
}

columns! {
    /// How much more than for `exact`, over the tests for which both have a plan.
    #[derive(Clone, Copy, Debug, PartialEq, Serialize)]
    pub struct AgainstExact {
        /// Tests for which both this allocator and `exact` have a plan.
        pairs: u64 = "pairs_with_exact",
        /// Tests of these whose cycle missed its limit with this allocator's plan only.
        missed_alone: u64 = "missed_alone",
        /// Tests of these whose cycle missed its limit with the plan of `exact` only.
        exact_missed_alone: u64 = "exact_missed_alone",
        /// The difference of the shares of cycles that missed, in percentage points.
        missed_points: Option<Estimate> = "missed_points_above_exact",
        /// The mean difference in late workers.
        late_workers: Option<Estimate> = "late_workers_above_exact",
        /// The mean difference in makespan, in milliseconds.
        makespan_ms: Option<Estimate> = "makespan_ms_above_exact",
    }
}

columns! {
    for Cycles {
        /// Plans, each driven through one simulated cycle.
        simulated: u64 = "simulated",
        /// The percentage of cycles that missed their limit.
        missed_percent: Option<Estimate> = "missed_percent",
        /// Mean number of employed workers that needed longer than the limit.
        mean_late_workers: Option<Estimate> = "mean_late_workers",
        /// Mean time until the last employed worker had finished all of its batches.
        mean_makespan_ms: Option<Estimate> = "mean_makespan_ms",
        .. against_exact: None
    }
}

/// Takes plans in.
#[derive(Clone, Debug, Default)]
pub(crate) struct CycleCounter {
    missed: u64,
    late: Moments,
    makespan: Moments,
    missed_alone: u64,
    exact_missed_alone: u64,
    more_late: Moments,
    longer: Moments,
}

impl CycleCounter {
    /// One plan, and what `exact` did with the same test if it is another's.
    pub(crate) fn add(&mut self, own: Simulated, exact: Option<Simulated>) {
        self.missed += u64::from(own.missed);
        self.late.add(own.late_workers as f64);
        self.makespan.add(millis(own.makespan_ns));
        let Some(exact) = exact else { return };
        self.missed_alone += u64::from(own.missed && !exact.missed);
        self.exact_missed_alone += u64::from(exact.missed && !own.missed);
        let more_late = own.late_workers as f64 - exact.late_workers as f64;
        self.more_late.add(more_late);
        // Of whole nanoseconds: what is equal differs by exactly nothing.
        let longer = i128::from(own.makespan_ns) - i128::from(exact.makespan_ns);
        self.longer.add(longer as f64 / NANOS_A_MILLI);
    }

    pub(crate) fn cycles(&self, is_paired: bool) -> Cycles {
        let pairs = self.longer.count();
        let differing = (self.missed_alone, self.exact_missed_alone);
        let percent = |share: Estimate| share.times(100.0);
        Cycles {
            simulated: self.makespan.count(),
            missed_percent: share(self.missed, self.makespan.count()).map(percent),
            mean_late_workers: self.late.mean(),
            mean_makespan_ms: self.makespan.mean(),
            against_exact: is_paired.then(|| AgainstExact {
                pairs,
                missed_alone: self.missed_alone,
                exact_missed_alone: self.exact_missed_alone,
                missed_points: difference_of_shares(differing, pairs).map(percent),
                late_workers: self.more_late.mean(),
                makespan_ms: self.longer.mean(),
            }),
        }
    }
}

const NANOS_A_MILLI: f64 = 1e6;

fn millis(nanos: u64) -> f64 {
    nanos as f64 / NANOS_A_MILLI
}
