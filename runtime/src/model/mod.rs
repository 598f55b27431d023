//! Models: their layers, their parameters, and how these are initialised.
//!
//! A model's parameters are one vector of 32-bit floats, in the order of its [`Layout`]. This vector
//! is sent, averaged and stored; only a trainer knows tensors.
//!
//! **What it does not know:** how a model is trained, and libtorch.

mod file;
mod initial;
mod options;
mod spec;
mod wire;

pub use file::save_model;
pub(crate) use file::{little_endian, write_tensors};
pub(crate) use options::OptionsHead;
pub use options::TrainingOptions;
pub use scenarios::scenario::{Loss, Optimizer, Weights, Wire};
pub use spec::{Layout, ModelKind, ModelSpec, TensorShape};
pub use wire::{from_wire, pack, to_wire, unpack};
pub(crate) use wire::{pack_result, share, unpack_into};
