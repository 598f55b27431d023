//! What is said of how a model is trained.

use scenarios::scenario::{Loss, Optimizer, Ratio, Training};
use serde::{Deserialize, Serialize};

/// What is said of training. The rest is the choice of a program of the user's own; the built-in
/// models have defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingOptions {
    /// What is minimised.
    pub loss: Option<Loss>,
    /// How parameters are moved.
    pub optimizer: Option<Optimizer>,
    /// In millionths, as are the next two.
    pub learning_rate: Option<u64>,
    /// Of plain gradient descent.
    pub momentum: Option<u64>,
    /// By how much weights are drawn to zero.
    pub weight_decay: Option<u64>,
    /// The learning rate changes from cycle to cycle.
    pub schedule: bool,
}

/// The same as a trainer reads it: what is not said is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OptionsHead {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loss: Option<Loss>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    optimizer: Option<Optimizer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learning_rate: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    momentum: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight_decay: Option<f64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    schedule: bool,
}

impl TrainingOptions {
    /// Nothing is said.
    pub const NONE: Self = Self {
        loss: None,
        optimizer: None,
        learning_rate: None,
        momentum: None,
        weight_decay: None,
        schedule: false,
    };

    /// What a scenario says.
    #[must_use]
    pub fn of(training: &Training) -> Self {
        Self {
            loss: training.loss,
            optimizer: training.optimizer,
            learning_rate: training.learning_rate.map(Ratio::micros),
            momentum: training.momentum.map(Ratio::micros),
            weight_decay: training.weight_decay.map(Ratio::micros),
            schedule: training.has_schedule(),
        }
    }

    /// The loss of a built-in model.
    #[must_use]
    pub fn loss(&self) -> Loss {
        self.loss.unwrap_or(Loss::CrossEntropy)
    }

    /// The names of what is said, as in a scenario.
    pub(crate) fn said(&self) -> impl Iterator<Item = &'static str> {
        let said = [
            ("loss", self.loss.is_some()),
            ("optimizer", self.optimizer.is_some()),
            ("learning_rate", self.learning_rate.is_some()),
            ("momentum", self.momentum.is_some()),
            ("weight_decay", self.weight_decay.is_some()),
            ("schedule", self.schedule),
        ];
        said.into_iter().filter_map(|(name, is)| is.then_some(name))
    }

    pub(crate) fn head(&self) -> OptionsHead {
        let number = |micros: Option<u64>| micros.map(|micros| micros as f64 / 1e6);
        OptionsHead {
            loss: self.loss,
            optimizer: self.optimizer,
            learning_rate: number(self.learning_rate),
            momentum: number(self.momentum),
            weight_decay: number(self.weight_decay),
            schedule: self.schedule,
        }
    }
}

impl OptionsHead {
    pub(crate) fn read(&self) -> TrainingOptions {
        let micros = |number: Option<f64>| number.map(|number| (number * 1e6).round() as u64);
        TrainingOptions {
            loss: self.loss,
            optimizer: self.optimizer,
            learning_rate: micros(self.learning_rate),
            momentum: micros(self.momentum),
            weight_decay: micros(self.weight_decay),
            schedule: self.schedule,
        }
    }
}
