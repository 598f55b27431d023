//! A connection whose two ends have proved their keys.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::blob::{self, BlobReader};
use super::control::{self, ControlReceiver, ControlSender};
use super::error::{CloseReason, DONE, NetError};
use super::identity::PeerId;
use super::limits::{CONNECTION_WINDOW, Limits};
use super::pulse;

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
        // The listener keeps a handle too, to close it on revocation, so it must be closed here.
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
        pulse::keep(connection.clone());
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

    /// Its id, proved by its key.
    pub fn id(&self) -> PeerId {
        self.inner.id
    }

    /// The name that a worker gives itself; for an orchestrator the beginning of its id. Not proved.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its address.
    pub fn remote(&self) -> SocketAddr {
        let address = self.inner.connection.remote_address();
        SocketAddr::new(address.ip().to_canonical(), address.port())
    }

    /// The current estimate of the round-trip time.
    pub fn rtt(&self) -> Duration {
        self.inner.connection.rtt()
    }

    /// Bytes that have left for it so far, with all that QUIC adds.
    pub fn sent_bytes(&self) -> u64 {
        self.inner.connection.stats().udp_tx.bytes
    }

    /// Packets that have arrived from it so far.
    pub fn received_packets(&self) -> u64 {
        self.inner.connection.stats().udp_rx.datagrams
    }

    /// Lets no more than this number of bytes be under way to it until what is returned is dropped.
    pub fn limit_under_way(&self, bytes: u64) -> Limited {
        let window = bytes.min(CONNECTION_WINDOW.into());
        self.inner.connection.set_send_window(window);
        Limited(self.clone())
    }

    /// Opens the control stream; the other side must [accept](Self::accept_control) it.
    pub async fn open_control(&self) -> Result<(ControlSender, ControlReceiver), NetError> {
        control::open(&self.inner.connection, self.inner.limits).await
    }

    /// Accepts the control stream that the other side [opens](Self::open_control), in bounded time.
    pub async fn accept_control(&self) -> Result<(ControlSender, ControlReceiver), NetError> {
        control::accept(&self.inner.connection, self.inner.limits).await
    }

    /// Sends a header and bytes on a stream of their own, and returns when the other side has
    /// acknowledged all of them. Dropping the future resets the stream. The caller sets the
    /// deadline: a large transfer on a slow link is no error.
    pub async fn send_blob<T: Serialize>(
        &self,
        header: &T,
        parts: Vec<bytes::Bytes>,
    ) -> Result<(), NetError> {
        blob::send(&self.inner.connection, header, parts).await
    }

    /// Waits for the next transfer. It returns before anything is read, so that a caller who
    /// accepts in a loop and reads in tasks is not blocked by a slow sender.
    pub async fn accept_blob(&self) -> Result<BlobReader, NetError> {
        blob::accept(&self.inner.connection, self.inner.limits).await
    }

    /// Closes the connection with a reason. Data that is not acknowledged yet may be lost.
    pub fn close(&self, reason: &str) {
        self.inner.connection.close(DONE, reason.as_bytes());
    }

    /// Waits until the connection is closed.
    pub async fn closed(&self) -> CloseReason {
        CloseReason::from(&self.inner.connection.closed().await)
    }
}

/// Few bytes are under way at a time.
#[derive(Debug)]
pub struct Limited(Peer);

impl Drop for Limited {
    fn drop(&mut self) {
        let usual = CONNECTION_WINDOW.into();
        self.0.inner.connection.set_send_window(usual);
    }
}
