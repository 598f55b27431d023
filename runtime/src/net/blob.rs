//! Large transfers, each on a stream of its own: `u32` length of the header, the header, the bytes.

use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, StoppedError, VarInt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::control::{read_error, within, write_error};
use super::door::{decode, encode};
use super::error::NetError;
use super::limits::{FRAME, Limits};

const WHAT: &str = "a transfer";
const HEADER: &str = "the header of a transfer";
/// With which a transfer is given up, by either side.
const GIVEN_UP: VarInt = VarInt::from_u32(1);

pub(super) async fn send<T: Serialize>(
    connection: &Connection,
    header: &T,
    mut parts: Vec<Bytes>,
) -> Result<(), NetError> {
    let header = encode(HEADER, header)?;
    if header.len() > FRAME {
        return Err(NetError::TooLong {
            what: HEADER,
            limit: FRAME as u64,
        });
    }
    let mut stream = Resetting(Some(connection.open_uni().await?));
    let mut first = Vec::with_capacity(4 + header.len());
    first.extend_from_slice(&(header.len() as u32).to_le_bytes());
    first.extend_from_slice(&header);
    stream.get().write_all(&first).await.map_err(write_error)?;
    let all = stream.get().write_all_chunks(&mut parts).await;
    all.map_err(write_error)?;
    // It is already closed when the other side wants no more, which `stopped` then tells.
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

/// quinn ends a dropped stream as if it were whole; this one resets it instead.
struct Resetting(Option<SendStream>);

impl Resetting {
    fn get(&mut self) -> &mut SendStream {
        self.0
            .as_mut()
            .expect("taken only when the transfer is over")
    }
}

impl Drop for Resetting {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            // The other side may have ended it already.
            let _ = stream.reset(GIVEN_UP);
        }
    }
}

/// A transfer that is coming in. Dropping it tells the sender to stop.
#[derive(Debug)]
pub struct BlobReader {
    stream: RecvStream,
    limits: Limits,
}

impl BlobReader {
    /// Reads the header: call it once, first.
    pub async fn header<T: DeserializeOwned>(&mut self) -> Result<T, NetError> {
        let limit = self.limits.message;
        let stream = &mut self.stream;
        let read = async {
            let mut length = [0; 4];
            fill(stream, &mut length, HEADER).await?;
            let length = u32::from_le_bytes(length) as usize;
            if length > FRAME {
                return Err(NetError::TooLong {
                    what: HEADER,
                    limit: FRAME as u64,
                });
            }
            let mut header = vec![0; length];
            fill(stream, &mut header, HEADER).await?;
            decode(HEADER, &header)
        };
        within(limit, HEADER, read).await
    }

    /// Reads exactly `expected` bytes to the end of the stream into `into`, in so much time.
    /// `expected` must be what the receiver knows, not what the sender says: so much is allocated.
    /// If more or less comes, or it comes late, the stream is reset and nothing is left in `into`.
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
        let outcome = outcome.unwrap_or(Err(NetError::Late { what: WHAT, limit }));
        if outcome.is_err() {
            into.clear();
            // Harmless if the sender has ended it.
            let _ = self.stream.stop(GIVEN_UP);
        }
        outcome
    }

    /// The next bytes as they arrive, at most so many; `None` at the end. The caller counts them
    /// and minds the time.
    pub async fn next_chunk(&mut self, most: usize) -> Result<Option<Bytes>, NetError> {
        let chunk = self.stream.read_chunk(most, true).await;
        Ok(chunk.map_err(read_error)?.map(|chunk| chunk.bytes))
    }

    async fn fill_exactly(&mut self, into: &mut Vec<u8>, expected: usize) -> Result<(), NetError> {
        // One byte more than expected is asked for, so that too long a transfer shows itself.
        while let Some(chunk) = self.next_chunk(expected + 1 - into.len()).await? {
            if into.len() + chunk.len() > expected {
                return Err(NetError::TooLong {
                    what: WHAT,
                    limit: expected as u64,
                });
            }
            into.extend_from_slice(&chunk);
        }
        if into.len() < expected {
            return Err(NetError::Truncated {
                what: WHAT,
                got: into.len() as u64,
                expected: expected as u64,
            });
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
            None => {
                return Err(NetError::Truncated {
                    what,
                    got: got as u64,
                    expected: into.len() as u64,
                });
            }
        }
    }
    Ok(())
}
