//! Large transfers, each on a stream of its own: the `u32` length of a header, the header, bytes.

use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, StoppedError, VarInt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::codec::{check_length, decode, encode_frame, read_error, within, write_error};
use super::error::NetError;
use super::limits::Limits;

const WHAT: &str = "a transfer";
const HEADER: &str = "the header of a transfer";
/// The code with which either side cancels a transfer.
const CANCELLED: VarInt = VarInt::from_u32(1);

pub(super) async fn send<T: Serialize>(
    connection: &Connection,
    header: &T,
    mut parts: Vec<Bytes>,
) -> Result<(), NetError> {
    let header = encode_frame(HEADER, header)?;
    let mut stream = ResetOnDrop(Some(connection.open_uni().await?));
    stream.get().write_all(&header).await.map_err(write_error)?;
    let all = stream.get().write_all_chunks(&mut parts).await;
    all.map_err(write_error)?;
    // It fails if the other side has stopped the stream, which `stopped` reports below.
    let _ = stream.get().finish();
    match stream.get().stopped().await {
        Ok(None) => {
            stream.0 = None;
            Ok(())
        }
        Ok(Some(_)) => Err(NetError::Reset("what was sent")),
        Err(StoppedError::ConnectionLost(lost)) => Err(lost.into()),
        Err(StoppedError::ZeroRttRejected) => Err(NetError::Broken),
    }
}

pub(super) async fn accept(
    connection: &Connection,
    limits: Limits,
) -> Result<BlobReader, NetError> {
    let stream = connection.accept_uni().await?;
    Ok(BlobReader { stream, limits })
}

/// quinn finishes a dropped stream as if it were complete; this resets it instead.
struct ResetOnDrop(Option<SendStream>);

impl ResetOnDrop {
    fn get(&mut self) -> &mut SendStream {
        self.0
            .as_mut()
            .expect("taken only when the transfer is over")
    }
}

impl Drop for ResetOnDrop {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            // It fails if the other side has stopped it already.
            let _ = stream.reset(CANCELLED);
        }
    }
}

/// An incoming transfer. Dropping it tells the sender to stop.
#[derive(Debug)]
pub struct BlobReader {
    stream: RecvStream,
    limits: Limits,
}

impl BlobReader {
    /// Reads the header. Call it once, before anything else.
    pub async fn header<T: DeserializeOwned>(&mut self) -> Result<T, NetError> {
        let limit = self.limits.message;
        let stream = &mut self.stream;
        let read = async {
            let mut length = [0; 4];
            fill(stream, &mut length, HEADER).await?;
            let length = u32::from_le_bytes(length) as usize;
            check_length(HEADER, length)?;
            let mut header = vec![0; length];
            fill(stream, &mut header, HEADER).await?;
            decode(HEADER, &header)
        };
        within(limit, HEADER, read).await
    }

    /// Reads the rest of the stream, exactly `expected` bytes, into `into` within `limit`.
    /// `expected` is allocated at once, so it must be known to the receiver, not read from the
    /// sender. If more or less arrives, or not in time, the stream is stopped and `into` is empty.
    pub async fn read_exact_into(
        mut self,
        into: &mut Vec<u8>,
        expected: usize,
        limit: Duration,
    ) -> Result<(), NetError> {
        into.clear();
        into.reserve_exact(expected);
        let due = Instant::now() + limit;
        let outcome = timeout_at(due, self.fill_exactly(into, expected)).await;
        let outcome = outcome.unwrap_or(Err(NetError::TimedOut { what: WHAT, limit }));
        if outcome.is_err() {
            into.clear();
            // It fails if the sender has finished it.
            let _ = self.stream.stop(CANCELLED);
        }
        outcome
    }

    /// Reads the rest of the stream, exactly `expected` bytes, within `limit`, and hands them on in pieces
    /// of `size` bytes, of which the last may be shorter. What nobody takes is dropped. After an error
    /// pieces are missing.
    pub async fn read_exact_in_pieces(
        mut self,
        to: &mpsc::Sender<Vec<u8>>,
        size: usize,
        expected: usize,
        limit: Duration,
    ) -> Result<(), NetError> {
        let due = Instant::now() + limit;
        let outcome = timeout_at(due, self.pass_exactly(to, size, expected)).await;
        let outcome = outcome.unwrap_or(Err(NetError::TimedOut { what: WHAT, limit }));
        if outcome.is_err() {
            // It fails if the sender has finished it.
            let _ = self.stream.stop(CANCELLED);
        }
        outcome
    }

    /// The next bytes as they arrive, at most `max`; `None` at the end. The caller counts them and
    /// sets the deadline.
    pub async fn next_chunk(&mut self, max: usize) -> Result<Option<Bytes>, NetError> {
        let chunk = self.stream.read_chunk(max, true).await;
        Ok(chunk.map_err(read_error)?.map(|chunk| chunk.bytes))
    }

    async fn pass_exactly(
        &mut self,
        to: &mpsc::Sender<Vec<u8>>,
        size: usize,
        expected: usize,
    ) -> Result<(), NetError> {
        let (mut got, mut piece) = (0, Vec::new());
        while let Some(chunk) = self.next_chunk(expected + 1 - got).await? {
            got += chunk.len();
            if got > expected {
                return Err(NetError::too_long(WHAT, expected));
            }
            let mut rest = &chunk[..];
            while !rest.is_empty() && !to.is_closed() {
                if piece.is_empty() {
                    piece.reserve_exact(size.min(expected));
                }
                let (some, more) = rest.split_at(rest.len().min(size - piece.len()));
                piece.extend_from_slice(some);
                rest = more;
                if piece.len() == size {
                    let _ = to.send(std::mem::take(&mut piece)).await; // nobody may want it
                }
            }
        }
        if got < expected {
            return Err(NetError::truncated(WHAT, got, expected));
        }
        if !piece.is_empty() {
            let _ = to.send(piece).await;
        }
        Ok(())
    }

    async fn fill_exactly(&mut self, into: &mut Vec<u8>, expected: usize) -> Result<(), NetError> {
        // Asks for one byte more than expected, to detect a transfer that is too long.
        while let Some(chunk) = self.next_chunk(expected + 1 - into.len()).await? {
            if into.len() + chunk.len() > expected {
                return Err(NetError::too_long(WHAT, expected));
            }
            into.extend_from_slice(&chunk);
        }
        if into.len() < expected {
            return Err(NetError::truncated(WHAT, into.len(), expected));
        }
        Ok(())
    }
}

async fn fill(
    stream: &mut RecvStream,
    into: &mut [u8],
    what: &'static str,
) -> Result<(), NetError> {
    let mut got = 0;
    while got < into.len() {
        match stream.read(&mut into[got..]).await.map_err(read_error)? {
            Some(more) => got += more,
            None => return Err(NetError::truncated(what, got, into.len())),
        }
    }
    Ok(())
}
