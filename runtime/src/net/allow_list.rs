//! The allow-list of workers, the tokens and their uses, and the revoked keys, in one file.
//!
//! Several processes may change it at once (`runtime cluster`, `runtime token`, `runtime workers
//! revoke`): each change locks and reads the file, and replaces it atomically.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::error::NetError;
use super::handshake::{Binding, Proof};
use super::identity::PeerId;
use super::refusal::JoinRefusal;
use super::token::{Secret, Token, TokenId, unix_seconds};
use crate::files::{self, FileError};

const VERSION: u32 = 1;
/// How long a change waits for those of other processes, of which there may be hundreds.
const LOCKED_WITHIN: Duration = Duration::from_secs(5);
/// How long an expired token is kept, to tell it from an unknown one.
const EXPIRED_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// The maximum number of workers that one token admits, and its maximum validity.
const MAX_USES: u32 = 10_000;
const MAX_VALIDITY: Duration = Duration::from_secs(366 * 24 * 3600);

/// The file of workers that are admitted. Nothing of it is cached in memory.
#[derive(Clone, Debug)]
pub struct AllowList {
    path: PathBuf,
}

/// A worker on the allow-list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedWorker {
    /// The hash of its key.
    pub id: PeerId,
    /// The name that it gave when it joined.
    pub name: String,
    /// When it joined, in seconds of Unix time.
    pub joined_s: u64,
    /// The token with which it joined.
    #[serde(with = "hex")]
    token: TokenId,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    listening: Vec<SocketAddr>,
    tokens: Vec<TokenRecord>,
    workers: Vec<AllowedWorker>,
    revoked: Vec<PeerId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRecord {
    #[serde(with = "hex")]
    id: TokenId,
    #[serde(with = "hex")]
    secret: Secret,
    uses: u32,
    used: u32,
    expiry_s: u64,
    /// The process whose own workers it admits: they leave the list with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<u32>,
}

/// Identifies a version of the file: it changes whenever the file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileVersion(u64, u64, i64, i64);

impl AllowList {
    /// Opens the list in this state folder, which is created unless it exists. A new list is empty.
    pub fn open(folder: &Path) -> Result<Self, NetError> {
        files::private_folder(folder)?;
        let list = Self {
            path: folder.join("admission.json"),
        };
        list.read()?;
        Ok(list)
    }

    /// Creates a token that admits `uses` workers within the time `valid` from now.
    pub fn mint(
        &self,
        orchestrator: PeerId,
        hints: Vec<SocketAddr>,
        uses: u32,
        valid: Duration,
    ) -> Result<Token, NetError> {
        self.mint_for(None, orchestrator, hints, (uses, valid))
    }

    /// The same for the workers that this process starts itself, whose keys last no longer than they do.
    pub(super) fn mint_own(
        &self,
        orchestrator: PeerId,
        hints: Vec<SocketAddr>,
        uses: u32,
        valid: Duration,
    ) -> Result<Token, NetError> {
        let is_dead = |process: u32| {
            let there = |id: &str| Path::new("/proc").join(id).exists();
            there("self") && !there(&process.to_string())
        };
        self.forget(is_dead)?; // those of a process that was killed
        let own = Some(std::process::id());
        self.mint_for(own, orchestrator, hints, (uses, valid))
    }

    /// Takes the workers that this process started itself off the list.
    pub(crate) fn forget_own(&self) -> Result<(), NetError> {
        self.forget(|process| process == std::process::id())
    }

    fn forget(&self, whose: impl Fn(u32) -> bool) -> Result<(), NetError> {
        self.change(|contents| {
            let (gone, tokens): (Vec<_>, Vec<_>) = std::mem::take(&mut contents.tokens)
                .into_iter()
                .partition(|token: &TokenRecord| token.process.is_some_and(&whose));
            contents.tokens = tokens;
            let is_gone =
                |worker: &AllowedWorker| gone.iter().any(|token| token.id == worker.token);
            contents.workers.retain(|worker| !is_gone(worker));
        })
    }

    fn mint_for(
        &self,
        process: Option<u32>,
        orchestrator: PeerId,
        hints: Vec<SocketAddr>,
        (uses, valid): (u32, Duration),
    ) -> Result<Token, NetError> {
        if !(1..=MAX_USES).contains(&uses) || valid.is_zero() || valid > MAX_VALIDITY {
            let why = format!(
                "{uses} uses within {} s: expected 1 to {MAX_USES} uses within at most 366 days",
                valid.as_secs()
            );
            return Err(NetError::setup("a token", why));
        }
        let token = Token::new(orchestrator, hints, SystemTime::now() + valid)?;
        self.change(|contents| {
            contents.tokens.push(TokenRecord {
                id: token.id,
                secret: token.secret,
                uses,
                used: 0,
                expiry_s: token.expiry_seconds(),
                process,
            });
        })?;
        Ok(token)
    }

    /// The workers on the list, in the order in which they joined.
    pub fn workers(&self) -> Result<Vec<AllowedWorker>, NetError> {
        Ok(self.read()?.workers)
    }

    /// Revokes a key for good, and the token with which it joined, whose secret it knows. False if
    /// the key was not on the list; it is revoked all the same.
    pub fn revoke(&self, id: PeerId) -> Result<bool, NetError> {
        self.change(|contents| {
            if !contents.revoked.contains(&id) {
                contents.revoked.push(id);
            }
            let Some(index) = contents.workers.iter().position(|worker| worker.id == id) else {
                return false;
            };
            let worker = contents.workers.remove(index);
            for token in &mut contents.tokens {
                if token.id == worker.token {
                    token.uses = token.used;
                }
            }
            true
        })
    }

    /// The addresses on which the orchestrator of this folder listened last.
    pub fn listening(&self) -> Result<Vec<SocketAddr>, NetError> {
        Ok(self.read()?.listening)
    }

    pub(super) fn set_listening(&self, addresses: Vec<SocketAddr>) -> Result<(), NetError> {
        self.change(|contents| contents.listening = addresses)
    }

    pub(super) fn contains(&self, id: PeerId) -> Result<bool, NetError> {
        Ok(self.read()?.workers.iter().any(|worker| worker.id == id))
    }

    /// The name with which a key joined; none if it is not on the list.
    pub(super) fn name(&self, id: PeerId) -> Result<Option<String>, NetError> {
        let workers = self.read()?.workers.into_iter();
        Ok(workers
            .filter(|worker| worker.id == id)
            .map(|worker| worker.name)
            .next())
    }

    /// Decides whether to admit a worker whose key TLS has proved. The use of a token is on disk
    /// before the worker is admitted, so that neither a crash nor a restart gives it back.
    pub(super) fn admit(
        &self,
        id: PeerId,
        name: &str,
        proof: Option<(&Proof, &Binding)>,
        now: SystemTime,
    ) -> Result<Result<(), JoinRefusal>, NetError> {
        // Most are on the list or have no valid proof: neither needs the lock.
        match self.read()?.check(id, name, proof, now) {
            Ok(None) => return Ok(Ok(())),
            Ok(Some(_)) => {}
            Err(refusal) => return Ok(Err(refusal)),
        }
        self.change(|contents| {
            let Some(index) = contents.check(id, name, proof, now)? else {
                return Ok(());
            };
            let token = &mut contents.tokens[index];
            token.used += 1;
            let token = token.id;
            contents.workers.push(AllowedWorker {
                id,
                name: name.to_owned(),
                joined_s: unix_seconds(now),
                token,
            });
            Ok(())
        })
    }

    pub(super) fn file_version(&self) -> Option<FileVersion> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        Some(FileVersion(
            metadata.ino(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec(),
        ))
    }

    fn read(&self) -> Result<Contents, NetError> {
        let Some(text) = files::read(&self.path)? else {
            return Ok(Contents {
                version: VERSION,
                ..Contents::default()
            });
        };
        files::insist_private(&self.path)?;
        let contents: Contents = serde_json::from_slice(&text).map_err(|error| {
            let why =
                format!("not an allow-list ({error}): fix it, or move it away to start a new one");
            FileError::content(&self.path, why)
        })?;
        if contents.version != VERSION {
            let why = format!("version {}, expected {VERSION}", contents.version);
            return Err(FileError::content(&self.path, why).into());
        }
        Ok(contents)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> Result<T, NetError> {
        let lock = self.path.with_extension("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock)
            .map_err(FileError::io("open", &lock))?;
        // Held until `file` is dropped; the system releases it even if this process is killed.
        lock_within(&file, &lock, LOCKED_WITHIN)?;
        let mut contents = self.read()?;
        let before = contents.clone();
        let outcome = change(&mut contents);
        if contents != before {
            let oldest = unix_seconds(SystemTime::now()).saturating_sub(EXPIRED_KEPT.as_secs());
            contents.tokens.retain(|token| token.expiry_s >= oldest);
            let mut text = serde_json::to_vec_pretty(&contents).map_err(|error| {
                FileError::content(&self.path, format!("cannot be written: {error}"))
            })?;
            text.push(b'\n');
            files::replace(&self.path, &text, files::PRIVATE)?;
        }
        Ok(outcome)
    }
}

/// Locks a file. Others hold it for milliseconds, unless they are stopped.
fn lock_within(file: &File, path: &Path, within: Duration) -> Result<(), FileError> {
    let until = Instant::now() + within;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                let why = format!(
                    "another process has held this lock for {within:?}: end it, or let it go on"
                );
                return Err(FileError::content(path, why));
            }
            Err(TryLockError::Error(error)) => return Err(FileError::io("lock", path)(error)),
        }
    }
}

impl AllowedWorker {
    /// When it joined.
    pub fn joined(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.joined_s)
    }
}

impl Contents {
    /// `None` for a worker on the list, else the index of the token that admits this key. What is
    /// wrong with a token is revealed only to those who know its secret.
    fn check(
        &self,
        id: PeerId,
        name: &str,
        proof: Option<(&Proof, &Binding)>,
        now: SystemTime,
    ) -> Result<Option<usize>, JoinRefusal> {
        if self.revoked.contains(&id) {
            return Err(JoinRefusal::Revoked);
        }
        if self.workers.iter().any(|worker| worker.id == id) {
            return Ok(None);
        }
        let (proof, binding) = proof.ok_or(JoinRefusal::Unknown)?;
        let index = self.tokens.iter().position(|token| token.id == proof.token);
        let index = index.ok_or(JoinRefusal::BadProof)?;
        let token = &self.tokens[index];
        if !proof.is_valid(&token.secret, binding) {
            Err(JoinRefusal::BadProof)
        } else if unix_seconds(now) >= token.expiry_s {
            Err(JoinRefusal::Expired)
        } else if token.used >= token.uses {
            Err(JoinRefusal::UsedUp)
        } else if self.workers.iter().any(|worker| worker.name == name) {
            // Fees go by names.
            Err(JoinRefusal::NameTaken)
        } else {
            Ok(Some(index))
        }
    }
}

/// Byte arrays as hexadecimal text.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_somebody_holds_is_an_error_with_a_next_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admission.lock");
        let open = || File::create(&path).unwrap();
        let held = open();
        lock_within(&held, &path, Duration::ZERO).unwrap();
        let error = lock_within(&open(), &path, Duration::from_millis(20)).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("another process has held this lock"),
            "{error}"
        );
        drop(held);
        lock_within(&open(), &path, Duration::ZERO).unwrap();
    }
}
