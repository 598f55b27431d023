//! What works between honest peers.

use std::time::Duration;

use bytes::Bytes;
use runtime::net::{CloseReason, Dialer, NetError, Target};

use crate::common::{HOUR, Pair, dial_options, listener, name_of, pair, soon, worker};

#[tokio::test]
async fn a_token_admits_once_and_then_the_key_is_enough() {
    let pair = pair().await;
    assert_eq!(pair.there.id(), pair.worker.id());
    assert_eq!(pair.there.name(), name_of(&pair.worker));
    pair.here.close("done for today");
    let reason = soon(pair.there.closed()).await;
    assert_eq!(reason, CloseReason::Remote("done for today".to_owned()));

    // The key is known now: no token is needed.
    let id = pair.here.id();
    let mut options = dial_options(&pair.worker, Target::Known(id));
    options.orchestrators = vec![pair.listener.local_addr().to_string()];
    let again = Dialer::new(options).unwrap();
    let (here, there) = soon(async { tokio::join!(again.dial(), pair.listener.accept()) }).await;
    assert_eq!(here.unwrap().id(), id);
    assert_eq!(there.unwrap().id(), pair.worker.id());
}

#[tokio::test]
async fn messages_arrive_in_order_in_both_directions() {
    let Pair { here, there, .. } = &pair().await;
    let (opened, accepted) =
        soon(async { tokio::join!(there.open_control(), here.accept_control()) }).await;
    let (mut send, mut receive) = opened.unwrap();
    let (mut worker_send, mut worker_receive) = accepted.unwrap();
    for round in 0..100_u64 {
        let question = (round, "x".repeat(round as usize * 300));
        send.send(&question).await.unwrap();
        let received: Option<(u64, String)> = soon(worker_receive.recv()).await.unwrap();
        assert_eq!(received, Some(question));
        worker_send.send(&(round + 1)).await.unwrap();
        assert_eq!(soon(receive.recv::<u64>()).await.unwrap(), Some(round + 1));
    }
    worker_send.finish();
    assert_eq!(soon(receive.recv::<u64>()).await.unwrap(), None);
}

#[tokio::test]
async fn a_transfer_arrives_whole_and_a_cancelled_one_not_at_all() {
    let Pair { here, there, .. } = &pair().await;
    let parts: Vec<Bytes> = (0..50_u8).map(|part| vec![part; 100_000].into()).collect();
    let whole: Vec<u8> = parts.concat();
    let receive = async {
        let mut blob = here.accept_blob().await.unwrap();
        let header: (u32, String) = blob.header().await.unwrap();
        let mut bytes = Vec::new();
        blob.read_exact_into(&mut bytes, whole.len(), HOUR)
            .await
            .unwrap();
        (header, bytes)
    };
    let header = (7, "data".to_owned());
    let (sent, (received, bytes)) =
        soon(async { tokio::join!(there.send_blob(&header, parts.clone()), receive) }).await;
    sent.unwrap();
    assert_eq!(received, header);
    assert!(bytes == whole);

    // The receiver does not read, so that the sender is stuck when its future is dropped.
    let sending = there.send_blob(&header, parts.clone());
    let cut = tokio::time::timeout(Duration::from_millis(300), sending).await;
    assert!(cut.is_err());
    let mut blob = soon(here.accept_blob()).await.unwrap();
    let outcome = soon(async {
        let _: (u32, String) = blob.header().await?;
        blob.read_exact_into(&mut Vec::new(), whole.len(), HOUR)
            .await
    });
    assert!(matches!(outcome.await, Err(NetError::Reset(_))));
}

#[tokio::test]
async fn a_listener_that_closes_informs_its_workers() {
    let pair = pair().await;
    pair.listener.close().await;
    let reason = soon(pair.here.closed()).await;
    assert_eq!(
        reason,
        CloseReason::Remote("the orchestrator has ended".to_owned())
    );
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older() {
    let Pair {
        listener,
        here,
        there,
        dialer,
        ..
    } = &pair().await;
    let (newer, newer_there) = soon(async { tokio::join!(dialer.dial(), listener.accept()) }).await;
    assert_eq!(soon(here.closed()).await, CloseReason::Replaced);
    assert_eq!(soon(there.closed()).await, CloseReason::Local);
    let (newer, newer_there) = (newer.unwrap(), newer_there.unwrap());
    let (opened, accepted) =
        soon(async { tokio::join!(newer.open_control(), newer_there.accept_control()) }).await;
    assert!(opened.is_ok() && accepted.is_ok());
    assert_eq!(listener.stats().workers, 1);
}

#[tokio::test]
async fn many_workers_join_at_once() {
    let (listener, _folder) = listener().await;
    let token = listener.mint(30, HOUR).await.unwrap();
    let workers: Vec<_> = (0..30).map(|_| worker()).collect();
    let dialers: Vec<Dialer> = workers
        .iter()
        .map(|(identity, _)| {
            Dialer::new(dial_options(identity, Target::Token(token.clone()))).unwrap()
        })
        .collect();
    let mut joining = tokio::task::JoinSet::new();
    for dialer in dialers {
        joining.spawn(async move { dialer.dial().await });
    }
    let peers = soon(joining.join_all()).await;
    assert!(peers.iter().all(Result::is_ok), "{peers:?}");
    assert_eq!(listener.allow_list().workers().unwrap().len(), 30);
}

/// Not later than each second, whatever the keep-alive of QUIC is: a link that comes back is used at once.
#[tokio::test]
async fn a_connection_on_which_nothing_is_said_shows_signs_of_life() {
    let Pair { here, there, .. } = &pair().await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    for _ in 0..2 {
        let before = [here, there].map(|peer| peer.received_packets());
        tokio::time::sleep(Duration::from_millis(1_250)).await;
        let after = [here, there].map(|peer| peer.received_packets());
        assert!(
            before[0] < after[0] && before[1] < after[1],
            "{before:?} {after:?}"
        );
    }
}
