//! The network layer as a whole: listeners, dialers, honest and hostile peers over loopback.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking too"
)]

#[path = "net/admitted.rs"]
mod admitted;
#[path = "net/common.rs"]
mod common;
#[path = "net/honest.rs"]
mod honest;
#[path = "net/raw_client.rs"]
mod raw_client;
#[path = "net/refused.rs"]
mod refused;
#[path = "net/trust.rs"]
mod trust;
