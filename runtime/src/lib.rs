//! The real runner: joins machines over QUIC, ships data, trains, averages.

pub mod net;
