//! The network of two hidden layers, on libtorch.
//!
//! Gradients come from libtorch. The optimiser is our own pass over one vector, several times as
//! fast as libtorch's on a CPU. A tensor's memory cannot be written without unsafe code, so each
//! step creates new tensors of the parameters, which costs one copy of them.

use tch::{Cuda, Device, Kind, Reduction, TchError, Tensor, no_grad_guard};

use runtime::data::{Batch, Dataset};
use runtime::model::{Layout, Loss, ModelKind, ModelSpec, TensorShape};
use runtime::train::{Adam, DeviceChoice, Evaluation, EvaluationTally, TrainError, Trainer};

/// Samples evaluated at a time.
const EVALUATED: usize = 1_000;

/// Creates a trainer of any kind.
pub(crate) fn trainer(
    spec: &ModelSpec,
    device: DeviceChoice,
    threads: usize,
) -> Result<Box<dyn Trainer>, TrainError> {
    match spec.kind {
        ModelKind::Linear | ModelKind::Program => runtime::train::trainer(spec, device, threads),
        ModelKind::Mlp => Ok(Box::new(Torch::new(spec, device, threads)?)),
    }
}

/// The trainer of [`ModelKind::Mlp`].
#[derive(Debug)]
struct Torch {
    device: Device,
    loss: Loss,
    features: usize,
    classes: usize,
    layout: Layout,
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    adam: Adam,
    /// Values of the current samples.
    values: Vec<f32>,
}

impl Torch {
    fn new(spec: &ModelSpec, device: DeviceChoice, threads: usize) -> Result<Self, TrainError> {
        tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(i32::MAX));
        let layout = spec.layout();
        let mut adam = Adam::default();
        adam.reset(layout.parameter_count());
        Ok(Self {
            device: choose(device)?,
            loss: spec.loss,
            features: spec.shape.features as usize,
            classes: spec.shape.classes as usize,
            parameters: vec![0.0; layout.parameter_count()],
            gradients: vec![0.0; layout.parameter_count()],
            layout,
            adam,
            values: Vec::new(),
        })
    }

    /// The samples as a tensor of values from 0 to 1.
    fn samples(&mut self, pixels: &[u8]) -> Result<Tensor, TchError> {
        let features = self.features;
        self.values.clear();
        self.values
            .extend(pixels.iter().map(|&pixel| f32::from(pixel) / 255.0));
        let samples = (pixels.len() / features) as i64;
        Tensor::f_from_slice(&self.values)?
            .f_view([samples, features as i64])?
            .f_to_device(self.device)
    }

    /// Weights and biases of each layer.
    fn tensors(&self, parameters: &[f32]) -> Result<Vec<Tensor>, TchError> {
        let tensor = |(shape, part): (&TensorShape, &[f32])| {
            let dimensions: Vec<i64> = shape.dimensions.iter().map(|&d| d as i64).collect();
            Tensor::f_from_slice(part)?
                .f_view(dimensions.as_slice())?
                .f_to_device(self.device)
        };
        self.layout.parts(parameters).map(tensor).collect()
    }

    fn try_step(&mut self, batch: &Batch) -> Result<(), TchError> {
        let samples = self.samples(batch.pixels())?;
        let labels: Vec<i64> = batch
            .labels()
            .iter()
            .map(|&label| i64::from(label))
            .collect();
        let labels = Tensor::f_from_slice(&labels)?.f_to_device(self.device)?;
        let mut tensors = self.tensors(&self.parameters)?;
        for tensor in &mut tensors {
            *tensor = tensor.f_set_requires_grad(true)?;
        }
        let outputs = forward(&samples, &tensors)?;
        let outputs = match self.loss {
            Loss::Logits => outputs,
            Loss::ThesisSoftmax => outputs.f_softmax(-1, Kind::Float)?,
        };
        let loss =
            outputs.f_cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, 0.0)?;
        let gradients = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
        let mut rest = self.gradients.as_mut_slice();
        for gradient in gradients {
            let (part, after) = rest.split_at_mut(gradient.numel());
            gradient.f_copy_data(part, part.len())?;
            rest = after;
        }
        self.adam.step(&mut self.parameters, &self.gradients);
        Ok(())
    }

    fn try_evaluate(&mut self, parameters: &[f32], set: &Dataset) -> Result<Evaluation, TchError> {
        let _guard = no_grad_guard();
        let tensors = self.tensors(parameters)?;
        let mut tally = EvaluationTally::new(self.loss);
        let mut outputs = Vec::new();
        for first in (0..set.samples()).step_by(EVALUATED) {
            let (pixels, labels) = set.rows(first, EVALUATED);
            let samples = self.samples(pixels)?;
            outputs.resize(labels.len() * self.classes, 0.0_f32);
            forward(&samples, &tensors)?.f_copy_data(&mut outputs, labels.len() * self.classes)?;
            for (outputs, &label) in outputs.chunks_exact_mut(self.classes).zip(labels) {
                tally.add(outputs, usize::from(label));
            }
        }
        Ok(tally.evaluation())
    }
}

impl Trainer for Torch {
    fn begin(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        self.parameters.copy_from_slice(parameters);
        self.adam.reset(parameters.len());
        Ok(())
    }

    fn step(&mut self, batch: &Batch) -> Result<(), TrainError> {
        let features = batch.shape().features as usize;
        assert_eq!(features, self.features, "features of the model");
        self.try_step(batch).map_err(torch_error)
    }

    fn finish(&mut self, into: &mut Vec<f32>) -> Result<(), TrainError> {
        into.clone_from(&self.parameters);
        Ok(())
    }

    fn evaluate(&mut self, parameters: &[f32], set: &Dataset) -> Result<Evaluation, TrainError> {
        let features = set.features() as usize;
        assert_eq!(features, self.features, "features of the model");
        self.try_evaluate(parameters, set).map_err(torch_error)
    }

    fn device(&self) -> DeviceChoice {
        match self.device {
            Device::Cuda(number) => DeviceChoice::Cuda(number),
            Device::Cpu | Device::Mps | Device::Vulkan => DeviceChoice::Cpu,
        }
    }
}

/// Outputs of the network: linear layers, and ReLU between them.
fn forward(samples: &Tensor, tensors: &[Tensor]) -> Result<Tensor, TchError> {
    let mut layers = tensors.chunks_exact(2);
    let mut values = samples.shallow_clone();
    while let Some([weight, bias]) = layers.next() {
        values = values.f_linear(weight, Some(bias))?;
        if layers.len() > 0 {
            values = values.f_relu()?;
        }
    }
    Ok(values)
}

fn choose(wanted: DeviceChoice) -> Result<Device, TrainError> {
    let count = if Cuda::is_available() {
        Cuda::device_count().max(0) as usize
    } else {
        0
    };
    match wanted {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto if count == 0 => Ok(Device::Cpu),
        DeviceChoice::Auto => Ok(Device::Cuda(0)),
        DeviceChoice::Cuda(number) if number < count => Ok(Device::Cuda(number)),
        DeviceChoice::Cuda(_) => Err(TrainError::NoDevice {
            wanted,
            why: match count {
                0 => "libtorch finds no GPU (that of './allot setup' is for CPUs alone: set LIBTORCH to one with CUDA)".to_owned(),
                1 => "there is only cuda:0".to_owned(),
                _ => format!("there are cuda:0 to cuda:{}", count - 1),
            },
        }),
    }
}

/// The first line of libtorch's message, without its stack trace.
fn torch_error(error: TchError) -> TrainError {
    let text = error.to_string();
    TrainError::Torch(text.lines().next().unwrap_or_default().to_owned())
}
