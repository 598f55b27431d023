//! What is known of the running cycle.

use std::sync::Arc;

use crate::estimate::Between;
use crate::ids::{CycleId, PlanId, SessionId, WorkerId};
use crate::machine::record::Fate;
use crate::money::{Cost, Fee};
use crate::terms::Terms;
use crate::time::{Instant, Span};
use crate::time_model::Speed;

/// The running cycle, or the one that runs next.
#[derive(Debug)]
pub(super) struct Cycle {
    pub(super) id: CycleId,
    /// Assignments without a result.
    pub(super) open: u64,
    pub(super) running: bool,
    pub(super) plan: PlanId,
    /// By worker, as in the plan; kept between cycles for its memory.
    pub(super) assignments: Vec<Assignment>,
    /// The place of each of them in the order of service, from 1; 0 of one that is absent.
    pub(super) places: Vec<u64>,
    /// Kept for its memory.
    pub(super) turns: Vec<(bool, Span, usize)>,
    pub(super) started: Instant,
    pub(super) limit: Span,
    /// When it ends if the aggregation takes the time that the time model leaves it, or less.
    pub(super) ends: Instant,
    pub(super) results_at: Instant,
    pub(super) ordered: u64,
    pub(super) results: u64,
    pub(super) accepted: u64,
}

/// One worker's share in the running cycle.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) worker: WorkerId,
    pub(super) session: SessionId,
    pub(super) fee: Fee,
    pub(super) terms: Option<Arc<Terms>>,
    pub(super) assigned: u64,
    pub(super) expected: Span,
    /// Between two beats, at most this time and this number of batches may pass.
    pub(super) silence: Span,
    pub(super) beat_batches: u64,
    /// The number of batches at its end that are timed.
    pub(super) tail_batches: u64,
    /// Batches that beats have reported.
    pub(super) acknowledged: u64,
    pub(super) claimed: u64,
    /// Of these, the batches that its beats make plausible,
    pub(super) believed: u64,
    /// and of these, the batches that count.
    pub(super) accepted: u64,
    /// None while the result is awaited.
    pub(super) fate: Option<Fate>,
    pub(super) closed: Instant,
    pub(super) computed: Span,
    pub(super) tail: Span,
}

/// What a worker claims to have done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) done: u64,
    pub(super) took: Span,
    pub(super) tail: Span,
}

impl Assignment {
    /// What it costs if this number of batches is billed, and the part of it that is a charge: that is
    /// owed for an order, whatever came of it.
    pub(super) fn bill(&self, batches: u64) -> (Cost, Cost) {
        match &self.terms {
            None => (self.fee.times(batches), Cost::ZERO),
            Some(terms) => {
                let of_batches = terms.of_batches(self.fee, batches);
                (of_batches + terms.charge, terms.charge)
            }
        }
    }

    /// The range of speeds, in single passes over a batch, at its end; `None` if that is not known.
    pub(super) fn ended_with(&self, passes: u64) -> Option<Between> {
        let done = self.claimed.min(self.assigned);
        let batches = done.min(self.tail_batches);
        // One more may have been under way when it stopped.
        let under_way = u64::from(done < self.assigned);
        let tail = self.tail.min(self.computed);
        Some(Between {
            slowest: Speed::of_passes(batches.max(1), passes, tail)?,
            fastest: Speed::of_passes((batches + under_way).max(1), passes, tail)?,
        })
    }
}

impl Cycle {
    pub(super) const fn new(id: CycleId) -> Self {
        Self {
            id,
            open: 0,
            running: false,
            plan: PlanId::new(0),
            assignments: Vec::new(),
            places: Vec::new(),
            turns: Vec::new(),
            started: Instant::START,
            limit: Span::ZERO,
            ends: Instant::START,
            results_at: Instant::START,
            ordered: 0,
            results: 0,
            accepted: 0,
        }
    }

    /// The worker of this assignment is gone. A result that has arrived still counts.
    pub(super) fn lose(&mut self, assignment: usize, now: Instant) {
        let assignment = &mut self.assignments[assignment];
        if assignment.fate.is_none() {
            assignment.fate = Some(Fate::Lost);
            assignment.closed = now;
            self.open -= 1;
        }
    }
}
