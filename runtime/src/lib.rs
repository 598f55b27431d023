//! The real runner: joins machines over QUIC, ships data, trains, averages.

pub mod average;
pub mod data;
pub mod model;
pub mod train;
