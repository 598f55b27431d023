//! Trainers: what turns parameters and batches into better parameters.
//!
//! A trainer is made on the thread that trains and never leaves it; vectors of floats, not
//! tensors, cross threads. One local update is `begin`, any number of `step`s, `finish`; each
//! begins with a fresh optimiser, Adam at 1e-4.
//!
//! **What it does not know:** where parameters and batches come from and go to, how many batches
//! there will be, and the time.

mod adam;
mod judge;
mod linear;

pub use adam::Adam;
pub use judge::Tally;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data::{Batch, Dataset};
use crate::model::{ModelKind, ModelSpec};

/// Trains a model of one kind.
///
/// Parameters are those of the spec that the trainer was made for, in the order of its layout, and
/// batches and data sets have its numbers of features and classes; anything else is a bug of the
/// caller and panics.
pub trait Trainer {
    /// Begins a local update from these parameters.
    fn begin(&mut self, parameters: &[f32]) -> Result<(), TrainError>;

    /// Takes one step on a batch.
    fn step(&mut self, batch: &Batch) -> Result<(), TrainError>;

    /// Writes the parameters as they are now.
    fn finish(&mut self, into: &mut Vec<f32>) -> Result<(), TrainError>;

    /// Judges parameters by a whole data set. An update that was begun is not disturbed.
    fn evaluate(&mut self, parameters: &[f32], set: &Dataset) -> Result<Evaluation, TrainError>;

    /// Where it trains: the CPU, or a GPU by its number.
    fn device(&self) -> DeviceChoice;
}

/// How good a model is on a data set: means over its samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// What training makes smaller.
    pub loss: f64,
    /// The share of samples whose most probable class is the true one.
    pub accuracy: f64,
    /// The probability that the model gives to the true class.
    pub true_class_probability: f64,
}

/// Where to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// The first GPU if there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

/// What was given names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no device: expected auto, cpu or cuda:NUMBER")]
pub struct UnknownDevice(String);

/// Why there can be no training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// This program cannot train this kind of model.
    #[error(
        "this program was built without libtorch, so it cannot train '{0}': use --model linear, or build it with './allot runtime'"
    )]
    NoTorch(ModelKind),
    /// There is no such GPU.
    #[error("there is no {wanted}: {why}; use --device cpu")]
    NoDevice {
        /// What was asked for.
        wanted: DeviceChoice,
        /// What there is.
        why: String,
    },
    /// libtorch could not go on.
    #[error("libtorch: {0}")]
    Torch(String),
}

/// Makes a trainer, on the thread that will train, of a kind that needs no libtorch; the program
/// `runtime-trainer` makes the others. `threads` are those that one step may use.
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
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = UnknownDevice;

    fn from_str(given: &str) -> Result<Self, UnknownDevice> {
        let number = given.strip_prefix("cuda:").map(str::parse);
        match (given, number) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(Ok(number))) => Ok(Self::Cuda(number)),
            _ => Err(UnknownDevice(given.to_owned())),
        }
    }
}
