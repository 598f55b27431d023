//! Joining and transport: which machines may connect, and how bytes travel between them.
//!
//! A [`Listener`] is the orchestrator's side, a [`Dialer`] the worker's. Each holds an
//! [`Identity`], an ed25519 key whose hash is the [`PeerId`]. A worker joins once with a [`Token`],
//! which puts its key on the [`AllowList`]; from then on its key is enough, until it is revoked.
//! Both sides get a [`Peer`]: a QUIC connection under TLS 1.3 whose two ends have proved their
//! keys, with one control stream of small frames and one stream for every large transfer.
//! [`Limits`] and its file hold every limit.
//!
//! It does not know what the frames mean, what is trained, who is employed, or when to try again.

pub(crate) mod cli;

mod allow_list;
mod blob;
mod codec;
mod control;
mod dialer;
mod discovery;
mod endpoint;
mod error;
mod handshake;
mod identity;
mod limits;
mod listener;
mod peer;
mod rate_limit;
mod refusal;
mod tls;
mod token;

pub use allow_list::{AllowList, AllowedWorker};
pub use blob::BlobReader;
pub use control::{ControlReceiver, ControlSender};
pub use dialer::{DialError, DialOptions, Dialer, FailedAttempt, Target};
pub use error::{CloseReason, NetError};
pub use identity::{Identity, PeerId};
pub use limits::{DEFAULT_PORT, Limits};
pub use listener::{ListenOptions, Listener, ListenerStats};
pub use peer::Peer;
pub use refusal::JoinRefusal;
pub use token::{Token, TokenError};
