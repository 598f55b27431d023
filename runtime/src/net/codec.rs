//! Messages as bytes, deadlines, and quinn's errors as [`NetError`]s.

use std::fmt::Display;
use std::time::Duration;

use quinn::{ReadError, WriteError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::NetError;
use super::limits::FRAME;

/// Encodes a message as postcard.
pub(super) fn encode(what: &'static str, message: &impl Serialize) -> Result<Vec<u8>, NetError> {
    postcard::to_allocvec(message).map_err(|error| unreadable(what, error))
}

/// Encodes a message behind its `u32` length; one of more than [`FRAME`] bytes is refused.
pub(super) fn encode_frame(
    what: &'static str,
    message: &impl Serialize,
) -> Result<Vec<u8>, NetError> {
    let body = encode(what, message)?;
    check_length(what, body.len())?;
    Ok([&(body.len() as u32).to_le_bytes(), &body[..]].concat())
}

/// Refuses the length of a frame that is too long.
pub(super) fn check_length(what: &'static str, length: usize) -> Result<(), NetError> {
    if length > FRAME {
        return Err(NetError::too_long(what, FRAME));
    }
    Ok(())
}

/// Decodes a message from exactly these bytes: trailing bytes make it malformed.
pub(super) fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, NetError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(unreadable(what, format!("{} bytes too many", rest.len()))),
        Err(error) => Err(unreadable(what, error)),
    }
}

fn unreadable(what: &'static str, why: impl Display) -> NetError {
    NetError::malformed(what, format!("cannot be read: {why}"))
}

/// Runs a step that must end within `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    what: &'static str,
    step: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    let outcome = timeout(limit, step).await;
    outcome.unwrap_or(Err(NetError::TimedOut { what, limit }))
}

pub(super) fn write_error(error: WriteError) -> NetError {
    match error {
        WriteError::ConnectionLost(lost) => lost.into(),
        WriteError::Stopped(_) => NetError::Reset("what was sent"),
        WriteError::ClosedStream | WriteError::ZeroRttRejected => NetError::Broken,
    }
}

pub(super) fn read_error(error: ReadError) -> NetError {
    match error {
        ReadError::ConnectionLost(lost) => lost.into(),
        ReadError::Reset(_) => NetError::Reset("what it was sending"),
        ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected => {
            NetError::Broken
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bytes_are_malformed() {
        let mut bytes = encode("a hello", &("pc1".to_owned(), None::<u8>)).unwrap();
        assert!(decode::<(String, Option<u8>)>("a hello", &bytes).is_ok());
        bytes.push(0);
        let error = decode::<(String, Option<u8>)>("a hello", &bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a hello cannot be read: 1 bytes too many"
        );
    }
}
