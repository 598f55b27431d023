//! The orchestrator's side: accepts connections and admits workers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, Endpoint, Incoming, SendStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};

use super::allow_list::AllowList;
use super::codec::{decode, encode};
use super::discovery::{self, Announcement};
use super::door::Door;
use super::endpoint;
use super::error::{DONE, NetError, REPLACED, REVOKED};
use super::handshake::{Binding, Hello, Welcome, is_valid_name};
use super::identity::{Identity, PeerId};
use super::limits::{self, Limits};
use super::peer::Peer;
use super::rate_limit::RateLimiter;
use super::refusal::JoinRefusal;
use super::tls;
use super::token::Token;

/// How often the allow-list is checked for changes by other processes.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long closing waits for the workers to acknowledge.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How a listener is set up.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// The orchestrator's own key.
    pub identity: Identity,
    /// The folder of its allow-list.
    pub state: PathBuf,
    /// The UDP address to listen on; `[::]` includes IPv4, port 0 takes any.
    pub listen: SocketAddr,
    /// Whether to announce itself in the local network (mDNS).
    pub announce: bool,
    /// Whether to pass several packets to the system at once (GSO). Some drivers cannot.
    pub offload: bool,
    /// Its limits.
    pub limits: Limits,
}

impl ListenOptions {
    /// The default options for a key, a state folder and an address.
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

/// The orchestrator's endpoint. As long as it lives it admits workers and hands them out.
pub struct Listener {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    address: SocketAddr,
    admitted: tokio::sync::Mutex<mpsc::Receiver<Peer>>,
    announcement: Option<Announcement>,
    tasks: JoinSet<()>,
}

/// What a listener holds at a moment. A refused client must leave nothing behind in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerStats {
    /// Connections that are being admitted.
    pub pending: usize,
    /// Admitted workers.
    pub workers: usize,
    /// Connections in any state, including those that are just closing.
    pub connections: usize,
}

#[derive(Debug)]
struct Shared {
    allow_list: AllowList,
    limits: Limits,
    orchestrator: PeerId,
    pending: Arc<Semaphore>,
    live: Mutex<BTreeMap<PeerId, Connection>>,
    failed_proofs: Mutex<RateLimiter>,
    admitted: mpsc::Sender<Peer>,
}

impl Listener {
    /// Starts to listen.
    pub async fn bind(options: ListenOptions) -> Result<Self, NetError> {
        let limits = options.limits;
        let endpoint =
            endpoint::server(&options.identity, options.listen, &limits, options.offload)?;
        let address = endpoint.local_addr().map_err(|source| NetError::Bind {
            address: options.listen,
            source,
        })?;
        let allow_list = blocking(move || {
            let allow_list = AllowList::open(&options.state)?;
            allow_list.set_listening(discovery::reachable(address))?;
            Ok(allow_list)
        })
        .await?;
        let id = options.identity.id();
        let announcement = options.announce.then(|| discovery::announce(id, address));
        let (sender, receiver) = mpsc::channel(limits::PENDING);
        let shared = Arc::new(Shared {
            allow_list,
            limits,
            orchestrator: id,
            pending: Arc::new(Semaphore::new(limits::PENDING)),
            live: Mutex::default(),
            failed_proofs: Mutex::default(),
            admitted: sender,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept_loop(Arc::clone(&shared), endpoint.clone()));
        tasks.spawn(watch_allow_list(Arc::clone(&shared)));
        Ok(Self {
            shared,
            endpoint,
            address,
            admitted: tokio::sync::Mutex::new(receiver),
            announcement: announcement.flatten(),
            tasks,
        })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Creates a token that admits `uses` workers within the time `valid` from now.
    pub async fn mint(&self, uses: u32, valid: Duration) -> Result<Token, NetError> {
        let (orchestrator, hints) = (self.shared.orchestrator, discovery::reachable(self.address));
        let mint = move |list: &AllowList| list.mint(orchestrator, hints, uses, valid);
        self.shared.allow_list(mint).await
    }

    /// The same for the workers that this process starts itself.
    pub(crate) async fn mint_own(&self, uses: u32, valid: Duration) -> Result<Token, NetError> {
        let (orchestrator, hints) = (self.shared.orchestrator, discovery::reachable(self.address));
        let mint = move |list: &AllowList| list.mint_own(orchestrator, hints, uses, valid);
        self.shared.allow_list(mint).await
    }

    /// Waits for the next worker that is admitted. A worker that connects again is returned again,
    /// perhaps before its old connection is known to be lost.
    pub async fn accept(&self) -> Option<Peer> {
        self.admitted.lock().await.recv().await
    }

    /// The workers that are admitted by their keys.
    pub fn allow_list(&self) -> &AllowList {
        &self.shared.allow_list
    }

    /// What it holds at the moment.
    pub fn stats(&self) -> ListenerStats {
        ListenerStats {
            pending: self.shared.pending(),
            workers: self.shared.live().len(),
            connections: self.endpoint.open_connections(),
        }
    }

    /// Stops to admit workers, and closes all connections in bounded time.
    pub async fn close(mut self) {
        self.announcement = None;
        self.tasks.shutdown().await;
        self.endpoint.close(DONE, b"the orchestrator has ended");
        // A worker that does not receive this notices by its idle timeout.
        let _ = timeout(CLOSE_TIMEOUT, self.endpoint.wait_idle()).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.endpoint.close(DONE, b"the orchestrator has ended");
    }
}

/// Handles each incoming connection in a task of its own, of which there is a bounded number.
async fn accept_loop(shared: Arc<Shared>, endpoint: Endpoint) {
    let (mut handlers, door) = (JoinSet::new(), Door::default());
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            Some(_) = handlers.join_next() => continue,
        };
        let Some(incoming) = incoming else { return };
        let pending = shared.pending();
        let from = incoming.remote_address().ip();
        let Some(place) = door.enter(from, Instant::now().into_std()) else {
            incoming.refuse();
            continue;
        };
        let Ok(permit) = Arc::clone(&shared.pending).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        // Under load a client must first show that it receives at its address.
        if pending >= limits::PENDING_RETRY && incoming.may_retry() {
            let _ = incoming.retry();
            continue;
        }
        let shared = Arc::clone(&shared);
        handlers.spawn(async move {
            handle(&shared, incoming).await;
            drop((permit, place));
        });
    }
}

/// Handles a connection from its first packet to its admission or refusal.
async fn handle(shared: &Arc<Shared>, incoming: Incoming) {
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
    match admit(shared, &connection, address).await {
        Ok(peer) => {
            let (name, id, remote) = (peer.name(), peer.id(), peer.remote());
            tracing::info!("{name} ({id}) joined from {remote}");
            // It fails when the listener is closed, which the worker learns by its connection.
            let _ = shared.admitted.send(peer).await;
        }
        Err(NotAdmitted::Closed(error)) => {
            tracing::debug!("{address}: left before it was admitted: {error}");
        }
        Err(NotAdmitted::Refused(refusal)) => {
            let key = tls::proved_key(&connection).map(|(id, _)| id.to_string());
            let key = key.unwrap_or_default();
            tracing::warn!("{address}: refused key {key}: {refusal}");
            if refusal.counts_as_failed_proof() {
                let now = Instant::now().into_std();
                shared.failed_proofs().record_failure(address, now);
            }
            connection.close(refusal.code(), b"refused");
        }
    }
}

/// Why a connection does not become a peer.
enum NotAdmitted {
    Refused(JoinRefusal),
    /// The connection was closed by the other side or lost.
    Closed(quinn::ConnectionError),
}

impl From<JoinRefusal> for NotAdmitted {
    fn from(refusal: JoinRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NetError> for NotAdmitted {
    /// The log gets the error, the client only learns that there is one.
    fn from(error: NetError) -> Self {
        tracing::error!("{error}");
        Self::Refused(JoinRefusal::Internal)
    }
}

/// The join handshake.
async fn admit(
    shared: &Arc<Shared>,
    connection: &Connection,
    address: IpAddr,
) -> Result<Peer, NotAdmitted> {
    let (id, spki) = tls::proved_key(connection).ok_or(JoinRefusal::Malformed)?;
    if !shared.allow_list(move |list| list.contains(id)).await? {
        let data = connection.handshake_data();
        let data = data.and_then(|data| data.downcast::<HandshakeData>().ok());
        let joining = data.is_some_and(|data| data.protocol.as_deref() == Some(tls::ALPN_JOIN));
        let (now, allowed) = (Instant::now().into_std(), shared.limits.failed_proofs);
        if !joining {
            // Without a proof the list can only say whether the key is unknown or revoked.
            let admit = move |list: &AllowList| list.admit(id, "", None, SystemTime::now());
            shared.allow_list(admit).await??;
        } else if shared.failed_proofs().is_limited(address, allowed, now) {
            return Err(JoinRefusal::RateLimited.into());
        }
    }
    let due = Instant::now() + shared.limits.proof;
    let (hello, mut answer) = match timeout_at(due, receive_hello(connection)).await {
        Ok(received) => received?,
        Err(_) => return Err(JoinRefusal::TimedOut.into()),
    };
    let binding = Binding::new(connection, spki);
    let admit = move |list: &AllowList| {
        let proof = hello.proof.as_ref().map(|proof| (proof, &binding));
        list.admit(id, &hello.name, proof, SystemTime::now())
    };
    shared.allow_list(admit).await??;
    let registration = Registration::new(shared, id, connection);
    // A revocation between the admission and the registration would have been missed.
    let name = shared.allow_list(move |list| list.name(id)).await?;
    let name = name.ok_or(JoinRefusal::Revoked)?;
    endpoint::raise_limits(connection);
    let welcome = encode("a welcome", &Welcome)?;
    let send = async {
        answer.write_all(&welcome).await.ok()?;
        answer.finish().ok()
    };
    if !matches!(timeout_at(due, send).await, Ok(Some(()))) {
        return Err(JoinRefusal::TimedOut.into());
    }
    registration.keep_until_closed();
    Ok(Peer::new(connection.clone(), id, name, shared.limits))
}

/// The first message, whole and well-formed.
async fn receive_hello(connection: &Connection) -> Result<(Hello, SendStream), NotAdmitted> {
    let (answer, mut stream) = connection.accept_bi().await.map_err(NotAdmitted::Closed)?;
    let bytes = match stream.read_to_end(limits::HELLO).await {
        Ok(bytes) => bytes,
        Err(quinn::ReadToEndError::Read(quinn::ReadError::ConnectionLost(lost))) => {
            return Err(NotAdmitted::Closed(lost));
        }
        Err(_) => return Err(JoinRefusal::Malformed.into()),
    };
    let hello: Hello = decode("a hello", &bytes).map_err(|_| JoinRefusal::Malformed)?;
    if !is_valid_name(&hello.name) {
        return Err(JoinRefusal::Malformed.into());
    }
    Ok((hello, answer))
}

/// The entry of a worker among the live connections, removed when it is dropped.
struct Registration {
    shared: Arc<Shared>,
    id: PeerId,
    connection: Connection,
}

impl Registration {
    /// Closes an older connection of the same worker, which is most likely dead already.
    fn new(shared: &Arc<Shared>, id: PeerId, connection: &Connection) -> Self {
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

    fn keep_until_closed(self) {
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

impl Drop for Registration {
    fn drop(&mut self) {
        let mut live = self.shared.live();
        let registered = live.get(&self.id).map(Connection::stable_id);
        if registered == Some(self.connection.stable_id()) {
            live.remove(&self.id);
        }
    }
}

/// Closes the connections of workers that another process has revoked.
async fn watch_allow_list(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = None;
    loop {
        ticks.tick().await;
        let check = move |list: &AllowList| {
            let version = list.file_version();
            let workers = (version != seen).then(|| list.workers());
            Ok((version, workers.transpose()?))
        };
        match shared.allow_list(check).await {
            Ok((version, Some(workers))) => {
                seen = version;
                for (id, connection) in shared.live().iter() {
                    if !workers.iter().any(|worker| worker.id == *id) {
                        connection.close(REVOKED, b"revoked");
                    }
                }
            }
            Ok((_, None)) => {}
            // Until it can be read again nobody new is admitted, and admitted workers stay.
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, BTreeMap<PeerId, Connection>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed_proofs(&self) -> MutexGuard<'_, RateLimiter> {
        let limiter = self.failed_proofs.lock();
        limiter.unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> usize {
        limits::PENDING - self.pending.available_permits()
    }

    /// Reads or changes the allow-list.
    async fn allow_list<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&AllowList) -> Result<T, NetError> + Send + 'static,
    ) -> Result<T, NetError> {
        let shared = Arc::clone(self);
        blocking(move || work(&shared.allow_list)).await
    }
}

/// Accesses files on a thread where waiting for a disk blocks no connection.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NetError> + Send + 'static,
) -> Result<T, NetError> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(NetError::setup("a task", error)),
        })
}
