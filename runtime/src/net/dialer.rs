//! The worker's side: finding the orchestrator and being let in.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use quinn::{ClientConfig, Connection, Endpoint};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::discovery;
use super::door::{self, Binding, Hello, Proof, Refusal, Welcome};
use super::endpoint;
use super::error::NetError;
use super::files;
use super::identity::{Identity, PeerId};
use super::limits::{self, DEFAULT_PORT, Limits};
use super::peer::{CloseReason, DONE, Peer};
use super::tls;
use super::token::Token;

/// In which name the worker calls; nobody looks at it, since keys are pinned and not names.
const SERVER_NAME: &str = "allot";
const MDNS: &str = "mDNS";
/// How long the last words to an orchestrator may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// Addresses that are tried at most: those given, those remembered, and those found.
const TRIED: usize = 4 * limits::ADDRESSES;

/// How a worker finds its orchestrator.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// The worker's own key.
    pub identity: Identity,
    /// What it calls itself.
    pub name: String,
    /// Whom it wants to reach.
    pub target: Target,
    /// Further places to try: `HOST`, `HOST:PORT` or an address.
    pub orchestrators: Vec<String>,
    /// The folder in which it remembers where the orchestrator was.
    pub state: Option<PathBuf>,
    /// Whether to look in the local network (mDNS).
    pub discover: bool,
    /// Whether many packets may be handed to the system at once (GSO). Some drivers cannot.
    pub offload: bool,
    /// How long to look before giving up.
    pub patience: Duration,
    /// Its bounds.
    pub limits: Limits,
}

impl DialOptions {
    /// The usual options for a key, a name and an orchestrator.
    pub fn new(identity: Identity, name: impl Into<String>, target: Target) -> Self {
        Self {
            identity,
            name: name.into(),
            target,
            orchestrators: Vec::new(),
            state: None,
            discover: true,
            offload: true,
            patience: Duration::from_secs(5),
            limits: Limits::default(),
        }
    }
}

/// Whom a worker wants to reach.
#[derive(Clone, Debug)]
pub enum Target {
    /// The one who gave out this token. It is used up only if the worker is not known there yet.
    Token(Token),
    /// One who knows this worker.
    Known(PeerId),
}

impl Target {
    /// The key that is expected.
    pub fn orchestrator(&self) -> PeerId {
        match self {
            Self::Token(token) => token.orchestrator,
            Self::Known(id) => *id,
        }
    }
}

/// The orchestrator that a worker was last let in by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Its key.
    pub orchestrator: PeerId,
    /// Where it was.
    pub address: SocketAddr,
}

impl Remembered {
    /// Reads it from a worker's state folder; none if the worker was never let in.
    pub fn load(folder: &Path) -> Result<Option<Self>, NetError> {
        let path = Self::path(folder);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| {
                NetError::content(&path, format!("cannot be read ({error}): remove it"))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(NetError::file("read", &path)(error)),
        }
    }

    fn save(&self, folder: &Path) -> Result<(), NetError> {
        files::private_folder(folder)?;
        let path = Self::path(folder);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| NetError::content(&path, error.to_string()))?;
        files::replace(&path, &text)
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join("orchestrator.json")
    }
}

/// Calls one orchestrator, as often as its owner likes.
#[derive(Debug)]
pub struct Dialer {
    options: DialOptions,
    endpoint: Endpoint,
    config: ClientConfig,
}

/// One address that was tried in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The address or name.
    pub place: String,
    /// Where it was known from.
    pub source: &'static str,
    /// Why it was in vain.
    pub why: String,
}

/// Why a worker is not in.
#[derive(Debug)]
pub enum DialError {
    /// The orchestrator was reached and does not let it in. Trying again changes nothing, except
    /// after [`Refusal::TooMany`], [`Refusal::Late`] and [`Refusal::Internal`].
    Refused {
        /// Where it was reached.
        address: SocketAddr,
        /// Why it does not.
        refusal: Refusal,
    },
    /// Nobody with the expected key was reached.
    Unreachable {
        /// The expected key.
        orchestrator: PeerId,
        /// Everything that was tried.
        attempts: Vec<Attempt>,
    },
}

impl std::error::Error for DialError {}

impl fmt::Display for DialError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { address, refusal } => {
                write!(formatter, "refused by {address}: {refusal}")
            }
            Self::Unreachable {
                orchestrator,
                attempts,
            } => {
                write!(formatter, "cannot reach orchestrator {orchestrator}:")?;
                for Attempt { place, source, why } in attempts {
                    write!(formatter, "\n  {place} ({source}): {why}")?;
                }
                Ok(())
            }
        }
    }
}

impl DialError {
    /// Whether the same call may succeed later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { refusal, .. } => refusal.may_pass(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    source: &'static str,
}

impl Dialer {
    /// Makes the socket. It must be called within a tokio runtime.
    pub fn new(options: DialOptions) -> Result<Self, NetError> {
        if !door::name_is_fine(&options.name) {
            return Err(NetError::Setup {
                what: "a worker's name",
                why: format!(
                    "`{}`: expected 1 to {} bytes without control characters",
                    options.name.escape_debug(),
                    limits::NAME
                ),
            });
        }
        let alpn = match &options.target {
            Target::Token(_) => tls::ALPN_JOIN,
            Target::Known(_) => tls::ALPN_WORK,
        };
        let orchestrator = options.target.orchestrator();
        let mut config = ClientConfig::new(tls::client(&options.identity, orchestrator, alpn)?);
        config.transport_config(endpoint::client_transport(&options.limits, options.offload));
        Ok(Self {
            endpoint: endpoint::calling()?,
            options,
            config,
        })
    }

    /// Tries every address that is known or found, all at once, and is let in by the first that
    /// answers with the expected key.
    pub async fn dial(&self) -> Result<Peer, DialError> {
        let deadline = Instant::now() + self.options.patience;
        let mut searches = JoinSet::new();
        let mut candidates = self.search(&mut searches);
        let mut running = JoinSet::new();
        // Each address is tried once; those that have not answered yet stay here.
        let mut seen = BTreeMap::new();
        let mut attempts = Vec::new();
        let mut searching = true;
        loop {
            tokio::select! {
                candidate = candidates.recv(), if searching => match candidate {
                    Some(Ok(candidate)) => {
                        if seen.len() < TRIED && !seen.contains_key(&candidate.address) {
                            seen.insert(candidate.address, Some(candidate));
                            running.spawn(connect(
                                self.endpoint.clone(),
                                self.config.clone(),
                                candidate,
                                self.options.limits.handshake,
                            ));
                        }
                    }
                    Some(Err(attempt)) => attempts.push(attempt),
                    None => searching = false,
                },
                Some(outcome) = running.join_next() => match outcome {
                    Ok((candidate, Ok(connection))) => {
                        seen.insert(candidate.address, None);
                        match self.enter(&connection, candidate).await {
                            Ok(peer) => return Ok(peer),
                            Err(CloseReason::Refused(refusal)) => {
                                let address = candidate.address;
                                return Err(DialError::Refused { address, refusal });
                            }
                            Err(reason) => attempts.push(candidate.failed(reason.to_string())),
                        }
                    }
                    Ok((candidate, Err(why))) => {
                        seen.insert(candidate.address, None);
                        attempts.push(candidate.failed(why));
                    }
                    Err(error) => attempts.push(Attempt {
                        place: "an address".to_owned(),
                        source: "unknown",
                        why: error.to_string(),
                    }),
                },
                () = tokio::time::sleep_until(deadline) => break,
                else => break,
            }
        }
        let patience = self.options.patience;
        let unanswered = seen.into_values().flatten();
        attempts
            .extend(unanswered.map(|late| late.failed(format!("no answer within {patience:?}"))));
        let source = MDNS;
        let place = "local network".to_owned();
        if self.options.discover && !attempts.iter().any(|attempt| attempt.source == source) {
            let why = format!("no answer from this orchestrator within {patience:?}");
            attempts.push(Attempt { place, source, why });
        } else if attempts.is_empty() {
            let why = "not searched, and no address is known".to_owned();
            attempts.push(Attempt { place, source, why });
        }
        Err(DialError::Unreachable {
            orchestrator: self.options.target.orchestrator(),
            attempts,
        })
    }

    /// Says why there is no more to come, and lets that get through before the process ends, in
    /// bounded time.
    pub async fn close(&self, reason: &str) {
        self.endpoint.close(DONE, reason.as_bytes());
        // Whoever does not hear it notices by silence.
        let _ = timeout(FAREWELL, self.endpoint.wait_idle()).await;
    }

    /// Starts everything that may come up with addresses. The channel ends when all have.
    fn search(&self, searches: &mut JoinSet<()>) -> mpsc::Receiver<Result<Candidate, Attempt>> {
        let (found, candidates) = mpsc::channel(4 * TRIED);
        let say = |candidate| {
            // There is room for as many as can be known beforehand.
            let _ = found.try_send(candidate);
        };
        let orchestrator = self.options.target.orchestrator();
        if let Target::Token(token) = &self.options.target {
            for &address in token.hints.iter().take(limits::ADDRESSES) {
                let source = "token";
                say(Ok(Candidate { address, source }));
            }
        }
        let remembered = self.options.state.as_deref().map(Remembered::load);
        match remembered {
            Some(Ok(Some(last))) if last.orchestrator == orchestrator => say(Ok(Candidate {
                address: last.address,
                source: "last time",
            })),
            Some(Err(error)) => say(Err(Attempt {
                place: "last known address".to_owned(),
                source: "last time",
                why: error.to_string(),
            })),
            Some(Ok(_)) | None => {}
        }
        for place in self.options.orchestrators.iter().take(limits::ADDRESSES) {
            searches.spawn(resolve(place.clone(), found.clone()));
        }
        if self.options.discover {
            searches.spawn(discover(orchestrator, found.clone()));
        }
        candidates
    }

    /// Says the first words, and waits to be let in.
    async fn enter(
        &self,
        connection: &Connection,
        candidate: Candidate,
    ) -> Result<Peer, CloseReason> {
        let orchestrator = self.options.target.orchestrator();
        let limits = self.options.limits;
        let said = timeout(limits.proof + limits.handshake, self.knock(connection)).await;
        match said {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                // The reason of a refusal may arrive after the stream's end.
                let closed = timeout(Duration::from_millis(500), connection.closed()).await;
                return Err(closed.map_or(CloseReason::Protocol(why), |reason| {
                    CloseReason::from(&reason)
                }));
            }
            Err(_) => return Err(CloseReason::Silent),
        }
        if let Some(folder) = &self.options.state {
            let last = Remembered {
                orchestrator,
                address: candidate.address,
            };
            if let Err(error) = last.save(folder) {
                tracing::warn!("the orchestrator's address is not remembered: {error}");
            }
        }
        Ok(Peer::new(
            connection.clone(),
            orchestrator,
            orchestrator.to_string(),
            limits,
        ))
    }

    async fn knock(&self, connection: &Connection) -> Result<(), String> {
        let proof = match &self.options.target {
            Target::Token(token) => {
                let spki = self.options.identity.spki();
                Some(Proof::new(token, &Binding::new(connection, spki)))
            }
            Target::Known(_) => None,
        };
        let name = self.options.name.clone();
        let hello = door::encode("a hello", &Hello { name, proof }).map_err(text)?;
        let (mut words, mut answer) = connection.open_bi().await.map_err(text)?;
        words.write_all(&hello).await.map_err(text)?;
        words.finish().map_err(text)?;
        let welcome = answer.read_to_end(limits::HELLO).await.map_err(text)?;
        let Welcome = door::decode("a welcome", &welcome).map_err(text)?;
        Ok(())
    }
}

impl Candidate {
    fn failed(self, why: String) -> Attempt {
        Attempt {
            place: self.address.to_string(),
            source: self.source,
            why,
        }
    }
}

/// The TLS handshake with one address; the pinned key is checked in it.
async fn connect(
    endpoint: Endpoint,
    config: ClientConfig,
    candidate: Candidate,
    limit: Duration,
) -> (Candidate, Result<Connection, String>) {
    let outcome = match endpoint.connect_with(config, candidate.address, SERVER_NAME) {
        Ok(connecting) => match timeout_at(Instant::now() + limit, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(CloseReason::from(&error).to_string()),
            Err(_) => Err(format!("no answer within {limit:?}")),
        },
        Err(error) => Err(error.to_string()),
    };
    (candidate, outcome)
}

/// Turns what a user wrote into addresses.
async fn resolve(place: String, found: mpsc::Sender<Result<Candidate, Attempt>>) {
    const SOURCE: &str = "--orchestrator";
    let looked_up = if let Ok(address) = place.parse::<SocketAddr>() {
        Ok(vec![address])
    } else if let Ok(ip) = place.parse::<IpAddr>() {
        Ok(vec![SocketAddr::new(ip, DEFAULT_PORT)])
    } else if place.contains(':') {
        tokio::net::lookup_host(&place).await.map(Iterator::collect)
    } else {
        let host = (place.as_str(), DEFAULT_PORT);
        tokio::net::lookup_host(host).await.map(Iterator::collect)
    };
    let why = match looked_up {
        Ok(addresses) if addresses.is_empty() => "the name has no address".to_owned(),
        Ok(addresses) => {
            for address in addresses {
                let source = SOURCE;
                let _ = found.send(Ok(Candidate { address, source })).await;
            }
            return;
        }
        Err(error) => error.to_string(),
    };
    let source = SOURCE;
    let _ = found.send(Err(Attempt { place, source, why })).await;
}

async fn discover(orchestrator: PeerId, found: mpsc::Sender<Result<Candidate, Attempt>>) {
    let (sender, mut addresses) = mpsc::channel(limits::ADDRESSES);
    let forward = async {
        // Anybody can answer in the orchestrator's name, as often as they like.
        for _ in 0..limits::ADDRESSES {
            let Some(address) = addresses.recv().await else {
                return;
            };
            let source = MDNS;
            let _ = found.send(Ok(Candidate { address, source })).await;
        }
    };
    let looked = tokio::select! {
        looked = discovery::look_for(orchestrator, sender) => looked,
        () = forward => return,
    };
    if let Err(error) = looked {
        let attempt = Attempt {
            place: "local network".to_owned(),
            source: MDNS,
            why: error.to_string(),
        };
        let _ = found.send(Err(attempt)).await;
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
