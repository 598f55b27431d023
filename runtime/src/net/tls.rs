//! TLS 1.3 with raw public keys (RFC 7250): a machine is its key, and no certificate is involved.
//!
//! A worker pins the orchestrator's key, so that a handshake with another one never completes. The
//! orchestrator accepts any well-formed key here, since TLS cannot know which protocol the key may
//! use: the listener decides that right after.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme};

use super::error::NetError;
use super::identity::{Identity, PeerId};

/// The protocol of workers on the allow-list.
pub(super) const ALPN_WORK: &[u8] = b"allot/1";
/// The protocol in which any client may send one proof, and nothing else.
pub(super) const ALPN_JOIN: &[u8] = b"allot-join/1";

/// The orchestrator's side.
pub(super) fn server(
    identity: &Identity,
) -> Result<Arc<quinn::crypto::rustls::QuicServerConfig>, NetError> {
    let provider = provider();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(setup)?
        .with_client_cert_verifier(Arc::new(AnyKey { provider }))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(
            identity.certified(),
        )));
    config.alpn_protocols = vec![ALPN_WORK.to_vec(), ALPN_JOIN.to_vec()];
    // Neither early data nor resumption: each connection proves both keys again.
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    let config = quinn::crypto::rustls::QuicServerConfig::try_from(config).map_err(setup)?;
    Ok(Arc::new(config))
}

/// The worker's side, for one orchestrator and one protocol.
pub(super) fn client(
    identity: &Identity,
    orchestrator: PeerId,
    alpn: &[u8],
) -> Result<Arc<quinn::crypto::rustls::QuicClientConfig>, NetError> {
    let provider = provider();
    let pinned = PinnedKey {
        pinned: orchestrator,
        provider: Arc::clone(&provider),
    };
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
            identity.certified(),
        )));
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    let config = quinn::crypto::rustls::QuicClientConfig::try_from(config).map_err(setup)?;
    Ok(Arc::new(config))
}

/// The key that the other side of a connection has proved to hold.
pub(super) fn proved_key(connection: &quinn::Connection) -> Option<(PeerId, Vec<u8>)> {
    let identity = connection.peer_identity()?;
    let keys = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let spki = keys.first()?.to_vec();
    Some((PeerId::of_spki(&spki)?, spki))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn setup(error: impl ToString) -> NetError {
    NetError::setup("TLS", error)
}

/// The methods that both verifiers share: TLS 1.3 signatures by an ed25519 key, and nothing else.
macro_rules! ed25519_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            // Unreachable, since only TLS 1.3 is offered.
            Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let spki = SubjectPublicKeyInfoDer::from(cert.as_ref());
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls13_signature_with_raw_key(message, &spki, dss, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

/// Accepts only the orchestrator's key.
#[derive(Debug)]
struct PinnedKey {
    pinned: PeerId,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let id = ed25519_id(end_entity)?;
        if id == self.pinned {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General(format!(
            "the key there is {id}, expected {}: another orchestrator",
            self.pinned
        )))
    }

    ed25519_signatures!();
}

/// Accepts every ed25519 key whose holder signs with it.
#[derive(Debug)]
struct AnyKey {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        ed25519_id(end_entity).map(|_| ClientCertVerified::assertion())
    }

    ed25519_signatures!();
}

fn ed25519_id(key: &CertificateDer<'_>) -> Result<PeerId, Error> {
    PeerId::of_spki(key).ok_or_else(|| Error::General("the key there is not ed25519".to_owned()))
}
