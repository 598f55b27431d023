//! Clients that must not be admitted: each is refused for its own reason, and leaves nothing behind.

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use runtime::net::{
    AllowList, CloseReason, DialError, Dialer, Identity, JoinRefusal, Listener, PeerId, Target,
    Token,
};

use crate::common::{HOUR, Pair, dial_options, listener, loopback, options, pair, soon, worker};
use crate::raw_client::{
    Hello, JOIN, RawClient, WORK, bytes, inside, nothing_is_left, refusal, say,
};

const UNKNOWN: u64 = 0x10;
const BAD_PROOF: u64 = 0x12;
const TIMED_OUT: u64 = 0x15;
const MALFORMED: u64 = 0x16;
const RATE_LIMITED: u64 = 0x17;

/// Dials a listener as an honest worker would, and returns why it is not admitted.
async fn refused(listener: &Listener, target: Target) -> DialError {
    let (identity, _folder) = worker();
    let mut options = dial_options(&identity, target);
    options.orchestrators = vec![listener.local_addr().to_string()];
    let dialer = Dialer::new(options).unwrap();
    soon(dialer.dial()).await.unwrap_err()
}

#[track_caller]
fn assert_refusal(error: &DialError, expected: JoinRefusal, words: &str) {
    let line = error.to_string();
    assert!(line.contains(words), "{line}");
    assert!(!line.contains('\n'), "more than one line: {line}");
    match error {
        DialError::Refused { refusal, .. } => assert_eq!(*refusal, expected),
        DialError::Unreachable { .. } => panic!("not reached: {error}"),
    }
}

/// Fees go by names, so that two keys on one list have two.
#[tokio::test]
async fn a_name_that_another_key_has_is_refused_until_that_is_revoked() {
    let (listener, _folder) = listener().await;
    let token = listener.mint(3, HOUR).await.unwrap();
    let dialer = |identity: &Identity, token: &Token| {
        let mut options = dial_options(identity, Target::Token(token.clone()));
        options.name = "server".to_owned();
        Dialer::new(options).unwrap()
    };
    let ((first, _one), (second, _two)) = (worker(), worker());
    let here = soon(dialer(&first, &token).dial()).await.unwrap();
    let error = soon(dialer(&second, &token).dial()).await.unwrap_err();
    let words = "another worker on the orchestrator's list has this name";
    assert_refusal(&error, JoinRefusal::NameTaken, words);
    assert!(!error.is_retryable(), "it would be refused for ever");
    here.close("it comes back");
    soon(dialer(&first, &token).dial()).await.unwrap();
    // Its token goes with it.
    listener.allow_list().revoke(first.id()).unwrap();
    let token = listener.mint(1, HOUR).await.unwrap();
    soon(dialer(&second, &token).dial()).await.unwrap();
}

/// Changes the allow-list as an editor would.
fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("admission.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let edited = text.replace(from, to);
    assert_ne!(edited, text, "nothing to edit: {text}");
    std::fs::write(&path, edited).unwrap();
}

fn uses(folder: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(folder.join("admission.json")).unwrap();
    let contents: serde_json::Value = serde_json::from_str(&text).unwrap();
    let tokens = contents["tokens"].as_array().unwrap().iter();
    tokens
        .map(|token| token["used"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn an_orchestrator_with_another_key_is_not_joined() {
    let (listener, _folder) = listener().await;
    let expected = PeerId::from_bytes([9; 32]);
    let error = refused(&listener, Target::Known(expected)).await;
    let lines = error.to_string();
    assert!(error.is_retryable());
    assert!(
        lines.contains(&listener.local_addr().to_string()),
        "{lines}"
    );
    assert!(lines.contains("another orchestrator"), "{lines}");
    nothing_is_left(&listener, 0).await;
}

#[tokio::test]
async fn an_empty_list_admits_nobody() {
    let (listener, _folder) = listener().await;
    assert!(listener.allow_list().workers().unwrap().is_empty());
    let id = id_of(&listener).await;
    let error = refused(&listener, Target::Known(id)).await;
    assert_refusal(
        &error,
        JoinRefusal::Unknown,
        "not on the orchestrator's list",
    );
    // Neither does the join protocol without a proof.
    let client = RawClient::new();
    let connection = client.connect(listener.local_addr(), JOIN).await;
    let name = "pc1".to_owned();
    let hello = Hello { name, proof: None };
    assert_eq!(say(&connection, &bytes(&hello)).await, Err(UNKNOWN));
    nothing_is_left(&listener, 0).await;
    assert!(listener.allow_list().workers().unwrap().is_empty());
}

async fn id_of(listener: &Listener) -> PeerId {
    listener.mint(1, HOUR).await.unwrap().orchestrator
}

#[tokio::test]
async fn a_client_gets_one_stream_and_no_other_protocol() {
    let (listener, _folder) = listener().await;
    let client = RawClient::new();
    let connection = client.connect(listener.local_addr(), JOIN).await;
    let _first = soon(connection.open_bi()).await.unwrap();
    let moment = Duration::from_millis(200);
    assert!(
        tokio::time::timeout(moment, connection.open_bi())
            .await
            .is_err()
    );
    assert!(
        tokio::time::timeout(moment, connection.open_uni())
            .await
            .is_err()
    );
    // Room for signs of life.
    let most = connection.max_datagram_size();
    assert!(most.is_none_or(|most| most <= 64), "{most:?}");

    // An unknown client that claims to be known is refused before it has sent anything.
    let begin = Instant::now();
    let connection = client.connect(listener.local_addr(), WORK).await;
    assert_eq!(refusal(&connection).await, UNKNOWN);
    assert!(begin.elapsed() < Duration::from_secs(1));

    let error = soon(client.try_connect(listener.local_addr(), b"h3")).await;
    assert!(error.is_err());
    nothing_is_left(&listener, 0).await;
}

#[tokio::test]
async fn a_second_connection_proves_both_keys_again() {
    let (listener, _folder) = listener().await;
    let token = listener.mint(1, HOUR).await.unwrap();
    let client = RawClient::new();
    let config = client.config(JOIN);
    let connection = soon(client.begin_with(config.clone(), listener.local_addr()))
        .await
        .unwrap();
    let hello = bytes(&client.hello(&connection, &token));
    assert_eq!(soon(say(&connection, &hello)).await, Ok(vec![]));
    // A ticket for session resumption would have arrived by now.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let again = client.begin_with(config, listener.local_addr());
    assert!(again.into_0rtt().is_err(), "it offers early data");
}

#[tokio::test]
async fn a_connection_does_not_migrate_to_another_address() {
    let (mut options, _folder) = fresh_options();
    options.limits.idle = Duration::from_secs(1);
    options.limits.keep_alive = Duration::from_millis(200);
    let listener = Listener::bind(options).await.unwrap();
    let token = listener.mint(1, HOUR).await.unwrap();
    let client = RawClient::new();
    let _connection = client.join(&listener, &token).await;
    let peer = soon(listener.accept()).await.unwrap();
    let still = tokio::time::timeout(Duration::from_millis(1500), peer.closed()).await;
    assert!(still.is_err(), "{still:?}");
    client.move_away();
    let over = tokio::time::timeout(Duration::from_secs(5), peer.closed()).await;
    assert_eq!(over, Ok(CloseReason::TimedOut));
    nothing_is_left(&listener, 0).await;
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let (listener, folder) = listener().await;
    let token = listener.mint(1, HOUR).await.unwrap();
    // The right key and another secret: as if the client had guessed 24 bytes.
    let (_, secret) = inside(&token);
    let known = data_encoding::HEXLOWER.encode(&secret);
    let other = data_encoding::HEXLOWER.encode(&[1; 24]);
    edit(folder.path(), &known, &other);
    let error = refused(&listener, Target::Token(token.clone())).await;
    assert_refusal(
        &error,
        JoinRefusal::BadProof,
        "not one that this orchestrator gave out",
    );
    // A token with an unknown id.
    let (id, _) = inside(&token);
    let known = data_encoding::HEXLOWER.encode(&id);
    edit(
        folder.path(),
        &known,
        &data_encoding::HEXLOWER.encode(&[2; 8]),
    );
    let error = refused(&listener, Target::Token(token)).await;
    assert_refusal(
        &error,
        JoinRefusal::BadProof,
        "not one that this orchestrator gave out",
    );
    assert_eq!(uses(folder.path()), [0]);
    nothing_is_left(&listener, 0).await;
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let (listener, folder) = listener().await;
    let token = listener.mint(1, HOUR).await.unwrap();
    let past = token.expiry_seconds() - 2 * HOUR.as_secs();
    let expiry = token.expiry_seconds().to_string();
    edit(folder.path(), &expiry, &past.to_string());
    let error = refused(&listener, Target::Token(token)).await;
    assert_refusal(&error, JoinRefusal::Expired, "the token has expired");
    assert_eq!(uses(folder.path()), [0]);
    nothing_is_left(&listener, 0).await;
}

#[tokio::test]
async fn a_used_token_stays_used_after_a_restart() {
    let (listener, folder) = listener().await;
    let token = listener.mint(2, HOUR).await.unwrap();
    for _ in 0..2 {
        let (identity, _folder) = worker();
        let dialer = Dialer::new(dial_options(&identity, Target::Token(token.clone()))).unwrap();
        soon(dialer.dial()).await.unwrap();
    }
    let error = refused(&listener, Target::Token(token.clone())).await;
    assert_refusal(&error, JoinRefusal::UsedUp, "the token is used up");
    listener.close().await;

    let listener = Listener::bind(options(folder.path())).await.unwrap();
    let error = refused(&listener, Target::Token(token)).await;
    assert_refusal(&error, JoinRefusal::UsedUp, "the token is used up");
    assert_eq!(uses(folder.path()), [2]);
    nothing_is_left(&listener, 0).await;
}

#[tokio::test]
async fn racing_workers_do_not_share_one_use() {
    let (listener, folder) = listener().await;
    let token = listener.mint(3, HOUR).await.unwrap();
    let mut joining = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let token = token.clone();
        joining.spawn(async move {
            let (identity, _folder) = worker();
            let dialer = Dialer::new(dial_options(&identity, Target::Token(token))).unwrap();
            dialer.dial().await
        });
    }
    let outcomes = soon(joining.join_all()).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    assert_eq!(uses(folder.path()), [3]);
    assert_eq!(listener.allow_list().workers().unwrap().len(), 3);
}

#[tokio::test]
async fn a_proof_is_worth_nothing_elsewhere() {
    let (listener, folder) = listener().await;
    let token = listener.mint(9, HOUR).await.unwrap();
    let (victim, thief) = (RawClient::new(), RawClient::new());
    let there = listener.local_addr();
    // Copied from one connection to another, by the same key and by another one.
    let first = victim.connect(there, JOIN).await;
    let copied = victim.hello(&first, &token);
    let second = victim.connect(there, JOIN).await;
    assert_eq!(say(&second, &bytes(&copied)).await, Err(BAD_PROOF));
    let third = thief.connect(there, JOIN).await;
    assert_eq!(say(&third, &bytes(&copied)).await, Err(BAD_PROOF));
    // It is valid where it was made, so it was not refused as garbage.
    assert_eq!(say(&first, &bytes(&copied)).await, Ok(vec![]));
    assert_eq!(uses(folder.path()), [1]);
}

#[tokio::test]
async fn revoking_closes_the_connection_and_blocks_the_key() {
    let pair = pair().await;
    let fresh = pair.listener.mint(5, HOUR).await.unwrap();
    // As another process does it.
    let elsewhere = AllowList::open(&pair.state()).unwrap();
    let begin = Instant::now();
    assert!(elsewhere.revoke(pair.worker.id()).unwrap());
    assert_eq!(soon(pair.here.closed()).await, CloseReason::Revoked);
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_blocked(&pair, fresh).await;
}

/// Neither the key alone nor any token, old or new, admits a revoked worker.
async fn assert_blocked(pair: &Pair, fresh: Token) {
    let again = soon(pair.dialer.dial()).await.unwrap_err();
    assert_refusal(
        &again,
        JoinRefusal::Revoked,
        "this worker's key was revoked",
    );
    for target in [
        Target::Known(fresh.orchestrator),
        Target::Token(fresh.clone()),
    ] {
        let mut options = dial_options(&pair.worker, target);
        options.orchestrators = vec![pair.listener.local_addr().to_string()];
        let error = soon(Dialer::new(options).unwrap().dial())
            .await
            .unwrap_err();
        assert_refusal(
            &error,
            JoinRefusal::Revoked,
            "this worker's key was revoked",
        );
        assert!(!error.is_retryable());
    }
    nothing_is_left(&pair.listener, 0).await;
}

#[tokio::test]
async fn revoking_cancels_the_token_that_the_worker_knows() {
    let (listener, _folder) = listener().await;
    let token = listener.mint(5, HOUR).await.unwrap();
    let client = RawClient::new();
    let connection = client.join(&listener, &token).await;
    let id = listener.allow_list().workers().unwrap()[0].id;
    assert!(listener.allow_list().revoke(id).unwrap());
    assert_eq!(refusal(&connection).await, 1);
    // Otherwise the worker could join again with a new key.
    let error = refused(&listener, Target::Token(token)).await;
    assert_refusal(&error, JoinRefusal::UsedUp, "the token is used up");
}

#[tokio::test]
async fn malformed_hellos_are_refused() {
    let (mut options, folder) = fresh_options();
    options.limits.failed_proofs = 100;
    let listener = Listener::bind(options).await.unwrap();
    let token = listener.mint(9, HOUR).await.unwrap();
    let client = RawClient::new();
    let hello = |connection: &quinn::Connection, name: &str| {
        let mut hello = client.hello(connection, &token);
        hello.name = name.to_owned();
        bytes(&hello)
    };
    type Spoil = fn(Vec<u8>) -> Vec<u8>;
    let spoilt: [(&str, &str, Spoil); 7] = [
        ("too long a name", "x", |_| {
            bytes(&("x".repeat(900), None::<u8>))
        }),
        ("more than 1 KiB", "x", |_| vec![b'x'; 1025]),
        ("much more than the window", "x", |_| vec![0; 100_000]),
        ("cut", "x", |bytes| bytes[..bytes.len() - 1].to_vec()),
        ("nothing", "x", |_| vec![]),
        ("trailing bytes", "x", |bytes| [bytes, vec![0]].concat()),
        ("a control character in the name", "\u{7}", |bytes| bytes),
    ];
    for (what, name, spoil) in spoilt {
        let connection = client.connect(listener.local_addr(), JOIN).await;
        let words = spoil(hello(&connection, name));
        let answer = soon(say(&connection, &words)).await;
        assert_eq!(answer, Err(MALFORMED), "{what}");
    }
    nothing_is_left(&listener, 0).await;
    assert_eq!(uses(folder.path()), [0]);
    // The same message is accepted if it is not spoilt.
    let connection = client.connect(listener.local_addr(), JOIN).await;
    let words = hello(&connection, "x");
    assert_eq!(soon(say(&connection, &words)).await, Ok(vec![]));
}

fn fresh_options() -> (runtime::net::ListenOptions, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (options(folder.path()), folder)
}

#[tokio::test]
async fn idle_and_slow_clients_time_out() {
    let (listener, _folder) = listener().await;
    let token = listener.mint(1, HOUR).await.unwrap();
    let client = RawClient::new();
    let begin = Instant::now();
    let silent = client.connect(listener.local_addr(), JOIN).await;
    let slow = client.connect(listener.local_addr(), JOIN).await;
    let words = bytes(&client.hello(&slow, &token));
    let send_slowly = async {
        let (mut send, _receive) = slow.open_bi().await.unwrap();
        for byte in words {
            if send.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        refusal(&slow).await
    };
    let (slow, silent) = soon(async { tokio::join!(send_slowly, refusal(&silent)) }).await;
    assert_eq!([slow, silent], [TIMED_OUT, TIMED_OUT]);
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(1900), "{took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    nothing_is_left(&listener, 0).await;
}

#[tokio::test]
async fn an_unfinished_handshake_is_dropped() {
    let (listener, _folder) = listener().await;
    // A relay that forwards only the first packet.
    let relay = tokio::net::UdpSocket::bind(loopback()).await.unwrap();
    let front = relay.local_addr().unwrap();
    let there = listener.local_addr();
    let relaying = tokio::spawn(async move {
        let mut packet = [0; 2048];
        let (length, _) = relay.recv_from(&mut packet).await.unwrap();
        relay.send_to(&packet[..length], there).await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = RawClient::new();
    let connecting = tokio::spawn(async move { client.try_connect(front, JOIN).await.is_ok() });
    let arrived = async {
        while listener.stats().pending == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(arrived).await;
    nothing_is_left(&listener, 0).await;
    relaying.abort();
    connecting.abort();
}

#[tokio::test]
async fn garbage_on_the_port_harms_no_connection() {
    let pair = pair().await;
    let socket = UdpSocket::bind(loopback()).unwrap();
    let mut state = 1_u32;
    for length in 0..2000 {
        let garbage: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(length % 1500)
        .collect();
        let _ = socket.send_to(&garbage, pair.listener.local_addr());
    }
    let (sent, got) =
        soon(async { tokio::join!(pair.here.open_control(), pair.there.accept_control()) }).await;
    assert!(sent.is_ok() && got.is_ok());
    nothing_is_left(&pair.listener, 1).await;
}

#[tokio::test]
async fn guessing_is_rate_limited_and_known_workers_are_not() {
    let pair = pair().await;
    let token = pair.listener.mint(9, HOUR).await.unwrap();
    let there = pair.listener.local_addr();
    let guesser = RawClient::new();
    for _ in 0..5 {
        let connection = guesser.connect(there, JOIN).await;
        let mut hello = guesser.hello(&connection, &token);
        hello.proof = hello.proof.map(|(id, _)| (id, [0; 32]));
        assert_eq!(say(&connection, &bytes(&hello)).await, Err(BAD_PROOF));
    }
    // Even a valid proof is not checked now.
    let connection = guesser.connect(there, JOIN).await;
    let hello = guesser.hello(&connection, &token);
    assert_eq!(say(&connection, &bytes(&hello)).await, Err(RATE_LIMITED));
    let error = refused(&pair.listener, Target::Token(token)).await;
    assert_refusal(&error, JoinRefusal::RateLimited, "wait a minute");
    assert!(error.is_retryable());
    // A known worker joins from the same address.
    soon(pair.dialer.dial()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_idle_clients_do_not_block_a_known_worker_for_long() {
    let pair = pair().await;
    let there = pair.listener.local_addr();
    let clients: Vec<RawClient> = (0..4).map(|_| RawClient::new()).collect();
    let mut idling = tokio::task::JoinSet::new();
    for client in clients.iter().cycle().take(400) {
        let connecting = client.begin(there, JOIN);
        idling.spawn(async move {
            // Those above the limit are refused, and some handshakes time out.
            if let Ok(connection) = connecting.await {
                connection.closed().await;
            }
        });
    }
    let begin = Instant::now();
    let mut most = 0;
    let crowded = async {
        while most < 200 {
            most = most.max(pair.listener.stats().pending);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(crowded).await;
    let comes_in = async {
        loop {
            match pair.dialer.dial().await {
                Ok(peer) => return peer,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let watched = async {
        loop {
            most = most.max(pair.listener.stats().pending);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let peer = tokio::select! {
        peer = soon(comes_in) => peer,
        () = watched => unreachable!("it watches for ever"),
    };
    eprintln!(
        "joined after {:?} beside up to {most} idle clients",
        begin.elapsed()
    );
    assert!((200..=256).contains(&most), "{most}");
    soon(idling.join_all()).await;
    nothing_is_left(&pair.listener, 1).await;
    drop(peer);
}

#[tokio::test]
async fn an_unreadable_allow_list_admits_no_worker_and_is_reported() {
    let (listener, folder) = listener().await;
    let token = listener.mint(1, HOUR).await.unwrap();
    let path = folder.path().join("admission.json");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, "{").unwrap();
    let error = refused(&listener, Target::Token(token.clone())).await;
    assert_refusal(
        &error,
        JoinRefusal::Internal,
        "cannot read or write its allow-list",
    );
    nothing_is_left(&listener, 0).await;
    let error = Listener::bind(options(folder.path()))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("admission.json: not an allow-list"),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");
    std::fs::write(&path, good).unwrap();
    let client = RawClient::new();
    client.join(&listener, &token).await;
}

#[tokio::test]
async fn an_allow_list_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_, folder) = listener().await;
    let path = folder.path().join("admission.json");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = Listener::bind(options(folder.path()))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("chmod 600"), "{error}");
}
