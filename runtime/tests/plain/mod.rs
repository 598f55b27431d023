//! The same network as an ordinary tch program, with tch's layers, Adam and `backward_step`, as a
//! reference for our own.

use runtime::data::Batch;
use runtime::model::Loss;
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Tensor};

/// A plain training loop.
#[derive(Debug)]
pub(crate) struct Plain {
    _store: nn::VarStore,
    /// Weights and biases of each layer.
    pub(crate) variables: Vec<Tensor>,
    layers: [nn::Linear; 3],
    adam: nn::Optimizer,
    loss: Loss,
}

impl Plain {
    /// A network with two hidden layers of 200 and these parameters.
    pub(crate) fn new(parameters: &[f32], features: i64, classes: i64, loss: Loss) -> Self {
        let store = nn::VarStore::new(Device::Cpu);
        let layer = |name, inputs, outputs| {
            nn::linear(
                store.root() / name,
                inputs,
                outputs,
                nn::LinearConfig::default(),
            )
        };
        let layers = [
            layer("fc1", features, 200),
            layer("fc2", 200, 200),
            layer("fc3", 200, classes),
        ];
        let adam = nn::Adam::default()
            .build(&store, 1e-4)
            .expect("an optimiser");
        let mut variables = Vec::new();
        let mut rest = parameters;
        for layer in &layers {
            for variable in [&layer.ws, layer.bs.as_ref().expect("a bias")] {
                let (part, after) = rest.split_at(variable.numel());
                let mut variable = variable.shallow_clone();
                tch::no_grad(|| variable.copy_(&Tensor::from_slice(part).view_as(&variable)));
                variables.push(variable);
                rest = after;
            }
        }
        assert!(rest.is_empty());
        Self {
            _store: store,
            variables,
            layers,
            adam,
            loss,
        }
    }

    /// One step.
    pub(crate) fn step(&mut self, batch: &Batch) {
        self.adam.backward_step(&self.loss(batch));
    }

    /// Its loss on a batch.
    pub(crate) fn loss(&self, batch: &Batch) -> Tensor {
        let outputs = self.outputs(batch);
        let labels = Tensor::from_slice(batch.y()).to_kind(Kind::Int64);
        let ones = || labels.one_hot(10).to_kind(Kind::Float);
        match self.loss {
            Loss::CrossEntropy => outputs.cross_entropy_for_logits(&labels),
            Loss::ThesisSoftmax => {
                let outputs = outputs.softmax(-1, Kind::Float);
                outputs.cross_entropy_for_logits(&labels)
            }
            Loss::Mse => (outputs - ones()).square().mean(Kind::Float),
            Loss::BinaryCrossEntropy => {
                let (likely, unlikely) = (outputs.log_sigmoid(), (-&outputs).log_sigmoid());
                let ones = ones();
                let likelihood: Tensor = &ones * likely + (1.0 - &ones) * unlikely;
                -likelihood.mean(Kind::Float)
            }
        }
    }

    /// The network's outputs for a batch.
    pub(crate) fn outputs(&self, batch: &Batch) -> Tensor {
        let shape = batch.shape();
        let values = Tensor::from_slice(batch.x()).to_kind(Kind::Float) / 255.0;
        let values = values.view([i64::from(shape.batch_size), shape.features() as i64]);
        let [first, second, third] = &self.layers;
        third.forward(&second.forward(&first.forward(&values).relu()).relu())
    }

    /// Its parameters, in the order of the constructor's.
    pub(crate) fn parameters(&self) -> Vec<f32> {
        let parts = self
            .variables
            .iter()
            .map(|variable| Vec::<f32>::try_from(variable.flatten(0, -1)).expect("floats"));
        parts.flatten().collect()
    }
}
