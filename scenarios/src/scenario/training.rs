//! `[training]`: how parameters are trained, averaged and sent.

use serde::{Deserialize, Serialize};

use scheduler::machine::MAX_CYCLES;

use crate::scenario::field::{choices, listed, quoted};
use crate::scenario::key::{Field, Key, keys};
use crate::scenario::read::{Item, Mistakes};
use crate::scenario::tree::Node;
use crate::scenario::unit::{Bytes, Quantity, Ratio};

/// A factor of one, in billionths.
const ONE: u64 = 1_000_000_000;

keys! {
    /// How parameters are trained, averaged and sent. Only wire matters to simulated runs. What is
    /// not given of the first five is what the program of --trainer does by itself, or for the
    /// built-in models cross-entropy and Adam with a learning rate of 0.0001.
    pub struct Training in "training" {
        /// The loss that training minimises. "mse" is the mean squared difference of the outputs
        /// and a one for the class, zeros for the others; "thesis-softmax" is the cross-entropy of
        /// a softmax too many, as in the thesis.
        loss: Option<Loss> => example("\"cross-entropy\"").flag("loss");
        /// The optimiser of a worker, new in each cycle. "adam" adds weight_decay to the
        /// gradients, "adamw" takes it off the weights.
        optimizer: Option<Optimizer> => example("\"sgd\"").flag("optimizer");
        /// The learning rate of that optimiser.
        learning_rate: Option<Ratio> => example("0.01").within(1, 1_000_000_000)
            .flag("learning-rate");
        /// The momentum of sgd.
        momentum: Option<Ratio> => example("0.9").within(0, 999_999).flag("momentum");
        /// By how much weights are drawn to zero.
        weight_decay: Option<Ratio> => example("0.01").within(0, 1_000_000_000)
            .flag("weight-decay");
        /// How the learning rate changes from cycle to cycle: not at all, times step_factor after
        /// every step_every cycles, or down to zero along half a cosine.
        schedule: Schedule => default("\"constant\"").flag("schedule");
        /// Cycles before that schedule, in which the learning rate grows in equal steps.
        warmup: u32 => default("0").within(0, MAX_CYCLES as u64).flag("warmup");
        /// Cycles of each step of the schedule "step".
        step_every: Option<u32> => example("10").within(1, MAX_CYCLES as u64);
        /// What the learning rate is multiplied by at each step.
        step_factor: Option<Ratio> => example("0.1").within(0, 1_000_000);
        /// What becomes of the average of a cycle: it is the new model, or the difference to the
        /// old model is a gradient for a step with Nesterov momentum (DiLoCo), which needs fewer
        /// cycles when a worker trains much in each of them.
        outer: Outer => default("\"average\"").flag("outer");
        /// The learning rate of that step: 0.7 unless given.
        outer_rate: Option<Ratio> => example("0.7").within(1, 10_000_000);
        /// Its momentum: 0.9 unless given.
        outer_momentum: Option<Ratio> => example("0.9").within(0, 999_999);
        /// How parameters travel: as 32-bit floats, or in half of the bytes. Results are then
        /// sent as differences to the model, and averaged in full precision.
        wire: Wire => default("\"f32\"").flag("wire");
        /// How the weights of the built-in models are drawn at first.
        weights: Weights => default("\"xavier\"").variable("WEIGHT_TYPE").flag("weights");
        /// Whether workers may use their GPU.
        allow_gpu: bool => default("true").variable("ALLOW_GPU_DEVICE").flag("allow-gpu");
        /// Folder of the results.
        out: String => default("\"logs\"").variable("LOGS").flag("out");
    }
}

impl Training {
    /// Notes the keys that have no meaning with the others.
    pub(crate) fn settle(&self, document: &Node, mistakes: &Mistakes) {
        let is_step = self.schedule == Schedule::Step;
        let is_outer = self.outer == Outer::Nesterov;
        let has_momentum = matches!(self.optimizer, None | Some(Optimizer::Sgd));
        for (key, has_meaning, needs) in [
            ("momentum", has_momentum, "training.optimizer = \"sgd\""),
            ("step_every", is_step, "training.schedule = \"step\""),
            ("step_factor", is_step, "training.schedule = \"step\""),
            ("outer_rate", is_outer, "training.outer = \"nesterov\""),
            ("outer_momentum", is_outer, "training.outer = \"nesterov\""),
        ] {
            if !has_meaning && let Some(node) = document.at_path(&format!("training.{key}")) {
                let message = format!("training.{key} has no meaning, expected {needs} with it");
                mistakes.add(&node.at, message);
            }
        }
    }

    /// What the learning rate is multiplied by in a cycle, counted from 1, of a job of this number
    /// of cycles; in billionths.
    pub fn rate_ppb(&self, cycle: u32, cycles: u32) -> u64 {
        if cycle <= self.warmup {
            return ONE * u64::from(cycle) / (u64::from(self.warmup) + 1);
        }
        let since = u64::from(cycle - self.warmup - 1);
        match self.schedule {
            Schedule::Constant => ONE,
            Schedule::Step => {
                let factor = self.step_factor.map_or(100_000, Ratio::micros);
                let steps = since / u64::from(self.step_every.unwrap_or(10));
                let mut rate = ONE;
                for _ in 0..steps {
                    rate = rate * factor / 1_000_000;
                    if rate == 0 || factor == 1_000_000 {
                        break;
                    }
                }
                rate
            }
            Schedule::Cosine => {
                let of = u64::from(cycles.saturating_sub(self.warmup)).max(since + 1);
                let angle = std::f64::consts::PI * since as f64 / of as f64;
                (ONE as f64 * (1.0 + cosine(angle)) / 2.0).round() as u64
            }
        }
    }

    /// The learning rate is not the same in all cycles.
    pub fn has_schedule(&self) -> bool {
        self.schedule != Schedule::Constant || self.warmup > 0
    }
}

/// For angles up to half a turn. A system's own may differ in the last bits.
fn cosine(angle: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..=20 {
        let k = f64::from(2 * k);
        term *= -angle * angle / (k * (k - 1.0));
        sum += term;
    }
    sum
}

/// What training minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Cross-entropy of the softmax of the outputs.
    CrossEntropy,
    /// The mean squared difference to a one for the class, and zeros.
    Mse,
    /// The mean cross-entropy of the logistic function of each output.
    BinaryCrossEntropy,
    /// Cross-entropy of the softmax of the softmax of the outputs: a mistake in the thesis program,
    /// kept for comparison. It learns more slowly.
    ThesisSoftmax,
}

impl Loss {
    const NAMES: [(&'static str, Self); 4] = [
        ("cross-entropy", Self::CrossEntropy),
        ("mse", Self::Mse),
        ("binary-cross-entropy", Self::BinaryCrossEntropy),
        ("thesis-softmax", Self::ThesisSoftmax),
    ];
    /// Names that it had before.
    const OLD: [(&'static str, Self); 2] = [
        ("logits", Self::CrossEntropy),
        ("seed-softmax", Self::ThesisSoftmax),
    ];

    /// As a scenario has it.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, loss)| *loss == self);
        found.map_or("", |(name, _)| name)
    }
}

impl Field for Loss {
    const METAVAR: &'static str = "NAME";

    fn read(item: &Item<'_>, _: &Key) -> Option<Self> {
        let old = Self::OLD.iter().find(|(name, _)| item.text() == Some(name));
        old.map(|(_, loss)| *loss)
            .or_else(|| item.choice(&Self::NAMES))
    }

    fn write(&self, _: &Key) -> Option<String> {
        Some(quoted(self.name()))
    }

    fn form(_: &Key) -> String {
        listed(&Self::NAMES.map(|(name, _)| name))
    }

    fn literal(text: &str) -> String {
        quoted(text)
    }
}

/// How a worker moves parameters against gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// By Kingma and Ba.
    Adam,
    /// The same with the decay of weights apart, by Loshchilov and Hutter.
    #[serde(rename = "adamw")]
    AdamW,
    /// Stochastic gradient descent, with momentum if that is given.
    Sgd,
}

/// How the learning rate changes from cycle to cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// By a factor, every few cycles.
    Step,
    /// To zero, along half a cosine.
    Cosine,
}

/// What becomes of an average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outer {
    /// It is the new model.
    Average,
    /// Its difference to the old model is a gradient, for a step with Nesterov momentum.
    Nesterov,
}

/// The numbers by which parameters travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wire {
    /// 32 bits each, which keeps every bit.
    F32,
    /// 16 bits: the upper half of those 32.
    Bf16,
    /// 16 bits of IEEE 754: more precise, for numbers below 65,520.
    F16,
}

choices! {
    Optimizer { "adam" => Adam, "adamw" => AdamW, "sgd" => Sgd }
    Schedule { "constant" => Constant, "step" => Step, "cosine" => Cosine }
    Outer { "average" => Average, "nesterov" => Nesterov }
    Wire { "f32" => F32, "bf16" => Bf16, "f16" => F16 }
    Weights { "xavier" => Xavier, "kaiming" => Kaiming, "orthogonal" => Orthogonal }
}

impl Wire {
    /// The bytes of a number.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    /// What parameters of a size as 32-bit floats have on the wire.
    pub(crate) fn bytes(self, parameters: Bytes) -> Bytes {
        match self {
            Self::F32 => parameters,
            Self::Bf16 | Self::F16 => Bytes::from_base(parameters.get().div_ceil(2)),
        }
    }
}

/// How a network's weights are drawn at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weights {
    /// By Glorot and Bengio.
    Xavier,
    /// By He and others.
    Kaiming,
    /// As orthogonal matrices.
    Orthogonal,
}

impl Weights {
    /// As a scenario has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xavier => "xavier",
            Self::Kaiming => "kaiming",
            Self::Orthogonal => "orthogonal",
        }
    }
}
