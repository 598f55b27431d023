//! How fast a large transfer goes, against a bare quinn stream between the same two processes.
//!
//! One process is the orchestrator, the other a worker; both speak over loopback, once through
//! `runtime::net` and once through quinn alone as it comes. Each round sends the same bytes both
//! ways through both, in alternating order, from the first byte given away to the word that the
//! last one has arrived in a buffer. What counts is the median of the rounds' ratios: the machine's
//! own speed drifts, and drifts alike for both.
//!
//! It also tells how long it takes a worker to be let in, from the call to the welcome.

#![expect(clippy::print_stdout, reason = "it prints what it finds")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::{ClientConfig, Connection, Endpoint, ServerConfig};
use runtime::net::{
    ControlReceiver, ControlSender, DialOptions, Dialer, Identity, ListenOptions, Listener, Peer,
    Target, Token,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;

const BYTES: usize = 100_000_000;
const ROUNDS: usize = 15;
const JOINS: usize = 20;
const WORKER: &str = "--transfer-worker";
const BAR: f64 = 0.8;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Down,
    Up,
}

#[tokio::main]
async fn main() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).init();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == WORKER) {
        Some(place) => {
            let given = |offset: usize| arguments[place + offset].as_str();
            worker(given(1), given(2), given(3).into()).await;
        }
        None => orchestrator().await,
    }
}

async fn orchestrator() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = Identity::load_or_create(&folder.path().join("key")).expect("a key");
    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    let mut options = ListenOptions::new(identity, folder.path().to_owned(), listen);
    options.announce = false;
    let listener = Listener::bind(options).await.expect("a listener");
    let hour = Duration::from_secs(3600);
    let token = listener.mint(1, hour).await.expect("a token");
    let bare = bare_server();
    let bare_address = bare.local_addr().expect("an address");

    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .arg(WORKER)
        .args([token.to_string(), bare_address.to_string()])
        .arg(folder.path())
        .spawn()
        .expect("a second process");
    let peer = listener.accept().await.expect("the worker joins");
    let mut control = peer.open_control().await.expect("a control stream");
    let incoming = bare.accept().await.expect("the worker comes bare");
    let connection = incoming.await.expect("a handshake");

    let data = Bytes::from(vec![0x5a; BYTES]);
    println!("{BYTES} bytes, {ROUNDS} rounds, seconds by the median; ratio = bare / ours");
    for way in [Way::Down, Way::Up] {
        let mut times = Vec::new();
        for round in 0..ROUNDS + 2 {
            // Who goes first changes, and the first two rounds only warm up.
            let (ours, theirs) = if round % 2 == 0 {
                let ours = through_net(&peer, &mut control, way, &data).await;
                (ours, through_quinn(&connection, way, &data).await)
            } else {
                let theirs = through_quinn(&connection, way, &data).await;
                (through_net(&peer, &mut control, way, &data).await, theirs)
            };
            if round >= 2 {
                times.push((ours.as_secs_f64(), theirs.as_secs_f64()));
            }
        }
        let ours = median(times.iter().map(|(ours, _)| *ours));
        let theirs = median(times.iter().map(|(_, theirs)| *theirs));
        let ratio = median(times.iter().map(|(ours, theirs)| theirs / ours));
        let speed = |seconds: f64| BYTES as f64 / 1e6 / seconds;
        let verdict = if ratio >= BAR { "met" } else { "MISSED" };
        println!(
            "{way:?}: ours {ours:.3} s ({:.0} MB/s), bare {theirs:.3} s ({:.0} MB/s), \
             ratio {ratio:.2}: bar {BAR} {verdict}",
            speed(ours),
            speed(theirs)
        );
    }
    control.0.finish();
    child.wait().expect("the worker ends");

    let token = listener.mint(JOINS as u32, hour).await.expect("a token");
    let mut joins = Vec::new();
    for number in 0..JOINS {
        let key = folder.path().join(format!("key{number}"));
        let identity = Identity::load_or_create(&key).expect("a key");
        let begin = Instant::now();
        let dialer = dialer(identity, token.clone());
        let (here, there) = tokio::join!(dialer.dial(), listener.accept());
        joins.push(begin.elapsed().as_secs_f64() * 1e3);
        drop((here.expect("it is let in"), there));
    }
    println!(
        "joining with a token: {:.1} ms, the median of {JOINS}",
        median(joins.into_iter())
    );
    listener.close().await;
}

fn dialer(identity: Identity, token: Token) -> Dialer {
    let mut options = DialOptions::new(identity, "bench", Target::Token(token));
    options.discover = false;
    Dialer::new(options).expect("a dialer")
}

type Control = (ControlSender, ControlReceiver);

async fn through_net(peer: &Peer, control: &mut Control, way: Way, data: &Bytes) -> Duration {
    let begin = Instant::now();
    match way {
        Way::Down => {
            let sent = peer.send_blob(&"down", vec![data.clone()]);
            let heard = control.1.recv::<u8>();
            let (sent, heard) = tokio::join!(sent, heard);
            sent.expect("it is sent");
            assert_eq!(heard.expect("a word"), Some(1));
        }
        Way::Up => {
            control.0.send(&1_u8).await.expect("it is asked for");
            let mut blob = peer.accept_blob().await.expect("a transfer");
            let _: String = blob.header().await.expect("a header");
            let mut into = Vec::new();
            let limit = Duration::from_secs(60);
            let read = blob.read_exact_into(&mut into, BYTES, limit);
            read.await.expect("it arrives");
        }
    }
    begin.elapsed()
}

async fn through_quinn(connection: &Connection, way: Way, data: &Bytes) -> Duration {
    let begin = Instant::now();
    match way {
        Way::Down => {
            let mut send = connection.open_uni().await.expect("a stream");
            send.write_all(data).await.expect("it is sent");
            send.finish().expect("it ends");
            let mut word = connection.accept_uni().await.expect("a word");
            assert_eq!(word.read_to_end(1).await.expect("a word"), [1]);
        }
        Way::Up => {
            let mut ask = connection.open_uni().await.expect("a stream");
            ask.write_all(&[1]).await.expect("it is asked for");
            ask.finish().expect("it ends");
            let mut receive = connection.accept_uni().await.expect("a stream");
            let bytes = receive.read_to_end(BYTES).await.expect("it arrives");
            assert_eq!(bytes.len(), BYTES);
        }
    }
    begin.elapsed()
}

/// Takes what comes and gives what it is asked for, through both, until the orchestrator is done.
async fn worker(token: &str, bare: &str, folder: PathBuf) {
    let identity = Identity::load_or_create(&folder.join("worker")).expect("a key");
    let dialer = dialer(identity, Token::parse(token).expect("a token"));
    let peer = dialer.dial().await.expect("it is let in");
    let (mut send, mut receive) = peer.accept_control().await.expect("a control stream");
    let connection = bare_client(bare.parse().expect("an address")).await;
    let data = Bytes::from(vec![0xa5; BYTES]);

    let quinn_data = data.clone();
    let through_quinn = tokio::spawn(async move {
        while let Ok(mut stream) = connection.accept_uni().await {
            let bytes = stream.read_to_end(BYTES).await.expect("it arrives");
            let mut answer = connection.open_uni().await.expect("a stream");
            let answered = match bytes.len() {
                1 => answer.write_all(&quinn_data).await,
                _ => answer.write_all(&[1]).await,
            };
            answered.expect("it is sent");
            answer.finish().expect("it ends");
        }
    });
    loop {
        tokio::select! {
            blob = peer.accept_blob() => {
                let Ok(mut blob) = blob else { break };
                let _: String = blob.header().await.expect("a header");
                let mut into = Vec::new();
                let limit = Duration::from_secs(60);
                let read = blob.read_exact_into(&mut into, BYTES, limit);
                read.await.expect("it arrives");
                send.send(&1_u8).await.expect("a word");
            }
            asked = receive.recv::<u8>() => match asked {
                Ok(Some(_)) => {
                    let sent = peer.send_blob(&"up", vec![data.clone()]).await;
                    sent.expect("it is sent");
                }
                Ok(None) | Err(_) => break,
            },
        }
    }
    through_quinn.abort();
    drop(peer);
    dialer.close("the measurement is over").await;
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// quinn as it comes, with its own windows and sockets.
fn bare_server() -> Endpoint {
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key())));
    let config = quinn::crypto::rustls::QuicServerConfig::try_from(config).expect("QUIC");
    let config = ServerConfig::with_crypto(Arc::new(config));
    Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("a socket")
}

async fn bare_client(address: SocketAddr) -> Connection {
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust::AcceptAny))
        .with_no_client_auth();
    let config = quinn::crypto::rustls::QuicClientConfig::try_from(config).expect("QUIC");
    let config = ClientConfig::new(Arc::new(config));
    let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a socket");
    let connecting = endpoint.connect_with(config, address, "bench");
    connecting.expect("a call").await.expect("a handshake")
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn key() -> Arc<CertifiedKey> {
    let random = ring::rand::SystemRandom::new();
    let pkcs8 = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
    let pkcs8 = PrivatePkcs8KeyDer::from(pkcs8.as_ref().to_vec());
    let key = rustls::crypto::ring::sign::any_eddsa_type(&pkcs8).expect("a key");
    let spki = CertificateDer::from(key.public_key().expect("its public half").to_vec());
    Arc::new(CertifiedKey::new(vec![spki], key))
}

/// The bare side is about speed alone.
#[path = "../tests/net/trust.rs"]
mod trust;
