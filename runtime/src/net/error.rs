//! What can go wrong on the network, and why a connection ends.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use quinn::{ConnectionError, VarInt};

use super::refusal::JoinRefusal;
use crate::files::FileError;

/// The codes with which an admitted connection is closed; those of [`JoinRefusal`] are others.
pub(super) const DONE: VarInt = VarInt::from_u32(0);
pub(super) const REVOKED: VarInt = VarInt::from_u32(1);
pub(super) const REPLACED: VarInt = VarInt::from_u32(2);
/// Characters shown of a reason that another machine gives.
const SHOWN: usize = 200;

/// What went wrong on the network, or with a file of a state folder.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Something is wrong with a file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The socket could not be bound.
    #[error("cannot listen on UDP {address}: {source}")]
    Bind {
        /// The requested address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// Something could not be set up.
    #[error("cannot set up {what}: {why}")]
    Setup {
        /// What.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// The connection is closed.
    #[error("the connection is over: {0}")]
    Closed(CloseReason),
    /// A frame, header or transfer has the wrong length, or bytes that are not the expected message.
    #[error("{what} {why}")]
    Malformed {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A whole message was not received or sent in time.
    #[error("{what} was not finished within {limit:?}")]
    TimedOut {
        /// Which.
        what: &'static str,
        /// The time allowed.
        limit: Duration,
    },
    /// The other side cancelled a stream.
    #[error("the other side cancelled {0}")]
    Reset(&'static str),
    /// A sender or receiver cannot continue after failing in the middle of a frame.
    #[error("the control stream broke off in the middle of an earlier frame")]
    Broken,
}

impl NetError {
    pub(super) fn malformed(what: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self::Malformed { what, why }
    }

    pub(super) fn too_long(what: &'static str, limit: usize) -> Self {
        Self::malformed(what, format!("of more than {limit} bytes refused"))
    }

    pub(super) fn truncated(what: &'static str, got: usize, expected: usize) -> Self {
        Self::malformed(what, format!("ended after {got} of {expected} bytes"))
    }

    pub(super) fn setup(what: &'static str, why: impl ToString) -> Self {
        let why = why.to_string();
        Self::Setup { what, why }
    }
}

impl From<ConnectionError> for NetError {
    fn from(error: ConnectionError) -> Self {
        Self::Closed(CloseReason::from(&error))
    }
}

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// This side closed it.
    Local,
    /// The other side closed it, and gave this reason.
    Remote(String),
    /// The orchestrator does not admit this worker.
    Refused(JoinRefusal),
    /// The worker's key was revoked while it was connected.
    Revoked,
    /// The same worker connected again, and the newer connection replaces this one.
    Replaced,
    /// Nothing was received for too long.
    TimedOut,
    /// The other side has restarted and does not know the connection.
    Restarted,
    /// The two sides do not agree on TLS or QUIC: another key, another release, or garbage.
    Protocol(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Local => "closed by this side",
            Self::Remote(reason) if reason.is_empty() => "closed by the other side",
            Self::Remote(reason) => {
                return write!(formatter, "closed by the other side: {reason}");
            }
            Self::Refused(refusal) => return refusal.fmt(formatter),
            Self::Revoked => "this worker's key was revoked",
            Self::Replaced => {
                "another connection with the same key took its place: is it running twice?"
            }
            Self::TimedOut => "nothing was received from the other side for too long",
            Self::Restarted => "the other side has restarted",
            Self::Protocol(reason) => reason,
        })
    }
}

impl From<&ConnectionError> for CloseReason {
    fn from(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::LocallyClosed => Self::Local,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::Reset => Self::Restarted,
            ConnectionError::ApplicationClosed(close) => match close.error_code {
                REVOKED => Self::Revoked,
                REPLACED => Self::Replaced,
                code => match JoinRefusal::from_code(code) {
                    Some(refusal) => Self::Refused(refusal),
                    None => Self::Remote(printable(&String::from_utf8_lossy(&close.reason))),
                },
            },
            ConnectionError::ConnectionClosed(close) => Self::Protocol(protocol_error(
                u64::from(close.error_code),
                &String::from_utf8_lossy(&close.reason),
                "the other side gave up",
            )),
            ConnectionError::TransportError(error) => Self::Protocol(protocol_error(
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

/// A text for the two handshake errors that users meet, and for all others.
fn protocol_error(code: u64, reason: &str, who: &str) -> String {
    const CONNECTION_REFUSED: u64 = 0x2;
    const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;
    match code {
        CONNECTION_REFUSED => {
            "the orchestrator accepts no connections at present: it is busy or ending".to_owned()
        }
        NO_APPLICATION_PROTOCOL => {
            "the other side speaks another version: use the same release on both machines"
                .to_owned()
        }
        _ => format!("{who}: {}", printable(reason)),
    }
}

/// Another machine's text, made safe for a terminal.
fn printable(text: &str) -> String {
    let visible = text.chars().filter(|character| !character.is_control());
    visible.take(SHOWN).collect()
}
