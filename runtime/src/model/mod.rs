//! Models: their layers, their parameters, and how these are initialised.
//!
//! A model's parameters are one vector of 32-bit floats, in the order of its [`Layout`]. This vector
//! is sent, averaged and stored; only a trainer knows tensors.
//!
//! **What it does not know:** how a model is trained, and libtorch.

mod file;
mod initial;
mod spec;

pub use file::save_model;
pub use scenarios::scenario::Weights;
pub use spec::{Layout, Loss, ModelKind, ModelSpec, TensorShape, from_wire, to_wire};
