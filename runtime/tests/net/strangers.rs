//! Those who must not come in: each is refused for its own reason, and leaves nothing behind.

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use runtime::net::{
    Admission, CloseReason, DialError, Dialer, Gate, PeerId, Refusal, Target, Token,
};

use crate::common::{HOUR, Pair, call, gate, loopback, options, pair, soon, worker};
use crate::hostile::{Hello, JOIN, Stranger, WORK, bytes, inside, nothing_is_left, refusal, say};

const UNKNOWN: u64 = 0x10;
const BAD_PROOF: u64 = 0x12;
const LATE: u64 = 0x15;
const MALFORMED: u64 = 0x16;
const TOO_MANY: u64 = 0x17;

/// Calls a gate as an honest worker would, and returns why it is not let in.
async fn refused(gate: &Gate, target: Target) -> DialError {
    let (identity, _folder) = worker();
    let mut options = call(&identity, target);
    options.orchestrators = vec![gate.local_addr().to_string()];
    let dialer = Dialer::new(options).unwrap();
    soon(dialer.dial()).await.unwrap_err()
}

#[track_caller]
fn assert_refusal(error: &DialError, expected: Refusal, words: &str) {
    let line = error.to_string();
    assert!(line.contains(words), "{line}");
    assert!(!line.contains('\n'), "more than one line: {line}");
    match error {
        DialError::Refused { refusal, .. } => assert_eq!(*refusal, expected),
        DialError::Unreachable { .. } => panic!("not reached: {error}"),
    }
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
    let book: serde_json::Value = serde_json::from_str(&text).unwrap();
    let tokens = book["tokens"].as_array().unwrap().iter();
    tokens
        .map(|token| token["used"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn an_orchestrator_with_another_key_is_not_talked_to() {
    let (gate, _folder) = gate().await;
    let expected = PeerId::from_bytes([9; 32]);
    let error = refused(&gate, Target::Known(expected)).await;
    let lines = error.to_string();
    assert!(error.may_pass());
    assert!(lines.contains(&gate.local_addr().to_string()), "{lines}");
    assert!(lines.contains("another orchestrator"), "{lines}");
    nothing_is_left(&gate, 0).await;
}

#[tokio::test]
async fn an_empty_list_admits_nobody() {
    let (gate, _folder) = gate().await;
    assert!(gate.admission().members().unwrap().is_empty());
    let id = call_id(&gate).await;
    let error = refused(&gate, Target::Known(id)).await;
    assert_refusal(&error, Refusal::Unknown, "not on the orchestrator's list");
    // Neither does the join protocol without a proof.
    let stranger = Stranger::new();
    let connection = stranger.connect(gate.local_addr(), JOIN).await;
    let name = "pc1".to_owned();
    let hello = Hello { name, proof: None };
    assert_eq!(say(&connection, &bytes(&hello)).await, Err(UNKNOWN));
    nothing_is_left(&gate, 0).await;
    assert!(gate.admission().members().unwrap().is_empty());
}

async fn call_id(gate: &Gate) -> PeerId {
    gate.mint(1, HOUR).await.unwrap().orchestrator
}

#[tokio::test]
async fn a_stranger_gets_one_stream_and_no_other_protocol() {
    let (gate, _folder) = gate().await;
    let stranger = Stranger::new();
    let connection = stranger.connect(gate.local_addr(), JOIN).await;
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
    assert_eq!(connection.max_datagram_size(), None);

    // A stranger who speaks as if it were known is refused before it has said anything.
    let begin = Instant::now();
    let connection = stranger.connect(gate.local_addr(), WORK).await;
    assert_eq!(refusal(&connection).await, UNKNOWN);
    assert!(begin.elapsed() < Duration::from_secs(1));

    let error = soon(stranger.try_connect(gate.local_addr(), b"h3")).await;
    assert!(error.is_err());
    nothing_is_left(&gate, 0).await;
}

#[tokio::test]
async fn a_second_visit_proves_everything_anew() {
    let (gate, _folder) = gate().await;
    let token = gate.mint(1, HOUR).await.unwrap();
    let stranger = Stranger::new();
    let config = stranger.config(JOIN);
    let connection = soon(stranger.begin_with(config.clone(), gate.local_addr()))
        .await
        .unwrap();
    let hello = bytes(&stranger.hello(&connection, &token));
    assert_eq!(soon(say(&connection, &hello)).await, Ok(vec![]));
    // A ticket for later visits would have come by now.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let again = stranger.begin_with(config, gate.local_addr());
    assert!(again.into_0rtt().is_err(), "it offers early data");
}

#[tokio::test]
async fn nobody_goes_on_from_another_address() {
    let (mut options, _folder) = fresh_options();
    options.limits.idle = Duration::from_secs(1);
    options.limits.keep_alive = Duration::from_millis(200);
    let gate = Gate::bind(options).await.unwrap();
    let token = gate.mint(1, HOUR).await.unwrap();
    let stranger = Stranger::new();
    let _connection = stranger.join(&gate, &token).await;
    let peer = soon(gate.next()).await.unwrap();
    let still = tokio::time::timeout(Duration::from_millis(1500), peer.closed()).await;
    assert!(still.is_err(), "{still:?}");
    stranger.move_away();
    let over = tokio::time::timeout(Duration::from_secs(5), peer.closed()).await;
    assert_eq!(over, Ok(CloseReason::Silent));
    nothing_is_left(&gate, 0).await;
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let (gate, folder) = gate().await;
    let token = gate.mint(1, HOUR).await.unwrap();
    // The right key and another secret: as if 24 bytes had been guessed.
    let (_, secret) = inside(&token);
    let known = data_encoding::HEXLOWER.encode(&secret);
    let other = data_encoding::HEXLOWER.encode(&[1; 24]);
    edit(folder.path(), &known, &other);
    let error = refused(&gate, Target::Token(token.clone())).await;
    assert_refusal(
        &error,
        Refusal::BadProof,
        "not one that this orchestrator gave out",
    );
    // A token of which nothing is known.
    let (id, _) = inside(&token);
    let known = data_encoding::HEXLOWER.encode(&id);
    edit(
        folder.path(),
        &known,
        &data_encoding::HEXLOWER.encode(&[2; 8]),
    );
    let error = refused(&gate, Target::Token(token)).await;
    assert_refusal(
        &error,
        Refusal::BadProof,
        "not one that this orchestrator gave out",
    );
    assert_eq!(uses(folder.path()), [0]);
    nothing_is_left(&gate, 0).await;
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let (gate, folder) = gate().await;
    let token = gate.mint(1, HOUR).await.unwrap();
    let expiry = token
        .expiry()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let past = (expiry - 2 * HOUR).as_secs().to_string();
    edit(folder.path(), &expiry.as_secs().to_string(), &past);
    let error = refused(&gate, Target::Token(token)).await;
    assert_refusal(&error, Refusal::Expired, "the token has expired");
    assert_eq!(uses(folder.path()), [0]);
    nothing_is_left(&gate, 0).await;
}

#[tokio::test]
async fn a_used_token_stays_used_after_a_restart() {
    let (gate, folder) = gate().await;
    let token = gate.mint(2, HOUR).await.unwrap();
    for _ in 0..2 {
        let (identity, _folder) = worker();
        let dialer = Dialer::new(call(&identity, Target::Token(token.clone()))).unwrap();
        soon(dialer.dial()).await.unwrap();
    }
    let error = refused(&gate, Target::Token(token.clone())).await;
    assert_refusal(&error, Refusal::UsedUp, "the token is used up");
    gate.close().await;

    let gate = Gate::bind(options(folder.path())).await.unwrap();
    let error = refused(&gate, Target::Token(token)).await;
    assert_refusal(&error, Refusal::UsedUp, "the token is used up");
    assert_eq!(uses(folder.path()), [2]);
    nothing_is_left(&gate, 0).await;
}

#[tokio::test]
async fn racing_workers_do_not_share_one_use() {
    let (gate, folder) = gate().await;
    let token = gate.mint(3, HOUR).await.unwrap();
    let mut joining = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let token = token.clone();
        joining.spawn(async move {
            let (identity, _folder) = worker();
            let dialer = Dialer::new(call(&identity, Target::Token(token))).unwrap();
            dialer.dial().await
        });
    }
    let outcomes = soon(joining.join_all()).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    assert_eq!(uses(folder.path()), [3]);
    assert_eq!(gate.admission().members().unwrap().len(), 3);
}

#[tokio::test]
async fn a_proof_is_worth_nothing_elsewhere() {
    let (gate, folder) = gate().await;
    let token = gate.mint(9, HOUR).await.unwrap();
    let (victim, thief) = (Stranger::new(), Stranger::new());
    let there = gate.local_addr();
    // Heard on one connection and said on another, by the same key and by another one.
    let first = victim.connect(there, JOIN).await;
    let heard = victim.hello(&first, &token);
    let second = victim.connect(there, JOIN).await;
    assert_eq!(say(&second, &bytes(&heard)).await, Err(BAD_PROOF));
    let third = thief.connect(there, JOIN).await;
    assert_eq!(say(&third, &bytes(&heard)).await, Err(BAD_PROOF));
    // Where it was made it holds, so that it was not refused for being garbage.
    assert_eq!(say(&first, &bytes(&heard)).await, Ok(vec![]));
    assert_eq!(uses(folder.path()), [1]);
}

#[tokio::test]
async fn revoking_ends_the_connection_and_bars_the_key() {
    let pair = pair().await;
    let fresh = pair.gate.mint(1, HOUR).await.unwrap();
    assert!(pair.gate.revoke(pair.worker.id()).await.unwrap());
    assert_eq!(soon(pair.here.closed()).await, CloseReason::Revoked);
    bars(&pair, fresh).await;
}

#[tokio::test]
async fn revoking_in_another_process_does_so_too() {
    let pair = pair().await;
    let fresh = pair.gate.mint(5, HOUR).await.unwrap();
    let elsewhere = Admission::open(&pair.state()).unwrap();
    let begin = Instant::now();
    assert!(elsewhere.revoke(pair.worker.id()).unwrap());
    assert_eq!(soon(pair.here.closed()).await, CloseReason::Revoked);
    assert!(begin.elapsed() < Duration::from_secs(2));
    bars(&pair, fresh).await;
}

/// Neither the key alone, nor the old token, nor a new one brings a revoked worker back.
async fn bars(pair: &Pair, fresh: Token) {
    let again = soon(pair.dialer.dial()).await.unwrap_err();
    assert_refusal(&again, Refusal::Revoked, "this worker's key was revoked");
    for target in [
        Target::Known(fresh.orchestrator),
        Target::Token(fresh.clone()),
    ] {
        let mut options = call(&pair.worker, target);
        options.orchestrators = vec![pair.gate.local_addr().to_string()];
        let error = soon(Dialer::new(options).unwrap().dial())
            .await
            .unwrap_err();
        assert_refusal(&error, Refusal::Revoked, "this worker's key was revoked");
        assert!(!error.may_pass());
    }
    nothing_is_left(&pair.gate, 0).await;
}

#[tokio::test]
async fn revoking_cancels_the_token_that_the_worker_knows() {
    let (gate, _folder) = gate().await;
    let token = gate.mint(5, HOUR).await.unwrap();
    let stranger = Stranger::new();
    let connection = stranger.join(&gate, &token).await;
    let id = gate.admission().members().unwrap()[0].id;
    assert!(gate.revoke(id).await.unwrap());
    assert_eq!(refusal(&connection).await, 1);
    // It could otherwise make a new key and come again.
    let error = refused(&gate, Target::Token(token)).await;
    assert_refusal(&error, Refusal::UsedUp, "the token is used up");
}

#[tokio::test]
async fn first_words_that_are_too_long_cut_or_odd_are_refused() {
    let (mut options, folder) = fresh_options();
    options.limits.failed_proofs = 100;
    let gate = Gate::bind(options).await.unwrap();
    let token = gate.mint(9, HOUR).await.unwrap();
    let stranger = Stranger::new();
    let hello = |connection: &quinn::Connection, name: &str| {
        let mut hello = stranger.hello(connection, &token);
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
        ("something after it", "x", |bytes| [bytes, vec![0]].concat()),
        ("a name that rings", "\u{7}", |bytes| bytes),
    ];
    for (what, name, spoil) in spoilt {
        let connection = stranger.connect(gate.local_addr(), JOIN).await;
        let words = spoil(hello(&connection, name));
        let answer = soon(say(&connection, &words)).await;
        assert_eq!(answer, Err(MALFORMED), "{what}");
    }
    nothing_is_left(&gate, 0).await;
    assert_eq!(uses(folder.path()), [0]);
    // What was spoilt was fine before.
    let connection = stranger.connect(gate.local_addr(), JOIN).await;
    let words = hello(&connection, "x");
    assert_eq!(soon(say(&connection, &words)).await, Ok(vec![]));
}

fn fresh_options() -> (runtime::net::GateOptions, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (options(folder.path()), folder)
}

#[tokio::test]
async fn whoever_says_nothing_or_dribbles_is_late() {
    let (gate, _folder) = gate().await;
    let token = gate.mint(1, HOUR).await.unwrap();
    let stranger = Stranger::new();
    let begin = Instant::now();
    let silent = stranger.connect(gate.local_addr(), JOIN).await;
    let slow = stranger.connect(gate.local_addr(), JOIN).await;
    let words = bytes(&stranger.hello(&slow, &token));
    let dribble = async {
        let (mut send, _receive) = slow.open_bi().await.unwrap();
        for byte in words {
            if send.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        refusal(&slow).await
    };
    let (slow, silent) = soon(async { tokio::join!(dribble, refusal(&silent)) }).await;
    assert_eq!([slow, silent], [LATE, LATE]);
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(1900), "{took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    nothing_is_left(&gate, 0).await;
}

#[tokio::test]
async fn a_handshake_that_is_never_finished_is_forgotten() {
    let (gate, _folder) = gate().await;
    // Between stranger and gate stands one who lets only the first packets through.
    let relay = tokio::net::UdpSocket::bind(loopback()).await.unwrap();
    let front = relay.local_addr().unwrap();
    let there = gate.local_addr();
    let relaying = tokio::spawn(async move {
        let mut packet = [0; 2048];
        let (length, _) = relay.recv_from(&mut packet).await.unwrap();
        relay.send_to(&packet[..length], there).await.unwrap();
        std::future::pending::<()>().await;
    });
    let stranger = Stranger::new();
    let calling = tokio::spawn(async move { stranger.try_connect(front, JOIN).await.is_ok() });
    let arrived = async {
        while gate.census().strangers == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(arrived).await;
    nothing_is_left(&gate, 0).await;
    relaying.abort();
    calling.abort();
}

#[tokio::test]
async fn garbage_on_the_port_harms_nobody() {
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
        let _ = socket.send_to(&garbage, pair.gate.local_addr());
    }
    let (sent, got) =
        soon(async { tokio::join!(pair.here.open_control(), pair.there.accept_control()) }).await;
    assert!(sent.is_ok() && got.is_ok());
    nothing_is_left(&pair.gate, 1).await;
}

#[tokio::test]
async fn guessing_has_a_budget_which_the_known_do_not_share() {
    let pair = pair().await;
    let token = pair.gate.mint(9, HOUR).await.unwrap();
    let there = pair.gate.local_addr();
    let guesser = Stranger::new();
    for _ in 0..5 {
        let connection = guesser.connect(there, JOIN).await;
        let mut hello = guesser.hello(&connection, &token);
        hello.proof = hello.proof.map(|(id, _)| (id, [0; 32]));
        assert_eq!(say(&connection, &bytes(&hello)).await, Err(BAD_PROOF));
    }
    // Even the right proof is not looked at now.
    let connection = guesser.connect(there, JOIN).await;
    let hello = guesser.hello(&connection, &token);
    assert_eq!(say(&connection, &bytes(&hello)).await, Err(TOO_MANY));
    let error = refused(&pair.gate, Target::Token(token)).await;
    assert_refusal(&error, Refusal::TooMany, "wait a minute");
    assert!(error.may_pass());
    // A known worker comes from the same address, and in.
    soon(pair.dialer.dial()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_idlers_keeps_no_known_worker_out_for_long() {
    let pair = pair().await;
    let there = pair.gate.local_addr();
    let idlers: Vec<Stranger> = (0..4).map(|_| Stranger::new()).collect();
    let mut idling = tokio::task::JoinSet::new();
    for idler in idlers.iter().cycle().take(400) {
        let connecting = idler.begin(there, JOIN);
        idling.spawn(async move {
            // Those beyond the limit are turned away, and some handshakes are too slow.
            if let Ok(connection) = connecting.await {
                connection.closed().await;
            }
        });
    }
    let begin = Instant::now();
    let mut most = 0;
    let crowded = async {
        while most < 200 {
            most = most.max(pair.gate.census().strangers);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(crowded).await;
    let comes_in = async {
        loop {
            match pair.dialer.dial().await {
                Ok(peer) => return peer,
                Err(error) => assert!(error.may_pass(), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let watched = async {
        loop {
            most = most.max(pair.gate.census().strangers);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let peer = tokio::select! {
        peer = soon(comes_in) => peer,
        () = watched => unreachable!("it watches for ever"),
    };
    eprintln!("in after {:?} beside up to {most} idlers", begin.elapsed());
    assert!((200..=256).contains(&most), "{most}");
    soon(idling.join_all()).await;
    nothing_is_left(&pair.gate, 1).await;
    drop(peer);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_lets_nobody_in_and_says_so() {
    let (gate, folder) = gate().await;
    let token = gate.mint(1, HOUR).await.unwrap();
    let path = folder.path().join("admission.json");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, "{").unwrap();
    let error = refused(&gate, Target::Token(token.clone())).await;
    assert_refusal(
        &error,
        Refusal::Internal,
        "cannot read or write its allow-list",
    );
    nothing_is_left(&gate, 0).await;
    let error = Gate::bind(options(folder.path()))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("admission.json: not an allow-list"),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");
    std::fs::write(&path, good).unwrap();
    let stranger = Stranger::new();
    stranger.join(&gate, &token).await;
}

#[tokio::test]
async fn a_stolen_key_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_, folder) = gate().await;
    let path = folder.path().join("admission.json");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = Gate::bind(options(folder.path()))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("chmod 600"), "{error}");
}
