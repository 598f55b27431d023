//! The model between two cycles: as it is, as it is sent, and what its next step remembers.
//!
//! **What it does not know:** workers and cycles.

use std::sync::Arc;

use bytes::Bytes;
use scenarios::scenario::Training;

use crate::average::{Average, Contribution, Merged};
use crate::model::{Wire, pack, share};
use crate::outer::OuterStep;

/// The model of a job.
#[derive(Debug)]
pub(super) struct CurrentModel {
    pub(super) state: ModelState,
    pub(super) wire: Wire,
    outer: Option<OuterStep>,
}

/// A model, whole and ready to be sent. A copy of it is the same memory.
#[derive(Clone, Debug)]
pub(crate) struct ModelState {
    pub(super) parameters: Arc<Vec<f32>>,
    /// As they are sent: with 32 bits, the same memory.
    pub(super) packed: Bytes,
    /// The momentum of the orchestrator's own step; empty if there is none.
    pub(super) velocity: Arc<Vec<f32>>,
}

impl ModelState {
    fn new(parameters: Arc<Vec<f32>>, velocity: Arc<Vec<f32>>, wire: Wire) -> Self {
        Self {
            packed: match wire {
                Wire::F32 => share(&parameters),
                Wire::Bf16 | Wire::F16 => pack(&parameters, wire).into(),
            },
            parameters,
            velocity,
        }
    }
}

impl CurrentModel {
    pub(super) fn new(
        training: &Training,
        parameters: Arc<Vec<f32>>,
        velocity: Arc<Vec<f32>>,
    ) -> Self {
        Self {
            state: ModelState::new(parameters, velocity, training.wire),
            wire: training.wire,
            outer: OuterStep::of(training),
        }
    }

    /// As 32-bit floats, for a trainer.
    pub(super) fn floats(&self) -> Bytes {
        share(&self.state.parameters)
    }

    /// What makes the next model of a cycle's results, on whatever thread: all that is done with each
    /// parameter is done there.
    pub(super) fn merging(
        &self,
        average: Average,
    ) -> impl FnOnce(&[Contribution]) -> (Merged, Option<ModelState>) + use<> {
        let (outer, old, wire) = (self.outer, self.state.clone(), self.wire);
        move |results| {
            let mut merged = average.merge_all(results);
            let next = merged.parameters.take().map(|mut parameters| {
                let mut velocity = old.velocity;
                if let Some(outer) = outer {
                    let mut next = velocity.as_ref().clone();
                    outer.step(&old.parameters, &mut parameters, &mut next);
                    velocity = Arc::new(next);
                }
                ModelState::new(Arc::new(parameters), velocity, wire)
            });
            (merged, next)
        }
    }
}
