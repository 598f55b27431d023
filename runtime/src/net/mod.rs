//! Joining and the wire: who may speak to whom, and how bytes travel between two machines.
//!
//! A [`Gate`] is the orchestrator's side, a [`Dialer`] the worker's. Both hold an [`Identity`], an
//! ed25519 key whose hash is the [`PeerId`]. A worker is let in once by a [`Token`], from then on
//! by its key alone, until it is revoked. What comes out on both sides is a [`Peer`]: a QUIC
//! connection under TLS 1.3 whose two ends have proved their keys, with one control stream of
//! small frames and one stream for every large transfer. [`Limits`] holds every bound there is.
//!
//! It does not know what the frames mean, what is trained, who is employed, or when to try again.

pub mod cli;

mod admission;
mod blob;
mod control;
mod dialer;
mod discovery;
mod door;
mod endpoint;
mod error;
mod failures;
mod files;
mod gate;
mod identity;
mod limits;
mod peer;
mod tls;
mod token;

pub use admission::{Admission, Member};
pub use blob::BlobReader;
pub use control::{ControlReceiver, ControlSender};
pub use dialer::{Attempt, DialError, DialOptions, Dialer, Remembered, Target};
pub use door::Refusal;
pub use error::NetError;
pub use gate::{Census, Gate, GateOptions};
pub use identity::{Identity, PeerId};
pub use limits::{DEFAULT_PORT, Limits};
pub use peer::{CloseReason, Peer};
pub use token::{Token, TokenError};
