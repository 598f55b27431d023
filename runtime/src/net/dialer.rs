//! The worker's side: finds the orchestrator and joins it.

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

use super::codec::{decode, encode};
use super::discovery;
use super::endpoint;
use super::error::{CloseReason, DONE, NetError};
use super::handshake::{Binding, Hello, Proof, Welcome, is_valid_name};
use super::identity::{Identity, PeerId};
use super::limits::{self, DEFAULT_PORT, Limits};
use super::peer::Peer;
use super::refusal::JoinRefusal;
use super::tls;
use super::token::Token;
use crate::files::{self, FileError};

/// The server name in the TLS handshake. It is not checked: keys are pinned, not names.
pub(super) const SERVER_NAME: &str = "allot";
const MDNS: &str = "mDNS";
/// How long closing waits for the orchestrator to acknowledge.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the reason of a refusal may follow the end of the stream.
const REASON_TIMEOUT: Duration = Duration::from_millis(500);
/// Maximum number of addresses to try: those given, those remembered, and those found.
const MAX_TRIED: usize = 4 * limits::ADDRESSES;

/// How a worker finds its orchestrator.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// The worker's own key.
    pub identity: Identity,
    /// The worker's name.
    pub name: String,
    /// The orchestrator to reach.
    pub target: Target,
    /// Further places to try: `HOST`, `HOST:PORT` or an address.
    pub orchestrators: Vec<String>,
    /// The folder in which it remembers the orchestrator's address.
    pub state: Option<PathBuf>,
    /// Whether to search the local network (mDNS).
    pub discover: bool,
    /// Whether to pass several packets to the system at once (GSO). Some drivers cannot.
    pub offload: bool,
    /// How long to try before giving up.
    pub timeout: Duration,
    /// Its limits.
    pub limits: Limits,
}

impl DialOptions {
    /// The default options for a key, a name and an orchestrator.
    pub fn new(identity: Identity, name: impl Into<String>, target: Target) -> Self {
        Self {
            identity,
            name: name.into(),
            target,
            orchestrators: Vec::new(),
            state: None,
            discover: true,
            offload: true,
            timeout: Duration::from_secs(5),
            limits: Limits::default(),
        }
    }
}

/// The orchestrator that a worker wants to reach.
#[derive(Clone, Debug)]
pub enum Target {
    /// The one that issued this token. The token is used only if the worker is not on its list.
    Token(Token),
    /// One that has this worker on its allow-list.
    Known(PeerId),
}

impl Target {
    /// The expected key.
    pub fn orchestrator(&self) -> PeerId {
        match self {
            Self::Token(token) => token.orchestrator,
            Self::Known(id) => *id,
        }
    }
}

/// The orchestrator that admitted this worker last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LastOrchestrator {
    /// Its key.
    pub(super) orchestrator: PeerId,
    /// Its address.
    address: SocketAddr,
}

impl LastOrchestrator {
    /// Reads it from a worker's state folder; none if the worker was never admitted.
    pub(super) fn load(folder: &Path) -> Result<Option<Self>, NetError> {
        let path = Self::path(folder);
        let parse = |text: Vec<u8>| {
            serde_json::from_slice(&text).map_err(|error| {
                FileError::content(&path, format!("cannot be read ({error}): remove it"))
            })
        };
        Ok(files::read(&path)?.map(parse).transpose()?)
    }

    fn save(&self, folder: &Path) -> Result<(), NetError> {
        files::private_folder(folder)?;
        let path = Self::path(folder);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| FileError::content(&path, error.to_string()))?;
        Ok(files::replace(&path, &text, files::PRIVATE)?)
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join("orchestrator.json")
    }
}

/// Connects to one orchestrator, any number of times.
#[derive(Debug)]
pub struct Dialer {
    options: DialOptions,
    endpoint: Endpoint,
    config: ClientConfig,
}

/// An address that was tried without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// The address or name.
    pub place: String,
    /// What named it.
    pub source: &'static str,
    /// Why it failed.
    pub why: String,
}

/// Why a worker could not join.
#[derive(Debug)]
pub enum DialError {
    /// The orchestrator was reached and does not admit it.
    Refused {
        /// Where it was reached.
        address: SocketAddr,
        /// Why it does not.
        refusal: JoinRefusal,
    },
    /// No machine with the expected key was reached.
    Unreachable {
        /// The expected key.
        orchestrator: PeerId,
        /// Everything that was tried.
        attempts: Vec<FailedAttempt>,
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
                for FailedAttempt { place, source, why } in attempts {
                    write!(formatter, "\n  {place} ({source}): {why}")?;
                }
                Ok(())
            }
        }
    }
}

impl DialError {
    /// Whether trying again later may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { refusal, .. } => refusal.is_retryable(),
        }
    }
}

/// An address to try.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    source: &'static str,
}

/// What a search reports: an address, or why there is none.
type Found = Result<Candidate, FailedAttempt>;

impl Dialer {
    /// Opens the socket. It must be called within a tokio runtime.
    pub fn new(options: DialOptions) -> Result<Self, NetError> {
        if !is_valid_name(&options.name) {
            let why = format!(
                "`{}`: expected {}",
                options.name.escape_debug(),
                scenarios::PLAIN_NAME
            );
            return Err(NetError::setup("a worker's name", why));
        }
        let alpn = match &options.target {
            Target::Token(_) => tls::ALPN_JOIN,
            Target::Known(_) => tls::ALPN_WORK,
        };
        let orchestrator = options.target.orchestrator();
        let mut config = ClientConfig::new(tls::client(&options.identity, orchestrator, alpn)?);
        config.transport_config(endpoint::client_transport(&options.limits, options.offload));
        Ok(Self {
            endpoint: endpoint::client()?,
            options,
            config,
        })
    }

    /// Tries every address that is known or found, all at once, and joins the first orchestrator
    /// that answers with the expected key.
    pub async fn dial(&self) -> Result<Peer, DialError> {
        let timeout = self.options.timeout;
        let deadline = Instant::now() + timeout;
        let mut searches = JoinSet::new();
        let mut candidates = self.search(&mut searches);
        let mut connecting = JoinSet::new();
        // Each address is tried once; `Some` are those that have not answered yet.
        let mut tried = BTreeMap::new();
        let mut attempts = Vec::new();
        let mut searching = true;
        loop {
            tokio::select! {
                candidate = candidates.recv(), if searching => match candidate {
                    Some(Ok(candidate)) => {
                        if tried.len() < MAX_TRIED && !tried.contains_key(&candidate.address) {
                            tried.insert(candidate.address, Some(candidate));
                            connecting.spawn(connect(
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
                Some(outcome) = connecting.join_next() => match outcome {
                    Ok((candidate, Ok(connection))) => {
                        tried.insert(candidate.address, None);
                        match self.join(&connection, candidate).await {
                            Ok(peer) => return Ok(peer),
                            Err(CloseReason::Refused(refusal)) => {
                                let address = candidate.address;
                                return Err(DialError::Refused { address, refusal });
                            }
                            Err(reason) => attempts.push(candidate.failed(reason.to_string())),
                        }
                    }
                    Ok((candidate, Err(why))) => {
                        tried.insert(candidate.address, None);
                        attempts.push(candidate.failed(why));
                    }
                    Err(error) => attempts.push(FailedAttempt {
                        place: "an address".to_owned(),
                        source: "unknown",
                        why: error.to_string(),
                    }),
                },
                () = tokio::time::sleep_until(deadline) => break,
                else => break,
            }
        }
        let unanswered = tried.into_values().flatten();
        attempts.extend(
            unanswered.map(|candidate| candidate.failed(format!("no answer within {timeout:?}"))),
        );
        if self.options.discover && !attempts.iter().any(|attempt| attempt.source == MDNS) {
            let why = format!("no answer from this orchestrator within {timeout:?}");
            attempts.push(not_discovered(why));
        } else if attempts.is_empty() {
            attempts.push(not_discovered("not searched, and no address is known"));
        }
        Err(DialError::Unreachable {
            orchestrator: self.options.target.orchestrator(),
            attempts,
        })
    }

    /// Closes all connections with a reason, and waits for a bounded time until it is received.
    pub async fn close(&self, reason: &str) {
        self.endpoint.close(DONE, reason.as_bytes());
        // An orchestrator that does not receive this notices by its idle timeout.
        let _ = timeout(CLOSE_TIMEOUT, self.endpoint.wait_idle()).await;
    }

    /// Starts every search for addresses. The channel ends when all searches have.
    fn search(&self, searches: &mut JoinSet<()>) -> mpsc::Receiver<Found> {
        let (found, candidates) = mpsc::channel(4 * MAX_TRIED);
        let report = |candidate| {
            // The channel has room for all addresses that are known beforehand.
            let _ = found.try_send(candidate);
        };
        let orchestrator = self.options.target.orchestrator();
        if let Target::Token(token) = &self.options.target {
            for &address in token.hints.iter().take(limits::ADDRESSES) {
                let source = "token";
                report(Ok(Candidate { address, source }));
            }
        }
        match self.options.state.as_deref().map(LastOrchestrator::load) {
            Some(Ok(Some(last))) if last.orchestrator == orchestrator => report(Ok(Candidate {
                address: last.address,
                source: "last time",
            })),
            Some(Err(error)) => report(Err(FailedAttempt {
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

    /// The join handshake on a connection, and what follows from its outcome.
    async fn join(
        &self,
        connection: &Connection,
        candidate: Candidate,
    ) -> Result<Peer, CloseReason> {
        let orchestrator = self.options.target.orchestrator();
        let limits = self.options.limits;
        let limit = limits.proof + limits.handshake;
        match timeout(limit, self.handshake(connection)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                let closed = timeout(REASON_TIMEOUT, connection.closed()).await;
                return Err(closed.map_or(CloseReason::Protocol(why), |reason| {
                    CloseReason::from(&reason)
                }));
            }
            Err(_) => return Err(CloseReason::TimedOut),
        }
        if let Some(folder) = &self.options.state {
            let last = LastOrchestrator {
                orchestrator,
                address: candidate.address,
            };
            if let Err(error) = last.save(folder) {
                tracing::warn!("the orchestrator's address is not remembered: {error}");
            }
        }
        let name = orchestrator.to_string();
        Ok(Peer::new(connection.clone(), orchestrator, name, limits))
    }

    async fn handshake(&self, connection: &Connection) -> Result<(), String> {
        let proof = match &self.options.target {
            Target::Token(token) => {
                let spki = self.options.identity.spki();
                Some(Proof::new(token, &Binding::new(connection, spki)))
            }
            Target::Known(_) => None,
        };
        let name = self.options.name.clone();
        let hello = encode("a hello", &Hello { name, proof }).map_err(text)?;
        let (mut send, mut receive) = connection.open_bi().await.map_err(text)?;
        send.write_all(&hello).await.map_err(text)?;
        send.finish().map_err(text)?;
        let welcome = receive.read_to_end(limits::HELLO).await.map_err(text)?;
        let Welcome = decode("a welcome", &welcome).map_err(text)?;
        Ok(())
    }
}

impl Candidate {
    fn failed(self, why: String) -> FailedAttempt {
        FailedAttempt {
            place: self.address.to_string(),
            source: self.source,
            why,
        }
    }
}

fn not_discovered(why: impl ToString) -> FailedAttempt {
    FailedAttempt {
        place: "local network".to_owned(),
        source: MDNS,
        why: why.to_string(),
    }
}

/// The TLS handshake with one address, which checks the pinned key.
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

/// Resolves what a user wrote to addresses.
async fn resolve(place: String, found: mpsc::Sender<Found>) {
    let source = "--orchestrator";
    let addresses = if let Ok(address) = place.parse::<SocketAddr>() {
        Ok(vec![address])
    } else if let Ok(ip) = place.parse::<IpAddr>() {
        Ok(vec![SocketAddr::new(ip, DEFAULT_PORT)])
    } else if place.contains(':') {
        tokio::net::lookup_host(&place).await.map(Iterator::collect)
    } else {
        let host = (place.as_str(), DEFAULT_PORT);
        tokio::net::lookup_host(host).await.map(Iterator::collect)
    };
    let why = match addresses {
        Ok(addresses) if addresses.is_empty() => "the name has no address".to_owned(),
        Ok(addresses) => {
            for address in addresses {
                let _ = found.send(Ok(Candidate { address, source })).await;
            }
            return;
        }
        Err(error) => error.to_string(),
    };
    let _ = found.send(Err(FailedAttempt { place, source, why })).await;
}

async fn discover(orchestrator: PeerId, found: mpsc::Sender<Found>) {
    let (sender, mut addresses) = mpsc::channel(limits::ADDRESSES);
    let forward = async {
        // Anyone can answer in the orchestrator's name, any number of times.
        for _ in 0..limits::ADDRESSES {
            let Some(address) = addresses.recv().await else {
                return;
            };
            let source = MDNS;
            let _ = found.send(Ok(Candidate { address, source })).await;
        }
    };
    let outcome = tokio::select! {
        outcome = discovery::browse(orchestrator, sender) => outcome,
        () = forward => return,
    };
    if let Err(error) = outcome {
        let _ = found.send(Err(not_discovered(error))).await;
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
