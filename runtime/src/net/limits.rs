//! Every limit of the network protocol in one place.

use std::time::Duration;

/// The default UDP port of an orchestrator.
pub const DEFAULT_PORT: u16 = 9317;

/// Bytes of a control frame, and of the header of a transfer.
pub(super) const FRAME: usize = 64 * 1024;
/// Bytes of a worker's first message.
pub(super) const HELLO: usize = 1024;
/// Bytes in flight on one stream.
pub(super) const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes in flight on one connection; quinn's own default is unbounded.
pub(super) const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Bytes in flight on a connection that is not admitted yet: it has only a proof to send.
pub(super) const JOIN_WINDOW: u32 = 4 * 1024;
/// Bidirectional streams that an admitted peer may hold open.
pub(super) const BIDI_STREAMS: u32 = 2;
/// Unidirectional streams that an admitted peer may hold open.
pub(super) const UNI_STREAMS: u32 = 4;
/// Connections that are being admitted at one time.
pub(super) const PENDING: usize = 256;
/// With more pending connections than this, a new one must first validate its address.
pub(super) const PENDING_RETRY: usize = 64;
/// The requested size of a socket's buffers, in each direction.
pub(super) const SOCKET_BUFFER: usize = 8 * 1024 * 1024;
/// Smaller buffers cannot fill a fast link, and are worth a warning.
pub(super) const SOCKET_BUFFER_ENOUGH: usize = 4 * 1024 * 1024;
/// Addresses in a token, and from one source when dialling.
pub(super) const ADDRESSES: usize = 16;
/// Bytes of a worker's name.
pub(super) const NAME: usize = 64;

/// The limits that a caller may change; tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A connection on which nothing arrives for this long is lost.
    pub idle: Duration,
    /// The interval of keep-alive packets on an idle connection.
    pub keep_alive: Duration,
    /// From a client's first packet to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the end of the TLS handshake to the end of the join handshake.
    pub proof: Duration,
    /// From the first byte of a control frame or a header to its last, in either direction.
    pub message: Duration,
    /// Failed proofs that one address may send per minute.
    pub failed_proofs: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(10),
            keep_alive: Duration::from_secs(2),
            handshake: Duration::from_secs(3),
            proof: Duration::from_secs(2),
            message: Duration::from_secs(5),
            failed_proofs: 5,
        }
    }
}
