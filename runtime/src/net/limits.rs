//! Every bound of the wire in one place.

use std::time::Duration;

/// The UDP port of an orchestrator that was given no other.
pub const DEFAULT_PORT: u16 = 9317;

/// Bytes of a control frame, and of the header of a transfer.
pub(super) const FRAME: usize = 64 * 1024;
/// Bytes of what a stranger may say to be let in.
pub(super) const HELLO: usize = 1024;
/// Bytes in flight on one stream.
pub(super) const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes in flight on one connection; quinn's own default is unbounded.
pub(super) const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Bytes in flight on the connection of a stranger, who has no more than a proof to send.
pub(super) const STRANGER_WINDOW: u32 = 4 * 1024;
/// Bidirectional streams that an admitted peer may hold open.
pub(super) const BIDI_STREAMS: u32 = 2;
/// Unidirectional streams that an admitted peer may hold open.
pub(super) const UNI_STREAMS: u32 = 4;
/// Strangers who are being looked at, at one time.
pub(super) const INCOMING: usize = 256;
/// From so many strangers on, a new one must first show that its address is its own.
pub(super) const INCOMING_RETRY: usize = 64;
/// What is asked of the system for a socket's buffers, each way.
pub(super) const SOCKET_BUFFER: usize = 8 * 1024 * 1024;
/// With less than this a fast link cannot be filled, so it is worth a warning.
pub(super) const SOCKET_BUFFER_ENOUGH: usize = 4 * 1024 * 1024;
/// Addresses in a token, and found for one dial.
pub(super) const ADDRESSES: usize = 16;
/// Bytes of a worker's name.
pub(super) const NAME: usize = 64;

/// The bounds that a caller may move; tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A connection on which nothing arrives for so long is lost.
    pub idle: Duration,
    /// How often a silent connection says that it is there.
    pub keep_alive: Duration,
    /// From a stranger's first packet to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the end of the handshake to the whole proof.
    pub proof: Duration,
    /// From the first byte of a control frame or a header to its last, either way.
    pub message: Duration,
    /// Failed proofs that one address may make within a minute.
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
