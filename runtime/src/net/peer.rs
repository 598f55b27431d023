//! A connection whose two ends have proved who they are.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{ConnectionError, VarInt};
use serde::Serialize;

use super::blob::{self, BlobReader};
use super::control::{self, ControlReceiver, ControlSender};
use super::door::Refusal;
use super::error::NetError;
use super::identity::PeerId;
use super::limits::Limits;

/// The codes with which an admitted connection is closed; [`Refusal`] has those before it.
pub(super) const DONE: VarInt = VarInt::from_u32(0);
pub(super) const REVOKED: VarInt = VarInt::from_u32(1);
pub(super) const REPLACED: VarInt = VarInt::from_u32(2);
/// Characters of another machine's words that are shown.
const SHOWN: usize = 200;

/// An admitted machine at the other end of a connection. Clones are the same connection; it closes
/// when the last of them is dropped, whatever its streams are doing.
#[derive(Clone, Debug)]
pub struct Peer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: quinn::Connection,
    id: PeerId,
    name: String,
    limits: Limits,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The gate holds the connection too, to revoke it, so it does not close by itself.
        self.connection.close(DONE, b"");
    }
}

impl Peer {
    pub(super) fn new(
        connection: quinn::Connection,
        id: PeerId,
        name: String,
        limits: Limits,
    ) -> Self {
        let inner = Inner {
            connection,
            id,
            name,
            limits,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Who it is, proved by its key.
    pub fn id(&self) -> PeerId {
        self.inner.id
    }

    /// What a worker calls itself; for an orchestrator the beginning of its id. Not proved.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Where it is.
    pub fn remote(&self) -> SocketAddr {
        let address = self.inner.connection.remote_address();
        SocketAddr::new(address.ip().to_canonical(), address.port())
    }

    /// The present estimate of the time for a packet there and back.
    pub fn rtt(&self) -> Duration {
        self.inner.connection.rtt()
    }

    /// Opens the control stream; the other side must [accept](Self::accept_control) it.
    pub async fn open_control(&self) -> Result<(ControlSender, ControlReceiver), NetError> {
        control::open(&self.inner.connection, self.inner.limits).await
    }

    /// Takes the control stream that the other side [opens](Self::open_control), in bounded time.
    pub async fn accept_control(&self) -> Result<(ControlSender, ControlReceiver), NetError> {
        control::accept(&self.inner.connection, self.inner.limits).await
    }

    /// Sends a header and bytes on a stream of their own, and returns when the other side has
    /// acknowledged the last of them. Dropping the future resets the stream. How long it may
    /// take is the caller's to say: a large transfer on a slow link is no fault.
    pub async fn send_blob<T: Serialize>(
        &self,
        header: &T,
        parts: Vec<bytes::Bytes>,
    ) -> Result<(), NetError> {
        blob::send(&self.inner.connection, header, parts).await
    }

    /// Waits for the next transfer. It returns before anything of it is read, so that a slow
    /// sender holds up nobody who accepts in a loop and reads in tasks.
    pub async fn accept_blob(&self) -> Result<BlobReader, NetError> {
        blob::accept(&self.inner.connection, self.inner.limits).await
    }

    /// Ends the connection, and says why. What was sent and not acknowledged may be lost.
    pub fn close(&self, reason: &str) {
        self.inner.connection.close(DONE, reason.as_bytes());
    }

    /// Waits until the connection is over.
    pub async fn closed(&self) -> CloseReason {
        CloseReason::from(&self.inner.connection.closed().await)
    }
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// This side closed it.
    Here,
    /// The other side closed it, with these words.
    There(String),
    /// The orchestrator does not let this worker in.
    Refused(Refusal),
    /// The worker was taken off the allow-list while it was connected.
    Revoked,
    /// The same worker came again, and its newer connection counts.
    Replaced,
    /// Nothing was heard for too long.
    Silent,
    /// The other side has restarted and knows nothing of the connection.
    Restarted,
    /// The two sides do not agree on TLS or QUIC: another key, another release, or garbage.
    Protocol(String),
}

impl CloseReason {
    /// Whether calling again makes sense.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Here | Self::There(_) | Self::Silent | Self::Restarted | Self::Protocol(_) => {
                true
            }
            Self::Refused(refusal) => refusal.may_pass(),
            Self::Revoked | Self::Replaced => false,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => formatter.write_str("closed by this side"),
            Self::There(words) if words.is_empty() => {
                formatter.write_str("closed by the other side")
            }
            Self::There(words) => write!(formatter, "closed by the other side: {words}"),
            Self::Refused(refusal) => refusal.fmt(formatter),
            Self::Revoked => formatter.write_str("this worker's key was revoked"),
            Self::Replaced => formatter.write_str(
                "another connection with the same key took its place: is it running twice?",
            ),
            Self::Silent => {
                formatter.write_str("nothing was heard from the other side for too long")
            }
            Self::Restarted => formatter.write_str("the other side has restarted"),
            Self::Protocol(words) => formatter.write_str(words),
        }
    }
}

impl From<&ConnectionError> for CloseReason {
    fn from(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::LocallyClosed => Self::Here,
            ConnectionError::TimedOut => Self::Silent,
            ConnectionError::Reset => Self::Restarted,
            ConnectionError::ApplicationClosed(close) => match close.error_code {
                REVOKED => Self::Revoked,
                REPLACED => Self::Replaced,
                code => match Refusal::from_code(code) {
                    Some(refusal) => Self::Refused(refusal),
                    None => Self::There(printable(&String::from_utf8_lossy(&close.reason))),
                },
            },
            ConnectionError::ConnectionClosed(close) => Self::Protocol(protocol(
                u64::from(close.error_code),
                &String::from_utf8_lossy(&close.reason),
                "the other side gave up",
            )),
            ConnectionError::TransportError(error) => Self::Protocol(protocol(
                u64::from(error.code),
                &error.reason,
                "this side gave up",
            )),
            ConnectionError::VersionMismatch | ConnectionError::CidsExhausted => {
                Self::Protocol(error.to_string())
            }
        }
    }
}

/// The two outcomes of a handshake that need words of their own, and the rest.
fn protocol(code: u64, reason: &str, who: &str) -> String {
    const REFUSED: u64 = 0x2;
    const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;
    match code {
        REFUSED => "the orchestrator takes nobody at present: it is busy or ending".to_owned(),
        NO_APPLICATION_PROTOCOL => {
            "the other side speaks another version: use the same release on both machines"
                .to_owned()
        }
        _ => format!("{who}: {}", printable(reason)),
    }
}

/// Another machine's words, fit for a terminal.
fn printable(words: &str) -> String {
    let visible = words.chars().filter(|character| !character.is_control());
    visible.take(SHOWN).collect()
}
