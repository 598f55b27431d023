//! The wire, whole: gates, dialers, honest and hostile peers over loopback.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking too"
)]

#[path = "net/common.rs"]
mod common;
#[path = "net/honest.rs"]
mod honest;
#[path = "net/hostile.rs"]
mod hostile;
#[path = "net/members.rs"]
mod members;
#[path = "net/strangers.rs"]
mod strangers;
#[path = "net/trust.rs"]
mod trust;
