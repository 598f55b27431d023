//! The control stream, for small messages: a `u32` length, then that many bytes of postcard.

use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::codec::{check_length, decode, encode_frame, read_error, within, write_error};
use super::error::NetError;
use super::limits::Limits;

const WHAT: &str = "a control frame";
const WHAT_OPENING: &str = "the opening of the control stream";
/// Sent first on a control stream: a peer notices a stream only by its first byte.
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
    let (send, receive) = within(limits.message, WHAT_OPENING, opening).await?;
    Ok(halves(send, receive, limits))
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
            let why = "is not one of this program";
            return Err(NetError::malformed(WHAT_OPENING, why));
        }
        Ok((send, receive))
    };
    let (send, receive) = within(limits.message, WHAT_OPENING, accepting).await?;
    Ok(halves(send, receive, limits))
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
    /// Sends one message. It fails if the other side does not accept it in time. If the future is
    /// dropped or fails midway, the stream is unusable and later calls return
    /// [`NetError::Broken`].
    pub async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), NetError> {
        if self.broken {
            return Err(NetError::Broken);
        }
        let frame = encode_frame(WHAT, message)?;
        self.broken = true;
        let write = async { self.stream.write_all(&frame).await.map_err(write_error) };
        within(self.deadline, WHAT, write).await?;
        self.broken = false;
        Ok(())
    }

    /// Ends the stream; the other side's [`ControlReceiver::recv`] returns `None`.
    pub fn finish(&mut self) {
        // It fails only on a stream that is closed already.
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
    /// Receives the next message; `None` at the end of the stream. It waits for the first byte as
    /// long as the connection lives, and for the rest in bounded time. It is cancellation safe:
    /// `tokio::select!` may drop the future and call again without losing anything.
    pub async fn recv<T: DeserializeOwned>(&mut self) -> Result<Option<T>, NetError> {
        while self.got < 4 {
            let got = match self.due {
                None => self.stream.read(&mut self.length[self.got..]).await,
                Some(due) => {
                    let read = self.stream.read(&mut self.length[self.got..]);
                    timeout_at(due, read).await.map_err(|_| self.timed_out())?
                }
            };
            match got.map_err(read_error)? {
                Some(got) => self.got += got,
                None if self.got == 0 => return Ok(None),
                None => return Err(NetError::truncated(WHAT, self.got, 4)),
            }
            self.due
                .get_or_insert_with(|| Instant::now() + self.deadline);
        }
        let expected = u32::from_le_bytes(self.length) as usize;
        check_length(WHAT, expected)?;
        self.body.resize(expected, 0);
        let due = *self
            .due
            .get_or_insert_with(|| Instant::now() + self.deadline);
        while self.got - 4 < expected {
            let read = self.stream.read(&mut self.body[self.got - 4..]);
            let got = timeout_at(due, read).await.map_err(|_| self.timed_out())?;
            match got.map_err(read_error)? {
                Some(got) => self.got += got,
                None => return Err(NetError::truncated(WHAT, self.got, 4 + expected)),
            }
        }
        self.got = 0;
        self.due = None;
        decode(WHAT, &self.body).map(Some)
    }

    fn timed_out(&self) -> NetError {
        NetError::TimedOut {
            what: WHAT,
            limit: self.deadline,
        }
    }
}
