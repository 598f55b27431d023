//! Who may come in: the allow-list, the tokens and their uses, and the revoked, in one file.
//!
//! Several processes may work on it at once (`runtime cluster`, `runtime token`, `runtime workers
//! revoke`): each change locks, reads, changes, and replaces the file whole.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::door::{Binding, Proof, Refusal};
use super::error::NetError;
use super::files;
use super::identity::PeerId;
use super::token::{Secret, Token, TokenId, unix_seconds};

const VERSION: u32 = 1;
/// For how long an expired token is still told from an unknown one.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most that one token can let in, and the longest that it can be good for.
const USES: u32 = 10_000;
const VALID: Duration = Duration::from_secs(366 * 24 * 3600);

/// The file of those who may come in. It keeps nothing in memory: the file is the truth.
#[derive(Clone, Debug)]
pub struct Admission {
    path: PathBuf,
}

/// A worker on the allow-list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its key's hash.
    pub id: PeerId,
    /// What it called itself when it joined.
    pub name: String,
    /// When it joined, in seconds of Unix time.
    pub joined_s: u64,
    /// By which token.
    #[serde(with = "hex")]
    token: TokenId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    version: u32,
    listening: Vec<SocketAddr>,
    tokens: Vec<Invitation>,
    workers: Vec<Member>,
    revoked: Vec<PeerId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitation {
    #[serde(with = "hex")]
    id: TokenId,
    #[serde(with = "hex")]
    secret: Secret,
    uses: u32,
    used: u32,
    expiry_s: u64,
}

/// What changes whenever the file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64, u64, i64, i64);

impl Admission {
    /// The list in this state folder, which is made unless it is there. Nobody is on a new one.
    pub fn open(folder: &Path) -> Result<Self, NetError> {
        files::private_folder(folder)?;
        let admission = Self {
            path: folder.join("admission.json"),
        };
        admission.read()?;
        Ok(admission)
    }

    /// Makes a token that lets `uses` workers in, for so long from now.
    pub fn mint(
        &self,
        orchestrator: PeerId,
        hints: Vec<SocketAddr>,
        uses: u32,
        valid: Duration,
    ) -> Result<Token, NetError> {
        if !(1..=USES).contains(&uses) || valid.is_zero() || valid > VALID {
            let why = format!(
                "{uses} uses within {} s: expected 1 to {USES} uses within at most 366 days",
                valid.as_secs()
            );
            return Err(NetError::Setup {
                what: "a token",
                why,
            });
        }
        let token = Token::new(orchestrator, hints, SystemTime::now() + valid)?;
        self.change(|book| {
            book.tokens.push(Invitation {
                id: token.id,
                secret: token.secret,
                uses,
                used: 0,
                expiry_s: token.expiry_seconds(),
            });
        })?;
        Ok(token)
    }

    /// Everybody on the list, in the order in which they joined.
    pub fn members(&self) -> Result<Vec<Member>, NetError> {
        Ok(self.read()?.workers)
    }

    /// Takes a key off the list for good, and cancels the token that it came with, whose secret it
    /// knows. False if it was not on the list; it is barred all the same.
    pub fn revoke(&self, id: PeerId) -> Result<bool, NetError> {
        self.change(|book| {
            if !book.revoked.contains(&id) {
                book.revoked.push(id);
            }
            let Some(place) = book.workers.iter().position(|member| member.id == id) else {
                return false;
            };
            let member = book.workers.remove(place);
            for token in &mut book.tokens {
                if token.id == member.token {
                    token.uses = token.used;
                }
            }
            true
        })
    }

    /// Where the orchestrator of this folder was last listening.
    pub fn listening(&self) -> Result<Vec<SocketAddr>, NetError> {
        Ok(self.read()?.listening)
    }

    pub(super) fn set_listening(&self, addresses: Vec<SocketAddr>) -> Result<(), NetError> {
        self.change(|book| book.listening = addresses)
    }

    pub(super) fn is_member(&self, id: PeerId) -> Result<bool, NetError> {
        Ok(self.read()?.workers.iter().any(|member| member.id == id))
    }

    /// What decides on somebody whose key TLS has proved. A use of a token is on disk before
    /// anybody is told that it was good, so that neither a crash nor a restart gives it back.
    pub(super) fn decide(
        &self,
        id: PeerId,
        name: &str,
        proof: Option<(&Proof, &Binding)>,
        now: SystemTime,
    ) -> Result<Result<(), Refusal>, NetError> {
        // Most who come are on the list or have no chance: neither needs the lock.
        match self.read()?.judge(id, proof, now) {
            Ok(None) => return Ok(Ok(())),
            Ok(Some(_)) => {}
            Err(refusal) => return Ok(Err(refusal)),
        }
        self.change(|book| {
            let Some(place) = book.judge(id, proof, now)? else {
                return Ok(());
            };
            let token = &mut book.tokens[place];
            token.used += 1;
            let token = token.id;
            book.workers.push(Member {
                id,
                name: name.to_owned(),
                joined_s: unix_seconds(now),
                token,
            });
            Ok(())
        })
    }

    pub(super) fn stamp(&self) -> Option<Stamp> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        Some(Stamp(
            metadata.ino(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec(),
        ))
    }

    fn read(&self) -> Result<Book, NetError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Book::new()),
            Err(error) => return Err(NetError::file("read", &self.path)(error)),
        };
        files::insist_private(&self.path)?;
        let book: Book = serde_json::from_slice(&text).map_err(|error| {
            let why =
                format!("not an allow-list ({error}): mend it, or move it away to begin anew");
            NetError::content(&self.path, why)
        })?;
        if book.version != VERSION {
            let why = format!("version {}, expected {VERSION}", book.version);
            return Err(NetError::content(&self.path, why));
        }
        Ok(book)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> Result<T, NetError> {
        let lock = self.path.with_extension("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock)
            .map_err(NetError::file("open", &lock))?;
        // Held until `file` is dropped; the system frees it even if this process is killed.
        file.lock().map_err(NetError::file("lock", &lock))?;
        let mut book = self.read()?;
        let before = book.clone();
        let outcome = change(&mut book);
        if book != before {
            let oldest = unix_seconds(SystemTime::now()).saturating_sub(REMEMBERED.as_secs());
            book.tokens.retain(|token| token.expiry_s >= oldest);
            let mut text = serde_json::to_vec_pretty(&book).map_err(|error| {
                NetError::content(&self.path, format!("cannot be written: {error}"))
            })?;
            text.push(b'\n');
            files::replace(&self.path, &text)?;
        }
        Ok(outcome)
    }
}

impl Member {
    /// When it joined.
    pub fn joined(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.joined_s)
    }
}

impl Book {
    fn new() -> Self {
        Self {
            version: VERSION,
            listening: Vec::new(),
            tokens: Vec::new(),
            workers: Vec::new(),
            revoked: Vec::new(),
        }
    }

    /// `None` for a member, else the token that lets this key in. Only who knows the secret is told
    /// what is wrong with a token.
    fn judge(
        &self,
        id: PeerId,
        proof: Option<(&Proof, &Binding)>,
        now: SystemTime,
    ) -> Result<Option<usize>, Refusal> {
        if self.revoked.contains(&id) {
            return Err(Refusal::Revoked);
        }
        if self.workers.iter().any(|member| member.id == id) {
            return Ok(None);
        }
        let (proof, binding) = proof.ok_or(Refusal::Unknown)?;
        let place = self.tokens.iter().position(|token| token.id == proof.token);
        let place = place.ok_or(Refusal::BadProof)?;
        let token = &self.tokens[place];
        if !proof.holds(&token.secret, binding) {
            Err(Refusal::BadProof)
        } else if unix_seconds(now) >= token.expiry_s {
            Err(Refusal::Expired)
        } else if token.used >= token.uses {
            Err(Refusal::UsedUp)
        } else {
            Ok(Some(place))
        }
    }
}

/// Byte arrays as text.
mod hex {
    use data_encoding::HEXLOWER;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(D::Error::custom)?;
        let length = bytes.len();
        bytes
            .try_into()
            .map_err(|_| D::Error::custom(format!("{length} bytes, expected {N}")))
    }
}
