//! Runs of the program, followed by their JSON events.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use runtime::net::Peer;
use runtime::protocol::{Down, Up};
use serde_json::Value;

/// An orchestrator under way.
pub(crate) struct Run {
    child: Child,
    events: Receiver<Value>,
    stderr: Option<JoinHandle<String>>,
    /// All that were seen.
    pub(crate) seen: Vec<Value>,
    /// Process ids of the workers that it started, by name.
    pub(crate) pids: Vec<(String, u64)>,
}

/// How a run ended.
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) seen: Vec<Value>,
    pub(crate) stderr: String,
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runtime"));
    command
        .env_remove("ALLOT_JOIN")
        .env_remove("ALLOT_STATE")
        .env("RUST_LOG", "warn");
    command
}

/// The arguments of a small job for the linear model: `batches` of 32, and a folder.
pub(crate) fn small(batches: u64, folder: &Path) -> Vec<String> {
    small_of("linear", batches, folder)
}

/// The same for another model.
pub(crate) fn small_of(model: &str, batches: u64, folder: &Path) -> Vec<String> {
    let samples = batches * 32;
    [
        "cluster",
        "--model",
        model,
        "--json",
        "--benchmark-batches",
        "40",
        "--data",
        &format!("synthetic:train={samples},test=500"),
        "--out",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([folder.display().to_string()])
    .collect()
}

impl Run {
    /// Starts it.
    pub(crate) fn start(args: &[String], more: &[&str]) -> Self {
        Self::start_with_stderr(args, more, Stdio::piped())
    }

    /// Starts it with its messages going there.
    pub(crate) fn start_with_stderr(args: &[String], more: &[&str], stderr: Stdio) -> Self {
        let mut child = program()
            .args(args)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the program starts");
        let (tell, events) = channel();
        let stdout = child.stdout.take().expect("it is piped");
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let line = line.expect("it is text");
                let value =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if tell.send(value).is_err() {
                    return;
                }
            }
        });
        let errors = child.stderr.take();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            if let Some(mut errors) = errors {
                errors.read_to_string(&mut text).expect("it is text");
            }
            text
        });
        Self {
            child,
            events,
            stderr: Some(stderr),
            seen: Vec::new(),
            pids: Vec::new(),
        }
    }

    /// Follows it until something happens.
    pub(crate) fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        while let Ok(event) = self.events.recv() {
            self.take(&event);
            if event["event"] == what && is_it(&event) {
                return event;
            }
        }
        let stderr = self
            .stderr
            .take()
            .map(|text| text.join().expect("it was read"));
        panic!(
            "it ended before {what}: {:#?}\n{}",
            self.seen,
            stderr.unwrap_or_default()
        );
    }

    /// Whether something happened by now, which is looked at no further.
    #[cfg(feature = "torch")]
    pub(crate) fn has(&mut self, what: &str) -> bool {
        while let Ok(event) = self.events.try_recv() {
            self.take(&event);
            if event["event"] == what {
                return true;
            }
        }
        false
    }

    /// Until a worker does something.
    pub(crate) fn until_worker(&mut self, what: &str, name: &str) -> Value {
        self.until(what, |event| event["worker"] == name)
    }

    /// Follows it to its end.
    pub(crate) fn end(mut self) -> End {
        while let Ok(event) = self.events.recv() {
            self.take(&event);
        }
        let status = self.child.wait().expect("it ends");
        let stderr = self
            .stderr
            .take()
            .map(|text| text.join().expect("it was read"));
        End {
            code: status.code(),
            seen: std::mem::take(&mut self.seen),
            stderr: stderr.unwrap_or_default(),
        }
    }

    pub(crate) fn pid(&self, name: &str) -> u64 {
        let known = self.pids.iter().find(|(known, _)| known == name);
        known
            .unwrap_or_else(|| panic!("no worker {name}: {:?}", self.pids))
            .1
    }

    pub(crate) fn own_pid(&self) -> u64 {
        self.child.id().into()
    }

    fn take(&mut self, event: &Value) {
        if event["event"] == "started" {
            let name = event["worker"].as_str().expect("a name").to_owned();
            self.pids
                .push((name, event["pid"].as_u64().expect("an id")));
        }
        self.seen.push(event.clone());
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind: the workers end with the orchestrator.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl End {
    /// The last line.
    pub(crate) fn summary(&self) -> &Value {
        let last = self.seen.iter().rfind(|event| event["event"] == "ended");
        last.unwrap_or_else(|| panic!("no summary: {:#?}\n{}", self.seen, self.stderr))
    }

    /// It reached its end.
    pub(crate) fn completed(&self) -> &Value {
        assert_eq!(self.code, Some(0), "{:#?}\n{}", self.seen, self.stderr);
        assert_eq!(self.summary()["ending"], "completed");
        self.summary()
    }

    pub(crate) fn all<'a>(&'a self, what: &'a str) -> impl Iterator<Item = &'a Value> {
        self.seen.iter().filter(move |event| event["event"] == what)
    }

    /// Whether it told this, in whatever way.
    pub(crate) fn told(&self, text: &str) -> bool {
        let said = |event: &Value| event["event"] == "note" && event.to_string().contains(text);
        self.stderr.contains(text) || self.seen.iter().any(said)
    }

    /// What every run holds to, whatever happened in it: each batch of a cycle was accepted or
    /// lost, and no cycle took longer than its limit and the wait for the aggregation.
    pub(crate) fn holds_its_limits(&self, batches: u64) {
        for cycle in self.all("cycle") {
            let count = |key: &str| cycle[key].as_u64().expect("a count");
            assert_eq!(count("accepted") + count("lost"), batches, "{cycle}");
            let seconds = |key: &str| cycle[key].as_f64().expect("seconds");
            assert!(seconds("took_s") <= seconds("limit_s") + 1.0, "{cycle}");
        }
    }
}

/// Sends a signal to a process, by its id.
pub(crate) fn signal(name: &str, pid: u64) {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(status.expect("kill runs").success(), "{name} to {pid}");
}

/// Whether a process is there.
pub(crate) fn is_alive(pid: u64) -> bool {
    // A process that ended and was not yet waited for is gone for all that matters here.
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = state
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// The processes that a process started and that are there: their ids, groups and programs.
pub(crate) fn children(pid: u64) -> Vec<(u64, u64, PathBuf)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u64>().ok()) else {
            continue;
        };
        // One that ends meanwhile has no file any more.
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let (state, parent, group) = (fields.next(), fields.next(), fields.next());
        if state == Some("Z") || parent != Some(&pid.to_string()) {
            continue;
        }
        let group = group.and_then(|group| group.parse().ok());
        if let (Some(group), Ok(program)) =
            (group, std::fs::read_link(format!("/proc/{child}/exe")))
        {
            found.push((child, group, program));
        }
    }
    found
}

/// A worker of its own, ended when this is dropped.
pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn start(token: &str, name: &str, folder: &Path, more: &[&str]) -> Self {
        let state: PathBuf = folder.join(format!("state-{name}"));
        let child = program()
            .args(["worker", "--join", token, "--name", name])
            .args(more)
            .arg("--state")
            .arg(state)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("the program starts"))
    }

    pub(crate) fn pid(&self) -> u64 {
        self.0.id().into()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("it can be asked").is_none()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a member does that lets itself be measured and does nothing else: it sends probes back.
pub(crate) async fn return_probes(peer: Peer) {
    while let Ok(mut blob) = peer.accept_blob().await {
        let Ok(header) = blob.header::<Down>().await else {
            continue;
        };
        let mut bytes = Vec::new();
        while let Ok(Some(chunk)) = blob.next_chunk(1 << 16).await {
            bytes.extend_from_slice(&chunk);
        }
        if let Down::Probe { number, .. } = header {
            let header = Up::Probe { number };
            let _ = peer.send_blob(&header, vec![bytes.into()]).await;
        }
    }
}
