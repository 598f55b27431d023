//! Gates and workers for the tests, all on loopback and all bounded.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use runtime::net::{DialOptions, Dialer, Gate, GateOptions, Identity, Peer, Target};
use tempfile::TempDir;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// No test may hang: everything that waits does so within this.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    let outcome = tokio::time::timeout(limit, what).await;
    outcome.expect("a step of this test hangs")
}

pub(crate) fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub(crate) fn options(folder: &Path) -> GateOptions {
    let identity = Identity::load_or_create(&folder.join("key")).unwrap();
    let mut options = GateOptions::new(identity, folder.to_owned(), loopback());
    options.announce = false;
    options
}

pub(crate) async fn gate() -> (Gate, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Gate::bind(options(folder.path())).await.unwrap(), folder)
}

/// A worker's key in a folder of its own.
pub(crate) fn worker() -> (Identity, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_create(&folder.path().join("key")).unwrap();
    (identity, folder)
}

pub(crate) fn call(identity: &Identity, target: Target) -> DialOptions {
    let mut options = DialOptions::new(identity.clone(), "pc1", target);
    options.discover = false;
    options
}

/// A gate, a worker that is in, and both ends of their connection.
pub(crate) struct Pair {
    pub(crate) gate: Gate,
    pub(crate) dialer: Dialer,
    pub(crate) there: Peer,
    pub(crate) here: Peer,
    pub(crate) worker: Identity,
    folders: [TempDir; 2],
}

impl Pair {
    /// The gate's state folder.
    pub(crate) fn state(&self) -> std::path::PathBuf {
        self.folders[0].path().to_owned()
    }
}

pub(crate) async fn pair() -> Pair {
    let (gate, gate_folder) = gate().await;
    let (identity, worker_folder) = worker();
    let token = gate.mint(1, HOUR).await.unwrap();
    let dialer = Dialer::new(call(&identity, Target::Token(token))).unwrap();
    let (here, there) = soon(async { tokio::join!(dialer.dial(), gate.next()) }).await;
    Pair {
        gate,
        dialer,
        here: here.unwrap(),
        there: there.unwrap(),
        worker: identity,
        folders: [gate_folder, worker_folder],
    }
}
