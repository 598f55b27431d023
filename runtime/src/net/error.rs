//! What can go wrong on the wire.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::peer::CloseReason;

/// What went wrong on the wire, or with a file that it stands on.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A file could not be read or written.
    #[error("{path}: cannot {what}: {source}", path = path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds what it should not.
    #[error("{path}: {why}", path = path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The socket could not be made.
    #[error("cannot listen on UDP {address}: {source}")]
    Bind {
        /// The address that was asked for.
        address: std::net::SocketAddr,
        /// What the system said.
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
    /// The connection is over.
    #[error("the connection is over: {0}")]
    Closed(CloseReason),
    /// A frame, header or transfer is longer than allowed or expected.
    #[error("{what} of more than {limit} bytes refused")]
    TooLong {
        /// Which.
        what: &'static str,
        /// Bytes allowed.
        limit: u64,
    },
    /// A frame, header or transfer ended early.
    #[error("{what} ended after {got} of {expected} bytes")]
    Truncated {
        /// Which.
        what: &'static str,
        /// Bytes that came.
        got: u64,
        /// Bytes expected.
        expected: u64,
    },
    /// The bytes do not make the message that was expected.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// Which.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// A whole message did not come, or could not be handed over, in time.
    #[error("{what} was not through within {limit:?}")]
    Late {
        /// Which.
        what: &'static str,
        /// The time allowed.
        limit: Duration,
    },
    /// The other side gave a stream up.
    #[error("the other side gave up {0}")]
    Reset(&'static str),
    /// A sender or receiver that failed in the middle of a frame cannot go on.
    #[error("the control stream broke off in the middle of an earlier frame")]
    Broken,
}

impl NetError {
    /// Wraps what the system said of a file.
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            what,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn content(path: &Path, why: impl Into<String>) -> Self {
        Self::Content {
            path: path.to_owned(),
            why: why.into(),
        }
    }
}

impl From<quinn::ConnectionError> for NetError {
    fn from(error: quinn::ConnectionError) -> Self {
        Self::Closed(CloseReason::from(&error))
    }
}
