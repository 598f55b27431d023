//! What a trainer is, where it trains, and why it cannot.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data::{Batch, Dataset};
use crate::files::FileError;
use crate::model::{Layout, ModelKind};

/// Trains a model of one kind.
///
/// Parameters have the layout of the trainer or else of its spec, and batches and data sets have its numbers of
/// features and classes; anything else is a bug of the caller and panics.
pub trait Trainer {
    /// Begins a local update from these parameters.
    fn begin(&mut self, parameters: &[f32]) -> Result<(), TrainError>;

    /// Multiplies the learning rate by this, from the next step on.
    fn scale_rate(&mut self, factor: f64);

    /// Takes one step on a batch.
    fn step(&mut self, batch: &Batch) -> Result<(), TrainError>;

    /// Writes the current parameters.
    fn finish(&mut self, into: &mut Vec<f32>) -> Result<(), TrainError>;

    /// Evaluates parameters on a whole data set, without affecting an update that has begun.
    fn evaluate(&mut self, parameters: &[f32], set: &Dataset) -> Result<Evaluation, TrainError>;

    /// The device on which it trains: the CPU, or a GPU by its number.
    fn device(&self) -> DeviceChoice;

    /// The layout of its parameters, if that does not follow from the spec.
    fn own_layout(&self) -> Option<&Layout> {
        None
    }

    /// The parameters that a job begins with, if they do not follow from the spec and the seed.
    fn own_initial(&self) -> Option<&[f32]> {
        None
    }
}

/// The quality of a model on a data set: means over its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The loss that training minimises.
    pub loss: f64,
    /// The share of samples whose most probable class is the true one.
    pub accuracy: f64,
    /// The probability that the model assigns to the true class.
    pub true_class_probability: f64,
    /// What else a program says of its model, by name. Of the three above it may leave some out: they
    /// are then no numbers.
    pub others: BTreeMap<String, f64>,
}

impl Evaluation {
    /// From numbers by their names; what is no number is left out.
    pub(crate) fn of(metrics: serde_json::Map<String, serde_json::Value>) -> Self {
        let numbers = metrics.into_iter();
        let numbers = numbers.filter_map(|(name, value)| Some((name, value.as_f64()?)));
        let mut others: BTreeMap<String, f64> = numbers.take(MOST_METRICS).collect();
        let mut known = |name| others.remove(name).unwrap_or(f64::NAN);
        Self {
            loss: known("loss"),
            accuracy: known("accuracy"),
            true_class_probability: known("true_class_probability"),
            others,
        }
    }
}

/// More than anybody reads.
const MOST_METRICS: usize = 64;

/// The device to train on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// The first GPU if there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

/// A text that does not name a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a device: expected auto, cpu or cuda:NUMBER")]
pub struct UnknownDevice(String);

/// Why training is not possible.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// This program cannot train this kind of model.
    #[error(
        "this program was built without libtorch, so it cannot train '{0}': use --model linear, or build it with './allot runtime'"
    )]
    NoTorch(ModelKind),
    /// A program of the user's own is to train.
    #[error("this trainer knows its own models alone: name the program with --trainer")]
    NotHere,
    /// There is no such GPU.
    #[error("there is no {wanted}: {why}; use --device cpu")]
    NoDevice {
        /// The requested device.
        wanted: DeviceChoice,
        /// Which devices there are.
        why: String,
    },
    /// Samples cannot be read.
    #[error(transparent)]
    Data(#[from] FileError),
    /// A file with a module in TorchScript cannot be trained.
    #[error("{}: {why}", file.display())]
    Script {
        /// The file.
        file: PathBuf,
        /// One line.
        why: String,
    },
    /// An error of libtorch.
    #[error("libtorch: {0}")]
    Torch(String),
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
