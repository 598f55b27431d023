//! Clients that may violate the protocol, built on quinn and rustls only, so that no correct code
//! of the crate is between them and the listener. It defines the formats of tokens and proofs a
//! second time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use quinn::{ApplicationClose, Connection, ConnectionError, Endpoint};
use runtime::net::{Listener, Token};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::Serialize;
use sha2::Sha256;

use crate::common::{loopback, soon};
use crate::trust::AcceptAny;

pub(crate) const WORK: &[u8] = b"allot/1";
pub(crate) const JOIN: &[u8] = b"allot-join/1";

#[derive(Clone, Serialize)]
pub(crate) struct Hello {
    pub(crate) name: String,
    pub(crate) proof: Option<([u8; 8], [u8; 32])>,
}

/// A client with a key of its own that trusts any orchestrator.
pub(crate) struct RawClient {
    endpoint: Endpoint,
    key: Arc<CertifiedKey>,
}

impl RawClient {
    pub(crate) fn new() -> Self {
        let random = ring::rand::SystemRandom::new();
        let pkcs8 = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let der = PrivatePkcs8KeyDer::from(pkcs8.as_ref().to_vec());
        let key = rustls::crypto::ring::sign::any_eddsa_type(&der).unwrap();
        let spki = CertificateDer::from(key.public_key().unwrap().to_vec());
        Self {
            endpoint: Endpoint::client(loopback()).unwrap(),
            key: Arc::new(CertifiedKey::new(vec![spki], key)),
        }
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        self.key.cert[0].to_vec()
    }

    pub(crate) async fn connect(&self, to: SocketAddr, alpn: &[u8]) -> Connection {
        soon(self.try_connect(to, alpn)).await.unwrap()
    }

    pub(crate) async fn try_connect(
        &self,
        to: SocketAddr,
        alpn: &[u8],
    ) -> Result<Connection, ConnectionError> {
        self.begin(to, alpn).await
    }

    pub(crate) fn begin(&self, to: SocketAddr, alpn: &[u8]) -> quinn::Connecting {
        self.begin_with(self.config(alpn), to)
    }

    pub(crate) fn begin_with(
        &self,
        config: quinn::ClientConfig,
        to: SocketAddr,
    ) -> quinn::Connecting {
        self.endpoint.connect_with(config, to, "any").unwrap()
    }

    /// It uses early data if the other side offers it.
    pub(crate) fn config(&self, alpn: &[u8]) -> quinn::ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny))
            .with_client_cert_resolver(Arc::new(
                rustls::client::AlwaysResolvesClientRawPublicKeys::new(Arc::clone(&self.key)),
            ));
        config.alpn_protocols = vec![alpn.to_vec()];
        config.enable_early_data = true;
        let config = quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap();
        quinn::ClientConfig::new(Arc::new(config))
    }

    /// Continues from another port, as after a change of networks.
    pub(crate) fn move_away(&self) {
        let socket = std::net::UdpSocket::bind(loopback()).unwrap();
        self.endpoint.rebind(socket).unwrap();
    }

    /// A hello with a proof that is valid for this connection and this key.
    pub(crate) fn hello(&self, connection: &Connection, token: &Token) -> Hello {
        let (id, secret) = inside(token);
        let mut exported = [0; 32];
        let label = b"EXPORTER-allot-join-1";
        let export = connection.export_keying_material(&mut exported, label, b"");
        export.unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.update(b"allot join proof 1");
        mac.update(&id);
        mac.update(&self.spki());
        mac.update(&exported);
        Hello {
            name: format!("client-{}", BASE64URL_NOPAD.encode(&self.spki()[38..])),
            proof: Some((id, mac.finalize().into_bytes().into())),
        }
    }

    /// Joins as the protocol demands.
    pub(crate) async fn join(&self, listener: &Listener, token: &Token) -> Connection {
        let connection = self.connect(listener.local_addr(), JOIN).await;
        let hello = self.hello(&connection, token);
        let answer = soon(say(&connection, &bytes(&hello))).await;
        assert_eq!(answer, Ok(vec![]), "an empty message admits it");
        connection
    }
}

/// A token's id and secret.
pub(crate) fn inside(token: &Token) -> ([u8; 8], [u8; 24]) {
    let text = token.to_string();
    let body = text.strip_prefix("allot-").unwrap();
    let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).unwrap();
    let id = bytes[33..41].try_into().unwrap();
    (id, bytes[41..65].try_into().unwrap())
}

pub(crate) fn bytes(message: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(message).unwrap()
}

/// Sends this on a first stream, and returns the answer, or the code of the refusal.
pub(crate) async fn say(connection: &Connection, message: &[u8]) -> Result<Vec<u8>, u64> {
    let exchange = async {
        let (mut send, mut receive) = connection.open_bi().await.ok()?;
        send.write_all(message).await.ok()?;
        send.finish().ok()?;
        receive.read_to_end(4096).await.ok()
    };
    match exchange.await {
        Some(answer) => Ok(answer),
        None => Err(refusal(connection).await),
    }
}

/// The code with which the listener closes a connection, at once or after its deadlines.
pub(crate) async fn refusal(connection: &Connection) -> u64 {
    match soon(connection.closed()).await {
        ConnectionError::ApplicationClosed(ApplicationClose { error_code, .. }) => {
            error_code.into_inner()
        }
        other => panic!("closed by something else than the listener: {other}"),
    }
}

/// Waits until refused clients have left nothing behind in the listener.
pub(crate) async fn nothing_is_left(listener: &Listener, workers: usize) {
    let empty = async {
        loop {
            let stats = listener.stats();
            let connections = stats.connections <= workers;
            if stats.pending == 0 && stats.workers == workers && connections {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(15), empty).await;
    outcome.unwrap_or_else(|_| panic!("left behind: {:?}", listener.stats()));
}
