//! A worker finds its orchestrator by mDNS, without an address, across two network namespaces that
//! the test creates and removes. Without the permission to create them the test is skipped with a
//! message; in CI (the variable `CI` is set) it fails.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking too"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use runtime::net::{DialOptions, Dialer, Identity, ListenOptions, Listener, Target, Token};

/// The variable that names the folder shared by the two roles of this test.
const FOLDER: &str = "ALLOT_TEST_DISCOVERY";
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_worker_finds_its_orchestrator_without_an_address() {
    let network = match Network::make() {
        Ok(network) => network,
        Err(why) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "no namespaces in CI: {why}"
            );
            eprintln!("SKIPPED: mDNS between namespaces, since none can be made: {why}");
            return;
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let _orchestrator = network.run(0, "orchestrator", folder.path());
    let mut worker = network.run(1, "worker", folder.path());
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = worker.0.try_wait().unwrap() {
            break status;
        }
        assert!(begin.elapsed() < 2 * PATIENCE, "the worker hangs");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "the worker was not let in");
    let took = std::fs::read_to_string(folder.path().join("took")).unwrap();
    eprintln!("found and let in after {took} ms");
}

#[tokio::test]
#[ignore = "a role of the test above, which runs it in a namespace"]
async fn orchestrator() {
    let Some(folder) = folder() else { return };
    let identity = Identity::load_or_create(&folder.join("listener/key")).unwrap();
    let any = "[::]:0".parse().unwrap();
    let listener = Listener::bind(ListenOptions::new(identity, folder.join("listener"), any));
    let listener = listener.await.unwrap();
    let mut token = listener.mint(1, PATIENCE).await.unwrap();
    token.hints.clear();
    let aside = folder.join("token.new");
    std::fs::write(&aside, token.to_string()).unwrap();
    std::fs::rename(&aside, folder.join("token")).unwrap();
    let peer = tokio::time::timeout(PATIENCE, listener.accept())
        .await
        .unwrap();
    let peer = peer.unwrap();
    let _ = tokio::time::timeout(PATIENCE, peer.closed()).await;
    listener.close().await;
}

#[tokio::test]
#[ignore = "a role of the test above, which runs it in a namespace"]
async fn worker() {
    let Some(folder) = folder() else { return };
    let identity = Identity::load_or_create(&folder.join("worker/key")).unwrap();
    let begin = Instant::now();
    let token = loop {
        match std::fs::read_to_string(folder.join("token")) {
            Ok(text) => break Token::parse(&text).unwrap(),
            Err(error) => assert!(begin.elapsed() < PATIENCE, "no token: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let mut options = DialOptions::new(identity, "pc1", Target::Token(token));
    options.timeout = PATIENCE;
    // mDNS does not repeat an answer within a second (RFC 6762, 6), so a worker that asks within the
    // orchestrator's first second has to wait. This test does not measure that.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let begin = Instant::now();
    let dialer = Dialer::new(options).unwrap();
    let peer = dialer
        .dial()
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let took = begin.elapsed().as_millis();
    std::fs::write(folder.join("took"), took.to_string()).unwrap();
    drop(peer);
    dialer.close("the test is over").await;
}

fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Two namespaces connected by a veth pair; dropping it removes them.
struct Network {
    names: [String; 2],
}

impl Network {
    fn make() -> Result<Self, String> {
        let number = std::process::id();
        let names = ["a", "b"].map(|side| format!("allot-test-{number}-{side}"));
        // From here on everything created is removed, even if the rest fails.
        let network = Self { names };
        let [first, second] = &network.names;
        let ends = [format!("at{number}a"), format!("at{number}b")];
        ip(&format!("netns add {first}"))?;
        ip(&format!("netns add {second}"))?;
        ip(&format!(
            "-n {first} link add {} type veth peer name {} netns {second}",
            ends[0], ends[1]
        ))?;
        for (number, (name, end)) in network.names.iter().zip(&ends).enumerate() {
            ip(&format!(
                "-n {name} address add 10.83.83.{}/24 dev {end}",
                number + 1
            ))?;
            ip(&format!("-n {name} link set {end} up"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        // The link is up a moment after both ends are.
        let begin = Instant::now();
        for (name, end) in network.names.iter().zip(&ends) {
            while !ip(&format!("-n {name} link show {end}"))?.contains("state UP") {
                if begin.elapsed() > PATIENCE {
                    return Err(format!("{end} does not come up"));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(network)
    }

    /// Runs a role of this test program in a namespace.
    fn run(&self, side: usize, role: &str, folder: &Path) -> Role {
        let program = std::env::current_exe().unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", &self.names[side]])
            .arg(program)
            .args([
                "--exact",
                role,
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(FOLDER, folder)
            .stdout(Stdio::null())
            .spawn();
        Role(child.unwrap())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

struct Role(Child);

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ip(words: &str) -> Result<String, String> {
    let output = Command::new("ip").args(words.split(' ')).output();
    let output = output.map_err(|error| format!("`ip` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("`ip {words}`: {}", why.trim()))
}
