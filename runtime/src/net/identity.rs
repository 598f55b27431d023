//! The identity of a machine: an ed25519 key, and the hash of its public half.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::{BASE32_NOPAD, BASE64};
use ring::signature::Ed25519KeyPair;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::error::NetError;
use crate::files::{self, FileError};

/// The bytes before the 32 of an ed25519 key in its SubjectPublicKeyInfo (RFC 8410).
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// Characters of a [`PeerId`] in messages.
const SHORT: usize = 10;

/// A machine's own key pair. The secret half never leaves this process and its file.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    id: PeerId,
}

impl Identity {
    /// Reads the key from a file, or creates the file, readable by its owner only.
    pub fn load_or_create(path: &Path) -> Result<Self, NetError> {
        if let Some(identity) = Self::load(path)? {
            return Ok(identity);
        }
        if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
            files::private_folder(folder)?;
        }
        let text = format!("{}\n", BASE64.encode(&generated()?));
        // If two processes create it at once, one succeeds and both use its key.
        files::create(path, text.as_bytes())?;
        Self::load(path)?
            .ok_or_else(|| FileError::content(path, "it disappeared while it was created").into())
    }

    /// A new key that is kept nowhere.
    pub(super) fn generate() -> Result<Self, NetError> {
        Self::of_pkcs8(generated()?)
            .ok_or_else(|| NetError::setup("a key", "it cannot be read back"))
    }

    /// The id of this key.
    pub fn id(&self) -> PeerId {
        self.id
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// The public half, as it is sent.
    pub(super) fn spki(&self) -> Vec<u8> {
        self.key
            .cert
            .first()
            .map_or_else(Vec::new, |key| key.to_vec())
    }

    fn load(path: &Path) -> Result<Option<Self>, NetError> {
        let Some(text) = files::read(path)? else {
            return Ok(None);
        };
        files::insist_private(path)?;
        let bad = || {
            FileError::content(
                path,
                "not a key file: move it away and a new key is created",
            )
        };
        let pkcs8 = BASE64.decode(text.trim_ascii_end()).map_err(|_| bad())?;
        Self::of_pkcs8(pkcs8).map(Some).ok_or_else(|| bad().into())
    }

    fn of_pkcs8(pkcs8: Vec<u8>) -> Option<Self> {
        let pkcs8 = PrivatePkcs8KeyDer::from(pkcs8);
        let signing = rustls::crypto::ring::sign::any_eddsa_type(&pkcs8).ok()?;
        let spki = signing.public_key()?.to_vec();
        let id = PeerId::of_spki(&spki)?;
        let key = CertifiedKey::new(vec![CertificateDer::from(spki)], signing);
        let key = Arc::new(key);
        Some(Self { key, id })
    }
}

/// A new key as PKCS #8.
fn generated() -> Result<Vec<u8>, NetError> {
    let random = ring::rand::SystemRandom::new();
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random);
    let pkcs8 = pkcs8.map_err(|error| NetError::setup("a key", error))?;
    Ok(pkcs8.as_ref().to_vec())
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The SHA-256 of a public key's SubjectPublicKeyInfo: a machine's unforgeable id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

impl PeerId {
    /// The id with this hash.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The whole id as text, as [`FromStr`] reads it; [`fmt::Display`] shows its beginning.
    pub fn full(&self) -> String {
        BASE32_NOPAD.encode(&self.0).to_lowercase()
    }

    /// The id of an ed25519 key; none for anything else.
    pub(super) fn of_spki(spki: &[u8]) -> Option<Self> {
        let well_formed = spki.len() == ED25519_SPKI.len() + 32 && spki.starts_with(&ED25519_SPKI);
        well_formed.then(|| Self(Sha256::digest(spki).into()))
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.full()[..SHORT])
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PeerId({})", self.full())
    }
}

impl FromStr for PeerId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = BASE32_NOPAD.decode(text.to_uppercase().as_bytes());
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| {
            format!("`{text}` is not a machine's id: expected 52 letters and digits 2 to 7")
        })
    }
}

impl Serialize for PeerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.full())
    }
}

impl<'de> Deserialize<'de> for PeerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_created_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/key");
        let first = Identity::load_or_create(&path).unwrap();
        assert_eq!(Identity::load_or_create(&path).unwrap().id(), first.id());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(folder.path().join("state"))
                .unwrap()
                .count(),
            1
        );

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn an_id_is_read_back_and_nothing_else_is() {
        let id = PeerId([7; 32]);
        assert_eq!(id.full().parse(), Ok(id));
        assert_eq!(id.to_string(), id.full()[..SHORT]);
        assert!("".parse::<PeerId>().is_err());
        assert!(id.full()[1..].parse::<PeerId>().is_err());
        assert!(format!("{}a", id.full()).parse::<PeerId>().is_err());
        assert_eq!(PeerId::of_spki(&[0x30; 44]), None);
    }
}
