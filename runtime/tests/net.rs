//! The wire, whole: gates, dialers, honest and hostile peers over loopback.

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
