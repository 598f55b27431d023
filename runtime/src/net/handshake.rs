//! The join handshake: the messages before a worker is admitted, and the proof that it has a token.
//!
//! The worker opens one stream and sends [`Hello`]. The orchestrator answers [`Welcome`] on it, or
//! closes the connection with the code of a [`JoinRefusal`](super::JoinRefusal).

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::limits;
use super::token::{Secret, Token, TokenId};

const LABEL: &[u8] = b"allot join proof 1";
const EXPORTER: &[u8] = b"EXPORTER-allot-join-1";

/// The first message of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The worker's name, which it chooses itself.
    pub(super) name: String,
    /// None if the worker expects to be on the allow-list already.
    pub(super) proof: Option<Proof>,
}

/// Proof of knowing a token's secret, without revealing it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Proof {
    pub(super) token: TokenId,
    mac: [u8; 32],
}

/// The answer that admits a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Welcome;

impl Proof {
    /// Binds the secret to this worker's key and to this very connection: the same bytes are
    /// worthless under another key, on another connection, or at another orchestrator.
    pub(super) fn new(token: &Token, binding: &Binding) -> Self {
        let mac = binding.mac(&token.secret, &token.id).finalize();
        Self {
            token: token.id,
            mac: mac.into_bytes().into(),
        }
    }

    /// Verifies it in constant time.
    pub(super) fn is_valid(&self, secret: &Secret, binding: &Binding) -> bool {
        let mac = binding.mac(secret, &self.token);
        mac.verify_slice(&self.mac).is_ok()
    }
}

/// What ties a proof to one worker on one connection.
pub(super) struct Binding {
    worker_spki: Vec<u8>,
    exported: [u8; 32],
}

impl Binding {
    pub(super) fn new(connection: &quinn::Connection, worker_spki: Vec<u8>) -> Self {
        let mut exported = [0; 32];
        connection
            .export_keying_material(&mut exported, EXPORTER, b"")
            .expect("TLS 1.3 exports 32 bytes after the handshake");
        Self {
            worker_spki,
            exported,
        }
    }

    fn mac(&self, secret: &Secret, token: &TokenId) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
        for part in [LABEL, token, &self.worker_spki, &self.exported] {
            mac.update(part);
        }
        mac
    }
}

/// A name appears on terminals and in tables.
pub(super) fn is_valid_name(name: &str) -> bool {
    name.len() <= limits::NAME && scenarios::is_plain_name(name)
}
