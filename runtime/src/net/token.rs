//! Join tokens: the one line with which a worker joins for the first time.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::error::NetError;
use super::identity::PeerId;
use super::limits;
use crate::random::random;

/// The beginning of every token, by which people and programs recognise one.
const PREFIX: &str = "allot-";
const VERSION: u8 = 1;
const ID: usize = 8;
const SECRET: usize = 24;
const CHECKSUM: usize = 4;

/// A join token: the orchestrator's key and addresses, and a secret that admits a worker.
/// [`fmt::Display`] writes the whole token; [`fmt::Debug`] leaves the secret out.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The orchestrator that issued it.
    pub orchestrator: PeerId,
    /// Addresses at which the orchestrator may be reached.
    pub hints: Vec<SocketAddr>,
    pub(super) id: TokenId,
    pub(super) secret: Secret,
    expiry_s: u64,
}

/// Identifies a token in a proof.
pub(super) type TokenId = [u8; ID];
/// Shared by the two sides only; it is never sent.
pub(super) type Secret = [u8; SECRET];

impl Token {
    /// A new random token. Its expiry is in whole seconds.
    pub(super) fn new(
        orchestrator: PeerId,
        hints: Vec<SocketAddr>,
        expiry: SystemTime,
    ) -> Result<Self, NetError> {
        let no_random = |error| NetError::setup("a token", error);
        Ok(Self {
            orchestrator,
            hints: hints.into_iter().take(limits::ADDRESSES).collect(),
            id: random().map_err(no_random)?,
            secret: random().map_err(no_random)?,
            expiry_s: unix_seconds(expiry),
        })
    }

    /// Reads a token as [`fmt::Display`] writes it; surrounding white space is ignored.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let body = text.strip_prefix(PREFIX).ok_or(TokenError::NotAToken)?;
        let bytes = BASE64URL_NOPAD
            .decode(body.as_bytes())
            .map_err(|_| TokenError::Damaged)?;
        let split = bytes.len().checked_sub(CHECKSUM);
        let (content, sum) = bytes.split_at(split.ok_or(TokenError::Damaged)?);
        if checksum(content) != sum {
            return Err(TokenError::Damaged);
        }
        let mut rest = Reader(content);
        let [version] = rest.take()?;
        if version != VERSION {
            return Err(TokenError::Version(version));
        }
        let token = Self {
            orchestrator: PeerId::from_bytes(rest.take()?),
            id: rest.take()?,
            secret: rest.take()?,
            expiry_s: u64::from_be_bytes(rest.take()?),
            hints: rest.addresses()?,
        };
        Ok(token)
    }

    /// When it expires, in seconds of Unix time by the orchestrator's clock.
    pub fn expiry_seconds(&self) -> u64 {
        self.expiry_s
    }
}

/// Why a text is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin like a token.
    #[error("not a token: one begins with `{PREFIX}`, as `runtime token` prints it")]
    NotAToken,
    /// Characters are missing, added or changed.
    #[error("the token is damaged: copy the whole line again")]
    Damaged,
    /// It was made by another version of this program.
    #[error("a token of version {0}, expected {VERSION}: use the same release on both machines")]
    Version(u8),
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut content = vec![VERSION];
        content.extend_from_slice(self.orchestrator.as_bytes());
        content.extend_from_slice(&self.id);
        content.extend_from_slice(&self.secret);
        content.extend_from_slice(&self.expiry_s.to_be_bytes());
        for hint in &self.hints {
            content.push(if hint.is_ipv4() { 4 } else { 6 });
            match hint.ip() {
                IpAddr::V4(ip) => content.extend_from_slice(&ip.octets()),
                IpAddr::V6(ip) => content.extend_from_slice(&ip.octets()),
            }
            content.extend_from_slice(&hint.port().to_be_bytes());
        }
        let sum = checksum(&content);
        content.extend_from_slice(&sum);
        write!(formatter, "{PREFIX}{}", BASE64URL_NOPAD.encode(&content))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Token")
            .field("orchestrator", &self.orchestrator)
            .field("hints", &self.hints)
            .field("expiry_s", &self.expiry_s)
            .finish_non_exhaustive()
    }
}

pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM] {
    let hash: [u8; 32] = Sha256::digest(content).into();
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&hash[..CHECKSUM]);
    sum
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], TokenError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(TokenError::Damaged)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn addresses(&mut self) -> Result<Vec<SocketAddr>, TokenError> {
        let mut addresses = Vec::new();
        while !self.0.is_empty() {
            let ip: IpAddr = match self.take()? {
                [4] => self.take::<4>()?.into(),
                [6] => self.take::<16>()?.into(),
                _ => return Err(TokenError::Damaged),
            };
            if addresses.len() == limits::ADDRESSES {
                return Err(TokenError::Damaged);
            }
            addresses.push(SocketAddr::new(ip, u16::from_be_bytes(self.take()?)));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> impl Strategy<Value = Token> {
        let hints = proptest::collection::vec(any::<SocketAddr>(), 0..=limits::ADDRESSES);
        let fields = (any::<[u8; 32]>(), any::<TokenId>(), any::<Secret>());
        (fields, any::<u64>(), hints).prop_map(|((key, id, secret), expiry_s, hints)| Token {
            orchestrator: PeerId::from_bytes(key),
            // A token does not keep scope and flow of an IPv6 address: they are local.
            hints: hints
                .iter()
                .map(|hint| SocketAddr::new(hint.ip(), hint.port()))
                .collect(),
            id,
            secret,
            expiry_s,
        })
    }

    proptest! {
        #[test]
        fn a_token_is_read_back(token in token()) {
            let text = token.to_string();
            prop_assert_eq!(Token::parse(&format!(" {text}\n")), Ok(token));
        }

        #[test]
        fn no_character_can_be_lost_or_changed(
            token in token(),
            at: prop::sample::Index,
            character in "[A-Za-z0-9_-]",
        ) {
            let text = token.to_string();
            let at = PREFIX.len() + at.index(text.len() - PREFIX.len());
            let lost = format!("{}{}", &text[..at], &text[at + 1..]);
            prop_assert!(Token::parse(&lost).is_err());
            prop_assert!(Token::parse(&text[..at]).is_err());
            let changed = format!("{}{character}{}", &text[..at], &text[at + 1..]);
            prop_assert_eq!(Token::parse(&changed).is_ok(), changed == text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(allot-)?\\PC{0,200}", bytes: Vec<u8>) {
            let _ = Token::parse(&text);
            let _ = Token::parse(&format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes)));
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut content = vec![VERSION + 1];
        content.extend_from_slice(&checksum(&content));
        let text = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&content));
        assert_eq!(Token::parse(&text), Err(TokenError::Version(VERSION + 1)));
        assert_eq!(Token::parse("secret"), Err(TokenError::NotAToken));
    }

    #[test]
    fn the_secret_is_in_no_debug_text() {
        let token = Token::new(PeerId::from_bytes([1; 32]), vec![], UNIX_EPOCH).unwrap();
        let text = format!("{token:?}");
        assert!(!text.contains("secret"), "{text}");
    }
}
