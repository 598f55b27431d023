//! A sign of life while nothing arrives, so that a link that was down is used as soon as it is up again.
//!
//! QUIC repeats what is not acknowledged, each time after twice as long: behind a link that was down for
//! six seconds the next try may be six seconds away. A datagram goes out at once, and what it is answered
//! with shows what else is missing.
//!
//! **What it does not know:** what a silence means.

use std::time::Duration;

use bytes::Bytes;
use quinn::Connection;
use tokio::time::sleep;

/// After this without a packet from the other side.
const AFTER: Duration = Duration::from_millis(500);

/// Bytes of datagrams that may wait: nobody reads them.
pub(super) const BUFFER: usize = 64;

/// Shows signs of life on a connection until it is closed.
pub(super) fn keep(connection: Connection) {
    tokio::spawn(async move {
        let mut heard = 0;
        loop {
            tokio::select! {
                _ = connection.closed() => return,
                () = sleep(AFTER) => {}
            }
            let now = connection.stats().udp_rx.datagrams;
            if now == heard {
                // The other side may be of a release that takes none.
                let _ = connection.send_datagram(Bytes::from_static(&[0]));
            }
            heard = now;
        }
    });
}
