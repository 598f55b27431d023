//! The stream of small messages: `u32` length, then that many bytes of postcard.

use std::time::Duration;

use quinn::{Connection, ReadError, RecvStream, SendStream, WriteError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use super::door::{decode, encode};
use super::error::NetError;
use super::limits::{FRAME, Limits};

const WHAT: &str = "a control frame";
/// Sent first on a control stream, since a peer learns of a stream by its first byte.
const OPENING: [u8; 1] = [b'C'];

pub(super) async fn open(
    connection: &Connection,
    limits: Limits,
) -> Result<(ControlSender, ControlReceiver), NetError> {
    let opening = async {
        let (mut send, receive) = connection.open_bi().await?;
        send.write_all(&OPENING).await.map_err(write_error)?;
        Ok((send, receive))
    };
    within(limits.message, "the opening of the control stream", opening)
        .await
        .map(|(send, receive)| halves(send, receive, limits))
}

pub(super) async fn accept(
    connection: &Connection,
    limits: Limits,
) -> Result<(ControlSender, ControlReceiver), NetError> {
    let accepting = async {
        let (send, mut receive) = connection.accept_bi().await?;
        let mut opening = [0];
        let got = receive.read(&mut opening).await.map_err(read_error)?;
        if got != Some(1) || opening != OPENING {
            return Err(NetError::Malformed {
                what: "the opening of the control stream",
                why: "not one of ours".to_owned(),
            });
        }
        Ok((send, receive))
    };
    within(
        limits.message,
        "the opening of the control stream",
        accepting,
    )
    .await
    .map(|(send, receive)| halves(send, receive, limits))
}

fn halves(
    send: SendStream,
    receive: RecvStream,
    limits: Limits,
) -> (ControlSender, ControlReceiver) {
    let sender = ControlSender {
        stream: send,
        deadline: limits.message,
        broken: false,
    };
    let receiver = ControlReceiver {
        stream: receive,
        deadline: limits.message,
        length: [0; 4],
        body: Vec::new(),
        got: 0,
        due: None,
    };
    (sender, receiver)
}

/// Sends messages.
#[derive(Debug)]
pub struct ControlSender {
    stream: SendStream,
    deadline: Duration,
    broken: bool,
}

impl ControlSender {
    /// Hands one message over. It fails when the other side does not take it in time. If the
    /// future is dropped or fails midway, the stream is of no more use and later calls say so.
    pub async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), NetError> {
        if self.broken {
            return Err(NetError::Broken);
        }
        let body = encode(WHAT, message)?;
        if body.len() > FRAME {
            return Err(NetError::TooLong {
                what: WHAT,
                limit: FRAME as u64,
            });
        }
        let mut frame = Vec::with_capacity(4 + body.len());
        frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
        frame.extend_from_slice(&body);
        self.broken = true;
        let write = async { self.stream.write_all(&frame).await.map_err(write_error) };
        within(self.deadline, WHAT, write).await?;
        self.broken = false;
        Ok(())
    }

    /// Says that no message follows; the other side's [`ControlReceiver::recv`] gets `None`.
    pub fn finish(&mut self) {
        // A stream that is already closed cannot be closed again, and need not be.
        let _ = self.stream.finish();
        self.broken = true;
    }
}

/// Receives messages.
#[derive(Debug)]
pub struct ControlReceiver {
    stream: RecvStream,
    deadline: Duration,
    length: [u8; 4],
    body: Vec<u8>,
    got: usize,
    due: Option<Instant>,
}

impl ControlReceiver {
    /// Waits for the next message, `None` when there will be none. It waits for the first byte
    /// as long as the connection lives, from there on for a bounded time. The future may be
    /// dropped and called anew without losing anything, as `tokio::select!` does.
    pub async fn recv<T: DeserializeOwned>(&mut self) -> Result<Option<T>, NetError> {
        while self.got < 4 {
            let got = match self.due {
                None => self.stream.read(&mut self.length[self.got..]).await,
                Some(due) => {
                    let read = self.stream.read(&mut self.length[self.got..]);
                    timeout_at(due, read).await.map_err(|_| self.late())?
                }
            };
            match got.map_err(read_error)? {
                Some(got) => self.got += got,
                None if self.got == 0 => return Ok(None),
                None => return Err(self.truncated(4)),
            }
            self.due
                .get_or_insert_with(|| Instant::now() + self.deadline);
        }
        let expected = u32::from_le_bytes(self.length) as usize;
        if expected > FRAME {
            return Err(NetError::TooLong {
                what: WHAT,
                limit: FRAME as u64,
            });
        }
        self.body.resize(expected, 0);
        let due = *self
            .due
            .get_or_insert_with(|| Instant::now() + self.deadline);
        while self.got - 4 < expected {
            let read = self.stream.read(&mut self.body[self.got - 4..]);
            let got = timeout_at(due, read).await.map_err(|_| self.late())?;
            match got.map_err(read_error)? {
                Some(got) => self.got += got,
                None => return Err(self.truncated(4 + expected)),
            }
        }
        self.got = 0;
        self.due = None;
        decode(WHAT, &self.body).map(Some)
    }

    fn late(&self) -> NetError {
        NetError::Late {
            what: WHAT,
            limit: self.deadline,
        }
    }

    fn truncated(&self, expected: usize) -> NetError {
        NetError::Truncated {
            what: WHAT,
            got: self.got as u64,
            expected: expected as u64,
        }
    }
}

/// Gives a step a bounded time.
pub(super) async fn within<T>(
    limit: Duration,
    what: &'static str,
    step: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    match timeout(limit, step).await {
        Ok(outcome) => outcome,
        Err(_) => Err(NetError::Late { what, limit }),
    }
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
