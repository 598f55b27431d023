//! The model between two cycles: as it is, as it is sent, and what its next step remembers.
//!
//! **What it does not know:** workers and cycles.

use std::sync::Arc;

use bytes::Bytes;
use scenarios::scenario::Training;

use crate::average::{Average, Contribution, Merged};
use crate::model::{Wire, pack, to_wire};
use crate::outer::OuterStep;

/// The model of a job.
#[derive(Debug)]
pub(super) struct CurrentModel {
    pub(super) parameters: Arc<Vec<f32>>,
    /// As they are sent.
    pub(super) packed: Bytes,
    pub(super) wire: Wire,
    outer: Option<OuterStep>,
    /// The momentum of that step; empty if there is none.
    velocity: Arc<Vec<f32>>,
}

impl CurrentModel {
    pub(super) fn new(training: &Training, parameters: Vec<f32>, velocity: Vec<f32>) -> Self {
        Self {
            packed: pack(&parameters, training.wire).into(),
            parameters: Arc::new(parameters),
            wire: training.wire,
            outer: OuterStep::of(training),
            velocity: Arc::new(velocity),
        }
    }

    /// As 32-bit floats, for a trainer.
    pub(super) fn floats(&self) -> Bytes {
        match self.wire {
            Wire::F32 => self.packed.clone(),
            Wire::Bf16 | Wire::F16 => to_wire(&self.parameters).into(),
        }
    }

    pub(super) fn velocity(&self) -> &[f32] {
        &self.velocity
    }

    /// What makes the next model of a cycle's results, on whatever thread.
    pub(super) fn merging(
        &self,
        average: Average,
    ) -> impl FnOnce(Vec<Contribution>) -> (Merged, Vec<f32>) + use<> {
        let (outer, old) = (self.outer, Arc::clone(&self.parameters));
        let before = Arc::clone(&self.velocity);
        move |results| {
            let mut merged = average.merge(results);
            let mut velocity = before.as_ref().clone();
            if let (Some(outer), Some(average)) = (outer, &mut merged.parameters) {
                outer.step(&old, average, &mut velocity);
            }
            (merged, velocity)
        }
    }

    /// Goes on with the next one.
    pub(super) fn replace(&mut self, parameters: Vec<f32>, velocity: Vec<f32>) {
        self.packed = pack(&parameters, self.wire).into();
        self.parameters = Arc::new(parameters);
        self.velocity = Arc::new(velocity);
    }
}
