//! The network of two hidden layers, on libtorch.
//!
//! The backward pass is written out, into buffers that are made once: libtorch multiplies matrices, and
//! nothing records what it does. A test compares the gradients with libtorch's own. The optimiser is
//! our own pass over one vector, several times as fast as libtorch's on a CPU. A tensor's memory
//! cannot be written without unsafe code, so each step creates a tensor of the parameters, which
//! costs one copy of them.

use tch::{Cuda, Device, Kind, TchError, Tensor, no_grad_guard};

use runtime::data::{Batch, Dataset};
use runtime::model::{Layout, Loss, ModelKind, ModelSpec, TensorShape};
use runtime::train::{
    DeviceChoice, Evaluation, EvaluationTally, OptimizerState, TrainError, Trainer,
};

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
    features: usize,
    classes: usize,
    layout: Layout,
    loss: Loss,
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    optimizer: OptimizerState,
    /// Values of the current samples.
    values: Vec<f32>,
    /// Outputs for them, then the gradients of their losses.
    outputs: Vec<f32>,
    buffers: Buffers,
}

/// What a step writes to, made once: a step allocates next to nothing.
#[derive(Debug)]
struct Buffers {
    /// All gradients in one vector, and the parts of it.
    gradients: Tensor,
    layers: Vec<LayerBuffers>,
}

/// Of one layer.
#[derive(Debug)]
struct LayerBuffers {
    /// Its outputs, and the gradient of the loss by them.
    outputs: Tensor,
    slopes: Tensor,
    /// Parts of the vector of gradients.
    weight: Tensor,
    bias: Tensor,
}

impl Buffers {
    fn new(layout: &Layout, samples: i64, device: Device) -> Result<Self, TchError> {
        let floats = (Kind::Float, device);
        let gradients = Tensor::f_zeros([layout.parameter_count() as i64], floats)?;
        let (mut layers, mut first) = (Vec::new(), 0);
        let mut part = |shape: &TensorShape| {
            let dimensions: Vec<i64> = shape.dimensions.iter().map(|&d| d as i64).collect();
            let length = dimensions.iter().product();
            let part = gradients
                .f_narrow(0, first, length)?
                .f_view(dimensions.as_slice());
            first += length;
            part
        };
        for tensors in layout.tensors().chunks_exact(2) {
            let [weight, bias] = [part(&tensors[0])?, part(&tensors[1])?];
            let size = [samples, bias.size1()?];
            layers.push(LayerBuffers {
                outputs: Tensor::f_zeros(size, floats)?,
                slopes: Tensor::f_zeros(size, floats)?,
                weight,
                bias,
            });
        }
        Ok(Self { gradients, layers })
    }
}

impl Torch {
    fn new(spec: &ModelSpec, device: DeviceChoice, threads: usize) -> Result<Self, TrainError> {
        tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(i32::MAX));
        let layout = spec.layout();
        let device = choose(device)?;
        let samples = i64::from(spec.shape.batch_size);
        Ok(Self {
            device,
            features: spec.shape.features(),
            classes: spec.shape.classes(),
            loss: spec.options.loss(),
            parameters: vec![0.0; layout.parameter_count()],
            gradients: vec![0.0; layout.parameter_count()],
            optimizer: OptimizerState::new(&spec.options, layout.parameter_count()),
            values: Vec::new(),
            outputs: Vec::new(),
            buffers: Buffers::new(&layout, samples, device).map_err(torch_error)?,
            layout,
        })
    }

    /// The samples as a tensor of floats.
    fn samples(&mut self, batch: &Batch) -> Result<Tensor, TchError> {
        let features = self.features;
        batch.floats(&mut self.values);
        let samples = i64::from(batch.shape().batch_size);
        Tensor::f_from_slice(&self.values)?
            .f_view([samples, features as i64])?
            .f_to_device(self.device)
    }

    /// Weights and biases of each layer.
    fn tensors(&self, parameters: &[f32]) -> Result<Vec<Tensor>, TchError> {
        let all = Tensor::f_from_slice(parameters)?.f_to_device(self.device)?;
        let mut first = 0;
        let tensor = |shape: &TensorShape| {
            let dimensions: Vec<i64> = shape.dimensions.iter().map(|&d| d as i64).collect();
            let length = dimensions.iter().product();
            let part = all
                .f_narrow(0, first, length)?
                .f_view(dimensions.as_slice());
            first += length;
            part
        };
        self.layout.tensors().iter().map(tensor).collect()
    }

    fn try_step(&mut self, batch: &Batch) -> Result<(), TchError> {
        let _guard = no_grad_guard();
        let samples = self.samples(batch)?;
        let tensors = self.tensors(&self.parameters)?;
        let layers = &mut self.buffers.layers;
        let last = layers.len() - 1;
        for at in 0..=last {
            let (before, layer) = layers.split_at_mut(at);
            let inputs = before.last().map_or(&samples, |before| &before.outputs);
            let outputs = &mut layer[0].outputs;
            let _ = tensors[2 * at + 1].f_addmm_out(outputs, inputs, &tensors[2 * at].f_tr()?)?;
            if at < last {
                let _same = outputs.f_relu_()?;
            }
        }
        // The loss and its gradient by the outputs are the same for every kind of model.
        let count = batch.shape().batch_size as usize;
        self.outputs.resize(count * self.classes, 0.0);
        layers[last]
            .outputs
            .f_copy_data(&mut self.outputs, count * self.classes)?;
        let mut tally = EvaluationTally::new(self.loss);
        let outputs = self.outputs.chunks_exact_mut(self.classes);
        for (outputs, label) in outputs.zip(batch.labels()) {
            tally.add(outputs, label);
        }
        let scale = 1.0 / count as f32;
        self.outputs.iter_mut().for_each(|slope| *slope *= scale);
        let slopes = Tensor::f_from_slice(&self.outputs)?.f_view_as(&layers[last].slopes)?;
        layers[last].slopes.f_copy_(&slopes)?;
        for at in (0..=last).rev() {
            let (before, layer) = layers.split_at_mut(at);
            let LayerBuffers {
                slopes,
                weight,
                bias,
                ..
            } = &layer[0];
            let inputs = before.last().map_or(&samples, |before| &before.outputs);
            let _ = slopes.f_tr()?.f_mm_out(weight, inputs)?;
            let _ = slopes.f_sum_intlist_out(bias, 0, false, Kind::Float)?;
            if let Some(before) = before.last() {
                let _ = slopes.f_mm_out(&before.slopes, &tensors[2 * at])?;
                // Where ReLU cut its input off, nothing comes through.
                let (outputs, slopes) = (&before.outputs, &before.slopes);
                let _ = outputs.f_threshold_backward_grad_input(slopes, slopes, 0.0)?;
            }
        }
        let count = self.gradients.len();
        self.buffers
            .gradients
            .f_copy_data(&mut self.gradients, count)?;
        self.optimizer
            .step(&mut self.parameters, &mut self.gradients);
        Ok(())
    }

    fn judge(&mut self, parameters: &[f32], set: &Dataset) -> Result<Evaluation, TrainError> {
        let _guard = no_grad_guard();
        let tensors = self.tensors(parameters).map_err(torch_error)?;
        let mut tally = EvaluationTally::new(self.loss);
        let mut outputs = Vec::new();
        for first in (0..set.samples()).step_by(EVALUATED) {
            let batch = set.rows(first, EVALUATED)?;
            let samples = self.samples(&batch).map_err(torch_error)?;
            let count = batch.shape().batch_size as usize * self.classes;
            outputs.resize(count, 0.0_f32);
            let found = forward(&samples, &tensors).map_err(torch_error)?;
            found
                .f_copy_data(&mut outputs, count)
                .map_err(torch_error)?;
            let outputs = outputs.chunks_exact_mut(self.classes);
            for (outputs, label) in outputs.zip(batch.labels()) {
                tally.add(outputs, label);
            }
        }
        Ok(tally.evaluation())
    }
}

impl Trainer for Torch {
    fn begin(&mut self, parameters: &[f32]) -> Result<(), TrainError> {
        self.parameters.copy_from_slice(parameters);
        self.optimizer.reset(parameters.len());
        Ok(())
    }

    fn scale_rate(&mut self, factor: f64) {
        self.optimizer.scale_rate(factor);
    }

    fn step(&mut self, batch: &Batch) -> Result<(), TrainError> {
        let features = batch.shape().features();
        assert_eq!(features, self.features, "features of the model");
        self.try_step(batch).map_err(torch_error)
    }

    fn finish(&mut self, into: &mut Vec<f32>) -> Result<(), TrainError> {
        into.clone_from(&self.parameters);
        Ok(())
    }

    fn evaluate(&mut self, parameters: &[f32], set: &Dataset) -> Result<Evaluation, TrainError> {
        assert_eq!(set.features(), self.features, "features of the model");
        self.judge(parameters, set)
    }

    fn device(&self) -> DeviceChoice {
        as_choice(self.device)
    }
}

/// A device as others name it.
pub(crate) fn as_choice(device: Device) -> DeviceChoice {
    match device {
        Device::Cuda(number) => DeviceChoice::Cuda(number),
        Device::Cpu | Device::Mps | Device::Vulkan => DeviceChoice::Cpu,
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

/// The device that is asked for, if it is there.
pub(crate) fn choose(wanted: DeviceChoice) -> Result<Device, TrainError> {
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
pub(crate) fn torch_error(error: TchError) -> TrainError {
    let text = error.to_string();
    TrainError::Torch(text.lines().next().unwrap_or_default().to_owned())
}
