//! Any module that `allot.export` wrote as TorchScript, on libtorch: its own loss, gradients by
//! libtorch's autograd, and our own optimiser over one vector of the parameters that train.
//!
//! The file has the methods `describe`, `state`, `set_state`, `loss` and `judge`. If one of them
//! is missing or fails, the error is one line, without the stack trace of the interpreter.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tch::{CModule, Device, IValue, Kind, TchError, Tensor, no_grad_guard};

use runtime::data::{Batch, BatchShape, Dataset, FieldShape, ValueType};
use runtime::model::{Layout, ModelSpec, Optimizer, TensorShape};
use runtime::train::{DeviceChoice, Evaluation, OptimizerState, TrainError, Trainer};

use crate::torch::{as_choice, choose, torch_error};

/// The version of what a file says of itself.
const VERSION: u32 = 1;
/// The first calls compile the module; the shapes of the job's batches are tried by them, too.
const WARM_UP: usize = 3;
/// Numbers of a model that what is drawn follows from.
const DRAWN_FROM: usize = 1 << 12;

/// What a file says of itself.
#[derive(Debug, Deserialize)]
struct Described {
    allot: u32,
    tensors: Vec<TensorShape>,
    /// The first ones train, the others are buffers.
    trained: usize,
}

/// The trainer of a file.
#[derive(Debug)]
pub(crate) struct Script {
    file: PathBuf,
    module: CModule,
    device: Device,
    layout: Layout,
    initial: Vec<f32>,
    batch_size: usize,
    /// Those that train, as the module has them.
    leaves: Vec<Tensor>,
    /// Their values, and what moves them.
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    optimizer: OptimizerState,
}

impl Script {
    /// Loads a file for a job.
    pub(crate) fn new(
        file: &Path,
        spec: &ModelSpec,
        device: DeviceChoice,
        threads: usize,
    ) -> Result<Self, TrainError> {
        let bad = |why: String| script_error(file, &why);
        let options = &spec.options;
        if options.loss.is_some() {
            return Err(bad(
                "it has its own loss: leave training.loss out".to_owned()
            ));
        }
        if options.momentum.is_some() && options.optimizer != Some(Optimizer::Sgd) {
            let why = "training.momentum has no meaning with adam, expected training.optimizer = \"sgd\" with it";
            return Err(bad(why.to_owned()));
        }
        tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(i32::MAX));
        let device = choose(device)?;
        let mut open = File::open(file).map_err(|error| bad(error.to_string()))?;
        let module = CModule::load_data_on_device(&mut open, device).map_err(|error| {
            let whole = reason(&error);
            let first = whole.split(". ").next().unwrap_or_default();
            bad(format!(
                "it is no TorchScript ({first}): write it with allot.export(module, loss)"
            ))
        })?;
        let described = describe(&module).map_err(bad)?;
        let leaves = leaves(&module, &described).map_err(bad)?;
        let trained: usize = leaves.iter().map(Tensor::numel).sum();
        if trained == 0 {
            return Err(bad("nothing in it trains".to_owned()));
        }
        let layout = Layout::of(described.tensors);
        let mut new = Self {
            file: file.to_owned(),
            module,
            device,
            initial: Vec::new(),
            batch_size: spec.shape.batch_size as usize,
            leaves,
            parameters: vec![0.0; trained],
            gradients: vec![0.0; trained],
            optimizer: OptimizerState::new(options, trained),
            layout,
        };
        new.initial = new.state()?;
        new.warm_up(&spec.shape)?;
        Ok(new)
    }

    /// Trains on a batch of zeros, so that later calls compile nothing, and a shape that does not fit is an
    /// error before the job begins.
    fn warm_up(&mut self, shape: &BatchShape) -> Result<(), TrainError> {
        let zeros = vec![0; shape.wire_len()];
        let batch = Batch::from_wire(shape, zeros)
            .map_err(|error| script_error(&self.file, &error.to_string()))?;
        let initial = self.initial.clone();
        self.begin(&initial)?;
        for _ in 0..WARM_UP {
            self.step(&batch)?;
        }
        self.set_state(&initial)
    }

    fn error(&self, error: &TchError) -> TrainError {
        script_error(&self.file, &reason(error))
    }

    /// What a method made of a batch goes wrong with the batch, most likely.
    fn batch_error(&self, error: &TchError, shape: &BatchShape) -> TrainError {
        let side = |field: &FieldShape| {
            let whole = [shape.batch_size].into_iter();
            let all: Vec<u32> = whole.chain(field.dimensions().iter().copied()).collect();
            format!("{:?} {all:?}", field.kind).to_lowercase()
        };
        let why = format!(
            "it does not take a batch of x {} and y {}: {}",
            side(&shape.x),
            side(&shape.y),
            reason(error)
        );
        script_error(&self.file, &why)
    }

    /// Parameters and buffers, as the module has them.
    fn state(&self) -> Result<Vec<f32>, TrainError> {
        let _guard = no_grad_guard();
        let read = || {
            let all = self.module.method_ts::<Tensor>("state", &[])?;
            let (found, count) = (all.numel(), self.layout.parameter_count());
            if found != count {
                return Err(TchError::Kind(format!(
                    "its state has {found} numbers, expected {count} as it describes"
                )));
            }
            let mut state = vec![0.0; count];
            all.f_copy_data(&mut state, count).map(|()| state)
        };
        read().map_err(|error| self.error(&error))
    }

    fn set_state(&self, parameters: &[f32]) -> Result<(), TrainError> {
        assert_eq!(
            parameters.len(),
            self.layout.parameter_count(),
            "parameters of this model"
        );
        let _guard = no_grad_guard();
        let set = || {
            let all = Tensor::f_from_slice(parameters)?.f_to_device(self.device)?;
            self.module.method_ts("set_state", &[all])
        };
        set().map(drop).map_err(|error| self.error(&error))
    }

    /// A batch as two tensors.
    fn sides(&self, batch: &Batch) -> Result<[Tensor; 2], TchError> {
        let shape = batch.shape();
        let side = |field: &FieldShape, bytes: &[u8]| {
            let samples = [i64::from(shape.batch_size)].into_iter();
            let size: Vec<i64> = samples
                .chain(field.dimensions().iter().map(|d| i64::from(*d)))
                .collect();
            let (kind, plain) = match field.kind {
                ValueType::U8 => (Kind::Uint8, Kind::Int64),
                ValueType::Bool => (Kind::Bool, Kind::Int64),
                ValueType::I32 => (Kind::Int, Kind::Int64),
                ValueType::I64 => (Kind::Int64, Kind::Int64),
                ValueType::F16 => (Kind::Half, Kind::Float),
                ValueType::F32 => (Kind::Float, Kind::Float),
            };
            Tensor::f_from_data_size(bytes, &size, kind)?
                .f_to_device(self.device)
                .map(|tensor| (tensor, plain))
        };
        let (x, plain) = side(&shape.x, batch.x())?;
        let x = if shape.x.kind == ValueType::U8 {
            x.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?
        } else {
            x.f_to_kind(plain)?
        };
        let (y, plain) = side(&shape.y, batch.y())?;
        Ok([x, y.f_to_kind(plain)?])
    }

    fn try_step(&mut self, batch: &Batch) -> Result<(), TchError> {
        let loss = self.module.method_ts("loss", &self.sides(batch)?)?;
        if loss.numel() != 1 {
            let found = loss.size();
            return Err(TchError::Kind(format!(
                "its loss has the shape {found:?}, expected one number: the mean over the batch"
            )));
        }
        let slopes = Tensor::f_run_backward(&[loss], &self.leaves, false, false)?;
        let _guard = no_grad_guard();
        let flat = |(slope, leaf): (&Tensor, &Tensor)| {
            // What the loss does not depend on has none.
            let slope = match slope.defined() {
                true => slope.f_reshape(-1)?,
                false => leaf.f_zeros_like()?.f_reshape(-1)?,
            };
            slope.f_to_kind(Kind::Float)
        };
        let slopes: Vec<Tensor> = slopes
            .iter()
            .zip(&self.leaves)
            .map(flat)
            .collect::<Result<_, _>>()?;
        let count = self.gradients.len();
        Tensor::f_cat(&slopes, 0)?.f_copy_data(&mut self.gradients, count)?;
        self.optimizer
            .step(&mut self.parameters, &mut self.gradients);
        let all = Tensor::f_from_slice(&self.parameters)?.f_to_device(self.device)?;
        let mut first = 0;
        for leaf in &mut self.leaves {
            let length = leaf.numel() as i64;
            let part = all.f_narrow(0, first, length)?.f_view_as(leaf)?;
            leaf.f_copy_(&part)?;
            first += length;
        }
        Ok(())
    }

    /// The sums over a batch of what is judged.
    fn judge(&self, batch: &Batch) -> Result<Vec<f64>, TchError> {
        let _guard = no_grad_guard();
        let judged = self.module.method_ts("judge", &self.sides(batch)?)?;
        let mut means = vec![0.0; judged.numel()];
        let count = means.len();
        judged.f_copy_data(&mut means, count)?;
        let samples = f64::from(batch.shape().batch_size);
        Ok(means.into_iter().map(|mean| mean * samples).collect())
    }

    fn judge_all(&self, set: &Dataset) -> Result<Vec<f64>, TrainError> {
        let mut sums: Vec<f64> = Vec::new();
        for first in (0..set.samples()).step_by(self.batch_size) {
            let batch = set.rows(first, self.batch_size)?;
            let judged = self.judge(&batch);
            let judged = judged.map_err(|error| self.batch_error(&error, batch.shape()))?;
            sums.resize(judged.len(), 0.0);
            sums.iter_mut()
                .zip(judged)
                .for_each(|(sum, judged)| *sum += judged);
        }
        let samples = set.samples().max(1) as f64;
        Ok(sums.into_iter().map(|sum| sum / samples).collect())
    }
}

impl Trainer for Script {
    fn begin(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        self.set_state(parameters)?;
        let trained = self.parameters.len();
        self.parameters.copy_from_slice(&parameters[..trained]);
        self.optimizer.reset(trained);
        // What dropout draws follows from the model alone, so that a run can be repeated bit by bit.
        let bits = parameters.iter().take(DRAWN_FROM).map(|p| p.to_bits());
        let seed = bits.fold(0xcbf2_9ce4_8422_2325_u64, |hash, bits| {
            (hash ^ u64::from(bits)).wrapping_mul(0x100_0000_01b3)
        });
        tch::manual_seed(seed.cast_signed());
        self.module.f_set_train().map_err(torch_error)
    }

    fn scale_rate(&mut self, factor: f64) {
        self.optimizer.scale_rate(factor);
    }

    fn step(&mut self, batch: &Batch) -> Result<(), TrainError> {
        self.try_step(batch)
            .map_err(|error| self.batch_error(&error, batch.shape()))
    }

    fn finish(&mut self, into: &mut Vec<f32>) -> Result<(), TrainError> {
        *into = self.state()?;
        Ok(())
    }

    fn evaluate(&mut self, parameters: &[f32], set: &Dataset) -> Result<Evaluation, TrainError> {
        let before = self.state()?;
        self.set_state(parameters)?;
        self.module.f_set_eval().map_err(torch_error)?;
        let judged = self.judge_all(set);
        self.module.f_set_train().map_err(torch_error)?;
        self.set_state(&before)?;
        let judged = judged?;
        let number = |at: usize| judged.get(at).copied().unwrap_or(f64::NAN);
        Ok(Evaluation {
            loss: number(0),
            accuracy: number(1),
            true_class_probability: number(2),
            others: std::collections::BTreeMap::new(),
        })
    }

    fn device(&self) -> DeviceChoice {
        as_choice(self.device)
    }

    fn own_layout(&self) -> Option<&Layout> {
        Some(&self.layout)
    }

    fn own_initial(&self) -> Option<&[f32]> {
        Some(&self.initial)
    }
}

/// What a file says of itself.
fn describe(module: &CModule) -> Result<Described, String> {
    let told = module.method_is::<IValue>("describe", &[]);
    let text = match told {
        Ok(IValue::String(text)) => text,
        Ok(_) | Err(_) => {
            return Err(
                "it has no description: write it with allot.export(module, loss)".to_owned(),
            );
        }
    };
    let described: Described =
        serde_json::from_str(&text).map_err(|error| format!("its description: {error}"))?;
    if described.allot != VERSION {
        return Err(format!(
            "it is of version {}, expected {VERSION}: write it anew with this release's allot.export",
            described.allot
        ));
    }
    Ok(described)
}

/// The parameters that train.
fn leaves(module: &CModule, described: &Described) -> Result<Vec<Tensor>, String> {
    let all = module.named_parameters();
    let all = all.map_err(|error| reason(&error))?;
    let leaf = |tensor: &TensorShape| {
        let name = format!("module.{}", tensor.name);
        let found = all.iter().find(|(known, _)| *known == name);
        let (_, leaf) = found.ok_or_else(|| format!("it has no parameter '{}'", tensor.name))?;
        let dimensions: Vec<usize> = leaf.size().iter().map(|&d| d as usize).collect();
        if dimensions != tensor.dimensions || !leaf.requires_grad() {
            return Err(format!(
                "its parameter '{}' has the shape {dimensions:?}, expected {:?} as it describes, to be trained",
                tensor.name, tensor.dimensions
            ));
        }
        Ok(leaf.shallow_clone())
    };
    let trained = described.tensors.iter().take(described.trained);
    trained.map(leaf).collect()
}

fn script_error(file: &Path, why: &str) -> TrainError {
    TrainError::Script {
        file: file.to_owned(),
        why: why.to_owned(),
    }
}

/// The one line of libtorch's message that says what is wrong: that after the traces of its interpreter,
/// or the first one.
fn reason(error: &TchError) -> String {
    let text = match error {
        TchError::Torch(text) | TchError::Kind(text) => text.clone(),
        other => other.to_string(),
    };
    let last = text
        .lines()
        .rev()
        .find_map(|line| line.split_once("Error: ").map(|(_, why)| why));
    let line = last.or_else(|| text.lines().find(|line| !line.trim().is_empty()));
    line.unwrap_or("libtorch does not say why")
        .trim()
        .to_owned()
}
