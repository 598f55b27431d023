//! What can be allocated, simulated or run: seeded families of allocation problems, instance
//! files, scenarios, recorded runs, and what the machines behind them were calibrated to.
//!
//! A [`Scenario`] is a job, the workers that may do it, and what goes wrong, read from a TOML file
//! into valid types only; [`catalogue()`] lists those that come with Allot. The simulator and the
//! real runner read the same ones.
//!
//! Test `i` of a family depends on the seed, the family and `i` alone; a worker's draws on the
//! seed, the replicate, its name and their purpose. All random draws of the project are made by
//! [`Draws`], and values of recorded seeds never change.
//!
//! **What it deliberately does not know:** how a problem is solved and which allocators there are
//! (a scenario names one), what becomes of the answer, how a run goes, where a file lies (except
//! `.env`, which lies in the working folder), and any clock.

pub mod calibration;
mod catalogue;
mod curves;
mod draw;
mod family;
mod instance;
mod math;
mod name;
mod near;
mod outside;
pub mod published;
pub mod recorded;
pub mod scenario;
pub mod settings;

pub use catalogue::{Entry, catalogue, named};
pub use draw::Draws;
pub use family::{Family, UnknownFamily};
pub use instance::{Instance, InstanceError, Instances, write_instance};
pub use name::{PLAIN_NAME, is_plain_name};
pub use outside::Outside;
pub use scenario::{Overrides, Scenario, ScenarioErrors};
