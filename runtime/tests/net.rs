//! The wire, whole: gates, dialers, honest and hostile peers over loopback.

#[path = "net/common.rs"]
mod common;
#[path = "net/honest.rs"]
mod honest;
