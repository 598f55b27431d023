//! Listeners and workers for the tests, all on loopback and all bounded.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use runtime::net::{DialOptions, Dialer, Identity, ListenOptions, Listener, Peer, Target};
use tempfile::TempDir;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Runs a step that must end soon, so that no test hangs.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    let outcome = tokio::time::timeout(limit, what).await;
    outcome.expect("a step of this test hangs")
}

pub(crate) fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub(crate) fn options(folder: &Path) -> ListenOptions {
    let identity = Identity::load_or_create(&folder.join("key")).unwrap();
    let mut options = ListenOptions::new(identity, folder.to_owned(), loopback());
    options.announce = false;
    options
}

pub(crate) async fn listener() -> (Listener, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (
        Listener::bind(options(folder.path())).await.unwrap(),
        folder,
    )
}

/// A worker's key in a folder of its own.
pub(crate) fn worker() -> (Identity, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_create(&folder.path().join("key")).unwrap();
    (identity, folder)
}

pub(crate) fn name_of(identity: &Identity) -> String {
    format!("pc-{}", identity.id())
}

pub(crate) fn dial_options(identity: &Identity, target: Target) -> DialOptions {
    // Names are unique on a list, as keys are.
    let mut options = DialOptions::new(identity.clone(), name_of(identity), target);
    options.discover = false;
    options
}

/// A listener, an admitted worker, and both ends of their connection.
pub(crate) struct Pair {
    pub(crate) listener: Listener,
    pub(crate) dialer: Dialer,
    pub(crate) there: Peer,
    pub(crate) here: Peer,
    pub(crate) worker: Identity,
    folders: [TempDir; 2],
}

impl Pair {
    /// The listener's state folder.
    pub(crate) fn state(&self) -> std::path::PathBuf {
        self.folders[0].path().to_owned()
    }
}

pub(crate) async fn pair() -> Pair {
    let (listener, listener_folder) = listener().await;
    let (identity, worker_folder) = worker();
    let token = listener.mint(1, HOUR).await.unwrap();
    let dialer = Dialer::new(dial_options(&identity, Target::Token(token))).unwrap();
    let (here, there) = soon(async { tokio::join!(dialer.dial(), listener.accept()) }).await;
    Pair {
        listener,
        dialer,
        here: here.unwrap(),
        there: there.unwrap(),
        worker: identity,
        folders: [listener_folder, worker_folder],
    }
}
