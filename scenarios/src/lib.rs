//! What can be allocated, simulated or run.
//!
//! For now: seeded families of allocation problems, instance files, recorded runs, and what the
//! machines behind them were calibrated to.
//!
//! **What it deliberately does not know:** how a problem is solved, what becomes of the answer,
//! and any clock. Test `i` of a family depends on the seed, the family and `i` alone.

pub mod calibration;
mod draw;
mod family;
mod instance;
pub mod recorded;

pub use family::{Family, UnknownFamily};
pub use instance::{Instance, InstanceError, Instances, write_instance};
