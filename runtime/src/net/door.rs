//! What is said before a worker is let in, and the proof that it was given a token.
//!
//! The worker opens one stream and says [`Hello`]; the orchestrator answers with [`Welcome`] on
//! it, or closes the connection with a [`Refusal`].

use hmac::{Hmac, KeyInit, Mac};
use quinn::VarInt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::error::NetError;
use super::limits;
use super::token::{Secret, Token, TokenId};

const LABEL: &[u8] = b"allot join proof 1";
const EXPORTER: &[u8] = b"EXPORTER-allot-join-1";

/// The first words of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// What it calls itself.
    pub(super) name: String,
    /// Nothing from those who believe that they are on the allow-list.
    pub(super) proof: Option<Proof>,
}

/// The knowledge of a token's secret, shown without saying it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Proof {
    pub(super) token: TokenId,
    mac: [u8; 32],
}

/// The answer that lets a worker in.
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

    /// Compares in constant time.
    pub(super) fn holds(&self, secret: &Secret, binding: &Binding) -> bool {
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
        mac.update(LABEL);
        mac.update(token);
        mac.update(&self.worker_spki);
        mac.update(&self.exported);
        mac
    }
}

/// Why somebody is not let in. It travels as the code with which the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Not on the allow-list, and without a token.
    #[error(
        "this worker's key is not on the orchestrator's list: start it with `--join TOKEN`, \
         which `runtime token` prints there"
    )]
    Unknown,
    /// The key was on the list and was taken off.
    #[error(
        "this worker's key was revoked: to come back it needs a new key (move the old one \
         away) and a new token"
    )]
    Revoked,
    /// No such token, or a proof that does not match it.
    #[error(
        "the token is not one that this orchestrator gave out: ask for a new one, which `runtime \
         token` prints there"
    )]
    BadProof,
    /// The token is too old.
    #[error("the token has expired: ask for a new one, which `runtime token` prints there")]
    Expired,
    /// The token let in as many workers as it was made for.
    #[error("the token is used up: ask for a new one, which `runtime token` prints there")]
    UsedUp,
    /// The first words did not come in time.
    #[error("the first message did not come in time")]
    Late,
    /// The first words are not what they should be.
    #[error("the first message is malformed or too long")]
    Malformed,
    /// Too many wrong proofs came from this address.
    #[error("too many failed tries from this address: wait a minute")]
    TooMany,
    /// The orchestrator cannot tell.
    #[error("the orchestrator cannot read or write its allow-list: see its log")]
    Internal,
}

impl Refusal {
    const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Revoked,
        Self::BadProof,
        Self::Expired,
        Self::UsedUp,
        Self::Late,
        Self::Malformed,
        Self::TooMany,
        Self::Internal,
    ];
    const FIRST_CODE: u32 = 0x10;

    /// Whether the same worker with the same token may be let in later.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Late | Self::TooMany | Self::Internal => true,
            Self::Unknown
            | Self::Revoked
            | Self::BadProof
            | Self::Expired
            | Self::UsedUp
            | Self::Malformed => false,
        }
    }

    /// True for what a guesser or an idler does; those have a budget for each address.
    pub(super) fn counts_as_failed_proof(self) -> bool {
        match self {
            Self::BadProof | Self::Late | Self::Malformed => true,
            Self::Unknown
            | Self::Revoked
            | Self::Expired
            | Self::UsedUp
            | Self::TooMany
            | Self::Internal => false,
        }
    }

    pub(super) fn code(self) -> VarInt {
        let place = (0_u32..).zip(Self::ALL).find(|(_, known)| *known == self);
        let (place, _) = place.expect("every refusal is listed");
        VarInt::from_u32(Self::FIRST_CODE + place)
    }

    pub(super) fn from_code(code: VarInt) -> Option<Self> {
        let mut all = (u64::from(Self::FIRST_CODE)..).zip(Self::ALL);
        all.find_map(|(known, refusal)| (known == code.into_inner()).then_some(refusal))
    }
}

/// The bytes of a message.
pub(super) fn encode(what: &'static str, message: &impl Serialize) -> Result<Vec<u8>, NetError> {
    postcard::to_allocvec(message).map_err(|error| NetError::Malformed {
        what,
        why: error.to_string(),
    })
}

/// The message that exactly these bytes make: what follows it makes it malformed.
pub(super) fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, NetError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(NetError::Malformed {
            what,
            why: format!("{} bytes too many", rest.len()),
        }),
        Err(error) => Err(NetError::Malformed {
            what,
            why: error.to_string(),
        }),
    }
}

/// A name is shown on terminals and in tables, so it is short and has nothing unprintable.
pub(super) fn name_is_fine(name: &str) -> bool {
    !name.is_empty() && name.len() <= limits::NAME && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_travels() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_code(refusal.code()), Some(refusal));
        }
        assert_eq!(Refusal::from_code(VarInt::from_u32(0)), None);
        assert_eq!(Refusal::from_code(VarInt::MAX), None);
    }

    #[test]
    fn bytes_left_over_are_malformed() {
        let mut bytes = encode("a hello", &("pc1".to_owned(), None::<u8>)).unwrap();
        assert!(decode::<(String, Option<u8>)>("a hello", &bytes).is_ok());
        bytes.push(0);
        let error = decode::<(String, Option<u8>)>("a hello", &bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a hello cannot be read: 1 bytes too many"
        );
    }
}
