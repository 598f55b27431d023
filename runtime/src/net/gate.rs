//! The orchestrator's side: who knocks, and who is let in.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use quinn::{Connection, Endpoint, Incoming, SendStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};

use super::admission::Admission;
use super::discovery::{self, Announcement};
use super::door::{self, Binding, Hello, Refusal, Welcome};
use super::endpoint;
use super::error::NetError;
use super::failures::Failures;
use super::identity::{Identity, PeerId};
use super::limits::{self, Limits};
use super::peer::{DONE, Peer, REPLACED, REVOKED};
use super::tls;
use super::token::Token;

/// How often the allow-list is looked at for a change by another process.
const WATCH: Duration = Duration::from_millis(200);
/// How long the last words to the workers may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a gate is made.
#[derive(Clone, Debug)]
pub struct GateOptions {
    /// The orchestrator's own key.
    pub identity: Identity,
    /// The folder of its allow-list.
    pub state: PathBuf,
    /// The UDP address to listen on; `[::]` serves IPv4 too, port 0 takes any.
    pub listen: SocketAddr,
    /// Whether to announce itself in the local network (mDNS).
    pub announce: bool,
    /// Whether many packets may be handed to the system at once (GSO). Some drivers cannot.
    pub offload: bool,
    /// Its bounds.
    pub limits: Limits,
}

impl GateOptions {
    /// The usual options for a key, a state folder and an address.
    pub fn new(identity: Identity, state: PathBuf, listen: SocketAddr) -> Self {
        Self {
            identity,
            state,
            listen,
            announce: true,
            offload: true,
            limits: Limits::default(),
        }
    }
}

/// The orchestrator's endpoint. It lets workers in for as long as it lives, and hands them out.
#[derive(Debug)]
pub struct Gate {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    address: SocketAddr,
    admitted: tokio::sync::Mutex<mpsc::Receiver<Peer>>,
    announcement: Option<Announcement>,
    tasks: JoinSet<()>,
}

/// What a gate holds at a moment; nothing of a stranger may remain in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// Strangers who are being looked at.
    pub strangers: usize,
    /// Workers who are in.
    pub workers: usize,
    /// Connections in any state, those that are just ending included.
    pub connections: usize,
}

#[derive(Debug)]
struct Shared {
    admission: Admission,
    limits: Limits,
    orchestrator: PeerId,
    strangers: Arc<Semaphore>,
    live: Mutex<BTreeMap<PeerId, Connection>>,
    failures: Mutex<Failures>,
    admitted: mpsc::Sender<Peer>,
}

impl Gate {
    /// Listens from now on.
    pub async fn bind(options: GateOptions) -> Result<Self, NetError> {
        let limits = options.limits;
        let endpoint =
            endpoint::listening(&options.identity, options.listen, &limits, options.offload)?;
        let address = endpoint.local_addr().map_err(|source| NetError::Bind {
            address: options.listen,
            source,
        })?;
        let admission = blocking(move || {
            let admission = Admission::open(&options.state)?;
            admission.set_listening(discovery::reachable(address))?;
            Ok(admission)
        })
        .await?;
        let announcement = if options.announce {
            discovery::announce(options.identity.id(), address)
        } else {
            None
        };
        let (sender, receiver) = mpsc::channel(limits::INCOMING);
        let shared = Arc::new(Shared {
            admission,
            limits,
            orchestrator: options.identity.id(),
            strangers: Arc::new(Semaphore::new(limits::INCOMING)),
            live: Mutex::default(),
            failures: Mutex::default(),
            admitted: sender,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(Arc::clone(&shared), endpoint.clone()));
        tasks.spawn(watch(Arc::clone(&shared)));
        Ok(Self {
            shared,
            endpoint,
            address,
            admitted: tokio::sync::Mutex::new(receiver),
            announcement,
            tasks,
        })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Makes a token that lets `uses` workers in, for so long from now.
    pub async fn mint(&self, uses: u32, valid: Duration) -> Result<Token, NetError> {
        let shared = Arc::clone(&self.shared);
        let hints = discovery::reachable(self.address);
        blocking(move || {
            let orchestrator = shared.orchestrator;
            shared.admission.mint(orchestrator, hints, uses, valid)
        })
        .await
    }

    /// Waits for the next worker who is let in. One who comes again, perhaps before its old
    /// connection is known to be lost, comes out again.
    pub async fn next(&self) -> Option<Peer> {
        self.admitted.lock().await.recv().await
    }

    /// Takes a worker off the allow-list for good and ends its connection. False if it was not on
    /// the list. The same done by another process ends the connection too, a moment later.
    pub async fn revoke(&self, id: PeerId) -> Result<bool, NetError> {
        let shared = Arc::clone(&self.shared);
        let known = blocking(move || shared.admission.revoke(id)).await?;
        if let Some(connection) = self.shared.live().get(&id) {
            connection.close(REVOKED, b"revoked");
        }
        Ok(known)
    }

    /// The list of those who may come in.
    pub fn admission(&self) -> &Admission {
        &self.shared.admission
    }

    /// What it holds at the moment.
    pub fn census(&self) -> Census {
        Census {
            strangers: limits::INCOMING - self.shared.strangers.available_permits(),
            workers: self.shared.live().len(),
            connections: self.endpoint.open_connections(),
        }
    }

    /// Takes nobody any more, and tells everybody, in bounded time.
    pub async fn close(mut self) {
        self.announcement = None;
        self.tasks.shutdown().await;
        self.endpoint.close(DONE, b"the orchestrator has ended");
        // Whoever does not hear it notices by silence.
        let _ = timeout(FAREWELL, self.endpoint.wait_idle()).await;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.endpoint.close(DONE, b"the orchestrator has ended");
    }
}

/// Looks at each stranger in a task of its own, of which there is a bounded number.
async fn listen(shared: Arc<Shared>, endpoint: Endpoint) {
    let mut strangers = JoinSet::new();
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            Some(_) = strangers.join_next() => continue,
        };
        let Some(incoming) = incoming else { return };
        let busy = limits::INCOMING - shared.strangers.available_permits();
        let Ok(permit) = Arc::clone(&shared.strangers).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        // Under pressure only those who answer at their address get any of our time.
        if busy >= limits::INCOMING_RETRY && incoming.may_retry() {
            let _ = incoming.retry();
            continue;
        }
        let shared = Arc::clone(&shared);
        strangers.spawn(async move {
            receive(&shared, incoming).await;
            drop(permit);
        });
    }
}

/// From the first packet to the decision.
async fn receive(shared: &Arc<Shared>, incoming: Incoming) {
    let address = incoming.remote_address().ip().to_canonical();
    let Ok(connecting) = incoming.accept() else {
        return;
    };
    let connection = match timeout(shared.limits.handshake, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            tracing::debug!("{address}: no handshake: {error}");
            return;
        }
        Err(_) => {
            tracing::debug!("{address}: the handshake took too long");
            return;
        }
    };
    match greet(shared, &connection, address).await {
        Ok(peer) => {
            tracing::info!(
                "{} ({}) joined from {}",
                peer.name(),
                peer.id(),
                peer.remote()
            );
            // It fails when the gate is closed, which the worker learns by its connection.
            let _ = shared.admitted.send(peer).await;
        }
        Err(Outcome::Gone(error)) => tracing::debug!("{address}: left at the door: {error}"),
        Err(Outcome::Refused(refusal)) => {
            let who = tls::proved_key(&connection).map(|(id, _)| id.to_string());
            tracing::warn!(
                "{address}: refused key {}: {refusal}",
                who.unwrap_or_default()
            );
            if refusal.counts_as_failed_proof() {
                shared.failures().note(address, Instant::now().into_std());
            }
            connection.close(refusal.code(), b"refused");
        }
    }
}

/// Why a stranger does not become a peer.
enum Outcome {
    Refused(Refusal),
    /// The connection is over, by the other side or by the network.
    Gone(quinn::ConnectionError),
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

async fn greet(
    shared: &Arc<Shared>,
    connection: &Connection,
    address: IpAddr,
) -> Result<Peer, Outcome> {
    let (id, spki) = tls::proved_key(connection).ok_or(Refusal::Malformed)?;
    let member = {
        let shared = Arc::clone(shared);
        decided(blocking(move || shared.admission.is_member(id)).await)?
    };
    if !member {
        let data = connection.handshake_data();
        let data =
            data.and_then(|data| data.downcast::<quinn::crypto::rustls::HandshakeData>().ok());
        let joining = data.is_some_and(|data| data.protocol.as_deref() == Some(tls::ALPN_JOIN));
        let now = Instant::now().into_std();
        if !joining {
            // The list says whether the key is unknown or revoked; it asks for no proof then.
            let shared = Arc::clone(shared);
            let judged = blocking(move || shared.admission.decide(id, "", None, SystemTime::now()));
            decided(judged.await)??;
        } else if shared
            .failures()
            .is_full(address, shared.limits.failed_proofs, now)
        {
            return Err(Refusal::TooMany.into());
        }
    }
    let due = Instant::now() + shared.limits.proof;
    let (hello, mut answer) = match timeout_at(due, listen_to(connection)).await {
        Ok(heard) => heard?,
        Err(_) => return Err(Refusal::Late.into()),
    };
    let name = hello.name.clone();
    {
        let shared = Arc::clone(shared);
        let binding = Binding::new(connection, spki);
        let judged = blocking(move || {
            let proof = hello.proof.as_ref().map(|proof| (proof, &binding));
            shared
                .admission
                .decide(id, &hello.name, proof, SystemTime::now())
        });
        decided(judged.await)??;
    }
    let live = Live::enter(shared, id, connection);
    // Revoked between the decision and the line above, it would have been overlooked.
    let member = {
        let shared = Arc::clone(shared);
        decided(blocking(move || shared.admission.is_member(id)).await)?
    };
    if !member {
        return Err(Refusal::Revoked.into());
    }
    endpoint::open_up(connection);
    let welcome = door::encode("a welcome", &Welcome).map_err(|_| Refusal::Internal)?;
    let said = async {
        answer.write_all(&welcome).await.ok()?;
        answer.finish().ok()
    };
    if !matches!(timeout_at(due, said).await, Ok(Some(()))) {
        return Err(Refusal::Late.into());
    }
    live.stay();
    Ok(Peer::new(connection.clone(), id, name, shared.limits))
}

/// The first words, whole and well-formed.
async fn listen_to(connection: &Connection) -> Result<(Hello, SendStream), Outcome> {
    let (answer, mut words) = connection.accept_bi().await.map_err(Outcome::Gone)?;
    let bytes = match words.read_to_end(limits::HELLO).await {
        Ok(bytes) => bytes,
        Err(quinn::ReadToEndError::Read(quinn::ReadError::ConnectionLost(lost))) => {
            return Err(Outcome::Gone(lost));
        }
        Err(_) => return Err(Refusal::Malformed.into()),
    };
    let hello: Hello = door::decode("a hello", &bytes).map_err(|_| Refusal::Malformed)?;
    if !door::name_is_fine(&hello.name) {
        return Err(Refusal::Malformed.into());
    }
    Ok((hello, answer))
}

/// A worker's place among those who are in, for as long as its connection lives.
struct Live {
    shared: Arc<Shared>,
    id: PeerId,
    connection: Connection,
}

impl Live {
    /// An older connection of the same worker gives way: it is most likely dead already.
    fn enter(shared: &Arc<Shared>, id: PeerId, connection: &Connection) -> Self {
        let older = shared.live().insert(id, connection.clone());
        if let Some(older) = older {
            older.close(REPLACED, b"replaced");
        }
        Self {
            shared: Arc::clone(shared),
            id,
            connection: connection.clone(),
        }
    }

    fn stay(self) {
        tokio::spawn(async move {
            let reason = self.connection.closed().await;
            let path = self.connection.stats().path;
            tracing::debug!(
                "{} left: {reason} (packets of {} bytes, {} of {} lost)",
                self.id,
                path.current_mtu,
                path.lost_packets,
                path.sent_packets
            );
            drop(self);
        });
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut live = self.shared.live();
        let mine = live.get(&self.id).map(Connection::stable_id);
        if mine == Some(self.connection.stable_id()) {
            live.remove(&self.id);
        }
    }
}

/// Ends the connections of those whom another process took off the list.
async fn watch(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(WATCH);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = None;
    loop {
        ticks.tick().await;
        let shared_there = Arc::clone(&shared);
        let look = blocking(move || {
            let stamp = shared_there.admission.stamp();
            let members = (stamp != seen).then(|| shared_there.admission.members());
            Ok((stamp, members.transpose()?))
        });
        match look.await {
            Ok((stamp, Some(members))) => {
                seen = stamp;
                for (id, connection) in shared.live().iter() {
                    if !members.iter().any(|member| member.id == *id) {
                        connection.close(REVOKED, b"revoked");
                    }
                }
            }
            Ok((_, None)) => {}
            // Nobody new comes in meanwhile; those who are in were let in by a list that was fine.
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, BTreeMap<PeerId, Connection>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files are read and written where waiting for a disk holds up no connection.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NetError> + Send + 'static,
) -> Result<T, NetError> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(NetError::Setup {
                what: "a task",
                why: error.to_string(),
            }),
        })
}

/// What a stranger is told when the list cannot be read, and what the log is told.
fn decided<T>(outcome: Result<T, NetError>) -> Result<T, Refusal> {
    outcome.map_err(|error| {
        tracing::error!("{error}");
        Refusal::Internal
    })
}
