//! How long a whole cycle takes, with all the workers at the orchestrator's link.
//!
//! [`TimeModel`] says what one worker needs, for a capacity: its transfers share the link
//! fairly. This says when the *last* result has been taken in, for the time of a run. The orchestrator
//! serves one worker at a time: it sends the parameters to the last of its list first, takes
//! results in as they come, and evaluates the merged model before the next cycle. On recorded
//! runs this comes nearer than fair sharing does, because the order matters: the worker that is
//! sent to last starts last, and two workers that finish together wait for each other.
//!
//! It is in `scheduler` because both modes predict how long a run will take before it starts, and
//! must predict the same.
//!
//! What it does not know: drift, jitter and faults of workers (it trusts benchmarks),
//! and the shipping of data before the first cycle.

use crate::time::Span;
use crate::time_model::{Link, Speed, TimeModel};
use serde::{Deserialize, Serialize};

/// What a cycle takes besides the workers' computing, as fitted on runs or measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CycleModel {
    /// Between the last result and the next cycle: merging, and the evaluation of the model.
    pub evaluation: Span,
    /// The parameters to one worker.
    pub down: Span,
    /// The parameters from one worker.
    pub up: Span,
}

/// A worker that a plan employs, as it was known when the plan was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Employed {
    /// Its speed: a benchmark, or what was learnt.
    pub speed: Speed,
    /// Its own connection.
    pub link: Link,
    /// Its batches in a cycle.
    pub batches: u64,
}

/// What is predicted of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// The whole cycle.
    pub cycle: Span,
    /// How long each employed worker computes.
    pub computes: Vec<Span>,
    /// When the result of each is taken in and evaluated, from the beginning of the cycle.
    pub through: Vec<Span>,
}

impl CycleModel {
    /// The one prediction: what a cycle takes by what was known when its plan was made. Every figure
    /// that is called predicted comes from here.
    ///
    /// Where a worker's own connection is the slower one, what it takes longer counts as its own
    /// time.
    pub fn predict(&self, time_model: &TimeModel, employed: &[Employed]) -> Prediction {
        let compute = |worker: &Employed| time_model.computing(worker.speed, worker.batches);
        let computes: Vec<Span> = employed.iter().map(compute).collect();
        let beside = |worker: &Employed| {
            let link = &worker.link;
            let slower = link.transfer - (self.down + self.up); // zero where it is not
            slower + link.latency + time_model.ship(link) * worker.batches
        };
        let own: Vec<Span> = employed
            .iter()
            .zip(&computes)
            .map(|(worker, &compute)| compute + beside(worker))
            .collect();
        let through = self.taken_in(&own).into_iter();
        let through: Vec<Span> = through.map(|at| self.evaluation + at).collect();
        Prediction {
            cycle: through.iter().copied().max().unwrap_or(self.evaluation),
            computes,
            through,
        }
    }

    /// The time of one cycle in which the employed workers, in the order of the orchestrator's
    /// list, compute for these times.
    ///
    /// With `w` of them, worker `i` (from 1) has its parameters after `(w − i + 1) · down`, and
    /// its result lies ready `compute_i` later. Results are taken in one at a time, the earliest
    /// first, each for `up`.
    pub fn cycle(&self, computes: &[Span]) -> Span {
        let last = self.taken_in(computes).into_iter().max();
        self.evaluation + last.unwrap_or_default()
    }

    /// When the result of each of them is taken in, in their order, from the beginning of the cycle.
    pub fn taken_in(&self, computes: &[Span]) -> Vec<Span> {
        let employed = computes.len() as u64;
        let mut ready: Vec<(Span, usize)> = (0..employed)
            .zip(computes)
            .map(|(before, &compute)| self.down * (employed - before) + compute)
            .zip(0..)
            .collect();
        ready.sort_unstable();
        let mut taken_in = vec![Span::ZERO; computes.len()];
        let mut last = Span::ZERO;
        for (ready, place) in ready {
            last = last.max(ready) + self.up;
            taken_in[place] = last;
        }
        taken_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(values: &[u64]) -> Vec<Span> {
        values.iter().copied().map(Span::from_millis).collect()
    }

    fn cycle_model(evaluation: u64, down: u64, up: u64) -> CycleModel {
        let [evaluation, down, up] = [evaluation, down, up].map(Span::from_millis);
        CycleModel {
            evaluation,
            down,
            up,
        }
    }

    #[test]
    fn known_cycles() {
        let check = |computes: &[u64], expected| {
            let cycle = cycle_model(500, 100, 200).cycle(&millis(computes));
            assert_eq!(cycle, Span::from_millis(expected), "{computes:?}");
        };
        check(&[], 500);
        check(&[1_000], 500 + 100 + 1_000 + 200);
        // Ready at 1,200 and 600: the second is taken in by 800, the first by 1,400.
        check(&[1_000, 500], 500 + 1_400);
        // Ready at 700 and 1,100: the one that is sent to last has less to do.
        check(&[500, 1_000], 500 + 1_300);
        // Ready at 1,200 and 1,100: the first waits until 1,300.
        check(&[1_000, 1_000], 500 + 1_500);
        // Ready at 300, 200 and 100: a queue from the start, 100 + 3 · 200.
        check(&[0, 0, 0], 500 + 700);
        // Ready at 410, 300, 300 and 700: taken in by 500, 700, 900 and 1,100.
        check(&[10, 0, 100, 600], 500 + 1_100);
        let taken_in = cycle_model(500, 100, 200).taken_in(&millis(&[10, 0, 100, 600]));
        assert_eq!(taken_in, millis(&[900, 500, 700, 1_100]));
    }

    proptest! {
        #[test]
        fn nothing_is_faster_with_more(
            mut computes in prop::collection::vec(0..5_000_u64, 1..12), at: prop::sample::Index,
            more in 0..5_000_u64, own in 0..999_u64, down in 0..999_u64, up in 0..999_u64,
        ) {
            let time_model = cycle_model(own, down, up);
            let before = time_model.cycle(&millis(&computes));
            for slower in [cycle_model(own + 1, down, up), cycle_model(own, down + 1, up), cycle_model(own, down, up + 1)] {
                prop_assert!(slower.cycle(&millis(&computes)) > before);
            }
            let at = at.index(computes.len());
            computes[at] += more;
            let after = time_model.cycle(&millis(&computes));
            prop_assert!(after >= before && after <= before + Span::from_millis(more));
            computes.insert(at, more);
            prop_assert!(time_model.cycle(&millis(&computes)) >= after);
        }

        #[test]
        fn a_cycle_lies_between_no_waiting_and_waiting_for_all(
            computes in prop::collection::vec(0..5_000_u64, 1..12),
            own in 0..999_u64, down in 0..999_u64, up in 0..999_u64,
        ) {
            let cycle = cycle_model(own, down, up).cycle(&millis(&computes));
            let (employed, slowest) = (computes.len() as u64, computes.iter().max().copied().unwrap_or(0));
            prop_assert!(cycle >= Span::from_millis(own + down + slowest + up));
            prop_assert!(cycle <= Span::from_millis(own + slowest + (down + up) * employed));
        }

        #[test]
        fn without_a_way_down_the_list_has_no_order(
            mut computes in prop::collection::vec(0..5_000_u64, 1..12), own in 0..999_u64, up in 0..999_u64,
        ) {
            let time_model = cycle_model(own, 0, up);
            let cycle = time_model.cycle(&millis(&computes));
            computes.reverse();
            prop_assert_eq!(time_model.cycle(&millis(&computes)), cycle);
        }

        #[test]
        fn nothing_overflows(computes: Vec<u64>, spans: [u64; 3]) {
            let [evaluation, down, up] = spans.map(Span::from_nanos);
            let computes: Vec<Span> = computes.into_iter().map(Span::from_nanos).collect();
            let time_model = CycleModel { evaluation, down, up };
            prop_assert!(time_model.cycle(&computes) >= evaluation);
        }
    }
}
