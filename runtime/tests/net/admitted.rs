//! Admitted peers that violate the protocol.

use std::time::{Duration, Instant};

use bytes::Bytes;
use runtime::net::{BlobReader, ControlReceiver, Listener, NetError, Peer};
use tempfile::TempDir;

use crate::common::{HOUR, Pair, options, pair, soon};
use crate::raw_client::{RawClient, bytes, nothing_is_left};

/// A listener, and a worker that has joined and holds the raw connection.
async fn hostile_worker() -> (Listener, Peer, quinn::Connection, [TempDir; 1]) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.limits.message = Duration::from_millis(500);
    let listener = Listener::bind(options).await.unwrap();
    let token = listener.mint(1, HOUR).await.unwrap();
    let connection = RawClient::new().join(&listener, &token).await;
    let peer = soon(listener.accept()).await.unwrap();
    (listener, peer, connection, [folder])
}

/// The listener's end of a control stream, at whose other end these raw bytes are written.
async fn frames(
    peer: &Peer,
    connection: &quinn::Connection,
    raw: &[u8],
) -> (ControlReceiver, quinn::SendStream) {
    let (mut send, _receive) = soon(connection.open_bi()).await.unwrap();
    send.write_all(b"C").await.unwrap();
    send.write_all(raw).await.unwrap();
    let (_, receiver) = soon(peer.accept_control()).await.unwrap();
    (receiver, send)
}

#[tokio::test]
async fn malformed_frames_are_refused() {
    let (listener, peer, connection, _folder) = hostile_worker().await;
    let text = bytes(&"hello");
    let whole = |body: &[u8]| [&(body.len() as u32).to_le_bytes()[..], body].concat();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        (
            "4 GiB announced",
            vec![0xff; 4],
            "a control frame of more than 65536 bytes refused",
        ),
        (
            "64 KiB + 1",
            [&65_537_u32.to_le_bytes()[..], &[0; 10]].concat(),
            "more than 65536 bytes",
        ),
        ("a length cut", vec![1, 0], "ended after 2 of 4 bytes"),
        (
            "a body cut",
            whole(&text)[..7].to_vec(),
            "ended after 7 of 10 bytes",
        ),
        (
            "trailing bytes",
            whole(&[&text[..], &[0]].concat()),
            "1 bytes too many",
        ),
        (
            "not a text",
            whole(&[200, 1]),
            "a control frame cannot be read",
        ),
    ];
    for (what, raw, words) in cases {
        let (mut receiver, mut send) = frames(&peer, &connection, &raw).await;
        send.finish().unwrap();
        let error = soon(receiver.recv::<String>())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{what}: {error}");
    }
    // The connection stays open: what to do with such a worker is decided above this layer.
    let (mut receiver, _send) = frames(&peer, &connection, &whole(&text)).await;
    assert_eq!(
        soon(receiver.recv::<String>()).await.unwrap().as_deref(),
        Some("hello")
    );
    peer.close("enough");
    nothing_is_left(&listener, 0).await;
}

#[tokio::test]
async fn a_slow_frame_times_out_and_silence_between_frames_does_not() {
    let (_listener, peer, connection, _folder) = hostile_worker().await;
    let (mut receiver, mut send) = frames(&peer, &connection, &[]).await;
    let begin = Instant::now();
    let send_slowly = async {
        tokio::time::sleep(Duration::from_millis(900)).await;
        for byte in [4_u8, 0, 0, 0, 3, b'a', b'b', b'c'] {
            if send.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    // The future is dropped and created again, as in a `select!`: nothing may be lost.
    let received = async {
        loop {
            let step = receiver.recv::<String>();
            if let Ok(outcome) = tokio::time::timeout(Duration::from_millis(30), step).await {
                return outcome;
            }
        }
    };
    let ((), received) = soon(async { tokio::join!(send_slowly, received) }).await;
    assert!(
        matches!(received, Err(NetError::TimedOut { .. })),
        "{received:?}"
    );
    assert!(begin.elapsed() > Duration::from_millis(1400));
}

#[tokio::test]
async fn a_slow_frame_within_its_time_survives_a_select() {
    let (_listener, peer, connection, _folder) = hostile_worker().await;
    let (mut receiver, mut send) = frames(&peer, &connection, &[]).await;
    let send_slowly = async {
        for _ in 0..3 {
            for byte in [4_u8, 0, 0, 0, 3, b'a', b'b', b'c'] {
                send.write_all(&[byte]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let received = async {
        let mut received = Vec::new();
        while received.len() < 3 {
            let step = receiver.recv::<String>();
            if let Ok(outcome) = tokio::time::timeout(Duration::from_millis(7), step).await {
                received.push(outcome.unwrap().unwrap());
            }
        }
        received
    };
    let ((), received) = soon(async { tokio::join!(send_slowly, received) }).await;
    assert_eq!(received, ["abc"; 3]);
}

#[tokio::test]
async fn a_control_stream_that_never_opens_times_out() {
    let (_listener, peer, connection, _folder) = hostile_worker().await;
    let outcome = soon(peer.accept_control()).await;
    assert!(matches!(outcome, Err(NetError::TimedOut { .. })));
    let (mut send, _receive) = soon(connection.open_bi()).await.unwrap();
    send.write_all(b"x").await.unwrap();
    let outcome = soon(peer.accept_control()).await;
    assert!(matches!(outcome, Err(NetError::Malformed { .. })));
}

/// The listener's result of a raw transfer of which it expects ten bytes.
async fn transfer(
    peer: &Peer,
    connection: &quinn::Connection,
    raw: &[u8],
) -> (Result<Vec<u8>, NetError>, quinn::SendStream) {
    let mut send = soon(connection.open_uni()).await.unwrap();
    send.write_all(raw).await.unwrap();
    let _ = send.finish();
    let blob = soon(peer.accept_blob()).await.unwrap();
    (soon(read(blob)).await, send)
}

async fn read(mut blob: BlobReader) -> Result<Vec<u8>, NetError> {
    let _: u32 = blob.header().await?;
    let mut into = vec![1, 2, 3];
    let limit = Duration::from_millis(500);
    let outcome = blob.read_exact_into(&mut into, 10, limit).await;
    if outcome.is_err() {
        assert!(into.is_empty(), "something is left of it");
    }
    outcome.map(|()| into)
}

#[tokio::test]
async fn malformed_transfers_are_refused() {
    let (listener, peer, connection, _folder) = hostile_worker().await;
    let blob = |body: usize| [&[1, 0, 0, 0, 7][..], &vec![5; body]].concat();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        (
            "one byte short",
            blob(9),
            "a transfer ended after 9 of 10 bytes",
        ),
        (
            "one byte more",
            blob(11),
            "a transfer of more than 10 bytes refused",
        ),
        (
            "a megabyte more",
            blob(1 << 20),
            "a transfer of more than 10 bytes refused",
        ),
        (
            "a header of 4 GiB",
            vec![0xff; 40],
            "the header of a transfer of more than 65536 bytes",
        ),
        (
            "a header cut",
            vec![9, 0, 0, 0, 1],
            "ended after 1 of 9 bytes",
        ),
        ("nothing", vec![], "ended after 0 of 4 bytes"),
    ];
    for (what, raw, words) in cases {
        let (outcome, send) = transfer(&peer, &connection, &raw).await;
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(words), "{what}: {error}");
        drop(send);
    }
    let (outcome, _) = transfer(&peer, &connection, &blob(10)).await;
    assert_eq!(outcome.unwrap(), [5; 10]);
    peer.close("enough");
    nothing_is_left(&listener, 0).await;
}

#[tokio::test]
async fn a_cancelled_or_unfinished_transfer_is_refused() {
    let (_listener, peer, connection, _folder) = hostile_worker().await;
    let mut send = soon(connection.open_uni()).await.unwrap();
    send.write_all(&[1, 0, 0, 0, 7, 5, 5, 5]).await.unwrap();
    let blob = soon(peer.accept_blob()).await.unwrap();
    let error = soon(read(blob)).await.unwrap_err();
    assert!(matches!(error, NetError::TimedOut { .. }), "{error}");
    assert_eq!(soon(send.stopped()).await.unwrap(), Some(1_u32.into()));

    let mut send = soon(connection.open_uni()).await.unwrap();
    send.write_all(&[1, 0, 0, 0, 7, 5, 5, 5]).await.unwrap();
    let blob = soon(peer.accept_blob()).await.unwrap();
    let reading = tokio::spawn(read(blob));
    send.reset(3_u32.into()).unwrap();
    let error = soon(reading).await.unwrap().unwrap_err();
    assert!(matches!(error, NetError::Reset(_)), "{error}");
}

#[tokio::test]
async fn an_admitted_worker_has_two_and_four_streams() {
    let (_listener, peer, connection, _folder) = hostile_worker().await;
    let moment = Duration::from_millis(300);
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(soon(connection.open_bi()).await.unwrap());
    }
    assert!(
        tokio::time::timeout(moment, connection.open_bi())
            .await
            .is_err()
    );
    let mut uni = Vec::new();
    for _ in 0..4 {
        uni.push(soon(connection.open_uni()).await.unwrap());
    }
    assert!(
        tokio::time::timeout(moment, connection.open_uni())
            .await
            .is_err()
    );
    drop(peer);
}

#[tokio::test]
async fn unread_data_is_bounded() {
    let (_listener, _peer, connection, _folder) = hostile_worker().await;
    let mut written = 0_usize;
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut send = soon(connection.open_uni()).await.unwrap();
        let chunk = vec![0; 1 << 16];
        let moment = Duration::from_millis(500);
        while let Ok(more) = tokio::time::timeout(moment, send.write(&chunk)).await {
            written += more.unwrap();
        }
        streams.push(send);
    }
    let sent = connection.stats().udp_tx.bytes;
    // With quinn's defaults the send buffer would have taken another 10 MB, the receiver all of it.
    assert!(
        sent < 10 << 20,
        "{sent} bytes on the wire, {written} written"
    );
    assert!(
        sent > 7 << 20,
        "{sent} bytes on the wire, {written} written"
    );
}

#[tokio::test]
async fn an_unread_message_times_out_and_breaks_the_stream() {
    let Pair { here, there, .. } = &pair().await;
    let (opened, accepted) =
        soon(async { tokio::join!(there.open_control(), here.accept_control()) }).await;
    let (mut send, _receive) = opened.unwrap();
    let _not_read = accepted.unwrap();
    let frame = vec![0_u8; 60_000];
    let stuck = async {
        loop {
            if let Err(error) = send.send(&frame).await {
                return error;
            }
        }
    };
    let error = soon(stuck).await;
    assert!(matches!(error, NetError::TimedOut { .. }), "{error}");
    assert!(matches!(send.send(&1_u8).await, Err(NetError::Broken)));
    let frame = vec![0_u8; 70_000];
    assert!(matches!(send.send(&frame).await, Err(NetError::Broken)));
}

#[tokio::test]
async fn a_transfer_that_the_receiver_drops_is_an_error() {
    let Pair { here, there, .. } = &pair().await;
    let parts = vec![Bytes::from(vec![0; 20 << 20])];
    let refuse = async {
        let blob = here.accept_blob().await.unwrap();
        drop(blob);
    };
    let (sent, ()) = soon(async { tokio::join!(there.send_blob(&1_u8, parts), refuse) }).await;
    assert!(matches!(sent, Err(NetError::Reset(_))), "{sent:?}");
}
