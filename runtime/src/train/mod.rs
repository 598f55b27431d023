//! Trainers: they improve parameters on batches.
//!
//! A trainer is created on the thread that trains and never leaves it; vectors of floats, not
//! tensors, cross threads. One local update is `begin`, any number of `step`s, `finish`; each
//! begins with a new optimiser, Adam at 1e-4 unless another one is asked for.
//!
//! Only the program `runtime-trainer` links libtorch, whose loading takes 0.3 s of processor time.
//! The library never uses it, so everything else builds and is tested without it, with the model
//! `linear`.
//!
//! **What it does not know:** where parameters and batches come from and go to, the number of
//! batches, and the time.

mod adam;
mod linear;
mod optimizer;
mod tally;
mod types;

pub use optimizer::{OptimizerState, longest_step};
pub use tally::EvaluationTally;
pub use types::{DeviceChoice, Evaluation, TrainError, Trainer, UnknownDevice};

use crate::model::{ModelKind, ModelSpec};

/// Creates a trainer of a kind that does not need libtorch, on the thread that will train; the
/// program `runtime-trainer` creates the others. A step may use this number of threads.
pub fn trainer(
    spec: &ModelSpec,
    device: DeviceChoice,
    threads: usize,
) -> Result<Box<dyn Trainer>, TrainError> {
    match spec.kind {
        ModelKind::Linear => match device {
            DeviceChoice::Auto | DeviceChoice::Cpu => Ok(Box::new(linear::Linear::new(spec))),
            DeviceChoice::Cuda(_) => Err(TrainError::NoDevice {
                wanted: device,
                why: "the model 'linear' trains on the CPU alone".to_owned(),
            }),
        },
        ModelKind::Mlp => {
            let _ = threads; // a linear step is too small to be shared
            Err(TrainError::NoTorch(spec.kind))
        }
        ModelKind::Program => Err(TrainError::NotHere),
    }
}
