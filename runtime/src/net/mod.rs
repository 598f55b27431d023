//! Joining and transport: which machines may connect, and how bytes travel between them.
//!
//! A [`Listener`] is the orchestrator's side, a [`Dialer`] the worker's. Each holds an
//! [`Identity`], an ed25519 key whose hash is the [`PeerId`]. A worker joins once with a [`Token`],
//! which puts its key on the [`AllowList`]; from then on its key is enough, until it is revoked.
//! Both sides get a [`Peer`]: a QUIC connection under TLS 1.3 whose two ends have proved their
//! keys, with one control stream of small frames and one stream for every large transfer.
//! The file `limits.rs` holds every limit.
//!
//! ```text
//!  worker                                             orchestrator
//!    token: key, addresses, secret, expiry  <── runtime token ──  admission.json: tokens and their
//!      │                                                          uses, allowed and revoked keys
//!      │ tries all: token, last address, --orchestrator, mDNS          │
//!      ├──────────── TLS 1.3, raw public keys; the worker pins ────────┤
//!      │   ALPN allot-join/1, one stream:                              │
//!      ├── name, token id, HMAC(secret, label ‖ id ‖ key ‖ exporter) ─►│ the use is on disk
//!      │◄─ an empty welcome, or closed with the code of a refusal ─────┤ before the welcome
//!      │   from then on with the key only, ALPN allot/1                │
//!      ├── control stream: u32 length ≤ 64 KiB, postcard ─────────────►│
//!      └── one stream per transfer: header, bytes, exactly as many as expected
//! ```
//!
//! * A machine is its key. Addresses, names and mDNS answers are hints that anyone may forge.
//! * The allow-list is read from its file for each decision, since other processes change it.
//! * Revoking is for good, and cancels the token with which the worker joined: otherwise it could
//!   join again with a new key. A revoked worker needs a new key and a new token.
//! * Only a client that knows the secret learns what is wrong with its token. All others get the
//!   same refusal, and may send five failed proofs per minute and address.
//! * An unauthenticated client costs little: one stream, 4 KiB in flight, 64 bytes of datagrams, 3 s for TLS, 2 s for 1 KiB
//!   of proof, 256 connections at a time, 16 of one address; from 64 on QUIC validates addresses first.
//! * Packets stay at quinn's default of 1,452 bytes: with larger ones, closed connections were reset
//!   before the reason arrived.
//!
//! It does not know what the frames mean, what is trained, who is employed, or when to try again.

pub(crate) mod cli;

mod allow_list;
mod blob;
mod codec;
mod control;
mod dialer;
mod discovery;
mod door;
mod endpoint;
mod error;
mod handshake;
mod identity;
mod limits;
mod listener;
mod loopback;
mod peer;
mod pulse;
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
pub(crate) use loopback::loopback;
pub use peer::Peer;
pub use refusal::JoinRefusal;
pub use token::{Token, TokenError};
